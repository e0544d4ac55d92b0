"""events.jsonl: the log of a run, append-only, with one JSON object per line."""

import errno
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .files import jsonable

FILE = "events.jsonl"


def append(folder: Path, event: str, **details: Any) -> None:
    """Add one event with its time, in a single write so that lines from several ranks do not mix."""
    record = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "event": event, **details}
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
    try:
        text = (folder / FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record
