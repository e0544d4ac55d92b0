"""Sites of mobile ions: the basins of their density, and the barriers between these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from ..errors import InputError
from .arguments import number, positive, shown
from .channels import DensityPercolation, density_percolation
from .clusters import Percolation
from .density import DensityMap
from .unwrap import face_distances

Step = tuple[int, int, int]
# 13 of the 26 neighbors of a voxel: the others are their opposites
_HALF: list[Step] = [(a, b, c) for a, b, c in product((-1, 0, 1), repeat=3) if (a, b, c) > (0, 0, 0)]
# widths of the smoothing beyond which it does not reach
_REACH = 4.0
# images between -4 and 4 in three directions, as one number
_IMAGES = 9


@dataclass(frozen=True)
class Sites:
    """Sites as basins of a density map; definitions in docs/observables/sites.md.

    A voxel of the basin of site s lies in the same image of the cell as the site after `shifts` of it.
    """

    positions: np.ndarray  #: (S, 3) Å, mean position in the core
    occupancy: np.ndarray  #: (S,) mean number of ions in the basin
    peaks: np.ndarray  #: (S,) 1/Å³, highest density
    labels: np.ndarray  #: (a, b, c) int, site that the voxel belongs to; -1 for none
    shifts: np.ndarray  #: (a, b, c, 3) int, cell vectors from the voxel's cell to that of its site
    core: np.ndarray  #: (a, b, c) bool, less than `depth` above the bottom of its site
    density: np.ndarray  #: (a, b, c) 1/Å³, smoothed
    cell: np.ndarray  #: (3, 3) Å
    smoothing: float  #: Å
    depth: float  #: kT
    visit: float  #: 1/Å³, density that one ion in one frame leaves at its own place

    def __len__(self) -> int:
        """Number of sites."""
        return len(self.positions)

    def barriers(self, density: DensityMap | None = None) -> Percolation:
        """Free energy (kT) that an ion has to climb to percolate, from the mean of the sites, weighted by occupancy.

        ln(ρ_site/ρ*), with ρ* the largest density whose superlevel set percolates. NaN where no path was visited: what
        lies between visits is smoothing. With a `density` on the same grid, of a part of the run, that of this one.
        """
        smooth, visit = (self.density, self.visit) if density is None else _smoothed(density, self.smoothing)
        threshold, bottom = density_percolation(_visited(smooth, visit)).threshold, self._bottom(smooth)
        return Percolation(bottom - np.log(threshold.by_dimension), bottom - np.log(threshold.by_direction))

    def channels(self) -> DensityPercolation:
        """The density at which visited places percolate, and the share of the volume at or above it."""
        return density_percolation(_visited(self.density, self.visit))

    def highest_visible(self) -> float:
        """The highest barrier (kT) that would be seen, that of a place visited once."""
        return self._bottom(self.density) - float(np.log(self.visit))

    def _bottom(self, smooth: np.ndarray) -> float:
        """ln ρ (1/Å³) of the peaks in a map, mean over the ions."""
        inside = self.labels >= 0
        ions = np.bincount(self.labels[inside], smooth[inside], minlength=len(self))
        peaks = _highest(smooth[inside], self.labels[inside], len(self))
        return float(np.average(np.log(peaks[ions > 0]), weights=ions[ions > 0])) if ions.any() else float("nan")

    def locate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Site (...), its image (..., 3) in cell vectors, and whether it is in the core (...), of positions (..., 3)
        in Å; -1 for no site.
        """
        scaled = positions @ np.linalg.inv(self.cell)
        image = np.floor(scaled).astype(int)
        shape = np.array(self.labels.shape)
        voxel = np.minimum(((scaled - image) * shape).astype(int), shape - 1)
        place = tuple(np.moveaxis(voxel, -1, 0))
        return self.labels[place], (image + self.shifts[place]).astype(np.int32), self.core[place]


