"""Sections on rings and linkage, on the transition metals' fingerprints, and on hops."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from . import figures
from .material import Material
from .numbers import Figure, Notice, Number, Section, Table, side_by_side
from .physics import error_array, heading, warnings

Cells = dict[str, dict[str, Number | str]]


def topology(material: Material) -> Section | None:
    """Rings, linkage of polyhedra, lanterns and the spacing of the ions' sites."""
    measured = _measured(material, "topology")
    if not measured:
        return None
    section = Section("Topology", "topology", warnings(material))
    for name, found in measured.items():
        for label, value in found["linkage"].items():
            if label in ("P-P edge", "P-P face"):
                section.add(
                    Notice(
                        "bad",
                        f"{name}: {value['per_former']:.3g} links per former join two PO4 by more than a corner "
                        f"({label}). A phosphate glass has none: the potential, or its training level, is wrong.",
                    )
                )
    section.add(side_by_side(list(measured), _topology_rows(measured), _topology_note(measured)))
    sizes = list(dict.fromkeys(n for found in measured.values() for n in found["rings_per_former"]))
    groups = {
        name: (
            np.array([found["rings_per_former"][n] for n in sizes]),
            error_array([found["rings_per_former_err"][n] for n in sizes]),
        )
        for name, found in measured.items()
    }
    svg = figures.grouped_bars(sizes, groups, ylabel="rings per former", xlabel="formers in the ring")
    caption = (
        "Primitive rings: closed paths over formers joined by oxygen that no shorter way cuts across. Bars: one "
        "standard error. Paths that close only through the periodic boundary are no rings; in a cell of a few tens of "
        "atoms the largest sizes still feel it."
    )
    section.add(Figure("rings", svg, caption))
    return section


def metals(material: Material) -> Section | None:
    """Bond fingerprints of the transition metals, and their spins where frames carry moments."""
    measured = _measured(material, "fingerprints")
    for name in material.names("labels", "fingerprints"):
        measured[name] = material.json(f"labels/{name}/fingerprints")["fingerprints"]
    measured = {name: found for name, found in measured.items() if found}
    if not measured:
        return None
    section = Section("Transition metals", "metals", warnings(material))
    for metal in dict.fromkeys(metal for found in measured.values() for metal in found):
        own = {name: found[metal] for name, found in measured.items() if metal in found}
        section.add(side_by_side(list(own), _metal_rows(metal, own), _METAL_NOTE))
        for name, found in own.items():
            if found["confusion"] is not None:
                section.add(_confusion_table(name, metal, found["confusion"]))
            if found["links"] is not None:
                section.add(_links_table(name, metal, found["links"]))
    return section


def hops(material: Material) -> Section | None:
    """Hops of the mobile ions: how many, how far, how often back."""
    measured = _measured(material, "hops")
    if not measured:
        return None
    section = Section("Hops", "hops", warnings(material))
    rows: Cells = defaultdict(dict)
    for name, found in measured.items():
        for label, number in _hop_numbers(f"hops.{name}", found):
            rows[label][name] = number
    some = next(iter(measured.values()))
    section.add(
        side_by_side(
            list(measured),
            rows,
            f"Hops by p_hop with half a window of {some['window_ps']:.3g} ps and a threshold of "
            f"{some['threshold_A2']:g} Å²: rattling in a cage does not count, and a hop that is undone within half a "
            "window is not seen. Errors take the ions, and the hops, as independent. The cage is changed when less "
            "than half of the oxygens around the ion are the same before and after.",
        )
    )
    for name, found in measured.items():
        agreement = found["agreement_with_on_the_fly"]
        if agreement is not None:
            section.add(
                Notice(
                    "good" if agreement == 1.0 else "bad",
                    f"{name}: the hops found while the MD ran and those found afterwards agree for "
                    f"{100 * agreement:.6g} % of them.",
                )
            )
        if found["count"]:
            curves = material.arrays(f"analysis/{name}/curves")
            length = np.linalg.norm(curves["hop_to_A"] - curves["hop_from_A"], axis=1)
            svg = figures.hops(curves["hop_time_ps"], length, curves["hop_returned"])
            numbers = material.json(f"analysis/{name}/numbers")
            caption = f"{heading(name, numbers)}: each hop of {found['ion']} by its time."
            section.add(Figure(f"hops-{name}", svg, caption))
    return section


