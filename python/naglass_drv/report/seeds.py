"""Section on crystallites that were put into the glass: what they are, what became of them, and nucleation theory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..chemistry.notation import SUBSCRIPT
from ..products import Quantity
from ..wording import counted
from . import figures_crystallites
from .figures_crystallites import FEW
from .material import Material
from .measured import Rows, all_measured, quantities
from .numbers import Cell, Fold, Notice, Section, Table, side_by_side

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
        for word, own in _by_temperature(seen).items():
            section.add(*figures_crystallites.figure(material, own, f"seeds-{word}"))
        section.add(*_composition(seen, rows))
    for name in material.names("analysis", "nucleation"):
        section.add(*_together(name, material.json(f"analysis/{name}/nucleation"), rows.get(name, {})))
    return section


def _by_temperature(names: Iterable[str]) -> dict[str, list[str]]:
    """Trajectories by the temperature in their names, as ``900K`` in ``s0-r8-900K-v2``."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.split("-")[2], []).append(name)
    return found


def _cells(made: Mapping[str, Mapping[str, Any]]) -> Iterator[Table | Fold]:
    lines: dict[str, dict[str, Cell]] = {}
    for name, facts in made.items():
        indices = " ".join(map(str, facts["direction"]))
        length = "" if facts["length_A"] is None else f", {facts['length_A']:.3g} Å long"
        lines[name] = {
            "seed": f"{facts['crystal_units']} × {facts['crystal_formula'].translate(SUBSCRIPT)}, {facts['shape']}",
            "radius": f"{facts['radius_A']:.3g} Å{length}",
            "along z": f"({indices}), {facts['along_z']}",
            "glass": f"{facts['glass_units']} × {facts['glass_formula'].translate(SUBSCRIPT)}",
            "route": facts["route"],
            "width": f"{facts['width_A']:.3g} Å",
        }
    if lines:
        yield _table(tuple(next(iter(lines.values()))), lines, "The cells")


def _outcomes(seen: Mapping[str, Mapping[str, Any]], rows: Mapping[str, Rows]) -> Table | Fold:
    """One line for each trajectory: there may be many."""
    lines = {
        name: {"what became of it": numbers["verdict"]}
        | _line(rows.get(name, {}), {w: f"growth.{name}.{w}" for w in _ROWS})
        for name, numbers in seen.items()
    }
    centers = ", ".join(dict.fromkeys(numbers["center"] for numbers in seen.values()))
    heads = ("what became of it", *_ROWS.values())
    return _table(heads, lines, f"The largest crystallite, by the similarity of {centers} to the crystal")


def _line(known: Rows, keys: Mapping[str, str]) -> dict[str, Cell]:
    return {_ROWS.get(word, word): known[key] for word, key in keys.items() if key in known}


def _composition(seen: Mapping[str, Any], rows: Mapping[str, Rows]) -> Iterator[Table | Fold]:
    """Atoms beyond those at the composition of the rest, in the crystallite and in the shell around it."""
    for word, label in (("taken_in", "in the crystallite"), ("expelled", "in the shell around it")):
        lines = {}
        for name in seen:
            begin = f"growth.{name}.{word}."
            own = rows.get(name, {})
            lines[name] = _line(own, {key.removeprefix(begin): key for key in own if key.startswith(begin)})
        heads = tuple(dict.fromkeys(element for line in lines.values() for element in line))
        if heads:
            yield _table(heads, lines, f"Atoms {label} beyond the composition of the rest, at the end")


def _table(heads: Sequence[str], lines: Mapping[str, Mapping[str, Cell]], caption: str) -> Table | Fold:
    used = [head for head in heads if any(head in line for line in lines.values())]
    cells = [[name, *(line.get(head, "\N{EN DASH}") for head in used)] for name, line in lines.items()]
    found = Table(("", *used), cells, caption)
    return found if len(lines) <= FEW else Fold(f"{caption}: {len(lines)} trajectories", [found])


def _together(name: str, found: Mapping[str, Any], rows: Rows) -> Iterator[Notice | Table]:
    """How many seeds grew, and what follows from it or why nothing does."""
    counts = f"{counted(found['grew'], 'seed')} grew, {found['shrank']} shrank, {found['undecided']} did neither"
    if found["absent"]:
        counts += f", {found['absent']} dissolved, or below the threshold, before the first frame"
    head = f"{found['temperature_K']:g} K"
    yield Notice("note", "; ".join(filter(None, (counts, found["reason"]))) + ".", head)
    shown: dict[str, dict[str, Quantity | str]] = {}
    for word, label in _THEORY.items():
        if (number := rows.get(f"nucleation.{name}.{word}")) is not None:
            shown[label] = {head: number}
            if (effect := rows.get(f"nucleation.{name}.{word}.threshold")) is not None:
                shown[label]["effect of the threshold"] = effect
    if shown:
        caption = f"Classical nucleation theory at {head}, {counts}; the effect of the threshold is not in the errors"
        yield side_by_side([head, "effect of the threshold"], shown, caption)
