"""How the target changes with the shares of the composition, by the linear model."""

from dataclasses import dataclass

import numpy as np

from ..chemistry.formers import ANIONS
from ..chemistry.masses import MASSES
from .composition import SAME_MOL_PERCENT
from .glasses import Glasses, scaled
from .models import COMPOSITION
from .table import Table

#: Share (mol-%, or at-% of an element) that a slope is told per.
STEP = 10.0
# of log-ratios, in their standard deviations; shares that differ by less than SAME_MOL_PERCENT are the same
_ROUNDING_OF_RATIOS = 0.01


@dataclass(frozen=True, eq=False)
class Slope:
    """Change of the target (in the unit of learning) for `step` (in `unit`, mol-% or at-%) more of a share, or for one
    more of a log-ratio (no unit), with its 95 % confidence interval and two-sided p.

    `column` names the share, or several that change together; `along` (N,) are its values. The shares `instead` are
    less by as much.
    """

    column: str
    value: float
    interval: tuple[float, float]
    p: float
    step: float
    unit: str
    instead: tuple[str, ...]
    along: np.ndarray

    @property
    def error(self) -> float:
        """Half of the interval; a fit without scatter has no digits worth printing beyond the third."""
        return max((self.interval[1] - self.interval[0]) / 2, 1e-3 * abs(self.value))

    @property
    def step_text(self) -> str:
        """``10 mol-%``, or ``unit`` of a log-ratio."""
        return f"{self.step:g} {self.unit}" if self.unit else "unit"


def left_share(table: Table) -> str:
    """The share that makes up the difference where others change: the only one that varies and is no feature; empty
    without one, as for log-ratios.
    """
    varying = np.ptp(table.shares, axis=0) > 1e-6
    left = [name for name, v in zip(table.components, varying, strict=True) if v and name not in table.columns]
    return left[0] if len(left) == 1 else ""


def no_trend(glasses: Glasses, table: Table) -> str | None:
    """Why no slope in composition can be told of these glasses; None where it can, or without a composition."""
    if COMPOSITION not in glasses.blocks:
        return None
    if _of_elements(table) and set(ANIONS) & set(table.components):
        return (
            "the composition is in elements, whose shares charge neutrality ties to each other; give it in columns of "
            "oxides, such as Na2O"
        )
    count, ways = len(glasses.blocks[COMPOSITION]), _ways(glasses, table)
    if ways == count or (ways == 1 and left_share(table)):
        return None
    names = ", ".join(glasses.columns[k] for k in glasses.blocks[COMPOSITION])
    return (
        f"beyond rounding, the composition ({names}) varies in {ways} of {count} independent ways, so that none of its "
        "shares changes alone"
    )


def slopes(glasses: Glasses, table: Table) -> list[Slope]:
    """Slopes of a weighted linear fit to the shares of the `glasses` of a `table`; where all of them vary along one
    line, the slope along it. Empty where `no_trend` tells why, without a composition, or with fewer than three
    compositions more than shares.

    Errors allow for a scatter that differs between compositions: HC3, J. G. MacKinnon, H. White, J. Econometrics 29,
    305 (1985), doi:10.1016/0304-4076(85)90158-7, with Student's factor.
    """
    columns = glasses.blocks.get(COMPOSITION)
    if columns is None or len(glasses) < len(columns) + 4 or no_trend(glasses, table):
        return []
    if len(columns) > 1 and _ways(glasses, table) == 1:
        names, along, instead = _line(glasses, table)
        return _fitted(glasses, along[:, None], [names], instead, table)
    left = left_share(table)
    return _fitted(
        glasses, glasses.features[:, columns], [glasses.columns[k] for k in columns], (left,) if left else (), table
    )


def _of_elements(table: Table) -> bool:
    return any(name in MASSES for name in table.components)


def _ways(glasses: Glasses, table: Table) -> int:
    """In how many independent ways the shares, or log-ratios, vary by more than their rounding."""
    if left_share(table):
        return int((_spread(glasses, table)[0] > SAME_MOL_PERCENT).sum())
    values = scaled(glasses.features[:, glasses.blocks[COMPOSITION]], {})
    return int((np.linalg.svd(values, compute_uv=False) > _ROUNDING_OF_RATIOS * np.sqrt(len(glasses))).sum())


def _spread(glasses: Glasses, table: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Root mean squares (C,) in mol-% by which shares vary along independent directions, the largest first; the
    directions (C, C), and the shares (N, C) themselves.
    """
    names, place, counts = np.unique(table.groups.astype(str), return_inverse=True, return_counts=True)
    sums = np.zeros((len(names), len(table.components)))
    np.add.at(sums, place, table.shares)
    shares = (sums / counts[:, None])[np.searchsorted(names, glasses.names)]
    _, spread, ways = np.linalg.svd(shares - shares.mean(axis=0), full_matrices=False)
    return spread / np.sqrt(len(glasses)), ways, shares


def _line(glasses: Glasses, table: Table) -> tuple[str, np.ndarray, tuple[str, ...]]:
    """Shares that all vary along one line: the names of those that rise together, the sum of them (N,), and the names
    of those that fall; the fewer rise, or if they are as many, those without the share that is largest on average.
    """
    spread, ways, shares = _spread(glasses, table)
    moves = ways[0] * spread[0]
    # what moves by less is among neither
    sides = [np.flatnonzero(sign * moves > SAME_MOL_PERCENT / 2) for sign in (1, -1)]
    largest = table.components.index(left_share(table))
    up, down = sorted(sides, key=lambda side: (len(side), largest in side))
    names = " + ".join(table.components[k] for k in up)
    return names, shares[:, up].sum(axis=1), tuple(table.components[k] for k in down)


def _fitted(
    glasses: Glasses, along: np.ndarray, names: list[str], instead: tuple[str, ...], table: Table
) -> list[Slope]:
    """Slopes of a linear fit with the columns of `along` (N, K), which are independent."""
    from scipy import stats

    root = np.sqrt(glasses.weights())
    design = root[:, None] * np.column_stack([np.ones(len(glasses)), along])
    target = root * glasses.target
    inverse = np.linalg.pinv(design.T @ design)
    fitted = inverse @ design.T @ target
    leverage = np.minimum(np.einsum("ij,jk,ik->i", design, inverse, design), 1 - 1e-9)
    scores = design * ((target - design @ fitted) / (1 - leverage))[:, None]
    errors = np.sqrt(np.diag(inverse @ scores.T @ scores @ inverse))
    freedom = len(glasses) - along.shape[1] - 1
    factor = float(stats.t.ppf(0.975, freedom))
    found = []
    for name, slope, error, values in zip(names, fitted[1:], errors[1:], along.T, strict=True):
        share = bool(instead) or name in table.components
        step, unit = (STEP, "at-%" if _of_elements(table) else "mol-%") if share else (1.0, "")
        ends = (float(step * (slope - factor * error)), float(step * (slope + factor * error)))
        p = float(2 * stats.t.sf(abs(slope) / error, freedom)) if error > 0 else 0.0
        found.append(Slope(name, float(step * slope), ends, p, step, unit, instead, values))
    return found
