"""One job per run folder: advisory locks of the operating system, which never survive a kill."""

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
    """The lock of the run folder, as held by one rank.

    The first rank holds `lock` exclusively; all ranks share `lock.ranks`. If the first rank of a job was
    killed, the job is thus still detected while any other rank is alive and may write. An earlier job is waited for
    `patience_s` (s): the orphans of a node that Slurm has given up may go on for a while.
    """

    def __init__(self, folder: Path, comm: Any, patience_s: float = _PATIENCE_S):
        self._files: list[int] = []
        busy = None
        if comm.Get_rank() == 0:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                busy = self._take_both(folder, patience_s)
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
        """Release the locks."""
        while self._files:
            os.close(self._files.pop())

    def _take_both(self, folder: Path, patience_s: float) -> str | None:
        alone = _open(folder / "lock")
        self._files.append(alone)
        ranks = _open(folder / "lock.ranks")
        try:
            deadline = time.monotonic() + patience_s
            # the ranks of a job that was just killed need a moment to exit
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
    """Whether a job currently holds the lock of the run folder."""
    return is_held(folder / "lock")


def hold(path: Path) -> int:
    """Lock an existing file for as long as this process lives or keeps the descriptor that is returned open."""
    file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    # whoever asks whether it is held locks it for a moment
    for _ in range(100):
        if _lock(file, fcntl.LOCK_EX):
            break
        time.sleep(0.01)
    return file


def is_held(path: Path) -> bool:
    """Whether a process holds the lock of a file; False where it is missing, or the file system has no locks."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return not _lock(file, fcntl.LOCK_SH)
    finally:
        os.close(file)


def _open(path: Path) -> int:
    # never write to the target of a link
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)


def _lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        # a file system without locks: the user then has to avoid running two jobs in one folder
        return error.errno in (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK)
    return True


def _holder(file: int) -> str:
    return os.pread(file, 200, 0).decode(errors="replace") or "unknown process"
