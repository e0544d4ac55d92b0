"""Mean square displacement and self-diffusion from unwrapped trajectories."""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError

DIFFUSIVE_EXPONENT = (0.95, 1.05)
ANGSTROM2_PER_PS_IN_M2_PER_S = 1e-8
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


@dataclass(frozen=True)
class Diffusion:
    """Self-diffusion coefficient, or why there is none.

    `coefficient` and `err` in Å²/ps, from the lags `window` (ps); None when the motion is not diffusive, and
    then `reason` says so. `exponent` is d ln MSD / d ln t over the last usable lags.
    """

    coefficient: float | None
    err: float | None
    window: tuple[float, float] | None
    exponent: float
    reason: str | None


def unwrapped(positions: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, bool]:
    """Unwrapped trajectory in the mean cell, and whether the given one was wrapped.

    `positions` (frames, atoms, 3) and `cells` (frames, 3, 3) in Å. Scaled coordinates of each frame's own
    cell are multiplied by the mean cell, so that a breathing cell is no diffusion. A step of more than half a
    cell edge is a wrap and is undone by the nearest image. InputError when after that an atom still moves by
    more than a quarter of a cell edge between frames, since the nearest image is then a guess.
    """
    positions, cells = np.asarray(positions, dtype=float), np.asarray(cells, dtype=float)
    scaled = np.einsum("tnx,txy->tny", positions, np.linalg.inv(cells))
    step = np.diff(scaled, axis=0)
    jump = np.rint(step)
    wrapped = bool(jump.any())
    if wrapped:
        if np.abs(step - jump).max() > 0.25:
            raise InputError(
                "wrapped trajectory: frames are too far apart to unwrap it "
                f"(a step of {np.abs(step - jump).max():.2f} of a cell edge); write unwrapped positions"
            )
        scaled[1:] -= np.cumsum(jump, axis=0)
    return scaled @ cells.mean(axis=0), wrapped


def without_drift(positions: np.ndarray, masses: np.ndarray, host: np.ndarray) -> np.ndarray:
    """Positions (frames, atoms, 3) relative to the centre of mass of the `host` atoms (mask), itself at frame
    0.

    The host is the framework: the mobile ions are left out, so that their own common motion counts.
    """
    if not host.any():
        raise InputError("no framework atoms: the drift of the cell is not defined")
    centre = np.average(positions[:, host], axis=1, weights=masses[host])
    return positions - (centre - centre[0])[:, None]


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


def exponent(time: np.ndarray, msd: np.ndarray, span: float = 1.5) -> np.ndarray:
    """Local exponent d ln MSD / d ln t: at each lag the slope of a line through the lags within a factor
    `span`.
    """
    x, y = np.log(time), np.log(msd)
    result = np.empty(len(x))
    for k in range(len(x)):
        near = np.abs(x - x[k]) <= np.log(span)
        result[k] = np.polyfit(x[near], y[near], 1)[0] if near.sum() > 1 else np.nan
    return result


def log_lags(frames: int, per_decade: int = 40) -> np.ndarray:
    """Distinct lags 1 ... frames, about `per_decade` of them per factor of ten."""
    count = max(2, int(per_decade * np.log10(max(frames, 2))) + 1)
    return np.unique(np.rint(np.geomspace(1, frames, count)).astype(int))


def diffusion(positions: np.ndarray, interval: float, *, min_msd: float = 2.5) -> Diffusion:
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
    run = _longest_run((local >= DIFFUSIVE_EXPONENT[0]) & (local <= DIFFUSIVE_EXPONENT[1]), np.log(lags))
    if run is None or lags[run[1]] < _MIN_SPAN * lags[run[0]]:
        reason = (
            f"d ln MSD / d ln t stays in [0.95, 1.05] nowhere over a factor of {_MIN_SPAN:g} in time; "
            f"it is {last:.2f} at {moved.time[lags[-1]]:.3g} ps"
        )
        return Diffusion(None, None, None, last, reason)
    low, high = int(lags[run[0]]), int(lags[run[1]])
    if moved.msd[high] < min_msd:
        reason = (
            f"the MSD reaches only {moved.msd[high]:.2g} Å² (needed: {min_msd:g} Å²): ions rattle, few hop"
        )
        return Diffusion(None, None, None, last, reason)
    slopes = _slopes(moved, low, high)
    errors = [slopes.std(ddof=1) / np.sqrt(len(slopes))] if len(slopes) > 1 else []
    length = len(positions) // _BLOCKS
    if high <= length // 2:
        blocks = positions[: length * _BLOCKS].reshape(_BLOCKS, length, *positions.shape[1:])
        in_time = np.array([_slopes(displacement(block, interval), low, high).mean() for block in blocks])
        errors.append(in_time.std(ddof=1) / np.sqrt(_BLOCKS))
    if not errors:
        return Diffusion(
            None, None, None, last, "one ion on a short trajectory: no error bar, hence no coefficient"
        )
    return Diffusion(
        float(slopes.mean() / 6), float(max(errors) / 6), (low * interval, high * interval), last, None
    )


def _slopes(moved: Displacement, low: int, high: int) -> np.ndarray:
    window = slice(low, high + 1)
    return np.polyfit(moved.time[window], moved.per_atom[:, window].T, 1)[0]


def _longest_run(good: np.ndarray, position: np.ndarray) -> tuple[int, int] | None:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
    runs = [(a, b - 1) for a, b in edges.reshape(-1, 2)]
    return max(runs, key=lambda run: position[run[1]] - position[run[0]], default=None)
