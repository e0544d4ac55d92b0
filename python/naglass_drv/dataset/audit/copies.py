"""Frames with nearly the same structure: they add no information to a fit and spoil a train/test split."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

_PROBE = 16


@dataclass(frozen=True)
class NearCopy:
    """Frame `frame` is within `rms_A` (Å) of the earlier frame `of`, the nearest one."""

    frame: int
    of: int
    rms_A: float


def near_copies(frames: Sequence["Atoms"], limit_A: float, strain: float) -> list[NearCopy]:
    """Frames whose root-mean-square distance to an earlier one is at most `limit_A`, in order.

    Compared are frames of the same elements in the same order, charge and multiplicity, whose cells differ by a strain
    of at most `strain` (largest component). Displacements are taken in scaled coordinates on the mean of both cells,
    to the nearest image, without the mean translation; rotations and exchanged atoms are not looked for. O(F²) in the
    F frames of one composition.
    """
    alike: dict[tuple, list[int]] = defaultdict(list)
    for index, frame in enumerate(frames):
        state = (frame.info.get("charge"), frame.info.get("multiplicity"))
        alike[tuple(frame.numbers), tuple(frame.pbc), state].append(index)
    found = []
    for indices in alike.values():
        cells = np.array([frames[i].cell.array for i in indices])
        # a frame without a cell is compared unchanged
        cells[np.abs(np.linalg.det(cells)) < 1e-6] = np.eye(3)
        scaled = np.array([frames[i].positions for i in indices]) @ np.linalg.inv(cells)
        for k in range(1, len(indices)):
            near = _nearest(scaled, cells, k, frames[indices[0]].pbc, limit_A, strain)
            if near is not None:
                found.append(NearCopy(indices[k], indices[near[0]], near[1]))
    return sorted(found, key=lambda copy: copy.frame)


def _nearest(
    scaled: np.ndarray, cells: np.ndarray, k: int, periodic: np.ndarray, limit_A: float, strain: float
) -> tuple[int, float] | None:
    """Place and distance of the nearest of the frames before `k`; None where none is within the limits."""
    strains = np.abs(cells[:k] @ np.linalg.inv(cells[k]) - np.eye(3)).max(axis=(1, 2))
    places = np.flatnonzero(strains <= strain)
    atoms = scaled.shape[1]
    # the first few atoms give a lower bound, which sorts out nearly all pairs
    for count in (min(_PROBE, atoms), atoms):
        shift = scaled[places, :count] - scaled[k, :count]
        shift -= shift[:, :1]
        shift -= np.where(periodic, np.round(shift), 0.0)
        away = shift @ ((cells[places] + cells[k]) / 2)
        away -= away.mean(axis=1, keepdims=True)
        rms = np.sqrt((away**2).sum(axis=(1, 2)) / atoms)
        places, rms = places[rms <= limit_A], rms[rms <= limit_A]
    if not len(places):
        return None
    return int(places[rms.argmin()]), float(rms.min())
