"""Mean square displacement of each ion at every lag, and self-diffusion from it, for trajectories in memory.

`core.msd` streams and needs no more than log(frames) of them; here the spread between single ions is wanted.
"""

from dataclasses import dataclass

import numpy as np

from .. import core
from ..core.diffusion import (
    DIFFUSIVE_EXPONENT,
    SMALLEST_MSD,
    Diffusion,
    exponent,
    longest_run,
    not_diffusive,
    still_rattling,
)
from ..core.trajectory import framework_weights, relative_to
from ..errors import InputError

# A window of lags counts when it spans this factor in time ...
_MIN_SPAN = 2.0
# ... and stays below this part of the trajectory, where origins are many enough
_MAX_LAG = 0.25
_BLOCKS = 5


@dataclass(frozen=True)
class Displacement:
    """Mean square displacement of one group on lags `time` (ps).

    `msd` and its standard error between atoms `err` in Å²; `per_atom` is (atoms, lags). `err` is NaN for one
    atom.
    """

    time: np.ndarray
    msd: np.ndarray
    err: np.ndarray
    per_atom: np.ndarray


def unwrapped(positions: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, bool]:
    """Unwrapped trajectory in the mean cell, and whether the given one was wrapped, by `core.unwrap`."""
    return core.unwrap(positions, cells)


def without_drift(positions: np.ndarray, masses: np.ndarray, host: np.ndarray) -> np.ndarray:
    """Positions (frames, atoms, 3) relative to the centre of mass of the `host` atoms (mask), itself at frame
    0.

    The host is the framework: the mobile ions are left out, so that their own common motion counts.
    """
    return relative_to(positions, framework_weights([""] * len(host), host, masses))


def displacement(positions: np.ndarray, interval: float) -> Displacement:
    """Mean square displacement over all time origins, for every lag up to half the trajectory.

    `positions` (frames, atoms, 3) in Å, unwrapped and without drift; `interval` between frames in ps. The sum
    over origins is split into squares and an autocorrelation by FFT (Calandrini et al. 2011,
    doi:10.1051/sfn/201112010), in float64 about each atom's mean position against cancellation.
    """
    frames = len(positions)
    if frames < 4:
        raise InputError(f"mean square displacement: at least 4 frames are needed, got {frames}")
    centred = positions - positions.mean(axis=0)
    square = (centred**2).sum(axis=2)
    spectrum = np.fft.rfft(centred, 2 * frames, axis=0)
    product = np.fft.irfft((np.abs(spectrum) ** 2).sum(axis=2), 2 * frames, axis=0)[:frames]
    padded = np.vstack([np.zeros(square.shape[1]), np.cumsum(square, axis=0)])
    lags = np.arange(frames // 2 + 1)
    # sums of r² over the origins and over the ends of all intervals of each lag
    both = padded[frames - lags] + padded[frames] - padded[lags]
    per_atom = ((both - 2 * product[lags]) / (frames - lags)[:, None]).T
    per_atom[:, 0] = 0.0
    atoms = len(per_atom)
    err = per_atom.std(axis=0, ddof=1) / np.sqrt(atoms) if atoms > 1 else np.full(len(lags), np.nan)
    return Displacement(lags * interval, per_atom.mean(axis=0), err, per_atom)


def log_lags(frames: int, per_decade: int = 40) -> np.ndarray:
    """Distinct lags 1 ... frames, about `per_decade` of them per factor of ten."""
    count = max(2, int(per_decade * np.log10(max(frames, 2))) + 1)
    return np.unique(np.rint(np.geomspace(1, frames, count)).astype(int))


def diffusion(positions: np.ndarray, interval: float, *, min_msd: float = SMALLEST_MSD) -> Diffusion:
    """Self-diffusion coefficient of a group of ions, D = (1/6) d MSD / dt, where the motion is diffusive.

    `positions` as for `displacement`. The fit uses the longest run of lags with a local exponent in [0.95,
    1.05] that lies below a quarter of the trajectory, spans a factor of two in time and reaches `min_msd`
    (Å²; the default is the square of half a Na-Na distance: less is rattling). The error is the larger of the
    spread between ions and the spread between five blocks of time, each as a standard error of the mean.
    """
    moved = displacement(positions, interval)
    usable = int(_MAX_LAG * len(positions))
    lags = log_lags(usable) if usable > 1 else np.array([1])
    if (moved.msd[lags] <= 0).any():
        return Diffusion(None, None, None, 0.0, "the ions do not move at all")
    local = exponent(moved.time[lags], moved.msd[lags])
    last = float(local[-1])
    run = longest_run((local >= DIFFUSIVE_EXPONENT[0]) & (local <= DIFFUSIVE_EXPONENT[1]), np.log(lags))
    if run is None or lags[run[1]] < _MIN_SPAN * lags[run[0]]:
        return Diffusion(None, None, None, last, not_diffusive(last, moved.time[lags[-1]]))
    low, high = int(lags[run[0]]), int(lags[run[1]])
    if moved.msd[high] < min_msd:
        return Diffusion(None, None, None, last, still_rattling(moved.msd[high], min_msd))
    slopes = _slopes(moved, low, high)
    errors = [slopes.std(ddof=1) / np.sqrt(len(slopes))] if len(slopes) > 1 else []
    length = len(positions) // _BLOCKS
    if high <= length // 2:
        blocks = positions[: length * _BLOCKS].reshape(_BLOCKS, length, *positions.shape[1:])
        in_time = np.array([_slopes(displacement(block, interval), low, high).mean() for block in blocks])
        errors.append(in_time.std(ddof=1) / np.sqrt(_BLOCKS))
    if not errors:
        return Diffusion(None, None, None, last, "one ion on a short trajectory: no error bar, hence no coefficient")
    return Diffusion(float(slopes.mean() / 6), float(max(errors) / 6), (low * interval, high * interval), last, None)


def _slopes(moved: Displacement, low: int, high: int) -> np.ndarray:
    window = slice(low, high + 1)
    return np.polyfit(moved.time[window], moved.per_atom[:, window].T, 1)[0]
