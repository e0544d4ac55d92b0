"""Sections on structure, network and transport."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import figures
from .material import Material
from .numbers import SUPERSCRIPT, Figure, Notice, Number, Section, Table, side_by_side

_DASH = "\N{EN DASH}"
_OXYGEN_NOTE = "NBO: non-bridging, bonded to one; BO: bridging, with what it bridges; tri: three or more; V=O: vanadyl."


def structure(material: Material) -> Section | None:
    """Pair functions, coordination numbers and structure factors of each glass and trajectory."""
    names = material.names("analysis", "numbers")
    if not names:
        return None
    section = Section("Structure", "structure", warnings(material))
    measured = {name: material.json(f"analysis/{name}/numbers") for name in names}
    section.add(_coordination_table(measured))
    for name, numbers in measured.items():
        curves = material.arrays(f"analysis/{name}/curves")
        title = heading(name, numbers)
        section.add(_pair_figure(name, title, numbers, curves), _coordination_figure(name, title, numbers))
        section.blocks += _diffraction_figures(name, title, numbers, curves)
    return section


def network(material: Material) -> Section | None:
    """Q^n and oxygen classes of all glasses and trajectories side by side."""
    measured = {}
    for name in material.names("analysis", "numbers"):
        numbers = material.json(f"analysis/{name}/numbers")
        if numbers["network"] is not None:
            measured[name] = numbers
    if not measured:
        return None
    section = Section("Network", "network", warnings(material))
    section.add(_network_table(measured))
    for kind, caption in (
        ("qn", "Share of network formers with n bridges to other formers (Qⁿ); bars: one standard error."),
        ("oxygen", f"Share of oxygens by what they are bonded to. {_OXYGEN_NOTE}"),
    ):
        section.add(Figure(f"network-{kind}", _share_figure(kind, measured), caption))
    checked = {name: numbers["network"]["agreement_with_on_the_fly"] for name, numbers in measured.items()}
    for name, agreement in checked.items():
        if agreement is not None:
            kind = "good" if agreement == 1.0 else "bad"
            section.add(
                Notice(
                    kind,
                    f"{name}: Qⁿ computed while the MD ran and Qⁿ computed afterwards agree for "
                    f"{100 * agreement:.6g} % of atoms and frames.",
                )
            )
    return section


def transport(material: Material) -> Section | None:
    """Mean square displacements, and diffusion coefficients where the motion is diffusive."""
    measured = {}
    for name in material.names("analysis", "numbers"):
        numbers = material.json(f"analysis/{name}/numbers")
        if numbers["transport"] is not None:
            measured[name] = numbers
    if not measured:
        return None
    section = Section("Motion of the ions", "transport", warnings(material))
    section.add(*(_transport_verdict(name, numbers["transport"]) for name, numbers in measured.items()))
    section.add(_transport_table(measured))
    for name, numbers in measured.items():
        moved = numbers["transport"]
        curves = material.arrays(f"analysis/{name}/curves")
        groups = {e: (curves[f"msd_A2_{e}"], curves[f"msd_A2_{e}_err"]) for e in numbers["composition"]}
        window = (moved["fit_from_ps"], moved["fit_to_ps"]) if moved["diffusive"] else None
        section.add(
            Figure(
                f"msd-{name}",
                figures.mean_square_displacement(curves["lag_ps"], groups, window),
                f"{heading(name, numbers)}: mean square displacement relative to the framework, over all "
                "time origins; bands: one standard error between atoms. Long lags rest on few origins.",
            )
        )
    return section


def warnings(material: Material) -> list[Notice]:
    """One line for each trajectory that did not pass the stability gate, for the head of a section."""
    return [
        Notice("bad", f"{name} did not pass the stability gate: its numbers below do not describe the material.")
        for name in material.names("md", "gate")
        if not material.json(f"md/{name}/gate")["stable"]
    ]


def heading(name: str, numbers: Mapping[str, Any]) -> str:
    """What a caption calls a glass or a trajectory."""
    if numbers["kind"] == "glass":
        count = numbers["frames"]
        return "Quenched glass" if count == 1 else f"Quenched glasses ({count} replicas)"
    temperature = numbers.get("temperature_K")
    at = f", {temperature:.0f} K" if temperature is not None else ""
    return f"MD {name}{at}"


def _coordination_table(measured: Mapping[str, Mapping]) -> Table:
    rows = []
    for name, numbers in measured.items():
        for pair, shell in numbers["coordination"].items():
            key, peak = f"structure.{name}.{pair}", numbers["first_peak"][pair]
            rows.append(
                [
                    name,
                    pair.replace("-", _DASH),
                    Number(f"{key}.cutoff", f"{pair} cutoff", shell["cutoff_A"], "Å"),
                    Number(f"{key}.coordination", f"{pair} coordination", shell["number"], "1", shell["number_err"]),
                    Number(
                        f"{key}.bond_length",
                        f"mean {pair} bond length",
                        shell["bond_length_A"],
                        "Å",
                        shell["bond_length_A_err"],
                    )
                    if "bond_length_A" in shell
                    else "no bond",
                    Number(f"{key}.peak", f"position of the highest peak of {pair} g(r)", peak["position_A"], "Å"),
                    Number(f"{key}.peak_height", f"height of that peak of {pair}", peak["height"], "1"),
                ]
            )
    return Table(
        ("structure", "pair", "cutoff", "mean coordination", "mean bond length", "highest peak of g(r)", "its height"),
        rows,
        "First shells: neighbours of the first-named element within the cutoff.",
    )


def _pair_figure(name: str, title: str, numbers: Mapping, curves: Mapping[str, np.ndarray]) -> Figure:
    grid = {pair: (curves[f"g_{pair}"], curves[f"g_{pair}_err"]) for pair in numbers["first_peak"]}
    limit = numbers["half_cell_width_A"]
    svg = figures.partial_grid(
        curves["r_A"],
        grid,
        xlabel="r (Å)",
        ylabel="g(r)",
        limit=limit,
        limit_label=f"shaded: beyond half the cell width, {limit:.2f} Å",
    )
    return Figure(
        f"pairs-{name}",
        svg,
        (
            f"{title}: partial pair distribution functions{_band_note(numbers)} Beyond half the cell width "
            "they also show the periodicity of the cell; peaks of an atom with its own images may leave "
            "the panel."
        ),
    )


def _coordination_figure(name: str, title: str, numbers: Mapping) -> Figure:
    shells, labels = {}, {}
    for pair, shell in numbers["coordination"].items():
        shells[pair] = (np.array(shell["share"]), error_array(shell["share_err"]))
        labels[pair] = f"{pair.replace('-', _DASH)} < {shell['cutoff_A']:.2f} Å"
    caption = f"{title}: distribution of coordination numbers; bars: one standard error where it can be given."
    return Figure(f"coordination-{name}", figures.coordination(shells, labels), caption)


def _diffraction_figures(name: str, title: str, numbers: Mapping, curves: Mapping[str, np.ndarray]) -> list:
    totals = {
        label: (curves[f"S_{kind}"], curves[f"S_{kind}_err"])
        for kind, label in (("neutron", "Neutron-weighted"), ("xray", "X-ray-weighted"))
        if f"S_{kind}" in curves
    }
    q = curves["q_per_A"]
    blocks = []
    if totals:
        blocks.append(
            Figure(
                f"totals-{name}",
                figures.total_structure_factors(q, totals),
                (
                    f"{title}: total structure factors (Faber{_DASH}Ziman), summed directly over the wave "
                    "vectors that the cell allows, with no Fourier window. The lowest is "
                    f"{numbers['lowest_q_per_A']:.2f} 1/Å, and points below about 2 1/Å rest on few vectors "
                    f"each{_band_note(numbers)}"
                ),
            )
        )
    partials = {pair: (curves[f"S_{pair}"], curves[f"S_{pair}_err"]) for pair in numbers["first_peak"]}
    svg = figures.partial_grid(q, partials, xlabel="Q (1/Å)", ylabel="S(Q)")
    blocks.append(Figure(f"partials-{name}", svg, f"{title}: partial structure factors (Faber{_DASH}Ziman)."))
    return blocks


def _network_table(measured: Mapping[str, Mapping]) -> Table:
    rows: dict[str, dict[str, Number]] = defaultdict(dict)
    for name, numbers in measured.items():
        net, key = numbers["network"], f"network.{name}"
        former = net["former"]
        rows[f"⟨n⟩ of {former}"][name] = Number(
            f"{key}.mean_n", f"mean n of Qⁿ of {former}", net["mean_n"], "1", net["mean_n_err"]
        )
        for n, share in net["qn_share"].items():
            label = f"share of Q{n.translate(SUPERSCRIPT)}"
            rows[label][name] = Number(f"{key}.Q{n}", label, share, "1", net["qn_share_err"][n])
        for oxygen, share in net["oxygen_share"].items():
            label = f"share of oxygen {oxygen}"
            rows[label][name] = Number(f"{key}.oxygen.{oxygen}", label, share, "1", net["oxygen_share_err"][oxygen])
    return side_by_side(list(measured), rows, "Network connectivity, and shares of formers and of oxygens.")


def _share_figure(kind: str, measured: Mapping[str, Mapping]) -> bytes:
    shares = {name: numbers["network"][f"{kind}_share"] for name, numbers in measured.items()}
    errors = {name: numbers["network"][f"{kind}_share_err"] for name, numbers in measured.items()}
    categories = list(dict.fromkeys(key for share in shares.values() for key in share))
    groups = {
        name: (
            np.array([shares[name].get(key, 0.0) for key in categories]),
            error_array([errors[name].get(key) for key in categories]),
        )
        for name in measured
    }
    if kind == "qn":
        return figures.grouped_bars(categories, groups, ylabel="share of formers", xlabel="n of Qⁿ")
    return figures.grouped_bars(categories, groups, ylabel="share of oxygens", tilt=30)


def _transport_verdict(name: str, moved: Mapping[str, Any]) -> Notice:
    if moved["diffusive"]:
        return Notice(
            "good",
            f"{name}: the motion of {moved['ion']} is diffusive between {moved['fit_from_ps']:.3g} "
            f"and {moved['fit_to_ps']:.3g} ps.",
        )
    return Notice("note", f"{name}: no diffusion coefficient is given for {moved['ion']}: {moved['reason']}.")


def _transport_table(measured: Mapping[str, Mapping]) -> Table:
    rows: dict[str, dict[str, Number | str]] = defaultdict(dict)
    for name, numbers in measured.items():
        moved, key = numbers["transport"], f"transport.{name}"
        ion = moved["ion"]
        rows[f"D of {ion}"][name] = (
            Number(
                f"{key}.D", f"self-diffusion coefficient of {ion}", moved["D_m2_per_s"], "m²/s", moved["D_m2_per_s_err"]
            )
            if moved["diffusive"]
            else "not diffusive"
        )
        rows["length of the trajectory"][name] = Number(f"{key}.duration", "length", numbers["duration_ps"], "ps")
        rows["number of ions"][name] = Number(f"{key}.ions", f"number of {ion}", moved["ions"], "1")
        rows["d ln MSD / d ln t at a quarter of the length"][name] = Number(
            f"{key}.exponent", "logarithmic slope of the MSD", moved["exponent"], "1"
        )
        for element, value in moved["msd_at_longest_lag_A2"].items():
            rows[f"MSD of {element} at half the length"][name] = Number(
                f"{key}.msd.{element}", f"MSD of {element} at the longest lag", value, "Å²"
            )
    return side_by_side(list(measured), rows)


def _band_note(numbers: Mapping[str, Any]) -> str:
    source = {
        "autocorrelation": "; bands: one standard error of the time average.",
        "replicas": "; bands: one standard error between replicas.",
        "none": "; a single structure, hence no error bands.",
    }
    return source[numbers["errors_from"]]


def error_array(values: list) -> np.ndarray:
    """Standard errors as an array, NaN where there is none."""
    return np.array([np.nan if value is None else value for value in values])
