"""Where motion is diffusive, and slopes of correlations there, with their covariance from blocks of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .statistics import student
from .transport import BlockSums, Correlator

#: Local exponents d ln MSD / d ln t that count as diffusive.
DIFFUSIVE_EXPONENT = (0.95, 1.05)
#: An exponent that is known no better than this says nothing about the regime.
_WORST_EXPONENT_ERR = 0.15
# Standard errors by which an exponent has to leave the diffusive range, at the onset and at any longer lag
_OFF_AT_ONSET, _OFF_LATER = 2.0, 3.0
_FEWEST_BLOCKS = 6
# A block is at least this many times longer than the longer lag of a slope.
_BLOCK_PER_LAG = 2
# Where the run is long enough, blocks are longer than needed: motion may remember more than a lag shows.
_MOST_BLOCKS = 20
# Brownian motion: ∫|s|C(s)ds / (t₂ ∫C(s)ds) with C the autocovariance of Δr²(t₂) - Δr²(t₂/2) along the run. It is the
# share of the variance that neighboring blocks of length t₂ have in common.
_SHARED = 0.146

#: Picks Σ over origins, per block and lag, of what is correlated.
Total = Callable[[BlockSums], np.ndarray]


@dataclass(frozen=True)
class Pair:
    """Means of several quantities at a lag τ and at 2τ, with their covariance.

    `mean` is (quantities, 2) in the quantities' own units; `covariance` (2 quantities, 2 quantities), in the order of
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

    def exponent(self) -> tuple[float, float]:
        """log₂ m(2τ)/m(τ) of the first quantity, the exponent d ln m / d ln t, and its standard error; NaN without motion."""
        at, twice = self.mean[0]
        if not (at > 0 and twice > 0):
            return float("nan"), float("nan")
        gradient = np.array([-1 / at, 1 / twice]) / np.log(2)
        return float(np.log2(twice / at)), float(np.sqrt(gradient @ self.covariance[:2, :2] @ gradient))


class Blocks:
    """Sums over origins of a filled correlator in consecutive blocks of time."""

    def __init__(self, filled: Correlator):
        self._sums = filled.block_sums(0)
        self._origins = self._sums.origins()
        self._width = int(self._origins[:, 0].max(initial=1))  # frames; the first lag has an origin at every frame
        self.lags = filled.result().lags
        self.samples = int(self._origins[:, 0].sum())  # frames, of all runs that were merged
        place = {int(lag): k for k, lag in enumerate(self.lags)}
        #: index of a lag -> index of its double
        self.double = {k: place[2 * int(lag)] for k, lag in enumerate(self.lags) if 2 * int(lag) in place}

    def pair(self, k: int, totals: Sequence[Total]) -> Pair | None:
        """`totals` at lag number k and at its double; None where fewer than six blocks of time hold them."""
        chosen = [k, self.double[k]]
        needed = _BLOCK_PER_LAG * int(self.lags[chosen[1]])
        together = -(-max(needed, self.samples // _MOST_BLOCKS) // self._width)
        first = np.arange(0, len(self._origins), together)
        origins = np.add.reduceat(self._origins[:, chosen], first)
        count = origins.sum(axis=0)
        blocks = count[0] ** 2 / (origins[:, 0] ** 2).sum()
        if blocks < _FEWEST_BLOCKS or (origins[:, 1] > 0).sum() < _FEWEST_BLOCKS:
            return None
        sums = [np.add.reduceat(total(self._sums)[:, chosen], first) for total in totals]
        mean = np.array([s.sum(axis=0) / count for s in sums])
        residual = np.concatenate([(s - origins * m) / count for s, m in zip(sums, mean)], axis=1)
        shared = _SHARED * self.lags[chosen[1]] / (together * self._width)
        # blocks of one run have neighbors: what a sum over blocks gains by it, and what their scatter loses
        overlap = (blocks - shared) / (blocks - shared * (blocks + 1))
        return Pair(mean, overlap * blocks / (blocks - 1) * residual.T @ residual, blocks - 1)


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


def regime(filled: Correlator, blocks: Blocks, element: str, min_msd: float, together: Sequence[Total] = ()) -> Regime:
    """The diffusive regime of an element: the shortest lag τ with an MSD at 2τ of `min_msd` (Å²), from which on no
    exponent lies significantly outside of the diffusive range; nor those of `together`, if any.
    """
    msd, time = filled.result().msd[element].value, filled.result().time
    pairs = {k: [blocks.pair(k, [total]) for total in (_squares(element), *together)] for k in blocks.double}
    pairs = {k: found for k, found in pairs.items() if found[0] is not None}
    if not pairs:
        return Regime(None, float("nan"), float("nan"), None, f"too short for an error: {blocks.samples + 1} frames")
    last = max(pairs)
    if (msd[: blocks.double[last] + 1] <= 0).any():
        return Regime(None, 0.0, 0.0, last, "the ions do not move at all")
    known = {k: [(*pair.exponent(), pair.freedom) for pair in found] for k, found in pairs.items()}
    value, err, _ = known[last][0]
    off = [k for k, found in known.items() if any(_outside(*each, _OFF_LATER) for each in found)]
    if last in off:
        own = _outside(*known[last][0], _OFF_LATER)
        return Regime(None, value, err, last, not_diffusive(*known[last][0 if own else 1][:2], time[last], own))
    reaching = [k for k in known if msd[blocks.double[k]] >= min_msd]
    if not reaching:
        return Regime(None, value, err, last, _too_short(msd, time, min_msd, blocks.samples * filled.interval))
    for k in range(max(min(reaching), max(off, default=-1) + 1), last + 1):
        value, err, _ = known[k][0]
        if err <= _WORST_EXPONENT_ERR and not any(_outside(*each, _OFF_AT_ONSET) for each in known[k]):
            return Regime(k, value, err, last, None)
    if err > _WORST_EXPONENT_ERR:
        return Regime(None, value, err, last, _unknown_exponent(value, err, time[last]))
    return Regime(None, value, err, last, not_diffusive(value, err, time[last], True))


def _squares(element: str) -> Total:
    return lambda sums: sums.square(element)


def _outside(value: float, err: float, freedom: float, errors: float) -> bool:
    low, high = DIFFUSIVE_EXPONENT
    return max(low - value, value - high) > student(freedom, errors) * err


def not_diffusive(exponent: float, err: float, time: float, own: bool) -> str:
    of = "MSD" if own else "⟨|ΣΔr|²⟩"
    return (
        f"d ln {of} / d ln t is compatible with [0.95, 1.05] nowhere over a factor of 2 in time; "
        f"it is {exponent:.2f} ± {err:.2g} at {time:.3g} ps"
    )


def _unknown_exponent(exponent: float, err: float, time: float) -> str:
    return (
        f"d ln MSD / d ln t is known only as {exponent:.2f} ± {err:.2g} at {time:.3g} ps: "
        "too few ions or too short a run to tell whether the motion is diffusive"
    )


def _too_short(msd: np.ndarray, time: np.ndarray, min_msd: float, duration: float) -> str:
    shown = time <= duration / 2
    far = np.flatnonzero(shown & (msd >= min_msd))
    if len(far):
        needed = _FEWEST_BLOCKS * _BLOCK_PER_LAG
        return (
            f"the MSD reaches {min_msd:g} Å² after {time[far[0]]:.3g} ps, and the run of {duration:.3g} ps is not "
            f"{needed} times longer than that"
        )
    return (
        f"the MSD reaches only {msd[shown][-1]:.2g} Å² (needed: {min_msd:g} Å²) in {time[shown][-1]:.3g} ps: "
        "ions rattle, few hop"
    )