def find_sites(
    density: DensityMap, *, smoothing: float = 0.3, depth: float = 1.0, min_occupancy: float = 0.02
) -> Sites:
    """The sites of a density map: maxima of the smoothed density, each with the voxels that lead uphill to it.

    The density is smoothed with a Gaussian of width `smoothing` (Å, periodic). Every voxel follows the steepest ascent
    among its 26 neighbors. Maxima that are separated by less than `depth` (kT) above the shallower one are one site
    (non-maximum suppression by persistence); what is less than `depth` above a site's bottom is its core. Basins with
    a mean occupancy below `min_occupancy` are no sites. O(voxels log voxels). InputError for a density without atoms.
    """
    if not isinstance(density, DensityMap):
        raise InputError(f"density = {shown(density)}: must be a DensityMap, as density_map() makes it")
    smoothing, depth = number("smoothing", smoothing, "Å", least=0.0), positive("depth", depth, "kT")
    min_occupancy = number("min_occupancy", min_occupancy, least=0.0)
    if not density.density.any():
        raise InputError("density: there are no atoms in the map")
    smooth, visit = _smoothed(density, smoothing)
    labels, shifts = _basins(smooth, density.cell)
    labels, shifts = _merged(smooth, labels, shifts, depth)
    inside = labels >= 0
    occupancy = np.bincount(labels[inside], density.density[inside]) * density.voxel
    kept = occupancy >= min_occupancy
    labels = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1).astype(np.int32)[labels]
    inside = labels >= 0
    peaks = _highest(smooth[inside], labels[inside], int(kept.sum()))
    core = inside & (smooth >= np.exp(-depth) * np.append(peaks, np.inf)[labels])
    positions, shifts = _centers(smooth, labels, shifts, core, density.cell, len(peaks))
    return Sites(positions, occupancy[kept], peaks, labels, shifts, core, smooth, density.cell, smoothing, depth, visit)


def _smoothed(density: DensityMap, width: float) -> tuple[np.ndarray, float]:
    """Convolved with a periodic Gaussian, which ends after four widths, on the grid of any cell; and its highest value
    for a single visit.
    """
    shape = np.array(density.density.shape)
    reach = np.ceil(_REACH * width / face_distances(density.cell) * shape).astype(int)
    offsets = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    square = ((offsets / shape @ density.cell) ** 2).sum(axis=1)
    near = square <= (_REACH * width) ** 2
    weights = np.exp(-square[near] / (2 * width**2)) if width else np.ones(1)
    weights /= weights.sum()
    kernel = np.zeros(density.density.shape)
    np.add.at(kernel, tuple((offsets[near] % shape).T), weights)
    found = np.fft.irfftn(np.fft.rfftn(density.density) * np.fft.rfftn(kernel), density.density.shape, axes=(0, 1, 2))
    once = 1 / (density.frames * density.voxel)
    # the least that a single visit leaves behind is far above rounding
    return np.where(found > 0.5 * weights.min() * once, found, 0.0), float(kernel.max() * once)


def _visited(smooth: np.ndarray, visit: float) -> np.ndarray:
    """The density without what is less than that of a single visit."""
    return np.where(smooth >= visit * (1 - 1e-9), smooth, 0.0)


