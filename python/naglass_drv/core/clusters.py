"""Connected components of periodic graphs, and when they percolate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .. import _core
from ..errors import InputError
from .arguments import elements, positive, shown
from .graph import BondGraph, bond_graph_only, geometry, topology

#: Atoms to select: one element, several, or a mask (N,) of atoms.
Selection = str | Iterable[str] | np.ndarray | None


@dataclass(frozen=True)
class Clusters:
    """Connected components, the largest first; definitions in docs/observables/clusters.md."""

    labels: np.ndarray  #: (N,) int, cluster of each atom, -1 for atoms that were not selected
    sizes: np.ndarray  #: (clusters,) int, atoms; an atom counts once, however many of its images are connected
    translations: np.ndarray  #: (clusters, 3, 3) int, rows span the cell vectors that carry the cluster onto itself

    @property
    def dimensions(self) -> np.ndarray:
        """(clusters,) independent directions in which each cluster percolates, 0 (finite) to 3."""
        return (np.diagonal(self.translations, axis1=1, axis2=2) != 0).sum(axis=1)

    @property
    def largest_fraction(self) -> float:
        """Share of the selected atoms in the largest cluster; NaN if none is selected."""
        return float(self.sizes[0] / self.sizes.sum()) if len(self.sizes) else float("nan")

    @property
    def percolating_fraction(self) -> float:
        """Share of the selected atoms in clusters of dimension 1 or more; NaN if none is selected."""
        total = self.sizes.sum()
        return float(self.sizes[self.dimensions > 0].sum() / total) if total else float("nan")


def clusters(graph: BondGraph, select: Selection = None) -> Clusters:
    """Components of a graph's selected atoms and the bonds between them, and how they percolate.

    ``clusters(bond_graph(atoms, {("P", "O"): 2.0, ("V", "O"): 2.5}), select=("P", "V", "O"))`` is the network;
    ``clusters(bond_graph(atoms, {("Na", "Na"): 4.0}), select="Na")`` the sodium sites. Nearly O(bonds).
    """
    bond_graph_only("graph", graph)
    return Clusters(**_core.clusters(*topology(graph), mask_of(graph.symbols, select)))


@dataclass(frozen=True)
class Percolation:
    """The level at which something first percolates; NaN if it never does."""

    by_dimension: np.ndarray  #: (3,) in one, two, three independent directions at once
    by_direction: np.ndarray  #: (3,) along each cell vector


def percolation_cutoff(atoms, select: Selection = "Na", *, max_cutoff: float = 10.0) -> Percolation:
    """The smallest cutoff (Å) at which sites that are joined when closer than the cutoff percolate.

    They percolate for every larger cutoff and for no smaller one. NaN means none up to `max_cutoff`. Exact: each level
    is the distance of a pair. O(N log N) at given density. Raises InputError for a cutoff that is not positive.
    """
    max_cutoff = positive("max_cutoff", max_cutoff, "Å")
    positions, cell, pbc = geometry(atoms)
    chosen = positions[mask_of(atoms.get_chemical_symbols(), select)]
    return Percolation(**_core.site_percolation(chosen, cell, pbc, max_cutoff))


def mask_of(symbols: Iterable[str], select: Selection) -> np.ndarray:
    """(N,) bool: the selected atoms; all of them for None."""
    symbols = np.array(symbols)
    if select is None:
        return np.ones(len(symbols), dtype=bool)
    if isinstance(select, np.ndarray):
        if select.dtype != bool:
            raise InputError(f"select = {shown(select)}: must be a mask (N,) of True and False, or elements")
        if select.shape != symbols.shape:
            raise InputError(f"select = mask of shape {select.shape}: there are {len(symbols)} atoms")
        return select
    return np.isin(symbols, elements("select", select, set(symbols.tolist())))
