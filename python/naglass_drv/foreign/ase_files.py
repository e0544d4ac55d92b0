"""Labels in the files of ASE: trajectories (``.traj``) and databases (``.db``), read by ASE without any pickle."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from ..errors import InputError
from .gate import Found, found_in, unreadable

if TYPE_CHECKING:
    from ase import Atoms

TRAJECTORY, DATABASE, PICKLED = b"- of Ulm", b"SQLite format 3\0", b"PickleTrajectory"


def read_ase(path: Path, start: bytes, keys: Mapping[str, str]) -> list[Found]:
    """Frames of a file that begins with `start`, one of the three above; `keys` as in `gate.read_extxyz`.

    Labels are those of the calculator, and entries of a row's key-value pairs and data. Raises InputError for a file
    that is damaged, or that can only be read by unpickling, which runs code.
    """
    if start.startswith(PICKLED):
        raise InputError(
            f"{path}: a pickled trajectory of ASE before 3.11, which can run code; convert it to extended XYZ"
        )
    readers = _database(path) if start.startswith(DATABASE) else _trajectory(path)
    found = []
    for number, read in enumerate(readers):
        try:
            found.append(found_in(path, number, read(), keys))
        # ASE raises almost anything on a damaged frame
        except Exception as error:
            found.append(
                unreadable(path, number, InputError(f"{path}: frame {number}: {type(error).__name__}: {error}"))
            )
    if not found:
        raise InputError(f"{path}: contains no frames")
    return found


def _trajectory(path: Path) -> Iterator[Callable[[], "Atoms"]]:
    from ase.io.trajectory import TrajectoryReader

    try:
        trajectory = TrajectoryReader(str(path))
    except Exception as error:
        raise InputError(f"{path}: not a trajectory of ASE, or damaged ({type(error).__name__}: {error})") from error
    with trajectory:
        for number in range(len(trajectory)):
            yield lambda number=number: trajectory[number]


def _database(path: Path) -> Iterator[Callable[[], "Atoms"]]:
    from ase.db import connect

    # ASE would make its tables in a database that has none, hence the look beforehand
    try:
        with sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True) as connection:
            kind = connection.execute("SELECT type FROM sqlite_master WHERE name = 'systems'").fetchone()
            if kind != ("table",):
                raise InputError(f"{path}: an SQLite database, but not one of ASE")
            ids = [row[0] for row in connection.execute("SELECT id FROM systems ORDER BY id")]
        connection.close()
        database = connect(str(path), type="db", use_lock_file=False)
    except sqlite3.Error as error:
        raise InputError(f"{path}: a damaged database ({error})") from error
    for number in ids:
        yield lambda number=number: _row(database, number)


def _row(database, number: int) -> "Atoms":
    row = database.get(id=number)
    frame = row.toatoms()
    frame.info = {**row.key_value_pairs}
    for key, value in row.data.items():
        if np.shape(value)[:1] == (len(frame),):
            frame.arrays[key] = np.asarray(value)
        else:
            frame.info[key] = value
    return frame
