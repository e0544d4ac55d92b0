"""Pair functions in real space: partial g(r) and running coordination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from .. import _core
from ..errors import InputError
from .arguments import flag, positive, structures
from .statistics import Average, average
from .trajectory import same_elements
from .unwrap import face_distances, full_cell

# 0.8 GB of counts
_MOST_BINS = 10**8


@dataclass(frozen=True)
class PairFunctions:
    """Partial pair functions on the bin centers `r` (Å), one entry per unordered pair "A-B".

    `g` is g_AB(r) (dimensionless) and tends to 1; `running` holds n_AB(r), the mean number of B within r of
    an A, for both orders of a pair, at the upper bin edges `edges` (Å). `half_width` is half the smallest
    distance between opposite cell faces (Å): beyond it g(r) also describes the periodic images.
    """

    r: np.ndarray
    edges: np.ndarray
    g: dict[str, Average]
    running: dict[str, Average]
    half_width: float


def rdf(frames, r_max: float, *, width: float = 0.05, independent: bool = False) -> PairFunctions:
    """Partial g(r) and running coordination numbers of periodic frames (one, or several with the same atoms).

    g_AB(r) = V n_AB / (N_A N_B v), with n_AB the ordered pairs (images included) in the spherical shell of
    volume v between r - width/2 and r + width/2. Normalized by N_B, not N_B - 1, so that 4 pi rho_B times the
    integral of g r² is the coordination number exactly. `r_max` and `width` in Å; `independent` frames are
    replicas, not time steps. InputError for a range that is not positive, other atoms from frame to frame, or
    a cell without volume.
    """
    frames = structures("frames", frames)
    r_max, width = positive("r_max", r_max, "Å"), positive("width", width, "Å")
    flag("independent", independent)
    if not width <= r_max:
        raise InputError(f"width = {width}: must be positive and at most r_max = {r_max} (Å)")
    elements = same_elements(frames)
    kind = kinds(frames[0], elements)
    count = np.bincount(kind, minlength=len(elements))
    bins = max(1, round(r_max / width))
    if bins * len(elements) ** 2 * len(frames) > _MOST_BINS:
        raise InputError(f"width = {width}: {bins} bins up to r_max = {r_max} are too many (Å)")
    edges = np.linspace(0.0, r_max, bins + 1)
    shells = shell_volumes(r_max, bins)
    cells = [full_cell(atoms.cell) for atoms in frames]
    histogram = np.array(
        [
            pair_counts(atoms.positions, kind, cell, r_max, bins, periodic=atoms.pbc)
            for atoms, cell in zip(frames, cells, strict=True)
        ]
    ).astype(float)
    volume = np.array([abs(np.linalg.det(cell)) for cell in cells])
    g, running = {}, {}
    for a, b in combinations_with_replacement(range(len(elements)), 2):
        ideal = count[a] * count[b] * shells / volume[:, None]
        g[f"{elements[a]}-{elements[b]}"] = average(histogram[:, a, b] / ideal, independent=independent)
    for a, first in enumerate(elements):
        for b, second in enumerate(elements):
            number = np.cumsum(histogram[:, a, b], axis=1) / count[a]
            running[f"{first}-{second}"] = average(number, independent=independent)
    half = min(_half_width(cell) for cell in cells)
    return PairFunctions((edges[1:] + edges[:-1]) / 2, edges[1:], g, running, half)


def pair_counts(positions, kind, cell, reach: float, bins: int, others=None, *, periodic=(True,) * 3) -> np.ndarray:
    """Ordered pairs per kinds of i and j and bin of |others_j - positions_i|, (kinds, kinds, bins), i itself left out.

    `others` are the same atoms at another time, by default the same time.
    """
    positions = np.ascontiguousarray(positions, dtype=float)
    others = positions if others is None else np.ascontiguousarray(others, dtype=float)
    kind = np.asarray(kind, dtype=np.int32)
    cell, periodic = np.asarray(cell, dtype=float).tolist(), [bool(p) for p in periodic]
    return _core.pair_histogram(positions, others, kind, int(kind.max(initial=0)) + 1, cell, periodic, reach, bins)


def shell_volumes(reach: float, bins: int) -> np.ndarray:
    """Volumes (Å³) of the spherical shells of equal width up to `reach` (Å)."""
    return 4 / 3 * np.pi * np.diff(np.linspace(0.0, reach, bins + 1) ** 3)


def pair_names(elements: Sequence[str]) -> list[str]:
    """Names "A-B" of all unordered pairs of `elements`, in their order."""
    return [f"{a}-{b}" for a, b in combinations_with_replacement(elements, 2)]


def kinds(atoms, elements: Sequence[str]) -> np.ndarray:
    """(N,) place of each atom's element in `elements`."""
    index = {element: k for k, element in enumerate(elements)}
    return np.array([index[symbol] for symbol in atoms.get_chemical_symbols()])


def _half_width(cell: np.ndarray) -> float:
    return float(0.5 * face_distances(cell).min())
