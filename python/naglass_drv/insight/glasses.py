"""One row per composition: what is learned from, after replicas and temperatures of a glass are brought together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True)
class Glasses:
    """N compositions with their features and one target.

    `features` (N, F) in the units of their columns; `target` (N,) in the unit it is learned in; `error` (N,) its
    standard errors, NaN where unknown. `blocks` names sets of columns that are only used together; `families` (N,) has
    an empty text for a composition without one. `rows` (N,) is how many rows each is a mean of.
    """

    names: tuple[str, ...]
    features: np.ndarray
    target: np.ndarray
    error: np.ndarray
    blocks: Mapping[str, np.ndarray]
    columns: tuple[str, ...]
    families: tuple[str, ...]
    rows: np.ndarray
    censored: np.ndarray = field(default_factory=lambda: np.zeros(0, int))

    def __len__(self) -> int:
        return len(self.names)

    def only(self, rows: np.ndarray) -> "Glasses":
        """Some of the compositions, by index."""
        return replace(
            self,
            names=tuple(self.names[k] for k in rows),
            features=self.features[rows],
            target=self.target[rows],
            error=self.error[rows],
            families=tuple(self.families[k] for k in rows),
            rows=self.rows[rows],
            censored=self.censored[rows] if len(self.censored) else self.censored,
        )

    def of(self, blocks: Iterable[str]) -> "Glasses":
        """The same compositions with the columns of some blocks."""
        kept: dict[str, np.ndarray] = {}
        columns: list[int] = []
        for name in blocks:
            old = self.blocks[name]
            kept[name] = np.arange(len(columns), len(columns) + len(old))
            columns += list(old)
        return replace(
            self, features=self.features[:, columns], blocks=kept, columns=tuple(self.columns[k] for k in columns)
        )

    def without(self, blocks: Iterable[str]) -> "Glasses":
        """The same compositions without the columns of some blocks."""
        dropped = set(blocks)
        return self.of([name for name in self.blocks if name not in dropped])

    def weights(self) -> np.ndarray:
        """(N,) weights 1/(τ² + σ²) with mean 1, σ the errors and τ² what scatters beyond them; equal if none is known.

        τ² is the variance of the target less the mean σ², at least a twentieth of it: a composition whose value is
        known exactly still deviates from any model.
        """
        variance = np.where(np.isfinite(self.error), self.error, np.nan) ** 2
        if not np.isfinite(variance).any():
            return np.ones(len(self))
        variance = np.where(np.isfinite(variance), variance, np.nanmax(variance))
        whole = float(np.var(self.target))
        between = max(whole - float(variance.mean()), whole / 20, 1e-300)
        weights = 1.0 / (between + variance)
        return weights / weights.mean()


def scaled(features: np.ndarray, blocks: Mapping[str, np.ndarray], like: np.ndarray | None = None) -> np.ndarray:
    """(N, F) features with mean 0 and variance 1 over the rows of `like` (or their own), over the root of the size of
    their block: a block of many columns weighs as much as a small one.
    """
    like = features if like is None else like
    spread = like.std(axis=0)
    out = (features - like.mean(axis=0)) / np.where(spread > 1e-12 * (1 + abs(like.mean(axis=0))), spread, np.inf)
    for columns in blocks.values():
        out[:, columns] /= np.sqrt(max(len(columns), 1))
    return out
