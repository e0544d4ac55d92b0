"""What a task has reached, item by item, in a file from which the next attempt at it continues."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import write_bytes
from .base import Job

#: Files of the items of a task, and of the steps of the one under way.
_ITEMS, RELAXING = "reached.jsonl", "relaxing.jsonl"


class Reached:
    """The outcome of each item so far, by its name, in a file that a kill at any moment leaves readable.

    That of the attempt before is taken over at once, so that a kill while a program starts loses nothing.
    """

    def __init__(self, job: Job, file: str = _ITEMS):
        self._path = job.folder / file
        before = job.previous / file if job.previous is not None else None
        if before is not None and before.exists():
            write_bytes(self._path, before.read_bytes())
        self.lines: dict[str, dict[str, Any]] = {}

    def keep(self, head: Mapping[str, Any]) -> None:
        """Go on with what has been taken over, if it has the same `head`, its first line."""
        own, *kept = _lines(self._path) if self._path.exists() else [{}]
        self.lines = {line.pop("frame"): line for line in kept if own == head}
        every = [head, *({"frame": name} | line for name, line in self.lines.items())]
        write_bytes(self._path, "".join(json.dumps(line) + "\n" for line in every).encode())

    def add(self, name: str, line: dict[str, Any]) -> None:
        """Note the outcome of an item."""
        self.lines[name] = line
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"frame": name} | line) + "\n")


def _lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a file; a kill may cut the last."""
    *whole, _ = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in whole] or [{}]
