"""The verbs about a run: status, logs, retry."""

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..errors import InputError
from ..wording import counted
from .numbers import add_number
from .run import as_planned

_EVERY_S = 2.0
_CLEAR = "\x1b[H\x1b[2J"
# changes of the input that are shown
_MOST = 30


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add status, logs and retry."""
    status = add("status", _status, "show stages, tasks, progress, elapsed and remaining time of a run")
    status.add_argument("folder", nargs="?", type=Path, default=Path("run"), help="run folder (default: run)")
    status.add_argument("--why", metavar="TASK", help="show why this task is up to date or has to be rerun")
    status.add_argument("--json", action="store_true", help="print the state of the run and of all tasks as JSON")
    status.add_argument("--watch", action="store_true", help="show it anew every two seconds until the run ends")
    logs = add("logs", _logs, "show the end of the log of a task")
    logs.add_argument("task", help="as status shows it: glass/g0, or a name that is unique")
    logs.add_argument("--folder", type=Path, default=Path("run"), help="run folder (default: run)")
    add_number(logs, "--lines", kind=int, least=1, most=100_000, default=40, help="how many lines (default: 40)")
    retry = add("retry", _retry, "let the next run redo tasks, even if they are done")
    retry.add_argument("tasks", nargs="+", metavar="TASK", help="as status shows it, or a name that is unique")
    retry.add_argument("--folder", type=Path, default=Path("run"), help="run folder (default: run)")


def _status(options: argparse.Namespace) -> int:
    from ..runtime import batch, status
    from ..runtime.lock import is_running

    if not options.watch:
        # the states of 100 000 tasks hold no cycles, and looking for some takes a seventh of the time
        gc.disable()
    if options.json:
        print(json.dumps(status.snapshot(options.folder), indent=1))
        return 0
    if options.why:
        print(status.why(options.folder, options.why))
        return 0
    terminal = sys.stdout.isatty()
    text = status.overview(options.folder, bars=terminal)
    while options.watch and is_running(options.folder):
        print((_CLEAR if terminal else "") + text, flush=True)
        time.sleep(_EVERY_S)
        text = status.overview(options.folder, bars=terminal)
    print(text)
    for job, state in batch.states(options.folder).items():
        print(f"job {job}: {state}")
    for line in _input_changes(options.folder):
        print(line)
    return 0


def _logs(options: argparse.Namespace) -> int:
    from ..runtime import status
    from ..runtime.failure import shown, tail
    from ..runtime.store import attempts, log_of

    folder = status.find(options.folder, options.task)
    log = log_of(folder)
    if log is None:
        made = attempts(folder)
        state = f"has no log file; what it wrote is in {shown(made[-1])}" if made else "has not been started yet"
        raise InputError(f"task {options.task!r}: {state}")
    print(f"{shown(log)}:")
    for line in tail(log, options.lines):
        print(line)
    return 0


def _retry(options: argparse.Namespace) -> int:
    from ..runtime import status
    from ..runtime.store import ask_again

    folders = [status.find(options.folder, name) for name in options.tasks]
    for folder in folders:
        ask_again(folder)
    resume = status.provenance_of(options.folder)["resume"]
    print(f"{counted(len(folders), 'task')} to be redone by the next run: {resume}")
    return 0


def _input_changes(folder: Path) -> list[str]:
    """What has changed in the input since the run was planned."""
    from ..config.load import load_study
    from ..runtime import status

    recorded = status.provenance_of(folder)
    # reading an input of many systems takes a while
    with suppress(OSError):
        if (folder / "input.yaml").read_bytes() == Path(recorded["input"]).read_bytes():
            return []
    try:
        planned = as_planned(folder, Path(recorded["source"])).as_json()
        now = load_study(Path(recorded["input"])).as_json()
    except InputError as error:
        return [f"the input is no longer valid:\n{error}"]
    changed = [f"  {line}" for line in status.changed_since(planned, now)]
    if len(changed) > _MOST:
        changed[_MOST:] = [f"  and {len(changed) - _MOST} more"]
    return ["changed in the input since this run was planned:", *changed] if changed else []
