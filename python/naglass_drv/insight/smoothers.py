"""Linear smoothers of many targets at once: ridge regression, linear or in a Gaussian kernel, with exact leave-one-out.

scikit-learn's RidgeCV does the same for one target at a time; a test compares them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist, squareform

from .glasses import scaled

_PENALTIES = np.logspace(-3, 4, 15)
# squared widths of the kernel, in units of the median squared distance
_WIDTHS = (0.5, 2.0)
#: A kernel of more compositions takes memory and time with their square and cube.
MOST_FOR_KERNELS = 1000


@dataclass(frozen=True)
class Smoother:
    """Ridge regression with a free intercept on some features (N, F), as singular vectors of the weighted rows."""

    vectors: np.ndarray
    singular: np.ndarray
    right: np.ndarray
    mean: np.ndarray
    root: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, weights: np.ndarray) -> "Smoother":
        """Of features as they are; `weights` (N,) are positive."""
        root = np.sqrt(weights)
        mean = np.average(features, axis=0, weights=weights)
        vectors, singular, right = np.linalg.svd(root[:, None] * (features - mean), full_matrices=False)
        return cls(vectors, singular, right, mean, root)

    def errors(self, targets: np.ndarray) -> np.ndarray:
        """(A, M) weighted mean squared errors of leave-one-out for each penalty, of `targets` (N, M)."""
        centered, projected = self._centered(targets)
        out = np.empty((len(_PENALTIES), targets.shape[1]))
        for k, penalty in enumerate(_PENALTIES):
            shrink, leverage = self._shrunk(penalty)
            left = (centered - self.vectors @ (shrink[:, None] * projected)) / (1 - leverage)[:, None]
            out[k] = (left**2).mean(axis=0)
        return out

    def predicted(self, targets: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`targets` (N, M) at other `features` (K, F) as (K, M), each with its best penalty; and (N, M) what
        leave-one-out misses of them.
        """
        centered, projected = self._centered(targets)
        best = self.errors(targets).argmin(axis=0)
        found, missed = np.empty((len(features), targets.shape[1])), np.empty(targets.shape)
        for k in np.unique(best):
            shrink, leverage = self._shrunk(_PENALTIES[k])
            columns = best == k
            fitted = self.vectors @ (shrink[:, None] * projected[:, columns])
            missed[:, columns] = (centered[:, columns] - fitted) / ((1 - leverage) * self.root)[:, None]
            slopes = (shrink / np.maximum(self.singular, 1e-300))[:, None] * projected[:, columns]
            found[:, columns] = (features - self.mean) @ (self.right.T @ slopes)
        return found + np.average(targets, axis=0, weights=self.root**2), missed

    def fit(self, target: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Fitted values (N,), and weighted residuals over the root of one minus their leverage, with mean 0."""
        centered, projected = self._centered(target[:, None])
        shrink, leverage = self._shrunk(penalty)
        left = (centered - self.vectors @ (shrink[:, None] * projected))[:, 0]
        residuals = left / np.sqrt(1 - leverage)
        return target - left / self.root, residuals - residuals.mean()

    def _centered(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = np.average(targets, axis=0, weights=self.root**2)
        centered = self.root[:, None] * (targets - mean)
        return centered, self.vectors.T @ centered

    def _shrunk(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        shrink = self.singular**2 / (self.singular**2 + penalty)
        leverage = (self.vectors**2 * shrink).sum(axis=1) + self.root**2 / (self.root**2).sum()
        return shrink, np.minimum(leverage, 1 - 1e-6)


def smoothers(features: np.ndarray, blocks: Mapping[str, np.ndarray], weights: np.ndarray) -> list[Smoother]:
    """The linear one and, up to MOST_FOR_KERNELS rows, those in Gaussian kernels; only the mean without features."""
    features = scaled(features, blocks)
    found = [Smoother.of(features, weights)]
    if features.shape[1] == 0:
        return found
    if len(features) > MOST_FOR_KERNELS:
        return found
    distances = squareform(pdist(features, "sqeuclidean"))
    median = float(np.median(distances[np.triu_indices(len(features), 1)]))
    if median == 0:
        return found
    center = np.eye(len(features)) - 1 / len(features)
    for width in _WIDTHS:
        values, vectors = np.linalg.eigh(center @ np.exp(-distances / (2 * width * median)) @ center)
        kept = values > 1e-9
        found.append(Smoother.of(vectors[:, kept] * np.sqrt(values[kept]), weights))
    return found


def least_errors(models: Sequence[Smoother], targets: np.ndarray) -> np.ndarray:
    """(M,) the least error of leave-one-out over models and penalties, for each of the `targets` (N, M)."""
    return np.min([model.errors(targets).min(axis=0) for model in models], axis=0)


def best_fit(models: Sequence[Smoother], target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fitted values, residuals (see `Smoother.fit`) and roots of the weights, of the model with the least error."""
    errors = [model.errors(target[:, None])[:, 0] for model in models]
    k, penalty = min(
        ((k, a) for k in range(len(models)) for a in range(len(_PENALTIES))), key=lambda i: errors[i[0]][i[1]]
    )
    return *models[k].fit(target, float(_PENALTIES[penalty])), models[k].root
