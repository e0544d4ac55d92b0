"""Runs a workflow: the first rank plans and hands out tasks, and every rank carries out what it is given."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

from ..errors import SYSTEM, InputError, NaglassError, SetupError, Stopped, TaskFailed, of_system
from . import events, mpi
from .attempts import here
from .dispatch import Dispatch, Order
from .failure import Outcome, blame, block, outcome_of
from .launch import run_child
from .lead import NAPS_S, ORDER, OUTCOME, Context, Lead, Outside, Plan
from .progress import Progress, clock, say
from .store import Store, Ticket
from .task import Job, Stage

Value = TypeVar("Value")
# how long the other ranks of a group may take to follow one that has left its task with an error
GRACE_S = 30.0
# how often a task that another job is at work on is looked at
_PEEK_S = 0.5


def execute(
    plan: Callable[[Callable[[list[Ticket]], None]], Plan],
    stages: Callable[[str], Stage],
    context: Context,
    outside: Outside | None = None,
) -> list[Outcome]:
    """Carry out the tasks of a plan to its end, those that `outside` takes in jobs of their own.

    Called on every rank; `plan` is called on the first, with the function that takes tickets. Returns the failures, an
    empty list if all is done; the branch of a workflow in which a step failed ends there. Raises Stopped if the job was
    asked to stop, or leaves the rest to other jobs, and InputError or SetupError if a stage finds a problem in the
    input or environment, on every rank alike.
    """
    comm = context.comm.Dup()
    hosts = mpi.gather(comm, (mpi.node_of(comm), context.devices.count))
    first = None
    if comm.Get_rank() == 0:
        nodes = [node for node, _ in hosts]
        visible = [next((count for at, count in hosts if at == node), None) for node in range(max(nodes) + 1)]
        first = Lead(plan, context, comm, Dispatch(nodes, visible), outside)
    _Worker(stages, context, comm, first).serve()
    verdict = mpi.bcast(comm, first.verdict() if first is not None else None)
    reasons = mpi.gather(comm, context.stop.reason if context.stop.requested() else None)
    comm.Free()
    failures, error, left = verdict
    if error is not None:
        raise _error(*error)
    if left:
        raise Stopped(next((reason for reason in reasons if reason), left))
    return failures


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


class _Worker:
    """One rank: carries out the tasks that it is given, with the other ranks of their groups."""

    def __init__(self, stages: Callable[[str], Stage], context: Context, comm: Any, first: Lead | None):
        self.stages, self.context, self.world, self.first = stages, context, comm, first
        self.store = Store(context.folder)
        self.comm: Any = None

    def serve(self) -> None:
        """Carry out tasks until there are no more."""
        while (order := self._next_order()) is not None:
            group = self.world.Get_group().Incl(order.ranks)
            self.comm = self.world.Create_group(group, tag=order.number % 32_000)
            group.Free()
            outcome = self._carry_out(order)
            leads = self.comm.Get_rank() == 0
            self.comm.Free()
            if leads and self.first is not None:
                self.first.over(order.number, outcome)
            elif leads:
                mpi.wait(self.world.isend((order.number, outcome), 0, tag=OUTCOME))

    def _next_order(self) -> Order | None:
        if self.first is not None:
            return self.first.next_order()
        nap = NAPS_S[0]
        while not self.world.Iprobe(source=0, tag=ORDER):
            time.sleep(nap)
            nap = min(2 * nap, NAPS_S[1])
            # a signal may have reached only this rank; asking passes it on
            self.context.stop.requested()
        return self.world.recv(source=0, tag=ORDER)

    def _carry_out(self, order: Order) -> Outcome:
        self.context.devices.give(order.devices)
        ticket, folder = mpi.bcast(self.comm, self._claim(order.ticket) if self.comm.Get_rank() == 0 else None)
        if folder is None:
            # it was done meanwhile, or there is no time left to begin
            left = Stopped(self.context.stop.reason) if ticket is not None else None
            return outcome_of(order.ticket.label, self.store.task_folder(order.ticket), left)
        outcome = self._attempt(ticket, folder)
        if outcome.ends_job:
            # the other groups save their state and stop
            told = self.context.stop.request(f"failure of {outcome.label}")
            if not told and self.world.Get_size() > len(order.ranks):
                # nothing can be written, so they would not learn of it
                self._abort(outcome)
        return outcome

    def _claim(self, ticket: Ticket) -> tuple[Ticket | None, Path | None]:
        """The ticket with the folder of a new attempt, or without one if the job is to stop; or neither, if another job
        has done the task.
        """
        if not self._others_left(ticket):
            return ticket, None
        fresh = self.store.renewed(ticket)
        if fresh is None:
            return None, None
        folder = self.store.claim(fresh, self.comm.Get_size())
        events.append(self.store.folder, "started", task=fresh.label, attempt=fresh.attempt, why=fresh.why, **here())
        return fresh, folder

    def _others_left(self, ticket: Ticket) -> bool:
        """Wait for a job that is at work on this task, as the orphan of a lost node; False if it is time to stop."""
        until = time.monotonic() + self.context.patience_s
        while not self.context.stop.requested():
            if (attempt := self.store.under_way(ticket)) is None:
                return True
            if time.monotonic() > until:
                self.context.stop.request(f"{attempt}, which another job is at work on")
            time.sleep(_PEEK_S)
            if self.first is not None:
                self.first.glance()
        return False

    def _attempt(self, ticket: Ticket, folder: Path) -> Outcome:
        """Run one attempt at a task on all ranks of the group, and record its outcome."""
        groups = self.world.Get_size() // self.comm.Get_size()
        progress = Progress(
            ticket.label, folder, started=self.context.started, speaks=self.comm.Get_rank() == 0, groups=groups
        )
        job = self._job(ticket, folder, progress)
        error: NaglassError | None = None
        summary: Mapping[str, Any] | None = None
        try:
            summary = self.stages(ticket.task.stage).run(job)
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
            outcome = self._record(ticket, folder, outcome, summary)
        return outcome

    def _abort(self, outcome: Outcome) -> None:
        """End the job on all ranks; a failure that does so by itself has not been reported yet."""
        if outcome.ends_job:
            print(f"{outcome.label}: {outcome.message}", file=sys.stderr, flush=True)
        mpi.abort(self.context.comm, outcome.exit_code)

    def _job(self, ticket: Ticket, folder: Path, progress: Progress) -> Job:
        stop, glance = self.context.stop, self.first.glance if self.first is not None else lambda: None

        def stopping() -> bool:
            glance()
            return stop.requested()

        def tell(done: float, total: float, unit: str, note: str = "") -> None:
            glance()
            progress(done, total, unit, note)

        def child(argv: list[str], *, on_poll: Callable[[], None] = lambda: None, **options: Any) -> int:
            def poll() -> None:
                on_poll()
                progress.alive()
                glance()

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
            progress=tell,
            stopping=stopping,
            child=child,
            site=self.context.site,
        )

    def _record(self, ticket: Ticket, folder: Path, outcome: Outcome, summary: Mapping[str, Any] | None) -> Outcome:
        """Write down how an attempt ended, unless a later one has taken its place; returns what counts."""
        root = self.store.folder
        if self.store.superseded(ticket):
            lost = SetupError(f"{folder.name} was given up for lost, and a later one has taken its place")
            return outcome_of(ticket.label, folder, lost)
        if outcome.exit_code == 0:
            self.store.complete(ticket, folder, summary or {})
            events.append(root, "done", task=ticket.label, attempt=ticket.attempt, host=here()["host"])
            note = (summary or {}).get("note")
            self._say(f"{ticket.label} done{f': {note}' if note else ''}")
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
        self.store.release(folder)
        return outcome

    def _say(self, text: str) -> None:
        say(f"[{clock(time.time() - self.context.started)}] {text}")
