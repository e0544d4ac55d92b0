"""Diffusion coefficients, Haven ratio and ionic conductivity, where the motion is diffusive, and with errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .transport import Correlator, Curve, correlator

#: Local exponents d ln MSD / d ln t that count as diffusive.
DIFFUSIVE_EXPONENT = (0.95, 1.05)
ANGSTROM2_PER_PS_IN_M2_PER_S = 1e-8
#: Å²; half a Na–Na distance squared: an MSD below it is rattling.
SMALLEST_MSD = 2.5
# A window of lags counts when it spans this factor in time.
_MIN_SPAN = 2.0
_FEWEST_BLOCKS = 4
_ELEMENTARY_CHARGE_C = 1.602176634e-19
_BOLTZMANN_J_PER_K = 1.380649e-23


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


@dataclass(frozen=True)
class HavenRatio:
    """H_R = D*/D_σ in the diffusive window, None with a `reason` where there is none; `curve` is H_R by lag."""

    value: float | None
    err: float | None
    window: tuple[float, float] | None
    reason: str | None
    curve: Curve


@dataclass(frozen=True)
class Conductivity:
    """Ionic conductivity in S/m from the lags `window` (ps); None where the motion is not diffusive (`reason`)."""

    nernst_einstein: float | None
    nernst_einstein_err: float | None
    einstein: float | None
    einstein_err: float | None
    window: tuple[float, float] | None
    reason: str | None


def diffusion(source, element: str = "Na", *, min_msd: float = SMALLEST_MSD, **how) -> Diffusion:
    """Self-diffusion coefficient D* = (1/6) dMSD/dt of an element, where its motion is diffusive.

    `source` and `how` as for `msd`. The slope is fitted over the longest run of lags with a local exponent in
    [0.95, 1.05] that spans a factor of two in time, reaches `min_msd` (Å²) and leaves four blocks of time twice
    as long as the lag; each lag weighs 1/t², as its variance does. The error is the jackknife over these blocks.
    """
    filled = correlator(source, **how)
    window, exponent_there, reason = diffusive_window(filled, element, min_msd)
    if window is None:
        return Diffusion(None, None, None, exponent_there, reason)
    value, err = _slope(filled, window, lambda sums: sums.square(element) / filled.atoms[element])
    return Diffusion(value / 6, err / 6, _times(filled, window), exponent_there, None)


def haven_ratio(source, element: str = "Na", *, min_msd: float = SMALLEST_MSD, **how) -> HavenRatio:
    """Haven ratio H_R = D*/D_σ, D_σ = lim ⟨|ΣΔr|²⟩/(6Nt): 1 for independent ions, 1/N for ions that move as one.

    Give the `framework`, in whose frame D_σ is defined. Both slopes are fitted in the window of `diffusion`.
    H. Mehrer, Diffusion in Solids (Springer 2007), doi:10.1007/978-3-540-71488-0.
    """
    filled = correlator(source, **how)
    window, _, reason = diffusive_window(filled, element, min_msd)
    curve = filled.result().haven[element]
    if window is None:
        return HavenRatio(None, None, None, reason, curve)
    value, err = _ratio(filled, window, lambda sums: sums.square(element), lambda sums: sums.product(element, element))
    return HavenRatio(value, err, _times(filled, window), None, curve)


def conductivity(
    source,
    temperature_K: float,
    charges: Mapping[str, float] | None = None,
    volume: float | None = None,
    *,
    min_msd: float = SMALLEST_MSD,
    **how,
) -> Conductivity:
    """Ionic conductivity (S/m) of the elements in `charges` (e; default Na 1), by two routes.

    Nernst–Einstein: Σ n q² D*/(kT), blind to correlations between ions; Einstein: the slope of ⟨|Σ q Δr|²⟩
    over 6VkT, which holds them. Both in the diffusive window that all elements of `charges` share. Formal charges
    give the same static conductivity as Born charges in an insulator (Grasselli and Baroni,
    doi:10.1038/s41567-019-0562-0). `volume` in Å³; by default that of the cell given with the frames.
    """
    charges = dict(charges or {"Na": 1.0})
    filled = correlator(source, **how)
    volume = filled.volume if volume is None else volume
    if volume is None or not volume > 0:
        raise InputError(f"volume = {volume}: must be a positive volume (Å³), or known from a cell")
    if not temperature_K > 0:
        raise InputError(f"temperature_K = {temperature_K}: must be positive")
    windows = {}
    for element in charges:
        windows[element], _, reason = diffusive_window(filled, element, min_msd)
        if windows[element] is None:
            return Conductivity(None, None, None, None, None, f"{element}: {reason}")
    window = max(w[0] for w in windows.values()), min(w[1] for w in windows.values())
    if window[1] <= window[0]:
        return Conductivity(None, None, None, None, None, "the elements share no diffusive window")

    def alone(sums):
        return sum(q**2 * sums.square(e) for e, q in charges.items())

    def together(sums):
        return sum(p * q * sums.product(a, b) for a, p in charges.items() for b, q in charges.items())

    # e² Å²/ps over Å³ kT, in S/m
    unit = (
        _ELEMENTARY_CHARGE_C**2
        * ANGSTROM2_PER_PS_IN_M2_PER_S
        / (6 * volume * 1e-30 * _BOLTZMANN_J_PER_K * temperature_K)
    )
    slopes = [unit * number for sums in (alone, together) for number in _slope(filled, window, sums)]
    return Conductivity(*slopes, _times(filled, window), None)


def nernst_einstein(density: float, coefficient: float, temperature_K: float, charge: float = 1.0) -> float:
    """σ = n q² e² D/(kT) in S/m from a number density (1/m³), D (m²/s), T (K) and the charge (e)."""
    return density * (charge * _ELEMENTARY_CHARGE_C) ** 2 * coefficient / (_BOLTZMANN_J_PER_K * temperature_K)


def diffusive_window(filled: Correlator, element: str, min_msd: float):
    """First and last lag (indices) of the diffusive regime, the last usable exponent, and why there is none."""
    filled.species(element)
    result = filled.result()
    time, curve = result.time, result.msd[element]
    usable = int(np.isfinite(curve.err).sum())
    if usable < 2:
        return None, float("nan"), f"too short for an error: {filled.frames} frames"
    if (curve.value[:usable] <= 0).any():
        return None, 0.0, "the ions do not move at all"
    local = exponent(time[:usable], curve.value[:usable])
    last = float(local[-1])
    run = longest_run((local >= DIFFUSIVE_EXPONENT[0]) & (local <= DIFFUSIVE_EXPONENT[1]), np.log(time[:usable]))
    if run is None or time[run[1]] < _MIN_SPAN * time[run[0]]:
        return None, last, not_diffusive(last, time[usable - 1])
    if curve.value[run[1]] < min_msd:
        return None, last, still_rattling(curve.value[run[1]], min_msd)
    return run, last, None


def not_diffusive(last: float, time: float) -> str:
    return (
        f"d ln MSD / d ln t stays in [0.95, 1.05] nowhere over a factor of {_MIN_SPAN:g} in time; "
        f"it is {last:.2f} at {time:.3g} ps"
    )


def still_rattling(msd: float, min_msd: float) -> str:
    return f"the MSD reaches only {msd:.2g} Å² (needed: {min_msd:g} Å²): ions rattle, few hop"


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


def longest_run(good: np.ndarray, position: np.ndarray) -> tuple[int, int] | None:
    """First and last index of the run of true entries that spans most in `position`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
    runs = [(a, b - 1) for a, b in edges.reshape(-1, 2)]
    return max(runs, key=lambda run: position[run[1]] - position[run[0]], default=None)


