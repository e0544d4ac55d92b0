"""Random packing of ions in a cubic box at a given density, without overlap."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..chemistry import masses
from ..chemistry.ions import Species, contact_distance, formula
from ..errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

#: Pairs of points: the first, the second, and the vector (Å) from one to the other.
Near = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
_ROUNDS = 4000
_SPREAD = 1e-3


def box_length(ions: Sequence[Species], density_g_cm3: float) -> float:
    """Edge (Å) of the cube that holds `ions` at `density_g_cm3`."""
    from ase.data import atomic_masses, atomic_numbers

    mass = sum(atomic_masses[atomic_numbers[ion.element]] * ion.count for ion in ions)
    return masses.volume_of(mass, density_g_cm3) ** (1 / 3)


def minimum_distances(ions: Sequence[Species], fraction: float) -> np.ndarray:
    """Symmetric table (n, n), Å: `fraction` of the contact distance for every pair of `ions`."""
    return np.array([[fraction * contact_distance(a.element, b.element) for b in ions] for a in ions])


def pack(ions: Sequence[Species], density_g_cm3: float, seed: int, fraction: float = 0.7) -> "Atoms":
    """Ions at random places of a cubic periodic box, no pair closer than `fraction` of its contact distance.

    Random points whose overlaps are pushed apart until none is left; the same `seed` gives the same packing.
    The atoms follow the order of `ions` and carry the array ``ion`` with the labels. Raises InputError when
    the density leaves no room.
    """
    from ase import Atoms

    length = box_length(ions, density_g_cm3)
    kinds = np.repeat(np.arange(len(ions)), [ion.count for ion in ions])
    limits = minimum_distances(ions, fraction)
    # a particle may also not overlap its own image
    fits = length >= limits.diagonal().max()
    start = np.random.default_rng(seed).random((len(kinds), 3)) * length
    near = _near_in_cube(length, limits.max())
    points = push_apart(start, kinds, limits, near, lambda points: points % length) if fits else None
    if points is None:
        raise InputError(
            f"density_g_cm3: {density_g_cm3}: {formula(ions)} cannot be packed without overlap "
            f"in a cube of {length:.2f} Å; use a lower density"
        )
    atoms = Atoms([ions[k].element for k in kinds], points, cell=[length] * 3, pbc=True)
    atoms.set_array("ion", np.array([ions[k].label for k in kinds]))
    return atoms


def _near_in_cube(length: float, reach: float) -> Near:
    from scipy.spatial import cKDTree

    def near(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pairs = cKDTree(points, boxsize=length).query_pairs(reach, output_type="ndarray")
        apart = points[pairs[:, 1]] - points[pairs[:, 0]]
        return pairs[:, 0], pairs[:, 1], apart - length * np.round(apart / length)

    return near


def push_apart(
    points: np.ndarray,
    kinds: np.ndarray,
    limits: np.ndarray,
    near: Near,
    settled: Callable[[np.ndarray], np.ndarray],
    rounds: int = _ROUNDS,
) -> np.ndarray | None:
    """Positions (N, 3, Å) without overlap, from `points`, or None when the overlaps do not vanish.

    `kinds` (N,) are rows of `limits`, the least distances (Å). `near` lists pairs within the largest of them, and
    `settled` takes positions back to where they may be after each of at most `rounds` rounds.
    """
    for _ in range(rounds):
        first, second, apart = near(points)
        distance = np.linalg.norm(apart, axis=1)
        overlap = limits[kinds[first], kinds[second]] - distance
        close = overlap > 0
        if not close.any():
            return points
        # slightly more than half each, or the last overlaps only shrink for ever
        push = apart[close] / distance[close, None] * (0.5 * overlap[close, None] + _SPREAD)
        np.add.at(points, second[close], push)
        np.add.at(points, first[close], -push)
        points = settled(points)
    return None
