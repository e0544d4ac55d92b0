"""Find what a stage would reject in an input before anything is run: levels, structures, models."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .included import WHOLE_FILE, Contents, check_contents
from .insighted import check_insight
from .interfaced import check_interface, count_interface
from .screened import check_screen

if TYPE_CHECKING:
    from ase import Atoms

    from ..chemistry.level import Level
    from ..config.elements import Elements, Named
    from ..config.partial import Partial
    from ..config.source import Document, Where


@dataclass(frozen=True)
class _Labeled:
    """A reference set that enters the dataset: its level, the hashes that its frames will carry, and its place."""

    level: "Level"
    label: str
    kinds: dict[str, str | None]
    document: "Document"
    where: "Where"

    def line(self, option: str) -> int:
        """The line of an option of the level, or of the level itself."""
        return self.document.line((*self.where, option))


class Checks:
    """Adds errors to documents, those of all systems of an input in turn.

    Fills `counts` with the number of atoms of each structure in each structure file.
    """

    def __init__(self) -> None:
        self.counts: dict[Path | str, list[int]] = {}
        self._frames: dict[Path, list[Atoms]] = {}
        self._labeled: list[_Labeled] = []
        self._contents: list[Contents] = []
        self._with_u: list[Named] = []
        self._set_elements: defaultdict[Where, list[Elements]] = defaultdict(list)

    def __call__(self, top: "Partial", document: "Document", source: Path) -> None:
        """Check the values that are valid on their own (`config.load`)."""
        from ..config.partial import rule
        from ..config.rounds import RoundView
        from ..config.sizes import check_costs

        number = document.number if isinstance(document, RoundView) else 0
        self._contents.append(Contents(document, number))
        with rule():
            self._contents[-1].e0 = top.dataset.E0 if top.dataset is not None else None
        with rule():
            self._structures(top, document, source)
        with rule():
            for index, item in enumerate(top.reference):
                with rule():
                    self._set(top, item, index, document, source)
        own = (self._glass_model, self._model, self._cells, self._included, self._start_model, self._replay)
        for check in (*own, check_screen, check_interface, check_insight):
            with rule():
                check(top, document, source)
        with rule():
            self.counts |= count_interface(top, document, source)
        check_costs(top, document, self.counts)

    def end(self, document: "Document") -> None:
        """Check what concerns all systems and rounds."""
        from ..config.elements import report_absent, union

        report_absent(
            self._with_u,
            lambda name: union(self._set_elements[name.where]),
            lambda name, known: f"{name.key}: this element is not one of {known}",
            document,
        )
        check_contents(self._contents, document)

    def _structures(self, top: "Partial", document: "Document", source: Path) -> None:
        """Read each structure file once."""
        named: list[tuple[Where, Any]] = [(("reference", i), item) for i, item in enumerate(top.reference)]
        if top.md is not None:
            named.append((("md",), top.md))
        for where, section in named:
            path = section.known("structures")
            if isinstance(path, Path) and (*where, "structures") not in document.faulty:
                from ..dataset.frames import read_frames

                with _named(document, (*where, "structures")):
                    if path not in self._frames:
                        self._frames[path] = read_frames(source / path)
                        self.counts[path] = [len(frame) for frame in self._frames[path]]

    def _set(self, top: "Partial", item: "Partial", index: int, document: "Document", source: Path) -> None:
        """The level supports the requested outputs and elements; the spins of the structures are known and possible."""
        from ..config.partial import rule
        from ..config.schema import Reference
        from ..engines.cp2k.theory import levels

        where = ("reference", index)
        section = item.whole(Reference)
        if section.level.is_potential:
            self._teacher(top, section, where, document, source)
            return
        method = None
        if (*where, "level", "template") not in document.faulty:
            with _named(document, where):
                method = levels.method_in(section.level, source)
        for check in (self._outputs, self._kinds, self._isolated, self._pattern, self._spins):
            with rule(), _named(document, where):
                check(top, section, method)
        with _named(document, where):
            self._hubbard(top, section, where, document)
        with rule():
            self._one_level(top, section, method, where, document)

    def _teacher(self, top: "Partial", section: Any, where: "Where", document: "Document", source: Path) -> None:
        """The potential can be opened, and covers the elements; the structures have what a frame needs."""
        from ..config.partial import rule
        from .teachers import covered, opened

        level = (*where, "level")
        with rule(), _named(document, where):
            self._spins(top, section, None)
        if level in document.faulty or section.level.family is None or section.level.model is None:
            return
        with rule(), _named(document, level):
            potential = opened(section.level, source)
            with rule():
                covered(potential, self._elements(top, section))
        with rule():
            if top.dataset is not None and top.dataset.level == section.level.title:
                own = _Labeled(section.level, str(section.level.stated()), {}, document, level)
                self._enter(own, section, section.level.title, self._elements(top, section))

    def _one_level(self, top: "Partial", section: Any, method: Any, where: "Where", document: "Document") -> None:
        """All sets that enter the dataset, also those of other systems, have one level and one kind per element."""
        from ..engines.cp2k.theory.levels import kinds_of, label_of

        if method is None or top.dataset is None or top.dataset.level != section.level.title:
            return
        elements = self._elements(top, section)
        with suppress(InputError):
            kinds = {element: kinds_of(method, [element]) for element in elements}
            own = _Labeled(section.level, label_of(method), kinds, document, (*where, "level"))
            self._enter(own, section, own.label, elements)

    def _enter(self, own: _Labeled, section: Any, level: str, elements: Iterable[str]) -> None:
        """Let a set at `level` enter the dataset, unless it differs from an earlier one."""
        for other in self._labeled:
            shared = own.kinds.keys() & other.kinds.keys()
            if own.label != other.label or any(own.kinds[item] != other.kinds[item] for item in shared):
                _tell_difference(own, other)
                return
        self._labeled.append(own)
        self._contents[-1].label(own.where[:-1], section, level, elements)

    def _outputs(self, top: "Partial", section: Any, method: Any) -> None:
        from ..engines.cp2k.write import prints

        if method is not None:
            prints.add(method.input_tree(), section.outputs)

    def _kinds(self, top: "Partial", section: Any, method: Any) -> None:
        if method is not None and method.needs_basis:
            _for_all(self._elements(top, section), method.kind)

    def _hubbard(self, top: "Partial", section: Any, where: "Where", document: "Document") -> None:
        """Each U belongs to an element; whether that is present is known at the end."""
        from ..config.elements import Named
        from ..config.partial import rule
        from ..engines.cp2k.theory import kinds

        known = None
        with rule():
            known = frozenset(self._elements(top, section))
        place = (*where, "level", "u_eV")
        self._set_elements[place].append(known)
        for key in section.level.u_eV or {}:
            self._with_u.append(Named(document, place, key, kinds.shell(key)[0], known))

    def _isolated(self, top: "Partial", section: Any, method: Any) -> None:
        """The dataset's level needs the energy of each isolated atom."""
        from ..engines.cp2k.write import inputs

        if method is not None and top.dataset is not None and top.dataset.level == section.level.title:
            _for_all(self._elements(top, section), lambda element: inputs.isolated_atom(element, method))

    def _spins(self, top: "Partial", section: Any, method: Any) -> None:
        """Structures from a file have a known spin state, and ions that fit the pattern."""
        from ..dataset.candidates import prepared
        from ..engines.cp2k.write import inputs
        from ..files import stem_of

        for number, frame in enumerate(self._frames.get(section.structures, ())):
            place, family = f"{section.structures}: frame {number}", stem_of(section.structures)
            ready = prepared(frame, place, family, section.charge, section.multiplicity)
            inputs.check_structure(ready, place)
            if section.spin != "ferromagnetic":
                inputs.ordered(ready, section.spin, 1)

    def _pattern(self, top: "Partial", section: Any, method: Any) -> None:
        """A pattern of signs fits the ions of the cell."""
        if section.structures != "glass" or section.spin in ("ferromagnetic", "antiferromagnetic", "sampled"):
            return
        top.system.formula_units  # noqa: B018 - if unknown, this ends the rule
        from ..chemistry import spins
        from ..config import atom_counts

        spins.moments([ion.label for ion in atom_counts.ions(top) for _ in range(ion.count)], section.spin)

    def _elements(self, top: "Partial", section: Any) -> list[str]:
        """Elements of the structures that a section uses."""
        from ..config import atom_counts

        if section.structures in ("glass", "candidates"):
            return sorted({ion.element for ion in atom_counts.ions(top)})
        return sorted({element for frame in self._frames.get(section.structures, ()) for element in frame.symbols})

    def _glass_model(self, top: "Partial", document: "Document", source: Path) -> None:
        """A model that makes glasses is a valid model and covers their elements."""
        if top.glass is None or top.glass.model is None or ("glass", "model") in document.faulty:
            return
        from ..config import atom_counts
        from ..engines.mace.facts import potential_facts

        with _named(document, ("glass", "model")):
            known = potential_facts(source / top.glass.model).elements
            _check_known(top.glass.model, known, sorted({ion.element for ion in atom_counts.ions(top)}))

    def _model(self, top: "Partial", document: "Document", source: Path) -> None:
        """A model named in md is a valid model and covers the elements."""
        md = top.md
        if md is None or md.model == "train" or ("md", "model") in document.faulty:
            return
        from ..engines.mace.facts import potential_facts

        with _named(document, ("md", "model")):
            _check_known(md.model, potential_facts(source / md.model).elements, self._elements(top, md))

    def _cells(self, top: "Partial", document: "Document", source: Path) -> None:
        """Cells can be cut from large structures of a file: wide enough, and which ion each atom is is known."""
        md = top.md
        if md is None or md.cells is None:
            return
        from ..config.cells import radius_A, too_narrow
        from ..dataset.cells import Ions, narrowest

        for number, frame in enumerate(self._frames.get(md.structures, ())):
            whole = frame.repeat(md.replicate)
            if len(whole) <= md.cells.max_atoms:
                continue
            with _named(document, ("md", "structures")):
                if Ions.of(frame).labels is None:
                    raise InputError(
                        f"frame {number} of {str(md.structures)!r}: an element has two states, and an array 'ion' has "
                        "to say which atom has which, so that its cells have a spin"
                    )
                if problem := too_narrow(len(whole), narrowest(whole), radius_A(top)):
                    raise InputError(f"frame {number} of {str(md.structures)!r}: {problem}")

    def _start_model(self, top: "Partial", document: "Document", source: Path) -> None:
        train = top.train
        if train is None or not isinstance(train.start_model, Path) or ("train", "start_model") in document.faulty:
            return
        from ..config.checks import WITHOUT_E0
        from ..engines.mace.facts import check_same_level, start_energies
        from ..engines.mace.filekind import PICKLED, kind_of

        with _named(document, ("train", "start_model")):
            path, contents = source / train.start_model, self._contents[-1]
            energies = start_energies(path, train.head, trust=train.trust)
            if energies is not None:
                _check_known(train.start_model, energies, sorted(contents.needed()))
            if train.E0 == "dataset":
                return
            if train.E0 is None and kind_of(path) == PICKLED:
                raise InputError(f"{str(train.start_model)!r}: {WITHOUT_E0}")
            check_same_level(train.start_model, energies or {}, contents.e0_eV)

    def _replay(self, top: "Partial", document: "Document", source: Path) -> None:
        """Frames to replay are of the dataset's elements and at the level that is said; large files are not read."""
        replay, where = getattr(top.train, "replay", None), ("train", "replay", "file")
        file = getattr(replay, "file", None)
        if file is None or where in document.faulty or (source / file).stat().st_size > WHOLE_FILE:
            return
        from ..dataset.assemble import one_level
        from ..dataset.frames import read_frames, read_labeled
        from ..engines.mace.replay import of_elements

        with _named(document, where):
            frames = (read_labeled if replay.level else read_frames)(source / file)
            if replay.level:
                one_level(((f"{file}: frame {k}", frame) for k, frame in enumerate(frames)), replay.level)
            if elements := self._contents[-1].needed():
                of_elements(frames, elements, str(file))

    def _included(self, top: "Partial", document: "Document", source: Path) -> None:
        """Included files hold labeled frames at the dataset's level; large files are not read."""
        if top.dataset is None:
            return
        section = top.dataset
        for index, path in enumerate(section.include):
            where = ("dataset", "include", index)
            if where not in document.faulty:
                with _named(document, where):
                    self._contents[-1].include(
                        where,
                        path,
                        source / path,
                        section.level,
                        section.max_force_eV_per_A,
                        stress=_asks_stress(top, document),
                    )


