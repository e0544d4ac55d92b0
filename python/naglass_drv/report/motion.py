"""Sections on motion: displacements, correlations computed by LAMMPS during the runs, and hops."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..chemistry.ions import MOBILE_IONS
from ..products import Quantity
from ..wording import digits, with_error
from . import checks, figures
from .material import Material
from .measured import Rows, agreements, all_measured, below, cooling, quantities, same, shades, warnings
from .moments import states_told
from .numbers import Figure, Fold, Notice, Section, Table, side_by_side

_TITLES = {
    "duration": "length of the trajectory",
    "ions": "number of ions",
    "exponent": "d ln MSD / d ln t of the fit, or otherwise of the longest lag times with an error",
}
_WRITTEN = {"msd": "MSD (Å²)", "alpha2": "α₂", "chi4": "χ₄", "haven": "Haven ratio"}


def transport(material: Material) -> Section | None:
    """Mean square displacements of all runs, and diffusion coefficients if the motion is diffusive."""
    measured = all_measured(material, "transport")
    written = _written(material)
    if not measured and not written:
        return None
    section = Section("Motion of the ions", "transport", warnings(material))
    if measured:
        section.add(*_transport_verdicts({name: numbers["transport"] for name, numbers in measured.items()}))
        section.add(
            *checks.notices([each for name, numbers in measured.items() for each in checks.relaxation(name, numbers)])
        )
        curves = {name: material.arrays(f"analysis/{name}/curves") for name in measured}
        section.add(
            _displacement_figure(material, measured, curves),
            Fold(
                "Displacements and transport in numbers",
                [_transport_table(measured, quantities(material), cooling(material.input))],
            ),
        )
    if written:
        caption = (
            "Output of fix naglass/correlate during the runs, from the first step on, relative to the framework; "
            "bands: one standard error, from time blocks or from atoms, whichever is larger."
        )
        shade = shades(material)
        for ion, panels in written.items():
            svg = figures.overlays(panels, shade, xlabel="lag time (ps)", ylabel="", logarithmic=True)
            section.add(Fold(f"Correlations of {ion} computed by LAMMPS", [Figure(f"correlate-{ion}", svg, caption)]))
    return section


def _displacement_figure(material: Material, measured: Mapping[str, Mapping], curves: Mapping[str, Mapping]) -> Figure:
    elements = list(dict.fromkeys(e for numbers in measured.values() for e in numbers["composition"]))
    panels: dict[str, dict[str, tuple]] = {element: {} for element in elements}
    for name, numbers in measured.items():
        own = curves[name]
        for element in numbers["composition"]:
            panels[element][name] = own["lag_ps"], own[f"msd_A2_{element}"], own[f"msd_A2_{element}_err"]
    svg = figures.overlays(panels, shades(material), xlabel="lag time (ps)", ylabel="MSD (Å²)", logarithmic=True)
    fits = [
        f"{name} {digits(numbers['transport']['fit_from_ps'], 3)} to {digits(numbers['transport']['fit_to_ps'], 3)} ps"
        for name, numbers in measured.items()
        if numbers["transport"]["diffusive"]
    ]
    fitted = f" D was fitted over lag times of {'; '.join(fits)}." if fits else ""
    caption = (
        "Mean square displacement relative to the framework, over all time origins; bands: one standard error across "
        f"atoms. Long lag times are based on few time origins.{fitted}"
    )
    return Figure("msd", svg, caption)


def _written(material: Material) -> dict[str, dict[str, dict[str, tuple]]]:
    """{mobile ion: panels} of the tables of ``fix naglass/correlate``."""
    found: dict[str, dict[str, dict[str, tuple]]] = {}
    for name in material.names("md", "correlations"):
        table = material.table(f"md/{name}/correlations")
        ion = next((ion for ion in MOBILE_IONS if f"msd_{ion}" in table), None)
        if ion is None:
            continue
        for key, label in _WRITTEN.items():
            if f"{key}_{ion}" in table:
                lines = table["time"], table[f"{key}_{ion}"], table[f"{key}_{ion}_err"]
                found.setdefault(ion, {}).setdefault(label, {})[name] = lines
    return found


def _transport_verdicts(measured: Mapping[str, Mapping[str, Any]]) -> list[Notice]:
    """In which range the motion is diffusive, or why it is not."""
    good = [
        f"{name}: the motion of {moved['ion']} is diffusive between {digits(moved['fit_from_ps'], 3)} and "
        f"{digits(moved['fit_to_ps'], 3)} ps"
        for name, moved in measured.items()
        if moved["diffusive"]
    ]
    lacking = [
        f"{name}: no diffusion coefficient is given for {moved['ion']}: {moved['reason']}{bound_text(moved)}"
        for name, moved in measured.items()
        if not moved["diffusive"]
    ]
    return [Notice(kind, "; ".join(texts) + ".") for kind, texts in (("good", good), ("note", lacking)) if texts]


def bound_text(moved: Mapping[str, Any]) -> str:
    """``; D is below 3.1 × 10⁻¹¹ m²/s (95 %)``; empty if D has no upper bound."""
    upper = moved.get("D_m2_per_s_upper")
    return "" if upper is None else f"; D is below {with_error(float(f'{upper:.2g}'), None)} m²/s (95 %)"


def _transport_table(measured: Mapping[str, Mapping], rows: Mapping[str, Rows], quenched: str) -> Table:
    cells: dict[str, dict[str, Quantity | str]] = defaultdict(dict)
    for name, numbers in measured.items():
        ion = numbers["transport"]["ion"]
        titles = dict.fromkeys(("D", "D_upper"), f"D of {ion}{quenched}") | _TITLES
        titles |= {f"msd.{element}": f"MSD of {element} at half the length" for element in numbers["composition"]}
        cells[titles["D"]][name] = "not diffusive"
        for word, row in below(rows[name], f"transport.{name}").items():
            cells[titles.get(word, row.label.removesuffix(f" of {ion}"))][name] = row
    return side_by_side(list(measured), cells, "± one standard error; 95 %: confidence interval.")


def hops(material: Material) -> Section | None:
    """Hops of the mobile ions: how many, how far, and how often back."""
    whole = all_measured(material, "hops")
    if not whole:
        return None
    measured = {name: numbers["hops"] for name, numbers in whole.items()}
    section = Section("Hops", "hops", warnings(material))
    rows, cells = quantities(material), defaultdict(dict)
    for name, found in measured.items():
        for word, row in below(rows[name], f"hops.{name}").items():
            title = "hop rate per ion" if word == "rate" else row.label.removesuffix(f", {found['ion']}")
            cells[title][name] = row
    some = next(iter(measured.values()))
    section.add(
        side_by_side(
            list(measured),
            cells,
            f"Hops by p_hop with a half window of {digits(some['window_ps'], 3)} ps and a threshold of "
            f"{some['threshold_A2']:g} Å²: rattling in a cage does not count, and a hop that is reversed within half a "
            "window is not detected. A hop is a return if it leads to a site that the ion left at most "
            f"{digits(some['return_within_ps'], 3)} ps earlier. The cage has changed if less "
            "than half of the oxygens around the ion are the same before and after. ± one standard error; 95 %: "
            "confidence interval.",
        ),
        *same({name: states_told(numbers.get("metal_states") or {}) for name, numbers in whole.items()}),
        *agreements("hops", "them", {name: found["agreement_with_on_the_fly"] for name, found in measured.items()}),
    )
    runs = {}
    for name in measured:
        curves = material.arrays(f"analysis/{name}/curves")
        length = np.linalg.norm(curves["hop_to_A"] - curves["hop_from_A"], axis=1)
        runs[name] = curves["hop_time_ps"], length, curves["hop_returned"].astype(bool)
    if any(len(time) for time, _, _ in runs.values()):
        spans = [(n["start_ps"], n["start_ps"] + n["duration_ps"]) for n in whole.values()]
        caption = (
            f"Every hop of {some['ion']}; the axis spans the trajectories. None can be detected in the first and last "
            f"{digits(some['window_ps'], 3)} ps, half a window."
        )
        section.add(Figure("hops", figures.hops(runs, spans, shades(material)), caption))
    return section
