"""Drift of the energy that a course at constant energy should keep."""

from collections.abc import Sequence

import numpy as np

_BLOCKS = 10


def drift(energy_eV: Sequence[float], atoms: int, timestep_fs: float) -> tuple[float, float] | None:
    """Slope of the total energy (meV/atom/ps) and half its 95 % interval; None for fewer than 20 steps.

    The line is fitted to the means of ten blocks, whose scatter tells the error: neighboring steps swing
    together.
    """
    from scipy.stats import t

    size = len(energy_eV) // _BLOCKS
    if size < 2:
        return None
    means = np.asarray(energy_eV[: size * _BLOCKS], dtype=float).reshape(_BLOCKS, size).mean(axis=1)
    times = 1e-3 * timestep_fs * size * np.arange(_BLOCKS)
    times = times - times.mean()
    slope = float(times @ means / (times @ times))
    left = means - means.mean() - slope * times
    spread = float(np.sqrt(left @ left / (_BLOCKS - 2) / (times @ times)))
    unit = 1e3 / atoms
    return unit * slope, unit * spread * float(t.ppf(0.975, _BLOCKS - 2))
