"""What every label has to pass, whatever its source: balanced forces, no step of D3, fitting moments."""

from collections.abc import Sequence

import numpy as np

from ..wording import outside

SPIN_TOLERANCE_MUB = 0.2
# dispersion pulls at an atom of an oxide with less than 0.1 eV/Å, where its coefficients do not switch
_MOST_DISPERSION_EV_PER_A = 0.3
_EV_PER_A3_IN_GPA = 160.2176634
# rounding in the file: a share of the largest component, and eV/Å³
_SYMMETRIC = (1e-3, 1e-5)


class Refused(Exception):
    """A frame that fails a check; `failure` is the name of the check."""

    def __init__(self, failure: str, message: str):
        super().__init__(message)
        self.failure = failure

    def record(self, source: str) -> dict[str, str]:
        """The refusal as it is listed."""
        return {"frame": source, "failure": self.failure, "message": str(self)}


def net_force_fault(net_eV_per_A: float, most_eV_per_A: float) -> str | None:
    """What is wrong with a net force |ΣF| above its limit; None for a good one."""
    if net_eV_per_A > most_eV_per_A:
        return f"the net force is {outside(net_eV_per_A, 0, most_eV_per_A, '.3f')} eV/Å, above {most_eV_per_A:g}"
    return None


def dispersion_fault(forces: np.ndarray, symbols: Sequence[str]) -> str | None:
    """What is wrong with the part of a D3 correction in the forces (N×3, eV/Å); None for a good one.

    The C6 of D3 (Grimme et al., J. Chem. Phys. 132, 154104 (2010), eq. 16) go over from one reference to the next
    within a few hundredths of the coordination number: for Cr, Mn, Fe, Co and Ni in an oxide by 0.1 eV within 0.3 % of
    strain, so that a frame that is caught there has several eV/Å and GPa of it.
    """
    pulls = np.linalg.norm(forces, axis=1)
    k = int(pulls.argmax())
    if pulls[k] > _MOST_DISPERSION_EV_PER_A:
        return (
            f"the dispersion correction alone pulls at atom {k + 1} ({symbols[k]}) with {pulls[k]:.2f} eV/Å, above "
            f"{_MOST_DISPERSION_EV_PER_A:g}: a C6 of D3 switches between references here"
        )
    return None


def spin_fault(sum_muB: float, multiplicity: int, of: str) -> str | None:
    """What is wrong with moments (`of` whom, in words) whose sum is not 2S within 0.2 µB; None for good ones."""
    if abs(sum_muB - (multiplicity - 1)) > SPIN_TOLERANCE_MUB:
        return f"the {of} moments add up to {sum_muB:.3f} µB, but multiplicity {multiplicity} means {multiplicity - 1}"
    return None


def pressure_GPa(stress: np.ndarray) -> float:
    """The pressure of a 3×3 stress in eV/Å³, positive under compression."""
    return float(-np.trace(stress) / 3 * _EV_PER_A3_IN_GPA)


def largest_GPa(stress: np.ndarray) -> float:
    """The largest |component| of a 3×3 stress in eV/Å³."""
    return float(np.abs(stress).max() * _EV_PER_A3_IN_GPA)


def asymmetry(stress: np.ndarray) -> float:
    """The largest |σij - σji| (eV/Å³) of a 3×3 stress; 0 if it is within the rounding of a file."""
    off = float(np.abs(stress - stress.T).max())
    share, least = _SYMMETRIC
    return off if off > share * float(np.abs(stress).max()) + least else 0.0


def stress_fault(stress: np.ndarray, most_GPa: float) -> str | None:
    """What is wrong with a 3×3 stress (eV/Å³) that is not symmetric or above `most_GPa`; None for a good one."""
    if (off := asymmetry(stress)) > 0:
        return f"the stress is not symmetric: two components that should be equal differ by {off:.3g} eV/Å³"
    if (largest := largest_GPa(stress)) > most_GPa:
        found = outside(largest, 0, most_GPa, ".4g")
        return (
            f"a stress of {found} GPa, above {most_GPa:g}: the unit must be eV/Å³ (1 eV/Å³ is 160.2 GPa or 1602 kbar)"
        )
    return None
