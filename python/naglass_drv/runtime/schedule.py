"""Runs the stages one after another, and the tasks of a stage in parallel on groups of ranks."""

import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ..config.schema import Input
from ..errors import SYSTEM, InputError, NaglassError, SetupError, Stopped, TaskFailed, of_system
from . import events, mpi
from .devices import Devices, group_on_node
from .failure import Outcome, blame, block, outcome_of
from .keys import Keys
from .launch import run_child
from .progress import Progress, clock
from .stop import Stop
from .store import Store, Ticket
from .task import Done, Job, Run, Stage

Value = TypeVar("Value")
# how long the other ranks of a group may take to follow one that has left its task with an error
GRACE_S = 30.0


@dataclass(frozen=True)
class Context:
    """Context in which the stages run: communicator, input, folders, site, stop requests, and tool versions.

    `resume` is the command that resumes this run.
    """

    comm: Any
    input: Input
    source: Path
    folder: Path
    stop: Stop
    versions: Callable[[str], str]
    resume: str
    site: Mapping[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.time)
    devices: Devices = field(default_factory=Devices)

    @property
    def first(self) -> bool:
        """Whether this is the rank that plans, collects and prints."""
        return self.comm.Get_rank() == 0

    def say(self, text: str) -> None:
        """Print one line with the elapsed time, on the first rank only."""
        if self.first:
            print(f"[{clock(time.time() - self.started)}] {text}", flush=True)


def execute(stages: Iterable[Stage], context: Context, *, only: Collection[str] = ()) -> list[Outcome]:
    """Plan, run and collect every stage that the input asks for; `only` restricts this to stages that are to be redone.

    Called on every rank. Returns the failures, an empty list if all is done. A stage with a failure is not
    collected, and later stages do not start. Raises Stopped if the job was asked to stop, and InputError or
    SetupError if a stage finds a problem in the input or environment, on every rank alike.
    """
    store = Store(context.folder)
    keys = Keys(context.versions)
    wanted = [stage for stage in stages if stage.wanted(context.input)]
    names = {stage.name for stage in wanted}

    def finished(name: str) -> list[Done]:
        # products of sections that are no longer in the input are ignored
        return store.finished(name) if name in names else []

    run = Run(context.input, context.source, context.folder, finished, context.site)
    for stage in wanted:
        if only and stage.name not in only:
            continue
        tickets = on_first(context.comm, partial(_plan, stage, run, store, keys, context, only))
        failures = _run_all(stage, tickets, store, context)
        if failures:
            return failures
        on_first(context.comm, partial(_collect, stage, run, store))
    return []


def on_first(comm: Any, work: Callable[[], Value]) -> Value:
    """Call `work` on the first rank and return its result, or raise its NaglassError, on all ranks."""
    result: tuple[Any, int, str] | None = None
    if comm.Get_rank() == 0:
        try:
            result = (work(), 0, "")
        except NaglassError as error:
            result = (None, error.exit_code, str(error))
        except SYSTEM as raised:
            problem = of_system(raised)
            result = (None, problem.exit_code, str(problem))
    value, code, message = mpi.bcast(comm, result)
    if code:
        raise _error(code, message)
    return value


def _error(code: int, message: str) -> NaglassError:
    kinds = {kind.exit_code: kind for kind in (InputError, Stopped, SetupError)}
    return kinds.get(code, NaglassError)(message)


def _plan(stage: Stage, run: Run, store: Store, keys: Keys, context: Context, redo: Collection[str]) -> list[Ticket]:
    tasks = stage.plan(run)
    size = context.comm.Get_size()
    for task in tasks:
        if task.ranks > size:
            raise SetupError(
                f"{task.stage}/{task.name}: needs {task.ranks} ranks, but the job has only {size}; "
                f"start it with mpirun -n {task.ranks} or higher"
            )
    tickets = store.plan(stage.name, tasks, keys, revision=stage.revision, redo=stage.name in redo)
    context.say(f"{stage.name}: {_count(len(tasks))}, {len(tasks) - len(tickets)} already done")
    for ticket in tickets:
        if ticket.why != ("not done yet",):
            context.say(f"  {ticket.label} again: {'; '.join(ticket.why)}")
    return tickets


def _count(number: int) -> str:
    return f"{number} task" if number == 1 else f"{number} tasks"


def _collect(stage: Stage, run: Run, store: Store) -> None:
    run.products.mkdir(exist_ok=True)
    stage.collect(run, store.finished(stage.name))
    events.append(run.folder, "collected", stage=stage.name)


def _run_all(stage: Stage, tickets: Sequence[Ticket], store: Store, context: Context) -> list[Outcome]:
    """Run the tickets, one size at a time and the largest first; returns all failures."""
    shapes = sorted({(ticket.task.ranks, ticket.task.gpus) for ticket in tickets}, reverse=True)
    failures: list[Outcome] = []
    for ranks, gpus in shapes:
        same = [ticket for ticket in tickets if (ticket.task.ranks, ticket.task.gpus) == (ranks, gpus)]
        outcomes = _Phase(stage, store, context, ranks, gpus).run(same)
        for outcome in outcomes:
            if outcome.exit_code in (InputError.exit_code, SetupError.exit_code):
                raise _error(outcome.exit_code, f"{outcome.label}: {outcome.message}")
        if any(outcome.exit_code == Stopped.exit_code for outcome in outcomes) or _agreed_stop(context):
            reasons = mpi.gather(context.comm, context.stop.reason if context.stop.requested() else None)
            raise Stopped(next((reason for reason in reasons if reason), "a task stopped by itself"))
        failures += [outcome for outcome in outcomes if outcome.exit_code]
    return failures


