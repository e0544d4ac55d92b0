"""Topology of the network: rings, linkage of polyhedra, percolation of the ions' sites, lanterns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from ..chemistry.formers import FORMERS, METAL_O_CUTOFF_A
from ..chemistry.ions import TRANSITION_METALS
from ..core.statistics import Average, average
from ..core.trajectory import same_elements

_SHARED = ("corner", "edge", "face")


@dataclass(frozen=True)
class Topology:
    """Averages over frames; the index of `rings` is the size of the ring in formers (a ring has as many oxygens), and
    `ring_size` their mean size, None for frames without rings.

    `rings` are distinct primitive rings per former; `linkage` pairs of polyhedra per former, by the pair of elements
    and what they share; `lanterns` the share of the metals that share exactly three P with another; `ion_spacing` the
    distance (Å) at which the sites of the mobile ion percolate, None without such an ion.
    """

    formers: tuple[str, ...]
    rings: Average
    ring_size: Average | None
    linkage: dict[str, Average]
    lanterns: Average | None
    ion_spacing: Average | None


def topology(
    frames: Sequence[Atoms], cutoffs: Mapping[str, float], ion: str | None, *, ring_size: int, independent: bool = False
) -> Topology | None:
    """Rings up to `ring_size` formers, linkage and percolation; None for frames without oxygen or a glass former.

    `cutoffs` (Å) per pair "P-O". Network formers here are the glass former and the transition metals.
    """
    from .. import core

    elements = same_elements(frames)
    formers = tuple(e for e in elements if e in FORMERS or e in TRANSITION_METALS)
    if "O" not in elements or not set(formers) & set(FORMERS):
        return None
    bonds = {(element, "O"): cutoffs.get(f"{element}-O", METAL_O_CUTOFF_A) for element in formers}
    rings, sizes, links, lanterns, spacing = [], [], [], [], []
    metals = [element for element in formers if element in TRANSITION_METALS]
    for atoms in frames:
        graph = core.bond_graph(atoms, bonds)
        count = sum(symbol in formers for symbol in graph.symbols)
        found = core.rings(graph, graph_kind="tt", max_size=ring_size, former=formers)
        rings.append(found.counts / count)
        if found.counts.sum():
            sizes.append(np.average(np.arange(len(found.counts)), weights=found.counts))
        linked = core.linkage(graph, centers=formers).counts
        links.append({pair: np.array(sharing) / count for pair, sharing in linked.items()})
        if metals and "P" in elements:
            partners = np.concatenate([_partners(graph, metal) for metal in metals])
            lanterns.append((partners > 0).mean())
        if ion is not None:
            spacing.append(core.percolation_cutoff(atoms, ion).by_dimension[0])
    return Topology(
        formers,
        average(np.array(rings), independent=independent),
        average(np.array(sizes), independent=independent) if sizes else None,
        _linkage(links, independent),
        average(np.array(lanterns), independent=independent) if lanterns else None,
        average(np.array(spacing), independent=independent) if spacing and np.isfinite(spacing).all() else None,
    )


def _partners(graph, metal: str) -> np.ndarray:
    """Lanterns of each atom of one metal."""
    from .. import core

    found = core.lanterns(graph, center=metal, bridge="P")
    return found[found >= 0]


def _linkage(links: Sequence[Mapping[tuple[str, str], np.ndarray]], independent: bool) -> dict[str, Average]:
    """By "P-V corner"; what never occurs is left out."""
    averages = {}
    for pair in links[0]:
        series = np.array([frame[pair] for frame in links])
        for k, shared in enumerate(_SHARED):
            if series[:, k].any():
                averages[f"{'-'.join(pair)} {shared}"] = average(series[:, k], independent=independent)
    return averages
