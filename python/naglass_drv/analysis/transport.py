"""Mean square displacement of each ion at every lag, for trajectories in memory.

`core.msd` streams and needs no more than log(frames) of them; here the spread between single ions is wanted.
"""

from dataclasses import dataclass

import numpy as np

from .. import core
from ..core.trajectory import framework_weights, relative_to
from ..errors import InputError


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
    """Positions (frames, atoms, 3) relative to the center of mass of the `host` atoms (mask), itself at frame
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
    centered = positions - positions.mean(axis=0)
    square = (centered**2).sum(axis=2)
    spectrum = np.fft.rfft(centered, 2 * frames, axis=0)
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
