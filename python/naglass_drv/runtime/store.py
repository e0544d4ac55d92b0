"""The run folder: tasks, their attempts, and what is done. Plain files, written under a temporary name and then
renamed.

    tasks/steps.json                       the steps in the order in which they were first planned
    tasks/<step>/plan.json                 names and keys of the step's current tasks
    tasks/<step>/ended.txt                 what status shows of tasks that ended; a cache that may be missing
    tasks/<step>/<task>/task.json          the task as last planned, and why it has to be rerun
    tasks/<step>/<task>/attempt-N/         one attempt; creating this folder claims it
    tasks/<step>/<task>/RETRY              the last attempt when somebody asked for another
    tasks/<step>/<task>/DONE               key, attempt, summary and outputs; written last
    products/<step>/manifest.json          the product of the step: files by role, facts, and the tasks behind it

A step is a stage, or a stage in a scope: ``glass``, ``NaVP-40/glass``.

A completed attempt keeps a copy of its DONE, so that if a setting is changed and changed back,
the earlier result is found again.
"""

import os
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..products import MANIFEST, Product, TaskRecord, as_manifest, of_manifest
from . import notes
from .attempts import (
    ATTEMPT,
    DONE,
    FAILED,
    asked_again,
    attempts,
    here,
    number_of,
    outputs_of,
    read_done,
    resumable,
    told,
)
from .files import read_json, write_json
from .keys import Attempt, Keys, changes, key
from .lock import hold, is_held
from .stamps import as_it_was, damage, stamp
from .task import Done, Task

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_STEP = re.compile(rf"({_NAME.pattern}/)*{_NAME.pattern}")
_STEPS = "steps.json"
_REQUESTED = "requested"


@dataclass(frozen=True)
class Ticket:
    """A task that has to be run: its key, the number of the attempt to claim, what it may resume from, and
    the reason; with `redo` even if it is done.
    """

    step: str
    task: Task
    key: str
    attempt: int
    previous: Path | None
    why: tuple[str, ...]
    redo: bool = False

    @property
    def label(self) -> str:
        """``step/task``."""
        return f"{self.step}/{self.task.name}"


