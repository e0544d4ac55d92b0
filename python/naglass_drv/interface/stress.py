"""Stress in a layer of a cell of rigid ions, as they move in LAMMPS."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase.units import GPa, kB
from scipy.special import erfc

from ..chemistry import potentials
from ..chemistry.ions import Species
from ..core import neighbors
from .ewald import COULOMB_EV_A

if TYPE_CHECKING:
    from ase import Atoms


def layer_stress(
    atoms: "Atoms", ions: Sequence[Species], kinds: np.ndarray, low_A: float, high_A: float, temperature_K: float
) -> np.ndarray:
    """σ_xx, σ_yy, σ_zz (GPa, tension positive) between two heights of a cell whose third vector is along z.

    `kinds` (N,) numbers the ion of each atom; a layer may cross the face of the cell. By the contour of Irving and
    Kirkwood, J. Chem. Phys. 18, 817 (1950): a pair counts with the part of its connecting line that is in the layer.
    So σ_zz is the same in every layer at rest, however thin; a sum over atoms is not, since neither ions nor shares of
    pairs are cut stoichiometrically. Kinetic part of `temperature_K`.
    """
    height, width = float(atoms.cell.array[2, 2]), high_A - low_A
    pairs = neighbors(atoms, potentials.COULOMB_CUTOFF_A)
    apart = atoms.positions[pairs.j] - atoms.positions[pairs.i] + pairs.shifts @ atoms.cell.array
    start = (atoms.positions[:, 2] - low_A) / height
    first = start[pairs.i]
    part = _part(first, first + apart[:, 2] / height, width / height)
    force = _forces(ions, kinds[pairs.i], kinds[pairs.j], pairs.distances)
    # each pair stands twice in the list
    virial = 0.5 * (part * force / pairs.distances) @ apart**2
    inside = int((start % 1.0 < width / height).sum())
    volume = atoms.cell.volume * width / height
    return -(virial + inside * kB * temperature_K) / volume / GPa


def _part(first: np.ndarray, second: np.ndarray, width: float) -> np.ndarray:
    """The part of each line from `first` to `second` (heights of the cell) within 0 to `width`, or an image of it."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    length = high - low
    covered = _below(high, width) - _below(low, width)
    flat = length < 1e-12
    return np.where(flat, low % 1.0 < width, covered / np.where(flat, 1.0, length))


def _below(height: np.ndarray, width: float) -> np.ndarray:
    return np.floor(height) * width + np.minimum(height % 1.0, width)


def _forces(ions: Sequence[Species], first: np.ndarray, second: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Force (eV/Å) of each pair, repulsion positive: damped shifted force, and Pedone's form with oxygen."""
    charge = np.array(potentials.charges(ions))
    product = COULOMB_EV_A * charge[first] * charge[second]
    force = product * (_screened(r) - _screened(potentials.COULOMB_CUTOFF_A))
    oxygen = next(number for number, ion in enumerate(ions) if ion.element == "O")
    near = r < potentials.SHORT_CUTOFF_A
    for number, ion in enumerate(ions):
        ordered = ((first == number) & (second == oxygen)) | ((first == oxygen) & (second == number))
        own = np.flatnonzero(near & ordered)
        depth, a, r0, c = potentials.short_range(ion)
        stretch = np.exp(-a * (r[own] - r0))
        force[own] += 2 * depth * a * (stretch**2 - stretch) + 12 * c / r[own] ** 13
    return force


def _screened(r):
    """Force between unit charges, 1/Å²."""
    alpha = potentials.DSF_DAMPING_PER_A
    return erfc(alpha * r) / r**2 + 2 * alpha / np.sqrt(np.pi) * np.exp(-((alpha * r) ** 2)) / r
