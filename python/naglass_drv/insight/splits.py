"""The ladder of splits: what is predicted when replicas, compositions or families are left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .glasses import Glasses
from .importance import folds_of, group_bootstrap
from .models import fitted
from .table import Table, collapsed

_LEAST_FAMILIES = 3
_ROW_FOLDS = 10


@dataclass(frozen=True)
class Score:
    """How one model predicts what a split leaves out, in the unit of learning.

    `r2` compares squared errors with those of the mean of the training set; `r2_interval` (95 %) is by bootstrap over
    compositions. `mae` is the mean absolute error.
    """

    model: str
    r2: float
    r2_interval: tuple[float, float]
    mae: float
    predictions: np.ndarray
    losses: np.ndarray


@dataclass(frozen=True)
class Rung:
    """One split: what is left out, how many sets it has and how many compositions (or rows) each of them has."""

    name: str
    sets: int
    sizes: tuple[int, ...]
    scores: tuple[Score, ...]
    counts: bool

    def score(self, model: str) -> Score:
        """Of one model."""
        return next(score for score in self.scores if score.model == model)


def parts_left_out(table: Table, glasses: Glasses) -> list[str]:
    """What the splits of a table leave out, one after the other: replicas and families only if there are any."""
    families = set(glasses.families)
    known = {
        "replicas": len(table) > len(glasses),
        "compositions": True,
        "families": len(families) >= _LEAST_FAMILIES and "" not in families,
    }
    return [name for name, there in known.items() if there]


def ladder(table: Table, glasses: Glasses, models: Sequence[str], rng: np.random.Generator, seed: int) -> list[Rung]:
    """From the easiest split on. `table` is prepared, and `glasses` its compositions.

    Leaving out replicas shows what a careless split would claim, and counts for nothing.
    """
    return list(_rungs(table, glasses, models, rng, seed))


def _rungs(
    table: Table, glasses: Glasses, models: Sequence[str], rng: np.random.Generator, seed: int
) -> Iterator[Rung]:
    parts = parts_left_out(table, glasses)
    if "replicas" in parts:
        rows = rng.permutation(np.arange(len(table)) % min(_ROW_FOLDS, len(table)))
        yield _of_rows(table, models, rows, rng, seed)
    yield _of_glasses("composition", glasses, models, folds_of(len(glasses), rng), rng, seed)
    if "families" in parts:
        families = sorted(set(glasses.families))
        folds = np.array([families.index(family) for family in glasses.families])
        yield _of_glasses("family", glasses, models, folds, rng, seed)


def _of_glasses(
    name: str, glasses: Glasses, models: Sequence[str], folds: np.ndarray, rng: np.random.Generator, seed: int
) -> Rung:
    found = {model: np.empty(len(glasses)) for model in models}
    for fold in np.unique(folds):
        train, test = glasses.only(np.flatnonzero(folds != fold)), np.flatnonzero(folds == fold)
        for model in models:
            found[model][test] = fitted(model, train, seed)(glasses.features[test])
    sizes = tuple(int((folds == fold).sum()) for fold in np.unique(folds))
    scores = _scores(found, glasses.target, np.arange(len(glasses)), rng)
    return Rung(name, len(sizes), sizes, scores, True)


def _of_rows(table: Table, models: Sequence[str], folds: np.ndarray, rng: np.random.Generator, seed: int) -> Rung:
    found = {model: np.empty(len(table)) for model in models}
    for fold in np.unique(folds):
        train, test = collapsed(table.only(folds != fold)), folds == fold
        for model in models:
            found[model][test] = fitted(model, train, seed)(table.features[test])
    sizes = tuple(int((folds == fold).sum()) for fold in np.unique(folds))
    groups = np.unique(table.groups.astype(str), return_inverse=True)[1]
    return Rung("replica", len(sizes), sizes, _scores(found, table.target, groups, rng), False)


def _scores(
    found: dict[str, np.ndarray], target: np.ndarray, groups: np.ndarray, rng: np.random.Generator
) -> tuple[Score, ...]:
    def per_group(losses: np.ndarray) -> np.ndarray:
        return np.bincount(groups, losses)

    bar = per_group((target - found["mean"]) ** 2)
    scores = []
    for model, predictions in found.items():
        losses = (target - predictions) ** 2
        own = per_group(losses)
        interval = group_bootstrap((own, bar), lambda a, b: 1 - a.sum(axis=-1) / b.sum(axis=-1), rng)
        mae = float(abs(target - predictions).mean())
        scores.append(Score(model, float(1 - own.sum() / bar.sum()), interval, mae, predictions, losses))
    return tuple(scores)


def learning_curve(
    glasses: Glasses, model: str, rng: np.random.Generator, seed: int, draws: int = 6
) -> list[tuple[int, float, float]]:
    """Number of compositions in the training set, R² on the others and its standard error over `draws` of them."""
    size = len(glasses)
    points = []
    for count in sorted({max(4, round(size * share)) for share in (0.3, 0.45, 0.6, 0.8)}):
        if count >= size - 1:
            continue
        found = []
        for _ in range(draws):
            order = rng.permutation(size)
            train, test = glasses.only(order[:count]), order[count:]
            target = glasses.target[test]
            bar = ((target - fitted("mean", train)(glasses.features[test])) ** 2).sum()
            found.append(1 - ((target - fitted(model, train, seed)(glasses.features[test])) ** 2).sum() / bar)
        points.append((count, float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(draws))))
    return points
