"""The distinct van Hove function of a stream of frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from .arguments import array, positive, shown, whole
from .pairs import pair_counts, shell_volumes
from .statistics import average
from .trajectory import element_order
from .unwrap import Unwrapper, full_cell


class DistinctVanHove:
    """Streaming G_d(r,t)/ρ_B at chosen lags, periodic images included; definitions in docs/observables/transport.md.

    Parameters
    ----------
    symbols : (N,) element per atom.
    cell : (3, 3) Å, vectors as rows, constant.
    lags : lags in samples, 0 or more; at 0 it is g(r).
    reach, width : Å, range and width of the bins.
    every : samples between origins. Held in memory are the frames of the longest lag at this distance, and one
        histogram per origin and lag.

    Raises InputError for options out of range.
    """

    def __init__(
        self, symbols: Sequence[str], cell, lags: Sequence[int], reach: float, width: float = 0.1, *, every: int = 1
    ):
        symbols = tuple(symbols) if np.iterable(symbols) else ()
        if not symbols or not all(isinstance(symbol, str) for symbol in symbols):
            raise InputError(f"symbols = {shown(symbols)}: must be elements, one per atom")
        if not np.iterable(lags):
            raise InputError(f"lags = {shown(lags)}: must be several whole numbers of samples")
        lags = [whole("lags", lag, 0, unit="samples") for lag in lags]
        reach, width = positive("reach", reach, "Å"), positive("width", width, "Å")
        every = whole("every", every, 1, unit="samples")
        self.elements = element_order(symbols)
        self._kind = np.array([self.elements.index(symbol) for symbol in symbols], dtype=np.int32)
        self._cell = full_cell(cell)
        self.lags = tuple(sorted({int(lag) for lag in lags}))
        if not self.lags:
            raise InputError(f"lags = {list(lags)!r}: must be at least one number of samples, each 0 or more")
        if not width <= reach:
            raise InputError(
                f"reach, width = {reach!r}, {width!r}: must be positive (Å), and the width smaller than the reach"
            )
        self._every = int(every)
        self._bins = max(1, round(reach / width))
        self._width = float(width)
        self._samples = 0
        self._unwrapper = Unwrapper(self._cell)
        self._origins: dict[int, np.ndarray] = {}
        self._counts: dict[int, list[np.ndarray]] = {lag: [] for lag in self.lags}

    @property
    def r(self) -> np.ndarray:
        """(bins,) Å, centers of the bins."""
        return (np.arange(self._bins) + 0.5) * self._width

    def add(self, positions) -> None:
        """Add the next frame: positions (N, 3) in Å, wrapped or not.

        InputError for another shape, NaN, or wrapped frames too far apart to follow an atom.
        """
        positions = array("positions", positions, ("N", 3), unit="Å", finite=False)
        if len(positions) != len(self._kind):
            raise InputError(f"positions = {positions.shape}: there are {len(self._kind)} atoms")
        # an atom that wraps would see its earlier position as a neighbor
        positions = self._unwrapper.add(positions, self._cell)
        now = self._samples
        if now % self._every == 0:
            self._origins[now] = positions
        for lag in self.lags:
            if (then := self._origins.get(now - lag)) is not None:
                reach = self._bins * self._width
                self._counts[lag].append(pair_counts(then, self._kind, self._cell, reach, self._bins, positions))
        self._origins.pop(now - self.lags[-1], None)
        self._samples += 1

    def merge(self, other: DistinctVanHove) -> None:
        """Pool the origins of another run of the same atoms. Raises InputError for one with other options."""
        if not isinstance(other, DistinctVanHove):
            raise InputError(f"other = {shown(other)}: must be a DistinctVanHove")
        mine, theirs = ((s.lags, s._bins, s._width, s._kind.tolist(), s._cell.tolist()) for s in (self, other))
        if mine != theirs:
            raise InputError("other: its atoms, cell, lags or bins differ")
        for lag in self.lags:
            self._counts[lag] += other._counts[lag]

    def result(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Per pair "A-B" the function (lags, bins) and its standard error, corrected for correlation between origins.

        InputError for a lag that no pair of frames has reached.
        """
        for lag in self.lags:
            if not self._counts[lag]:
                raise InputError(f"lags = {lag}: the longest is {self._samples - 1} samples")
        counts = [np.array(self._counts[lag]) for lag in self.lags]
        return distinct_curves(counts, self.elements, np.bincount(self._kind), self._cell, self._bins * self._width)


def distinct_curves(
    counts: Sequence[np.ndarray], elements: Sequence[str], atoms: np.ndarray, cell: np.ndarray, reach: float
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Means and standard errors of the distinct function per pair "A-B", each (lags, bins).

    `counts` has per lag the pairs (origins, kinds, kinds, bins) up to `reach` (Å); `atoms` (kinds,) are of each kind.
    """
    bins = counts[0].shape[-1]
    ideal = shell_volumes(reach, bins) / abs(np.linalg.det(cell))
    values, errors = {}, {}
    for a, first in enumerate(elements):
        for b, second in enumerate(elements):
            found = [average(of_lag[:, a, b] / (atoms[a] * atoms[b] * ideal)) for of_lag in counts]
            values[f"{first}-{second}"] = np.array([each.mean for each in found])
            errors[f"{first}-{second}"] = np.array([each.err for each in found])
    return values, errors
