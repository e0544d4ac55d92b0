"""The state of a run, read from the plain files in its folder, possibly while it is running."""

import difflib
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..products import Decision
from ..wording import counted
from . import events, notes, progress
from .attempts import ATTEMPT, DONE, FAILED, attempts, read_done, told
from .files import read_json
from .keys import change, differences
from .lock import is_running
from .states import UNCHECKED, TaskState, stage_states, state_before, steps_of, task_state
from .store import Store

_PROVENANCE: dict[str, type | tuple[type, ...]] = {
    "stages": list,
    "started": (int, float),
    "ranks": int,
    "resume": str,
    "input": str,
    "source": str,
}
_REPORT = "report.html"
_REPAIR = "start the run again to have it written anew: finished tasks are kept"
# tasks of a stage that are shown one by one
_MOST = 100
# tasks that an error names, and those that are compared with an unknown one
_NEAR, _COMPARED = 5, 5000


def overview(folder: Path, *, bars: bool = False) -> str:
    """The run as text: its state, every stage (with a bar, if asked for), and every task neither done nor waiting."""
    provenance = provenance_of(folder)
    running = is_running(folder)
    ended = not running and _how_it_ended(folder) == "done"
    lines = [_headline(folder, provenance, running)]
    for stage in provenance["stages"]:
        states = stage_states(folder, stage, running, ended=ended)
        drawn = f"{progress.bar(_share(states))} " if bars else ""
        lines.append(f"  {stage:10s} {drawn}{_stage_line(states)}")
        told = [state for state in states if state.state not in ("done", "waiting")]
        lines += [
            f"    {state.label}: {'; '.join(filter(None, (state.state, state.detail)))}" for state in told[:_MOST]
        ]
        if len(told) > _MOST:
            lines.append(f"    and {len(told) - _MOST} more; status --json lists all")
    lines += [f"  {step}: {facts.get('reason')}" for step, facts in _decisions(folder).items()]
    lines += [f"  {step}: left out; {reason}" for step, reason in _refused(folder).items()]
    if (report := folder / _REPORT).is_file():
        state = "" if _is_current(folder, provenance["stages"], running, ended) else " (of an earlier state of the run)"
        lines.append(f"report: {report}{state}")
    if not running and not ended:
        lines.append(f"resume with: {provenance['resume']}")
    return "\n".join(lines)


def snapshot(folder: Path) -> dict[str, Any]:
    """The state of the run and of all its tasks, for JSON; times in seconds."""
    provenance, running = provenance_of(folder), is_running(folder)
    calls = _calls(folder, provenance["started"])
    if running:
        calls[-1] = (calls[-1][0], time.time())
    report = folder / _REPORT
    ended = not running and _how_it_ended(folder) == "done"
    current = report.is_file() and _is_current(folder, provenance["stages"], running, ended)
    return {
        "folder": str(folder),
        "state": "running" if running else _how_it_ended(folder),
        "ranks": provenance["ranks"],
        "started": calls[-1][0],
        "elapsed_s": calls[-1][1] - calls[-1][0],
        "total_s": sum(end - start for start, end in calls),
        "calls": len(calls),
        "stages": provenance["stages"],
        "tasks": [
            state._asdict()
            for stage in provenance["stages"]
            for state in stage_states(folder, stage, running, ended=ended)
        ],
        "decisions": _decisions(folder),
        "left_out": _refused(folder),
        "report": str(report) if current else None,
        "resume": provenance["resume"],
    }


def _is_current(folder: Path, stages: list[str], running: bool, ended: bool) -> bool:
    """Whether the page shows what the last call has planned."""
    states = stage_states(folder, "series" if "series" in stages else "report", running, ended=ended)
    return bool(states) and all(state.state == "done" for state in states)


def _decisions(folder: Path) -> dict[str, Any]:
    """What has been decided after each round of a loop, by step: a mapping with ``converged`` and ``reason``."""
    store = Store(folder)
    current = notes.planned(folder / "tasks")
    steps = [step for step in steps_of(store, [Decision.kind]) if current is None or step in current]
    found = {step: store.product(step) for step in steps}
    return {step: product.facts for step, product in found.items() if isinstance(product, Decision)}


