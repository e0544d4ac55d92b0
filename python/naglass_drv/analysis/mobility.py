"""Diffusion of the mobile ion at several temperatures, and its activation energy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import core
from .arrhenius import weighted_line
from .dynamics import TIMESTEP_FS, Course
from .transport import displacement, without_drift


def mobility(course: Course, ion: str, every: int) -> dict[str, float | str | None]:
    """D (m²/s) with its error, or the reason why there is none, and the MSD (Å²) of `ion` at the longest lag."""
    symbols = np.array(course.atoms.get_chemical_symbols())
    positions = without_drift(np.array(course.frames), course.atoms.get_masses(), symbols != ion)
    interval = 1e-3 * TIMESTEP_FS * every
    path = core.Trajectory(positions, interval, tuple(symbols), course.atoms.cell.array, False)
    found, moved = core.diffusion(path, ion), displacement(positions[:, symbols == ion], interval)
    unit = core.ANGSTROM2_PER_PS_IN_M2_PER_S
    return {
        "D_m2_per_s": None if found.coefficient is None else unit * found.coefficient,
        "D_m2_per_s_err": None if found.err is None else unit * found.err,
        "reason": found.reason,
        "lag_ps": float(moved.time[-1]),
        "msd_A2": float(moved.msd[-1]),
        "msd_A2_err": float(moved.err[-1]),
    }


def activation(found: Mapping[float, Mapping[str, Any]]) -> tuple[float, Sequence[float]] | None:
    """Activation energy (eV) and its 95 % interval from D by temperature (K), weighted by their errors; None with
    fewer than three values of D.
    """
    rows = [
        (kelvin, each["D_m2_per_s"], each["D_m2_per_s_err"] / each["D_m2_per_s"])
        for kelvin, each in found.items()
        if each["D_m2_per_s"] and each["D_m2_per_s_err"]
    ]
    if len(rows) < 3:
        return None
    line = weighted_line(rows)
    return line.energy_eV, line.energy_interval
