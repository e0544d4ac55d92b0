"""What distinguishes atoms, such as mobile from immobile Na: a yes or no per atom, with glasses as groups."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..wording import counted
from .glasses import scaled
from .importance import corrected
from .table import Table, block_columns
from .verdicts import holm

LEAST_GLASSES = 5
#: Chance of a false claim in a study.
ALPHA = 0.05
_BINS = 8
_LEAST_OF_EACH = 2
_MOST_ATOMS = 200_000
# area under ROC of one feature; no descriptor of a site is that good
_LEAK = 0.999


@dataclass(frozen=True)
class Sites:
    """N atoms of glasses: `features` (N, F), `positive` (N,) true or false, `groups` (N,) the numbers of `names`."""

    name: str
    names: tuple[str, ...]
    groups: np.ndarray
    features: np.ndarray
    positive: np.ndarray
    blocks: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class AtomScore:
    """How one model tells the atoms of glasses left out.

    `propensity` (N,) is the predicted chance of each atom. `precision` (G,) is the average precision in each glass and
    `prevalence` (G,) what guessing gives; `area` (G,) the area under the ROC curve, 0.5 for guessing. NaN for glasses
    with atoms of one kind only.
    """

    model: str
    propensity: np.ndarray
    loss: np.ndarray
    precision: np.ndarray
    prevalence: np.ndarray
    area: np.ndarray


@dataclass(frozen=True)
class AtomVerdict:
    """What a refit without a block loses on glasses left out: `loss` in nats per atom, with its standard error (both
    kinds weigh the same); p is one-sided (Nadeau–Bengio over glasses), and `corrected` after Holm.
    """

    block: str
    loss: float
    error: float
    p: float
    corrected: float
    important: bool


@dataclass(frozen=True)
class AtomStudy:
    """Scores of the models, the best first; verdicts on the blocks by the best; the propensity curve, see
    `propensity_curve`.
    """

    sites: Sites
    scores: tuple[AtomScore, ...]
    verdicts: tuple[AtomVerdict, ...]
    curve: np.ndarray


def sites_of(table: Table) -> Sites:
    """The atoms of a table with a target of 0 and 1. Raises InputError where too few glasses have both kinds."""
    if len(table) > _MOST_ATOMS:
        raise InputError(f"{table.name}: {len(table)} atoms; at most {_MOST_ATOMS} are learned from")
    names = tuple(map(str, table.names))
    number = {name: k for k, name in enumerate(names)}
    groups = np.array([number[str(group)] for group in table.groups])
    positive = table.target > 0.5
    both = [
        k for k in range(len(names))
        if _LEAST_OF_EACH <= positive[groups == k].sum() <= (groups == k).sum() - _LEAST_OF_EACH
    ]  # fmt: skip
    if len(both) < LEAST_GLASSES:
        raise InputError(
            f"{table.name}: {counted(len(both), 'glass')} have at least {_LEAST_OF_EACH} atoms of both kinds, and "
            f"{LEAST_GLASSES} are needed to leave any out. Still possible: to compare the distributions in each"
        )
    kept = [name for name, within in zip(table.columns, _within(table, groups), strict=True) if within > 0]
    if not kept:
        raise InputError(
            "no feature differs between the atoms of a glass; features of whole glasses tell no atoms apart"
        )
    for name in kept:
        _refuse_leak(table, name, positive)
    blocks = {b: tuple(c for c in columns if c in kept) for b, columns in table.blocks.items()}
    place = [table.columns.index(name) for name in kept]
    table = replace(
        table, columns=tuple(kept), features=table.features[:, place], blocks={b: c for b, c in blocks.items() if c}
    )
    return Sites(table.name, names, groups, table.features, positive, block_columns(table))


def _within(table: Table, groups: np.ndarray) -> np.ndarray:
    """(F,) the largest spread of each feature within a glass, 0 if it is only rounding."""
    spreads = np.max([np.ptp(table.features[groups == k], axis=0) for k in np.unique(groups)], axis=0)
    return np.where(spreads > 1e-9 * np.abs(table.features).max(axis=0), spreads, 0.0)


def _refuse_leak(table: Table, name: str, positive: np.ndarray) -> None:
    from sklearn.metrics import roc_auc_score

    area = roc_auc_score(positive, table.features[:, table.columns.index(name)])
    area = max(area, 1 - area)
    if area >= _LEAK:
        raise InputError(
            f"features: {name} tells {table.name} itself (area under ROC {area:.4f}); leave it out (ignore)"
        )


def study_atoms(sites: Sites, alpha: float = ALPHA, seed: int = 0) -> AtomStudy:
    """Learn to tell the atoms, leaving out one glass at a time, and judge each block by a refit without it.

    A difference between glasses is no difference between atoms, so that the mean of each glass is subtracted from its
    features. Atoms of both kinds weigh the same in each glass, however rare one is.
    """
    centered = _centered(sites.features, sites.groups)
    scores = sorted((_score(sites, centered, model, seed) for model in ("logistic", "boosting")), key=_total_loss)
    best = scores[0]
    folds = np.arange(len(sites.names))
    raised = []
    for columns in sites.blocks.values():
        rest = np.setdiff1d(np.arange(sites.features.shape[1]), columns)
        left = _score(sites, centered[:, rest], best.model, seed)
        raised.append(corrected(left.loss - best.loss, folds))
    adjusted = holm([p for _, _, p in raised])
    verdicts = tuple(
        AtomVerdict(block, mean, error, p, float(q), bool(q <= alpha))
        for block, (mean, error, p), q in zip(sites.blocks, raised, adjusted, strict=True)
    )
    return AtomStudy(sites, tuple(scores), verdicts, propensity_curve(sites, best))


def _total_loss(score: AtomScore) -> float:
    return float(score.loss.sum())


def _centered(features: np.ndarray, groups: np.ndarray) -> np.ndarray:
    out = features.astype(float).copy()
    for group in np.unique(groups):
        out[groups == group] -= out[groups == group].mean(axis=0)
    return scaled(out, {})


def balanced(positive: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(N,) weights with which both kinds of every glass, and all glasses, weigh the same; their mean is 1."""
    weights = np.empty(len(positive))
    for group in np.unique(groups):
        for kind in (True, False):
            rows = (groups == group) & (positive == kind)
            weights[rows] = 1.0 / max(rows.sum(), 1)
    return weights / weights.mean()


