"""Sections on motion: displacements, correlations computed by LAMMPS during the runs, and hops."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..chemistry.ions import MOBILE_IONS
from . import figures
from .material import Material
from .measured import agreements, all_measured, shades, warnings
from .numbers import Figure, Fold, Notice, Number, Section, Table, quantity, side_by_side
from .words import ion_text

_TOGETHER = (
    ("haven_ratio", "Haven ratio", "1"),
    ("nernst_einstein_S_per_m", "conductivity without correlations (Nernst–Einstein)", "S/m"),
    ("conductivity_S_per_m", "conductivity with correlations (Einstein)", "S/m"),
)
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
        curves = {name: material.arrays(f"analysis/{name}/curves") for name in measured}
        section.add(
            _displacement_figure(material, measured, curves),
            Fold("Displacements and transport in numbers", [_transport_table(measured, curves)]),
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
        f"{name} {numbers['transport']['fit_from_ps']:.3g} to {numbers['transport']['fit_to_ps']:.3g} ps"
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
        f"{name}: the motion of {moved['ion']} is diffusive between {moved['fit_from_ps']:.3g} and "
        f"{moved['fit_to_ps']:.3g} ps"
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
    return "" if upper is None else f"; D is below {quantity(float(f'{upper:.2g}'), None)} m²/s (95 %)"


def diffusion_cell(key: str, label: str, moved: Mapping[str, Any]) -> Number:
    """D of a diffusive ion with its error and its confidence interval."""
    return Number(
        key, label, moved["D_m2_per_s"], "m²/s", moved["D_m2_per_s_err"], interval=moved.get("D_m2_per_s_interval")
    )


def _coefficient(key: str, ion: str, moved: Mapping[str, Any]) -> Number | str:
    """D, else its upper bound if it has one."""
    if moved["diffusive"]:
        return diffusion_cell(f"{key}.D", f"self-diffusion coefficient of {ion}", moved)
    upper = moved.get("D_m2_per_s_upper")
    if upper is None:
        return "not diffusive"
    label = f"upper bound (95 %) of the self-diffusion coefficient of {ion}"
    return Number(f"{key}.D_upper", label, upper, "m²/s", note="upper bound, 95 %; not diffusive")


def _transport_table(measured: Mapping[str, Mapping], curves: Mapping[str, Mapping]) -> Table:
    rows: dict[str, dict[str, Number | str]] = defaultdict(dict)
    for name, numbers in measured.items():
        moved, key = numbers["transport"], f"transport.{name}"
        ion = moved["ion"]
        rows[f"D of {ion}"][name] = _coefficient(key, ion, moved)
        rows["length of the trajectory"][name] = Number(f"{key}.duration", "length", numbers["duration_ps"], "ps")
        rows["number of ions"][name] = Number(f"{key}.ions", f"number of {ion}", moved["ions"], "1")
        if moved["exponent"] is not None:
            rows["d ln MSD / d ln t of the fit, or otherwise of the longest lag times with an error"][name] = Number(
                f"{key}.exponent", "logarithmic slope of the MSD", moved["exponent"], "1"
            )
        for element, value in moved["msd_at_longest_lag_A2"].items():
            rows[f"MSD of {element} at half the length"][name] = Number(
                f"{key}.msd.{element}", f"MSD of {element} at the longest lag", value, "Å²",
                float(curves[name][f"msd_A2_{element}_err"][-1]),
            )  # fmt: skip
        for name_of, label, unit in _TOGETHER:
            if moved[name_of] is not None:
                rows[label][name] = Number(
                    f"{key}.{name_of}", f"{label} of {ion}", moved[name_of], unit, moved[f"{name_of}_err"],
                    interval=moved.get(f"{name_of}_interval"),
                )  # fmt: skip
    return side_by_side(list(measured), rows, "± one standard error; 95 %: confidence interval.")


def hops(material: Material) -> Section | None:
    """Hops of the mobile ions: how many, how far, and how often back."""
    whole = all_measured(material, "hops")
    if not whole:
        return None
    measured = {name: numbers["hops"] for name, numbers in whole.items()}
    section = Section("Hops", "hops", warnings(material))
    rows: dict[str, dict[str, Number]] = defaultdict(dict)
    for name, found in measured.items():
        for label, number in _hop_numbers(f"hops.{name}", found):
            rows[label][name] = number
    some = next(iter(measured.values()))
    section.add(
        side_by_side(
            list(measured),
            rows,
            f"Hops by p_hop with a half window of {some['window_ps']:.3g} ps and a threshold of "
            f"{some['threshold_A2']:g} Å²: rattling in a cage does not count, and a hop that is reversed within half a "
            "window is not detected. A hop is a return if it leads to a site that the ion left at most "
            f"{some['return_within_ps']:.3g} ps earlier. The cage has changed if less "
            "than half of the oxygens around the ion are the same before and after.",
        ),
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
            f"{some['window_ps']:.3g} ps, half a window."
        )
        section.add(Figure("hops", figures.hops(runs, spans, shades(material)), caption))
    return section


def _hop_numbers(key: str, found: Mapping[str, Any]) -> Iterator[tuple[str, Number]]:
    ion = found["ion"]
    yield f"hops of {ion}", Number(f"{key}.count", f"hops of {ion}", found["count"], "1")
    yield (
        "hop rate per ion",
        Number(f"{key}.rate", f"hops per {ion} and time", found["per_ion_per_ps"], "1/ps", found["per_ion_per_ps_err"]),
    )
    for state, count in sorted(found["beside"].items()):
        label = f"hops whose nearest metal is {ion_text(state)} by bond valence"
        yield label, Number(f"{key}.beside.{state}", label, count, "1")
    for name, label, unit in (
        ("returned_share", "share that returned", "1"),
        ("changed_cage_share", "share that changed cage", "1"),
        ("length_A", "mean length", "Å"),
    ):
        if found[name] is not None:
            err = found.get(f"{name}_err")
            yield label, Number(f"{key}.{name}", f"{label}, {ion}", found[name], unit, err)
