"""Prediction intervals of compositions that were not seen: jackknife+, by composition."""

import math
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .glasses import Glasses
from .importance import folds_of
from .models import fitted

_INNER_FOLDS = 10


def groups_needed(level: float) -> int:
    """The least number of compositions with which an interval of this level is finite: 9 for 0.9, 19 for 0.95."""
    return math.ceil(round(1 / (1 - level), 9)) - 1


def check_groups(count: int, level: float) -> None:
    """Raise InputError if there are too few compositions."""
    needed = groups_needed(level)
    if count < needed:
        possible = f"; {1 - 1 / (count + 1):.0%} is the most that they allow" if count > 1 else ""
        raise InputError(
            f"an interval of {level:.0%} takes at least {needed} compositions, and there are {count}{possible}"
        )


def jackknife_plus(left: np.ndarray, residuals: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends (M,) from predictions `left` (N, M) of models without each composition, and the absolute
    `residuals` (N,) of these.

    R. F. Barber, E. J. Candès, A. Ramdas, R. J. Tibshirani, Ann. Stat. 49, 486 (2021), doi:10.1214/20-AOS1965, eq. 1.3;
    the coverage is at least 2·level − 1 for exchangeable compositions, and close to level as a rule. Raises InputError
    for too few compositions.
    """
    count = len(left)
    check_groups(count, level)
    rank = min(math.ceil(round(level * (count + 1), 9)), count)
    low = np.sort(left - residuals[:, None], axis=0)[count - rank]
    high = np.sort(left + residuals[:, None], axis=0)[rank - 1]
    return low, high


@dataclass(frozen=True)
class Intervals:
    """Predictions and intervals (N,) of compositions, each by models that have not seen it; ``inside`` tells which
    intervals hold the value.
    """

    level: float
    low: np.ndarray
    high: np.ndarray
    inside: np.ndarray


def predicted_intervals(
    glasses: Glasses, model: str, features: np.ndarray, level: float, seed: int = 0, folds: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of the target at other compositions' `features` (M, F).

    With `folds` (N,), compositions are left out together (CV+, same source, eq. 3.2), which takes fewer fits.
    """
    check_groups(len(glasses), level)
    folds = np.arange(len(glasses)) if folds is None else folds
    left = np.empty((len(glasses), len(features)))
    residuals = np.empty(len(glasses))
    for fold in np.unique(folds):
        train, test = glasses.only(np.flatnonzero(folds != fold)), np.flatnonzero(folds == fold)
        predict = fitted(model, train, seed)
        residuals[test] = abs(glasses.target[test] - predict(glasses.features[test]))
        left[test] = predict(features)
    return jackknife_plus(left, residuals, level)


def held_out_intervals(
    glasses: Glasses, model: str, level: float, rng: np.random.Generator, seed: int = 0
) -> Intervals:
    """The interval of every composition by models that never saw it, neither for the prediction nor for the width."""
    folds = folds_of(len(glasses), rng)
    low, high = np.empty(len(glasses)), np.empty(len(glasses))
    for fold in np.unique(folds):
        train, test = glasses.only(np.flatnonzero(folds != fold)), np.flatnonzero(folds == fold)
        inner = rng.permutation(np.arange(len(train)) % min(_INNER_FOLDS, len(train)))
        low[test], high[test] = predicted_intervals(train, model, glasses.features[test], level, seed, inner)
    inside = (glasses.target >= low) & (glasses.target <= high)
    return Intervals(level, low, high, inside)
