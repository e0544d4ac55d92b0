"""Which of the partly occupied sites are occupied: the arrangement of least Coulomb energy of formal charges."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .crystal import OCCUPANCY
from .ewald import coulomb_energy, pair_potentials

if TYPE_CHECKING:
    from ase import Atoms

_RUNS = 3
_SWAPS_PER_SITE = 300
_SWAPS = (4_000, 100_000)
_COOLING = 1e-3
_FULL = 1.0 - 1e-6
_NO_SWAP = -1e-9  # eV


@dataclass(frozen=True)
class Resolved:
    """A structure whose sites are all full, and how it was chosen."""

    atoms: "Atoms"  #: the occupied sites, without the array `occupancy`
    kept: np.ndarray  #: their numbers among all sites
    energy_eV: float | None  #: Coulomb energy of the formal charges; None where nothing was to be chosen
    tried: int  #: arrangements whose energy was compared


def resolve(sites: "Atoms", charges: Mapping[str, float], *, seed: int = 0, slab: bool = False) -> Resolved:
    """Occupy the partly occupied `sites` (array `occupancy`) so that the Ewald energy of formal `charges` (e) is least.

    As many atoms of each element as its occupancies add up to; which sites of an element they take is free. Simulated
    annealing by swaps from three random arrangements, then the best swap until none lowers the energy: a low minimum,
    not proven to be the lowest. The same `seed` gives the same arrangement. With `slab`, the energy is that of a slab
    normal to z in vacuum, which costs a dipole. Raises InputError for occupancies that add up to no whole number, and
    for a result that is not neutral.
    """
    symbols = np.array(sites.get_chemical_symbols())
    occupancy = sites.arrays[OCCUPANCY]
    charge = np.array([charges[symbol] for symbol in symbols])
    free = np.flatnonzero(occupancy < _FULL)
    wanted = {str(element): occupancy[free][symbols[free] == element].sum() for element in dict.fromkeys(symbols[free])}
    for element, number in wanted.items():
        if abs(number - round(number)) > 1e-3:
            of = int((symbols[free] == element).sum())
            raise InputError(f"{of} partly occupied sites hold {number:.4g} {element}: take a cell with a whole number")
    total = charge[occupancy >= _FULL].sum() + sum(charges[e] * round(n) for e, n in wanted.items())
    if abs(total) > 1e-6:
        raise InputError(f"{_counted(symbols, occupancy)} have a charge of {total:+.3g} e")
    if not len(free):
        return Resolved(_taken(sites, np.arange(len(sites))), np.arange(len(sites)), None, 0)
    potentials = pair_potentials(sites, free, slab=slab)
    field = potentials @ np.where(occupancy >= _FULL, charge, 0.0)
    search = _Search(potentials[:, free], field, charge[free], symbols[free], np.random.default_rng(seed))
    best, tried = None, 0
    for _ in range(_RUNS):
        energy, occupied, swaps = search.run({element: round(number) for element, number in wanted.items()})
        tried += swaps
        if best is None or energy < best[0] + _NO_SWAP:
            best = (energy, occupied)
    assert best is not None
    kept = np.sort(np.concatenate([np.flatnonzero(occupancy >= _FULL), free[best[1]]]))
    atoms = _taken(sites, kept)
    return Resolved(atoms, kept, coulomb_energy(atoms, charge[kept], slab=slab), tried)


def _taken(sites: "Atoms", kept: np.ndarray) -> "Atoms":
    atoms = sites[kept]
    del atoms.arrays[OCCUPANCY]
    return atoms


def _counted(symbols: np.ndarray, occupancy: np.ndarray) -> str:
    sums = {element: occupancy[symbols == element].sum() for element in dict.fromkeys(symbols.tolist())}
    return " ".join(f"{element}{number:.4g}" for element, number in sums.items())


class _Search:
    """Arrangements of charges over sites; E = ½ Σ q_i q_j A_ij + Σ q_i f_i over the occupied ones."""

    def __init__(self, pairs: np.ndarray, field: np.ndarray, charge: np.ndarray, symbols: np.ndarray, rng):
        # in units of the site's own charge, so that a swap within an element moves one unit
        self._pairs = pairs * np.outer(charge, charge)
        self._field = field * charge
        self._symbols = symbols
        self._rng = rng

    def run(self, wanted: Mapping[str, int]) -> tuple[float, np.ndarray, int]:
        """Energy (eV, up to a constant), occupied sites and number of swaps that were considered."""
        occupied = np.zeros(len(self._field), dtype=bool)
        for element, number in wanted.items():
            own = np.flatnonzero(self._symbols == element)
            occupied[self._rng.choice(own, number, replace=False)] = True
        levels = self._pairs @ occupied + self._field
        tried = self._anneal(occupied, levels)
        while (swap := self._best_swap(occupied, levels)) is not None:
            self._move(occupied, levels, *swap)
            tried += 1
        energy = float(occupied @ self._pairs @ occupied / 2 + self._field @ occupied)
        return energy, np.flatnonzero(occupied), tried

    def _anneal(self, occupied: np.ndarray, levels: np.ndarray) -> int:
        movable = [
            element
            for element in dict.fromkeys(self._symbols.tolist())
            if 0 < occupied[self._symbols == element].sum() < (self._symbols == element).sum()
        ]
        if not movable:
            return 0
        swaps = int(np.clip(_SWAPS_PER_SITE * len(occupied), *_SWAPS))
        inside = {element: np.flatnonzero((self._symbols == element) & occupied).tolist() for element in movable}
        outside = {element: np.flatnonzero((self._symbols == element) & ~occupied).tolist() for element in movable}
        which = self._rng.integers(len(movable), size=swaps)
        draws = self._rng.random((swaps, 2))
        thresholds = -np.log(self._rng.random(swaps))
        start = max(float(np.std(levels)), 1e-3)
        for step, temperature in enumerate(start * _COOLING ** np.linspace(0, 1, swaps)):
            full, empty = inside[movable[which[step]]], outside[movable[which[step]]]
            a, b = int(draws[step, 0] * len(full)), int(draws[step, 1] * len(empty))
            i, j = full[a], empty[b]
            if self._change(levels, i, j) < temperature * thresholds[step]:
                self._move(occupied, levels, i, j)
                full[a], empty[b] = j, i
        return swaps

    def _change(self, levels: np.ndarray, i, j):
        """Energy (eV) of moving the ion of site i to site j."""
        return levels[j] - levels[i] + (self._pairs[i, i] + self._pairs[j, j]) / 2 - self._pairs[i, j]

    def _move(self, occupied: np.ndarray, levels: np.ndarray, i: int, j: int) -> None:
        occupied[i], occupied[j] = False, True
        levels += self._pairs[:, j] - self._pairs[:, i]

    def _best_swap(self, occupied: np.ndarray, levels: np.ndarray) -> tuple[int, int] | None:
        full, empty = np.flatnonzero(occupied), np.flatnonzero(~occupied)
        if not len(full) or not len(empty):
            return None
        change = self._change(levels, full[:, None], empty[None, :])
        change[self._symbols[full][:, None] != self._symbols[empty][None, :]] = np.inf
        a, b = np.unravel_index(change.argmin(), change.shape)
        return (int(full[a]), int(empty[b])) if change[a, b] < _NO_SWAP else None
