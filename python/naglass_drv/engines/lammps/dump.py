"""Read snapshots and thermo tables written by LAMMPS as text into arrays."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

# before the atoms of a snapshot
_HEAD_LINES = 9
_CHUNK_BYTES = 1 << 24


@dataclass(frozen=True)
class Snapshot:
    """One frame of a custom dump, atoms sorted by id.

    `cell` (3, 3) Å, rows are the cell vectors; `origin` (3,) Å; `columns` maps a dump column to (N,)
    values.
    """

    step: int
    cell: np.ndarray
    origin: np.ndarray
    columns: dict[str, np.ndarray]

    def positions(self) -> np.ndarray:
        """Unwrapped positions (N, 3) Å, relative to the box origin."""
        return np.stack([self.columns[name] for name in ("xu", "yu", "zu")], axis=1) - self.origin

    def atoms(self, elements: Sequence[str]) -> "Atoms":
        """The frame as ASE atoms, unwrapped; LAMMPS type t is ``elements[t - 1]``."""
        from ase import Atoms

        symbols = [elements[int(kind) - 1] for kind in self.columns["type"]]
        return Atoms(symbols, self.positions(), cell=self.cell, pbc=True)


def read_snapshots(files: Iterable[Path]) -> Iterator[Snapshot]:
    """Snapshots of consecutive dump files, each step once; an unfinished last snapshot is left out.

    Raises InputError when a file is no custom text dump.
    """
    last = None
    for path in files:
        with open(path, encoding="ascii") as lines:
            while (snapshot := _read_one(path, lines)) is not None:
                if last is None or snapshot.step > last:
                    last = snapshot.step
                    yield snapshot


def is_whole(path: Path) -> bool:
    """Whether a custom dump holds whole snapshots only; LAMMPS does not see that a write of its has failed."""
    with open(path, "rb") as stream:
        head = [stream.readline() for _ in range(4)]
        if not head[0]:
            return True
        lines = len(head)
        last = head[-1]
        while chunk := stream.read(_CHUNK_BYTES):
            lines += chunk.count(b"\n")
            last = chunk
    count = head[-1].strip()
    return count.isdigit() and lines % (_HEAD_LINES + int(count)) == 0 and last.endswith(b"\n")


def _read_one(path: Path, lines) -> Snapshot | None:
    head = lines.readline()
    if not head:
        return None
    if head.strip() != "ITEM: TIMESTEP":
        raise InputError(f"{path}: not a LAMMPS custom dump: {head.strip()!r} instead of ITEM: TIMESTEP")
    try:
        step = int(lines.readline())
        lines.readline()
        count = int(lines.readline())
        box = lines.readline().split()
        bounds = np.array([lines.readline().split() for _ in range(3)], dtype=float)
        names = lines.readline().split()[2:]
        rows = list(islice(lines, count))
        if len(rows) < count or not rows[-1].endswith("\n"):
            return None
        table = np.array("".join(rows).split(), dtype=float).reshape(count, len(names))
    except ValueError:
        return None
    table = table[table[:, names.index("id")].argsort()]
    cell, origin = _cell(bounds, triclinic="xy" in box)
    return Snapshot(step, cell, origin, dict(zip(names, table.T, strict=True)))


def _cell(bounds: np.ndarray, *, triclinic: bool) -> tuple[np.ndarray, np.ndarray]:
    """Cell vectors and origin from dump bounds, which for a tilted box are those of its bounding box."""
    low, high = bounds[:, 0].copy(), bounds[:, 1].copy()
    xy, xz, yz = bounds[:, 2] if triclinic else (0.0, 0.0, 0.0)
    low[0] -= min(0.0, xy, xz, xy + xz)
    high[0] -= max(0.0, xy, xz, xy + xz)
    low[1] -= min(0.0, yz)
    high[1] -= max(0.0, yz)
    x, y, z = high - low
    return np.array([[x, 0, 0], [xy, y, 0], [xz, yz, z]]), low


def read_table(files: Iterable[Path]) -> dict[str, np.ndarray]:
    """Columns of consecutive tables (names, then rows of numbers), each step once, no unfinished row."""
    names: list[str] = []
    rows: list[list[float]] = []
    for path in files:
        lines = path.read_text(encoding="ascii").splitlines(keepends=True)
        names = lines[0].split() if lines else names
        for line in lines[1:]:
            row = [float(x) for x in line.split()]
            if line.endswith("\n") and len(row) == len(names) and (not rows or row[0] > rows[-1][0]):
                rows.append(row)
    table = np.array(rows).reshape(len(rows), len(names))
    return {name: table[:, i] for i, name in enumerate(names)}