def _times(filled: Correlator, window: tuple[int, int]) -> tuple[float, float]:
    time = filled.result().time
    return float(time[window[0]]), float(time[window[1]])


def _slope(filled: Correlator, window: tuple[int, int], total) -> tuple[float, float]:
    """Slope of a mean over origins in the window, per ps, and its jackknife error; `total` picks the sums."""
    return _jackknife(filled, window, lambda slopes: slopes[0], total)


def _ratio(filled: Correlator, window: tuple[int, int], upper, lower) -> tuple[float, float]:
    return _jackknife(filled, window, lambda slopes: slopes[0] / slopes[1], upper, lower)


def _jackknife(filled: Correlator, window: tuple[int, int], function, *totals) -> tuple[float, float]:
    result = filled.result()
    inside = slice(window[0], window[1] + 1)
    time = result.time[inside]
    sums = filled.block_sums(result.lags[window[1]])
    origins = sums.origins()[:, inside]
    series = [total(sums)[:, inside] for total in totals]

    def value(keep) -> float:
        count = origins[keep].sum(axis=0)
        means = [s[keep].sum(axis=0) / count for s in series]
        return function([np.polyfit(time, mean, 1, w=1 / time)[0] for mean in means])

    full = np.flatnonzero(origins[:, -1] > 0)
    if len(full) < _FEWEST_BLOCKS:
        raise InputError(f"window = {window}: only {len(full)} blocks of time hold it")
    left_out = np.array([value(np.delete(np.arange(len(origins)), k)) for k in full])
    err = np.sqrt((len(full) - 1) / len(full) * ((left_out - left_out.mean()) ** 2).sum())
    return float(value(np.arange(len(origins)))), float(err)