def _refused(folder: Path) -> dict[str, str]:
    """Steps that bad input has kept from being planned in the last call, with the reasons."""
    calls = events.calls(folder)
    noted = calls[-1].noted if calls else []
    return {str(e.get("step")): str(e.get("reason")).splitlines()[0] for e in noted if e["event"] == "refused"}


def find(folder: Path, name: str) -> Path:
    """Folder of one task, given as ``step/task`` or by a name that is unique."""
    store = Store(folder)
    step, item = _find(store, provenance_of(folder)["stages"], name)
    return store.step_folder(step) / item["name"]


def why(folder: Path, name: str) -> str:
    """All that is known about one task, given as ``step/task`` or by a name that is unique."""
    provenance = provenance_of(folder)
    store, running = Store(folder), is_running(folder)
    step, item = _find(store, provenance["stages"], name)
    task_folder = store.step_folder(step) / item["name"]
    label, current = f"{step}/{item['name']}", notes.planned(folder / "tasks")
    if current is None or step in current:
        state = task_state(task_folder, label, item["key"], running)
    else:
        state = state_before(task_folder, label)
    planned, done = read_json(task_folder / "task.json") or {}, read_done(task_folder)
    lines = [f"{state.label}: {state.state}{'; ' + state.detail if state.detail else ''}", f"  key {item['key']}"]
    if state.state == "done" and done is not None:
        lines.append(f"  done in {progress.clock(done['seconds'])}, because: {'; '.join(done['why'])}")
    elif state.state not in ("changed", "waiting") or not state.detail:
        lines.append(f"  to be run, because: {'; '.join(planned.get('why', ['not planned yet']))}")
    for attempt in attempts(task_folder):
        lines.append(f"  {attempt.relative_to(folder)}: {_attempt_line(attempt, item['key'])}")
    return "\n".join(lines)


