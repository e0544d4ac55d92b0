"""Electrostatic and rigid-ion energies of periodic cells and of slabs, by Ewald summation.

P. P. Ewald, Ann. Phys. 369, 253 (1921), 10.1002/andp.19213690304; slabs between vacuum with the dipole term of
I.-C. Yeh & M. L. Berkowitz, J. Chem. Phys. 111, 3155 (1999), 10.1063/1.479595.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..chemistry import ions as chemistry
from ..chemistry import potentials
from ..core import neighbors
from ..errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

#: e²/(4π ε0) in eV Å (CODATA 2018).
COULOMB_EV_A = 14.3996454784
_PRECISION = 18.0  # e^-18 = 1.5e-8 of a pair at the cutoff
_REACH_A = (6.0, 12.0)
_BLOCK = 2_000_000


def coulomb_energy(atoms: "Atoms", charges: np.ndarray, *, slab: bool = False) -> float:
    """Coulomb energy (eV) of `charges` (N, e) in the periodic cell; with `slab`, of a slab normal to z in vacuum.

    Conducting surroundings; a cell with a net charge has a neutralizing background. For a slab, atoms have to lie
    together along z, and vacuum as thick as the lateral cell is wide makes the images negligible.
    """
    from scipy.special import erfc

    damping, reach = _damping(atoms)
    pairs = neighbors(_periodic(atoms), reach)
    real = charges[pairs.i] @ (charges[pairs.j] * erfc(damping * pairs.distances) / pairs.distances) / 2
    reciprocal = sum(weights @ np.abs(phases @ charges) ** 2 for phases, weights in _waves(atoms, damping).parts())
    volume = atoms.cell.volume
    energy = real + reciprocal / 2 - damping / np.sqrt(np.pi) * (charges @ charges)
    energy -= np.pi / (2 * volume * damping**2) * charges.sum() ** 2
    if slab:
        energy += 2 * np.pi / volume * (charges @ atoms.positions[:, 2]) ** 2
    return float(COULOMB_EV_A * energy)


def pair_potentials(atoms: "Atoms", rows: np.ndarray, *, slab: bool = False) -> np.ndarray:
    """(rows, N) eV: energy between unit charges at the sites `rows` and at every site, all periodic images included.

    The energy of charges q is ½ Σ q_i q_j A_ij, own images included in A_ii; as `coulomb_energy` otherwise.
    """
    from scipy.special import erfc

    damping, reach = _damping(atoms)
    count = len(atoms)
    place = np.full(count, -1)
    place[rows] = np.arange(len(rows))
    pairs = neighbors(_periodic(atoms), reach)
    mine = place[pairs.i] >= 0
    found = np.zeros((len(rows), count))
    distances = pairs.distances[mine]
    np.add.at(found, (place[pairs.i[mine]], pairs.j[mine]), erfc(damping * distances) / distances)
    for phases, weights in _waves(atoms, damping).parts():
        for wave in (phases.real, phases.imag):
            found += (wave[:, rows] * weights[:, None]).T @ wave
    found[np.arange(len(rows)), rows] -= 2 * damping / np.sqrt(np.pi)
    found -= np.pi / (atoms.cell.volume * damping**2)
    if slab:
        heights = atoms.positions[:, 2] - atoms.positions[:, 2].mean()
        found += 4 * np.pi / atoms.cell.volume * np.outer(heights[rows], heights)
    return COULOMB_EV_A * found


def rigid_ion_energy(ions: Sequence[chemistry.Species], *, slab: bool = False) -> Callable[["Atoms"], float]:
    """The energy (eV) of a structure of these `ions` in the rigid-ion potential (`chemistry.potentials`).

    Charges are summed by Ewald, not damped as in the molecular dynamics. Raises InputError for ions without
    parameters, and for an element in two states, whose atoms differ.
    """
    potentials.check(ions)
    by_element = {ion.element: ion for ion in ions}
    for element in by_element:
        states = [ion.label for ion in ions if ion.element == element]
        if len(states) > 1:
            raise InputError(f"{' and '.join(states)}: the rigid-ion energy needs one state of {element}")
    charges = {element: potentials.CHARGE_SCALE * ion.charge for element, ion in by_element.items()}
    with_oxygen = {element: potentials.short_range(ion) for element, ion in by_element.items()}

    def energy(atoms: "Atoms") -> float:
        symbols = np.array(atoms.get_chemical_symbols())
        pairs = neighbors(_periodic(atoms), potentials.SHORT_CUTOFF_A)
        first, second = symbols[pairs.i], symbols[pairs.j]
        short = 0.0
        for element, parameters in with_oxygen.items():
            # an O-O pair stands twice in the list, any other pair with O twice with O second in one of them
            own = (first == element) & (second == "O")
            short += (0.5 if element == "O" else 1.0) * _pedone(pairs.distances[own], *parameters).sum()
        return short + coulomb_energy(atoms, np.array([charges[symbol] for symbol in symbols]), slab=slab)

    return energy


def _pedone(r: np.ndarray, depth: float, a: float, r0: float, c: float) -> np.ndarray:
    stretch = np.exp(-a * (r - r0))
    return depth * (stretch**2 - 2 * stretch) + c / r**12


def _periodic(atoms: "Atoms") -> "Atoms":
    from ase import Atoms

    return Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True)


def _damping(atoms: "Atoms") -> tuple[float, float]:
    """Damping (1/Å) and cutoff (Å) of the sum in real space, which grows with the cell as the other sum does."""
    reach = float(np.clip(0.6 * atoms.cell.volume ** (1 / 3), *_REACH_A))
    return np.sqrt(_PRECISION) / reach, reach


@dataclass(frozen=True)
class _Waves:
    """Wave vectors of one half space by their indices (K, 3), and their weights 2 · 4π/V exp(-k²/4α²)/k²."""

    indices: np.ndarray
    weights: np.ndarray
    factors: tuple[np.ndarray, ...]  # (indices, N) exp(2πi n s) along each cell vector, s scaled positions

    def parts(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Phases exp(i k·r), (k, N), and weights, in parts that fit into memory."""
        size = max(1, _BLOCK // max(self.factors[0].shape[1], 1))
        middle = [len(factor) // 2 for factor in self.factors]
        for start in range(0, len(self.indices), size):
            h, k, l = (self.indices[start : start + size] + middle).T
            yield self.factors[0][h] * self.factors[1][k] * self.factors[2][l], self.weights[start : start + size]


def _waves(atoms: "Atoms", damping: float) -> _Waves:
    longest = 2 * damping * np.sqrt(_PRECISION)
    inverse = np.linalg.inv(atoms.cell.array)
    most = np.ceil(longest * np.linalg.norm(atoms.cell.array, axis=1) / (2 * np.pi)).astype(int)
    grid = np.indices(2 * most + 1).reshape(3, -1).T - most
    # the first half of a grid that is symmetric about its middle, the zero vector
    grid = grid[: len(grid) // 2]
    square = ((2 * np.pi * grid @ inverse.T) ** 2).sum(axis=1)
    kept = square < longest**2
    square = square[kept]
    weights = 8 * np.pi / atoms.cell.volume * np.exp(-square / (4 * damping**2)) / square
    scaled = atoms.positions @ inverse
    factors = tuple(np.exp(2j * np.pi * np.outer(np.arange(-n, n + 1), scaled[:, axis])) for axis, n in enumerate(most))
    return _Waves(grid[kept], weights, factors)
