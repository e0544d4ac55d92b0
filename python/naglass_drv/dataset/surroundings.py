"""How alike the surroundings of atoms are: a descriptor per atom that needs no model, and distances between them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..core.graph import Neighbors, neighbors

if TYPE_CHECKING:
    from ase import Atoms

#: Rows (n, D) for n atoms of a periodic frame; the Euclidean distance of two rows says how alike they are.
Describe = Callable[["Atoms", Sequence[int]], np.ndarray]

_REACH_A, _STEP_A, _SMOOTH_A = 5.0, 0.1, 0.4
_ANGLE_REACH_A, _COSINES, _SMOOTH_COSINE = 3.5, 21, 0.3
_SAMPLE = 32


def by_geometry(elements: Sequence[str]) -> Describe:
    """A descriptor of distances and angles to atoms of `elements`.

    For every element Σ f(d) δ(r - d) / d over the neighbors within 5 Å, smoothed by a Gaussian of 0.4 Å; for every pair
    of elements Σ f(d) f(d') δ(c - cos θ) over pairs of neighbors within 3.5 Å, smoothed by 0.3, so that both tell other
    neighbors from thermal motion. f falls from 1 to 0 as a cosine. Euclidean distances between rows are those of these
    functions of r and c.
    """

    def describe(frame: "Atoms", atoms: Sequence[int]) -> np.ndarray:
        found = neighbors(frame, _REACH_A)
        kind = np.array([elements.index(symbol) for symbol in frame.symbols])
        starts = np.searchsorted(found.i, np.arange(len(frame) + 1))
        return np.array([_row(frame, found, slice(starts[i], starts[i + 1]), kind, len(elements)) for i in atoms])

    return describe


def _row(frame: "Atoms", found: Neighbors, own: slice, kind: np.ndarray, count: int) -> np.ndarray:
    vectors = frame.positions[found.j[own]] - frame.positions[found.i[own]] + found.shifts[own] @ frame.cell.array
    lengths, kinds = found.distances[own], kind[found.j[own]]
    radial = np.zeros((count, round(_REACH_A / _STEP_A)))
    grid = (np.arange(radial.shape[1]) + 0.5) * _STEP_A
    np.add.at(radial, kinds, _fade(lengths, _REACH_A)[:, None] * _bells(lengths, grid, _SMOOTH_A) / lengths[:, None])
    near = lengths < _ANGLE_REACH_A
    unit, kinds, weight = vectors[near] / lengths[near, None], kinds[near], _fade(lengths[near], _ANGLE_REACH_A)
    first, second = np.triu_indices(len(unit), 1)
    pair = np.minimum(kinds[first], kinds[second]) * count + np.maximum(kinds[first], kinds[second])
    angular = np.zeros((count * count, _COSINES))
    cosines = (unit[first] * unit[second]).sum(axis=1)
    bells = _bells(cosines, np.linspace(-1, 1, _COSINES), _SMOOTH_COSINE)
    np.add.at(angular, pair, (weight[first] * weight[second])[:, None] * bells)
    return np.concatenate([radial.ravel() * np.sqrt(_STEP_A), angular.ravel() * np.sqrt(2 / (_COSINES - 1))])


def _fade(lengths: np.ndarray, reach: float) -> np.ndarray:
    return 0.5 * (1 + np.cos(np.pi * lengths / reach))


def _bells(values: np.ndarray, grid: np.ndarray, width: float) -> np.ndarray:
    """Normalized Gaussians (n, grid) around `values`."""
    return np.exp(-0.5 * ((values[:, None] - grid) / width) ** 2) / (width * np.sqrt(2 * np.pi))


def median_distances(describe: Describe, frame: "Atoms", seed: int) -> dict[str, float]:
    """The median distance between the surroundings of two atoms of an element, for each element with two atoms.

    Over at most 32 atoms of each element, drawn with `seed`.
    """
    rng = np.random.default_rng(seed)
    symbols = np.array(frame.get_chemical_symbols())
    drawn = {}
    for element in sorted(set(symbols.tolist())):
        own = np.flatnonzero(symbols == element)
        drawn[element] = np.sort(rng.choice(own, min(_SAMPLE, len(own)), replace=False))
    rows = describe(frame, np.concatenate(list(drawn.values())).tolist())
    parts = np.split(rows, np.cumsum([len(atoms) for atoms in drawn.values()])[:-1])
    return {element: _median_distance(part) for element, part in zip(drawn, parts, strict=True) if len(part) > 1}


def _median_distance(rows: np.ndarray) -> float:
    from scipy.spatial.distance import pdist

    return float(np.median(pdist(rows)))
