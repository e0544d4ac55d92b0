"""Select a few representative frames: farthest-point sampling with a descriptor for each frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.pairs import kinds, pair_counts

if TYPE_CHECKING:
    from ase import Atoms

_REACH_A, _WIDTH_A, _SMOOTH_A = 6.0, 0.05, 0.15


@dataclass(frozen=True)
class Selection:
    """Chosen points in order of selection, and the distance of each from all points chosen or known before it.

    The distance of a first point without any known ones is infinite. `left` is the covering radius: how far the
    farthest point that was not chosen is from the chosen and known ones.
    """

    chosen: np.ndarray
    distances: np.ndarray
    left: float


def farthest_points(points: np.ndarray, count: int, known: np.ndarray | None = None) -> Selection:
    """Choose up to `count` of `points` (F, D), each the one farthest from those chosen before and `known` (K, D).

    Without known points the first is the one nearest to the mean. Of equal distances the lower index wins, and a point
    that coincides with a chosen or known one is never chosen. O(F D (count + K)). The k chosen cover all points within
    twice the least possible radius (10.1016/0304-3975(85)90224-5).
    """
    nearest = np.full(len(points), np.inf)
    for point in () if known is None else known:
        nearest = np.minimum(nearest, _distances(points, point))
    chosen: list[int] = []
    distances: list[float] = []
    while len(chosen) < count:
        first = not np.isfinite(nearest).any()
        at = int(_distances(points, points.mean(axis=0)).argmin() if first else nearest.argmax())
        if nearest[at] == 0:
            break
        chosen.append(at)
        distances.append(float(nearest[at]))
        nearest = np.minimum(nearest, _distances(points, points[at]))
    return Selection(np.array(chosen, dtype=int), np.array(distances), float(nearest.max(initial=0.0)))


def _distances(points: np.ndarray, point: np.ndarray) -> np.ndarray:
    return np.sqrt(((points - point) ** 2).sum(axis=1))


def pair_descriptors(frames: Sequence["Atoms"], elements: Sequence[str]) -> np.ndarray:
    """A descriptor (F, D) of each frame without any model: how its pairs of elements are spread over distance.

    For every pair of `elements`, Σ f(d) δ(r - d) / d² over the pairs of atoms per atom of the frame, smoothed by a
    Gaussian of 0.15 Å, on a grid up to 6 Å, where f falls from 1 to 0 as a cosine. Euclidean distances between them are
    those of these functions of r. It knows composition, density and short-range order, and no angles.
    """
    bins = round(_REACH_A / _WIDTH_A)
    r = (np.arange(bins) + 0.5) * _WIDTH_A
    weight = 0.5 * (1 + np.cos(np.pi * r / _REACH_A)) / r**2 * np.sqrt(_WIDTH_A)
    smooth = np.exp(-0.5 * ((r[:, None] - r) / _SMOOTH_A) ** 2) / (_SMOOTH_A * np.sqrt(2 * np.pi))
    first, second = np.triu_indices(len(elements))
    rows = []
    for frame in frames:
        kind = kinds(frame, elements)
        found = pair_counts(frame.positions, kind, frame.cell.complete().array, _REACH_A, bins, periodic=frame.pbc)
        counts = np.zeros((len(elements), len(elements), bins))
        counts[: len(found), : len(found)] = found
        rows.append((counts[first, second] * weight / len(frame)) @ smooth)
    return np.array(rows).reshape(len(rows), -1)
