"""The first rank: what it does besides its own tasks is to plan, hand out, and listen to how tasks ended."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..errors import SYSTEM, NaglassError, Stopped, of_system
from . import mpi
from .devices import Devices
from .dispatch import Dispatch, Order
from .failure import Outcome
from .forecast import Measured, record
from .progress import clock, say
from .stop import Stop
from .store import Ticket

ORDER, OUTCOME = 1, 2
NAPS_S = (0.001, 0.1)
# how often the first rank looks after the others while it carries out a task itself
_TEND_EVERY_S = 0.5


@dataclass(frozen=True)
class Context:
    """Context in which a workflow runs: communicator, folders, site, stop requests, and tool versions.

    `resume` is the command that resumes this run. Another job that is at work on the same task is waited for
    `patience_s` (s).
    """

    comm: Any
    source: Path
    folder: Path
    stop: Stop
    versions: Callable[[str], str]
    resume: str
    site: Mapping[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.time)
    patience_s: float = 5.0
    devices: Devices = field(default_factory=Devices)

    @property
    def first(self) -> bool:
        """Whether this is the rank that plans, collects and prints."""
        return self.comm.Get_rank() == 0

    def say(self, text: str) -> None:
        """Print one line with the elapsed time, on the first rank only."""
        if self.first:
            say(f"[{clock(time.time() - self.started)}] {text}")


class Plan(Protocol):
    """Where tasks come from: a workflow, or a list. `advance` adds tickets that are ready to a dispatch."""

    failures: list[Outcome]

    @property
    def ended(self) -> bool: ...

    def advance(self) -> None: ...

    def over(self, ticket: Ticket, outcome: Outcome) -> None: ...


class Outside(Protocol):
    """An executor that carries out tasks in jobs of their own.

    It `takes` some of the tickets. `tend` submits what was added and returns the tasks whose jobs have ended; `leaving`
    is why this job ends when nothing is left to do in it, in words, or empty if it waits for the others.
    """

    def takes(self, ticket: Ticket) -> bool: ...

    def add(self, tickets: list[Ticket]) -> None: ...

    def tend(self, idle: bool) -> list[tuple[Ticket, Outcome]]: ...

    @property
    def leaving(self) -> str: ...


class Lead:
    """What the first rank does besides its own tasks. `plan` makes the plan, given where tickets go that are ready."""

    def __init__(
        self,
        plan: Callable[[Callable[[list[Ticket]], None]], Plan],
        context: Context,
        comm: Any,
        dispatch: Dispatch,
        outside: Outside | None,
    ):
        self._context = context
        self._comm = comm
        self._dispatch = dispatch
        self._outside = outside
        self._planner = plan(self._sort)
        self._own: deque[Order] = deque()
        self._sent: list[Any] = []
        self._began: dict[int, float] = {}
        self._error: tuple[int, str] | None = None
        self._bug: Exception | None = None
        self._stopped = False
        self._busy = False
        self._tended = 0.0

    def verdict(self) -> tuple[list[Outcome], tuple[int, str] | None, str]:
        """How the run ended: failures, an error that ended it, and why something was left, if so."""
        left = self._stopped or not self._planner.ended
        why = self._outside.leaving if self._outside is not None else ""
        return self._planner.failures, self._error, (why or "a task stopped by itself") if left else ""

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
                self._look_outside()
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
        nap = NAPS_S[0]
        while True:
            self.tend()
            if self._bug is not None:
                raise self._bug
            if self._own:
                return self._own.popleft()
            if self._dispatch.idle and (self._planner.ended or self._closing() or self._leaving()):
                self._send_home()
                return None
            time.sleep(nap)
            nap = min(2 * nap, NAPS_S[1])

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

    def _sort(self, tickets: list[Ticket]) -> None:
        """Let tickets wait for ranks of this job, or for the executor that takes them."""
        if (outside := self._outside) is None:
            self._dispatch.add(tickets)
            return
        outside.add([ticket for ticket in tickets if outside.takes(ticket)])
        self._dispatch.add([ticket for ticket in tickets if not outside.takes(ticket)])

    def _look_outside(self) -> None:
        if self._outside is None:
            return
        for ticket, outcome in self._outside.tend(self._dispatch.idle):
            if outcome.ends_job:
                self._error = self._error or (outcome.exit_code, f"{outcome.label}: {outcome.message}")
            else:
                self._planner.over(ticket, outcome)
                # what follows from it is planned before this job may leave
                self._planner.advance()
                self._hand_out()

    def _leaving(self) -> bool:
        return self._outside is not None and bool(self._outside.leaving)

    def _closing(self) -> bool:
        if self._error is not None or self._stopped or self._context.stop.requested():
            self._dispatch.clear()
            return True
        return False

    def _listen(self) -> None:
        while self._comm.Iprobe(tag=OUTCOME):
            self.over(*self._comm.recv(tag=OUTCOME))
        self._sent = [request for request in self._sent if not request.Test()]

    def _hand_out(self) -> None:
        for order in self._dispatch.orders():
            self._began[order.number] = time.monotonic()
            for rank in order.ranks:
                self._sent += [] if rank == 0 else [self._comm.isend(order, rank, tag=ORDER)]
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
        self._sent += [self._comm.isend(None, rank, tag=ORDER) for rank in range(1, self._comm.Get_size())]
        for request in self._sent:
            mpi.wait(request)
