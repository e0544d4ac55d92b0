"""Sections on the network and its topology: Qn, oxygen, rings, and linkage of polyhedra."""

import re
from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from ..chemistry.ions import MOBILE_IONS
from . import figures
from .material import Material
from .measured import agreements, all_measured, error_array, shades, warnings
from .numbers import SUPERSCRIPT, Figure, Fold, Number, Section, Table, no_error, side_by_side

_DASH = "\N{EN DASH}"
Cells = dict[str, dict[str, Number | str]]

_OXYGEN_NOTE = (
    "NBO: non-bridging, bonded to one former or metal; P–O–V: bridging, with its neighbors; tri: three or more; V=O: "
    "vanadyl; free: bonded to none. Mobile ions are not counted."
)


def topology(material: Material) -> Section | None:
    """Rings, linkage of polyhedra, lanterns, and the spacing of the ion sites."""
    measured = {name: numbers["topology"] for name, numbers in all_measured(material, "topology").items()}
    if not measured:
        return None
    section = Section("Topology", "topology", warnings(material))
    sizes = list(dict.fromkeys(n for found in measured.values() for n in found["rings_per_former"]))
    groups = {
        name: (
            np.array([found["rings_per_former"][n] for n in sizes]),
            error_array([found["rings_per_former_err"][n] for n in sizes]),
        )
        for name, found in measured.items()
    }
    svg = figures.grouped_bars(sizes, groups, shades(material), ylabel="rings per former", xlabel="formers in the ring")
    caption = (
        "Primitive rings: closed paths of formers linked by oxygen that have no shortcut. Bars: one "
        "standard error. Paths that close only through the periodic boundary are not rings; in a cell of a few tens of "
        "atoms, it still affects the largest sizes."
    )
    table = side_by_side(list(measured), _topology_rows(measured), _topology_note(measured))
    section.add(Figure("rings", svg, caption), Fold("Linkage, lanterns and percolation in numbers", [table]))
    return section


def network(material: Material) -> Section | None:
    """Q^n and oxygen classes of all glasses and trajectories side by side."""
    measured = all_measured(material, "network")
    if not measured:
        return None
    section = Section("Network", "network", warnings(material))
    for kind, caption in (
        ("qn", "Shares of network formers with n bridges to other formers (Qⁿ); bars: one standard error."),
        ("oxygen", f"Shares of oxygen by the atoms bonded to it. {_OXYGEN_NOTE}"),
    ):
        section.add(Figure(f"network-{kind}", _share_figure(kind, measured, shades(material)), caption))
    checked = {name: numbers["network"]["agreement_with_on_the_fly"] for name, numbers in measured.items()}
    section.add(Fold("Shares in numbers", [_network_table(measured)]), *agreements("Qⁿ", "atoms and frames", checked))
    return section


def _network_table(measured: Mapping[str, Mapping]) -> Table:
    rows: dict[str, dict[str, Number]] = defaultdict(dict)
    for name, numbers in measured.items():
        net, key = numbers["network"], f"network.{name}"
        former = net["former"]
        rows[f"⟨n⟩ of {former}"][name] = Number(
            f"{key}.mean_n", f"mean n of Qⁿ of {former}", net["mean_n"], "1", net["mean_n_err"], no_error(numbers)
        )
        ideal = _ideal_connectivity(former, numbers["composition"])
        if ideal is not None:
            rows[f"⟨n⟩ if every {former} has 4 O and every O is on {former}"][name] = Number(
                f"{key}.ideal_n", f"<n> of {former} by stoichiometry", ideal, "1"
            )
        for n, share in net["qn_share"].items():
            label = f"share of Q{n.translate(SUPERSCRIPT)}"
            rows[label][name] = Number(f"{key}.Q{n}", label, share, "1", net["qn_share_err"][n], no_error(numbers))
        for oxygen, share in net["oxygen_share"].items():
            label = f"share of oxygen {_oxygen_text(oxygen)}"
            rows[label][name] = Number(
                f"{key}.oxygen.{oxygen}", label, share, "1", net["oxygen_share_err"][oxygen], no_error(numbers)
            )
    return side_by_side(list(measured), rows, "Network connectivity, and shares of formers and of oxygens.")


def _share_figure(kind: str, measured: Mapping[str, Mapping], shade: Mapping[str, str]) -> bytes:
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
        return figures.grouped_bars(categories, groups, shade, ylabel="share of formers", xlabel="n of Qⁿ")
    names = [_oxygen_text(category) for category in categories]
    return figures.grouped_bars(names, groups, shade, ylabel="share of oxygens")


def _oxygen_text(name: str) -> str:
    """``BO_PV`` → ``P–O–V``, ``BO_PVV`` → ``P–O–V₂``, ``NBO_P`` → ``NBO (P)``; others stay."""
    kind, _, bonded = name.partition("_")
    elements = re.findall("[A-Z][a-z]?", bonded)
    if kind == "BO" and len(elements) > 1:
        twice = "₂" if elements[1:] == [elements[-1]] * 2 else ""
        return f"{elements[0]}–O–{elements[-1]}{twice}"
    return f"{kind} ({bonded})" if kind == "NBO" else name


def _ideal_connectivity(former: str, composition: Mapping[str, int]) -> float | None:
    """2 (4 − O/T): bridges per tetrahedron if all oxygen is on one or two formers; None if others bind oxygen."""
    others = set(composition) - {former, "O", *MOBILE_IONS}
    ideal = 2 * (4 - composition["O"] / composition[former])
    return ideal if former in ("P", "Si") and not others and ideal >= 0 else None


def _topology_rows(measured: Mapping[str, Mapping]) -> Cells:
    rows: Cells = defaultdict(dict)
    for name, found in measured.items():
        for label, value in found["linkage"].items():
            rows[f"{label.replace('-', _DASH)} links per former"][name] = Number(
                f"topology.{name}.{label}",
                f"{label} sharing per former",
                value["per_former"],
                "1",
                value["per_former_err"],
            )
        if found["lanterns"] is not None:
            rows["share of metals in NASICON lanterns"][name] = Number(
                f"topology.{name}.lanterns",
                "share of metals that share three P with another",
                found["lanterns"]["share"],
                "1",
                found["lanterns"]["share_err"],
            )
        if found["ion_spacing"] is not None:
            rows["distance at which the ion sites percolate"][name] = Number(
                f"topology.{name}.ion_spacing",
                "smallest cutoff at which the ions percolate",
                found["ion_spacing"]["percolates_A"],
                "Å",
                found["ion_spacing"]["percolates_A_err"],
            )
    return rows


def _topology_note(measured: Mapping[str, Mapping]) -> str:
    formers = ", ".join(dict.fromkeys(former for found in measured.values() for former in found["formers"]))
    return (
        f"Polyhedra of {formers} that share one oxygen (corner), two (edge) or three (face). An edge between two PO₄ "
        "would be an artifact. A lantern is a pair of metals that share exactly three P: every metal in NASICON has "
        "one, while a glass has almost none."
    )
