"""The first sections: the result at a glance, and how reliable its numbers are."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..analysis.phase import phase
from ..analysis.quantities import no_error
from ..chemistry.level import Level
from ..chemistry.notation import SUPERSCRIPT, formula_text
from ..core import VANADYL_CUTOFF
from ..products import Quantity
from ..wording import counted, digits, with_error
from . import checks, learning, viewer
from .dynamics import pressure_cell, unstable, verdict, verdicts
from .glasses import glasses_made, potential, short_contacts
from .material import Material
from .measured import Rows, all_measured, below, cooling, cooling_rate, quantities
from .motion import bound_text
from .numbers import Section, Table, side_by_side

_LABORATORY_RATE = "1 to 10⁶ K/s"
_MANY_REPLICAS = 10
# families of bonds, and the least share of a Qn or a family, in the first table
_FAMILIES, _SHOWN = 3, 0.005
_FIRST_ROWS = ("state", "atoms", "density", "temperature", "mean pressure")


def glance(material: Material) -> Section:
    """Verdicts first, then the few numbers that most readers look for, and a view of the glass."""
    section = Section("At a glance", "glance")
    gates = {name: material.json(f"md/{name}/gate") for name in material.names("md", "gate")}
    section.add(*verdicts(gates), *checks.notices(checks.findings(material)))
    measured, rows = all_measured(material), quantities(material)
    cells: dict[str, dict[str, Quantity | str]] = {label: {} for label in _FIRST_ROWS}
    for name, numbers in measured.items():
        own = _highlights(name, numbers, rows[name], cooling(material.input)) | _mean_pressure(material, name)
        for label, cell in (_phase(material, name, numbers) | own).items():
            cells.setdefault(label, {})[name] = cell
        section.numbers += below(rows[name], f"glance.{name}.artifact").values()
    if measured:
        caption = "± is one standard error; the next section explains what it includes."
        section.add(side_by_side(list(measured), {label: some for label, some in cells.items() if some}, caption))
    error = learning.test_error(material)
    if error is not None:
        part, value, err = error
        cell = Quantity("glance.force_rmse", f"force RMSE, {part}", value, "meV/Å", err)
        section.add(Table(("model", ""), [[f"force RMSE on {part} frames", cell]]))
    if (view := viewer.picture(material)) is not None:
        section.add(view)
    return section


def flags(material: Material) -> list[dict[str, str]]:
    """What the first section warns of: topic, "bad" or "note", structure, and text."""
    gates = {name: material.json(f"md/{name}/gate") for name in material.names("md", "gate")}
    found = [*unstable(gates), *checks.findings(material)]
    return [{word: getattr(each, word) for word in ("topic", "kind", "name", "text")} for each in found]


def _mean_pressure(material: Material, name: str) -> dict[str, Quantity]:
    if not material.has(f"md/{name}/summary"):
        return {}
    cell = pressure_cell(f"glance.{name}", name, material.json(f"md/{name}/summary"))
    return {} if cell is None else {"mean pressure": cell}


def worth(material: Material) -> Section:
    """Limits of the results: cell size, quench, level of theory, force error, length, gate, error bars."""
    section = Section("How reliable these numbers are", "worth")
    input = material.input
    measured = all_measured(material)
    rows = _sizes(measured)
    if input.get("glass"):
        rows.append(("quench", _quench(material)))
    known = {level.title: level for level in map(learning.level_of, input.get("reference") or [])}
    titles = [input["dataset"]["level"]] if input.get("dataset") else list(known)
    rows += [("level of theory", _level(title, known.get(title))) for title in dict.fromkeys(titles)]
    error = learning.test_error(material)
    if error is not None:
        rows.append(("model", _model(material, error)))
    for name in material.names("md", "gate"):
        rows.append((f"stability of {name}", verdict(name, material.json(f"md/{name}/gate")).text))
    rows += [
        (f"length of {name}", _length(numbers)) for name, numbers in measured.items() if numbers["kind"] == "trajectory"
    ]
    if measured:
        rows.append(("error bars", _ERROR_BARS + _few_replicas(measured)))
    if rows:
        section.add(Table(("", ""), rows))
    section.folded = True
    return section


_ERROR_BARS = (
    "One standard error (68 %). For trajectories it comes from the fluctuations in time, corrected for "
    "correlation, and so describes the time average of this one structure; for glasses it comes "
    "from the spread between replicas. If there is none, the page says why: a single structure, or a quantity "
    "that did not change, which means frozen, not exact. Differences between glasses of the same composition are "
    "usually larger, and systematic errors of the potential and the level of theory are not included."
)


def _few_replicas(measured: Mapping[str, Mapping[str, Any]]) -> str:
    counts = [numbers["frames"] for numbers in measured.values() if numbers["errors_from"] == "replicas"]
    if not counts or counts[0] >= _MANY_REPLICAS:
        return ""
    # relative standard deviation of a standard deviation from n normal values, about 1/sqrt(2(n-1))
    uncertain = 100 / np.sqrt(2 * (counts[0] - 1))
    return (
        f" With {counts[0]} replicas, the error bars of the glass are themselves uncertain by about "
        f"{uncertain:.0f} %; if the replicas agree by chance, they are far too small."
    )


def _quenched(material: Material) -> str:
    """``quenched``, or ``supercooled melt`` if the network of a glass still moves at the end of its quench."""
    melts = any(made["state"] != "glass" for made in glasses_made(material).values())
    return "supercooled melt" if melts else "quenched"


def _phase(material: Material, name: str, numbers: Mapping[str, Any]) -> dict[str, str]:
    """What the first table calls a structure; one from a file may be a crystal, and is not called a glass, nor is a
    trajectory that failed the stability gate.

    Above its transition a melt is a glass only for as long as its network does not move.
    """
    if numbers["kind"] == "glass":
        return {"state": f"{_quenched(material)}, {potential(material)}"}
    if material.has(f"md/{name}/gate") and not material.json(f"md/{name}/gate")["stable"]:
        return {"state": "not stable"}
    quenched = (material.input.get("md") or {}).get("structures", "glass") == "glass"
    found = phase(numbers)
    if found == "glass":
        return {"state": f"glass within {digits(numbers['duration_ps'], 3)} ps"} if quenched else {}
    return {"state": found}


def _highlights(name: str, numbers: Mapping[str, Any], rows: Rows, cooling: str) -> dict[str, Quantity | str]:
    """The rows that most readers look for; those of other sections with keys and labels of their own."""
    key = f"glance.{name}"
    cells: dict[str, Quantity | str] = {word: rows[f"{key}.{word}"] for word in _FIRST_ROWS if f"{key}.{word}" in rows}
    for pair in numbers["coordination"]:
        row, label = rows[f"structure.{name}.{pair}.coordination"], f"{pair} coordination"
        cells[label.replace("-", "–")] = replace(
            row, key=f"{key}.{pair}", label=f"{label} of {name}", subject="", note=no_error(numbers)
        )
    if (connectivity := rows.get(f"network.{name}.mean_n")) is not None:
        cells["network connectivity ⟨n⟩"] = replace(
            connectivity, key=f"{key}.mean_n", label=f"<n> of {name}", subject=""
        )
    cells |= _network(name, numbers, rows) | _metals(name, numbers, rows)
    if (rate := rows.get(f"hops.{name}.rate")) is not None:
        hopping = numbers["hops"]["ion"]
        cells[f"hops per {hopping}"] = replace(
            rate, key=f"{key}.hops", label=f"hops per {hopping} in {name}", subject=""
        )
    if (moved := numbers["transport"]) is not None:
        label, diffusion = f"D of {moved['ion']}{cooling}", rows.get(f"transport.{name}.D")
        cells[label] = (
            replace(diffusion, key=f"{key}.D", label=f"{label} in {name}", subject="")
            if diffusion is not None
            else f"not diffusive in this time{bound_text(moved)}"
        )
    return cells


def _network(name: str, numbers: Mapping[str, Any], rows: Rows) -> dict[str, str]:
    """Shares of Qⁿ in words."""
    if numbers["network"] is None:
        return {}
    shares = {f"Q{n.translate(SUPERSCRIPT)}": rows[f"network.{name}.Q{n}"] for n in numbers["network"]["qn_share"]}
    return {f"Qⁿ of {numbers['network']['former']}": _percentages(shares)}


def _percentages(shares: Mapping[str, Quantity]) -> str:
    """``Q⁰ 22.5 ± 2.5, Q¹ 75 ± 5, others 2.5 %``: with the reason, if no share has an error, and what is not shown."""
    shown = {word: row for word, row in shares.items() if row.value >= _SHOWN}
    said = [
        f"{word} {100 * row.value:.0f}"
        if row.error is None
        else f"{word} {with_error(100 * row.value, 100 * row.error)}"
        for word, row in shown.items()
    ]
    others = 1.0 - sum(row.value for row in shown.values())
    said += [f"others {100 * others:.0f}"] if others >= _SHOWN else []
    reasons = dict.fromkeys(row.note for row in shown.values())
    why = f" ({', '.join(reasons)})" if shown and all(reasons) else ""
    return f"{', '.join(said)} %{why}"


def _metals(name: str, numbers: Mapping[str, Any], rows: Rows) -> dict[str, Quantity | str]:
    """Short bonds of V, which need not be vanadyl, and the most frequent families of bonds of each metal."""
    cells: dict[str, Quantity | str] = {}
    for metal in numbers["fingerprints"]:
        key = f"metals.{name}.{metal}"
        if metal == "V" and (vanadyl := rows.get(f"{key}.vanadyl")) is not None:
            own = f"V–O below {VANADYL_CUTOFF:g} Å per V"
            cells[own] = replace(vanadyl, key=f"glance.{name}.vanadyl", label=f"{own} of {name}", subject="")
        families = sorted(below(rows, f"{key}.label").items(), key=lambda item: -item[1].value)[:_FAMILIES]
        if families:
            cells[f"{metal}–O families"] = _percentages(dict(families))
    return cells


def _sizes(measured: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """One row for all cells of the same atoms; which structures these are, where there are others."""
    alike: dict[tuple[Any, ...], list[str]] = {}
    for name, numbers in measured.items():
        alike.setdefault((numbers["atoms"], *sorted(numbers["composition"].items())), []).append(name)
    return [
        ("size" if len(alike) == 1 else f"size of {', '.join(names)}", _size(measured[names[0]]))
        for names in alike.values()
    ]


def _size(numbers: Mapping[str, Any]) -> str:
    samples = numbers["frames"] if numbers["kind"] == "glass" else 1
    samples = "one sample" if samples == 1 else f"each of {samples} samples"
    return (
        f"The cell contains {numbers['atoms']} atoms ({formula_text(numbers['composition'])}) in {samples}. "
        "Correlations represent the material only up to half the cell width, "
        f"{numbers['half_cell_width_A']:.2f} Å, and there is no structure factor below "
        f"{numbers['lowest_q_per_A']:.2f} 1/Å. Shares come in steps of 1/N for N atoms of a "
        "kind: with few P or V, the share of a Qⁿ or of a coordination number counts a handful of atoms and is "
        "not a bulk property."
    )


def _quench(material: Material) -> str:
    glass, system = material.input["glass"], material.input["system"]
    source = material.density_source
    given = {
        "input": "given in the input file",
        "molar volumes": "that follows from the molar volumes in the input file",
    }
    protocol = f", protocol {glass['protocol']}," if glass.get("protocol") else ""
    free = any("density_g_cm3" in made["curve"] for made in glasses_made(material).values())
    density = f"{'starting from the' if free else 'at the fixed'} density of {system['density_g_cm3']:.4g} g/cm³"
    return (
        f"The melt was quenched at {cooling_rate(glass)}{protocol} with a {potential(material)}, {density} "
        f"{given.get(source, f'of {source}')}; in the laboratory, melts "
        f"are cooled at about {_LABORATORY_RATE}. The glass is therefore less relaxed than a real one: more defects, "
        f"more disorder in the first shells, and a network that remembers the melt. {short_contacts(material)}"
    ).rstrip()


def _level(level: str, known: Level | None) -> str:
    text = f"The model was trained on {learning.described(known) if known else learning.LEVELS.get(level, level)}. "
    if known is not None and known.is_potential:
        return text + (
            "It repeats the faults of that potential, which are not measured here, and adds its own: its errors are "
            "relative to the potential, not to a first-principles calculation."
        )
    if level == "gfn1-xtb":
        return text + (
            "This level is cheap enough to label many structures, but it is not a reference for "
            "transition-metal oxides: bond lengths, spin states and barriers may be wrong by amounts that are "
            "not measured here. Two of its pair scalings are our own choice: k(Na,O) = 1.3 and k(V,V) = 0.7 "
            "(published: 1, at which sodium collapses onto oxygen and vanadium binds vanadium at 2.1 Å); dense cells "
            "remain overbound. Its energy does not depend on spin polarization: moments are occupations. "
            "The model can at best be as good as its labels."
        )
    return text + "The model can at best be as good as its labels; the value of U and the functional are choices."


def _model(material: Material, error: tuple[str, float, float | None]) -> str:
    part, value, _ = error
    frames = material.json("model/summary")["errors"][part]["frames"]
    held = (
        f"on {counted(frames, 'frame')} held out, of the same kind as the training frames"
        if part == "test"
        else f"on its own {counted(frames, 'frame')} of training; nothing was held out"
    )
    found = next(checks.model_error(material), None)
    note = (
        checks.advice(found.topic)
        if found
        else "Structures that differ from the training frames may be described worse."
    )
    return f"Its root-mean-square force error is {value:.0f} meV/Å {held}. {note}"


def _length(numbers: Mapping[str, Any]) -> str:
    text = f"The trajectory covers {digits(numbers['duration_ps'], 3)} ps. "
    moved = numbers["transport"]
    if moved is None:
        return text + "It is too short to discuss transport, or there is no mobile ion."
    if moved["diffusive"]:
        return text + (
            f"{moved['ion']} moves diffusively within this time; the coefficient is based on "
            f"{counted(moved['ions'], 'ion')} and on lag times up to {digits(moved['fit_to_ps'], 3)} ps, and "
            "rare hops that did not happen in this time are missing from it."
        )
    shown = "rattling and first hops"
    if any(checks.relaxation("", numbers)):
        shown += " within a network that relaxes itself"
    return text + (
        f"In this time {moved['ion']} does not reach the diffusive regime ({moved['reason']}): the "
        f"displacements show {shown}, and no diffusion coefficient is given."
    )
