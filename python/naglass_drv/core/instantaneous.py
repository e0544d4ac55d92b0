"""Instantaneous surfaces of a crystal: where its coarse-grained order parameter is halfway between both phases."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from .arguments import array, positive
from .graph import geometry
from .surfaces import Axis, Surfaces, along, from_surfaces, surfaces_of
from .unwrap import face_distances

# widths of the Gaussians in mean distances of the centers: narrower ones leave gaps between these
_SMOOTHING = 0.7
# grid points per width of the Gaussians
_RESOLUTION = 3.0


@dataclass(frozen=True)
class InstantaneousSurface:
    """The two surfaces of a crystal in one frame as heights over the plane that the other two cell vectors span.

    `height` (2, A, B) in Å along the axis from the cell's lower face, below and above the crystal, at the grid points
    a/A, b/B of these vectors; the rest as of the arguments of `instantaneous_surface`.
    """

    height: np.ndarray
    axis: int
    smoothing: float  #: Å, width of the Gaussians
    flat: Surfaces  #: Gibbs' dividing surfaces of the same frame
    intrinsic: Surfaces  #: those of the frame after the heights are evened out: widths without the roughness
    resolution: np.ndarray  #: (2,) Å, the roughness that these centers would give a surface that is sharp and flat

    @property
    def position(self) -> np.ndarray:
        """(2,) mean heights (Å)."""
        return self.height.mean(axis=(1, 2))

    @property
    def roughness(self) -> np.ndarray:
        """(2,) root mean square of the heights about their mean (Å), with the `resolution` in it."""
        return _rough(self.height)

    def at(self, atoms) -> np.ndarray:
        """(2, N) heights (Å) below and above the crystal at the places of atoms, for `surface_distances`."""
        positions, vectors, _ = geometry(atoms)
        lateral = (positions @ np.linalg.inv(np.array(vectors)))[:, _axes(self.axis)[:2]]
        # bilinear between grid points, through the boundaries
        shape = np.array(self.height.shape[1:])
        scaled = lateral * shape
        low = np.floor(scaled).astype(int)
        (p, q), (a, b) = (scaled - low).T, (low % shape).T
        a_next, b_next = (a + 1) % shape[0], (b + 1) % shape[1]
        z = self.height
        return (
            (1 - p) * (1 - q) * z[:, a, b]
            + p * (1 - q) * z[:, a_next, b]
            + (1 - p) * q * z[:, a, b_next]
            + p * q * z[:, a_next, b_next]
        )


def instantaneous_surface(
    atoms, order, *, axis: int = 2, bin_width: float = 1.0, smoothing: float | None = None
) -> InstantaneousSurface:
    """The surfaces at which the coarse-grained order parameter is halfway between crystal and outside.

    The order parameter at a point is the mean over all centers, weighted with Gaussians of their distance of the width
    `smoothing` (Å; by default 0.7 of the mean distance of centers, N^(-1/3) of their number density): an isosurface as
    of A. P. Willard & D. Chandler, J. Phys. Chem. B 114, 1954 (2010), doi:10.1021/jp909219k, of an order parameter in
    place of a density. Of each line along the axis, the crossing next to the Gibbs' surface counts, so that the surface
    has no overhangs. `order` (N,) and `bin_width` as for `gibbs_surfaces`. Roughness of a wavelength λ comes out
    smaller by exp(-2π² smoothing²/λ²). O(N) and the Fourier transform of a grid with three points per `smoothing`.
    InputError where there are no two surfaces, or lines without them.
    """
    seen = along(atoms, axis)
    order = array("order", order, (len(seen.fractions),), finite=False)
    flat = surfaces_of(seen, order, bin_width)
    positions, vectors, _ = geometry(atoms)
    known = np.isfinite(order)
    cell = np.array(vectors)[_axes(axis)]
    if smoothing is None:
        smoothing = _SMOOTHING * float(np.cbrt(abs(np.linalg.det(cell)) / known.sum()))
    smoothing = positive("smoothing", smoothing, "Å")
    fractions = (positions @ np.linalg.inv(cell))[known]
    field = _coarse_grained(fractions, order[known], cell, smoothing, flat.outside)
    height = _crossings(field - (flat.crystal + flat.outside) / 2, flat)
    lost = int((~np.isfinite(height)).sum())
    if lost:
        raise InputError(
            f"order: {lost} of {height.size} lines along the axis do not cross from one phase to the other"
        )
    mean = height.mean(axis=(1, 2))
    sharp = np.where(from_surfaces(seen, *mean)[0] < 0, 1.0, -1.0)
    resolution = _rough(_crossings(_coarse_grained(fractions, sharp[known], cell, smoothing, -1.0), flat))
    found = InstantaneousSurface(height, axis, smoothing, flat, flat, resolution)
    evened = _evened(seen, found.at(atoms), mean)
    return replace(found, intrinsic=surfaces_of(evened, order, bin_width))


def _rough(height: np.ndarray) -> np.ndarray:
    """(2,) root mean square about the mean of heights (2, A, B) that are known."""
    return np.nanstd(height, axis=(1, 2))


def _axes(axis: int) -> list[int]:
    """The other two cell vectors, and that along which surfaces follow each other."""
    return [(axis + 1) % 3, (axis + 2) % 3, axis]


def _coarse_grained(
    fractions: np.ndarray, order: np.ndarray, cell: np.ndarray, smoothing: float, elsewhere: float
) -> np.ndarray:
    """(A, B, C) mean order parameter about each grid point of the cell; `elsewhere` where all centers are far."""
    shape = np.maximum(np.ceil(_RESOLUTION * face_distances(cell) / smoothing).astype(int), 4)
    spread = [_shared_out(fractions, weights, shape) for weights in (order, np.ones(len(order)))]
    waves = np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in shape[:2]), np.fft.rfftfreq(shape[2], 1 / shape[2]),
                        indexing="ij")  # fmt: skip
    vectors = 2 * np.pi * np.stack(waves, axis=-1) @ np.linalg.inv(cell).T
    # sharing out among grid points smooths, too, with a variance of h²/6 along each vector
    grid = (cell.T / shape).T
    shared = sum((vectors @ edge) ** 2 for edge in grid) / 6
    damped = np.exp(-((vectors**2).sum(axis=-1) * smoothing**2 - shared) / 2)
    ordered, counted = (np.fft.irfftn(np.fft.rfftn(each) * damped, shape, axes=(0, 1, 2)) for each in spread)
    # rounding is not a weight
    least = 1e-6 * counted.max()
    return np.where(counted > least, ordered / np.maximum(counted, least), elsewhere)


def _shared_out(fractions: np.ndarray, weights: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Weights on a periodic grid, each shared out among the eight points about its place."""
    scaled = fractions * shape
    low = np.floor(scaled).astype(int)
    beyond = scaled - low
    out = np.zeros(shape)
    for corner in np.ndindex(2, 2, 2):
        share = np.prod(np.where(corner, beyond, 1 - beyond), axis=1)
        np.add.at(out, tuple(((low + corner) % shape).T), weights * share)
    return out


