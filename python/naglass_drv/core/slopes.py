"""Slopes of correlations in the diffusive regime, and ratios of slopes, with errors from blocks of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..wording import with_error
from .regime import Blocks, Total
from .statistics import student

#: A number with a larger error than this is not reported.
WORST_RELATIVE_ERR = 0.5

Interval = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """A positive number from `relative`, its standard error without Student's factor, with degrees of freedom."""

    value: float
    relative: float
    freedom: float

    @property
    def err(self) -> float:
        # twice the error covers 95 %, and the error 70 to 73 % if there are few blocks
        return student(self.freedom, 2.0) / 2 * self.relative * self.value

    @property
    def interval(self) -> Interval:
        """95 %, from the logarithm, in which the distribution of a mean square is nearly symmetric."""
        factor = np.exp(student(self.freedom, 1.96) * self.relative)
        return float(self.value / factor), float(self.value * factor)

    def too_wide(self, name: str, unit: str) -> str | None:
        """Why it is not given, if it is not."""
        if self.value > 0 and self.err <= WORST_RELATIVE_ERR * self.value:
            return None
        return f"the run is too short: {name} = {with_error(self.value, abs(self.err))}{unit}"


def _slopes(blocks: Blocks, onset: int, totals: list[Total]) -> tuple[np.ndarray, np.ndarray, float]:
    """Slopes at the onset, per ps, their relative covariances, and the degrees of freedom of these."""
    means = blocks.means(onset, totals)
    assert means is not None
    slopes, covariance = means.slopes(blocks.found.time[onset])
    with np.errstate(divide="ignore", invalid="ignore"):
        return slopes, covariance / np.outer(slopes, slopes), means.freedom


def slope_of(blocks: Blocks, onset: int, total: Total) -> Estimate:
    slopes, relative, freedom = _slopes(blocks, onset, [total])
    return Estimate(float(slopes[0]), float(np.sqrt(relative[0, 0])), freedom)


def ratio_of(blocks: Blocks, onset: int, upper: Total, lower: Total) -> Estimate:
    slopes, relative, freedom = _slopes(blocks, onset, [upper, lower])
    # ⟨x/y⟩ = (⟨x⟩/⟨y⟩)(1 + var y - cov xy) in relative terms
    value = slopes[0] / slopes[1] * (1 - relative[1, 1] + relative[0, 1])
    variance = relative[0, 0] - 2 * relative[0, 1] + relative[1, 1]
    return Estimate(float(value), float(np.sqrt(max(variance, 0.0))), freedom)
