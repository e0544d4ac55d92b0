"""Section on crystallites that were put into the glass: what they are, what became of them, and nucleation theory."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..products import Quantity
from . import figures_crystallites
from .material import Material
from .measured import Rows, all_measured, quantities
from .numbers import Notice, Section, Table, side_by_side

_ROWS = {
    "start": "centers at the start",
    "end": "centers at the end",
    "u": "velocity of its surface",
    "u_upper": "its upper bound (95 %), no growth observed",
    "angle": "angle from the crystal that was put in, at the end",
}
_THEORY = {
    "size": "critical size N*",
    "gamma": "interface energy γ",
    "barrier": "barrier ΔG*",
    "barrier_kT": "barrier over kT",
    "zeldovich": "Zeldovich factor Z",
    "attachment": "attachment rate f⁺",
    "log10_rate": "log₁₀ of the rate J in 1/(Å³ ps)",
}


def seeds(material: Material) -> Section | None:
    """The cells with seeds, their trajectories, and all of one temperature together."""
    facts = {name: material.json(f"interface/{name}/facts") for name in material.names("interface", "facts")}
    made = {name: own for name, own in facts.items() if "along_z" in own}
    found = {name: numbers["seed"] for name, numbers in all_measured(material, "seed").items()}
    if not made and not found:
        return None
    section = Section("Seeds of crystal in the glass", "seeds")
    section.add(*_cells(made))
    for name, own in made.items():
        section.add(*(Notice("bad", f"{fault}.", name) for fault in own["checks"]["faults"]))
    for name, numbers in found.items():
        if "reason" in numbers:
            section.add(Notice("bad", f"{numbers['reason']}; nothing is said of its seed.", name))
    seen = {name: numbers for name, numbers in found.items() if "reason" not in numbers}
    rows = quantities(material)
    if seen:
        section.add(_outcomes(seen, rows))
        section.add(*figures_crystallites.figure(material, list(seen), "seeds"))
        section.add(*_composition(seen, rows))
    for name in material.names("analysis", "nucleation"):
        section.add(*_together(name, material.json(f"analysis/{name}/nucleation"), rows.get(name, {})))
    return section


def _cells(made: Mapping[str, Mapping[str, Any]]) -> Iterator[Table]:
    rows: dict[str, dict[str, Quantity | str]] = {}
    for name, facts in made.items():
        indices = " ".join(map(str, facts["direction"]))
        length = "" if facts["length_A"] is None else f", {facts['length_A']:.3g} Å long"
        own = {
            "seed": f"{facts['crystal_units']} × {facts['crystal_formula']}, {facts['shape']}",
            "radius": f"{facts['radius_A']:.3g} Å{length}",
            "along z": f"({indices}), {facts['along_z']}",
            "glass": f"{facts['glass_units']} × {facts['glass_formula']}",
            "route": facts["route"],
            "width": f"{facts['width_A']:.3g} Å",
        }
        for label, text in own.items():
            rows.setdefault(label, {})[name] = text
    if rows:
        yield side_by_side(list(made), rows, "The cells")


def _outcomes(seen: Mapping[str, Mapping[str, Any]], rows: Mapping[str, Rows]) -> Table:
    shown: dict[str, dict[str, Quantity | str]] = {}
    for name, numbers in seen.items():
        shown.setdefault("what became of it", {})[name] = numbers["verdict"]
        for word, label in _ROWS.items():
            if (found := rows.get(name, {}).get(f"growth.{name}.{word}")) is not None:
                shown.setdefault(label, {})[name] = found
    centers = ", ".join(dict.fromkeys(numbers["center"] for numbers in seen.values()))
    return side_by_side(list(seen), shown, f"The largest crystallite, by the similarity of {centers} to the crystal")


def _composition(seen: Mapping[str, Any], rows: Mapping[str, Rows]) -> Iterator[Table]:
    """Atoms beyond those at the composition of the rest, in the crystallite and in the shell around it."""
    for word, label in (("taken_in", "in the crystallite"), ("expelled", "in the shell around it")):
        shown: dict[str, dict[str, Quantity | str]] = {}
        for name in seen:
            for key, found in rows.get(name, {}).items():
                if key.startswith(begin := f"growth.{name}.{word}."):
                    shown.setdefault(key.removeprefix(begin), {})[name] = found
        if shown:
            yield side_by_side(list(seen), shown, f"Atoms {label} beyond the composition of the rest, at the end")


def _together(name: str, found: Mapping[str, Any], rows: Rows) -> Iterator[Notice | Table]:
    """How many seeds grew, and what follows from it or why nothing does."""
    counts = f"{found['grew']} seeds grew, {found['shrank']} shrank, {found['undecided']} did neither"
    head = f"{found['temperature_K']:g} K"
    yield Notice("note", f"{found['reason'] if found['reason'] else counts}.", head)
    shown: dict[str, dict[str, Quantity | str]] = {}
    for word, label in _THEORY.items():
        if (number := rows.get(f"nucleation.{name}.{word}")) is not None:
            shown[label] = {head: number}
            if (effect := rows.get(f"nucleation.{name}.{word}.threshold")) is not None:
                shown[label]["effect of the threshold"] = effect
    if shown:
        caption = f"Classical nucleation theory at {head}, {counts}; the effect of the threshold is not in the errors"
        yield side_by_side([head, "effect of the threshold"], shown, caption)