def _highest(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """(groups,) largest value of each; 0 for one without any."""
    found = np.zeros(groups)
    np.maximum.at(found, group, values)
    return found


def _neighbor(values: np.ndarray, step: Step) -> np.ndarray:
    """The values of the neighbors in this direction."""
    return np.roll(values, [-s for s in step], axis=(0, 1, 2))


def _crossing(shape: tuple[int, ...], step: Step) -> np.ndarray:
    """(a, b, c, 3) cell vectors by which the neighbor in this direction is in another image."""
    axes = [((np.arange(n) + s) // n).astype(np.int8) for n, s in zip(shape, step, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def _basins(density: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maximum that each voxel leads to, numbered from 0, -1 for empty voxels; and the shift to its image."""
    shape = density.shape
    own = np.arange(density.size, dtype=np.int32).reshape(shape)
    best, uphill, shift = np.zeros(shape), own.copy(), np.zeros((*shape, 3), dtype=np.int8)
    voxel = cell / np.array(shape)[:, None]
    for half in _HALF:
        for step in (half, (-half[0], -half[1], -half[2])):
            slope = (_neighbor(density, step) - density) / np.linalg.norm(np.array(step) @ voxel)
            steeper = slope > best
            best[steeper], uphill[steeper] = slope[steeper], _neighbor(own, step)[steeper]
            shift[steeper] = _crossing(shape, step)[steeper]
    parent, shift = uphill.reshape(-1), shift.reshape(-1, 3)
    while True:
        further = parent[parent]
        if (further == parent).all():
            break
        shift, parent = shift + shift[parent], further
    filled = density.ravel() > 0
    labels = np.full(density.size, -1, dtype=np.int32)
    labels[filled] = np.unique(parent[filled], return_inverse=True)[1]
    return labels.reshape(shape), shift.reshape(*shape, 3)


def _merged(density: np.ndarray, labels: np.ndarray, shifts: np.ndarray, depth: float) -> tuple[np.ndarray, np.ndarray]:
    """The basins with those joined whose saddle is less than `depth` below the lower of their maxima."""
    count = int(labels.max()) + 1
    inside = labels >= 0
    peaks = _highest(density[inside], labels[inside], count)
    root, offset = np.arange(count), np.zeros((count, 3), dtype=int)  # image of a basin's maximum from that of its root
    for first, second, apart, saddle in _saddles(density, labels, shifts):
        a, b = root[first], root[second]
        if a == b:
            continue
        high, low = (a, b) if peaks[a] >= peaks[b] else (b, a)
        if np.log(peaks[low] / saddle) >= depth:
            continue
        between = offset[first] + apart - offset[second]  # of the root of the second from that of the first
        members = root == low
        offset[members] += between if low == b else -between
        root[members] = high
    numbers = np.unique(root, return_inverse=True)[1]
    shifts = shifts - np.vstack([offset, np.zeros((1, 3))]).astype(np.int8)[labels]
    return np.append(numbers.reshape(-1), -1).astype(np.int32)[labels], shifts


def _saddles(
    density: np.ndarray, labels: np.ndarray, shifts: np.ndarray
) -> Iterator[tuple[int, int, np.ndarray, float]]:
    """(basin, basin, image of the second's maximum from that of the first, density) of all pairs that touch, from the
    highest saddle down.
    """
    keys, heights = [], []
    for step in _HALF:
        other = _neighbor(labels, step)
        touch = (labels >= 0) & (other >= 0) & (labels != other)
        apart = (_crossing(labels.shape, step) + _neighbor(shifts, step) - shifts)[touch].astype(int)
        code = (apart + _IMAGES // 2) @ [1, _IMAGES, _IMAGES**2]
        first, second = labels[touch].astype(int), other[touch].astype(int)
        swap = first > second
        code = np.where(swap, _IMAGES**3 - 1 - code, code)
        low, high = np.minimum(first, second), np.maximum(first, second)
        keys.append((low * (int(labels.max()) + 1) + high) * _IMAGES**3 + code)
        heights.append(np.minimum(density, _neighbor(density, step))[touch])
    key, height = np.concatenate(keys), np.concatenate(heights)
    distinct, place = np.unique(key, return_inverse=True)
    highest = _highest(height, place, len(distinct))
    for k in np.argsort(-highest, kind="stable"):
        pair, code = divmod(int(distinct[k]), _IMAGES**3)
        first, second = divmod(pair, int(labels.max()) + 1)
        apart = np.array([code % _IMAGES, code // _IMAGES % _IMAGES, code // _IMAGES**2]) - _IMAGES // 2
        yield first, second, apart, float(highest[k])


def _centers(
    density: np.ndarray, labels: np.ndarray, shifts: np.ndarray, core: np.ndarray, cell: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """(sites, 3) Å, mean position in the core, laid into the cell, and the shifts to the images that these are in."""
    scaled = (np.argwhere(core) + 0.5) / np.array(density.shape) - shifts[core]
    weight = np.bincount(labels[core], density[core], minlength=count)
    means = [np.bincount(labels[core], density[core] * scaled[:, k], minlength=count) / weight for k in range(3)]
    centers = np.stack(means, axis=1)
    home = np.floor(centers)
    return (centers - home) @ cell, shifts + np.vstack([home, np.zeros((1, 3))]).astype(np.int8)[labels]
