"""The deviation of a committee, made an error of its forces on frames that were held out by group.

The ratio of error and deviation of atoms in one group is no independent sample: the groups are exchangeable, not the
atoms. Quantiles are therefore those of the pooled distribution with equal weight for every group and one group's weight
at infinity, which cover an atom of a new group at least as often as stated (arXiv:1809.07441, section 3.1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Share of the atoms whose error is within the calibrated deviation: that of one standard error.
SHARE = 0.683
#: Fewer groups cannot bound the error of an atom in a new one that often.
FEWEST = 3
_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Calibration:
    """Factors from the committee's deviation of an atom to the error of its force, by element; 0 if there is none.

    `pooled` lists elements that too few groups have, which take the factor of all elements together. `coverage` is the
    share of atoms whose error is within the calibrated deviation when their group is left out of the calibration, and
    its standard error that of the share among atoms of further groups (None with too few), and `curve` the same at
    other shares. `rank_correlation` is Spearman's, of deviation and error. `states` has, per ion that the frames name,
    its factor and number of groups.
    """

    scale: Mapping[str, float]
    pooled: Sequence[str]
    atoms: int
    groups: int
    coverage: float | None
    coverage_err: float | None
    curve: Sequence[tuple[float, float]]
    rank_correlation: float | None
    states: Mapping[str, tuple[float, int]]

    def as_json(self) -> dict[str, Any]:
        """All numbers, and the share that the factors are for."""
        return {"share": SHARE} | vars(self)


def committee(forces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean forces (N, 3) of M models, `forces` (M, N, 3), and each atom's deviation (N): the square root of the mean
    of |F - ⟨F⟩|² over the models, as pair_style mace has it.
    """
    mean = forces.mean(axis=0)
    return mean, np.sqrt(((forces - mean) ** 2).sum(axis=2).mean(axis=0))


def calibrate(
    deviation: np.ndarray,
    error: np.ndarray,
    elements: Sequence[str],
    groups: Sequence[str],
    ions: Sequence[str] | None = None,
) -> Calibration:
    """Calibrate the `deviation` of atoms (N, eV/Å) to the norm of their force errors (N, eV/Å).

    `elements`, `groups` and `ions` (empty text for no known state) are those of the atoms.
    """
    kind, group = np.asarray(elements), np.unique(np.asarray(groups), return_inverse=True)[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error > 0, error / deviation, 0.0)
    every = factor(ratio, group)
    scale, pooled = {}, []
    for element in dict.fromkeys(kind.tolist()):
        own = kind == element
        enough = len(np.unique(group[own])) >= FEWEST
        scale[element] = factor(ratio[own], group[own]) if enough else every
        if not enough:
            pooled.append(element)
    shares = np.array([_left_out(ratio, group, kind, level) for level in (SHARE, *_LEVELS)])
    known = np.isfinite(shares[0])
    count = int(known.sum())
    states = np.asarray(ions if ions is not None else [""] * len(kind))
    return Calibration(
        {element: value if np.isfinite(value) else 0.0 for element, value in scale.items()},
        pooled,
        len(kind),
        int(group.max(initial=-1)) + 1,
        float(shares[0][known].mean()) if count else None,
        float(shares[0][known].std(ddof=1) / np.sqrt(count)) if count > 1 else None,
        [
            (level, float(found.mean()))
            for level, found in zip(_LEVELS, shares[1:], strict=True)
            if count and np.isfinite(found).all()
        ],
        _rank_correlation(deviation, error),
        {
            state: (factor(ratio[states == state], group[states == state]), len(np.unique(group[states == state])))
            for state in sorted(set(states.tolist()) - {""})
            if len(np.unique(group[states == state])) >= FEWEST
        },
    )


def factor(ratio: np.ndarray, group: np.ndarray, share: float = SHARE) -> float:
    """The quantile of `ratio` (N) that bounds a `share` of the ratios of a new group; infinite with too few groups."""
    names, at, sizes = np.unique(group, return_inverse=True, return_counts=True)
    order = np.argsort(ratio, kind="stable")
    weight = np.cumsum((1.0 / sizes[at] / (len(names) + 1))[order])
    found = np.searchsorted(weight, share - 1e-12)
    return float(ratio[order][found]) if found < len(ratio) else np.inf


def _left_out(ratio: np.ndarray, group: np.ndarray, kind: np.ndarray, share: float) -> np.ndarray:
    """For every group, the share of its atoms within the factors of the others; NaN where these have none."""
    found = []
    for one in np.unique(group):
        inside, own = np.zeros(len(ratio), dtype=bool), group == one
        every = factor(ratio[~own], group[~own], share)
        for element in np.unique(kind[own]):
            rest = (kind == element) & ~own
            enough = len(np.unique(group[rest])) >= FEWEST
            value = factor(ratio[rest], group[rest], share) if enough else every
            inside |= own & (kind == element) & (ratio <= value if np.isfinite(value) else False)
        found.append(inside[own].mean() if np.isfinite(every) else np.nan)
    return np.array(found)


def _rank_correlation(deviation: np.ndarray, error: np.ndarray) -> float | None:
    from scipy.stats import spearmanr

    if len(deviation) < 3 or not (np.ptp(deviation) and np.ptp(error)):
        return None
    return float(spearmanr(deviation, error).statistic)
