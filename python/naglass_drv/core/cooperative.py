"""Clusters of ions that are fast at the same time, against the same number of ions chosen at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .arguments import number, positive, shown, whole
from .graph import neighbors
from .statistics import average
from .trajectory import Trajectory

_FEWEST = 3


@dataclass(frozen=True)
class FastClusters:
    """The fastest ions at each time origin, joined where they were closer than the cutoff.

    `size` is ⟨n²⟩/⟨n⟩, the mean number of ions in the cluster of a fast ion, averaged over origins, with its standard
    error; `random` is that of as many ions at random, with the 95 % range of such choices; `chance` the share of them
    with clusters at least as large. Definitions in docs/observables/sites.md.
    """

    lag: float  #: ps, over which displacements are taken
    chosen: int  #: fast ions at each origin
    ions: int
    origins: int
    size: float
    err: float
    random: float
    random_range: tuple[float, float]
    chance: float


def fast_clusters(
    path, element: str = "Na", *, lag: float, cutoff: float, share: float = 0.1, origins: int = 50, draws: int = 400,
    seed: int = 0,
) -> FastClusters:  # fmt: skip
    """Clusters of the `share` of ions that move farthest in `lag` (ps), from at most `origins` evenly spaced origins.

    `path` is a `Trajectory` with a cell; ions closer than `cutoff` (Å) at the origin are neighbors (Donati et al., PRE
    60, 3107 (1999), doi:10.1103/PhysRevE.60.3107). In each of the `draws` ions change places in the list, the same at
    all origins: ions that stay fast for long are then as persistent, and only where they are is random. InputError for
    fewer than three fast ions, or a lag that is not shorter than the run.
    """
    if not isinstance(path, Trajectory) or path.cell is None:
        raise InputError(f"path = {shown(path)}: must be a Trajectory with a cell")
    own = path.positions[:, np.array(path.symbols) == element]
    ions, frames = own.shape[1], round(positive("lag", lag, "ps") / path.interval)
    cutoff = positive("cutoff", cutoff, "Å")
    chosen = round(number("share", share, least=0.0) * ions)
    if not _FEWEST <= chosen < ions:
        raise InputError(f"share = {share:g}: {chosen} of {ions} {element}; at least {_FEWEST} are needed, and not all")
    if not 1 <= frames < len(own):
        raise InputError(f"lag = {lag:g}: must be at least a frame ({path.interval:g} ps) and shorter than the run")
    starts = np.unique(np.linspace(0, len(own) - 1 - frames, whole("origins", origins, 1)).astype(int))
    rng = np.random.default_rng(seed)
    names = np.array([np.arange(ions), *(rng.permutation(ions) for _ in range(whole("draws", draws, 1)))])
    sizes = np.array(
        [
            _sizes(_touching(own[t], path.cell, cutoff), names[:, _fastest(own[t + frames] - own[t], chosen)], ions)
            for t in starts
        ]
    )
    found, null = sizes[:, 0], sizes[:, 1:].mean(axis=0)
    mean = average(found)
    chance = (1 + int((null >= mean.mean - 1e-12).sum())) / (1 + len(null))
    low, high = np.quantile(null, [0.025, 0.975])
    return FastClusters(
        frames * path.interval, chosen, ions, len(starts), float(mean.mean), float(mean.err), float(null.mean()),
        (float(low), float(high)), chance,
    )  # fmt: skip


@dataclass(frozen=True)
class _Ions:
    positions: np.ndarray
    cell: np.ndarray
    pbc = (True, True, True)

    def get_chemical_symbols(self) -> list[str]:
        return ["Na"] * len(self.positions)


def _fastest(moved: np.ndarray, chosen: int) -> np.ndarray:
    return np.argsort(-(moved**2).sum(axis=1), kind="stable")[:chosen]


def _touching(positions: np.ndarray, cell: np.ndarray, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of ions that are neighbors, images included, each once."""
    pairs = neighbors(_Ions(positions, cell), cutoff)
    once = pairs.i < pairs.j
    return pairs.i[once], pairs.j[once]


def _sizes(pairs: tuple[np.ndarray, np.ndarray], members: np.ndarray, ions: int) -> np.ndarray:
    """(draws,) ⟨n²⟩/⟨n⟩ over the clusters of the members (draws, chosen) among so many ions."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    inside = np.zeros((len(members), ions), dtype=bool)
    np.put_along_axis(inside, members, True, axis=1)
    draw, pair = np.nonzero(inside[:, pairs[0]] & inside[:, pairs[1]])
    ends = tuple(draw * ions + side[pair] for side in pairs)
    graph = coo_array((np.ones(len(draw), dtype=bool), ends), shape=(inside.size, inside.size))
    _, label = connected_components(graph, directed=False)
    return np.bincount(label)[label][inside.ravel()].reshape(members.shape).mean(axis=1)
