"""Mobility of ions by layer: diffusion along and across the layers, and hop rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core import Hops
from ..core.statistics import clustered, student
from ..errors import InputError

_TIME_BLOCKS = 10
# Fewer events than this are treated as independent: they are too few to show their scatter.
_FEW = 20


@dataclass(frozen=True)
class LayerMobility:
    """Diffusion coefficients per layer in Å²/ps, with one standard error each; NaN where no ion was in the layer."""

    parallel: np.ndarray  #: (layers,) by the MSD of those that stay
    parallel_err: np.ndarray
    parallel_passage: np.ndarray  #: (layers,) until they leave: not biased by hops that are long for the layer
    parallel_passage_err: np.ndarray
    perpendicular: np.ndarray  #: (layers,) by first passage out of the layer
    perpendicular_err: np.ndarray
    surviving: np.ndarray  #: (layers,) share of the ions that are still in the layer after the longer lag
    first_passage_ps: np.ndarray  #: (layers,) mean time until an ion leaves its layer, at most the longer lag


@dataclass(frozen=True)
class LayerRates:
    """Hops per ion and time (1/ps) per layer, and their standard errors; 0 with an error of one hop where none was
    seen."""

    rate: np.ndarray  #: (layers,)
    err: np.ndarray
    hops: np.ndarray  #: (layers,) int, those that were seen


def layer_mobility(
    positions: np.ndarray,
    layer: np.ndarray,
    interval_ps: float,
    lags_ps: tuple[float, float],
    *,
    normal: Sequence[float] = (0.0, 0.0, 1.0),
) -> LayerMobility:
    """Diffusion of ions within their layers, from the growth of displacements between two lags.

    `positions` (frames, M, 3) in Å are unwrapped, relative to the framework; `layer` (frames, M) is the number of each
    ion's layer, -1 for none. `normal` is a vector across the layers.

    Along the layers: the MSD of the ions that stay in their layer throughout, D = d⟨Δr²⟩/4dt [Liu, Harder & Berne,
    J. Phys. Chem. B 108, 6595 (2004), 10.1021/jp0375057]. Those that stay have hopped less than others: for hops of 3 Å
    in any direction it is low by 5 to 8 % in layers of 10 Å, 2 to 4 % in 20 Å. Across: each ion is followed until it
    first leaves its layer, or for the lag t at most. With τ this time, ⟨Δz²(τ)⟩ = 2 D⟨τ⟩ for any walk without memory
    (Wald's second identity), whatever the length of the hops that lead out, so D = Δ⟨Δz²⟩/2Δ⟨τ⟩ between the two lags;
    `parallel_passage` is the same along the layers. Rattling is equal at both lags and drops out; the shorter one has
    to be beyond it. Memory: about ten arrays of (frames, M). Errors: scatter between blocks of time, or between ions
    where that is larger. InputError for lags that do not fit into the trajectory.
    """
    lags = tuple(round(lag / interval_ps) for lag in lags_ps)
    frames = len(positions)
    if not 1 <= lags[0] < lags[1] < frames / 2:
        raise InputError(
            f"lags_ps = {lags_ps}: must be two increasing lags, from the interval of {interval_ps:g} ps to half the "
            f"trajectory of {frames * interval_ps:g} ps"
        )
    starts = frames - lags[1]
    groups = _Groups(layer[:starts], int(layer.max(initial=-1)) + 1)
    unit = np.asarray(normal, dtype=float) / np.linalg.norm(normal)
    leaves = _leaving(layer)[:starts]

    across, along, passed = [], [], []
    for lag in lags:
        stop = np.minimum(leaves, np.arange(starts)[:, None] + lag)
        moved = np.take_along_axis(positions, stop[..., None], axis=0) - positions[:starts]
        across.append((moved @ unit) ** 2)
        along.append((moved**2).sum(axis=2) - across[-1])
        passed.append(interval_ps * (stop - np.arange(starts)[:, None]))
    passage = passed[1] - passed[0]
    present = groups.sums(np.ones((starts, layer.shape[1]))).sum(axis=(1, 2))
    stays = (leaves - np.arange(starts)[:, None] > lags[1]).astype(float)
    return LayerMobility(
        *_of_those_that_stay(positions, leaves, groups, unit, lags, interval_ps),
        *groups.ratio(along[1] - along[0], 4.0 * passage),
        *groups.ratio(across[1] - across[0], 2.0 * passage),
        _divided(groups.sums(stays).sum(axis=(1, 2)), present),
        _divided(groups.sums(passed[1]).sum(axis=(1, 2)), present),
    )


def _of_those_that_stay(positions, leaves, groups, unit, lags, interval_ps) -> tuple[np.ndarray, np.ndarray]:
    """(layers,) D along the layers from the MSD of the ions that do not leave within the lag, and its error."""
    msd, off = [], []
    for lag in lags:
        stays = (leaves - np.arange(len(leaves))[:, None] > lag).astype(float)
        moved = positions[lag : len(leaves) + lag] - positions[: len(leaves)]
        squares = ((moved**2).sum(axis=2) - (moved @ unit) ** 2) * stays
        number = groups.sums(stays).sum(axis=(1, 2))
        mean = _divided(groups.sums(squares).sum(axis=(1, 2)), number)
        msd.append(mean)
        off.append(_divided(groups.sums(squares) - mean[:, None, None] * groups.sums(stays), number[:, None, None]))
    span = 4.0 * (lags[1] - lags[0]) * interval_ps
    return (msd[1] - msd[0]) / span, np.array([_error(each) for each in off[1] - off[0]]) / span


def hop_rates(hops: Hops, steps: Sequence[int], layer: np.ndarray, step_ps: float) -> LayerRates:
    """Rate of the hops that start in each layer, per ion there and time.

    `steps` (frames,) are the MD steps of the rows of `layer` (frames, ions of ``hops.mobile``), and `step_ps` the time
    of one step. Hops that were too close to be told apart are added as in `core.Hops.rate`.
    """
    steps = np.asarray(steps)
    seen = slice(None)
    if hops.observed_steps is not None and hops.first_step is not None:
        # a hop's step is the first at the new site; it starts one frame before
        first, end = np.searchsorted(steps, [hops.first_step, hops.first_step + hops.observed_steps])
        seen = slice(max(first - 1, 0), end - 1)
    layers = int(layer.max(initial=-1)) + 1
    groups = _Groups(layer[seen], layers)
    frame = np.clip(np.searchsorted(steps, hops.step) - 1, 0, len(steps) - 1)
    ion = np.searchsorted(hops.mobile, hops.atom)
    happened = np.zeros(layer.shape)
    np.add.at(happened, (frame, ion), hops.standing_for())
    time = groups.sums(np.full(layer[seen].shape, float(np.diff(steps).mean()) * step_ps))
    found = groups.sums(happened[seen])
    number = np.bincount(layer[frame, ion][layer[frame, ion] >= 0], minlength=layers)
    rate = _divided(found.sum(axis=(1, 2)), time.sum(axis=(1, 2)))
    err = np.full(layers, np.nan)
    for k in np.flatnonzero(time.sum(axis=(1, 2)) > 0):
        poisson = np.sqrt(max(number[k], 1)) * max(found[k].sum() / max(number[k], 1), 1.0)
        scatter = _error(found[k] - rate[k] * time[k]) if number[k] >= _FEW else poisson
        err[k] = scatter / time[k].sum()
    return LayerRates(rate, err, number)


class _Groups:
    """Sums of one number per frame and ion by layer, ion and block of time."""

    def __init__(self, layer: np.ndarray, layers: int):
        frames, ions = layer.shape
        block = np.arange(frames) * _TIME_BLOCKS // frames
        self._shape = (layers, ions, _TIME_BLOCKS)
        self._known = layer >= 0
        place = (layer * ions + np.arange(ions)) * _TIME_BLOCKS + block[:, None]
        self._place = place[self._known]

    def sums(self, values: np.ndarray) -> np.ndarray:
        size = int(np.prod(self._shape))
        return np.bincount(self._place, weights=values[self._known], minlength=size).reshape(self._shape)

    def ratio(self, upper: np.ndarray, lower: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(layers,) ratios of two sums, and their errors."""
        over, under = self.sums(upper), self.sums(lower)
        total = under.sum(axis=(1, 2))
        value = _divided(over.sum(axis=(1, 2)), total)
        off = np.array([_error(each) for each in over - value[:, None, None] * under])
        return value, _divided(off, total)


def _error(deviations: np.ndarray) -> float:
    """Standard error of the sum of deviations (ions, blocks of time)."""
    if not np.isfinite(deviations).all():
        return float("nan")
    variance, freedom = clustered(deviations)
    return student(freedom, 1.0) * float(np.sqrt(variance))


def _divided(numerator, denominator) -> np.ndarray:
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    where = np.broadcast_to(np.asarray(denominator) != 0, shape)
    return np.divide(numerator, denominator, out=np.full(shape, np.nan), where=where)


def _leaving(layer: np.ndarray) -> np.ndarray:
    """(frames, M) next frame at which each ion is in another layer than now; `frames` if there is none."""
    leaves = np.full(layer.shape, len(layer))
    for frame in range(len(layer) - 2, -1, -1):
        leaves[frame] = np.where(layer[frame + 1] != layer[frame], frame + 1, leaves[frame + 1])
    return leaves
