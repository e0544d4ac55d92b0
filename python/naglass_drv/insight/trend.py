"""How the target changes with each share of the composition, by the linear model."""

from dataclasses import dataclass

import numpy as np

from .glasses import Glasses
from .models import COMPOSITION

#: Share (mol-%) that a slope is told for.
STEP = 10.0


@dataclass(frozen=True)
class Slope:
    """Change of the target (in the unit of learning) for 10 mol-% more of a share, or one more of a log-ratio, with its
    95 % confidence interval and two-sided p. The share that was left out is less by as much.
    """

    column: str
    value: float
    interval: tuple[float, float]
    p: float


def slopes(glasses: Glasses, units: tuple[str, ...]) -> list[Slope]:
    """Slopes of a weighted linear fit to the shares (`units` are those of the columns); empty without a composition, or
    with fewer than three compositions more than shares.

    Errors allow for a scatter that differs between compositions: HC3, J. G. MacKinnon, H. White, J. Econometrics 29,
    305 (1985), doi:10.1016/0304-4076(85)90158-7, with Student's factor.
    """
    from scipy import stats

    columns = glasses.blocks.get(COMPOSITION)
    if columns is None or len(glasses) < len(columns) + 4:
        return []
    root = np.sqrt(glasses.weights())
    shares = glasses.features[:, columns]
    design = root[:, None] * np.column_stack([np.ones(len(glasses)), shares])
    target = root * glasses.target
    inverse = np.linalg.pinv(design.T @ design)
    fitted = inverse @ design.T @ target
    leverage = np.minimum(np.einsum("ij,jk,ik->i", design, inverse, design), 1 - 1e-9)
    scores = design * ((target - design @ fitted) / (1 - leverage))[:, None]
    errors = np.sqrt(np.diag(inverse @ scores.T @ scores @ inverse))
    freedom = len(glasses) - len(columns) - 1
    factor = float(stats.t.ppf(0.975, freedom))
    found = []
    for column, slope, error in zip(columns, fitted[1:], errors[1:], strict=True):
        step = STEP if units[column] == "mol%" else 1.0
        ends = (float(step * (slope - factor * error)), float(step * (slope + factor * error)))
        p = float(2 * stats.t.sf(abs(slope) / error, freedom)) if error > 0 else 0.0
        found.append(Slope(glasses.columns[column], float(step * slope), ends, p))
    return found
