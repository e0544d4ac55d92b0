"""Tasks as tasks of HyperQueue, whose server and workers the user has started: for thousands of small ones."""

import json
import os
import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import SetupError
from ...wording import counted
from .. import batch, notes, worklist
from ..store import Store, Ticket
from .outside import Tasks

_MISSING = "HyperQueue is not installed: pip install hyperqueue"
# a server that was killed has to be started again within this time
_SILENT_S = 600.0
_ACCESS = Path("hq-current", "access.json")


@dataclass
class HyperQueue:
    """Submits tasks to the server whose folder is `server`. `command` carries out a file of tasks; `threads` are the
    cores of a rank.
    """

    folder: Path
    command: Sequence[str]
    server: Path
    threads: int = 1
    pause_s: float = 2.0
    heard: float | None = None

    def check(self) -> None:
        """Raise SetupError, with what to type, if there is no HyperQueue or no server."""
        self._uid()
        self._client()

    def under_way(self) -> Tasks | None:
        """The tasks of jobs that the server has not ended; None while there is no server."""
        try:
            found = self._open_tasks()
        except (SetupError, RuntimeError):
            if self.heard is None or time.monotonic() - self.heard > _SILENT_S:
                raise
            return None
        self.heard = time.monotonic()
        return found

    def _open_tasks(self) -> Tasks:
        # another server, as one that was started again without a journal, has forgotten them
        mine = {int(row["job"]): row for row in batch.rows(self.folder) if row.get("server") == self._uid()}
        open_jobs, found = _open_jobs(self._client(), list(mine)), Tasks()
        for job in open_jobs:
            found = found.union(*worklist.keys_of(self.folder / batch.FOLDER / mine[job]["tasks"]))
        return found

    def submit(self, tickets: Sequence[Ticket], without: Sequence[str]) -> tuple[int, list[str]]:
        """Submit a job of HyperQueue for each shape. It cannot leave out hosts: stop the workers there."""
        shapes: dict[tuple[int, int], list[Ticket]] = {}
        for ticket in tickets:
            shapes.setdefault((ticket.task.ranks, ticket.task.gpus), []).append(ticket)
        lines = list[str]()
        for (ranks, gpus), each in shapes.items():
            stem = f"hq-{secrets.token_hex(4)}"
            worklist.write(self.folder / batch.FOLDER / f"{stem}.json", [[ticket] for ticket in each])
            try:
                job = self._submit(stem, len(each), ranks, gpus)
            except SetupError as error:
                # it was there a moment ago
                return len(lines), [*lines, f"{counted(len(each), 'task')} wait: {error}"]
            batch.note(self.folder, job=str(job), server=self._uid(), tasks=f"{stem}.json")
            steps = ", ".join(dict.fromkeys(ticket.step for ticket in each))
            lines.append(f"HyperQueue job {job}: {counted(len(each), 'task')} of {steps} of {counted(ranks, 'rank')}")
        return len(lines), lines

    def _submit(self, stem: str, count: int, ranks: int, gpus: int) -> int:
        hyperqueue = _module()
        from hyperqueue.ffi.protocol import ResourceRequest
        from hyperqueue.output import StdioDef

        launcher = [str(Path(sys.executable).with_name("mpirun")), "-n", str(ranks)] if ranks > 1 else []
        words = [*launcher, *self.command, str(self.folder), f"{batch.FOLDER}/{stem}.json"]
        # the log of a task that is done is of no use, and one of a hundred thousand files
        log = StdioDef.remove_if_finished(str(self.folder / batch.FOLDER / "hq-%{JOB_ID}_%{TASK_ID}.log"))
        asked = ResourceRequest(cpus=ranks * self.threads, resources={"gpus/nvidia": gpus} if gpus else None)
        # a task has the environment of its worker, which was started somewhere else
        passed = {key: value for key, value in os.environ.items() if key == "PYTHONPATH" or key.startswith("NAGLASS_")}
        known = passed | {"OMP_NUM_THREADS": str(self.threads)}
        job = hyperqueue.Job(self.folder, max_fails=None, name=stem, default_env=known)
        for _ in range(count):
            job.program(["sh", "-c", 'exec "$0" "$@" 2>&1', *words], stdout=log, stderr=None, resources=asked)
        try:
            return int(self._client().submit(job).id)
        except RuntimeError as error:
            raise SetupError(str(error).partition("\n")[0]) from None

    def _uid(self) -> str:
        _module()
        try:
            return str(json.loads((self.server / _ACCESS).read_text(encoding="utf-8"))["server_uid"])
        except (OSError, ValueError, KeyError):
            raise SetupError(
                f"{self.server}: no server of HyperQueue; start one with 'hq server start --journal FILE', and workers "
                "with 'hq worker start' or 'hq alloc add slurm'"
            ) from None

    def _client(self) -> Any:
        hyperqueue = _module()
        try:
            return hyperqueue.Client(self.server)
        except Exception as error:
            said = str(error).partition("\n")[0]
            raise SetupError(f"{self.server}: HyperQueue does not answer: {said}") from None


def _module() -> Any:
    try:
        import hyperqueue
    except ImportError:
        raise SetupError(_MISSING) from None
    return hyperqueue


class _Told(Exception):
    """Ends the wait for jobs when their states have been told."""


def _open_jobs(client: Any, jobs: list[int]) -> list[int]:
    """Those of the jobs that have not ended; the server knows nothing of some that have."""
    told: dict[int, dict[str, Any]] = {}

    def hear(states: dict[int, dict[str, Any]]) -> None:
        told.update(states)
        raise _Told

    # the library can only wait for jobs, and tells their states meanwhile
    with suppress(_Told):
        if jobs:
            client.connection.wait_for_jobs(jobs, hear)
    return [job for job, state in told.items() if not state["completed"]]


def states(folder: Path) -> dict[str, str]:
    """What is known of the run's jobs in HyperQueue, by the files of the run: how many of their tasks have ended."""
    store, found = Store(folder), dict[str, str]()
    for row in batch.rows(folder):
        if "server" not in row:
            continue
        tasks = Tasks().union(*worklist.keys_of(folder / batch.FOLDER / row["tasks"]))
        told = {step: notes.read(store.step_folder(step)) for step in {label.rpartition("/")[0] for label, _ in tasks}}
        ended = 0
        for label, key in tasks:
            step, _, name = label.rpartition("/")
            ended += (note := told[step].get(name)) is not None and note.key == key
        found[row["job"]] = f"{ended} of {counted(len(tasks), 'task')} have ended"
    return found
