"""Sections on the network and its topology: Qn, oxygen, rings, and linkage of polyhedra."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from ..analysis.network import oxygen_text
from ..core import VANADYL_CUTOFF
from ..products import Quantity
from . import figures
from .material import Material
from .measured import Rows, agreements, all_measured, below, error_array, quantities, shades, warnings
from .numbers import Figure, Fold, Section, Table, side_by_side

_DASH = "\N{EN DASH}"
Cells = dict[str, dict[str, Quantity]]


def oxygen_note(measured: Mapping[str, Mapping]) -> str:
    """What the classes of oxygen mean, by the former and the metals of the structures that are shown."""
    former = next(iter(measured.values()))["network"]["former"]
    metals = list(dict.fromkeys(metal for numbers in measured.values() for metal in numbers["fingerprints"]))
    metal = metals[0] if len(metals) == 1 else "M"
    short = f"{metal}=O: terminal and below {VANADYL_CUTOFF:g} Å{', vanadyl' if metals == ['V'] else ''}; "
    any_of = f"M: {' or '.join(metals)}; " if len(metals) > 1 else ""
    bridge = f"{former}–O–{metal if metals else former}"
    return (
        f"NBO: non-bridging, bonded to one former{' or metal' if metals else ''}; {bridge}: "
        f"bridging, with its neighbors; tri: three or more; {short + any_of if metals else ''}free: bonded to none. "
        "Mobile ions are not counted."
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
    table = _topology_table(measured, quantities(material))
    section.add(Figure("rings", svg, caption), Fold("Rings, linkage, lanterns and percolation in numbers", [table]))
    return section


def network(material: Material) -> Section | None:
    """Q^n and oxygen classes of all glasses and trajectories side by side."""
    measured = all_measured(material, "network")
    if not measured:
        return None
    section = Section("Network", "network", warnings(material))
    for kind, caption in (
        ("qn", "Shares of network formers with n bridges to other formers (Qⁿ); bars: one standard error."),
        ("oxygen", f"Shares of oxygen by the atoms bonded to it. {oxygen_note(measured)}"),
    ):
        section.add(Figure(f"network-{kind}", _share_figure(kind, measured, shades(material)), caption))
    checked = {name: numbers["network"]["agreement_with_on_the_fly"] for name, numbers in measured.items()}
    section.add(
        Fold("Shares in numbers", [_network_table(measured, quantities(material))]),
        *agreements("Qⁿ", "atoms and frames", checked),
    )
    return section


def _network_table(measured: Mapping[str, Mapping], rows: Mapping[str, Rows]) -> Table:
    cells: Cells = defaultdict(dict)
    for name, numbers in measured.items():
        former = numbers["network"]["former"]
        titles = {"mean_n": f"⟨n⟩ of {former}", "ideal_n": f"⟨n⟩ if every {former} has 4 O and every O is on {former}"}
        for word, row in below(rows[name], f"network.{name}").items():
            cells[titles.get(word, row.label)][name] = row
    return side_by_side(list(measured), cells, "Network connectivity, and shares of formers and of oxygens.")


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
    names = [oxygen_text(category) for category in categories]
    return figures.grouped_bars(names, groups, shade, ylabel="share of oxygens")


def _topology_table(measured: Mapping[str, Mapping], rows: Mapping[str, Rows]) -> Table:
    titles = {
        "lanterns": "share of metals in NASICON lanterns",
        "ion_spacing": "distance at which the ion sites percolate",
    }
    cells: Cells = defaultdict(dict)
    for name in measured:
        for word, row in below(rows[name], f"topology.{name}").items():
            link = f"{word.replace('-', _DASH)} links per former"
            cells[row.label if word.startswith("ring") else titles.get(word, link)][name] = row
    return side_by_side(list(measured), cells, _topology_note(measured))


def _topology_note(measured: Mapping[str, Mapping]) -> str:
    formers = ", ".join(dict.fromkeys(former for found in measured.values() for former in found["formers"]))
    return (
        f"Polyhedra of {formers} that share one oxygen (corner), two (edge) or three (face). An edge between two PO₄ "
        "would be an artifact. A lantern is a pair of metals that share exactly three P: every metal in NASICON has "
        "one, while a glass has almost none."
    )