def _crossings(field: np.ndarray, flat: Surfaces) -> np.ndarray:
    """(2, A, B) where the field (A, B, C) changes its sign, next to the flat surfaces; NaN where it does not."""
    step = flat.height / field.shape[2]
    middle = flat.position.mean()
    first = int(np.ceil((middle - flat.height / 2) / step))
    # from the middle of what is outside over the crystal to the same place again
    rolled = np.take(field, np.arange(first, first + field.shape[2] + 1) % field.shape[2], axis=2)
    before, after = rolled[..., :-1], rolled[..., 1:]
    place = step * (first + np.arange(field.shape[2]))
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = place + step * before / (before - after)
    inner = crossing < middle
    found = []
    for wanted, at in (
        ((before < 0) & (after >= 0) & inner, flat.position[0]),
        ((before >= 0) & (after < 0) & ~inner, flat.position[1]),
    ):
        off = np.where(wanted, np.abs(crossing - at), np.inf)
        nearest = off.argmin(axis=2)[..., None]
        height = np.take_along_axis(crossing, nearest, axis=2)[..., 0]
        found.append(np.where(np.isfinite(np.take_along_axis(off, nearest, axis=2)[..., 0]), height, np.nan))
    return np.array(found)


def _evened(seen: Axis, local: np.ndarray, mean: np.ndarray) -> Axis:
    """The frame with each atom moved along the axis as far as the nearer surface is off its mean there."""
    distance, which = from_surfaces(seen, *local)
    height = np.where(which == 1, mean[1] + distance, mean[0] - distance)
    return Axis(height / seen.height, seen.height, seen.area)
