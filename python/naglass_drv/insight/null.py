"""What a block of features adds to a prediction by chance, if the others tell all: by permuted compositions."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .glasses import Glasses
from .smoothers import best_fit, least_errors, smoothers

PERMUTATIONS = 999


@dataclass(frozen=True)
class NullTest:
    """The gain of a block, log of the ratio of errors without and with it, beside its distribution without an effect.

    `p` is one-sided and counts the observed gain among the permuted ones (B. Phipson, G. K. Smyth, Stat. Appl. Genet.
    Mol. Biol. 9, 39 (2010), doi:10.2202/1544-6115.1585).
    """

    gain: float
    permuted: np.ndarray
    p: float


def null_test(
    glasses: Glasses, blocks: Iterable[str], rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> NullTest:
    """Test that the target does not depend on these `blocks`, given the others.

    Residuals of the best model without the blocks are permuted among compositions and added to its prediction, and the
    models are chosen and fitted anew to each such target (D. Freedman, D. Lane, J. Bus. Econ. Stat. 1, 292 (1983),
    doi:10.1080/07350015.1983.10509354). Models are ridge regression, linear and in Gaussian kernels, and the error is
    that of leave-one-composition-out; the best of them counts, with and without the blocks.
    """
    weights, target = glasses.weights(), glasses.target
    rest = glasses.without(blocks)
    whole = smoothers(glasses.features, glasses.blocks, weights)
    reduced = smoothers(rest.features, rest.blocks, weights)
    fitted, residuals, root = best_fit(reduced, target)
    orders = np.array([rng.permutation(len(glasses)) for _ in range(permutations)]).T
    targets = np.column_stack([target, fitted[:, None] + residuals[orders] / root[:, None]])
    gains = np.log(least_errors(reduced, targets) / least_errors(whole, targets))
    # equal but for rounding counts as equal
    beyond = int((gains[1:] >= gains[0] - 1e-12).sum())
    return NullTest(float(gains[0]), gains[1:], (1 + beyond) / (1 + permutations))
