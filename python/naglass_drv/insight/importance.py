"""What each block of features is worth to a model on compositions that it has not seen."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .glasses import Glasses, scaled
from .models import Predict, fitted
from .smoothers import Smoother

# up to so many compositions, each is left out alone
_ALONE = 30
# folds of more, and of many
_FOLDS, _MANY, _FEW_FOLDS = 30, 300, 10
_DRAWS = 1000
# compositions that lend their block to one that was left out
_DRAWN = 100


@dataclass(frozen=True)
class Importance:
    """Squared errors (N,) of one model on compositions left out, in the squared unit of the target, and their rises.

    `rises` maps a block to the rise (N,) in three ways: ``dropped``, of a model fitted without the block (LOCO);
    ``conditional``, with the block replaced by what the others predict of it and the residuals of other compositions;
    ``marginal``, with the block of other compositions. `folds` (N,) tells which compositions were left out together.
    """

    model: str
    predictions: np.ndarray
    errors: np.ndarray
    rises: Mapping[str, Mapping[str, np.ndarray]]
    folds: np.ndarray


def folds_of(count: int, rng: np.random.Generator) -> np.ndarray:
    """(N,) fold of each composition: its own up to 30 compositions, else one of 30 of equal size, 10 beyond 300."""
    if count <= _ALONE:
        return np.arange(count)
    return rng.permutation(np.arange(count) % (_FOLDS if count <= _MANY else _FEW_FOLDS))


def importance(
    glasses: Glasses, model: str, folds: np.ndarray, sets: Mapping[str, Sequence[str]], seed: int = 0
) -> Importance:
    """Importance of each of `sets` of blocks to a model fitted anew for each of the `folds` (N,)."""
    size = len(glasses)
    predictions = np.empty(size)
    ways = ("dropped", "conditional", "marginal")
    errors = np.empty(size)
    rises = {name: {way: np.empty(size) for way in ways} for name in sets}
    for fold in np.unique(folds):
        train, test = glasses.only(np.flatnonzero(folds != fold)), np.flatnonzero(folds == fold)
        features, target = glasses.features[test], glasses.target[test]
        predict = fitted(model, train, seed)
        predictions[test] = predict(features)
        errors[test] = (target - predictions[test]) ** 2
        for name, blocks in sets.items():
            rest = train.without(blocks)
            left = fitted(model, rest, seed)(glasses.without(blocks).features[test])
            rises[name]["dropped"][test] = (target - left) ** 2 - errors[test]
            columns = np.concatenate([glasses.blocks[block] for block in blocks])
            expected, residuals = _expected(train, rest, columns, glasses.without(blocks).features[test])
            for way, around in (("conditional", expected), ("marginal", None)):
                drawn = (residuals if around is not None else train.features[:, columns])[:: 1 + len(train) // _DRAWN]
                replaced = _replaced(predict, features, columns, around, drawn, target)
                rises[name][way][test] = replaced - errors[test]
    return Importance(model, predictions, errors, rises, folds)


def _expected(train: Glasses, rest: Glasses, columns: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the other features (M, F') predict of `columns` (M, C), by ridge regression, and what it misses (N, C) of
    compositions left out of the training set.
    """
    wanted = train.features[:, columns]
    smoother = Smoother.of(scaled(rest.features, rest.blocks), np.ones(len(train)))
    return smoother.predicted(wanted, scaled(others, rest.blocks, rest.features))


def _replaced(
    predict: Predict,
    features: np.ndarray,
    columns: np.ndarray,
    around: np.ndarray | None,
    drawn: np.ndarray,
    target: np.ndarray,
) -> np.ndarray:
    """(M,) mean squared error with `columns` set to each of `drawn` (J, C), added to `around` (M, C) if it is given."""
    count = len(drawn)
    many = np.repeat(features, count, axis=0)
    values = np.tile(drawn, (len(features), 1))
    many[:, columns] = values if around is None else values + np.repeat(around, count, axis=0)
    return ((np.repeat(target, count) - predict(many)) ** 2).reshape(len(features), count).mean(axis=1)


def errors_of_the_mean(glasses: Glasses, folds: np.ndarray) -> np.ndarray:
    """(N,) squared errors of the mean of the compositions that are not in the fold of each: those at R² = 0."""
    errors = np.empty(len(glasses))
    for fold in np.unique(folds):
        train, test = glasses.only(np.flatnonzero(folds != fold)), folds == fold
        errors[test] = (glasses.target[test] - fitted("mean", train)(glasses.features[test])) ** 2
    return errors


def corrected(rises: np.ndarray, folds: np.ndarray) -> tuple[float, float, float]:
    """Mean of the rises (N,), its standard error, and the one-sided p that it is not above zero.

    Folds share most of what their models were fitted to; the variance of their mean is corrected for it (C. Nadeau,
    Y. Bengio, Mach. Learn. 52, 239 (2003), doi:10.1023/A:1024068626366, eq. 8).
    """
    from scipy import stats

    means = np.array([rises[folds == fold].mean() for fold in np.unique(folds)])
    count = len(means)
    share = 1.0 / count
    error = float(np.sqrt((1 / count + share / (1 - share)) * means.var(ddof=1)))
    mean = float(means.mean())
    if error == 0:
        return mean, error, 0.0 if mean > 0 else 1.0
    return mean, error, float(stats.t.sf(mean / error, count - 1))


def group_bootstrap(
    losses: Iterable[np.ndarray], statistic: Callable[..., np.ndarray], rng: np.random.Generator
) -> tuple[float, float]:
    """95 % percentile interval of a `statistic` of arrays (N,), resampled by composition; it works on the last axis."""
    arrays = [np.asarray(each) for each in losses]
    rows = rng.integers(0, len(arrays[0]), (_DRAWS, len(arrays[0])))
    low, high = np.nanquantile(statistic(*(each[rows] for each in arrays)), [0.025, 0.975])
    return float(low), float(high)
