"""The run folder: tasks, their attempts, and what is done. Plain files, written under a temporary name and then
renamed.

    tasks/<stage>/plan.json              names and keys of the stage's current tasks
    tasks/<stage>/<task>/task.json       the task as last planned, and why it has to be rerun
    tasks/<stage>/<task>/attempt-N/      one attempt; creating this folder claims it
    tasks/<stage>/<task>/DONE            key, attempt, summary and outputs; written last

A completed attempt keeps a copy of its DONE, so that if a setting is changed and changed back,
the earlier result is found again.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import progress
from .files import file_hash, read_json, write_json
from .keys import Keys, changes, key
from .task import Done, Task

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_ATTEMPT = "attempt.json"
_RESULT = "DONE"
_DONE = {
    "key": str, "attempt": int, "why": list, "parts": dict, "seconds": (int, float), "summary": dict, "outputs": dict,
}  # fmt: skip
_PARTS = {"settings": dict, "inputs": list, "tools": dict, "naglass": str}
_OUTPUT = {"size": int, "mtime_ns": int, "sha256": str}
OWN_FILES = {_ATTEMPT, _RESULT, progress.FILE, "FAILED"}


@dataclass(frozen=True)
class Ticket:
    """A task that has to be run: its key, the number of the attempt to claim, what it may resume from, and
    the reason.
    """

    task: Task
    key: str
    attempt: int
    previous: Path | None
    why: tuple[str, ...]

    @property
    def label(self) -> str:
        """``stage/task``."""
        return f"{self.task.stage}/{self.task.name}"


class Store:
    """The tasks in `folder`/tasks."""

    def __init__(self, folder: Path):
        self.folder = folder

    def stage_folder(self, stage: str) -> Path:
        """Folder of the tasks of a stage."""
        return self.folder / "tasks" / stage

    def task_folder(self, task: Task) -> Path:
        """Folder of one task."""
        return self.stage_folder(task.stage) / task.name

    def plan(
        self, stage: str, tasks: Sequence[Task], keys: Keys, *, revision: int = 1, redo: bool = False
    ) -> list[Ticket]:
        """Record the current tasks of the stage; returns the tasks to be run (with `redo`, all of them).

        `revision` is a number that is increased whenever the results of the stage change.
        """
        names = [task.name for task in tasks]
        faulty = [name for name in names if not _NAME.fullmatch(name)]
        if faulty or len(set(names)) < len(names) or any(task.stage != stage for task in tasks):
            raise ValueError(f"stage {stage}: invalid or repeated task names in {names}")
        tickets = []
        recorded = []
        for task in tasks:
            parts = keys.parts(task.settings, task.inputs, task.tools, revision)
            task_key = key(stage, parts)
            recorded.append({"name": task.name, "key": task_key})
            ticket = self._ticket(task, task_key, parts, redo)
            if ticket is not None:
                tickets.append(ticket)
        write_json(self.stage_folder(stage) / "plan.json", {"stage": stage, "tasks": recorded})
        return tickets

    def planned(self, stage: str) -> list[dict[str, str]]:
        """Name and key of the tasks of the stage; empty before its first plan or if the plan is damaged."""
        tasks = (read_json(self.stage_folder(stage) / "plan.json") or {}).get("tasks")
        if not isinstance(tasks, list):
            return []
        texts = [
            item for item in tasks if isinstance(item, dict) and {type(item.get(k)) for k in ("name", "key")} == {str}
        ]
        # a name is a folder name, and must not lead anywhere else
        return [item for item in texts if _NAME.fullmatch(item["name"])]

    def finished(self, stage: str) -> list[Done]:
        """The planned tasks of the stage that are done with their current key."""
        found = []
        for item in self.planned(stage):
            folder = self.stage_folder(stage) / item["name"]
            record, task = read_done(folder), read_json(folder / "task.json")
            if record is not None and task is not None and record["key"] == item["key"]:
                found.append(Done(self._task(task), folder / f"attempt-{record['attempt']}", record["summary"]))
        return found

    def claim(self, ticket: Ticket, ranks: int) -> Path | None:
        """The new folder for the attempt of the ticket, or None if another group has claimed it."""
        folder = self.task_folder(ticket.task) / f"attempt-{ticket.attempt}"
        try:
            folder.mkdir()
        except FileExistsError:
            return None
        previous = ticket.previous.name if ticket.previous else None
        write_json(
            folder / _ATTEMPT,
            {"key": ticket.key, "started": time.time(), "ranks": ranks, "previous": previous, "why": ticket.why},
        )
        return folder

    def complete(self, ticket: Ticket, folder: Path, summary: Mapping[str, Any]) -> None:
        """Write DONE; from here on the task counts as done."""
        started = (read_json(folder / _ATTEMPT) or {}).get("started", time.time())
        task = read_json(self.task_folder(ticket.task) / "task.json") or {}
        record = {
            "key": ticket.key,
            "attempt": ticket.attempt,
            "why": ticket.why,
            "parts": task.get("parts"),
            "started": started,
            "seconds": time.time() - started,
            "summary": dict(summary),
            "outputs": _outputs(folder),
        }
        write_json(folder / _RESULT, record)
        write_json(self.task_folder(ticket.task) / "DONE", record)

    def fail(self, ticket: Ticket, folder: Path, record: Mapping[str, Any]) -> None:
        """Write FAILED into the attempt: name of the failure, message, command and log."""
        write_json(folder / "FAILED", {"key": ticket.key, "ended": time.time(), **record})

    def _ticket(self, task: Task, task_key: str, parts: dict[str, Any], redo: bool) -> Ticket | None:
        folder = self.task_folder(task)
        folder.mkdir(parents=True, exist_ok=True)
        record = _recognize(folder, task_key)
        why = _reasons(folder, record, task_key, parts)
        if redo and not why:
            why = ["requested"]
        planned = {
            "stage": task.stage,
            "name": task.name,
            "key": task_key,
            "parts": parts,
            "why": why,
            "inputs": [self._portable(path) for path in task.inputs],
            "ranks": task.ranks,
            "gpus": task.gpus,
        }
        if read_json(folder / "task.json") != planned:
            write_json(folder / "task.json", planned)
        if not why:
            return None
        earlier = attempts(folder)
        last = int(earlier[-1].name[8:]) if earlier else 0
        previous = next((path for path in reversed(earlier) if _resumable(path, task_key)), None)
        if record is not None and record["key"] == task_key:
            # tasks that are done are redone, not resumed
            previous = None
        return Ticket(task, task_key, last + 1, previous, tuple(why))

    def _portable(self, path: Path) -> str:
        path = path.resolve()
        root = self.folder.resolve()
        return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)

    def _task(self, record: Mapping[str, Any]) -> Task:
        parts = record["parts"]
        return Task(
            stage=record["stage"],
            name=record["name"],
            settings=parts["settings"],
            inputs=tuple(self.folder / path for path in record["inputs"]),
            tools=tuple(parts["tools"]),
            ranks=record["ranks"],
            gpus=record["gpus"],
        )


def read_done(folder: Path) -> dict[str, Any] | None:
    """The record DONE in the folder of a task or attempt, or None if it is missing or incomplete."""
    record = read_json(folder / _RESULT)
    if record is None or not _has(record, _DONE) or not _has(record["parts"], _PARTS):
        return None
    return record if all(_has(output, _OUTPUT) for output in record["outputs"].values()) else None


def _has(record: Any, kinds: Mapping[str, Any]) -> bool:
    return isinstance(record, dict) and all(isinstance(record.get(key), kind) for key, kind in kinds.items())


def attempts(folder: Path) -> list[Path]:
    """The attempts in the folder of a task, oldest first."""
    found = [path for path in folder.glob("attempt-*") if path.name[8:].isdigit()]
    return sorted(found, key=lambda path: int(path.name[8:]))


def _recognize(folder: Path, task_key: str) -> dict[str, Any] | None:
    """The record in DONE, restored from an earlier attempt if that one has the requested key."""
    record = read_done(folder)
    if record is not None and record["key"] == task_key:
        return record
    for attempt in reversed(attempts(folder)):
        result = read_done(attempt)
        if result is not None and result["key"] == task_key and not _damage(attempt, result["outputs"]):
            write_json(folder / "DONE", result)
            return result
    return record


def _reasons(folder: Path, record: dict[str, Any] | None, task_key: str, parts: Mapping[str, Any]) -> list[str]:
    """Why the task has to be run, in words; empty if it is done."""
    if record is None:
        return ["not done yet"]
    if record["key"] != task_key:
        return changes(record["parts"], parts) or ["its key was computed by a different rule"]
    return _damage(folder / f"attempt-{record['attempt']}", record["outputs"])


def _resumable(attempt: Path, task_key: str) -> bool:
    """An attempt with the same key and some output that was killed, was stopped, or failed but can be resumed."""
    names = {path.name for path in attempt.iterdir()}
    if _RESULT in names or not names - OWN_FILES:
        return False
    if "FAILED" in names and not (read_json(attempt / "FAILED") or {}).get("resumable"):
        return False
    return (read_json(attempt / _ATTEMPT) or {}).get("key") == task_key


def _outputs(folder: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink() or not path.is_file() or name in OWN_FILES:
            continue
        stat = path.stat()
        found[name] = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": file_hash(path)}
    return found


def _damage(folder: Path, outputs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Outputs that have changed since the task was done."""
    found = []
    for name, record in outputs.items():
        path = folder / name
        if not path.is_file():
            found.append(f"output {name}: gone")
            continue
        stat = path.stat()
        same_time = stat.st_mtime_ns == record["mtime_ns"]
        if stat.st_size != record["size"] or not (same_time or file_hash(path) == record["sha256"]):
            found.append(f"output {name}: changed since it was written")
    return found
