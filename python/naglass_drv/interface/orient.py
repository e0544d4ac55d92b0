"""Crystals turned so that a lattice plane (hkl) is normal to z, or a lattice direction [uvw] along z."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import gcd

import numpy as np

from ..core.unwrap import face_distances
from ..errors import InputError
from .crystal import OCCUPANCY, Crystal, units_of

_SAME_PLACE_A = 0.05
_LAYER_A = 0.02
_MOST_TURNS = 40


@dataclass(frozen=True)
class Oriented:
    """One repeat of a crystal with a lattice plane normal to z; atoms as often as in the primitive cell.

    The lattice is spanned by two vectors in the plane and by `step`, which leads to the next equivalent plane.
    """

    crystal: Crystal
    hkl: tuple[int, int, int]  #: as given, of the cell of the crystal
    lateral: np.ndarray  #: (2, 2) Å, rows, the first along x
    step: np.ndarray  #: (3,) Å, its z is the distance of the planes
    symbols: np.ndarray  #: (N,) elements
    positions: np.ndarray  #: (N, 3) Å, atoms of a unit together
    occupancy: np.ndarray  #: (N,)
    unit: np.ndarray  #: (N,) int
    heights: np.ndarray  #: (units,) Å from 0 to `spacing`, places of the units along z
    rotation: np.ndarray  #: (3, 3): row vectors of the crystal are turned by ``vectors @ rotation.T``

    @property
    def spacing(self) -> float:
        """Distance (Å) of equivalent planes."""
        return float(self.step[2])

    @property
    def area(self) -> float:
        """Area (Å²) of the lateral cell."""
        return float(abs(np.linalg.det(self.lateral)))

    @property
    def charges(self) -> np.ndarray:
        """(N,) formal charge (e) times occupancy."""
        return np.array([self.crystal.charges[symbol] for symbol in self.symbols]) * self.occupancy


def checked_indices(name: str, indices: Sequence[int]) -> tuple[int, int, int]:
    """Three whole numbers that are not all zero; InputError names the argument otherwise."""
    values = tuple(indices)
    if len(values) != 3 or any(int(value) != value for value in values) or not any(values):
        raise InputError(f"{name} {' '.join(map(str, values))}: must be three whole numbers that are not all 0")
    return tuple(int(value) for value in values)  # type: ignore[return-value]


def oriented(crystal: Crystal, hkl: Sequence[int]) -> Oriented:
    """The crystal with the planes (hkl) of its cell normal to z.

    Raises InputError for hkl 0 0 0, and where a network of P, Si or B and O runs through every such plane, so that each
    cut breaks it.
    """
    hkl = checked_indices("hkl", hkl)
    units = units_of(crystal.atoms)
    _check_network(crystal, hkl, units.periods)
    # a unit without end may be its own image in the primitive cell
    lattice, kept = (crystal.atoms.cell.array, np.arange(len(crystal.atoms))) if units.periods else primitive(crystal)
    scaled = lattice @ np.linalg.inv(crystal.atoms.cell.array) @ hkl
    indices = _coprime(scaled)
    first, second, step = _basis(indices)
    u, v, w = (np.array(each) @ lattice for each in (first, second, step))
    u, v = _shortest(u, v)
    normal = np.cross(u, v)
    normal *= np.sign(normal @ w) / np.linalg.norm(normal)
    # the plane's own direction, not that of its opposite
    if normal @ np.linalg.inv(crystal.atoms.cell.array) @ hkl < 0:
        normal, w = -normal, -w
    if np.cross(u, v) @ normal < 0:
        v = -v
    x = u / np.linalg.norm(u)
    rotation = np.array([x, np.cross(normal, x), normal])
    turned = rotation @ np.array([u, v, w]).T
    lateral = turned[:2, :2].T.copy()
    step_vector = turned[:, 2]
    step_vector[:2] -= np.round(step_vector[:2] @ np.linalg.inv(lateral)) @ lateral
    return _in_one_repeat(crystal, hkl, lateral, step_vector, rotation, units, kept)


def _in_one_repeat(crystal, hkl, lateral, step, rotation, units, kept) -> Oriented:
    positions = units.positions @ rotation.T
    total = np.bincount(units.of_atom, weights=units.heads)
    places = np.bincount(units.of_atom, weights=units.heads * positions[:, 2]) / total
    # a unit belongs to the primitive cell with its first head
    heads = np.flatnonzero(units.heads)
    _, leading = np.unique(units.of_atom[heads], return_index=True)
    chosen = np.flatnonzero(np.isin(heads[leading], kept))
    mine = np.flatnonzero(np.isin(units.of_atom, chosen))
    _, unit = np.unique(units.of_atom[mine], return_inverse=True)
    heights = places[chosen]
    below = np.floor((heights + _LAYER_A) / step[2])
    return Oriented(
        crystal=crystal,
        hkl=hkl,
        lateral=lateral,
        step=step,
        symbols=np.array(crystal.atoms.get_chemical_symbols())[mine],
        positions=positions[mine] - below[unit, None] * step,
        occupancy=crystal.atoms.arrays[OCCUPANCY][mine],
        unit=unit,
        heights=heights - below * step[2],
        rotation=rotation,
    )


def _check_network(crystal: Crystal, hkl: tuple[int, int, int], periods: Sequence[tuple[int, int, int]]) -> None:
    through = [period for period in periods if np.dot(hkl, period)]
    if through:
        direction = " ".join(map(str, through[0]))
        raise InputError(
            f"hkl {' '.join(map(str, hkl))}: no termination of {crystal.name} leaves all bonds of P, Si and B to O "
            f"whole: they are connected along [{direction}], through every such plane"
        )


def primitive(crystal: Crystal) -> tuple[np.ndarray, np.ndarray]:
    """Primitive lattice (3, 3, Å, rows, as short as possible) and the atoms of one primitive cell.

    By pure translations under which every site falls on one of the same element and occupancy.
    """
    atoms, cell = crystal.atoms, crystal.atoms.cell.array
    _, kinds = np.unique(
        np.column_stack([atoms.numbers, np.round(1e4 * crystal.occupancy).astype(int)]), axis=0, return_inverse=True
    )
    scaled = atoms.get_scaled_positions()
    rarest = np.flatnonzero(kinds == np.argmin(np.bincount(kinds)))
    representative = np.arange(len(atoms))
    shifts = [np.zeros(3)]
    for other in rarest[1:]:
        shift = scaled[other] - scaled[rarest[0]]
        images = _images(scaled, kinds, shift, cell)
        if images is not None:
            shifts.append(shift)
            np.minimum.at(representative, images, representative)
    representative = np.minimum(representative, representative[representative])
    kept = np.flatnonzero(representative == np.arange(len(atoms)))
    return _shortest_basis(np.array(shifts), cell), kept


def _images(scaled: np.ndarray, kinds: np.ndarray, shift: np.ndarray, cell: np.ndarray) -> np.ndarray | None:
    """The atom on which each falls by a `shift`; None where one falls on none."""
    found = np.empty(len(scaled), dtype=int)
    for kind in range(kinds.max() + 1):
        own = np.flatnonzero(kinds == kind)
        apart = scaled[own][:, None] + shift - scaled[own][None, :]
        apart -= np.round(apart)
        distance = np.linalg.norm(apart @ cell, axis=2)
        if distance.min(axis=1).max() > _SAME_PLACE_A:
            return None
        found[own] = own[distance.argmin(axis=1)]
    return found


def _shortest_basis(shifts: np.ndarray, cell: np.ndarray) -> np.ndarray:
    around = np.indices((5, 5, 5)).reshape(3, -1).T - 2
    vectors = (shifts[:, None] + around[None]).reshape(-1, 3) @ cell
    lengths = np.linalg.norm(vectors, axis=1)
    # the zero vector comes first
    order = np.lexsort((*np.round(vectors.T, 6), np.round(lengths, 6)))
    chosen: list[np.ndarray] = []
    volume = abs(np.linalg.det(cell)) / len(shifts)
    for vector in vectors[order][1:]:
        trial = [*chosen, vector]
        spanned = np.sqrt(max(np.linalg.det(np.array(trial) @ np.array(trial).T), 0.0))
        if spanned < 1e-3 * np.prod([np.linalg.norm(each) for each in trial]):
            continue
        if len(trial) == 3 and abs(spanned - volume) > 1e-3 * volume:
            continue
        chosen = trial
        if len(chosen) == 3:
            break
    return np.array(chosen)


def _coprime(values: np.ndarray) -> tuple[int, int, int]:
    fractions = [Fraction(float(value)).limit_denominator(1000) for value in values]
    scale = reduce(lambda a, b: a * b // gcd(a, b), (each.denominator for each in fractions), 1)
    whole = [int(each * scale) for each in fractions]
    divisor = reduce(gcd, whole)
    return tuple(each // divisor for each in whole)  # type: ignore[return-value]


def _basis(h: tuple[int, int, int]) -> tuple[list[int], list[int], list[int]]:
    """Whole-number vectors a, b, c that span the lattice, with h·a = h·b = 0 and h·c = 1 (Euclid on the columns)."""
    rest, columns = list(h), np.eye(3, dtype=int).tolist()
    while sum(value != 0 for value in rest) > 1:
        nonzero = [k for k in range(3) if rest[k]]
        least = min(nonzero, key=lambda k: abs(rest[k]))
        for k in nonzero:
            if k != least:
                times = rest[k] // rest[least]
                rest[k] -= times * rest[least]
                columns[k] = [a - times * b for a, b in zip(columns[k], columns[least], strict=True)]
    last = next(k for k in range(3) if rest[k])
    first, second = (columns[k] for k in range(3) if k != last)
    return first, second, [rest[last] * a for a in columns[last]]


def _shortest(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shortest vectors of the lattice of u and v (Lagrange and Gauss), at an angle of 60 to 120 degrees."""
    while True:
        if v @ v < u @ u - 1e-9:
            u, v = v, u
        times = round(float(u @ v / (u @ u)))
        if not times:
            return u, v
        v = v - times * u


