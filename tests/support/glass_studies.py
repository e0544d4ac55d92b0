"""Synthetic studies of glasses with planted causes, collinear blocks, replicas and noise."""

import numpy as np

from naglass_drv.insight.glasses import Glasses
from naglass_drv.insight.importance import folds_of, importance
from naglass_drv.insight.verdicts import Verdict, correlations, sets_to_test, verdicts

BLOCKS = {"composition": 2, "short_range": 3, "medium_range": 3, "redox": 2, "free_volume": 2}


def planted(
    rng: np.random.Generator,
    size: int,
    causes=("medium_range",),
    *,
    strength=1.0,
    collinear=0.8,
    curved=False,
    noise=0.5,
    replicas=2,
) -> Glasses:
    """Glasses whose target follows the composition and the `causes`, with weights of random sign, and noise of
    compositions and of replicas. Free volume correlates with the medium range, all others with the composition.
    """
    shares = rng.dirichlet([3, 2, 3], size)[:, :2]
    base = (shares - shares.mean(axis=0)) / shares.std(axis=0)
    parts = {"composition": shares}

    def following(columns, load, lead):
        lead = lead @ rng.normal(size=(lead.shape[1], columns))
        return load * lead / lead.std(axis=0) + np.sqrt(1 - load**2) * rng.normal(size=(size, columns))

    parts["short_range"] = following(3, 0.6, base)
    parts["medium_range"] = following(3, 0.6, base)
    parts["redox"] = following(2, 0.5, base)
    parts["free_volume"] = following(2, collinear, parts["medium_range"])
    target = 0.5 * base[:, 0] + noise * rng.normal(size=size)
    for name in causes:
        block = (parts[name] - parts[name].mean(axis=0)) / parts[name].std(axis=0)
        effect = block @ rng.normal(size=block.shape[1])
        effect = effect + 0.7 * block[:, 0] ** 2 if curved else effect
        target = target + strength * effect / effect.std()
    measured = target + 0.2 * rng.normal(size=(replicas, size))
    error = measured.std(axis=0, ddof=1).mean() / np.sqrt(replicas) if replicas > 1 else np.nan
    starts = np.cumsum([0, *(part.shape[1] for part in parts.values())])
    return Glasses(
        names=tuple(f"glass-{k}" for k in range(size)),
        features=np.hstack(list(parts.values())),
        target=measured.mean(axis=0),
        error=np.full(size, error),
        blocks={name: np.arange(a, b) for name, a, b in zip(parts, starts, starts[1:])},
        columns=tuple(f"{name}-{k}" for name, part in parts.items() for k in range(part.shape[1])),
        families=("",) * size,
        rows=np.full(size, replicas),
        censored=np.zeros(size, int),
    )


def judged(glasses: Glasses, seed: int, models=("ridge",), permutations: int = 199, rigid_ion=False) -> list[Verdict]:
    """The verdicts of a study on every block and set of blocks, at 5 %."""
    rng = np.random.default_rng(seed)
    tied = correlations(glasses)
    sets = sets_to_test(glasses, tied)
    folds = folds_of(len(glasses), rng)
    found = [importance(glasses, model, folds, sets, seed) for model in models]
    return verdicts(glasses, sets, found, tied, rng, alpha=0.05, permutations=permutations, rigid_ion=rigid_ion)
