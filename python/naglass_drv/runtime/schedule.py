"""Runs a workflow: the first rank plans and hands out tasks, and every rank carries out what it is given."""

import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ..errors import SYSTEM, InputError, NaglassError, SetupError, Stopped, TaskFailed, of_system
from . import events, mpi
from .devices import Devices
from .dispatch import Dispatch, Order
from .failure import Outcome, blame, block, outcome_of
from .flow import Workflow
from .forecast import Measured, record
from .keys import Keys
from .launch import run_child
from .planner import Planner, Setting
from .progress import Progress, clock, say
from .stop import Stop
from .store import Store, Ticket
from .task import Job, Stage

Value = TypeVar("Value")
# how long the other ranks of a group may take to follow one that has left its task with an error
GRACE_S = 30.0
# how often the first rank looks after the others while it carries out a task itself
_TEND_EVERY_S = 0.5
_NAPS_S = (0.001, 0.1)
_ORDER, _OUTCOME = 1, 2


@dataclass(frozen=True)
class Context:
    """Context in which a workflow runs: communicator, folders, site, stop requests, and tool versions.

    `resume` is the command that resumes this run.
    """

    comm: Any
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
            say(f"[{clock(time.time() - self.started)}] {text}")


def execute(
    workflow: Callable[[], Workflow], stages: Callable[[str], Stage], context: Context, *, only: Collection[str] = ()
) -> list[Outcome]:
    """Run a workflow to its end; `only` names the stages to be redone, all others are taken as they are.

    Called on every rank; `workflow` is called on the first. Returns the failures, an empty list if all is done; the
    branch of the workflow in which a step failed ends there. Raises Stopped if the job was asked to stop, and
    InputError or SetupError if a stage finds a problem in the input or environment, on every rank alike.
    """
    comm = context.comm.Dup()
    hosts = mpi.gather(comm, (mpi.node_of(comm), context.devices.count))
    first = None
    if comm.Get_rank() == 0:
        nodes = [node for node, _ in hosts]
        visible = [next((count for at, count in hosts if at == node), None) for node in range(max(nodes) + 1)]
        first = _First(workflow, stages, context, only, comm, Dispatch(nodes, visible))
    _Worker(stages, context, comm, first).serve()
    verdict = mpi.bcast(comm, first.verdict() if first is not None else None)
    reasons = mpi.gather(comm, context.stop.reason if context.stop.requested() else None)
    comm.Free()
    failures, error, stopped = verdict
    if error is not None:
        raise _error(*error)
    if stopped:
        raise Stopped(next((reason for reason in reasons if reason), "a task stopped by itself"))
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


