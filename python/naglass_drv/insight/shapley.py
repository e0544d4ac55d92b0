"""How a model splits its prediction of a composition among blocks: an illustration, which no verdict uses."""

from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np

from .glasses import Glasses
from .models import fitted

#: With more, there are too many sets of blocks to go through all.
MOST_BLOCKS = 8
# compositions of the training set that stand for what is not known of a block
_BACKGROUND = 60


@dataclass(frozen=True)
class Attributions:
    """Shapley values (N, B) of the `blocks` for compositions left out, in the unit of the target; `base` (N,) is the
    mean prediction of the training set, and base plus values are the `predictions` (N,).
    """

    blocks: tuple[str, ...]
    values: np.ndarray
    base: np.ndarray
    predictions: np.ndarray

    def first(self, folds: np.ndarray) -> tuple[str, float]:
        """The block with the largest mean absolute value, and in what share of the `folds` (N,) it is the largest."""
        sizes = np.array([abs(self.values[folds == fold]).mean(axis=0) for fold in np.unique(folds)])
        top = int(abs(self.values).mean(axis=0).argmax())
        return self.blocks[top], float((sizes.argmax(axis=1) == top).mean())


def attributions(glasses: Glasses, model: str, folds: np.ndarray, seed: int = 0) -> Attributions | None:
    """Exact Shapley values of blocks, each composition by a model fitted without those of its fold; None for more than
    MOST_BLOCKS blocks.

    The value of a set of blocks is the mean prediction with these blocks as they are and the others those of each
    composition of the training set (interventional: S. M. Lundberg, S.-I. Lee, NeurIPS 30 (2017), arXiv:1705.07874;
    D. Janzing, L. Minorics, P. Blöbaum, AISTATS 2020, arXiv:1910.13413). It tells what the model does, also with
    glasses that cannot be; correlated blocks share credit as the model happens to use them.
    """
    names = tuple(glasses.blocks)
    if len(names) > MOST_BLOCKS:
        return None
    values, base = np.empty((len(glasses), len(names))), np.empty(len(glasses))
    predictions = np.empty(len(glasses))
    for fold in np.unique(folds):
        train, test = glasses.only(np.flatnonzero(folds != fold)), np.flatnonzero(folds == fold)
        predict = fitted(model, train, seed)
        background = train.features[:: 1 + len(train) // _BACKGROUND]
        worth = {}
        for size in range(len(names) + 1):
            for kept in combinations(range(len(names)), size):
                columns = [column for k in kept for column in glasses.blocks[names[k]]]
                mixed = np.repeat(background[None], len(test), axis=0)
                mixed[:, :, columns] = glasses.features[test][:, None, columns]
                found = predict(mixed.reshape(-1, mixed.shape[2]))
                worth[frozenset(kept)] = found.reshape(len(test), -1).mean(axis=1)
        for k in range(len(names)):
            values[test, k] = _shapley(worth, k, len(names))
        base[test] = worth[frozenset()]
        predictions[test] = predict(glasses.features[test])
    return Attributions(names, values, base, predictions)


def _shapley(worth: dict[frozenset[int], np.ndarray], player: int, count: int) -> np.ndarray:
    """(M,) what a player adds, averaged over the orders in which players can come."""
    total = np.zeros_like(worth[frozenset()])
    for others, value in worth.items():
        if player not in others:
            weight = factorial(len(others)) * factorial(count - len(others) - 1) / factorial(count)
            total += weight * (worth[others | {player}] - value)
    return total
