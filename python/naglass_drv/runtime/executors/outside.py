"""Tasks in jobs of their own: which are sent, which are under way, and how they have ended, by the files of the run.

The state is in the run folder alone, so that the job that plans may be lost at any time: jobs/submitted.jsonl has the
jobs, and a file for each the tasks that it was given.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ...errors import SetupError
from ...wording import counted
from .. import batch, events, notes
from ..failure import Outcome
from ..files import write_json
from ..forecast import Times
from ..store import Store, Ticket
from ..task import Effort
from .history import LIMIT, Try, bad_hosts, outcome_of_jobs, poisoned

EXCLUDED = "excluded.json"
#: Labels and keys of tasks.
Tasks = set[tuple[str, str]]


class Queue(Protocol):
    """A system of jobs.

    `under_way` are the tasks of jobs that have not ended, None if it does not answer for now; `submit` hands over what
    it can, leaving out hosts, and returns how many jobs that are, and what to say. `pause_s` is the time between two
    looks.
    """

    pause_s: float

    def under_way(self) -> Tasks | None: ...

    def submit(self, tickets: Sequence[Ticket], without: Sequence[str]) -> tuple[int, list[str]]: ...


@dataclass
class Jobs:
    """The executor of tasks that are worth a job: those that ask for GPUs or more ranks than `ranks`, whose stage is
    one of `stages`, or which are expected to take longer than `least_s` (s).

    `since` is when the run was begun or resumed by a person (s since the epoch): failures before are tried again. With
    `leaves` the job that plans ends when nothing is left to do in it, and another is to come when jobs have ended.
    """

    folder: Path
    queue: Queue
    times: Times
    since: float
    say: Callable[[str], None]
    ranks: int = 1
    stages: frozenset[str] = frozenset()
    least_s: float = 60.0
    leaves: bool = False
    leaving: str = ""
    _waiting: dict[tuple[str, str], Ticket] = field(default_factory=dict)
    _looked: float = -1e9
    _sent: list[tuple[str, int]] = field(default_factory=list)
    _vain: int = 0
    _worth: dict[tuple[Effort, int], bool] = field(default_factory=dict)

    def takes(self, ticket: Ticket) -> bool:
        """Whether a task gets a job of its own."""
        task = ticket.task
        if task.gpus or task.ranks > self.ranks or task.stage in self.stages:
            return True
        if task.effort is None:
            return self.least_s == 0.0
        # of 100 000 tasks most are alike
        alike = (task.effort, task.ranks)
        if alike not in self._worth:
            known = self.times.seconds(task.effort, task.ranks)
            self._worth[alike] = known is None or known[0] >= self.least_s
        return self._worth[alike]

    def add(self, tickets: Sequence[Ticket]) -> None:
        """Take tickets."""
        self._waiting |= {(ticket.label, ticket.key): ticket for ticket in tickets}
        self._looked = -1e9 if tickets else self._looked

    def tend(self, idle: bool) -> list[tuple[Ticket, Outcome]]:
        """Submit what is ready and in no job; returns the tasks that have ended, with how. `idle`: nothing is left to
        do in this job.
        """
        now = time.monotonic()
        if not self._waiting or now - self._looked < self.queue.pause_s or (self.leaves and not idle):
            return []
        if (busy := self.queue.under_way()) is None:
            self._looked = now
            return []
        ended, open_tickets, tries = self._sorted(busy)
        for ticket, _ in ended:
            del self._waiting[ticket.label, ticket.key]
        if batch.is_cancelled(self.folder):
            self.leaving = "a request to cancel its jobs"
            return ended
        if open_tickets:
            self._submit(open_tickets, self._bad_hosts(tries))
        self._looked = time.monotonic()
        if self.leaves and not ended and self._waiting:
            self.leaving = f"want of other work ({counted(len(self._waiting), 'task')} left to other jobs)"
        return ended

    def _submit(self, tickets: list[Ticket], without: list[str]) -> None:
        made, lines = self.queue.submit(tickets, without)
        for line in lines:
            self.say(line)
        # of tasks that have begun there is another attempt by now
        state = sorted((ticket.label, ticket.attempt) for ticket in tickets)
        self._vain = self._vain + bool(made) if state == self._sent else 0
        self._sent = state
        if self._vain >= LIMIT:
            raise SetupError(f"jobs end before any of their tasks has begun: see {self.folder / batch.FOLDER}")

    def _sorted(self, busy: Tasks) -> tuple[list[tuple[Ticket, Outcome]], list[Ticket], dict[str, list[Try]]]:
        """The tasks that have ended, those that need a job, and the attempts of these that were in vain."""
        store, ended = Store(self.folder), list[tuple[Ticket, Outcome]]()
        needed, tries = list[Ticket](), dict[str, list[Try]]()
        told = {step: notes.read(store.step_folder(step)) for step in {each.step for each in self._waiting.values()}}
        for key, ticket in self._waiting.items():
            # a job has more than one task: of those that are under way only what has been told is looked at
            note = told[ticket.step].get(ticket.task.name)
            if key in busy and (note is None or note.key != ticket.key):
                continue
            if store.renewed(ticket) is None:
                ended.append((ticket, Outcome(ticket.label, store.task_folder(ticket))))
                continue
            outcome, vain = outcome_of_jobs(store, ticket, self.since)
            if outcome is None and key in busy:
                continue
            if outcome is None and (outcome := poisoned(ticket, vain)) is not None:
                store.fail(ticket, outcome.folder, outcome.record())
                events.append(self.folder, "set aside", task=ticket.label, reason=outcome.message)
                self.say(f"{ticket.label} SET ASIDE: {outcome.message}")
            if outcome is not None:
                ended.append((ticket, outcome))
            else:
                needed.append(store.renewed(ticket) or ticket)
                tries[ticket.label] = vain
        # those that have failed least go first: what is wrong with a host then shows in several tasks
        return ended, sorted(needed, key=lambda ticket: len(tries[ticket.label])), tries

    def _bad_hosts(self, tries: dict[str, list[Try]]) -> list[str]:
        found = bad_hosts(self.folder, tries)
        path = self.folder / batch.FOLDER / EXCLUDED
        if found or path.exists():
            write_json(path, found)
        for host, labels in found.items():
            self.say(f"{host} is left out: {', '.join(labels)} ended there in vain, and nothing was done there since")
        return sorted(found)
