"""Elastic moduli of a crystal by finite strains with relaxed positions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .asked import relaxed
from .potentials import VOIGT, Evaluate

if TYPE_CHECKING:
    from ase import Atoms

_STRAIN = 0.005


@dataclass(frozen=True)
class Moduli:
    """Stiffness (GPa, 6×6, Voigt order xx yy zz yz xz xy), and the means of Voigt, Reuss and Hill from it.

    `bulk_GPa` and `shear_GPa` are Hill's; each ``_half_range`` is half the difference of Voigt and Reuss, between
    which a polycrystal lies. `asymmetry_GPa` is the largest difference of an element from its mirror image: an estimate
    of the error of each. `stable`: all eigenvalues are positive.
    """

    stiffness_GPa: np.ndarray
    bulk_GPa: float
    bulk_GPa_half_range: float
    shear_GPa: float
    shear_GPa_half_range: float
    asymmetry_GPa: float
    stable: bool


def moduli(evaluate: Evaluate, atoms: "Atoms", relax_steps: int) -> Moduli:
    """The moduli of `atoms`, which should be relaxed with its cell; strains of ±0.5 %, central differences."""
    from ase.units import GPa

    columns = []
    for a, b in VOIGT:
        stresses = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[a, b] += sign * _STRAIN / 2
            strain[b, a] += sign * _STRAIN / 2
            strained = atoms.copy()
            strained.set_cell(atoms.cell.array @ strain, scale_atoms=True)
            if relax_steps:
                strained, _ = relaxed(evaluate, strained, steps=relax_steps)
            stresses.append(np.asarray(evaluate(strained).stress))
        columns.append((stresses[0] - stresses[1]) / (2 * _STRAIN) / GPa)
    raw = np.array(columns).T
    stiffness = 0.5 * (raw + raw.T)
    stable = bool(np.linalg.eigvalsh(stiffness).min() > 0)
    bulk, shear = _means(stiffness)
    (bulk_r, shear_r) = _means_of_compliance(np.linalg.inv(stiffness)) if stable else (bulk, shear)
    return Moduli(
        stiffness, (bulk + bulk_r) / 2, abs(bulk - bulk_r) / 2, (shear + shear_r) / 2, abs(shear - shear_r) / 2,
        float(np.abs(raw - raw.T).max()), stable,
    )  # fmt: skip


def _means(c: np.ndarray) -> tuple[float, float]:
    """Bulk and shear modulus of Voigt."""
    diagonal, mixed = np.trace(c[:3, :3]), c[0, 1] + c[0, 2] + c[1, 2]
    return float((diagonal + 2 * mixed) / 9), float((diagonal - mixed + 3 * np.trace(c[3:, 3:])) / 15)


def _means_of_compliance(s: np.ndarray) -> tuple[float, float]:
    """Bulk and shear modulus of Reuss."""
    diagonal, mixed = np.trace(s[:3, :3]), s[0, 1] + s[0, 2] + s[1, 2]
    return float(1 / (diagonal + 2 * mixed)), float(15 / (4 * diagonal - 4 * mixed + 3 * np.trace(s[3:, 3:])))
