"""How a task ended, and the report that is printed for a failed one."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from ..errors import InputError, NaglassError, SetupError, Stopped, TaskFailed, of_system
from ..wording import counted

_TAIL_LINES = 30
# less free space than this counts as none
_PROBE_BYTES = 1_000_000
# as worded by C libraries, Fortran, Python, torch and LAMMPS
_SYSTEM_SAYS = re.compile(
    r"No space left on device|Disk quota exceeded|Read-only file system|Cannot allocate memory|can't allocate memory"
    r"|MemoryError|std::bad_alloc|Failed to (re)?allocate \d+ bytes"
)
_TAIL_BYTES = 64_000


@dataclass(frozen=True)
class Outcome:
    """End of one attempt at a task: `exit_code` is 0 if it is done, else that of its error, with all that helps to
    fix it. `resumable` is as in TaskFailed.
    """

    label: str
    folder: Path
    exit_code: int = 0
    failure: str = ""
    message: str = ""
    log: Path | None = None
    command: str = ""
    resumable: bool = False

    @property
    def ends_job(self) -> bool:
        """Bad input or a bad environment would make the other tasks fail, too."""
        return self.exit_code in (InputError.exit_code, SetupError.exit_code)

    @property
    def weight(self) -> int:
        """Which outcome counts if ranks differ: an error outranks done, a failure outranks a stop."""
        order = (0, Stopped.exit_code, TaskFailed.exit_code, InputError.exit_code, SetupError.exit_code)
        return order.index(self.exit_code)

    def record(self) -> dict[str, Any]:
        """The outcome as JSON."""
        return asdict(self)


def outcome_of(label: str, folder: Path, error: NaglassError | None) -> Outcome:
    """The outcome that corresponds to `error` (None: done)."""
    if error is None:
        return Outcome(label, folder)
    if isinstance(error, TaskFailed):
        command = error.command or ""
        if not isinstance(command, str):
            command = " ".join(str(part) for part in command)
        log = folder / error.log if error.log is not None else None
        return Outcome(label, folder, error.exit_code, error.failure, str(error), log, command, error.resumable)
    resumable = isinstance(error, SetupError)
    name = {InputError: "BAD_INPUT", SetupError: "ENVIRONMENT", Stopped: "STOPPED"}.get(type(error), "FAILED")
    return Outcome(label, folder, error.exit_code, name, str(error), resumable=resumable)


def blame(error: TaskFailed, folder: Path) -> NaglassError:
    """`error`, or the SetupError behind it, if a program reports in its own words that space or memory ran out."""
    try:
        with TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
    except OSError as trouble:
        return of_system(trouble, folder)
    said = [str(error), *(tail(folder / error.log) if error.log is not None else [])]
    found = next((line.strip() for line in reversed(said) if _SYSTEM_SAYS.search(line)), None)
    return error if found is None else SetupError(f"{error.failure}: {found}")


def block(outcome: Outcome, resume: str) -> str:
    """The report of a failed task: name, message, command, folder, end of the log, and what to type
    next.
    """
    lines = [f"{outcome.label} FAILED: {outcome.failure}", f"  {outcome.message}"]
    if outcome.command:
        lines.append(f"  command: {outcome.command}")
    lines.append(f"  folder:  {shown(outcome.folder)}")
    if outcome.log is not None:
        text = tail(outcome.log)
        what = f", last {counted(len(text), 'line')}:" if text else " (empty)"
        lines.append(f"  log:     {shown(outcome.log)}{what}")
        lines += [f"  | {line}" for line in text]
    lines.append(f"  next:    {resume}   (after fixing the cause; finished work is kept)")
    return "\n".join(lines)


def shown(path: Path) -> str:
    """A path as the user would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def tail(path: Path, lines: int = _TAIL_LINES) -> list[str]:
    """The last lines of a text file, without control characters; empty if it cannot be read."""
    try:
        with open(path, "rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    clean = "".join(char if char.isprintable() or char in "\n\t" else " " for char in text)
    return clean.splitlines()[-lines:]