def supercell(lateral: np.ndarray, width_A: float) -> np.ndarray:
    """Whole-number (2, 2) rows of the smallest near-rectangular supercell that is `width_A` (Å) wide both ways.

    Angles within 90 ± 6 degrees, where one of at most four times the least area has one; otherwise the smallest.
    """
    most = int(np.ceil(width_A / face_distances(_flat(lateral))[:2].min())) + 2
    if most > _MOST_TURNS:
        raise InputError(f"lateral {width_A:g} Å: more than {_MOST_TURNS} lattice vectors; take it narrower")
    grid = np.indices((most + 1, 2 * most + 1)).reshape(2, -1).T - [0, most]
    vectors = grid @ lateral
    lengths = np.linalg.norm(vectors, axis=1)
    usable = (lengths >= width_A - 1e-6) & (lengths <= 2.5 * width_A + np.linalg.norm(lateral, axis=1).max())
    grid, vectors, lengths = grid[usable], vectors[usable], lengths[usable]
    area = vectors[:, None, 0] * vectors[None, :, 1] - vectors[:, None, 1] * vectors[None, :, 0]
    cosine = np.abs(vectors @ vectors.T / np.outer(lengths, lengths))
    widths = area / np.maximum(lengths[:, None], lengths[None, :])
    valid = (area > 0) & (widths >= width_A - 1e-6)
    square = valid & (cosine <= np.sin(np.radians(6.0)))
    smallest = area[valid].min()
    chosen = square if square.any() and area[square].min() <= 4 * smallest else valid
    # a rectangle is worth some area; of equal ones the more even
    score = area * (1 + 4 * cosine) + 1e-3 * smallest * np.abs(np.subtract.outer(lengths, lengths)) / width_A
    a, b = np.unravel_index(np.where(chosen, score, np.inf).argmin(), score.shape)
    return np.array([grid[a], grid[b]])


def _flat(lateral: np.ndarray) -> np.ndarray:
    cell = np.eye(3)
    cell[:2, :2] = lateral
    return cell


def translations(lateral: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """(M, 2) Å: the lattice vectors of `lateral` in the supercell ``turns @ lateral``."""
    size = int(abs(round(np.linalg.det(turns))))
    reach = int(np.abs(turns).sum()) + 1
    grid = np.indices((2 * reach + 1, 2 * reach + 1)).reshape(2, -1).T - reach
    scaled = grid @ np.linalg.inv(turns)
    inside = ((scaled > -1e-9) & (scaled < 1 - 1e-9)).all(axis=1)
    assert inside.sum() == size
    return grid[inside] @ lateral
