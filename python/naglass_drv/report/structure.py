"""Section on structure: pair functions, coordination, angles, structure factors; one line per glass or trajectory."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..chemistry.formers import FORMERS
from ..chemistry.ions import TRANSITION_METALS
from ..products import Quantity
from . import figures
from .material import Material
from .measured import Rows, all_measured, below, error_array, quantities, shades, warnings
from .numbers import Figure, Fold, Section, Table, side_by_side

_DASH = "\N{EN DASH}"
_TOTALS = {
    "neutron": "Neutron\N{NON-BREAKING HYPHEN}weighted",
    "xray": "X\N{NON-BREAKING HYPHEN}ray\N{NON-BREAKING HYPHEN}weighted",
}
_OF_VECTORS = (
    "for a single structure, one standard error of the mean over the wave vectors of a shell, by which another sample "
    "of the same glass would differ"
)
Measured = Mapping[str, Mapping[str, Any]]
Curves = Mapping[str, Mapping[str, np.ndarray]]
# Neighbors; first shells of oxide glasses are below this
_RUNNING_TOP = 12.0


def structure(material: Material) -> Section | None:
    """Pair functions, coordination numbers, angles and structure factors of all glasses and trajectories."""
    measured = all_measured(material)
    if not measured:
        return None
    section = Section("Structure", "structure", warnings(material))
    curves = {name: material.arrays(f"analysis/{name}/curves") for name in measured}
    rows, shade = quantities(material), shades(material)
    pairs = _union(numbers["first_peak"] for numbers in measured.values())
    oxygen = [pair for pair in pairs if "O" in pair.split("-")] or pairs
    others = [pair for pair in pairs if pair not in oxygen]
    section.add(
        _pair_figure("pairs", measured, curves, shade, oxygen),
        _coordination_figure(measured, shade),
        *_angle_figure(measured, curves, shade),
        *_total_figure(measured, curves, shade),
        Fold(
            "Bond lengths, coordination numbers, angles",
            [_coordination_table(measured, rows), *_angle_table(measured, rows)],
        ),
        *_medium_range(measured, rows),
        Fold("Running coordination numbers", [_running_figure(measured, curves, shade)]),
    )
    if others:
        section.add(Fold("Pair functions of cations", [_pair_figure("pairs-cations", measured, curves, shade, others)]))
    section.add(Fold("Partial structure factors", [_partial_figure(measured, curves, shade)]))
    return section


def _overlay(measured: Measured, curves: Curves, x: str, family: str, names: Iterable[str]) -> figures.Overlays:
    """{panel: {structure: (x, mean, err)}} of the arrays `family`_NAME."""
    return {
        name: {
            key: (curves[key][x], curves[key][f"{family}_{name}"], curves[key][f"{family}_{name}_err"])
            for key in measured
            if f"{family}_{name}" in curves[key]
        }
        for name in names
    }


def _union(lists: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for one in lists for name in one))


def _pair_figure(name: str, measured: Measured, curves: Curves, shade: Mapping[str, str], pairs: list[str]) -> Figure:
    limit = min(numbers["half_cell_width_A"] for numbers in measured.values())
    svg = figures.overlays(
        _overlay(measured, curves, "r_A", "g", pairs),
        shade,
        xlabel="r (Å)",
        ylabel="g(r)",
        guide=1.0,
        limit=limit,
        limit_label=f"shaded: beyond half the cell width, {limit:.2f} Å",
    )
    caption = (
        f"Partial pair distribution functions{_band_note(measured)} Beyond half the cell width, they also show the "
        "periodicity of the cell; peaks from an atom's own images may exceed the panel."
    )
    return Figure(name, svg, caption)


def _running_figure(measured: Measured, curves: Curves, shade: Mapping[str, str]) -> Figure:
    pairs = _union(numbers["coordination"] for numbers in measured.values())
    overlay = _overlay(measured, curves, "edge_A", "running", pairs)
    svg = figures.overlays(overlay, shade, xlabel="r (Å)", ylabel="N(r)", top=_RUNNING_TOP)
    caption = "Mean number of neighbors of the second element within r of the first; a plateau is a closed shell."
    return Figure("running", svg, caption)


def _coordination_figure(measured: Measured, shade: Mapping[str, str]) -> Figure:
    shells = {
        pair: {
            name: (np.array(numbers["coordination"][pair]["share"]),
                   error_array(numbers["coordination"][pair]["share_err"]))
            for name, numbers in measured.items()
            if pair in numbers["coordination"]
        }
        for pair in _union(numbers["coordination"] for numbers in measured.values())
    }  # fmt: skip
    cutoffs = {
        pair: min(n["coordination"][pair]["cutoff_A"] for n in measured.values() if pair in n["coordination"])
        for pair in shells
    }
    labels = {pair: f"{pair.replace('-', _DASH)} < {cutoff:.2f} Å" for pair, cutoff in cutoffs.items()}
    caption = "Distribution of coordination numbers; bars: one standard error, if available."
    return Figure("coordination", figures.coordination(shells, labels, shade), caption)


def _angle_figure(measured: Measured, curves: Curves, shade: Mapping[str, str]) -> list[Figure]:
    kinds = _union(numbers["angles"] for numbers in measured.values())
    if not kinds:
        return []
    centers = {
        name: {"angle_deg": (found["angle_edge_deg"][1:] + found["angle_edge_deg"][:-1]) / 2} | dict(found)
        for name, found in curves.items()
    }
    svg = figures.overlays(_overlay(measured, centers, "angle_deg", "angle", kinds), shade, xlabel="angle (°)",
                           ylabel="P(θ) (1/°)")  # fmt: skip
    caption = (
        "Bond-angle distributions, normalized to an integral of one and not divided by sin θ"
        f"{_ideal_angles(kinds)}{_band_note(measured)}"
    )
    return [Figure("angles", svg, caption)]


def _ideal_angles(kinds: Iterable[str]) -> str:
    """Of the polyhedra whose angles are shown, kinds as ``O-P-O``."""
    ends = {kind: kind.split("-") for kind in kinds}
    centers = {center: kind.replace("-", _DASH) for kind, (one, center, two) in ends.items() if one == two == "O"}
    said = [f"a tetrahedron {text} at 109.5°" for former in FORMERS[:2] if (text := centers.get(former))]
    said += [f"an octahedron {text} at 90° and 180°" for metal, text in centers.items() if metal in TRANSITION_METALS]
    return f". Without distortion, {', '.join(said)}" if said else ""


def _total_figure(measured: Measured, curves: Curves, shade: Mapping[str, str]) -> list[Figure]:
    kinds = [kind for kind in _TOTALS if any(f"S_{kind}" in found for found in curves.values())]
    if not kinds:
        return []
    overlay = _overlay(measured, curves, "q_per_A", "S", kinds)
    svg = figures.overlays(
        {_TOTALS[kind]: lines for kind, lines in overlay.items()}, shade, xlabel="Q (1/Å)", ylabel="S(Q)", guide=1.0
    )
    lowest = min(numbers["lowest_q_per_A"] for numbers in measured.values())
    caption = (
        f"Total structure factors (Faber{_DASH}Ziman), summed directly over the wave vectors allowed by the cell, "
        f"with no Fourier window. The lowest is {lowest:.2f} 1/Å, and points below about 2 1/Å use only a few vectors "
        f"each{_band_note(measured, _OF_VECTORS)}"
    )
    return [Figure("totals", svg, caption)]


def _partial_figure(measured: Measured, curves: Curves, shade: Mapping[str, str]) -> Figure:
    pairs = _union(numbers["first_peak"] for numbers in measured.values())
    svg = figures.overlays(
        _overlay(measured, curves, "q_per_A", "S", pairs), shade, xlabel="Q (1/Å)", ylabel="S(Q)", guide=1.0
    )
    caption = f"Partial structure factors (Faber{_DASH}Ziman){_band_note(measured, _OF_VECTORS)}"
    return Figure("partials", svg, caption)


def _coordination_table(measured: Measured, rows: Mapping[str, Rows]) -> Table:
    words = ("cutoff", "coordination", "bond_length", "peak", "peak_height")
    found = []
    for name, numbers in measured.items():
        for pair in numbers["coordination"]:
            own = below(rows[name], f"structure.{name}.{pair}")
            found.append([name, pair.replace("-", _DASH), *(own.get(word, "no bond") for word in words)])
    return Table(
        ("structure", "pair", "cutoff", "mean coordination", "mean bond length", "highest peak of g(r)", "its height"),
        found,
        "First shells: neighbors of the first-named element within the cutoff.",
    )


def _angle_table(measured: Measured, rows: Mapping[str, Rows]) -> list[Table]:
    found = [
        [
            name,
            kind.replace("-", _DASH),
            *(rows[name][f"structure.{name}.{kind}.{word}"] for word in ("mean", "spread", "count")),
        ]
        for name, numbers in measured.items()
        for kind in numbers["angles"]
    ]
    head = ("structure", "angle", "mean", "standard deviation", "angles per frame")
    return [Table(head, found)] if found else []


def _medium_range(measured: Measured, rows: Mapping[str, Rows]) -> list[Fold]:
    """What tells of the order beyond the first shells, and of what the glasses were made of, in numbers."""
    cells: dict[str, dict[str, str | Quantity]] = defaultdict(dict)
    for name in measured:
        for family in ("diffraction", "channels", "redox"):
            for row in below(rows[name], f"{family}.{name}").values():
                cells[row.label][name] = row
    if not cells:
        return []
    caption = (
        "The first peak of S(Q) by a Lorentzian, fitted with the errors of S(Q), of one structure those between its "
        "wave vectors; its width only where it is known to half of itself. Spheres have "
        "ionic radii, and mobile ions are not in the way. Shares of ions are those that the glass was made of."
    )
    title = "First sharp diffraction peak, free volume, ions"
    return [Fold(title, [side_by_side(list(measured), cells, caption)])]


def _band_note(measured: Measured, single: str = "") -> str:
    """Meaning of the bands of a figure, for all structures in it; `single` is that of one structure, if it has any."""
    sources = {
        "autocorrelation": "for trajectories, one standard error of the time average",
        "replicas": "for glasses, one standard error between replicas",
    }
    sources |= {"none": single} if single else {}
    found = [text for key, text in sources.items() if any(n["errors_from"] == key for n in measured.values())]
    return f"; bands: {'; '.join(found)}." if found else "; no error bands for a single structure."