class Store:
    """The tasks in `folder`/tasks. A `dry` store writes nothing."""

    def __init__(self, folder: Path, *, dry: bool = False):
        self.folder = folder
        self._dry = dry
        self._held: dict[Path, int] = {}
        self._recognized: dict[str, list[Attempt]] = {}

    def step_folder(self, step: str) -> Path:
        """Folder of the tasks of a step."""
        return self.folder / "tasks" / step

    def task_folder(self, ticket: Ticket) -> Path:
        """Folder of the task of a ticket."""
        return self.step_folder(ticket.step) / ticket.task.name

    def steps(self) -> list[str]:
        """The steps planned so far, in the order in which they were first planned."""
        found = (read_json(self.folder / "tasks" / _STEPS) or {}).get("steps")
        found = found if isinstance(found, list) else []
        return [step for step in found if isinstance(step, str) and _STEP.fullmatch(step)]

    def forget_others(self, steps: Collection[str]) -> None:
        """Forget the steps of scopes, such as systems, that none of `steps` belongs to; their files stay."""
        known, scopes = self.steps(), {_top(step) for step in steps}
        kept = [step for step in known if _top(step) in scopes]
        if kept != known:
            self._write(self.folder / "tasks" / _STEPS, {"steps": kept})

    def plan(
        self, step: str, tasks: Sequence[Task], keys: Keys, *, revision: int = 1, redo: bool = False
    ) -> list[Ticket]:
        """Record the current tasks of the step; returns the tasks to be run (with `redo`, all of them).

        `revision` is a number that is increased whenever the results of the stage change.
        """
        stage = step.rpartition("/")[2]
        names = [task.name for task in tasks]
        faulty = [name for name in names if not _NAME.fullmatch(name)]
        if not _STEP.fullmatch(step):
            raise ValueError(f"step {step!r}: invalid name")
        if faulty or len(set(names)) < len(names) or any(task.stage != stage for task in tasks):
            raise ValueError(f"step {step}: invalid or repeated task names in {names}")
        tickets = []
        recorded = []
        self._recognized[step] = []
        for task in tasks:
            parts = keys.parts(task.settings, task.inputs, task.tools, revision)
            task_key = key(stage, parts)
            recorded.append({"name": task.name, "key": task_key})
            found = self._ticket(step, task, task_key, parts, redo)
            if isinstance(found, Ticket):
                tickets.append(found)
            else:
                self._recognized[step].append((task.name, task_key, f"attempt-{found}"))
        self._write(self.step_folder(step) / "plan.json", {"step": step, "tasks": recorded})
        if step not in (known := self.steps()):
            self._write(self.folder / "tasks" / _STEPS, {"steps": [*known, step]})
        return tickets

    def recognized(self, step: str) -> list[Attempt]:
        """The tasks that `plan` has found done: name, key and folder of the attempt; also known to a dry store."""
        return self._recognized[step]

    def planned(self, step: str) -> list[dict[str, str]]:
        """Name and key of the tasks of the step; empty before its first plan or if the plan is damaged."""
        tasks = (read_json(self.step_folder(step) / "plan.json") or {}).get("tasks")
        if not isinstance(tasks, list):
            return []
        found = []
        for item in tasks:
            name, task_key = (item.get("name"), item.get("key")) if isinstance(item, dict) else (None, None)
            # a name is a folder name, and must not lead anywhere else
            if isinstance(name, str) and isinstance(task_key, str) and _NAME.fullmatch(name):
                found.append(item)
        return found

    def finished(self, step: str, keys: Keys | None = None) -> list[Done]:
        """The planned tasks of the step that are done with their current key; `keys` learns the hashes of their
        files.
        """
        found = []
        for item in self.planned(step):
            folder = self.step_folder(step) / item["name"]
            record, task = read_done(folder), read_json(folder / "task.json")
            if record is not None and task is not None and record["key"] == item["key"]:
                attempt = folder / f"attempt-{record['attempt']}"
                behind = TaskRecord(
                    item["name"], record["key"], record["seconds"], record["parts"]["tools"], record["summary"]
                )
                found.append(Done(self._task(task), attempt, record["summary"], behind))
                if keys is not None:
                    for name, output in record["outputs"].items():
                        keys.know(attempt / name, output["size"], output["mtime_ns"], output["sha256"])
        return found

    def product(self, step: str, made_of: str | None = None) -> Product | None:
        """The product of a step from its manifest; None if there is none, or, with `made_of`, if it was made of
        other tasks or input, or if a file of it has changed.
        """
        content = read_json(self._manifest(step))
        product = of_manifest(content, self.folder)
        if content is None or product is None or made_of is None:
            return product
        stamps = content.get("stamps")
        if content.get("made_of") != made_of or not isinstance(stamps, dict) or stamps.keys() != product.files.keys():
            return None
        return product if all(stamp(path) == stamps[role] for role, path in product.files.items()) else None

    def again(self, step: str, made_of: str) -> tuple[Product | None, str]:
        """The product of a step if its tasks would give the same again, and why it has to be made anew, in words."""
        product, content = self.product(step), read_json(self._manifest(step))
        if product is None or content is None:
            return None, ""
        if content.get("made_of") != made_of:
            return None, "it was made of other tasks or input"
        same, why = as_it_was(product, content.get("stamps"), self.folder)
        return product if same else None, why

    def keep(self, step: str, product: Product, made_of: str, keys: Keys) -> Product:
        """Write the manifest of a product; returns it with the hashes of its files, as it will be read again."""
        hashes = {role: keys.hash(path) for role, path in product.files.items()}
        stamps = {role: stamp(path) for role, path in product.files.items()}
        content = as_manifest(product, self.folder, hashes) | {"made_of": made_of, "stamps": stamps}
        write_json(self._manifest(step), content)
        return replace(product, hashes=hashes)

    def _manifest(self, step: str) -> Path:
        return self.folder / "products" / step / MANIFEST

    def claim(self, ticket: Ticket, ranks: int) -> Path:
        """Create the folder for the attempt of the ticket, and lock its record until `release`."""
        folder = self.task_folder(ticket) / f"attempt-{ticket.attempt}"
        folder.mkdir()
        previous = ticket.previous.name if ticket.previous else None
        record = {"key": ticket.key, "started": time.time(), "ranks": ranks, "previous": previous, "why": ticket.why}
        write_json(folder / ATTEMPT, record | here())
        self._held[folder] = hold(folder / ATTEMPT)
        return folder

    def release(self, folder: Path) -> None:
        """Unlock an attempt."""
        if (file := self._held.pop(folder, None)) is not None:
            os.close(file)

    def under_way(self, ticket: Ticket) -> Path | None:
        """The last attempt at the task of a ticket, if a process that lives is at work on it."""
        last = attempts(self.task_folder(ticket))[-1:]
        return last[0] if last and is_held(last[0] / ATTEMPT) else None

    def renewed(self, ticket: Ticket) -> Ticket | None:
        """The ticket after what other jobs have done since it was made; None if the task is done."""
        folder = self.task_folder(ticket)
        record = None if ticket.redo else self._recognize(folder, ticket.key)
        if record is not None and not _reasons(folder, record, ticket.key, record["parts"]):
            return None
        made = attempts(folder)
        if not made or number_of(made[-1]) < ticket.attempt:
            return ticket
        since = [path for path in reversed(made) if number_of(path) >= ticket.attempt]
        previous = next((path for path in since if resumable(path, ticket.key)), ticket.previous)
        return replace(ticket, attempt=number_of(made[-1]) + 1, previous=previous)

    def superseded(self, ticket: Ticket) -> bool:
        """Whether there is a later attempt: this one was given up for lost, and must not publish anything."""
        return any(number_of(path) > ticket.attempt for path in attempts(self.task_folder(ticket))[-1:])

    def issued(self, step: str, name: str, key: str) -> Task | None:
        """The task as last planned; None if that has another key, or if these are no names of a step and a task."""
        if not _STEP.fullmatch(step) or not _NAME.fullmatch(name):
            return None
        planned = read_json(self.step_folder(step) / name / "task.json") or {}
        return self._task(planned) if planned.get("key") == key else None

    def complete(self, ticket: Ticket, folder: Path, summary: Mapping[str, Any]) -> None:
        """Write DONE; from here on the task counts as done."""
        started = (read_json(folder / ATTEMPT) or {}).get("started", time.time())
        task = read_json(self.task_folder(ticket) / "task.json") or {}
        record = {
            "key": ticket.key,
            "attempt": ticket.attempt,
            "why": ticket.why,
            "parts": task.get("parts"),
            "started": started,
            "seconds": time.time() - started,
            "summary": dict(summary),
            "outputs": outputs_of(folder),
        }
        write_json(folder / DONE, record)
        write_json(self.task_folder(ticket) / DONE, record)
        self._note(ticket, record["seconds"])

    def fail(self, ticket: Ticket, folder: Path, record: Mapping[str, Any]) -> None:
        """Write FAILED into the attempt: name of the failure, message, command and log."""
        write_json(folder / FAILED, {"key": ticket.key, "ended": time.time(), **record})
        self._note(ticket, 0.0, told(record))

    def _note(self, ticket: Ticket, seconds: float, failure: str = "") -> None:
        note = notes.Note(ticket.key, ticket.attempt, seconds, failure)
        notes.append(self.step_folder(ticket.step), ticket.task.name, note)

    def _ticket(self, step: str, task: Task, task_key: str, parts: dict[str, Any], redo: bool) -> Ticket | int:
        """The ticket of a task to be run, or the number of the attempt that has done it."""
        folder = self.step_folder(step) / task.name
        if not self._dry:
            folder.mkdir(parents=True, exist_ok=True)
        record = self._recognize(folder, task_key)
        why = _reasons(folder, record, task_key, parts)
        if not why and redo:
            why = [_REQUESTED]
        planned = {
            "stage": task.stage,
            "name": task.name,
            "key": task_key,
            "parts": parts,
            "why": why,
            "inputs": {role: self._portable(path) for role, path in task.inputs.items()},
            "ranks": task.ranks,
            "gpus": task.gpus,
        }
        if read_json(folder / "task.json") != planned:
            self._write(folder / "task.json", planned)
        if not why and record is not None:
            return int(record["attempt"])
        earlier = attempts(folder)
        last = number_of(earlier[-1]) if earlier else 0
        previous = next((path for path in reversed(earlier) if resumable(path, task_key)), None)
        if record is not None and record["key"] == task_key:
            # tasks that are done are redone, not resumed
            previous = None
        return Ticket(step, task, task_key, last + 1, previous, tuple(why), redo)

    def _write(self, path: Path, value: Any) -> None:
        if not self._dry:
            write_json(path, value)

    def _recognize(self, folder: Path, task_key: str) -> dict[str, Any] | None:
        """The record in DONE, restored from an earlier attempt if that one has the requested key."""
        record = read_done(folder)
        if record is not None and record["key"] == task_key:
            return record
        for attempt in reversed(attempts(folder)):
            result = read_done(attempt)
            if result is not None and result["key"] == task_key and not damage(attempt, result["outputs"]):
                self._write(folder / DONE, result)
                return result
        return record

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
            inputs={role: self.folder / path for role, path in record["inputs"].items()},
            tools=tuple(parts["tools"]),
            ranks=record["ranks"],
            gpus=record["gpus"],
        )


def _top(step: str) -> str:
    """The system or round that a step belongs to; empty for the run as a whole."""
    first, slash, _ = step.partition("/")
    return first if slash else ""


def _reasons(folder: Path, record: dict[str, Any] | None, task_key: str, parts: Mapping[str, Any]) -> list[str]:
    """Why the task has to be run, in words; empty if it is done."""
    if record is None:
        return ["not done yet"]
    if record["key"] != task_key:
        return changes(record["parts"], parts) or ["its key was computed by a different rule"]
    found = damage(folder / f"attempt-{record['attempt']}", record["outputs"])
    return found or ([_REQUESTED] if asked_again(folder, record["attempt"]) else [])