def _score(sites: Sites, features: np.ndarray, model: str, seed: int) -> AtomScore:
    from sklearn.metrics import average_precision_score, roc_auc_score

    count, weights = len(sites.names), balanced(sites.positive, sites.groups)
    propensity = np.full(len(sites.positive), 0.5)
    loss, precision, prevalence, area = (np.full(count, np.nan) for _ in range(4))
    for group in range(count):
        test = sites.groups == group
        if features.shape[1]:
            estimator = _classifier(model, seed).fit(features[~test], sites.positive[~test], weights[~test])
            propensity[test] = np.clip(estimator.predict_proba(features[test])[:, 1], 1e-3, 1 - 1e-3)
        truth, chance = sites.positive[test], propensity[test]
        each = -np.log(np.where(truth, chance, 1 - chance))
        loss[group] = np.average(each, weights=weights[test])
        prevalence[group] = truth.mean()
        if 0 < truth.sum() < len(truth):
            precision[group] = average_precision_score(truth, chance)
            area[group] = roc_auc_score(truth, chance)
    return AtomScore(model, propensity, loss, precision, prevalence, area)


def _classifier(model: str, seed: int):
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    if model == "logistic":
        return LogisticRegression(C=1.0, max_iter=500)
    return HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.1, max_leaf_nodes=8, min_samples_leaf=20, l2_regularization=1.0, random_state=seed
    )


def propensity_curve(sites: Sites, score: AtomScore) -> np.ndarray:
    """(B, 3) mean predicted propensity in bins of equal numbers of atoms, the share of positive atoms in glasses left
    out, and its standard error over glasses; both kinds weigh the same.
    """
    weights = balanced(sites.positive, sites.groups)
    edges = np.quantile(score.propensity, np.linspace(0, 1, _BINS + 1))
    place = np.clip(np.searchsorted(edges, score.propensity, side="right") - 1, 0, _BINS - 1)
    points = []
    for k in np.unique(place):
        rows = place == k
        shares = [
            np.average(sites.positive[rows & (sites.groups == g)], weights=weights[rows & (sites.groups == g)])
            for g in np.unique(sites.groups[rows])
        ]
        error = np.std(shares, ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else np.nan
        mean = np.average(score.propensity[rows], weights=weights[rows])
        points.append((mean, np.average(sites.positive[rows], weights=weights[rows]), error))
    return np.array(points)