def changed_since(planned: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Keys of the input whose values `now` differ from those when the run was `planned`."""
    return [f"{name[1:]}: {change(old, new)}" for name, old, new in differences(planned, now)]


def provenance_of(folder: Path) -> dict[str, Any]:
    """The record of the run in `folder`; raises InputError if it is not a run folder."""
    path = folder / "provenance.json"
    provenance = read_json(path)
    if provenance is None and not path.exists():
        raise InputError(f"{folder}: not a run folder (it has no provenance.json)")
    if provenance is None:
        raise InputError(f"{path}: is damaged, not a JSON object; {_REPAIR}")
    for key, kind in _PROVENANCE.items():
        if not isinstance(provenance.get(key), kind):
            raise InputError(f"{path}: {key} is missing or invalid; {_REPAIR}")
    return provenance


def _headline(folder: Path, provenance: dict[str, Any], running: bool) -> str:
    calls = _calls(folder, provenance["started"])
    if running:
        calls[-1] = (calls[-1][0], time.time())
    state = "running" if running else _how_it_ended(folder)
    begun = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(calls[-1][0]))
    elapsed = progress.clock(sum(end - start for start, end in calls))
    last = progress.clock(calls[-1][1] - calls[-1][0])
    text = f"{folder}: {state}; {counted(provenance['ranks'], 'rank')}, started {begun}, {last} elapsed"
    return text if len(calls) == 1 else f"{text}, {elapsed} over {len(calls)} calls in total"


def _how_it_ended(folder: Path) -> str:
    """State of a run that is not currently running."""
    calls = events.calls(folder)
    noted = calls[-1].noted if calls else []
    last: dict[str, Any] = next((event for event in reversed(noted) if event["event"] in events.ENDS), {})
    if last.get("event") == "run ended":
        return "ended with failures" if last.get("failures") else "done"
    if last.get("event") == "run stopped":
        return f"stopped ({str(last.get('reason', '')).splitlines()[0]})" if last.get("reason") else "stopped"
    return "not running, interrupted"


def spent_s(folder: Path) -> tuple[float, int]:
    """Time (s) that all calls of a run took until their last sign of life, and their number."""
    calls = _calls(folder, 0.0)
    return sum(end - start for start, end in calls), len(calls)


def _calls(folder: Path, started: float) -> list[tuple[float, float]]:
    """Start and last sign of life (seconds since the epoch) of every call of the run, in order."""
    found = []
    for call in events.calls(folder):
        first, last = _epoch(call.first), _epoch(call.last)
        if first is not None and last is not None:
            found.append((first, last))
    return found or [(started, started)]


def _epoch(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _share(states: list[TaskState]) -> float:
    return sum(state.state == "done" for state in states) / max(len(states), 1)


def _stage_line(states: list[TaskState]) -> str:
    if not states:
        return "waiting"
    done = [state for state in states if state.state == "done"]
    spent = progress.clock(sum(state.seconds or 0 for state in done))
    text = f"{len(done)} of {len(states)} done, {spent} of task time"
    if before := sum(state.detail == UNCHECKED for state in states):
        text += f"; {before} done before, to which the last call has not come"
    remaining = _remaining(states, done)
    return text if remaining is None else f"{text}, about {progress.clock(remaining)} left"


def _remaining(states: list[TaskState], done: list[TaskState]) -> float | None:
    """Time left (s) for a running stage: running tasks by their own estimates, or else by the mean time of those
    that are done; waiting tasks by that mean. None if there is no estimate.
    """
    active = [state for state in states if state.state == "running"]
    waiting = [state for state in states if state.state in ("waiting", "interrupted", "changed")]
    mean = sum(state.seconds or 0 for state in done) / len(done) if done else None
    left = [_left(state, mean) for state in active]
    if not active or None in left or (waiting and mean is None):
        return None
    return max(filter(None, left), default=0.0) + (mean or 0.0) * len(waiting) / len(active)


def _left(state: TaskState, mean: float | None) -> float | None:
    if state.remaining_s is not None:
        return state.remaining_s
    return None if mean is None else max(0.0, mean - (state.seconds or 0.0))


def _find(store: Store, stages: list[str], name: str) -> tuple[str, dict[str, str]]:
    all_tasks = [(step, item) for step in steps_of(store, stages) for item in store.planned(step)]
    found = [(step, item) for step, item in all_tasks if name in (item["name"], f"{step}/{item['name']}")]
    if len(found) == 1:
        return found[0]
    if found:
        labels = [f"{step}/{item['name']}" for step, item in found]
        raise InputError(f"task {name!r}: not unique; specify one of {_first_few(labels)}")
    known = [f"{step}/{item['name']}" for step, item in all_tasks]
    if near := _near(name, known):
        raise InputError(f"task {name!r}: no such task; did you mean {' or '.join(near)}?")
    raise InputError(f"task {name!r}: no such task; planned so far: {_first_few(known) or 'none'}")


def _first_few(labels: list[str]) -> str:
    more = len(labels) - _NEAR
    return ", ".join(labels[:_NEAR]) + (f" and {more} more" if more > 0 else "")


def _near(name: str, known: list[str]) -> list[str]:
    """Tasks that may be meant by `name`: those that contain it, or else, of a moderate number, those like it."""
    inside = [label for label in known if name in label]
    return inside[:_NEAR] or difflib.get_close_matches(name, known[:_COMPARED], n=_NEAR)


def _attempt_line(attempt: Path, key: str) -> str:
    record = read_json(attempt / ATTEMPT)
    if record is None:
        return "started, then killed"
    text = "" if record.get("key") == key else "different key; "
    if record.get("previous"):
        text += f"resumed from {record['previous']}; "
    failed = read_json(attempt / FAILED)
    if failed is not None:
        return f"{text}failed, {told(failed)}"
    return text + ("finished" if (attempt / DONE).exists() else "not finished")
