"""The verbs about a run: status, logs, retry."""

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..errors import InputError, NaglassError
from ..wording import counted
from .numbers import add_number
from .run import as_planned, previewed, work_of

_EVERY_S = 2.0
_CLEAR = "\x1b[H\x1b[2J"
# changes of the input, and tasks, that are shown
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
    from ..runtime import status
    from ..runtime.lock import is_running

    if not options.watch:
        # the states of 100 000 tasks hold no cycles, and looking for some takes a seventh of the time
        gc.disable()
    if options.json:
        print(json.dumps(status.snapshot(options.folder), indent=1))
        return 0
    if options.why:
        print(status.why(options.folder, options.why))
        for line in _holds(options.folder, options.why):
            print(line)
        return 0
    terminal = sys.stdout.isatty()
    text = status.overview(options.folder, bars=terminal)
    while options.watch and is_running(options.folder):
        print((_CLEAR if terminal else "") + text, flush=True)
        time.sleep(_EVERY_S)
        text = status.overview(options.folder, bars=terminal)
    print(text)
    for line in _jobs(options.folder):
        print(line)
    for line in _input_changes(options.folder):
        print(line)
    return 0


def _jobs(folder: Path) -> list[str]:
    """What is known of the jobs of a run, and of the hosts that they are kept from."""
    from ..runtime import batch
    from ..runtime.executors import hyperqueue
    from ..runtime.executors.outside import EXCLUDED
    from ..runtime.files import read_json

    lines = [f"job {job}: {state}" for job, state in batch.states(folder).items()]
    lines += [f"HyperQueue job {job}: {state}" for job, state in hyperqueue.states(folder).items()]
    for host, labels in (read_json(folder / batch.FOLDER / EXCLUDED) or {}).items():
        lines.append(f"host {host} is left out: {', '.join(map(str, labels))} ended there in vain")
    return lines


def _logs(options: argparse.Namespace) -> int:
    from ..runtime import batch, status
    from ..runtime.attempts import attempts, log_of
    from ..runtime.failure import shown, tail

    folder = status.find(options.folder, options.task)
    of_job = batch.log_of_job(options.folder, folder)
    log = log_of(folder)
    # a task that was killed at its start has written nothing
    if log is None or (of_job is not None and log.stat().st_size == 0):
        log = of_job or log
    if log is None:
        made = attempts(folder)
        state = f"has no log file; what it wrote is in {shown(made[-1])}" if made else "has not been started yet"
        raise InputError(f"task {options.task!r}: {state}")
    print(f"{shown(log)}:")
    for line in tail(log, options.lines):
        print(line)
    if of_job not in (None, log):
        print(f"its job has written {shown(of_job)}")
    return 0


def _retry(options: argparse.Namespace) -> int:
    from ..runtime import status
    from ..runtime.attempts import ask_again

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
    changed = status.changed_since(planned, now)
    return ["changed in the input since this run was planned:", *_listed(changed)] if changed else []


def _holds(folder: Path, name: str) -> list[str]:
    """Whether a task, and what else is done, still holds if the input has been edited since the run was planned."""
    from ..config.load import load_study
    from ..runtime import status
    from ..runtime.attempts import read_done

    if not (lines := _input_changes(folder)):
        return []
    path, tasks = Path(status.provenance_of(folder)["input"]), folder / "tasks"
    label = status.find(folder, name).relative_to(tasks).as_posix()
    try:
        found = previewed(work_of(load_study(path)), path, folder.resolve())
    except InputError:
        # the reason is among the lines
        return lines
    except NaglassError as error:
        return [*lines, f"what this changes cannot be told: {error}"]
    if label in found.again:
        verdict = f"has to be run again for the input as it is now: {found.again[label]}"
    elif label.rpartition("/")[0] in found.planned:
        verdict = "holds for the input as it is now"
    elif found.again:
        steps = dict.fromkeys(each.rpartition("/")[0] for each in found.again)
        first = ", ".join(_few(list(steps)))
        verdict = f"if the input still asks for it, whether it holds is known once {first} has been run"
    else:
        verdict = "is not in the input as it is now"
    lost = [f"{each}: {why}" for each, why in found.again.items() if each != label and read_done(tasks / each)]
    others = ["other finished tasks that have to be run again:", *_listed(lost)] if lost else []
    return [*lines, f"{label}: {verdict}", *others]


def _listed(lines: list[str]) -> list[str]:
    """The lines, indented; of many the first."""
    return [f"  {line}" for line in _few(lines)]


def _few(lines: list[str]) -> list[str]:
    more = len(lines) - _MOST
    return lines if more <= 0 else [*lines[:_MOST], f"and {more} more"]
