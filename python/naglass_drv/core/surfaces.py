"""Dividing surfaces between a crystal and what surrounds it, along an axis of the cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import _core
from ..errors import InputError
from .arguments import array, positive, structure, whole
from .graph import geometry
from .unwrap import face_distances

_LEAST_BINS = 8


@dataclass(frozen=True)
class Surfaces:
    """Where a crystal ends along an axis: Gibbs' dividing surfaces of its order parameter.

    `position` and `width` hold the surface below the crystal first, then the one above: ``position[1] - position[0]``
    is the crystal's thickness. Errors are one standard error, from the scatter of the bins about the fit; NaN where a
    width is below the resolution of the bins.
    """

    position: np.ndarray  #: (2,) Å from the cell's lower face; the first in [0, height), the second above it
    position_err: np.ndarray  #: (2,)
    width: np.ndarray  #: (2,) Å, from 10 to 90 % of the step
    width_err: np.ndarray  #: (2,)
    crystal: float  #: order parameter within the crystal
    crystal_err: float
    outside: float  #: and outside
    outside_err: float
    height: float  #: Å, between the faces of the cell that the axis connects


@dataclass(frozen=True)
class Axis:
    """A frame seen along one axis of its cell."""

    fractions: np.ndarray  #: (N,) fractional coordinates
    height: float  #: Å, between the faces that the axis connects
    area: float  #: Å² of such a face


def along(atoms, axis: int) -> Axis:
    """A valid frame along axis 0, 1 or 2 of its cell; InputError unless it is periodic along this axis."""
    axis = whole("axis", axis, 0, 2)
    positions, cell, pbc = geometry(structure("atoms", atoms))
    if not pbc[axis]:
        raise InputError(f"axis = {axis}: the cell is not periodic along it")
    vectors = np.array(cell)
    height = float(face_distances(vectors)[axis])
    return Axis(positions @ np.linalg.inv(vectors)[:, axis], height, float(abs(np.linalg.det(vectors)) / height))


def gibbs_surfaces(atoms, order, *, axis: int = 2, bin_width: float = 1.0) -> Surfaces:
    """The two surfaces of a crystal, by a fit of tanh steps to the order parameter along an axis of the cell.

    `order` (N,) is any order parameter that is larger in the crystal, NaN for atoms that have none, as
    `crystal_similarity` gives it. Its mean in bins of about `bin_width` (Å) is fitted by
    s(z) = g + (c − g)/2 [tanh((z − l)/w_l) − tanh((z − u)/w_u)] with its periodic images, averaged over each bin and
    weighted by the number of atoms. For this form, l and u are the dividing surfaces of equal areas.
    InputError if the profile has no two surfaces: they explain less than half of its variance, or one of the phases is
    thinner than its surfaces.
    """
    seen = along(atoms, axis)
    return surfaces_of(seen, array("order", order, (len(seen.fractions),), finite=False), bin_width)


def surfaces_of(seen: Axis, order: np.ndarray, bin_width: float) -> Surfaces:
    """As `gibbs_surfaces`, for a frame that was checked."""
    bins = max(_LEAST_BINS, round(seen.height / positive("bin_width", bin_width, "Å")))
    if np.isinf(order).any():
        raise InputError(
            f"order[{int(np.argmax(np.isinf(order)))}] = inf: must be finite, or NaN for atoms without one"
        )
    layers = _core.LayerBins.across(seen.height, bins)
    sums = _core.layer_sums(layers.of(seen.fractions), order[None], bins)[0]
    found = _core.fit_surfaces(sums[:, 0].copy(), sums[:, 1].copy(), seen.height)
    if found["problem"]:
        raise InputError(f"order: {found['problem']}")
    errors = np.array(found["errors"])
    return Surfaces(
        np.array([found["lower"], found["upper"]]),
        errors[:2],
        np.array(found["width"]),
        errors[2:4],
        found["crystal"],
        float(errors[4]),
        found["outside"],
        float(errors[5]),
        seen.height,
    )


def surface_distances(atoms, position, *, axis: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """(N,) distance (Å) of each atom from the nearer of two surfaces, and (N,) which one: 0 below the crystal, 1 above
    it.

    `position` (2,) are the surfaces in Å along the axis, as in `Surfaces`, or (2, N) those at the place of each atom,
    as of `InstantaneousSurface.at`; distances are along the normal of the layers, and negative within the crystal.
    """
    seen = along(atoms, axis)
    shape = (2, len(seen.fractions)) if np.ndim(position) == 2 else (2,)
    lower, upper = array("position", position, shape, unit="Å")
    wrong = np.flatnonzero(~((upper >= lower) & (upper - lower <= seen.height)))
    if len(wrong):
        given = [float(np.atleast_1d(end)[wrong[0]]) for end in (lower, upper)]
        raise InputError(f"position = {given}: the second must be above the first by at most the cell (Å)")
    return from_surfaces(seen, lower, upper)


def from_surfaces(seen: Axis, lower, upper) -> tuple[np.ndarray, np.ndarray]:
    """As `surface_distances`, of a frame and surfaces that were checked."""
    from_middle = seen.fractions * seen.height - (lower + upper) / 2
    from_middle -= seen.height * np.rint(from_middle / seen.height)
    return np.abs(from_middle) - (upper - lower) / 2, (from_middle >= 0).astype(int)
