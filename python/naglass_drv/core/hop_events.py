"""The table of hops: what was found, its rates and their uncertainties, and how LAMMPS writes it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ..errors import InputError
from .arguments import array, positive, read_text, whole

#: Columns of the compiled core's rows and of the files of `fix naglass/hops`.
COLUMNS = (
    "step", "atom", "from_x", "from_y", "from_z", "to_x", "to_y", "to_z", "p_max", "overlap", "waiting", "returned",
)  # fmt: skip


@dataclass(frozen=True)
class Hops:
    """Hops ordered by step, then atom; all arrays have one entry per hop. Definitions in docs/observables/hops.md."""

    step: np.ndarray  #: int, first sample at the new site
    atom: np.ndarray  #: int, index in the frame (LAMMPS: tag)
    start: np.ndarray  #: (hops, 3) Å, mean position over the half-window before
    end: np.ndarray  #: (hops, 3) Å, and over the half-window from `step` on
    p_max: np.ndarray  #: Å²
    overlap: np.ndarray  #: Jaccard overlap of the host neighbours before and after; NaN where not asked for
    waiting: np.ndarray  #: int, steps since the atom's previous hop; -1 for its first
    returned: np.ndarray  #: bool, back to a site the atom had left shortly before
    nearest: np.ndarray  #: int, index of the nearest atom of the elements asked for; -1 where not asked for
    mobile: np.ndarray  #: (M,) int, the atoms that were followed
    observed_steps: int | None = None  #: steps during which a hop would have been seen; None where not known

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
            raise InputError("cage = None: the hops were found without host neighbours")
        return self.overlap < threshold

    def per_atom(self) -> np.ndarray:
        """(M,) number of hops of each atom of `mobile`."""
        order = np.argsort(self.mobile)
        places = order[np.searchsorted(self.mobile, self.atom, sorter=order)]
        return np.bincount(places, minlength=len(self.mobile))

    def rate(self, step_time: float = 1.0) -> tuple[float, float]:
        """Hops per ion and time, and the standard error; `step_time` is the time of one step (1: rate per step).

        The error is the larger of the spread between ions (ions in slow and fast surroundings) and that of
        independent hops; correlation between ions would make it larger. Returns count as hops.
        """
        step_time = positive("step_time", step_time)
        if not self.observed_steps:
            raise InputError(f"observed_steps = {self.observed_steps}: the length of the observation is not known")
        counts = self.per_atom()
        ions, total = len(counts), counts.sum()
        between = counts.std(ddof=1) / np.sqrt(ions) if ions > 1 else 0.0
        error = max(between, np.sqrt(max(total, 1)) / ions)
        time = self.observed_steps * step_time
        return float(total / ions / time), float(error / time)

    def return_fraction(self) -> tuple[float, float]:
        """Share of the hops that are returns, and its standard error; NaN without hops.

        The error takes hops as independent and stays finite at shares of 0 and 1 (posterior of a uniform prior).
        """
        hops, returns = len(self), int(self.returned.sum())
        if not hops:
            return float("nan"), float("nan")
        a, b = returns + 1, hops - returns + 1
        return returns / hops, float(np.sqrt(a * b / (a + b + 1)) / (a + b))


def hops_of(rows: np.ndarray, *, atoms: np.ndarray, mobile: np.ndarray, nearest, observed_steps: int | None) -> Hops:
    """Hops from rows in the order of `COLUMNS`, with other names for the atoms."""
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
        mobile=mobile,
        observed_steps=observed_steps,
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
        raise InputError(f"path = {str(path)!r}: not a file of fix naglass/hops")
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
        raise InputError(f"mobile: atom {min(missing)} hops in {str(path)!r} and is not among them")
    return hops_of(rows, atoms=tags, mobile=mobile, nearest=np.full(len(rows), -1), observed_steps=observed_steps)


def _row(path: str, place: int, line: str) -> list[float]:
    words = line.split()
    if len(words) != len(COLUMNS):
        raise InputError(f"path = {path!r}: line {place} has not {len(COLUMNS)} columns")
    try:
        return [float(word) for word in words]
    except ValueError:
        raise InputError(f"path = {path!r}: line {place} holds what is no number: {line[:60]!r}") from None


def _ranges(words: list[str]) -> list[int]:
    """The numbers that "1-40 55 60-70" means."""
    numbers: list[int] = []
    for word in words:
        ends = word.split("-")
        if len(ends) > 2 or not all(end.isdigit() for end in ends) or int(ends[-1]) - int(ends[0]) > 10**8:
            raise InputError(f"tags: {word!r} is no range of numbers")
        numbers += range(int(ends[0]), int(ends[-1]) + 1)
    return numbers