def _agreed_stop(context: Context) -> bool:
    return any(mpi.gather(context.comm, context.stop.requested()))


class _Phase:
    """Run tasks of the same size on as many groups as the ranks allow; a free group takes the next task."""

    def __init__(self, stage: Stage, store: Store, context: Context, ranks: int, gpus: int):
        self.stage, self.store, self.context = stage, store, context
        self.groups = context.comm.Get_size() // ranks
        self.comm: Any
        self.number, self.comm = mpi.split(context.comm, ranks)
        context.devices.give(group_on_node(context.comm, self.comm) if gpus else 0, gpus)

    def run(self, tickets: Sequence[Ticket]) -> list[Outcome]:
        """The outcomes of all groups, on every rank."""
        outcomes: list[Outcome] = []
        if self.comm is not None:
            for ticket in tickets:
                folder, stop = mpi.bcast(self.comm, self._claim(ticket) if self.comm.Get_rank() == 0 else None)
                if stop:
                    break
                if folder is not None:
                    outcomes.append(self._attempt(ticket, folder))
                if outcomes and outcomes[-1].ends_job:
                    # the other groups save their state and stop
                    if not self.context.stop.request(f"failure of {outcomes[-1].label}") and self.groups > 1:
                        # nothing can be written, so they would not learn of it
                        self._abort(outcomes[-1])
                    break
            leads = self.comm.Get_rank() == 0
            self.comm.Free()
        else:
            leads = False
        return [outcome for part in mpi.gather(self.context.comm, outcomes if leads else []) for outcome in part]

    def _claim(self, ticket: Ticket) -> tuple[Path | None, bool]:
        if self.context.stop.requested():
            return None, True
        folder = self.store.claim(ticket, self.comm.Get_size())
        if folder is not None:
            events.append(self.store.folder, "started", task=ticket.label, attempt=ticket.attempt, why=ticket.why)
        return folder, False

    def _attempt(self, ticket: Ticket, folder: Path) -> Outcome:
        """Run one attempt at a task on all ranks of the group, and record its outcome."""
        progress = Progress(
            ticket.label, folder, started=self.context.started, speaks=self.comm.Get_rank() == 0, groups=self.groups
        )
        job = self._job(ticket, folder, progress)
        error: NaglassError | None = None
        summary: Mapping[str, Any] | None = None
        try:
            summary = self.stage.run(job)
        except TaskFailed as raised:
            error = blame(raised, folder)
        except NaglassError as raised:
            error = raised
        except SYSTEM as raised:
            error = of_system(raised, folder)
        mine = outcome_of(ticket.label, folder, error)
        barrier = self.comm.Ibarrier()
        if not mpi.wait(barrier, None if error is None else GRACE_S):
            # the others are stuck in a collective call that this rank has left
            self._record(ticket, folder, mine, None)
            self._abort(mine)
        outcome = max(self.comm.allgather(mine), key=lambda each: each.weight)
        if self.comm.Get_rank() == 0:
            self._record(ticket, folder, outcome, summary)
        return outcome

    def _abort(self, outcome: Outcome) -> None:
        """End the job on all ranks; a failure that does so by itself has not been reported yet."""
        if outcome.ends_job:
            print(f"{outcome.label}: {outcome.message}", file=sys.stderr, flush=True)
        mpi.abort(self.context.comm, outcome.exit_code)

    def _job(self, ticket: Ticket, folder: Path, progress: Progress) -> Job:
        stop = self.context.stop

        def child(argv: list[str], *, on_poll: Callable[[], None] = lambda: None, **options: Any) -> int:
            def poll() -> None:
                on_poll()
                progress.alive()

            wired: dict[str, Any] = {"folder": folder, "should_stop": stop.requested, "on_poll": poll} | options
            status = run_child(argv, **wired)
            if status != 0 and stop.requested():
                raise Stopped(stop.reason)
            return status

        return Job(
            task=ticket.task,
            folder=folder,
            previous=ticket.previous,
            comm=self.comm,
            progress=progress,
            stopping=stop.requested,
            child=child,
            site=self.context.site,
        )

    def _record(self, ticket: Ticket, folder: Path, outcome: Outcome, summary: Mapping[str, Any] | None) -> None:
        root = self.store.folder
        if outcome.exit_code == 0:
            self.store.complete(ticket, folder, summary or {})
            events.append(root, "done", task=ticket.label, attempt=ticket.attempt)
            self._say(f"{ticket.label} done")
        elif outcome.exit_code == Stopped.exit_code:
            events.append(root, "stopped", task=ticket.label, attempt=ticket.attempt)
            self._say(f"{ticket.label} stopped")
        else:
            # if nothing can be written, the message alone has to suffice
            with suppress(OSError) if outcome.exit_code == SetupError.exit_code else nullcontext():
                self.store.fail(ticket, folder, outcome.record())
                events.append(root, "failed", task=ticket.label, attempt=ticket.attempt, failure=outcome.failure)
            if not outcome.ends_job:
                self._say(block(outcome, self.context.resume))

    def _say(self, text: str) -> None:
        print(f"[{clock(time.time() - self.context.started)}] {text}", flush=True)
