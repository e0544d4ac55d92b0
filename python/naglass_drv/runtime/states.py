"""States of tasks, read from their files or, where it holds, from what was noted when they ended."""

import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from . import notes, progress
from .attempts import ATTEMPT, FAILED, asked_again, attempts, read_done, told
from .files import read_json
from .lock import is_held
from .store import Store

UNCHECKED = "done before; the last call has not come to it"
# an attempt of a running job that shows no sign of life for this long is reported as silent
_SILENT_S = 300.0


class TaskState(NamedTuple):
    """A task as seen from its files: `state` is done, failed, running, interrupted, changed or waiting.

    `seconds` is how long it took, or how long it has been running.
    """

    label: str
    state: str
    detail: str = ""
    seconds: float | None = None
    remaining_s: float | None = None


def task_state(folder: Path, label: str, key: str, running: bool) -> TaskState:
    """State of the task in `folder` with planned key `key`."""
    done, tried = read_done(folder), attempts(folder)
    if done is not None and done["key"] == key:
        again = asked_again(folder, done["attempt"])
        if not again or not tried:
            return TaskState(label, "done", f"attempt-{done['attempt']}", seconds=done["seconds"])
        if tried[-1].name == f"attempt-{done['attempt']}":
            return TaskState(label, "changed", "to be redone, as requested")
    elif (kept := _kept(tried, key)) is not None:
        return TaskState(label, "changed", f"DONE is gone; the next run takes the results of {kept} again")
    if not tried:
        return TaskState(label, "waiting")
    last = tried[-1]
    record, failed = read_json(last / ATTEMPT) or {}, read_json(last / FAILED)
    if record.get("key") != key:
        return TaskState(label, "changed" if done is not None else "waiting")
    if failed is not None:
        return TaskState(label, "failed", " ".join(told(failed).split()))
    report = progress.read(last) or {}
    started = _number(record.get("started"))
    # a job of its own may carry it out, without one that works on the whole run
    if not running and not is_held(last / ATTEMPT):
        return TaskState(label, "interrupted", f"{last.name}; {progress.describe(report)}" if report else last.name)
    quiet = time.time() - _number(report.get("updated", started))
    detail = progress.describe(report)
    if quiet > _SILENT_S:
        detail += f"; no sign of life for {progress.clock(quiet)}"
    return TaskState(label, "running", detail, time.time() - started, report.get("remaining_s"))


def _kept(tried: list[Path], key: str) -> str | None:
    """The last attempt that has done the task with this key, by its own copy of DONE."""
    done = (attempt.name for attempt in reversed(tried) if (read_done(attempt) or {}).get("key") == key)
    return next(done, None)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else time.time()


def stage_states(folder: Path, stage: str, running: bool, *, ended: bool = False) -> list[TaskState]:
    """States of the tasks of a stage, in all its scopes, as last planned.

    What an earlier call has done waits until the last one has come to its step; if that call has `ended`, the step is
    no longer part of the run.
    """
    store = Store(folder)
    current = notes.planned(folder / "tasks")
    found = []
    for step in steps_of(store, [stage]):
        place = store.step_folder(step)
        if current is not None and step not in current:
            before = () if ended else store.planned(step)
            found += [state_before(place / item["name"], f"{step}/{item['name']}") for item in before]
            continue
        found += _states_now(place, step, store.planned(step), running)
    return found


def _states_now(place: Path, step: str, planned: list[dict[str, str]], running: bool) -> list[TaskState]:
    """The states of the tasks that the last call has planned in the folder `place` of a step."""
    known = notes.read(place)
    found = []
    try:
        # names relative to an open folder are looked up in two thirds of the time
        opened = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return [TaskState(f"{step}/{item['name']}", "waiting") for item in planned]
    try:
        for item in planned:
            name, key = item["name"], item["key"]
            state = _quick_state(opened, name, f"{step}/{name}", key, known.get(name))
            found.append(state or task_state(place / name, f"{step}/{name}", key, running))
    finally:
        os.close(opened)
    return found


def state_before(folder: Path, label: str) -> TaskState:
    """The state of a task that an earlier call has planned, and not the last one."""
    return TaskState(label, "waiting", UNCHECKED if read_done(folder) is not None else "")


def _quick_state(step: int, name: str, label: str, key: str, note: notes.Note | None) -> TaskState | None:
    """The state without reading any file of the task in the open folder `step`: one that was never tried, or ended as
    noted; else None.
    """
    if note is None:
        # a look, since listing a folder takes several times as long; attempts are numbered from 1
        return None if _is_there(f"{name}/attempt-1", step) else TaskState(label, "waiting")
    if note.key != key:
        return None
    if not note.failure:
        done = _is_there(f"{name}/DONE", step)
        return TaskState(label, "done", f"attempt-{note.attempt}", note.seconds) if done else None
    later = _is_there(f"{name}/attempt-{note.attempt + 1}", step)
    if not later and _is_there(f"{name}/attempt-{note.attempt}/{FAILED}", step):
        return TaskState(label, "failed", note.failure)
    return None


def _is_there(path: str, folder: int) -> bool:
    return os.access(path, os.F_OK, dir_fd=folder)


def steps_of(store: Store, stages: Collection[str]) -> list[str]:
    return [step for step in store.steps() if step.rpartition("/")[2] in stages]
