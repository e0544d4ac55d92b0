"""The table of hops: events, rates and their uncertainties, and the LAMMPS file format."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ..errors import InputError
from .arguments import array, positive, read_text, whole
from .statistics import clustered, student

#: Columns of the compiled core's rows and of the files of `fix naglass/hops`.
COLUMNS = (
    "step", "atom", "from_x", "from_y", "from_z", "to_x", "to_y", "to_z", "p_max", "overlap", "waiting", "returned",
)  # fmt: skip

_TIME_BLOCKS = 10
# Fewer events than this are treated as independent: they are too few to show their scatter.
_FEW_HOPS, _FEW_RETURNS = 20, 5
# Relative uncertainty of the number of unresolved hops.
_UNRESOLVED_ERR = 0.15
# If a hop and its return are within one window, neither may be detected.
_UNRESOLVED_RETURNS_ERR = 0.5


@dataclass(frozen=True)
class Hops:
    """Hops ordered by step, then atom; all arrays have one entry per hop. Definitions in docs/observables/hops.md."""

    step: np.ndarray  #: int, first sample at the new site
    atom: np.ndarray  #: int, index in the frame (LAMMPS: tag)
    start: np.ndarray  #: (hops, 3) Å, mean position over the half-window before
    end: np.ndarray  #: (hops, 3) Å, and over the half-window from `step` on
    p_max: np.ndarray  #: Å²
    overlap: np.ndarray  #: Jaccard overlap of the host neighbors before and after; NaN where not asked for
    waiting: np.ndarray  #: int, steps since the atom's previous hop; -1 for its first
    returned: np.ndarray  #: bool, back to a site the atom had left shortly before
    nearest: np.ndarray  #: int, index of the nearest atom of the elements asked for; -1 where not asked for
    mobile: np.ndarray  #: (M,) int, the atoms that were followed
    observed_steps: int | None = None  #: steps during which a hop would have been seen; None where not known
    first_step: int | None = None  #: first of them
    window_steps: int | None = None  #: half the window, steps; hops closer than that are seen as one
    return_within_steps: int | None = None  #: how long ago a site may have been left for a hop to it to be a return

    def __len__(self) -> int:
        """Number of hops."""
        return len(self.step)

    @property
    def length(self) -> np.ndarray:
        """(hops,) distance between the two mean positions (Å)."""
        return np.linalg.norm(self.end - self.start, axis=1)

    def table(self) -> np.ndarray:
        """One structured array with the fields of a hop, for files and data frames."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)[:9]} | {"length": self.length}
        kinds = [(name, column.dtype, column.shape[1:]) for name, column in columns.items()]
        rows = np.empty(len(self), dtype=kinds)
        for name, column in columns.items():
            rows[name] = column
        return rows

    def cage_broken(self, threshold: float = 0.5) -> np.ndarray:
        """(hops,) bool: the ion has changed its cage, the overlap is below the threshold."""
        threshold = positive("threshold", threshold)
        if np.isnan(self.overlap).all() and len(self):
            raise InputError("cage = None: the hops were found without host neighbors")
        return self.overlap < threshold

    def per_atom(self) -> np.ndarray:
        """(M,) number of hops of each atom of `mobile`."""
        return np.bincount(self._places(), minlength=len(self.mobile))

    def _places(self) -> np.ndarray:
        order = np.argsort(self.mobile)
        return order[np.searchsorted(self.mobile, self.atom, sorter=order)]

    def rate(self, step_time: float = 1.0) -> tuple[float, float]:
        """Hops per ion and time, and the standard error; `step_time` is the time of one step (1: rate per step).

        Hops within one window of each other are detected as one; to correct for this, as many are added as
        waited for one to two windows. The error is the scatter between ten blocks of time, or that between ions if it
        is significantly larger, with Student's factor; fewer than twenty hops are taken as independent. Returns count
        as hops.
        """
        time = self._observed() * positive("step_time", step_time) * len(self.mobile)
        total, relative, _ = self._counted()
        return float(total / time), float(relative * max(total, 1) / time)

    def rate_interval(self, step_time: float = 1.0) -> tuple[float, float]:
        """95 % confidence interval of `rate`; from 0 to three hops in the total time if there were none."""
        from scipy.special import gammaincinv

        time = self._observed() * positive("step_time", step_time) * len(self.mobile)
        total, relative, wide = self._counted()
        if len(self) >= _FEW_HOPS:
            return float(total / time / np.exp(wide * relative)), float(total / time * np.exp(wide * relative))
        # independent events, each of which represents 1/share of them
        equivalent = min(len(self), 1 / relative**2) if len(self) else 0
        low = gammaincinv(equivalent, 0.025) / equivalent * total if equivalent else 0.0
        high = gammaincinv(equivalent + 1, 0.975) / equivalent * total if equivalent else gammaincinv(1, 0.95)
        return float(low / time), float(high / time)

    def return_fraction(self) -> tuple[float, float]:
        """Share of the hops that are returns, and its standard error; NaN without hops.

        Hops that were not resolved are added as in `rate`. In runs longer than `return_within`, hops of the first such
        stretch are left out, since sites left before the run are not known; in shorter ones the share is too small. The
        error is that of blocks of time and of ions as for `rate`. For fewer than five returns, or
        fewer than five hops that are none, it takes hops as independent and stays finite at shares of 0 and 1
        (posterior of a uniform prior).
        """
        share, err, _ = self._returns()
        return share, err

    def return_interval(self) -> tuple[float, float]:
        """95 % confidence interval of `return_fraction`; NaN without hops."""
        from scipy.special import betaincinv

        share, err, hops = self._returns()
        if not hops:
            return float("nan"), float("nan")
        if err > 0 and 0 < share < 1:
            hops = min(hops, share * (1 - share) / err**2)
        ends = (share * hops + 1, (1 - share) * hops + 1)
        return float(betaincinv(*ends, 0.025)), float(betaincinv(*ends, 0.975))

    def _observed(self) -> int:
        if not self.observed_steps:
            raise InputError(f"observed_steps = {self.observed_steps}: the length of the observation is unknown")
        return self.observed_steps

    def standing_for(self) -> np.ndarray:
        """(hops,) how many hops each represents: 2 if it waited for one to two windows, else 1.

        As many as these wait for less than a window, and are not resolved.
        """
        if not self.window_steps:
            return np.ones(len(self))
        return 1.0 + ((self.waiting > self.window_steps) & (self.waiting <= 2 * self.window_steps))

    def _counted(self) -> tuple[float, float, float]:
        """Hops with those that were not resolved, relative error of their number, and errors that 95 % lie within."""
        weights = self.standing_for()
        total = weights.sum()
        if not total:
            return 0.0, 1.0, 1.96
        unresolved = 1 - len(self) / total
        systematic = unresolved * max(unresolved, _UNRESOLVED_ERR)
        if len(self) < _FEW_HOPS:
            return float(total), float(np.hypot(len(self) ** -0.5, systematic)), 1.96
        counts = self._cells(weights)
        variance, freedom = clustered(counts - counts.mean())
        statistical = student(freedom, 1.0) * np.sqrt(variance) / total
        return float(total), float(np.hypot(statistical, systematic)), student(freedom, 1.96) / student(freedom, 1.0)

    def _returns(self) -> tuple[float, float, float]:
        """Share of returns, its error, and the number of hops that it rests on."""
        start, length = self._span()
        weights = self.standing_for()
        if self.return_within_steps is not None and length > self.return_within_steps:
            weights = weights * (self.step >= start + self.return_within_steps)
        hops, returns = weights.sum(), weights[self.returned].sum()
        if not hops:
            return float("nan"), float("nan"), 0.0
        share = returns / hops
        if min(returns, hops - returns) < _FEW_RETURNS:
            a, b = returns + 1, hops - returns + 1
            return float(share), float(np.sqrt(a * b / (a + b + 1)) / (a + b)), float(hops)
        variance, freedom = clustered(self._cells(weights * (self.returned - share)))
        statistical = student(freedom, 1.0) * np.sqrt(variance) / hops
        systematic = _UNRESOLVED_RETURNS_ERR * (1 - np.count_nonzero(weights) / hops) * share
        return float(share), float(np.hypot(statistical, systematic)), float(hops)

    def _span(self) -> tuple[float, float]:
        """First step at which a hop would have been seen, and the number of such steps."""
        first, last = (int(self.step.min()), int(self.step.max())) if len(self) else (0, 0)
        length = max(self.observed_steps or 0, last - first + 1)
        spare = length - (last - first + 1)
        return (first - spare / 2 if self.first_step is None else self.first_step), length

    def _cells(self, weights: np.ndarray) -> np.ndarray:
        """(ions, blocks of time) sums of a weight per hop."""
        start, length = self._span()
        block = np.clip(((self.step - start) * _TIME_BLOCKS / length).astype(int), 0, _TIME_BLOCKS - 1)
        sums = np.zeros((len(self.mobile), _TIME_BLOCKS))
        np.add.at(sums, (self._places(), block), weights)
        return sums


