"""Find what the dataset would reject for what it is made of: mixed levels, and elements without E0."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..wording import counted

if TYPE_CHECKING:
    from ase import Atoms

    from ..config.source import Document, Where
    from ..dataset.energies import Table

#: Frame files up to this many bytes are read in full, which takes a second or two.
WHOLE_FILE = 20_000_000
#: Where the reference sets come from, and further E0.
_SOURCES = (("system",), ("systems",), ("series",), ("reference",), ("learn",), ("dataset",))


@dataclass
class _Part:
    """Frames of one level in the dataset of a round: those of a file, or those to be labeled in a set."""

    shown: str
    level: str
    needed: frozenset[str]
    given: frozenset[str] = frozenset()


@dataclass
class Contents:
    """What the dataset of a system in a round is made of; `whole` if all files have been read.

    `e0_eV` are the isolated-atom energies that its files give, `atoms` the isolated atoms among their frames, with
    their places, by the full name of the level.
    """

    document: "Document"
    round: int
    parts: dict["Where", _Part] = field(default_factory=dict)
    tables: dict[Path, "Table"] = field(default_factory=dict)
    atoms: dict[str, list[tuple[str, "Atoms"]]] = field(default_factory=dict)
    e0_eV: dict[str, float] = field(default_factory=dict)
    whole: bool = True
    taught: bool = False
    e0: str | None = None

    def label(self, where: "Where", section: Any, level: str, elements: Iterable[str]) -> None:
        """Add a reference set at the full name of its level. Those that round 0 has label their isolated atoms.

        The hash of a potential is not known before it is opened: its level is without, and E0 can be fitted.
        """
        needed, alone = frozenset(elements), not self.round and section.structures != "candidates"
        if section.level.is_potential:
            self.taught, alone = True, False
        self.parts[where] = _Part(f"set {section.name}", level, needed, needed if alone else frozenset())

    def include(
        self, where: "Where", shown: Path, file: Path, level: str, ceiling: float, *, stress: bool = False
    ) -> None:
        """Add a file. Raises InputError if it is not at `level`, or lacks the `stress`; large files are not read."""
        from ..dataset.assemble import below, one_level
        from ..dataset.energies import is_table, read_table
        from ..dataset.frames import is_isolated_atom, level_name, read_labeled

        if is_table(file):
            self.tables[shown] = table = read_table(file)
            if level_name(table.level) == level:
                self._take(table.level)
        elif file.stat().st_size > WHOLE_FILE:
            self.whole = False
        else:
            frames = read_labeled(file)
            full = one_level(((f"{shown}: frame {k}", frame) for k, frame in enumerate(frames)), level)
            atoms = [frame for frame in frames if is_isolated_atom(frame)]
            kept, _ = below(ceiling, (frame for frame in frames if not is_isolated_atom(frame)))
            numbers = {id(frame): number for number, frame in enumerate(frames)}
            lacking = [numbers[id(frame)] for frame in kept if "REF_stress" not in frame.info]
            if stress and lacking:
                raise InputError(
                    f"{shown}: frame {lacking[0]} has no REF_stress ({len(lacking)} of {counted(len(kept), 'frame')}); "
                    "leave out train.stress_weight, so that frames without do not count"
                )
            self.parts[where] = _Part(repr(str(shown)), full, _elements(kept), _elements(atoms))
            self._take(full, [(f"{shown}: frame {numbers[id(atom)]}", atom) for atom in atoms])

    def _take(self, level: str, atoms: Iterable[tuple[str, "Atoms"]] = ()) -> None:
        """Take E0 from isolated atoms and the tables at the full name of a level; InputError where two differ."""
        from ..dataset.assemble import isolated_atom_energies

        known = self.atoms.setdefault(level, [])
        known += atoms
        tables = {str(shown): table.e0_eV for shown, table in self.tables.items() if table.level == level}
        self.e0_eV |= isolated_atom_energies(known, tables)

    def needed(self) -> set[str]:
        """Elements of the frames that are trained on, as far as they are known."""
        return {element for part in self.parts.values() for element in part.needed}


def check_contents(known: list[Contents], document: "Document") -> None:
    """Report mixed levels and elements without E0 in the datasets of all systems and rounds of the input `document`.

    The isolated atoms of a set serve all systems and rounds. Where something that could give E0 is not valid, nothing
    is reported.
    """
    places = {where for each in known for where in each.document.faulty} | document.faulty
    if any(where[:1] in _SOURCES for where in places):
        return
    sets = [part for each in known if not each.round for where, part in each.parts.items() if where[0] == "reference"]
    for each in known:
        for where, part in each.parts.items():
            problem = _mixture(each, part, sets) or _without_e0(each, part, sets)
            if problem and where not in each.document.faulty:
                each.document.fault(where, problem)


def _mixture(contents: Contents, part: _Part, sets: list[_Part]) -> str | None:
    """Whether a file is at another level than the sets or an earlier file."""
    from ..dataset.frames import level_name

    first = next(iter([*sets, *contents.parts.values()]))
    if part.level == first.level or level_name(part.level) == first.level:
        return None
    return f"{part.shown}: level {part.level} cannot be mixed with level {first.level} of {first.shown}"


def _without_e0(contents: Contents, part: _Part, sets: list[_Part]) -> str | None:
    from ..dataset.assemble import WITHOUT_E0
    from ..dataset.taught import GIVEN, LEAST_SQUARES

    if contents.e0 == LEAST_SQUARES or (contents.taught and contents.e0 != GIVEN):
        return None
    given = {element for each in [*sets, *contents.parts.values()] for element in each.given}
    given |= {element for table in contents.tables.values() if table.level == part.level for element in table.e0_eV}
    missing = part.needed - given
    if not contents.whole or not missing:
        return None
    others = [f"{file} is at level {each.level}" for file, each in contents.tables.items() if each.level != part.level]
    note = f" ({', '.join(others)})" if others else ""
    return (
        f"{part.shown}: no isolated-atom energy (E0) for {', '.join(sorted(missing))} at level {part.level}{note}; "
        f"{WITHOUT_E0}"
    )


def _elements(frames: Iterable["Atoms"]) -> frozenset[str]:
    return frozenset(element for frame in frames for element in frame.symbols)