def _asks_stress(top: "Partial", document: "Document") -> bool:
    """Whether the input itself gives stress a weight; by default, frames without stress do not count."""
    return ("train", "stress_weight") in document.lines and bool(top.train.known("stress_weight"))


def _tell_difference(own: _Labeled, other: _Labeled) -> None:
    """Record what makes the level of a set another one than that of an earlier set."""
    fields = type(own.level).model_fields
    keys = [key for key in fields if getattr(own.level, key) != getattr(other.level, key)] or ["template"]
    told = [
        f"{key} is {own.level.shown(key)} here and {other.level.shown(key)} on line {other.line(key)}" for key in keys
    ]
    message = f"{', '.join(told)}; a dataset takes labels of one level"
    option = (*own.where, keys[0])
    place = option if option in own.document.lines else own.where
    own.document.fault_in_line(own.line(keys[0]), place, message)


def _check_known(model: Path, known: Iterable[str], elements: Iterable[str]) -> None:
    known = sorted(known)
    missing = [element for element in elements if element not in known]
    if missing:
        raise InputError(f"{str(model)!r}: does not cover {', '.join(missing)}; it covers {', '.join(known)}")


def _for_all(elements: Iterable[str], work: Callable[[str], object]) -> None:
    """Call `work` for each element; all problems are raised as one InputError."""
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
    """Within this context an InputError is recorded at `where`, or at the key that its text begins with.

    The key is one of the section at `where`, or of its level.
    """
    try:
        yield
    except InputError as error:
        key, _, rest = str(error).partition(" ")
        places = ((*where, key.rstrip(":")), (*where, "level", key.rstrip(":")))
        place = next((place for place in places if place in document.lines), None)
        if place is None:
            document.fault(where, str(error))
        elif place not in document.faulty:
            document.fault(place, rest)
