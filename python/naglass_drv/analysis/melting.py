"""Whether a melt has forgotten the structure that it was started from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from .. import core
from ..chemistry.formers import FORMERS, oxygen_cutoff_A
from ..chemistry.ions import TRANSITION_METALS
from ..core.statistics import average
from .exchange import exchanged_bonds

# shares of Q^n in two stretches of the melt may differ by so many standard errors
_ERRORS = 3.0
#: Share of the bonds to oxygen that a melt has to exchange: those of the start have fallen to 1/e.
RENEWED = 1.0 - math.exp(-1.0)
_FEWEST_FRAMES = 8


@dataclass(frozen=True)
class Memory:
    """What a melt still knows of its start: of the slowest former or metal the mean square displacement (Å²), and the
    mean distance (Å) to its next former or metal; of each pair with oxygen the share of bonds that were exchanged; and
    by how many standard errors the shares of Q^n still change, None without a former.
    """

    slowest: str
    msd_A2: float
    neighbor_A: float
    renewed: dict[str, float]
    change: float | None

    @property
    def lost(self) -> bool:
        """Whether the melt has forgotten its start: all that the summary tells is beyond its limit."""
        return (
            self.msd_A2 > self.neighbor_A**2
            and min(self.renewed.values(), default=1.0) >= RENEWED
            and (self.change is None or self.change <= _ERRORS)
        )

    def as_dict(self) -> dict[str, Any]:
        """The numbers with their units in the keys, as JSON."""
        return vars(self) | {"needed_msd_A2": self.neighbor_A**2, "needed_renewed": RENEWED, "lost": self.lost}


def memory(frames: Sequence[Atoms]) -> Memory | None:
    """What the melt at the end of `frames` still knows of the first; positions are unwrapped, the cell is constant.

    None for too few frames, or without formers and transition metals.
    """
    first, last = frames[0], frames[-1]
    symbols = np.array(first.get_chemical_symbols())
    hosts = [each for each in dict.fromkeys(symbols.tolist()) if each in FORMERS or each in TRANSITION_METALS]
    if len(frames) < _FEWEST_FRAMES or not hosts:
        return None
    moved = last.positions - first.positions
    moved -= np.average(moved, axis=0, weights=first.get_masses())
    squared = (moved**2).sum(axis=1)
    msd = {each: float(squared[symbols == each].mean()) for each in hosts}
    slowest = min(msd, key=lambda each: msd[each])
    cutoffs = {f"{each}-O": oxygen_cutoff_A(each) for each in hosts}
    renewed = {
        pair: exchanged / bonds for pair, (bonds, exchanged) in exchanged_bonds([first, last], cutoffs).items() if bonds
    }
    return Memory(
        slowest, msd[slowest], _next_host_A(last, np.isin(symbols, hosts), symbols == slowest), renewed,
        _change(frames, [each for each in hosts if each in FORMERS][:1], cutoffs),
    )  # fmt: skip


def _next_host_A(atoms: Atoms, hosts: np.ndarray, own: np.ndarray) -> float:
    """Mean distance (Å) from the atoms `own` to the next of the `hosts`, or the length of the cell for one alone."""
    from scipy.spatial import cKDTree

    # orthogonal or not: the nearest of all images
    shifts = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)]) @ atoms.cell.array
    wrapped = atoms.get_positions(wrap=True)
    images = (wrapped[hosts][None] + shifts[:, None]).reshape(-1, 3)
    distances, _ = cKDTree(images).query(wrapped[own], k=2)
    return float(distances[:, 1].mean())


def _change(frames: Sequence[Atoms], former: Sequence[str], cutoffs: dict[str, float]) -> float | None:
    """Largest difference of a share of Q^n between the third and the fourth quarter of the frames, in standard errors;
    differences of less than one former do not count.
    """
    if not former:
        return None
    (element,) = former
    bonds = {(element, "O"): cutoffs[f"{element}-O"]}
    later = frames[len(frames) // 2 :]
    found = [core.qn(atoms, bonds, former=element, metals=()).n for atoms in later]
    n = np.array([each[each >= 0] for each in found])
    shares = (n[:, :, None] == np.arange(n.max() + 1)).mean(axis=1)
    before, after = (average(part) for part in np.array_split(shares, 2))
    off = np.abs(after.mean - before.mean)
    error = np.hypot(np.nan_to_num(before.err), np.nan_to_num(after.err))
    off[off < 1.0 / n.shape[1] + 1e-9] = 0.0
    # shares that do not fluctuate in either half are known to a whole former, evenly distributed
    return float((off / np.where(error > 0, error, 1.0 / (12**0.5 * n.shape[1]))).max())
