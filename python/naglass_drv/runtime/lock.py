"""One job per run folder: advisory locks of the operating system, which no kill can leave behind."""

import errno
import fcntl
import os
import time
from pathlib import Path
from typing import Any

from ..errors import SetupError, of_system
from .mpi import bcast, sleep_barrier

_PATIENCE_S = 5.0


class RunLock:
    """The run folder's lock as one rank holds it.

    The first rank holds `lock` alone; every rank holds `lock.ranks` together with the others. A job whose
    first rank was killed is thus still seen while any other rank of it is alive and may write.
    """

    def __init__(self, folder: Path, comm: Any):
        self._files: list[int] = []
        busy = None
        if comm.Get_rank() == 0:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                busy = self._take_both(folder)
            except OSError as error:
                busy = str(of_system(error, folder))
        busy = bcast(comm, busy)
        if busy:
            self.release()
            raise SetupError(busy)
        shared = _open(folder / "lock.ranks")
        self._files.append(shared)
        _lock(shared, fcntl.LOCK_SH)
        sleep_barrier(comm)

    def release(self) -> None:
        """Give the locks up."""
        while self._files:
            os.close(self._files.pop())

    def _take_both(self, folder: Path) -> str | None:
        alone = _open(folder / "lock")
        self._files.append(alone)
        ranks = _open(folder / "lock.ranks")
        try:
            deadline = time.monotonic() + _PATIENCE_S
            # the ranks of a job that has just been killed need a moment to be gone
            while not (_lock(alone, fcntl.LOCK_EX) and _lock(ranks, fcntl.LOCK_EX)):
                if time.monotonic() > deadline:
                    return f"{folder}: another job is running in this folder ({_holder(alone)})"
                time.sleep(0.1)
            os.ftruncate(alone, 0)
            os.pwrite(alone, f"process {os.getpid()} on {os.uname().nodename}".encode(), 0)
            return None
        finally:
            os.close(ranks)


def is_running(folder: Path) -> bool:
    """Whether a job holds the run folder's lock now."""
    try:
        file = os.open(folder / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return not _lock(file, fcntl.LOCK_EX)
    finally:
        os.close(file)


def _open(path: Path) -> int:
    # what a link points at is not ours to write
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)


def _lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        # a file system without locks: two jobs in one folder then remain the user's care
        return error.errno in (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK)
    return True


def _holder(file: int) -> str:
    return os.pread(file, 200, 0).decode(errors="replace") or "its process is not known"
