"""Unwrapped trajectories: recognised, made, or refused."""

from __future__ import annotations

import numpy as np

from ..errors import InputError

#: Largest step between frames, in cell edges, that a wrapped trajectory may hold: up to here the nearest image is
#: the right one beyond doubt, at one half it is a guess.
LARGEST_STEP = 0.25


class Unwrapper:
    """Unwraps frame after frame by the nearest image in scaled coordinates, so that a breathing cell is no motion.

    A step of more than half a cell edge is a wrap. Positions are returned in the `reference` cell (3, 3) in Å,
    by default the first frame's.
    """

    def __init__(self, reference=None, *, wrapped: bool | None = None):
        self.reference = None if reference is None else usable_cell(reference)
        self.wrapped = False  #: whether a wrap was seen
        self._given = wrapped
        self._last = self._images = None
        self._largest = 0.0

    def add(self, positions, cell) -> np.ndarray:
        """Unwrapped positions (N, 3) of the next frame. Raises InputError where the nearest image is a guess."""
        cell = usable_cell(cell)
        scaled = np.asarray(positions, dtype=float) @ np.linalg.inv(cell)
        if self.reference is None:
            self.reference = cell
        if self._last is None:
            self._images = np.zeros_like(scaled)
        elif scaled.shape != self._last.shape:
            raise InputError(f"positions = {scaled.shape}: the first frame has the shape {self._last.shape}")
        elif self._given is not False:
            self._undo(scaled - self._last)
        self._last = scaled
        return (scaled + self._images) @ self.reference

    def _undo(self, step: np.ndarray) -> None:
        jump = np.rint(step)
        self._images -= jump
        self.wrapped = self.wrapped or bool(jump.any())
        self._largest = max(self._largest, float(np.abs(step - jump).max(initial=0.0)))
        if (self.wrapped or self._given) and self._largest > LARGEST_STEP:
            raise InputError(
                "positions: wrapped trajectory: frames are too far apart to unwrap it "
                f"(a step of {self._largest:.2f} of a cell edge); write unwrapped positions"
            )


def unwrap(positions, cells, *, reference=None, wrapped: bool | None = None) -> tuple[np.ndarray, bool]:
    """Unwrapped trajectory (frames, N, 3) in Å, and whether the given one was wrapped.

    `positions` (frames, N, 3), `cells` (3, 3) or (frames, 3, 3) in Å with vectors as rows. Scaled coordinates of
    each frame's own cell are laid into `reference`, by default the mean cell. Whether the trajectory is wrapped
    is found from steps of more than half a cell edge, or told by `wrapped`: False takes every step as it is.
    InputError for a wrapped trajectory in which an atom moves by more than a quarter of an edge between frames.
    """
    positions = np.asarray(positions, dtype=float)
    if positions.ndim != 3 or positions.shape[2] != 3:
        raise InputError(f"positions = {positions.shape}: must have the shape (frames, N, 3)")
    cells = np.asarray(cells, dtype=float)
    if cells.shape not in ((3, 3), (len(positions), 3, 3)):
        raise InputError(f"cells = {cells.shape}: must have the shape (3, 3) or ({len(positions)}, 3, 3)")
    cells = np.broadcast_to(cells, (len(positions), 3, 3))
    unwrapper = Unwrapper(cells.mean(axis=0) if reference is None else reference, wrapped=wrapped)
    out = np.empty_like(positions)
    for t, (frame, cell) in enumerate(zip(positions, cells, strict=True)):
        out[t] = unwrapper.add(frame, cell)
    return out, unwrapper.wrapped


def usable_cell(cell) -> np.ndarray:
    """The cell as a (3, 3) array; InputError unless its vectors span a volume."""
    cell = np.asarray(cell, dtype=float)
    if cell.shape != (3, 3) or not np.isfinite(cell).all():
        raise InputError(f"cell = {cell.tolist()}: must be three finite vectors (Å)")
    if abs(np.linalg.det(cell)) <= 1e-10 * np.prod(np.linalg.norm(cell, axis=1)):
        raise InputError(f"cell = {cell.tolist()}: the cell vectors lie in one plane")
    return cell
