"""The energy of a crystal against its volume, and what follows: equilibrium volume and bulk modulus."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .asked import relaxed
from .potentials import Evaluate

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class VolumeCurve:
    """Energies (eV/atom, from the lowest) at volumes relative to the given one, and the fit of Birch and Murnaghan.

    `volume` is the one of lowest energy relative to the given one and `bulk_GPa` the bulk modulus there, with one
    standard error each from the residuals of the fit; None where the range has no minimum. `residual_meV_per_atom` is
    the root mean square of the residuals. With positions at rest, the modulus is an upper bound.
    """

    relative: np.ndarray
    energy_eV_per_atom: np.ndarray
    volume: float | None
    volume_err: float | None
    bulk_GPa: float | None
    bulk_GPa_err: float | None
    residual_meV_per_atom: float | None


def volume_curve(evaluate: Evaluate, atoms: "Atoms", relative: np.ndarray, relax_steps: int = 0) -> VolumeCurve:
    """The curve at the volumes `relative` to that of `atoms`, positions scaled or relaxed in `relax_steps`."""
    relative = np.asarray(relative, dtype=float)
    energies = []
    for factor in relative:
        scaled = atoms.copy()
        scaled.set_cell(atoms.cell.array * factor ** (1 / 3), scale_atoms=True)
        if relax_steps:
            scaled, _ = relaxed(evaluate, scaled, steps=relax_steps)
        energies.append(evaluate(scaled).energy / len(atoms))
    energy = np.array(energies)
    fit = _fitted(relative * atoms.get_volume() / len(atoms), energy)
    energy = energy - energy.min()
    if fit is None:
        return VolumeCurve(relative, energy, None, None, None, None, None)
    (volume, volume_err), (bulk, bulk_err), residual = fit
    given = atoms.get_volume() / len(atoms)
    return VolumeCurve(relative, energy, volume / given, volume_err / given, bulk, bulk_err, residual)


def _fitted(volumes: np.ndarray, energies: np.ndarray) -> tuple[tuple[float, float], tuple[float, float], float] | None:
    """Volume, bulk modulus (GPa) with errors and residual (meV); None without a minimum inside."""
    from ase.eos import birchmurnaghan
    from ase.units import GPa
    from scipy.optimize import curve_fit

    lowest = int(np.argmin(energies))
    if lowest in (0, len(energies) - 1):
        return None
    curvature = 2 * np.polyfit(volumes, energies, 2)[0]
    start = (energies[lowest], max(curvature, 1e-3) * volumes[lowest], 4.0, volumes[lowest])
    try:
        best, covariance = curve_fit(birchmurnaghan, volumes, energies, p0=start)
    except RuntimeError:
        return None
    if not volumes[0] <= best[3] <= volumes[-1]:
        return None
    errors = np.sqrt(np.diag(covariance))
    residual = 1e3 * float(np.sqrt(((birchmurnaghan(volumes, *best) - energies) ** 2).mean()))
    return (float(best[3]), float(errors[3])), (float(best[1] / GPa), float(errors[1] / GPa)), residual
