"""The systems of an input: one as `system`, several named ones as `systems`, or a grid of compositions as `series`.

Each becomes an input of today's form, with the sections that all share and its own overrides, and is checked as such.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from ..chemistry import ions as chemistry
from ..chemistry import mixture
from ..errors import InputError
from ..fields import Count, Positive, Section, forms, within
from .named import Name
from .overrides import OVERRIDES, form_of, moved_place, with_sets
from .schema import MAX_ATOMS, Density, Input, Seed, Share, System
from .source import Document, Fault, Where
from .validation import fault_empty, validated

#: Largest number of systems in one run: each has folders and, with a report section, a page of its own.
MAX_SYSTEMS = 10_000
_RESERVED = {
    "glass", "atoms", "reference", "dataset", "train", "md", "screen", "analysis", "insight", "report", "series",
    "model",
    "figures",
}  # fmt: skip
_OF_LOOPS = re.compile(r"round-\d+|decision")
_SUM_PERCENT = 0.05

Percent = Annotated[float, Field(ge=0, le=100)]
_Percents = Annotated[
    Percent | Literal["rest"] | list[Percent], forms("a percentage from 0 to 100, 'rest', or a list of percentages")
]
_Shares = Annotated[Share | list[Share], forms("a share from 0 to 1, or a list of shares")]
# silica: 27 cm3/mol; P2O5 in glasses: about 60
MolarVolume = Annotated[Positive, within(1, 1000)]


class Mixture(Section):
    """A cell from mol-% of compounds: the smallest neutral one of at least `atoms` atoms.

    One share may be ``rest``. `redox` gives the part of an element that has a charge, as ``V4+/V: 0.25``. The density
    is given, follows from additive molar volumes of the compounds, or is looked up. In a series, shares and ratios may
    be lists, and every combination becomes a system.
    """

    mol_percent: dict[str, _Percents] = Field(min_length=1)
    redox: dict[str, _Shares] = Field(default_factory=dict)
    atoms: Annotated[Count, within(2, MAX_ATOMS)] = 200
    density_g_cm3: Density | None = None
    molar_volumes_cm3: dict[str, MolarVolume] | None = None


_KEYS_OF_BOTH: Any = dict.fromkeys((*Mixture.model_fields, *System.model_fields), (Any, None))
_Either: type[Section] = create_model("_Either", __base__=Section, **_KEYS_OF_BOTH)


@dataclass(frozen=True)
class Described:
    """Where a system comes from: the cell that was made for its mol-%, and the source of its density."""

    cell: mixture.Cell | None = None
    density_source: str = "input"

    def composition(self, system: System, *, asked: bool = False) -> dict[str, float]:
        """Realized or asked mol-% of the compounds and redox ratios, or the share of every cation (mol-%)."""
        if self.cell is not None:
            return {share.name: share.asked if asked else share.realized for share in self.cell.shares}
        ions = chemistry.species(system.composition, system.formula_units)
        cations = {ion.label: ion.count for ion in ions if ion.charge > 0}
        return {label: 100.0 * count / sum(cations.values()) for label, count in cations.items()}


@dataclass
class View(Document):
    """The document of one system: errors are recorded in the document of the file, at the place in the file.

    `moved` has the places of what the system overrides: in this document, and below `at` in the file.
    """

    whole: Document = field(default_factory=lambda: Document(""))
    at: Where = ()
    moved: Mapping[Where, Where] = field(default_factory=dict)
    described: Described = field(default_factory=Described)

    def record(self, fault: Fault) -> None:
        """Keep an error of this system with those of the file."""
        self.whole.faults.append(fault)

    def line(self, where: Where) -> int:
        return super().line(self._asked(where))

    def fault_in_line(self, line: int, where: Where, message: str) -> None:
        """Record an error; of what all systems of a series ask for, that of the first of them."""
        place = self.place(where)
        if self._asked(where) == where or place not in self.whole.faulty:
            super().fault_in_line(line, where, message)
        self.faulty.add(where)
        self.whole.faulty.add(place)

    def place(self, where: Where) -> Where:
        if where[:1] == ("system",):
            return (*self.at, *self._asked(where)[1:])
        moved = moved_place(where, self.moved)
        return self.whole.place(where if moved is None else (*self.at, *moved))

    def _asked(self, where: Where) -> Where:
        """Where the file asks for what stands at `where` in a section `system` that was made from mol-%."""
        cell = self.described.cell
        if cell is None or where[:1] != ("system",):
            return where
        key, label = (*where[1:], "", "")[:2]
        if key == "density_g_cm3":
            return ("system", "molar_volumes_cm3") if self.described.density_source != "input" else where
        if key == "formula_units":
            return "system", "atoms"
        element = chemistry.parse_label(str(label))[0] if label else ""
        formulas = (share.name for share in cell.shares if "/" not in share.name)
        source = next((name for name in formulas if element in mixture.elements(name)), None)
        return ("system", "mol_percent", source) if element and source else ("system", "mol_percent")


def views(document: Document) -> dict[str, Document]:
    """The systems by name; one without a name for an input with `system`. Errors are recorded in `document`."""
    value = document.value
    given = [key for key in ("system", "systems", "series") if key in value]
    if given == ["system"] or not given:
        return {"": document}
    if len(given) > 1:
        document.fault((given[1],), f"cannot be combined with {given[0]}")
        return {}
    found: dict[str, Document] = {}
    members = _listed(document) if given == ["systems"] else _grid(document)
    for name, view in members:
        if name in found:
            document.fault((*view.at, "name"), f"{name!r} is also the name of another system")
        elif name in _RESERVED:
            document.fault((*view.at, "name"), f"{name!r} is the name of a stage")
        elif "learn" in value and _OF_LOOPS.fullmatch(name):
            document.fault((*view.at, "name"), f"{name!r} is a name that a loop of learning uses for its steps")
        found.setdefault(name, view)
    return found


def _listed(document: Document) -> Iterator[tuple[str, View]]:
    members = document.value["systems"]
    if not isinstance(members, list) or not 1 <= len(members) <= MAX_SYSTEMS:
        document.fault(("systems",), f"must be a list of 1 to {MAX_SYSTEMS} systems")
        return
    for index, member in enumerate(members):
        at: Where = ("systems", index)
        if not isinstance(member, dict):
            document.fault(at, "must be a mapping with a name and a composition")
            continue
        own = {key: member[key] for key in member if key in OVERRIDES}
        for key in own:
            if own[key] is None:
                fault_empty(document, (*at, key), Input)
        name = validated(document, at, {key: value for key, value in member.items() if key == "name"}, _Named)
        given_by = [key for key in ("mol_percent", "composition") if key in member]
        mixed = given_by[:1] == ["mol_percent"]
        form = Mixture if mixed else System if given_by else _Either
        rest = form_of(document, at, member, form, _Either, "name", *OVERRIDES)
        if not given_by:
            document.fault(at, "needs either composition or mol_percent")
        if name is None or not given_by:
            continue
        if not mixed:
            yield name.name, _view(document, at, rest, own, Described())
            continue
        given = validated(document, at, rest, Mixture)
        if given is None or not all((_is_one(document, at, given), _has_terms(document, at, given))):
            continue
        for system, described in _made(document, at, _of_present(given)):
            yield name.name, _view(document, at, system, own, described)


def _grid(document: Document) -> Iterator[tuple[str, View]]:
    at: Where = ("series",)
    asked = document.value["series"]
    if isinstance(asked, dict):
        asked = form_of(document, at, asked, Mixture, Mixture)
    given = validated(document, at, asked, Mixture)
    if given is None:
        return
    axes = [(("mol_percent", key), values) for key, values in given.mol_percent.items() if isinstance(values, list)]
    axes += [(("redox", key), values) for key, values in given.redox.items() if isinstance(values, list)]
    for (part, key), values in axes:
        if not values or len(set(values)) < len(values):
            document.fault((*at, part, key), "must list different values" if values else "must not be empty")
            return
    count = 1
    for _, values in axes:
        count *= len(values)
    if count > MAX_SYSTEMS:
        document.fault(at, f"makes {count} systems; the maximum is {MAX_SYSTEMS}")
        return
    if not _has_terms(document, at, given):
        return
    seen: set[str] = set()
    for point in itertools.product(*(values for _, values in axes)):
        chosen = {where: value for (where, _), value in zip(axes, point, strict=True)}
        one = _of_present(
            given.model_copy(
                update={
                    part: {key: chosen.get((part, key), value) for key, value in getattr(given, part).items()}
                    for part in ("mol_percent", "redox")
                }
            )
        )
        named = {
            part: "_".join(
                f"{key.partition('/')[0].rstrip('+')}-{value:g}"
                for (of, key), value in chosen.items()
                if of == part and key in getattr(one, part)
            )
            for part in ("mol_percent", "redox")
        }
        name = "_".join(filter(None, named.values()))
        if name in seen:
            continue
        seen.add(name)
        for system, described in _made(document, at, one, named):
            yield name or "glass-1", _view(document, at, system, {}, described)


class _Named(Section):
    name: Name


class _Seeded(Section):
    seed: Seed = 1


def seed_of(document: Document) -> int:
    """The seed of the file, for what belongs to all systems; an error is recorded in `document`."""
    given = {key: value for key, value in document.value.items() if key == "seed"}
    return (validated(document, (), given, _Seeded) or _Seeded()).seed


def _is_one(document: Document, at: Where, given: Mixture) -> bool:
    """Whether a mixture is one system; an error for every list of values."""
    lists = [("mol_percent", key) for key, value in given.mol_percent.items() if isinstance(value, list)]
    lists += [("redox", key) for key, value in given.redox.items() if isinstance(value, list)]
    for place in lists:
        document.fault((*at, *place), "several values make a series; use the key series")
    return not lists


def _has_terms(document: Document, at: Where, given: Mixture) -> bool:
    """Whether a mixture is one of compounds, with the molar volume of each or of none; errors if not."""
    compounds = [_is_compound(document, at, formula) for formula in given.mol_percent]
    volumes = given.molar_volumes_cm3
    lacking: list[str] = []
    if given.density_g_cm3 is not None and volumes is not None:
        document.fault(at, "needs either density_g_cm3 or molar_volumes_cm3, not both")
        return False
    if volumes is not None:
        lacking = [name for name, share in given.mol_percent.items() if share and name not in volumes]
    if lacking:
        document.fault((*at, "molar_volumes_cm3"), f"no molar volume of {', '.join(lacking)}")
    if given.atoms > mixture.MAX_ATOMS:
        document.fault((*at, "atoms"), f"{given.atoms}: the maximum for a cell from mol-% is {mixture.MAX_ATOMS}")
    return all(compounds) and not lacking and given.atoms <= mixture.MAX_ATOMS


def _is_compound(document: Document, at: Where, formula: str) -> bool:
    try:
        mixture.compound(formula)
    except InputError as error:
        document.fault((*at, "mol_percent", formula), str(error))
        return False
    return True


def _of_present(given: Mixture) -> Mixture:
    """The mixture without ratios of elements that only compounds of zero share have: the end of a series."""
    absent = mixture.absent_elements(given.mol_percent)
    present = {key: value for key, value in given.redox.items() if key.partition("/")[2] not in absent}
    return given.model_copy(update={"redox": present})


def _made(
    document: Document, at: Where, given: Mixture, named: Mapping[str, str] | None = None
) -> Iterator[tuple[dict[str, Any], Described]]:
    """The section `system` for a mixture, with its description; nothing, and an error, if there is none.

    `named` are the parts of the name of a system of a series that come from ``mol_percent`` and ``redox``. An error has
    the part that it depends on, so that it is the same for all systems with that part, and reported once.
    """
    notes = {part: f"{name}: " if name else "" for part, name in (named or {}).items()}
    shares = _shares(document, at, given, notes.get("mol_percent", ""))
    if shares is None:
        return
    redox = {key: value for key, value in given.redox.items() if isinstance(value, float)}
    try:
        cell = mixture.smallest_cell(shares, redox, given.atoms)
    except mixture.RatioError as error:
        document.fault((*at, "redox", error.key), f"{notes.get('redox', '')}{error}")
        return
    except InputError as error:
        document.fault((*at, "mol_percent"), f"{''.join(notes.values())}{error}")
        return
    source, density = "input", given.density_g_cm3
    if given.molar_volumes_cm3 is not None:
        source, density = "molar volumes", mixture.density_from_volumes(cell, given.molar_volumes_cm3)
    stated = {} if density is None else {"density_g_cm3": density}
    yield {"composition": cell.counts, **stated}, Described(cell, source)


def _shares(document: Document, at: Where, given: Mixture, note: str) -> dict[str, float] | None:
    """The mol-% of all compounds, with ``rest`` filled in and those of zero left out."""
    stated = {key: value for key, value in given.mol_percent.items() if isinstance(value, float)}
    rest = [key for key, value in given.mol_percent.items() if value == "rest"]
    left = 100.0 - sum(stated.values())
    problem = None
    if len(rest) > 1:
        problem = "only one share can be the rest"
    elif (rest and left < 0) or (not rest and abs(left) > _SUM_PERCENT):
        problem = f"{note}the shares add up to {100.0 - left:g} mol-%, not 100"
    if problem:
        document.fault((*at, "mol_percent"), problem)
        return None
    return {key: value for key, value in {**stated, **dict.fromkeys(rest, left)}.items() if value > 0}


def _view(document: Document, at: Where, system: Any, own: Mapping[str, Any], described: Described) -> View:
    """The input of one system in today's form."""
    merged = {key: item for key, item in document.value.items() if key not in ("systems", "series")}
    moved: dict[Where, Where] = {}
    for key, item in own.items():
        shared = merged.get(key)
        if key == "reference" and isinstance(item, dict):
            merged[key] = with_sets(document, at, shared, item, moved)
        elif isinstance(item, dict) and isinstance(shared, dict):
            merged[key] = {**shared, **item}
            moved |= {(key, part): (key, part) for part in item}
        else:
            merged[key] = item
            moved[key,] = (key,)
    view = View(document.name, {**merged, "system": system}, whole=document, at=at, moved=moved, described=described)
    back = {there: here for here, there in moved.items()}

    def here(where: Where) -> Where | None:
        """The place in the view of a place in the file; None for those of other systems, and for what is overridden."""
        if where[: len(at)] != at:
            overridden = where[:1] in (("systems",), ("series",)) or moved_place(where, moved) is not None
            return None if overridden else where
        rest = where[len(at) :]
        return (moved_place(rest, back) or rest) if rest[:1] and rest[0] in OVERRIDES else ("system", *rest)

    # an entry that changes some keys of a section is not where the section stands
    changed: dict[Where, int] = {}
    for where, line in document.lines.items():
        if (place := here(where)) is not None:
            inside = where[: len(at)] == at
            says = place[0] == "system" or moved_place(place, moved) is not None
            (changed if inside and not says else view.lines).setdefault(place, line)
    view.lines = changed | view.lines
    view.faulty = {place for where in document.faulty if (place := here(where)) is not None}
    return view
