"""Lists for `status` alone, never used to decide whether a task is done; they may be deleted at any time.

ended.txt of a step: how its tasks ended, a copy of what DONE and FAILED say, so that the files of every task need not
be read. planned.txt of a run: the steps that its last call has planned; other steps have the plan of an earlier one.
"""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

FILE = "ended.txt"
PLANNED = "planned.txt"
# stands for the key of a task, and is none
_WITHDRAWN = "-"


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


def withdraw(folder: Path, task: str) -> None:
    """Note that what was noted about a task no longer holds, so that its files are read."""
    append(folder, task, Note(_WITHDRAWN, 0, 0.0, ""))


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


def begin_call(tasks: Path) -> None:
    """Begin the list of planned steps in the folder `tasks` of a run anew."""
    with suppress(OSError):
        tasks.mkdir(parents=True, exist_ok=True)
        (tasks / PLANNED).write_text("", encoding="utf-8")


def note_planned(tasks: Path, step: str) -> None:
    """Note that this call has planned a step."""
    with suppress(OSError), open(tasks / PLANNED, "a", encoding="utf-8") as stream:
        stream.write(f"{step}\n")


def planned(tasks: Path) -> set[str] | None:
    """The steps that the last call has planned; None if that was not noted."""
    try:
        return set((tasks / PLANNED).read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError:
        return None
