"""Unwrapping of trajectories: detect whether it is needed, do it, or raise an error."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .arguments import array, dimensions, shown

#: Largest step between frames, in cell edges, that a wrapped trajectory may have: up to here the nearest image is
#: certainly the right one, at one half it is a guess.
LARGEST_STEP = 0.25


class CellHistory:
    """The cell of each frame, spanned as the first one is.

    Programs flip a strongly tilted cell: they span the same lattice by other vectors, whole-number combinations of the
    former ones (LAMMPS by default, in fix npt and fix deform). Atoms then have other fractions of the cell although
    none of them moved. Here the former vectors are kept.
    """

    def __init__(self):
        self._last: np.ndarray | None = None
        self._turns = np.eye(3)

    def add(self, cell: np.ndarray) -> np.ndarray:
        """(3, 3) vectors (Å) of the next frame's lattice that continue those of the frame before, from its cell (3, 3).

        InputError if the lattice sheared so much between two frames that a flip cannot be told from shear.
        """
        if self._last is not None:
            change = cell @ np.linalg.inv(self._last)
            turn = np.rint(change)
            # other whole numbers would not span the same lattice: the cell grew or shrank by far
            if (turn != np.eye(3)).any() and abs(abs(np.linalg.det(turn)) - 1.0) < 0.5:
                shear = float(np.abs(change - turn).max())
                if shear > LARGEST_STEP:
                    raise InputError(
                        f"cell = {cell.tolist()}: changed by {shear:.2f} of an edge in addition to a flip since "
                        "the previous frame, too much to tell a flip from shear; more frames are needed"
                    )
                self._turns = turn @ self._turns
        self._last = cell
        # without a flip the cell stays as it is to the last bit
        return cell if (self._turns == np.eye(3)).all() else np.linalg.solve(self._turns, cell)


def without_flips(cells: np.ndarray) -> np.ndarray:
    """(frames, 3, 3) cells as `CellHistory` continues them."""
    history = CellHistory()
    return np.array([history.add(full_cell(cell)) for cell in cells])


class Unwrapper:
    """Continues positions from frame to frame, as fractions of each frame's cell laid into one cell.

    In a cell that breathes or shears, or is flipped, a displacement is then motion through the material, not of the
    cell. A step of more than half a cell edge is a wrap and is undone by the nearest image; InputError when in such a
    trajectory an atom still moves by more than a quarter of an edge between frames, since the nearest image is then a
    guess. Positions are given in the `reference` cell (3, 3) in Å, by default the first frame's. `wrapped` tells
    beforehand whether the trajectory is: False takes every step as it is.
    """

    def __init__(self, reference=None, *, wrapped: bool | None = None):
        self.reference = None if reference is None else full_cell(reference)
        if wrapped not in (None, True, False):
            raise InputError(f"wrapped = {shown(wrapped)}: must be True, False or None")
        self.wrapped = False  #: whether a wrap was seen
        self.cell: np.ndarray | None = None  #: (3, 3) the last frame's cell in Å, flips undone
        self._given = wrapped
        self._history = CellHistory()
        self._frames = 0
        self._last = self._images = None
        self._largest = 0.0

    def add(self, positions, cell, pbc=(True, True, True)) -> np.ndarray:
        """(N, 3) continued positions (Å) of the next frame, from positions (N, 3) in Å and cell vectors as rows.

        InputError for positions that are not finite, another number of atoms, or cell vectors in one plane.
        """
        positions = array("positions", positions, ("N", 3), unit="Å", finite=False)
        pbc = array("pbc", pbc, (3,), kind=bool)
        if not np.isfinite(positions).all():
            i = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
            raise InputError(
                f"positions[{i}] = {positions[i].tolist()} of frame {self._frames}: must be finite numbers (Å)"
            )
        if self._last is not None and positions.shape != self._last.shape:
            raise InputError(f"frame {self._frames} = {len(positions)} atoms: earlier frames had {len(self._last)}")
        self.cell = self._history.add(full_cell(cell, pbc))
        scaled = positions @ np.linalg.inv(self.cell)
        if self.reference is None:
            self.reference = self.cell
        if self._last is None:
            self._images = np.zeros_like(scaled)
        elif self._given is not False:
            self._undo(scaled - self._last, np.asarray(pbc, dtype=bool))
        self._last = scaled
        self._frames += 1
        return (scaled + self._images) @ self.reference

    def _undo(self, step: np.ndarray, pbc: np.ndarray) -> None:
        jump = np.rint(step) * pbc
        self._images -= jump
        self.wrapped = self.wrapped or bool(jump.any())
        self._largest = max(self._largest, float((np.abs(step - jump) * pbc).max(initial=0.0)))
        if (self.wrapped or self._given) and self._largest > LARGEST_STEP:
            raise InputError(
                f"wrapped trajectory: at frame {self._frames} the frames are too far apart to unwrap it (a step of "
                f"{self._largest:.2f} of a cell edge); write unwrapped positions, or more frames"
            )


def unwrap(positions, cells, *, reference=None, wrapped: bool | None = None) -> tuple[np.ndarray, bool]:
    """Unwrapped trajectory (frames, N, 3) in Å, and whether the given one was wrapped.

    `positions` (frames, N, 3), `cells` (3, 3) or (frames, 3, 3) in Å with vectors as rows; flips of the cell are undone
    as by `CellHistory`. Scaled coordinates of
    each frame's own cell are laid into `reference`, by default the mean cell. Whether the trajectory is wrapped
    is found from steps of more than half a cell edge, or told by `wrapped`: False takes every step as it is.
    InputError for a wrapped trajectory in which an atom moves by more than a quarter of an edge between frames.
    """
    positions = array("positions", positions, ("frames", "N", 3), unit="Å", finite=False)
    if not len(positions):
        raise InputError(f"positions = {positions.shape}: there are no frames")
    cells = array("cells", cells, (3, 3) if dimensions(cells) == 2 else (len(positions), 3, 3), unit="Å")
    cells = without_flips(np.broadcast_to(cells, (len(positions), 3, 3)))
    unwrapper = Unwrapper(cells.mean(axis=0) if reference is None else reference, wrapped=wrapped)
    out = np.empty_like(positions)
    for t, (frame, cell) in enumerate(zip(positions, cells, strict=True)):
        out[t] = unwrapper.add(frame, cell)
    return out, unwrapper.wrapped


def face_distances(cell: np.ndarray) -> np.ndarray:
    """(3,) distance between the opposite faces of a cell (3, 3), that of b and c first."""
    # columns of the inverse are face normals divided by the distance between the faces
    return 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)


def full_cell(cell, pbc=(True, True, True)) -> np.ndarray:
    """(3, 3) cell with a unit vector, normal to the others, for each zero vector of a direction without periodicity."""
    try:
        cell = np.array(cell, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"cell = {shown(cell)}: must be 3 vectors or 3 edge lengths, all finite (Å)") from None
    if cell.shape == (3,):
        cell = np.diag(cell)
    if cell.shape != (3, 3) or not np.isfinite(cell).all():
        raise InputError(f"cell = {shown(cell)}: must be 3 vectors or 3 edge lengths, all finite (Å)")
    given = np.linalg.norm(cell, axis=1) > 0.0
    if (np.asarray(pbc, dtype=bool) & ~given).any():
        raise InputError(f"cell = {cell.tolist()}: a periodic direction needs a cell vector")
    if not given.all():
        cell[~given] = np.linalg.svd(np.vstack([cell[given], np.zeros((1, 3))]))[2][given.sum() :]
    edges = np.linalg.norm(cell, axis=1)
    if abs(np.linalg.det(cell)) <= 1e-10 * edges.prod():
        raise InputError(f"cell = {cell.tolist()}: the cell vectors lie in one plane")
    return cell