def _measured(material: Material, key: str) -> dict[str, Any]:
    names = material.names("analysis", "numbers")
    found = {name: material.json(f"analysis/{name}/numbers")[key] for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _topology_rows(measured: Mapping[str, Mapping]) -> Cells:
    rows: Cells = defaultdict(dict)
    for name, found in measured.items():
        for label, value in found["linkage"].items():
            rows[f"{label} links per former"][name] = Number(
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
            rows["distance at which the ions' sites percolate"][name] = Number(
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
        f"Polyhedra of {formers} that share one oxygen (corner), two (edge) or three (face). An edge between two PO4 "
        "would be an artefact. A lantern is a pair of metals that share exactly three P: every metal of NASICON has "
        "one, a glass next to none."
    )


_METAL_NOTE = (
    "Means over centers and frames, ± one standard error. Bond families by the thresholds of Schindler et al. "
    "(vanadyl below 1.74 Å, trans above 2.10 Å). States by valence: nearest to the bond-valence sum; by geometry: from "
    "the families; by moment: from the label's magnetic moment, which GFN1-xTB gives as an occupation only. A center "
    "is flagged where two of them differ or the sum is more than 0.4 off its state."
)
_METAL_MEANS = {
    "coordination": "coordination by O",
    "bond_valence": "bond-valence sum (v.u.)",
    "baur": "Baur distortion",
    "vanadyl": "vanadyl bonds per centre",
}


def _metal_rows(metal: str, measured: Mapping[str, Mapping]) -> Cells:
    rows: Cells = defaultdict(dict)
    for name, found in measured.items():
        for quantity, label in _METAL_MEANS.items():
            if quantity in found:
                rows[f"{metal}: {label}"][name] = Number(
                    f"metals.{name}.{metal}.{quantity}",
                    f"{label} of {metal}",
                    found[quantity],
                    "1",
                    found[f"{quantity}_err"],
                )
    for name, found in measured.items():
        for label, share in found["label_share"].items():
            key = f"metals.{name}.{metal}.label.{label}"
            rows[f"share of {label}"][name] = Number(key, f"share of {metal} {label}", share, "1")
    for assignment in ("valence", "geometry", "moment"):
        known = {name: found["states"][assignment] for name, found in measured.items() if assignment in found["states"]}
        for state in sorted({state for shares in known.values() for state in shares}):
            label = f"share of {metal}{state}+ by {assignment}" if state.isdigit() else f"{state} by {assignment}"
            for name, shares in known.items():
                key = f"metals.{name}.{metal}.{assignment}.{state}"
                rows[label][name] = Number(key, label, shares.get(state, 0.0), "1")
    for name, found in measured.items():
        rows["share of flagged centres"][name] = Number(
            f"metals.{name}.{metal}.flagged",
            "share of centres with contradicting assignments",
            found["flagged_share"],
            "1",
        )
    return rows


def _confusion_table(name: str, metal: str, confusion: Mapping[str, Any]) -> Table:
    shown = [f"{metal}{state}+" if state else "not determined" for state in confusion["states"]]
    rows = [
        [f"{label} by moment", *(str(count) for count in counts)]
        for label, counts in zip(shown, confusion["counts"], strict=True)
    ]
    return Table(
        (name, *(f"{label} by valence" for label in shown)), rows,
        f"Centres in all frames, by their state from the moment and from the bond valence: "
        f"{100 * confusion['agreement']:.0f} % agree.",
    )  # fmt: skip


def _links_table(name: str, metal: str, links: Mapping[str, Mapping[str, int]]) -> Table:
    kinds = {"direct": f"{metal}–O–{metal}", "mediated": f"{metal}–O–P–O–{metal}"}
    columns = ("pairs", "parallel", "antiparallel", "none", "mixed states")
    rows = [[kinds[kind], *(str(counts.get(column, 0)) for column in columns)] for kind, counts in links.items()]
    return Table(
        (name, *columns),
        rows,
        "Linked pairs of metals in all frames by the relative sign of their moments, and those between different "
        "oxidation states, where a polaron can hop.",
    )


def _hop_numbers(key: str, found: Mapping[str, Any]) -> Iterator[tuple[str, Number]]:
    ion = found["ion"]
    yield f"hops of {ion}", Number(f"{key}.count", f"hops of {ion}", found["count"], "1")
    yield (
        "hops per ion",
        Number(f"{key}.rate", f"hops per {ion} and time", found["per_ion_per_ps"], "1/ps", found["per_ion_per_ps_err"]),
    )
    for state, count in sorted(found["beside"].items()):
        label = f"hops whose nearest metal is {state} by bond valence"
        yield label, Number(f"{key}.beside.{state}", label, count, "1")
    for quantity, label, unit in (
        ("returned_share", "share that returned", "1"),
        ("changed_cage_share", "share that changed the cage", "1"),
        ("length_A", "mean length", "Å"),
    ):
        if found[quantity] is not None:
            err = found.get(f"{quantity}_err")
            yield label, Number(f"{key}.{quantity}", f"{label}, {ion}", found[quantity], unit, err)
