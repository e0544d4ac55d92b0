"""Features and targets from the folders of runs: what their analyses measured, a row for each glass and trajectory."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..files import file_hash
from ..products import (
    MANIFEST,
    Labels,
    Measurements,
    Product,
    Quantity,
    Structures,
    Trajectories,
    of_manifest,
    read_quantities,
)
from ..wording import counted
from .blocks import about_vanadium_bonds
from .build import build_table
from .composition import same_compositions
from .leaks import OF_THE_MOTION, is_of_the_motion
from .mapping import Map
from .oxides import glass_name, oxide_shares
from .sources import FILE, LINE
from .table import Table

if TYPE_CHECKING:
    import pandas as pd

#: What the stages of a run write of each subject: the rows of an analysis, its numbers, and what a glass is.
WORDS = ("quantities", "numbers", "made")
#: The analysis of all quenched glasses of a system, and the keys of what was measured on each while it was made.
GLASS = "glass"
#: What the keys of a frame are called, among its attributes.
LABELS = "labels"
_TEMPERATURE, _GLASSES = "temperature", "composition and states"
# parts of keys that tell about the simulation, not about the glass
_NOT_FEATURES = (".atoms", ".frames", ".count", ".cutoff", ".duration", ".ions", ".flagged", ".temperature")
# what an analysis lists only where it is found: a row without has none
_LISTED = ("network.Q", "network.oxygen.", "topology.", "metals.", "redox.", "hops.beside.", "glance.artifact.")
_NOT_ZERO = ("topology.ring_size", "topology.ion_spacing")
# of a glass while it was made: what can be a target, beside the analysis of the minimized structure
_OF_MAKING = ("D", "D_upper", "energy", "pressure", "density")
_BOUND = "_upper"
# what an analysis gives of the charge that its mobile ions carry
_OF_CURRENT = ("transport.nernst", "transport.conductivity")
_DENSITY, _SET = "glance.density", "set"
# states that an analysis assigns by the surroundings of a metal
_ASSIGNED = re.compile(r"metals\.\w+\.(?:valence|geometry|moment)\..+")


@dataclass(frozen=True)
class Measured:
    """What is known of one system: paths by the last word of their role, and by the subject that was measured."""

    system: str
    files: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)

    @classmethod
    def of(cls, system: str, roles: Iterable[tuple[str, Path]], words: Sequence[str] = WORDS) -> "Measured":
        """From files by the roles that they have in products: ``SUBJECT/WORD``."""
        files: dict[str, dict[str, Path]] = {word: {} for word in words}
        for role, path in roles:
            subject, _, word = role.rpartition("/")
            if subject and word in words:
                files[word][subject] = path
        return cls(system, files)


def names_of(one: Measured, subject: str) -> dict[str, str]:
    """Glass, system and temperature of the atoms of a trajectory ``STRUCTURE-600K``; what starts from the same
    structure is one glass.
    """
    structure, _, temperature = subject.rpartition("-")
    glass = f"{one.system}/{structure}".strip("/")
    return {"glass": glass, "system": one.system, "subject": subject, "temperature (K)": temperature.removesuffix("K")}


def is_run(path: Path) -> bool:
    """Whether a path is the folder of a run."""
    return path.is_dir() and (path / "products").is_dir()


def measured_in(folder: Path, words: Sequence[str] = WORDS) -> list[Measured]:
    """The systems of a run with the files of these `words`. Raises InputError for a damaged manifest."""
    roles: dict[str, list[tuple[str, Path]]] = {}
    for product in products_of(folder):
        if isinstance(product, Measurements | Structures | Trajectories | Labels):
            roles.setdefault(product.scope, []).extend(product.files.items())
    found = {f"{folder.name}/{scope}" if scope else folder.name: own for scope, own in roles.items()}
    return [Measured.of(system, own, words) for system, own in found.items()]


def products_of(folder: Path) -> Iterator[Product]:
    """The products of a run. Raises InputError for a damaged manifest."""
    for path in sorted((folder / "products").rglob(MANIFEST)):
        try:
            product = of_manifest(json.loads(path.read_text(encoding="utf-8")), folder)
        except ValueError as error:
            raise InputError(f"{path}: not a manifest: {error}") from None
        if product is not None:
            yield product


def hash_of_run(folder: Path, words: Sequence[str] = WORDS) -> str:
    """SHA-256 of all that `measured_in` finds, by content."""
    found = measured_in(folder, words)
    paths = (path for one in found for word in words for _, path in sorted(one.files[word].items()))
    return hashlib.sha256("\n".join(file_hash(path) for path in paths if path.is_file()).encode()).hexdigest()


def read_run(folder: Path) -> "pd.DataFrame":
    """`rows_of` what was measured in a run. Raises InputError for a folder without analyses."""
    return rows_of(measured_in(folder), str(folder))


def rows_of(measured: Sequence[Measured], source: str) -> "pd.DataFrame":
    """One row per glass and trajectory that was analyzed, as `sources.read_frame` gives those of a file.

    Columns are keys of quantities without the name of what was measured, as ``structure.P-O.coordination (1)``, and
    ``system``, ``subject``, ``temperature (K)`` and the atoms of each element in percent. A quantity with only an upper
    bound, such as D where the motion is not diffusive, is written as ``<1e-10``. A glass has its own values of what was
    measured while it was made (``glass.D``), beside the means over all replicas of its system. Raises InputError where
    nothing was analyzed.
    """
    import pandas as pd

    rows = [row for one in measured for row in _rows(one)]
    if not rows:
        raise InputError(f"{source}: no analysis of a glass or trajectory is finished in this run")
    units: dict[str, str] = {}
    words: dict[str, str] = {}
    for row in rows:
        units |= row.pop("units")
        words |= row.pop("words")
    frame = pd.DataFrame([{**row.pop("named"), **row.pop("values")} for row in rows], dtype=object)
    heads = {name: f"{name} ({unit})" for name, unit in units.items()}
    for name in frame.columns:
        if name.startswith(_LISTED) and name not in _NOT_ZERO:
            frame[name] = frame[name].fillna(0.0)
    frame = frame.rename(columns=heads).fillna("").assign(**{LINE: range(1, len(frame) + 1), FILE: source})
    frame.attrs[LABELS] = words
    return frame


def labels_of(frames: Iterable["pd.DataFrame"]) -> dict[str, str]:
    """What the keys of quantities are called, of frames of `rows_of`."""
    return {key: label for frame in frames for key, label in frame.attrs.get(LABELS, {}).items()}


def _rows(one: Measured) -> Iterator[dict[str, Any]]:
    numbers = one.files["numbers"]
    for subject, path in one.files["quantities"].items():
        if subject not in numbers:
            continue
        row = _row(one.system, subject, read_quantities(path), numbers[subject])
        if subject != GLASS or not one.files["made"]:
            yield row
            continue
        for glass, made in one.files["made"].items():
            yield _of_glass(row, glass, made)


def _row(system: str, subject: str, found: list[Quantity], numbers: Path) -> dict[str, Any]:
    try:
        atoms = json.loads(numbers.read_text(encoding="utf-8"))["composition"]
        whole = sum(atoms.values())
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(f"{numbers}: not the numbers of an analysis ({type(error).__name__})") from None
    row: dict[str, Any] = {
        "named": {"system": system, "subject": subject, "potential": ""},
        "units": dict.fromkeys(atoms, "mol%"),
        "values": {element: 100.0 * count / whole for element, count in atoms.items()},
        "words": {},
    }
    for quantity in found:
        _enter(row, quantity, subject)
    return row


def _of_glass(row: Mapping[str, Any], glass: str, path: Path) -> dict[str, Any]:
    """The row of one replica: that of all, and what was measured while it was made."""
    own = {word: dict(part) for word, part in row.items()}
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
        found = [Quantity(**each) for each in made["quantities"]]
        own["named"] |= {"subject": glass, "potential": _potential(made["potential"])}
    except (ValueError, KeyError, TypeError, OSError, InputError) as error:
        raise InputError(f"{path}: does not tell how a glass was made ({type(error).__name__})") from None
    for quantity in found:
        if quantity.key.removeprefix(f"glass.{glass}.") in _OF_MAKING:
            _enter(own, quantity, glass)
    return own


def _potential(text: str) -> str:
    return "rigid-ion" if text == "rigid-ion potential" else "machine-learned"


def _enter(row: dict[str, Any], quantity: Quantity, subject: str) -> None:
    key = quantity.key.replace(f".{subject}.", ".", 1)
    values, units = row["values"], row["units"]
    if "temperature_K" in quantity.conditions:
        values[_TEMPERATURE], units[_TEMPERATURE] = quantity.conditions["temperature_K"], "K"
    # a density that was set follows from the composition, and is no measure of the structure
    if key.endswith(_NOT_FEATURES) or (key == _DENSITY and quantity.note == _SET):
        return
    if key.endswith(_BOUND):
        key = key.removesuffix(_BOUND)
        values[key] = f"<{quantity.value!r}"
    else:
        # replicas that are equal tell no error
        error = f" ± {quantity.error!r}" if quantity.error else ""
        values[key] = f"{float(quantity.value)!r}{error}"
    units[key] = quantity.unit
    row["words"][key] = quantity.label.removesuffix(f" of {subject}")


def table_of_runs(given: Map, frames: Sequence["pd.DataFrame"], carrier: str = "") -> tuple[Table, Map]:
    """The table of `rows_of` runs, and the map that it was read by.

    Measures of the motion are left out where the target is one, and features that some composition does not have (the
    length of a bond that it lacks). Raises InputError for a target that no row has.
    """
    labels = labels_of(frames)
    given, kept, notes = _map_of_runs(given, frames)
    kept, given = _in_oxides(kept, given)
    if not carrier and given.target.startswith(_OF_CURRENT):
        carrier = "the mobile ion"
    table = build_table(kept, given, carrier, more_than_composition=given.group == _GLASSES)
    return replace(table, notes=(*notes, *table.notes), labels=labels), given


def _in_oxides(frames: list["pd.DataFrame"], given: Map) -> tuple[list["pd.DataFrame"], Map]:
    """The frames with oxides in place of the atoms, as compositions of glasses are written, where oxygen is the only
    anion; glasses of the same oxides are told apart by the states of their metals.
    """
    import pandas as pd

    elements = given.composition
    heads = [f"{element} (mol%)" for element in elements]
    whole = pd.concat(frames, ignore_index=True, sort=False).fillna("")
    atoms = np.array([[float(cell or 0.0) for cell in row] for row in whole[heads].to_numpy()])
    found = oxide_shares(atoms, elements)
    if found is None or given.group not in (None, "composition"):
        return frames, given
    shares, names = found
    numbers = same_compositions(atoms)
    first = {number: row for row, number in reversed(list(enumerate(numbers)))}
    titles = {number: glass_name(atoms[row], elements) for number, row in first.items()}
    whole = whole.drop(columns=heads).assign(
        **{f"{name} (mol%)": column for name, column in zip(names, shares.T, strict=True)}
    )
    whole[_GLASSES] = [titles[number] for number in numbers]
    return [whole], given.model_copy(update={"composition": names, "group": _GLASSES})


def _map_of_runs(given: Map, frames: Sequence["pd.DataFrame"]) -> tuple[Map, list["pd.DataFrame"], list[str]]:
    if given.target is None:
        raise InputError(f"no target: name a quantity with --target, such as {', '.join(_examples(frames))}")
    head = target_head(given.target, frames)
    kept = [frame[frame[head] != ""] for frame in frames if head in frame.columns]
    elements = [c.removesuffix(" (mol%)") for frame in kept for c in frame.columns if c.endswith(" (mol%)")]
    updates: dict[str, Any] = {"composition": list(dict.fromkeys(elements)), "composition_unit": "mol%"}
    lacking_runs = [str(frame[FILE].iloc[0]) for frame in frames if head not in frame.columns]
    notes = [f"no {given.target}, left out: {', '.join(lacking_runs)}"] if lacking_runs else []
    if given.potential is None:
        known = {text for frame in kept for text in frame["potential"] if text}
        subjects = {subject for frame in kept for subject in frame["subject"]}
        rigid = known == {"rigid-ion"} or (not known and subjects == {GLASS})
        updates["potential"] = "rigid-ion" if rigid else "machine-learned"
    names = {c.rpartition(" (")[0] for frame in kept for c in frame.columns if c.endswith(")")}
    ignored = {"system", "subject", "potential", *given.ignore}
    ignored |= {name for name in names if name.startswith(f"{GLASS}.")}
    if (given.potential or updates["potential"]) == "rigid-ion":
        assigned = {name for name in names if _ASSIGNED.fullmatch(name)}
        if assigned:
            notes.append("oxidation states of rigid ions are set: those by bond valence or geometry are no features")
        if wrong := set(about_vanadium_bonds(names - assigned)):
            notes.append(f"rigid-ion potentials order V–O lengths wrongly; no features: {', '.join(sorted(wrong))}")
        ignored |= assigned | wrong
    if is_of_the_motion(given.target):
        ignored |= {name for name in names if name.startswith(OF_THE_MOTION)}
    kin = {name for name in names - ignored - {given.target} if name.startswith(_family_of(given.target))}
    if kin:
        notes.append(f"measured by the same analysis as the target, no features: {', '.join(sorted(kin))}")
    ignored |= kin
    lacking = _not_in_all(kept, names - ignored - {given.target, _TEMPERATURE, *elements, *given.features})
    updates["ignore"] = sorted((ignored | set(lacking)) - {given.target, *given.features})
    if _TEMPERATURE in names and given.temperature is None:
        updates["temperature"] = _TEMPERATURE
    if given.family is None and len({str(frame[FILE].iloc[0]) for frame in kept}) > 1:
        updates["source"] = FILE
    if lacking:
        notes.append(f"not measured in every system, left out: {', '.join(lacking)}")
    if any(set(frame["potential"]) - {""} for frame in kept):
        notes.append("features of a glass are means over the replicas of its system")
    return given.model_copy(update=updates), kept, notes


def _family_of(target: str) -> str:
    """The beginning of the keys that hold the same thing in another form, such as Q^n of their mean n."""
    first, dot, _ = target.partition(".")
    whole = first in ("diffraction", "network", "topology", "channels")
    return f"{first}{dot}" if whole else f"{target.rpartition('.')[0]}."


def target_head(target: str, frames: Sequence["pd.DataFrame"]) -> str:
    """The column of a target, with its unit. Raises InputError if no frame has it."""
    head = next((c for frame in frames for c in frame.columns if c.rpartition(" (")[0] == target), None)
    if head is None:
        told = "; ".join(f"{frame[FILE].iloc[0]}: {_lacks(target, frame)}" for frame in frames)
        raise InputError(f"target: no run has the quantity {target!r}. {told}")
    return head


def _lacks(target: str, frame: "pd.DataFrame") -> str:
    """Why a run has no target, and what of it there is."""
    trajectories = [subject for subject in frame["subject"][frame["potential"] == ""] if subject != GLASS]
    same = [*_names(frame, f"{target.partition('.')[0]}.")][:6]
    if is_of_the_motion(target) and not target.startswith(f"{GLASS}."):
        if not trajectories:
            return f"no trajectory was analyzed (sections md and analysis); it has {', '.join(_examples([frame]))}"
        if not same:
            told = f"of {counted(len(trajectories), 'trajectory')} none has an analysis of motion"
            return f"{told} (unstable, too short, or without a mobile ion); it has {', '.join(_examples([frame]))}"
    return f"it has {', '.join(same or _examples([frame]))}"


def _names(frame: "pd.DataFrame", *starts: str) -> dict[str, None]:
    return dict.fromkeys(c.rpartition(" (")[0] for c in frame.columns if c.startswith(starts))


def _not_in_all(frames: Sequence["pd.DataFrame"], names: set[str]) -> list[str]:
    """The features that some system has in none of its rows."""
    found = set()
    for frame in frames:
        own = {c.rpartition(" (")[0]: c for c in frame.columns}
        for name in names:
            if name not in own or (frame[own[name]] == "").groupby(frame["system"]).all().any():
                found.add(name)
    return sorted(found)


def _examples(frames: Sequence["pd.DataFrame"]) -> list[str]:
    names: dict[str, None] = {}
    for frame in frames:
        names |= _names(frame, "transport.", "glass.", "network.")
    return [*names][:6]
