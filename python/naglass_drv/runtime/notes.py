"""ended.txt of a step: how its tasks ended, so that `status` need not read the files of every task.

A copy of what DONE and FAILED say, never used to decide whether a task is done; it may be deleted at any time.
"""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

FILE = "ended.txt"


class Note(NamedTuple):
    """How an attempt at a task ended: `seconds` is its time if it is done, `failure` the words if it failed."""

    key: str
    attempt: int
    seconds: float
    failure: str


def append(folder: Path, task: str, note: Note) -> None:
    """Note the end of an attempt in the step's `folder`, if it can be written."""
    line = f"{task} {note.key} {note.attempt} {note.seconds:.3f} {' '.join(note.failure.split())}".rstrip()
    # a line at a time, since several groups may end together; what cannot be noted is read from the task
    with suppress(OSError), open(folder / FILE, "a", encoding="utf-8") as stream:
        stream.write(f"{line}\n")


def read(folder: Path) -> dict[str, Note]:
    """The last note of each task, by name; incomplete lines are skipped."""
    found: dict[str, Note] = {}
    try:
        lines = (folder / FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            name, key, attempt, seconds, *failure = line.split(" ", 4)
            found[name] = Note(key, int(attempt), float(seconds), failure[0] if failure else "")
        except ValueError:
            continue
    return found
