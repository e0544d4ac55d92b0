"""Stop requests: signals, the file EXIT in the run folder, the walltime. Every rank is notified."""

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from ..errors import InputError

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
_LOOK_EVERY_S = 0.5
_heard: int | None = None
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


def walltime_seconds(text: str) -> float:
    """``90m``, ``1.5h``, ``5400s`` or ``HH:MM:SS`` in seconds; raises InputError for anything else."""
    plain = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    clock = re.fullmatch(r"(\d+):([0-5]\d):([0-5]\d)", text)
    if plain:
        seconds = float(plain[1]) * _UNITS_S[plain[2]]
    elif clock:
        seconds = 3600.0 * int(clock[1]) + 60.0 * int(clock[2]) + int(clock[3])
    else:
        raise InputError(f"--walltime {text!r}: must have the form 90m, 1.5h, 5400s or HH:MM:SS")
    if seconds <= 0:
        raise InputError(f"--walltime {text!r}: must be greater than zero")
    return seconds


def listen() -> None:
    """From now on treat SIGTERM, SIGINT and SIGUSR1 as stop requests, to be found by the Stop of the job."""
    for number in _SIGNALS:
        signal.signal(number, _note)


def _note(number: int, frame: FrameType | None) -> None:
    # only recorded here, because the handler may interrupt anything
    global _heard
    _heard = number


class Stop:
    """Whether this job has been asked to stop, and by what.

    The walltime counts from the creation of this object; the job stops a tenth of it, but at most two
    minutes, earlier, so that work in progress can save its state. A rank that gets a request notifies the
    others by a file in the run folder, because a signal may reach only one of them.
    """

    def __init__(self, folder: Path, job: str, walltime_s: float | None = None):
        self._exit = folder / "EXIT"
        self._notice = folder / f".stop-{job}"
        self._reason: str | None = None
        self._looked = 0.0
        self._deadline = None
        if walltime_s is not None:
            self._deadline = time.monotonic() + walltime_s - min(120.0, 0.1 * walltime_s)

    @property
    def reason(self) -> str:
        """What asked the job to stop, in words."""
        return self._reason or "not asked to stop"

    def requested(self) -> bool:
        """True once the job has been asked to stop; cheap enough to call at every step."""
        if self._reason is not None:
            return True
        if _heard is not None:
            return self._decide(f"signal {signal.Signals(_heard).name}")
        now = time.monotonic()
        if self._deadline is not None and now > self._deadline:
            return self._decide("walltime")
        if now - self._looked < _LOOK_EVERY_S:
            return False
        self._looked = now
        if os.path.lexists(self._exit):
            return self._decide("file EXIT in the run folder")
        if self._notice.exists():
            with suppress(OSError):
                self._reason = self._notice.read_text(encoding="utf-8")
            self._reason = self._reason or "another rank"
            return True
        return False

    def request(self, reason: str) -> bool:
        """Ask this job to stop on all its ranks; False if the others could not be notified."""
        if not self.requested():
            self._decide(reason)
        return self._notice.exists()

    def forget(self) -> None:
        """Remove what this job has asked its own ranks."""
        with suppress(OSError):
            self._notice.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove stop requests for this or an earlier job of the folder (first rank)."""
        for path in (self._exit, *self._exit.parent.glob(".stop-*")):
            with suppress(OSError):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)

    def _decide(self, reason: str) -> bool:
        self._reason = reason
        # on a full disk the others learn of it by the signal, or when this rank ends
        with suppress(OSError):
            self._notice.write_text(reason, encoding="utf-8")
        return True


def job_name() -> str:
    """A name for this job that is unique in the folder."""
    return f"{os.uname().nodename}-{os.getpid()}-{time.time_ns()}"