class _First:
    """What the first rank does besides its own tasks: plan, hand out, and listen to how tasks ended."""

    def __init__(
        self,
        workflow: Callable[[], Workflow],
        stages: Callable[[str], Stage],
        context: Context,
        only: Collection[str],
        comm: Any,
        dispatch: Dispatch,
    ):
        setting = Setting(context.source, context.folder, context.site, comm.Get_size(), only, context.say)
        self._context = context
        self._comm = comm
        self._dispatch = dispatch
        self._planner = Planner(workflow(), stages, setting, Keys(context.versions), dispatch.add)
        self._own: deque[Order] = deque()
        self._sent: list[Any] = []
        self._began: dict[int, float] = {}
        self._error: tuple[int, str] | None = None
        self._bug: Exception | None = None
        self._stopped = False
        self._busy = False
        self._tended = 0.0

    def verdict(self) -> tuple[list[Outcome], tuple[int, str] | None, bool]:
        """How the run ended: failures, an error that ended it, and whether something was left when it was stopped."""
        return self._planner.failures, self._error, self._stopped or not self._planner.ended

    def tend(self) -> None:
        """Hear which tasks have ended, plan what follows from them, and hand it out. Raises nothing: it may be called
        from within LAMMPS, which would swallow an exception.
        """
        if self._busy:
            return
        self._busy = True
        try:
            self._listen()
            if not self._closing():
                self._planner.advance()
                self._hand_out()
        except NaglassError as error:
            self._give_up(error)
        except SYSTEM as raised:
            self._give_up(of_system(raised))
        except Exception as bug:
            self._bug = bug
            self._context.stop.request(f"{type(bug).__name__} while planning")
        finally:
            self._busy = False
            self._tended = time.monotonic()

    def glance(self) -> None:
        """`tend`, but not too often: called from within a task of this rank."""
        if time.monotonic() - self._tended > _TEND_EVERY_S:
            self.tend()

    def next_order(self) -> Order | None:
        """The next task of this rank, or None if the run is over."""
        nap = _NAPS_S[0]
        while True:
            self.tend()
            if self._bug is not None:
                raise self._bug
            if self._own:
                return self._own.popleft()
            if self._dispatch.idle and (self._planner.ended or self._closing()):
                self._send_home()
                return None
            time.sleep(nap)
            nap = min(2 * nap, _NAPS_S[1])

    def over(self, number: int, outcome: Outcome) -> None:
        """Note how a task ended."""
        ticket = self._dispatch.over(number)
        self._remember(ticket, time.monotonic() - self._began.pop(number), outcome)
        if outcome.ends_job:
            self._error = self._error or (outcome.exit_code, f"{outcome.label}: {outcome.message}")
        elif outcome.exit_code == Stopped.exit_code:
            self._stopped = True
        else:
            try:
                self._planner.over(ticket, outcome)
            except NaglassError as error:
                self._give_up(error)
            except SYSTEM as raised:
                self._give_up(of_system(raised))

    def _closing(self) -> bool:
        if self._error is not None or self._stopped or self._context.stop.requested():
            self._dispatch.clear()
            return True
        return False

    def _listen(self) -> None:
        while self._comm.Iprobe(tag=_OUTCOME):
            self.over(*self._comm.recv(tag=_OUTCOME))
        self._sent = [request for request in self._sent if not request.Test()]

    def _hand_out(self) -> None:
        for order in self._dispatch.orders():
            self._began[order.number] = time.monotonic()
            for rank in order.ranks:
                self._sent += [] if rank == 0 else [self._comm.isend(order, rank, tag=_ORDER)]
            if 0 in order.ranks:
                self._own.append(order)

    def _remember(self, ticket: Ticket, seconds: float, outcome: Outcome) -> None:
        """Keep the time of a task that was done in one go, for forecasts."""
        effort = ticket.task.effort
        if effort is not None and outcome.exit_code == 0 and ticket.previous is None:
            record(Measured(effort.work, effort.size, ticket.task.ranks, seconds))

    def _give_up(self, error: NaglassError) -> None:
        """The run cannot go on; tasks that are running save their state and stop."""
        if self._error is None:
            self._error = (error.exit_code, str(error))
        self._context.stop.request(str(error))

    def _send_home(self) -> None:
        self._sent += [self._comm.isend(None, rank, tag=_ORDER) for rank in range(1, self._comm.Get_size())]
        for request in self._sent:
            mpi.wait(request)


class _Worker:
    """One rank: carries out the tasks that it is given, with the other ranks of their groups."""

    def __init__(self, stages: Callable[[str], Stage], context: Context, comm: Any, first: _First | None):
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
                mpi.wait(self.world.isend((order.number, outcome), 0, tag=_OUTCOME))

    def _next_order(self) -> Order | None:
        if self.first is not None:
            return self.first.next_order()
        nap = _NAPS_S[0]
        while not self.world.Iprobe(source=0, tag=_ORDER):
            time.sleep(nap)
            nap = min(2 * nap, _NAPS_S[1])
            # a signal may have reached only this rank; asking passes it on
            self.context.stop.requested()
        return self.world.recv(source=0, tag=_ORDER)

    def _carry_out(self, order: Order) -> Outcome:
        ticket = order.ticket
        self.context.devices.give(order.devices)
        folder, stopping = mpi.bcast(self.comm, self._claim(ticket) if self.comm.Get_rank() == 0 else None)
        if stopping:
            return outcome_of(ticket.label, self.store.task_folder(ticket), Stopped(self.context.stop.reason))
        outcome = self._attempt(ticket, folder)
        if outcome.ends_job:
            # the other groups save their state and stop
            told = self.context.stop.request(f"failure of {outcome.label}")
            if not told and self.world.Get_size() > len(order.ranks):
                # nothing can be written, so they would not learn of it
                self._abort(outcome)
        return outcome

    def _claim(self, ticket: Ticket) -> tuple[Path | None, bool]:
        if self.context.stop.requested():
            return None, True
        folder = self.store.claim(ticket, self.comm.Get_size())
        events.append(self.store.folder, "started", task=ticket.label, attempt=ticket.attempt, why=ticket.why)
        return folder, False

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
            self._record(ticket, folder, outcome, summary)
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

    def _record(self, ticket: Ticket, folder: Path, outcome: Outcome, summary: Mapping[str, Any] | None) -> None:
        root = self.store.folder
        if outcome.exit_code == 0:
            self.store.complete(ticket, folder, summary or {})
            events.append(root, "done", task=ticket.label, attempt=ticket.attempt)
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

    def _say(self, text: str) -> None:
        say(f"[{clock(time.time() - self.context.started)}] {text}")
