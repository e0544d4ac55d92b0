"""The table of hops: what was found, its rates and their uncertainties, and how LAMMPS writes it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ..errors import InputError

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

    `mobile` (tags of the fix's group) and `observed_steps` are not in the file: the first defaults to the atoms that
    hopped, without the second there is no rate (the fix gives one). InputError for another file.
    """
    lines = Path(path).read_text().splitlines()
    if not lines or not lines[0].startswith("# naglass/hops"):
        raise InputError(f"path = {str(path)!r}: not a file of fix naglass/hops")
    values = [line.split() for line in lines if not line.startswith("#")]
    if any(len(row) != len(COLUMNS) for row in values):
        raise InputError(f"path = {str(path)!r}: a line has not {len(COLUMNS)} columns")
    rows = np.array(values, dtype=float).reshape(-1, len(COLUMNS))
    tags = rows[:, 1].astype(np.int64)
    mobile = np.unique(tags) if mobile is None else np.asarray(mobile)
    return hops_of(rows, atoms=tags, mobile=mobile, nearest=np.full(len(rows), -1), observed_steps=observed_steps)
