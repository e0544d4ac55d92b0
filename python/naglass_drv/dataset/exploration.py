"""Which moments of a trajectory a committee should be taught: where its calibrated deviation leaves what is usual."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: An excursion ends where the deviation has fallen to this share of the threshold, so that noise does not split it.
_HYSTERESIS = 0.9


@dataclass(frozen=True)
class Excursions:
    """Stretches of a trajectory above the threshold, (first, last) index of each, and the `threshold` at every look
    (eV/Å)."""

    spans: Sequence[tuple[int, int]]
    threshold: np.ndarray


def excursions(largest: np.ndarray, *, least: float, most: float, excess: float, window: int) -> Excursions:
    """Excursions of the `largest` deviation (eV/Å) at each look.

    The threshold adapts: it is (1 + `excess`) times the mean of the last `window` values, those of the look itself left
    out, and never below `least`. At `most` the trajectory has ended as an excursion into structures that are not worth
    a label: that look and all after it are left out.
    """
    end = int(np.argmax(largest >= most)) if (largest >= most).any() else len(largest)
    total = np.concatenate([[0.0], np.cumsum(largest)])
    at = np.arange(len(largest))
    first = np.maximum(at - window, 0)
    mean = (total[at] - total[first]) / np.maximum(at - first, 1)
    threshold = np.maximum(least, (1 + excess) * mean)
    spans: list[tuple[int, int]] = []
    begun = None
    for k in range(end):
        if begun is None and largest[k] >= threshold[k]:
            begun = k
        elif begun is not None and largest[k] < _HYSTERESIS * threshold[k]:
            spans.append((begun, k - 1))
            begun = None
    if begun is not None:
        spans.append((begun, end - 1))
    return Excursions(spans, threshold)
