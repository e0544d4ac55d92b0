"""Centers of Wannier functions, given to atoms and bonds by where they lie.

A center belongs to its nearest atom. It is one of a bond when it lies between that atom and a bonded neighbor, else a
lone pair, a semicore shell or an unpaired electron of the atom: Marzari et al., 10.1103/RevModPhys.84.1419, sec. V.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import get_distances

# ions whose neighbors' lone pairs point at them without a bond
_IONIC = frozenset(("Li", "Na", "K", "Rb", "Cs", "Mg", "Ca", "Sr", "Ba"))
_LONGEST_BOND = 1.3
# Along a bond of length d from the nearest atom, and the way over the center in units of d. In PBE+U of a vanadyl
# phosphate: P-O 0.20 to 0.29 and below 1.10, V-O 0.14 to 0.31 and below 1.10; lone pairs and shells below 0.10.
_ALONG, _DETOUR = 0.12, 1.12


@dataclass(frozen=True)
class Bond:
    """Centers between two atoms: `atoms` (the nearer one first), `length_A`, `count` of both spins, mean position from
    the nearer atom in units of the length, mean spread (Å², None where it was not given)."""

    atoms: tuple[int, int]
    length_A: float
    count: int
    position: float
    spread_A2: float | None

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {**vars(self), "atoms": list(self.atoms)}


@dataclass(frozen=True)
class Assignment:
    """Per atom (N): centers of both spins, how many of them are of its bonds as the nearer atom, alpha minus beta, and
    the mean spread (Å², 0 where there is none); `bonds` in order of their atoms."""

    count: np.ndarray
    bonding: np.ndarray
    spin: np.ndarray
    spread_A2: np.ndarray | None
    bonds: tuple[Bond, ...]


def assign(atoms: Atoms, centers: Sequence[np.ndarray], spreads_A2: Sequence[np.ndarray | None]) -> Assignment:
    """Assign the centers (M×3, Å, any image) of one spin, or of alpha and beta, to the atoms of a periodic frame.

    `spreads_A2` has the spreads (M) of each, or None. O(M·N).
    """
    nearest, partner, along = [], [], []
    for each in centers:
        found = _between(atoms, each)
        nearest.append(found[0])
        partner.append(found[1])
        along.append(found[2])
    signs = np.concatenate([np.full(len(each), sign) for each, sign in zip(nearest, (1, -1), strict=False)])
    first, second, position = (np.concatenate(part) for part in (nearest, partner, along))
    spread = None if any(each is None for each in spreads_A2) else np.concatenate([np.asarray(s) for s in spreads_A2])
    size = len(atoms)
    count = np.bincount(first, minlength=size)
    means = None
    if spread is not None:
        means = np.bincount(first, spread, minlength=size) / np.maximum(count, 1)
    return Assignment(
        count,
        np.bincount(first[second >= 0], minlength=size),
        np.bincount(first, signs, minlength=size).astype(int) if len(centers) > 1 else np.zeros(size, dtype=int),
        means,
        _bonds(atoms, first, second, position, spread),
    )


def _between(atoms: Atoms, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each center its nearest atom, the atom at the other end of its bond (-1 for none), and where along it."""
    vectors, distances = get_distances(centers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    nearest = distances.argmin(axis=1)
    rows = np.arange(len(centers))
    radii = covalent_radii[atoms.numbers]
    ionic = np.array([symbol in _IONIC for symbol in atoms.symbols])
    # from the nearest atom to the center, and to every other atom as that center sees it
    out = -vectors[rows, nearest]
    bonds = vectors + out[:, None, :]
    lengths = np.linalg.norm(bonds, axis=2)
    lengths[rows, nearest] = np.inf
    along = (out[:, None, :] * bonds).sum(axis=2) / lengths**2
    detour = (distances[rows, nearest][:, None] + distances) / lengths
    allowed = (lengths <= _LONGEST_BOND * (radii[nearest][:, None] + radii)) & ~ionic & ~ionic[nearest][:, None]
    detour = np.where(allowed & (along >= _ALONG) & (detour <= _DETOUR), detour, np.inf)
    partner = detour.argmin(axis=1)
    bonded = np.isfinite(detour[rows, partner])
    return nearest, np.where(bonded, partner, -1), np.where(bonded, along[rows, partner], 0.0)


def _bonds(atoms, first, second, position, spread) -> tuple[Bond, ...]:
    pairs = sorted({(int(a), int(b)) for a, b in zip(first, second, strict=True) if b >= 0})
    found = []
    for a, b in pairs:
        own = (first == a) & (second == b)
        found.append(Bond(
            (a, b), float(atoms.get_distance(a, b, mic=True)), int(own.sum()), float(position[own].mean()),
            None if spread is None else float(spread[own].mean()),
        ))  # fmt: skip
    return tuple(found)
