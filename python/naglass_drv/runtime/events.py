"""events.jsonl: the log of a run, append-only, with one JSON object per line."""

import errno
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from .files import jsonable

FILE = "events.jsonl"
BEGINNINGS, ENDS = ("run started", "made anew"), ("run ended", "run stopped")
_NOTED = (*ENDS, "refused")
_HEAD = re.compile(r'\{"time": "([^"]*)", "event": "([^"]*)"')


@dataclass
class Call:
    """One call of a run: the times of its first and last event as written, and its events that are not of a task."""

    first: str
    last: str
    noted: list[dict[str, Any]] = field(default_factory=list)


def append(folder: Path, event: str, **details: Any) -> None:
    """Add one event with its time, in a single write so that lines from several ranks do not mix."""
    now = datetime.now().astimezone().isoformat(timespec="milliseconds")
    record = {"time": now, "event": event, **details}
    line = json.dumps(record, default=jsonable) + "\n"
    file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    try:
        size = os.fstat(file).st_size
        # a killed process may have left half a line
        if size and os.pread(file, 1, size - 1) != b"\n":
            line = "\n" + line
        data = line.encode()
        if os.write(file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / FILE))
    finally:
        os.close(file)


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """The events in order; incomplete lines left by a killed process are skipped."""
    yield from (record for line in _text(folder).splitlines() if (record := _record(line)) is not None)


def calls(folder: Path) -> list[Call]:
    """The calls of a run in order. Of events of tasks only the time is read, since there may be 100 000 of them."""
    try:
        stat = (folder / FILE).stat()
    except OSError:
        return []
    return _calls(folder, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=1)
def _calls(folder: Path, size: int, mtime_ns: int) -> list[Call]:
    """As `calls`, of a file of this size and time: one that is read several times in a row is parsed once."""
    found: list[Call] = []
    for line in _text(folder).splitlines():
        head = _HEAD.match(line)
        if head is None or not line.endswith("}"):
            continue
        at, event = head.groups()
        if event in BEGINNINGS or not found:
            found.append(Call(at, at))
        found[-1].last = at
        if event in _NOTED:
            record = _record(line)
            found[-1].noted += [] if record is None else [record]
    return found


def _text(folder: Path) -> str:
    try:
        return (folder / FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
