"""Diffusion coefficients, Haven ratio and ionic conductivity with errors, if the motion is diffusive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .regime import Blocks, Regime, Total, regime
from .slopes import Interval, ratio_of, slope_of
from .statistics import student
from .transport import Correlator, Curve, correlator

ANGSTROM2_PER_PS_IN_M2_PER_S = 1e-8
#: Å²; half a Na–Na distance squared: an MSD below it is rattling.
SMALLEST_MSD = 2.5
_ELEMENTARY_CHARGE_C = 1.602176634e-19
_BOLTZMANN_J_PER_K = 1.380649e-23


@dataclass(frozen=True)
class Diffusion:
    """Self-diffusion coefficient, or the reason why there is none.

    `coefficient`, `err` (one standard error) and `interval` (95 %) in Å²/ps, from the lags `window` (ps); None when no
    diffusive motion is seen, and then `reason` says so. `exponent` ± `exponent_err` is d ln MSD / d ln t over the
    window, or else over the last factor of two in time that has an error. `upper` (Å²/ps) bounds D from above with 95 %
    where there is no coefficient and the motion is not faster than diffusion; else None.
    """

    coefficient: float | None
    err: float | None
    window: Interval | None
    exponent: float
    reason: str | None
    interval: Interval | None = None
    exponent_err: float = float("nan")
    upper: float | None = None


@dataclass(frozen=True)
class HavenRatio:
    """H_R = D*/D_σ in the diffusive window, or None with a `reason` if there is no window; `curve` is H_R by lag.

    `err` is one standard error, `interval` the 95 % confidence interval.
    """

    value: float | None
    err: float | None
    window: Interval | None
    reason: str | None
    curve: Curve
    interval: Interval | None = None


@dataclass(frozen=True)
class Conductivity:
    """Ionic conductivity in S/m from the lags `window` (ps); None if the motion is not diffusive (`reason`).

    `*_err` are standard errors, `*_interval` 95 % confidence intervals.
    """

    nernst_einstein: float | None
    nernst_einstein_err: float | None
    einstein: float | None
    einstein_err: float | None
    window: Interval | None
    reason: str | None
    nernst_einstein_interval: Interval | None = None
    einstein_interval: Interval | None = None


def diffusion(source, element: str = "Na", *, min_msd: float = SMALLEST_MSD, **how) -> Diffusion:
    """Self-diffusion coefficient D* = [MSD(2τ) - MSD(τ)]/6τ of an element, if its motion is diffusive.

    `source` and `how` as for `msd`. τ is the shortest lag for which the MSD reaches `min_msd` (Å²) and from which on
    the exponent d ln MSD / d ln t is compatible with [0.95, 1.05]; the run must contain six time blocks of 2τ or more.
    The error is the scatter between these blocks with Student's factor (docs/observables/transport.md).
    """
    filled = correlator(source, **how)
    filled.species(element)
    blocks = Blocks(filled)
    alone = _per_ion(filled, element)
    found = regime(blocks, alone, min_msd)
    if found.onset is None:
        bound = _upper(filled, blocks, found, element, min_msd)
        return Diffusion(None, None, None, found.exponent, found.reason, None, found.exponent_err, bound)
    slope = slope_of(blocks, found.onset, lambda sums: alone(sums) / 6)
    if reason := slope.too_wide("D", " Å²/ps"):
        bound = _upper(filled, blocks, found, element, min_msd)
        return Diffusion(None, None, None, found.exponent, reason, None, found.exponent_err, bound)
    window = _times(blocks, found.onset)
    return Diffusion(slope.value, slope.err, window, found.exponent, None, slope.interval, found.exponent_err)


def haven_ratio(source, element: str = "Na", *, min_msd: float = SMALLEST_MSD, **how) -> HavenRatio:
    """Haven ratio H_R = D*/D_σ, D_σ = lim ⟨|ΣΔr|²⟩/(6Nt): 1 for independent ions, 1/N for ions that move as one.

    Specify the `framework`: D_σ is defined in its frame of reference. Both slopes are taken at the same lag
    as in `diffusion`, at which the collective displacement must be diffusive too. The bias of a ratio is removed to
    second order. H. Mehrer, Diffusion in Solids (Springer 2007), doi:10.1007/978-3-540-71488-0.
    """
    filled = correlator(source, **how)
    filled.species(element)
    blocks = Blocks(filled)
    curve = blocks.found.haven[element]
    if filled.atoms[element] == 1:
        return HavenRatio(None, None, None, f"one {element} alone: its Haven ratio is 1 by definition", curve)

    def together(sums):
        return sums.product(element, element)

    found = regime(blocks, _per_ion(filled, element), min_msd, [together])
    if found.onset is None:
        return HavenRatio(None, None, None, found.reason, curve)
    ratio = ratio_of(blocks, found.onset, lambda sums: sums.square(element), together)
    if reason := ratio.too_wide("H_R", ""):
        return HavenRatio(None, None, None, reason, curve)
    return HavenRatio(ratio.value, ratio.err, _times(blocks, found.onset), None, curve, ratio.interval)


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
    over 6VkT, which includes them. Both at the longest of the elements' onsets of diffusion. Formal charges
    give the same static conductivity as Born charges in an insulator (Grasselli and Baroni,
    doi:10.1038/s41567-019-0562-0). `volume` in Å³; by default that of the cell given with the frames.
    """
    charges = dict(charges or {"Na": 1.0})
    filled = correlator(source, **how)
    volume = filled.volume if volume is None else volume
    if volume is None or not volume > 0:
        raise InputError(f"volume = {volume}: must be positive (Å³); without it, a cell is needed")
    if not temperature_K > 0:
        raise InputError(f"temperature_K = {temperature_K}: must be positive")
    for element in charges:
        filled.species(element)

    # e² Å²/ps over Å³ kT, in S/m
    unit = (
        _ELEMENTARY_CHARGE_C**2
        * ANGSTROM2_PER_PS_IN_M2_PER_S
        / (6 * volume * 1e-30 * _BOLTZMANN_J_PER_K * temperature_K)
    )

    def alone(sums):
        return unit * sum(q**2 * sums.square(e) for e, q in charges.items())

    def together(sums):
        return unit * sum(p * q * sums.product(a, b) for a, p in charges.items() for b, q in charges.items())

    blocks, onset = Blocks(filled), 0
    for element in charges:
        found = regime(blocks, _per_ion(filled, element), min_msd, [together])
        if found.onset is None:
            return Conductivity(None, None, None, None, None, f"{element}: {found.reason}")
        onset = max(onset, found.onset)
    uncorrelated, correlated = (slope_of(blocks, onset, total) for total in (alone, together))
    if reason := uncorrelated.too_wide("σ", " S/m") or correlated.too_wide("σ", " S/m"):
        return Conductivity(None, None, None, None, None, reason)
    return Conductivity(
        uncorrelated.value,
        uncorrelated.err,
        correlated.value,
        correlated.err,
        _times(blocks, onset),
        None,
        uncorrelated.interval,
        correlated.interval,
    )


