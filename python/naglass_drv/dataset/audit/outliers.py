"""Energies and forces that deviate from those of the other frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

# a normal distribution's standard deviation in units of its median absolute deviation
_SIGMA_PER_MAD = 1.4826
# scales below these come from copies of one structure and would flag rounding
_LEAST_ENERGY_SCALE_eV = 1e-3
_LEAST_LOG_SCALE = 0.3
_LEAST_FORCE_eV_PER_A = 0.05
_ALONE = 0.99
_FRAMES_PER_COEFFICIENT = 3


@dataclass(frozen=True)
class EnergyFit:
    """Residuals (F, eV per atom) of the energies, the scale (eV per atom) of their spread, and which frames no other
    frame can check.
    """

    residual_eV_per_atom: np.ndarray
    scale_eV_per_atom: float
    alone: np.ndarray

    @property
    def z(self) -> np.ndarray:
        """(F,) robust z of the residuals."""
        return (self.residual_eV_per_atom - np.median(self.residual_eV_per_atom)) / self.scale_eV_per_atom


def robust_scale(values: np.ndarray) -> float:
    """1.4826 times the median absolute deviation from the median (10.1016/j.jesp.2013.03.013)."""
    return _SIGMA_PER_MAD * float(np.median(np.abs(values - np.median(values))))


def fit_energies(frames: Sequence["Atoms"]) -> EnergyFit | None:
    """Energies per atom compared with a fit to composition and forces.

    None for fewer than three frames a coefficient. The fit has one energy per element and a term in the frame's
    root-mean-square force, since the energy rises with the distance from a minimum; least absolute deviations, so that
    outliers do not draw it to themselves. A frame whose leverage is above 0.99 (the only one of an element, say) fits
    itself, whatever its energy.
    """
    elements = sorted({element for frame in frames for element in frame.symbols})
    share = np.array([[(frame.symbols == element).mean() for element in elements] for frame in frames])
    force = np.array([np.sqrt(np.mean(frame.arrays["REF_forces"] ** 2)) for frame in frames])
    energy = np.array([frame.info["REF_energy"] / len(frame) for frame in frames])
    columns = np.column_stack([share, force / max(force.max(), 1e-12)])
    left, size, _ = np.linalg.svd(columns, full_matrices=False)
    basis = left[:, size > 1e-9 * size[0]]
    if len(frames) < _FRAMES_PER_COEFFICIENT * basis.shape[1]:
        return None
    residual = energy - basis @ least_absolute_deviations(basis, energy)
    scale = max(robust_scale(residual), _LEAST_ENERGY_SCALE_eV)
    return EnergyFit(residual, scale, (basis**2).sum(axis=1) > _ALONE)


def least_absolute_deviations(columns: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The x that makes Σ |values - columns x| least: the dual variables of a linear programme
    (10.1287/mnsc.1.2.138).
    """
    from scipy.optimize import linprog

    solved = linprog(-values, A_eq=columns.T, b_eq=np.zeros(columns.shape[1]), bounds=(-1, 1))
    return -solved.eqlin.marginals


def force_z(frames: Sequence["Atoms"]) -> list[np.ndarray]:
    """Robust z of log |F| of each atom (N) among the atoms of its element, per frame.

    Force norms vary by factors, therefore the logarithm is used; below 0.05 eV/Å all count as small.
    """
    norms = [np.linalg.norm(frame.arrays["REF_forces"], axis=1) for frame in frames]
    log = np.log(np.maximum(np.concatenate(norms), _LEAST_FORCE_eV_PER_A))
    numbers = np.concatenate([frame.numbers for frame in frames])
    z = np.empty(len(log))
    for number in np.unique(numbers):
        own = log[numbers == number]
        z[numbers == number] = (own - np.median(own)) / max(robust_scale(own), _LEAST_LOG_SCALE)
    return np.split(z, np.cumsum([len(frame) for frame in frames])[:-1])
