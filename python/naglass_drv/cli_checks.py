"""What the stages' own programs would refuse of an input, found before anything is run: levels, structures, models."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

    from .config.partial import Partial
    from .config.source import Document, Where

# bytes of a file of frames that are read to the end: a second or two
_WHOLE_FILE = 20_000_000


class Checks:
    """Adds errors to a document; `counts` are then the atoms of each structure of the structure files."""

    def __init__(self) -> None:
        self.counts: dict[Path, list[int]] = {}
        self._frames: dict[Path, list[Atoms]] = {}

    def __call__(self, top: "Partial", document: "Document", source: Path) -> None:
        """Check what is valid by itself (`config.load`)."""
        from .config.partial import rule
        from .config.sizes import check_costs

        with rule():
            self._structures(top, document, source)
        with rule():
            for index, item in enumerate(top.reference):
                with rule():
                    self._set(top, item, index, document, source)
        for check in (self._model, self._start_model, self._included):
            with rule():
                check(top, document, source)
        check_costs(top, document, self.counts)

    def _structures(self, top: "Partial", document: "Document", source: Path) -> None:
        """Read each structure file once."""
        named: list[tuple[Where, Any]] = [(("reference", i), item) for i, item in enumerate(top.reference)]
        if top.md is not None:
            named.append((("md",), top.md))
        for where, section in named:
            path = section.known("structures")
            if isinstance(path, Path) and (*where, "structures") not in document.faulty:
                from .dataset.frames import read_frames

                with _named(document, (*where, "structures")):
                    if path not in self._frames:
                        self._frames[path] = read_frames(source / path)
                        self.counts[path] = [len(frame) for frame in self._frames[path]]

    def _set(self, top: "Partial", item: "Partial", index: int, document: "Document", source: Path) -> None:
        """The level has what is asked of it, and every element; structures have a spin, patterns fit their ions."""
        from .config.partial import rule
        from .config.schema import Reference

        where = ("reference", index)
        section = item.whole(Reference)
        level = None
        with _named(document, where):
            level = self._level(section, source)
        for check in (self._outputs, self._kinds, self._hubbard, self._isolated, self._pattern, self._spins):
            with rule(), _named(document, where):
                check(top, section, level)

    def _level(self, section: Any, source: Path) -> Any:
        from .engines.cp2k import levels

        return levels.of_reference(section, source)

    def _outputs(self, top: "Partial", section: Any, level: Any) -> None:
        from .engines.cp2k import prints

        if level is not None:
            prints.add(level.input_tree(), section.outputs)

    def _kinds(self, top: "Partial", section: Any, level: Any) -> None:
        if level is not None and level.needs_basis:
            _for_all(self._elements(top, section), level.kind)

    def _hubbard(self, top: "Partial", section: Any, level: Any) -> None:
        """Each U is of an element that is there."""
        from .engines.cp2k import kinds

        elements = self._elements(top, section)
        for key in section.u_eV or {}:
            if kinds.shell(key)[0] not in elements:
                raise InputError(f"u_eV {key}: this element is not among {', '.join(elements)}")

    def _isolated(self, top: "Partial", section: Any, level: Any) -> None:
        """The dataset's level needs the energy of each isolated atom."""
        from .engines.cp2k import inputs

        if level is not None and top.dataset is not None and top.dataset.level == section.level:
            _for_all(self._elements(top, section), lambda element: inputs.isolated_atom(element, level))

    def _spins(self, top: "Partial", section: Any, level: Any) -> None:
        """Structures of a file have a known spin, and ions that fit the pattern."""
        from .dataset.candidates import prepared
        from .engines.cp2k import inputs

        for number, frame in enumerate(self._frames.get(section.structures, ())):
            place, family = f"{section.structures}: frame {number}", section.structures.name.split(".")[0]
            ready = prepared(frame, place, family, section.charge, section.multiplicity)
            inputs.check_structure(ready)
            if section.spin != "ferromagnetic":
                inputs.ordered(ready, section.spin, 1)

    def _pattern(self, top: "Partial", section: Any, level: Any) -> None:
        """A pattern of signs fits the ions of the cell."""
        if section.structures != "glass" or section.spin in ("ferromagnetic", "antiferromagnetic", "sampled"):
            return
        top.system.formula_units  # noqa: B018 - unknown, it ends the rule
        from .config import cost
        from .glass import spins

        spins.moments([ion.label for ion in cost.ions(top) for _ in range(ion.count)], section.spin)

    def _elements(self, top: "Partial", section: Any) -> list[str]:
        """Elements of the structures that a section takes."""
        from .config import cost

        if section.structures == "glass":
            return sorted({ion.element for ion in cost.ions(top)})
        return sorted({element for frame in self._frames.get(section.structures, ()) for element in frame.symbols})

    def _model(self, top: "Partial", document: "Document", source: Path) -> None:
        """A model that md names is one, and knows the elements."""
        md = top.md
        if md is None or md.model == "train" or ("md", "model") in document.faulty:
            return
        from .stages.md import model_facts

        with _named(document, ("md", "model")):
            _check_known(md.model, model_facts(source / md.model)[0], self._elements(top, md))

    def _start_model(self, top: "Partial", document: "Document", source: Path) -> None:
        train = top.train
        if train is None or train.start_model is None or ("train", "start_model") in document.faulty:
            return
        from .engines.mace.train import model_elements

        with _named(document, ("train", "start_model")):
            _check_known(train.start_model, model_elements(source / train.start_model), self._labeled_elements(top))

    def _labeled_elements(self, top: "Partial") -> list[str]:
        """Elements of the sets that the dataset takes, as far as they are known."""
        sets = [item for item in top.reference if top.dataset is not None and item.level == top.dataset.level]
        return sorted({element for item in sets for element in self._elements(top, item)})

    def _included(self, top: "Partial", document: "Document", source: Path) -> None:
        """Included files are labeled frames of the dataset's level; of a large one its size is all that is known."""
        if top.dataset is None:
            return
        from .dataset.assemble import one_level
        from .dataset.frames import read_labeled

        for index, path in enumerate(top.dataset.include):
            where, file = ("dataset", "include", index), source / path
            if where in document.faulty or file.stat().st_size > _WHOLE_FILE:
                continue
            with _named(document, where):
                frames = read_labeled(file)
                one_level(((f"{path}: frame {k}", frame) for k, frame in enumerate(frames)), top.dataset.level)


def _check_known(model: Path, known: Iterable[str], elements: Iterable[str]) -> None:
    known = sorted(known)
    missing = [element for element in elements if element not in known]
    if missing:
        raise InputError(f"{str(model)!r}: does not know {', '.join(missing)}; it knows {', '.join(known)}")


def _for_all(elements: Iterable[str], work: Callable[[str], object]) -> None:
    """Do `work` on each element; one InputError with what is wrong with any of them."""
    problems = []
    for element in elements:
        try:
            work(element)
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("; ".join(problems))


@contextmanager
def _named(document: "Document", where: "Where") -> Iterator[None]:
    """Within this context an InputError becomes an error of `where`, or of the key that its text begins with."""
    try:
        yield
    except InputError as error:
        key, _, rest = str(error).partition(" ")
        place = (*where, key.rstrip(":"))
        if place not in document.lines:
            document.fault(where, str(error))
        elif place not in document.faulty:
            document.fault(place, rest)
