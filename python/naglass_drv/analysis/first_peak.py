"""The first sharp diffraction peak: where S(Q) has its first maximum, and how wide it is."""

from dataclasses import dataclass

import numpy as np

# 1/Å: peaks of the network are looked for here, and fitted this far on both sides of the highest point
_LOWEST, _HIGHEST, _REACH = 0.6, 2.8, 0.7
# of the range of S below the highest Q: smaller bumps are noise
_PROMINENCE = 0.25
_PARAMETERS = 4


@dataclass(frozen=True)
class FirstPeak:
    """Position and full width at half maximum (1/Å) with their standard errors, None where none can be given. Without a
    width where its error is larger than half of it, as in small cells, which have few wave vectors.
    """

    position: float
    position_err: float | None
    width: float | None
    width_err: float | None


def first_sharp_peak(q: np.ndarray, s: np.ndarray, err: np.ndarray) -> FirstPeak | None:
    """The first maximum of a structure factor `s` (K,) at `q` (K,) 1/Å with standard errors `err` (K,), as a Lorentzian
    on a constant, which is fitted to the points within 0.7 1/Å of it. None where no peak stands out below 2.8 1/Å.

    Width and position tell of the extent and period of the intermediate-range order, 2π/ΔQ and 2π/Q (S. R. Elliott,
    Phys. Rev. Lett. 67, 711 (1991), doi:10.1103/PhysRevLett.67.711). Errors grow by the root of χ² per degree of
    freedom where the line misses the points.
    """
    from scipy.optimize import curve_fit

    known = np.isfinite(s) & (q >= _LOWEST) & (q <= _HIGHEST + _REACH)
    q, s, err = q[known], s[known], err[known]
    top = _first_maximum(q, s)
    if top is None:
        return None
    near = abs(q - q[top]) <= _REACH
    x, y, sigma = q[near], s[near], err[near]
    freedom = len(x) - _PARAMETERS
    if freedom < 1:
        return None
    weighted = bool((np.isfinite(sigma) & (sigma > 0)).all())
    height = float(s[top] - y.min())
    try:
        found, covariance = curve_fit(
            _lorentzian, x, y, (y.min(), height, q[top], 0.3), sigma if weighted else None, absolute_sigma=weighted,
            bounds=((-np.inf, 0.0, x[0], 0.02), (np.inf, 10 * height, x[-1], _REACH)),
        )  # fmt: skip
    except RuntimeError:
        return None
    errors = np.sqrt(np.diag(covariance))
    if weighted:
        chi2 = (((y - _lorentzian(x, *found)) / sigma) ** 2).sum() / freedom
        errors = errors * np.sqrt(max(chi2, 1.0))
    place, half_width = (float(value) for value in found[2:])
    place_err, half_err = (float(value) if np.isfinite(value) else None for value in errors[2:])
    if half_width > 0.99 * _REACH or half_err is None or half_err > half_width / 2:
        return FirstPeak(place, place_err, None, None)
    return FirstPeak(place, place_err, 2 * half_width, 2 * half_err)


def _lorentzian(q: np.ndarray, base: float, height: float, position: float, half_width: float) -> np.ndarray:
    return base + height / (1 + ((q - position) / half_width) ** 2)


def _first_maximum(q: np.ndarray, s: np.ndarray) -> int | None:
    from scipy.signal import find_peaks

    inside = np.flatnonzero(q <= _HIGHEST)
    if len(inside) < _PARAMETERS:
        return None
    smooth = np.convolve(np.pad(s, 1, mode="edge"), (0.25, 0.5, 0.25), "valid")
    peaks, _ = find_peaks(smooth[inside], prominence=_PROMINENCE * np.ptp(smooth[inside]))
    return int(peaks[0]) if len(peaks) else None
