"""The diffusive regime, and slopes of correlations there, with their covariance from time blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..wording import digits, with_error
from .statistics import student
from .transport import BlockSums, Correlator

#: Local exponents d ln MSD / d ln t that count as diffusive.
DIFFUSIVE_EXPONENT = (0.95, 1.05)
#: An exponent with a larger error than this does not determine the regime.
_WORST_EXPONENT_ERR = 0.15
# Standard errors by which an exponent has to leave the diffusive range, at the onset and at any longer lag
_OFF_AT_ONSET, _OFF_LATER = 2.0, 3.0
_FEWEST_BLOCKS = 6
#: A run has to be this many times longer than the onset of diffusion, at least.
LEAST_ONSETS = 2 * _FEWEST_BLOCKS
# If the run is long enough, blocks are longer than needed: correlations may outlast a lag.
_MOST_BLOCKS = 20
# Brownian motion: ∫|s|C(s)ds / (t₂ ∫C(s)ds) with C the autocovariance of Δr²(t₂) - Δr²(t₂/2) along the run. It is the
# share of the variance that neighboring blocks of length t₂ have in common.
_SHARED = 0.146

#: Picks Σ over origins, per block and lag, of what is correlated.
Total = Callable[[BlockSums], np.ndarray]


class Exponent(NamedTuple):
    """An exponent d ln m / d ln t, its standard error, and the degrees of freedom of that."""

    value: float
    err: float
    freedom: float

    def outside(self, errors: float) -> bool:
        """Whether it is outside the diffusive range by more than this many standard errors."""
        low, high = DIFFUSIVE_EXPONENT
        return max(low - self.value, self.value - high) > student(self.freedom, errors) * self.err


@dataclass(frozen=True)
class Means:
    """Means of several quantities at the lags τ, 2τ, 4τ ..., with their covariance.

    `mean` is (quantities, lags) in the quantities' own units; `covariance` (quantities × lags) squared, in the order of
    `mean.ravel()`; `freedom` the degrees of freedom of the covariance.
    """

    mean: np.ndarray
    covariance: np.ndarray
    freedom: float

    def slopes(self, lag: float) -> tuple[np.ndarray, np.ndarray]:
        """(quantities,) slopes [m(2τ) - m(τ)]/τ with τ = `lag`, and their covariance (quantities, quantities).

        For Brownian motion its variance is within 2 % of that of generalized least squares with the full covariance
        of all lags of τ and more, a free intercept (the cage) included.
        """
        difference = np.kron(np.eye(len(self.mean)), [-1.0, 1.0]) / lag
        return difference @ self.mean.ravel(), difference @ self.covariance @ difference.T

    def curvature(self) -> tuple[float, float]:
        """[m(4τ) - m(2τ)]/2 - [m(2τ) - m(τ)] of the first quantity, 0 on a straight line, and its standard error."""
        weights = np.array([1.0, -1.5, 0.5])
        return float(weights @ self.mean[0]), float(np.sqrt(weights @ self.covariance[:3, :3] @ weights))

    def exponents(self) -> list[Exponent]:
        """d ln m / d ln t of each quantity between τ and 2τ; NaN without motion."""
        found, lags = [], self.mean.shape[1]
        for n, (at, twice) in enumerate(self.mean[:, :2]):
            if not (at > 0 and twice > 0):
                found.append(Exponent(math.nan, math.nan, self.freedom))
                continue
            two = slice(n * lags, n * lags + 2)
            gradient = np.array([-1 / at, 1 / twice]) / math.log(2)
            err = math.sqrt(gradient @ self.covariance[two, two] @ gradient)
            found.append(Exponent(math.log2(twice / at), err, self.freedom))
        return found


class Blocks:
    """Sums over origins of a filled correlator in consecutive blocks of time."""

    def __init__(self, filled: Correlator):
        self._sums = filled.block_sums(0)
        #: (blocks, lags) time origins
        self.origins = self._sums.origins()
        self._width = int(self.origins[:, 0].max(initial=1))  # frames; the first lag has an origin at every frame
        #: of the whole run, at each lag
        self.found = filled.result()
        self.lags = self.found.lags
        self.samples = int(self.origins[:, 0].sum())  # frames, of all runs that were merged
        self.interval = filled.interval  # ps
        place = {int(lag): k for k, lag in enumerate(self.lags)}
        #: index of a lag -> index of its double
        self.double = {k: place[2 * int(lag)] for k, lag in enumerate(self.lags) if 2 * int(lag) in place}

    def curve(self, total: Total) -> np.ndarray:
        """(lags,) mean over all origins of what `total` picks."""
        return total(self._sums).sum(axis=0) / self.origins.sum(axis=0)

    def means(self, k: int, totals: Sequence[Total], lags: int = 2) -> Means | None:
        """`totals` at lag number k, at its double, ...; None if fewer than six blocks of time contain all `lags`."""
        chosen = [k]
        while len(chosen) < lags:
            if chosen[-1] not in self.double:
                return None
            chosen.append(self.double[chosen[-1]])
        longest = int(self.lags[chosen[-1]])
        together = -(-max(longest, self.samples // _MOST_BLOCKS) // self._width)
        first = np.arange(0, len(self.origins), together)
        origins = np.add.reduceat(self.origins[:, chosen], first)
        count = origins.sum(axis=0)
        blocks = count[0] ** 2 / (origins[:, 0] ** 2).sum()
        if blocks < _FEWEST_BLOCKS or (origins[:, -1] > 0).sum() < _FEWEST_BLOCKS:
            return None
        sums = np.stack([np.add.reduceat(total(self._sums)[:, chosen], first) for total in totals], axis=1)
        mean = sums.sum(axis=0) / count
        residual = ((sums - origins[:, None] * mean) / count).reshape(len(first), -1)
        shared = _SHARED * longest / (together * self._width)
        # blocks of one run have neighbors: what a sum over blocks gains by it, and what their scatter loses
        overlap = (blocks - shared) / (blocks - shared * (blocks + 1))
        return Means(mean, overlap * blocks / (blocks - 1) * residual.T @ residual, blocks - 1)


@dataclass(frozen=True)
class Regime:
    """Lag number `onset` from which on the motion is diffusive, or None and the `reason`.

    `exponent` and its error at the onset, or else at the longest lag with an error, whose number is `last`.
    """

    onset: int | None
    exponent: float
    exponent_err: float
    last: int | None
    reason: str | None


def regime(blocks: Blocks, alone: Total, min_msd: float, together: Sequence[Total] = ()) -> Regime:
    """The diffusive regime of ions whose MSD is `alone`: the shortest lag τ with an MSD of `min_msd` (Å²), from which
    on no exponent lies significantly outside of the diffusive range; nor those of `together`, if any.
    """
    msd, time = blocks.curve(alone), blocks.found.time
    means = {k: blocks.means(k, [alone, *together]) for k in blocks.double}
    known = {k: found.exponents() for k, found in means.items() if found is not None}
    if not known:
        return Regime(None, math.nan, math.nan, None, f"too short for an error: {blocks.samples + 1} frames")
    last = max(known)
    if (msd[: blocks.double[last] + 1] <= 0).any():
        nothing = "no displacement is seen beyond rattling" if msd.any() else "the ions do not move at all"
        return Regime(None, 0.0, 0.0, last, nothing)
    usual = {k: _over_an_octave(blocks.lags, known, k) for k in known}
    late = usual[last][0]
    off = [k for k, exponents in usual.items() if any(each.outside(_OFF_LATER) for each in exponents)]
    if last in off:
        which = next(n for n, each in enumerate(usual[last]) if each.outside(_OFF_LATER))
        reason = _not_diffusive(("MSD", "⟨|ΣΔr|²⟩")[which], usual[last][which], time[last])
        return Regime(None, late.value, late.err, last, reason)
    reaching = [k for k in known if msd[k] >= min_msd]
    if not reaching:
        reason = _too_short(msd, time, min_msd, blocks.samples * blocks.interval)
        return Regime(None, late.value, late.err, last, reason)
    for k in range(max(min(reaching), max(off, default=-1) + 1), last + 1):
        own = known[k][0]
        steady = own.err <= _WORST_EXPONENT_ERR and not any(each.outside(_OFF_AT_ONSET) for each in known[k])
        if steady and not _bends(blocks, k, alone):
            return Regime(k, own.value, own.err, last, None)
    own = known[last][0]
    reason = (_unknown if own.err > _WORST_EXPONENT_ERR else _not_diffusive)("MSD", own, time[last])
    return Regime(None, own.value, own.err, last, reason)


def _over_an_octave(lags: np.ndarray, known: dict[int, list[Exponent]], k: int) -> list[Exponent]:
    """Medians over the lags of the octave that ends with lag number k: less noise than a single lag has."""
    octave = np.array([known[m] for m in known if lags[k] / 2 < lags[m] <= lags[k]])
    value, err, freedom = np.median(octave, axis=0).T
    return [Exponent(*map(float, each)) for each in zip(value, err, freedom, strict=True)]


def _bends(blocks: Blocks, k: int, alone: Total) -> bool:
    """Whether the slope of the MSD changes from one octave to the next, by more than three standard errors.

    The slope of the first octave, nearly the best estimate from all lags, hardly correlates with this difference (as
    in Hausman's test), so that the choice does not distort its distribution.
    """
    found = blocks.means(k, [alone], lags=3)
    if found is None:
        return False
    curvature, err = found.curvature()
    return abs(curvature) > student(found.freedom, _OFF_LATER) * err


def _not_diffusive(of: str, exponent: Exponent, time: float) -> str:
    return (
        f"d ln {of} / d ln t is nowhere compatible with [0.95, 1.05] over a factor of 2 in time; "
        f"it is {with_error(exponent.value, exponent.err)} at {digits(time, 3)} ps"
    )


def _unknown(of: str, exponent: Exponent, time: float) -> str:
    return (
        f"d ln {of} / d ln t is known only as {with_error(exponent.value, exponent.err)} at {digits(time, 3)} ps: "
        "too few ions or too short a run to tell whether the motion is diffusive"
    )


def _too_short(msd: np.ndarray, time: np.ndarray, min_msd: float, duration: float) -> str:
    shown = time <= duration / 2
    far = np.flatnonzero(shown & (msd >= min_msd))
    if len(far):
        return (
            f"the MSD reaches {digits(min_msd, 3)} Å² after {digits(time[far[0]], 3)} ps, and the run of "
            f"{digits(duration, 3)} ps is not {LEAST_ONSETS} times longer than that"
        )
    return (
        f"the MSD reaches only {digits(msd[shown][-1], 2)} Å² (needed: {digits(min_msd, 3)} Å²) in "
        f"{digits(time[shown][-1], 3)} ps: ions rattle, few hop"
    )
