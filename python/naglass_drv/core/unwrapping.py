"""Continuous positions from frames whose atoms may have been put back into the cell."""

from __future__ import annotations

import numpy as np

from ..errors import InputError

#: Farthest an atom of a wrapped trajectory may move between frames, in cell edges, for its image to be beyond doubt.
SURE_STEP = 0.25


class Unwrapper:
    """Continues positions from frame to frame, as fractions of each frame's cell laid into the first cell.

    In a cell that breathes or shears a displacement is then motion through the material, not of the cell. A step of
    more than half a cell edge is a wrap and is undone by the nearest image; InputError when in such a trajectory an
    atom still moves by more than a quarter of an edge between frames, since the nearest image is then a guess.
    """

    def __init__(self):
        self.cell = None  #: (3, 3) Å, of the first frame
        self.wrapped = False  #: whether a wrap was seen
        self._frames = 0
        self._images = None
        self._last = None
        self._largest = 0.0

    def add(self, positions, cell, pbc) -> np.ndarray:
        """(N, 3) continued positions (Å) of the next frame, from positions (N, 3) in Å and cell vectors as rows.

        InputError for positions that are not finite, another number of atoms, or cell vectors in one plane.
        """
        positions = np.asarray(positions, dtype=float)
        if positions.ndim != 2 or positions.shape[1] != 3:
            raise InputError(f"positions = an array of shape {positions.shape}: must have the shape (N, 3)")
        if not np.isfinite(positions).all():
            i = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
            raise InputError(
                f"positions[{i}] = {positions[i].tolist()} of frame {self._frames}: must be finite numbers (Å)"
            )
        if self._last is not None and positions.shape != self._last.shape:
            raise InputError(f"frame {self._frames} = {len(positions)} atoms: frames before had {len(self._last)}")
        cell = full_cell(cell, pbc)
        fractions = positions @ np.linalg.inv(cell)
        if self._last is None:
            self.cell = cell
            self._images = np.zeros(positions.shape)
        else:
            self._continue(fractions, np.asarray(pbc, dtype=bool))
        self._last = fractions
        self._frames += 1
        return (fractions + self._images) @ self.cell

    def _continue(self, fractions, pbc) -> None:
        step = fractions - self._last
        jump = np.rint(step) * pbc
        self._images -= jump
        moved = np.abs(step - jump) * pbc
        self.wrapped = self.wrapped or bool(jump.any())
        self._largest = max(self._largest, float(moved.max(initial=0.0)))
        if self.wrapped and self._largest > SURE_STEP:
            raise InputError(
                f"wrapped trajectory: at frame {self._frames} the frames are too far apart to unwrap it (a step of "
                f"{self._largest:.2f} of a cell edge); write unwrapped positions, or more frames"
            )


def full_cell(cell, pbc) -> np.ndarray:
    """(3, 3) cell with a unit vector, normal to the others, for each zero vector of a direction without periodicity."""
    cell = np.array(cell, dtype=float)
    if cell.shape == (3,):
        cell = np.diag(cell)
    if cell.shape != (3, 3) or not np.isfinite(cell).all():
        raise InputError(f"cell = {cell.tolist()}: must hold 3 vectors or 3 edges of finite numbers (Å)")
    given = np.linalg.norm(cell, axis=1) > 0.0
    if (np.asarray(pbc, dtype=bool) & ~given).any():
        raise InputError(f"cell = {cell.tolist()}: a periodic direction needs a cell vector")
    if not given.all():
        cell[~given] = np.linalg.svd(np.vstack([cell[given], np.zeros((1, 3))]))[2][given.sum() :]
    edges = np.linalg.norm(cell, axis=1)
    if abs(np.linalg.det(cell)) <= 1e-10 * edges.prod():
        raise InputError(f"cell = {cell.tolist()}: the cell vectors lie in one plane")
    return cell