def nernst_einstein(density: float, coefficient: float, temperature_K: float, charge: float = 1.0) -> float:
    """σ = n q² e² D/(kT) in S/m from a number density (1/m³), D (m²/s), T (K) and the charge (e)."""
    return density * (charge * _ELEMENTARY_CHARGE_C) ** 2 * coefficient / (_BOLTZMANN_J_PER_K * temperature_K)


def _per_ion(filled: Correlator, element: str) -> Total:
    return lambda sums: sums.square(element) / filled.atoms[element]


def _times(blocks: Blocks, onset: int) -> Interval:
    time = blocks.found.time
    return float(time[onset]), float(time[blocks.double[onset]])


def _upper(filled: Correlator, blocks: Blocks, found: Regime, element: str, min_msd: float) -> float | None:
    """Upper bound of D (95 %, Å²/ps), None where there is none.

    MSD(t)/6t never rises with t where motion is not faster than diffusion. Hops too rare to be seen at all are covered
    by three of a Na–Na distance in the whole run, the 95 % bound of a Poisson count of none.
    """
    if found.last is None or found.exponent > 1.0 + 2 * found.exponent_err:
        return None
    ions = filled.atoms[element]
    means = blocks.means(found.last, [lambda sums: sums.square(element) / ions])
    assert means is not None
    msd = means.mean[0, 1] + student(means.freedom, 1.645) * np.sqrt(means.covariance[1, 1])
    time = blocks.found.time[blocks.double[found.last]]
    unseen = 3 * 4 * min_msd / (ions * blocks.samples * filled.interval)
    return float((msd / time + unseen) / 6)
