"""Progress of a task: a bar on a terminal, lines elsewhere, and a small file that `status` reads."""

import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from .files import read_json, write_json

FILE = "progress.json"
_FILE_EVERY_S = 1.0
_LINE_EVERY_S = 10.0
_BAR_EVERY_S = 0.2
_BAR_WIDTH = 20
_ERASE = "\r\x1b[K"


def clock(seconds: float) -> str:
    """Seconds as H:MM:SS."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def say(text: str, out: TextIO | None = None) -> None:
    """Print a line; on a terminal in place of a bar."""
    out = out or sys.stdout
    print(f"{_ERASE if out.isatty() else ''}{text}", file=out, flush=True)


def bar(share: float) -> str:
    """``████░░`` of fixed width for a share of 0 to 1."""
    full = round(_BAR_WIDTH * min(max(share, 0.0), 1.0))
    return "█" * full + "░" * (_BAR_WIDTH - full)


class Progress:
    """Progress reports of one attempt at a task; only the first rank of the group reports.

    On a terminal, one line with a bar is drawn again and again. Elsewhere a line is printed at most every 10 s (times
    `groups`, to keep it readable). The file is written every second.
    """

    def __init__(
        self, label: str, folder: Path, *, started: float, speaks: bool, groups: int = 1, out: TextIO | None = None
    ):
        self._label = label
        self._path = folder / FILE
        self._job_started = started
        self._speaks = speaks
        self._line_every = _LINE_EVERY_S * groups
        self._out = out or sys.stdout
        self._bar = self._out.isatty()
        self._began = time.time()
        self._first: tuple[float, float] | None = None
        self._last: dict[str, Any] = {}
        self._filed = 0.0
        self._lined = time.time()

    def __call__(self, done: float, total: float, unit: str, note: str = "") -> None:
        """Report that `done` of `total` (in `unit`) is finished; `note` is shown with it."""
        if not self._speaks:
            return
        now = time.time()
        if self._first is None:
            self._first = (now, done)
        self._last = {
            "done": done,
            "total": total,
            "unit": unit,
            "note": note,
            "started": self._began,
            "updated": now,
            "remaining_s": self._remaining(now, done, total),
        }
        self._file(now)
        self._line(now)

    def alive(self) -> None:
        """Report that the task is alive when it has no new progress."""
        if self._speaks:
            now = time.time()
            self._last = {"started": self._began, **self._last, "updated": now}
            self._file(now)
            self._line(now)

    def _remaining(self, now: float, done: float, total: float) -> float | None:
        since, at_first = self._first or (now, done)
        if done <= at_first or total <= 0:
            return None
        return (total - done) * (now - since) / (done - at_first)

    def _file(self, now: float) -> None:
        if now - self._filed >= _FILE_EVERY_S:
            self._filed = now
            # not worth failing a task: more important output will report the full disk
            with suppress(OSError):
                write_json(self._path, self._last)

    def _line(self, now: float) -> None:
        if now - self._lined < (_BAR_EVERY_S if self._bar else self._line_every):
            return
        self._lined = now
        text = f"[{clock(now - self._job_started)}] {self._label}: {describe(self._last)}"
        if not self._bar:
            say(text, self._out)
            return
        total = float(self._last.get("total") or 0.0)
        drawn = f"{bar(float(self._last['done']) / total)} " if total > 0 else ""
        width = shutil.get_terminal_size().columns - 1
        self._out.write(f"{_ERASE}{(drawn + text)[:width]}")
        self._out.flush()


def describe(record: dict[str, Any]) -> str:
    """``35 % (1.75 of 5 ps), 0:00:50 left; T = 612 K`` from a progress record."""
    if not record.get("total"):
        return f"running for {clock(record['updated'] - record['started'])}" if "updated" in record else "running"
    done, total = float(record["done"]), float(record["total"])
    text = f"{100.0 * done / total:.0f} % ({done:.6g} of {total:.6g} {record.get('unit', '')})".replace(" )", ")")
    if record.get("remaining_s") is not None:
        text += f", about {clock(float(record['remaining_s']))} left"
    return f"{text}; {record['note']}" if record.get("note") else text


def read(folder: Path) -> dict[str, Any] | None:
    """The latest progress record of an attempt, or None."""
    return read_json(folder / FILE)
