"""Free volume and channels: what can pass between the atoms, and where the density percolates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from .. import _core
from ..errors import InputError
from .arguments import array, elements, number, positive, shown, structure
from .clusters import Percolation
from .graph import geometry

_MOST_VOXELS = 2**28


@dataclass(frozen=True)
class Bottleneck:
    """The free volume between spheres; definitions and bounds in docs/observables/channels.md."""

    radius: Percolation  #: Å, the largest sphere that can pass; negative: only by overlapping the atoms that much
    largest_radius: float  #: Å, the largest sphere that fits anywhere
    free_fraction: float  #: share of the volume where a probe's center fits
    accessible_fraction: float  #: the part of it that is in percolating channels
    error: float  #: Å, bound on the error of every radius, from the grid
    shape: tuple[int, int, int]  #: voxels along each cell vector


def bottleneck_radius(
    atoms,
    radii: Mapping[str, float],
    *,
    ignore: str | Iterable[str] = "Na",
    spacing: float = 0.2,
    probe_radius: float = 0.0,
) -> Bottleneck:
    """The largest sphere that can pass through the periodic structure, along each direction.

    Atoms are hard spheres of `radii` (Å per element); those of the elements to `ignore` are left out. The distance to
    the nearest surface is known on a grid of at most `spacing` (Å); the level at which its voxels percolate is exact
    for the grid and within ``error`` of the continuum. Cost is O(voxels log voxels). Raises InputError for an element
    without a radius, a spacing that is not positive, or a direction without a cell vector.
    """
    symbols = np.array(structure("atoms", atoms).get_chemical_symbols())
    ignored = elements("ignore", ignore, symbols.tolist())
    if not isinstance(radii, Mapping):
        raise InputError(f"radii = {shown(radii)}: must map elements to radii, as in {{'O': 1.4}} (Å)")
    radii = {e: number(f"radii[{e!r}]", r, "Å", least=0.0) for e, r in radii.items()}
    elements("radii", list(radii), symbols.tolist())
    for element in sorted(set(symbols.tolist()) - set(ignored) - set(radii)):
        raise InputError(f"radii: {element!r} is missing; give its radius, or list it in 'ignore'")
    spacing, probe_radius = positive("spacing", spacing, "Å"), number("probe_radius", probe_radius, "Å")
    positions, cell, pbc = geometry(atoms)
    shape = _voxels(np.array(cell), spacing)
    kept = ~np.isin(symbols, ignored)
    sizes = np.array([radii[symbol] for symbol in symbols[kept]])
    distance = _core.surface_distance(positions[kept], sizes, cell, pbc, shape)
    return Bottleneck(
        Percolation(**_core.voxel_percolation(distance, pbc, -np.inf)),
        float(distance.max()),
        float((distance >= probe_radius).mean()),
        float(_core.percolating_voxels(distance, pbc, probe_radius).astype(bool).mean()),
        _half_diagonal(np.array(cell) / np.array(shape)[:, None]),
        shape,
    )


@dataclass(frozen=True)
class DensityPercolation:
    """The channels of a density map; definitions in docs/observables/channels.md."""

    threshold: Percolation  #: largest density whose superlevel set percolates; NaN if no positive one does
    volume_fraction: Percolation  #: share of the voxels at or above that density; NaN where there is none


def density_percolation(density: np.ndarray, pbc=(True, True, True)) -> DensityPercolation:
    """The channels of a density grid (a, b, c), e.g. that of sodium over a trajectory.

    Voxels are added from the densest down, joined through faces and across periodic boundaries; the threshold
    is the density at which the set first wraps the cell. Empty voxels never belong to a channel. Exact
    for the grid; a finer grid or a shorter trajectory lowers the threshold. Raises InputError for a map that is not
    three-dimensional or contains NaN or negative values.
    """
    density = array("density", density, ("a", "b", "c"), unit="1/Å³")
    if not density.size:
        raise InputError(f"density = array of shape {density.shape}: there are no voxels")
    if density.min() < 0.0:
        raise InputError(f"density = {density.min()}: must not be negative")
    pbc = array("pbc", pbc, (3,), kind=bool)
    levels = Percolation(**_core.voxel_percolation(density, [bool(p) for p in pbc], 0.0))
    shares = (_share_at_least(density, found) for found in (levels.by_dimension, levels.by_direction))
    return DensityPercolation(levels, Percolation(*shares))


def _share_at_least(density: np.ndarray, levels: np.ndarray) -> np.ndarray:
    return np.array([(density >= level).mean() if np.isfinite(level) else np.nan for level in levels])


def _voxels(cell: np.ndarray, spacing: float) -> tuple[int, int, int]:
    """Voxels along each cell vector, none longer than `spacing`."""
    lengths = np.linalg.norm(cell, axis=1)
    if not lengths.all():
        raise InputError(f"cell = {cell.tolist()}: a grid needs three cell vectors")
    counts = np.ceil(lengths / spacing - 1e-9)
    if not counts.prod() < _MOST_VOXELS:
        raise InputError(f"spacing = {spacing!r}: more than 2^28 voxels; use a larger spacing (Å)")
    a, b, c = (int(max(1, n)) for n in counts)
    return a, b, c


def _half_diagonal(voxel: np.ndarray) -> float:
    """Half of the longest diagonal of a voxel: no point of the cell is further from a voxel's center."""
    signs = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [1, -1, -1]])
    return float(np.linalg.norm(signs @ voxel, axis=1).max() / 2)
