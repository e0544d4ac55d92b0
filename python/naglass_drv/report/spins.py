"""Spin states of the labels: multiplicities compared with high spin, ions by site, and coupling of the moments."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..chemistry import ions as chemistry
from ..chemistry import spins
from ..dataset.candidates import ions_of
from ..dataset.sites import FLAGS, judge
from ..products import Quantity
from .material import Material
from .numbers import Notice, Table

if TYPE_CHECKING:
    from ase import Atoms

CONVENTION = (
    "Parallel high-spin moments are a convention: at the temperatures of a melt or glass these ions are a "
    "paramagnet with disordered moments. The energy of antiparallel moments, if given, shows how much "
    "the convention matters."
)
_MOST_ROWS = 15


def spin_states(material: Material, sets: Sequence[Mapping[str, Any]]) -> Iterator[str | Notice | Table]:
    """Spin states of the labels, if a set has magnetic ions or a spin state other than high spin."""
    rows, flagged = [], []
    for item in sets:
        frames = _frames(material, item["name"])
        cells = Counter(_cell(frame) for frame in frames)
        if all(cell == ("closed-shell ions", "1") for cell in cells):
            continue
        verdicts = [(frame, verdict) for frame in frames if (verdict := judge(frame)) is not None]
        odd = [(str(frame.info["source"]), verdict) for frame, verdict in verdicts if verdict.flag]
        flagged += [[item["name"], source, verdict.flag, verdict.text] for source, verdict in odd]
        for number, ((magnetic, multiplicity), count) in enumerate(cells.items()):
            sites = _sites(item["name"], len(verdicts), len(odd)) if number == 0 else ("", "")
            rows.append([item["name"], magnetic, multiplicity, str(count), *sites])
    if not rows:
        return
    head = ("set", "magnetic ions", "multiplicity", "frames", "checked by their site moments", "flagged")
    yield Table(
        head,
        rows,
        f"{CONVENTION} Frames from tight binding, which has no spin energy, and of metals with ambiguous moments "
        "are not checked.",
    )
    yield from (block for item in sets if (block := _coupling(material, item["name"])) is not None)
    if flagged:
        names = Counter(row[2] for row in flagged)
        meaning = "; ".join(f"{flag} ({count}): {FLAGS[flag]}" for flag, count in names.items())
        yield Notice(
            "bad", f"Frames with a spin state that does not match their composition: {meaning}. {_fate(material)}"
        )
        more = (
            f"Another {len(flagged) - _MOST_ROWS} are listed in the files of the sets."
            if len(flagged) > _MOST_ROWS
            else ""
        )
        yield Table(("set", "frame", "flag", "what"), flagged[:_MOST_ROWS], more)


def _frames(material: Material, name: str) -> list["Atoms"]:
    from ..dataset.frames import read_frames

    role = f"reference/{name}/admitted"
    frames = read_frames(material.files[role]) if material.has(role) else []
    return [frame for frame in frames if {"charge", "multiplicity"} <= frame.info.keys()]


def _cell(frame: "Atoms") -> tuple[str, str]:
    """The magnetic ions of a frame, and its multiplicity with its deviation from high spin."""
    ions, stated = ions_of(frame), frame.info["multiplicity"]
    if ions is None:
        return "not known", str(stated)
    difference = spins.deviation(ions, stated)
    return chemistry.magnetic(ions), f"{stated}; {difference}" if difference else str(stated)


def _sites(name: str, judged: int, flagged: int) -> tuple[Quantity, Quantity]:
    return (
        Quantity(f"labels.{name}.sites_judged", f"frames of set {name} checked by their site moments", judged, "1"),
        Quantity(f"labels.{name}.sites_flagged", f"frames of set {name} with a flagged spin state", flagged, "1"),
    )


def _fate(material: Material) -> str:
    section = material.input.get("dataset") or {}
    if section.get("admit_spin_flagged"):
        return "They are kept in the dataset (admit_spin_flagged)."
    return "They are excluded from the dataset."


def _coupling(material: Material, name: str) -> Table | str | None:
    role = f"reference/{name}/coupling"
    if not material.has(role):
        return None
    found = material.json(role)
    if "failure" in found:
        return f"Set {name}: the coupling of the moments is not known ({found['failure']}: {found['message']})."
    total, ions = found["energy_difference_meV"], found["ions"]
    of = "energy of antiparallel minus parallel moments"
    moments = [
        ", ".join(f"{value:+.2f}" for value in found["moments_muB"][kind]) for kind in ("parallel", "antiparallel")
    ]
    flags = found["flags"]
    caption = (
        "Antiparallel moments alternate along the shortest connections between magnetic ions, in a broken-symmetry "
        f"solution of the SCF, at the geometry of {found['parallel']}. It is one example, not an average."
    )
    if flags:
        caption += " Flagged: the difference is not due to the coupling alone: " + ", ".join(
            f"{kind} ({flag})" for kind, flag in flags.items()
        )
    row = [
        name,
        str(ions),
        Quantity(f"labels.{name}.coupling_cell", f"{of}, cell of set {name}", total, "meV"),
        Quantity(f"labels.{name}.coupling_ion", f"{of}, per magnetic ion, set {name}", total / ions, "meV"),
        *moments,
    ]
    head = ("set", "magnetic ions", "E(antiparallel) − E(parallel), cell", "per magnetic ion", "moments, parallel (µB)")
    return Table((*head, "moments, antiparallel (µB)"), [row], caption)
