"""Density maps: occupancy on a grid over the cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .arguments import array, dimensions, positive
from .unwrap import face_distances, without_flips

_MOST_VOXELS = 2**28


@dataclass(frozen=True)
class DensityMap:
    """Mean number density on a grid of voxels over the mean cell; voxel (0, 0, 0) starts at the cell's origin."""

    density: np.ndarray  #: (nx, ny, nz) 1/Å³; its sum times `voxel` is the mean number of atoms
    cell: np.ndarray  #: (3, 3) Å
    frames: int

    @property
    def voxel(self) -> float:
        """Volume of a voxel, Å³."""
        return float(abs(np.linalg.det(self.cell)) / self.density.size)


def density_map(positions, cell, spacing: float = 0.25) -> DensityMap:
    """Time-averaged number density of some atoms, for percolation channels of mobile ions.

    `positions` (frames, n, 3) or (n, 3) in Å of the atoms to be mapped, wrapped or not; `cell` (3, 3) or
    (frames, 3, 3) in Å; voxels are at most `spacing` (Å) high between opposite faces. Atoms are binned by scaled
    coordinates of each frame's own cell, all directions periodic, so that a breathing cell does not blur the
    map, and flips of the cell are undone; drift of the framework does blur it, and has to be removed first. A voxel's
    relative error is at least 1/sqrt(counts). O(frames n). InputError for a cell without volume or positions that are
    not finite.
    """
    shape = ("n", 3) if dimensions(positions) == 2 else ("frames", "n", 3)
    positions = array("positions", positions, shape, unit="Å")
    positions = positions[None] if positions.ndim == 2 else positions
    if not positions.size:
        raise InputError(f"positions = {positions.shape}: must have the shape (frames, n, 3) or (n, 3), with atoms")
    cells = array("cell", cell, (3, 3) if dimensions(cell) == 2 else (len(positions), 3, 3), unit="Å")
    cells = without_flips(np.broadcast_to(cells, (len(positions), 3, 3)))
    mean = cells.mean(axis=0)
    spacing = positive("spacing", spacing, "Å")
    wanted = np.maximum(np.ceil(face_distances(mean) / spacing - 1e-9), 1)
    if wanted.prod() > _MOST_VOXELS:
        raise InputError(f"spacing = {spacing}: {wanted.prod():.0f} voxels are too many")
    voxels = wanted.astype(int)
    counts = np.zeros(voxels.prod())
    for frame, own in zip(positions, cells, strict=True):
        scaled = frame @ np.linalg.inv(own)
        # x % 1 of a tiny negative x rounds up to 1
        voxel = np.minimum(((scaled % 1.0) * voxels).astype(int), voxels - 1)
        np.add.at(counts, np.ravel_multi_index(voxel.T, voxels), 1.0)
    voxel_volume = abs(np.linalg.det(mean)) / counts.size
    return DensityMap(counts.reshape(voxels) / (len(positions) * voxel_volume), mean, len(positions))
