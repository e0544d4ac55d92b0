"""How unequally ions move: the maxima of α₂ and χ₄, and clusters of the fastest ions."""

from typing import Any

import numpy as np

from ..core import Correlation, Curve, Trajectory, fast_clusters
from ..errors import InputError

#: Share of the ions that count as fast.
FAST_SHARE = 0.1
# of the mean distance of ions, if their pair function has no minimum
_SPACINGS = 1.4


def heterogeneity(path: Trajectory, found: Correlation, ion: str, shell_A: float | None) -> dict[str, Any]:
    """The maxima of α₂ and χ₄ with their times, and the clusters of the fastest ions over the time of the first.

    `shell_A` is the first minimum of the ions' pair function; ions closer than that are neighbors.
    """
    alpha2, chi4 = _maximum(found.alpha2[ion]), _maximum(found.chi4[ion])
    numbers: dict[str, Any] = {"ion": ion}
    for name, peak in (("alpha2", alpha2), ("chi4", chi4)):
        numbers |= {f"{name}_{word}": peak[k] if peak else None for k, word in enumerate(("time_ps", "max", "max_err"))}
    numbers["fast"], numbers["fast_reason"] = None, None
    if alpha2 is None:
        return numbers | {"fast_reason": "α₂ has no maximum within the lags that have an error"}
    assert path.cell is not None and path.volume is not None
    cutoff = shell_A or _SPACINGS * (path.volume / path.symbols.count(ion)) ** (1 / 3)
    try:
        fast = fast_clusters(path, ion, lag=alpha2[0], cutoff=cutoff, share=FAST_SHARE)
    except InputError as error:
        return numbers | {"fast_reason": str(error)}
    numbers["fast"] = {
        "lag_ps": fast.lag, "cutoff_A": cutoff, "chosen": fast.chosen, "origins": fast.origins, "size": fast.size,
        "size_err": fast.err if np.isfinite(fast.err) and fast.err > 0 else None, "random": fast.random,
        "random_range": list(fast.random_range), "chance": fast.chance,
    }  # fmt: skip
    return numbers


def _maximum(curve: Curve) -> tuple[float, float, float] | None:
    """Time, value and error of the highest point that has an error; None if it is the first or last of these, or not
    above twice its error.
    """
    known = np.flatnonzero(np.isfinite(curve.err) & (curve.err > 0))
    if not len(known):
        return None
    k = int(known[np.argmax(curve.value[known])])
    if k in known[[0, -1]] or not curve.value[k] > 2 * curve.err[k]:
        return None
    return float(curve.time[k]), float(curve.value[k]), float(curve.err[k])