def hops_of(rows: np.ndarray, *, atoms: np.ndarray, nearest, **about) -> Hops:
    """Hops from rows in the order of `COLUMNS`, with other names for the atoms; `about` are the fields that follow."""
    return Hops(
        step=rows[:, 0].astype(np.int64),
        atom=atoms,
        start=rows[:, 2:5].copy(),
        end=rows[:, 5:8].copy(),
        p_max=rows[:, 8].copy(),
        overlap=rows[:, 9].copy(),
        waiting=rows[:, 10].astype(np.int64),
        returned=rows[:, 11] != 0.0,
        nearest=np.asarray(nearest, dtype=np.int64),
        **about,
    )


def read_hops(path: str | Path, mobile=None, observed_steps: int | None = None) -> Hops:
    """The hops that `fix naglass/hops` wrote; atoms are LAMMPS tags.

    `mobile` (tags of the fix's group) and `observed_steps` are taken from the file's comments, the second from that at
    the end of a run. A file without them has the atoms that hopped for `mobile`, and no rate; a run that was killed
    needs `observed_steps`. InputError for another file, with the line that does not fit.
    """
    lines = read_text(path).splitlines()
    comments = [line for line in lines if line.startswith("#")]
    if not any(line.startswith("# naglass/hops") for line in comments[:2]):
        raise InputError(f"path = {str(path)!r}: not a file written by fix naglass/hops")
    rows = np.array(
        [_row(str(path), place, line) for place, line in enumerate(lines, start=1) if line[:1] not in ("#", "")]
    ).reshape(-1, len(COLUMNS))
    tags = rows[:, 1].astype(np.int64)
    known = None
    for line in comments:
        words = line[1:].split()
        if mobile is None and words[:1] == ["tags"]:
            mobile = _ranges(words[1:])
        if len(words) == 4 and words[::2] == ["until", "observed_steps"] and words[3].isdigit():
            known = int(words[3])
    observed_steps = known if observed_steps is None else whole("observed_steps", observed_steps, 1, 2**62)
    mobile = np.unique(tags) if mobile is None else array("mobile", mobile, ("M",), kind=int)
    if missing := set(tags.tolist()) - set(mobile.tolist()):
        raise InputError(f"mobile: atom {min(missing)} hops in {str(path)!r} but is not one of them")
    return hops_of(rows, atoms=tags, mobile=mobile, nearest=np.full(len(rows), -1), observed_steps=observed_steps)


def _row(path: str, place: int, line: str) -> list[float]:
    words = line.split()
    if len(words) != len(COLUMNS):
        raise InputError(f"path = {path!r}: line {place} does not have {len(COLUMNS)} columns")
    try:
        return [float(word) for word in words]
    except ValueError:
        raise InputError(
            f"path = {path!r}: line {place} contains something other than numbers: {line[:60]!r}"
        ) from None


def _ranges(words: list[str]) -> list[int]:
    """The numbers that "1-40 55 60-70" means."""
    numbers: list[int] = []
    for word in words:
        ends = word.split("-")
        if len(ends) > 2 or not all(end.isdigit() for end in ends) or int(ends[-1]) - int(ends[0]) > 10**8:
            raise InputError(f"tags: {word!r} is not a range of numbers")
        numbers += range(int(ends[0]), int(ends[-1]) + 1)
    return numbers
