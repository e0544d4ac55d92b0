"""A melt packed at random into the part of a cell that a crystal leaves free."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..chemistry.ions import Species, formula
from ..core import neighbors
from ..errors import InputError
from ..glass.packing import minimum_distances, push_apart

if TYPE_CHECKING:
    from ase import Atoms


#: Of the contact distance: how near a packed ion may be to others.
FRACTION = 0.7
_ROUNDS = 1500
_STUCK = 50


class Region(Protocol):
    """Where a melt may be."""

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Random positions (count, 3, Å)."""

    def settle(self, points: np.ndarray) -> np.ndarray:
        """The nearest positions within the region."""


@dataclass(frozen=True)
class Layer:
    """Between two heights of a cell whose third vector lies along z."""

    cell: np.ndarray  #: (3, 3) Å
    low: float  #: Å
    high: float  #: Å

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        scaled = rng.random((count, 3))
        points = scaled @ self.cell
        points[:, 2] = self.low + scaled[:, 2] * (self.high - self.low)
        return points

    def settle(self, points: np.ndarray) -> np.ndarray:
        points[:, 2] = np.clip(points[:, 2], self.low, self.high)
        return points


@dataclass(frozen=True)
class Everywhere:
    """A whole periodic cell."""

    cell: np.ndarray  #: (3, 3) Å

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return rng.random((count, 3)) @ self.cell

    def settle(self, points: np.ndarray) -> np.ndarray:
        return points


@dataclass(frozen=True)
class Outside:
    """Farther than `radius` from the middle of a cell, or from the axis along z through it."""

    cell: np.ndarray  #: (3, 3) Å, vectors at right angles
    radius: float  #: Å
    axial: bool

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        points = np.empty((0, 3))
        while len(points) < count:
            more = rng.random((count, 3)) @ self.cell
            points = np.concatenate([points, more[self.distance(more)[0] > self.radius]])
        return points[:count]

    def settle(self, points: np.ndarray) -> np.ndarray:
        distance, apart = self.distance(points)
        near = (distance < self.radius) & (distance > 0)
        points[near] += apart[near] * (self.radius / distance[near, None] - 1)
        return points

    def distance(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) Å from the middle or axis, and the vectors from there (N, 3)."""
        edges = self.cell.diagonal()
        apart = points - edges / 2
        apart -= edges * np.round(apart / edges)
        if self.axial:
            apart[:, 2] = 0.0
        return np.linalg.norm(apart, axis=1), apart


def fill(
    held: "Atoms", ions: Sequence[Species], region: Region, *, seed: int = 0, fraction: float = FRACTION
) -> tuple["Atoms", float]:
    """Ions at random places of `region` in the cell of the atoms `held`, which stay; and how far apart they are.

    No pair is closer than `fraction` of its contact distance, to the held atoms too, or where that is not reached, 0.05
    or 0.1 less, which is returned. The same `seed` gives the same packing. The ions follow the order of `ions` and
    carry the array ``ion``. Raises InputError when they do not fit.
    """
    from ase import Atoms

    elements = list(dict.fromkeys(held.get_chemical_symbols()))
    all_ions = [*(Species(element, 0, 1, 0) for element in elements), *ions]
    of_held = np.array([elements.index(symbol) for symbol in held.symbols], dtype=int)
    of_melt = len(elements) + np.repeat(np.arange(len(ions)), [ion.count for ion in ions])
    kinds = np.concatenate([of_held, of_melt])
    rng = np.random.default_rng(seed)
    still, rounds = len(held), 0

    def near(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = neighbors(Atoms(f"H{len(points)}", points, cell=held.cell, pbc=True), reach)
        own = (found.i < found.j) & (found.j >= still)
        i, j = found.i[own], found.j[own]
        return i, j, points[j] - points[i] + found.shifts[own] @ held.cell.array

    def settled(points: np.ndarray) -> np.ndarray:
        nonlocal rounds
        rounds += 1
        moved = region.settle(points[still:])
        if rounds % _STUCK == 0:
            # those wedged between the crystal and the edge of the region never get free by themselves
            i, j, apart = near(points)
            wedged = np.unique(j[(i < still) & (np.linalg.norm(apart, axis=1) < limits[kinds[i], kinds[j]])]) - still
            moved[wedged] = region.draw(len(wedged), rng)
        return np.concatenate([held.positions, moved])

    start = np.concatenate([held.positions, region.draw(len(of_melt), rng)])
    for reached in (fraction, fraction - 0.05, fraction - 0.1):
        limits = minimum_distances(all_ions, reached)
        reach = float(limits.max())
        points = push_apart(start, kinds, limits, near, settled, _ROUNDS)
        if points is not None:
            melt = Atoms([all_ions[k].element for k in of_melt], points[still:], cell=held.cell, pbc=True)
            melt.set_array("ion", np.array([all_ions[k].label for k in of_melt]))
            return melt, reached
    raise InputError(f"{formula(ions)} does not fit beside the crystal without overlap; use a lower density")
