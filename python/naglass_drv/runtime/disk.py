"""How fast a folder is, and whether a lock that one node takes there is seen by another."""

import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SetupError, of_system
from .mpi import bcast, sleep_barrier

_BLOCK, _BLOCKS = 4 << 20, 16


@dataclass(frozen=True)
class Speed:
    """Bytes/s of one rank that writes 64 MiB through to the disk and reads them again."""

    write: float
    read: float


def speed(folder: Path) -> Speed:
    """Measure a folder. Raises SetupError, naming it, if nothing can be written there."""
    path = folder / f"naglass-check-{os.uname().nodename}-{os.getpid()}"
    block = os.urandom(_BLOCK)
    try:
        with open(path, "wb", buffering=0) as file:
            start = time.perf_counter()
            for _ in range(_BLOCKS):
                file.write(block)
            os.fsync(file.fileno())
            written = time.perf_counter() - start
            # what this node has just written is read from the disk again, as far as the system heeds the advice
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        start = time.perf_counter()
        with open(path, "rb", buffering=0) as file:
            while file.read(_BLOCK):
                pass
        taken = time.perf_counter() - start
    except OSError as error:
        raise of_system(error, folder) from error
    finally:
        with suppress(OSError):
            path.unlink()
    total = _BLOCK * _BLOCKS
    return Speed(total / written, total / taken)


def lock_fault(comm: Any, folder: Path, other: int) -> str:
    """What is wrong if a lock (flock) that rank 0 takes in `folder` does not keep rank `other` out; else empty.

    Collective. Raises SetupError, naming the folder, if it cannot be written.
    """
    path = folder / "naglass-check-lock"
    problem, held = "", -1
    if comm.Get_rank() == 0:
        try:
            held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            problem = str(of_system(error, path))
    if problem := bcast(comm, problem):
        raise SetupError(problem)
    taken = bcast(comm, _take(held) if comm.Get_rank() == 0 else None)
    fault = _kept_out(path) if comm.Get_rank() == other and taken else ""
    sleep_barrier(comm)
    fault = comm.bcast(fault, root=other)
    if comm.Get_rank() == 0:
        os.close(held)
        with suppress(OSError):
            path.unlink()
    return fault if taken else "the file system has no locks (flock)"


def _kept_out(path: Path) -> str:
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return "a file of the first rank is not seen by the other node"
    try:
        return "a lock (flock) of the first rank is not seen by the other one" if _take(file) else ""
    finally:
        os.close(file)


def _take(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
