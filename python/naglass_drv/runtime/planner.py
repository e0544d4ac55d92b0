"""Advances the workflow on the first rank: plans its steps into tasks, and collects what is done into products."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, SetupError, TaskFailed
from ..products import Decision, Missing
from ..wording import counted
from . import events, notes
from .failure import Outcome
from .flow import Answer, Failed, Flow, Step, Workflow
from .keys import Keys, made_of
from .store import Store, Ticket
from .task import Run, Stage


@dataclass(frozen=True)
class Setting:
    """What all steps share: folders, site, size of the job (None: large tasks have jobs of their own), the steps to
    redo (`only`), and where to print.
    """

    source: Path
    folder: Path
    site: Mapping[str, Any]
    size: int | None
    only: Collection[str]
    say: Callable[[str], None]


@dataclass
class _Open:
    """A step with tasks that are not done yet."""

    step: Step
    run: Run
    answer: Answer
    left: int
    failed: list[Outcome] = field(default_factory=list)


class Planner:
    """The steps of a workflow that wait for tasks, and the tickets that `ready` takes.

    A step that fails is reported, and fails its branch of the workflow; if it has no scope, bad input ends the run.
    """

    def __init__(
        self,
        workflow: Workflow,
        stages: Callable[[str], Stage],
        setting: Setting,
        keys: Keys,
        ready: Callable[[list[Ticket]], None],
    ):
        self.store = Store(setting.folder)
        self.failures: list[Outcome] = []
        self._stages = stages
        self._setting = setting
        self._keys = keys
        self._ready = ready
        self._open: dict[str, _Open] = {}
        self._seen: set[str] = set()
        self._flow = Flow(workflow, self._begin)
        if not setting.only:
            notes.begin_call(setting.folder / "tasks")

    @property
    def ended(self) -> bool:
        """Whether the workflow has come to its end."""
        return self._flow.ended

    def advance(self) -> None:
        """Plan all that can be planned now; at the end, forget systems that are no longer part of the run."""
        self._flow.advance()
        if self.ended and not self._setting.only:
            self.store.forget_others(self._seen)

    def over(self, ticket: Ticket, outcome: Outcome) -> None:
        """Note the end of a task."""
        step = self._open[ticket.step]
        step.left -= 1
        if outcome.exit_code:
            step.failed.append(outcome)
            self.failures.append(outcome)
        if not step.left:
            del self._open[ticket.step]
            self._close(step)

    def _begin(self, step: Step, answer: Answer) -> None:
        if step.label in self._seen:
            raise ValueError(f"step {step.label}: yielded twice by the workflow")
        self._seen.add(step.label)
        only = self._setting.only
        if only and step.stage not in only:
            kept = self.store.product(step.label)
            answer(kept if kept is not None else Missing(step.scope, step.stage))
            return
        run = Run(step.input, self._setting.source, self._setting.folder, step.takes, self._setting.site, step.scope)
        try:
            tickets = self._plan(step, run)
        except InputError as error:
            if not step.scope:
                raise
            self._refuse(step, str(error), answer)
            return
        notes.note_planned(self._setting.folder / "tasks", step.label)
        waiting = _Open(step, run, answer, len(tickets))
        if not tickets:
            self._close(waiting)
            return
        self._open[step.label] = waiting
        self._ready(tickets)

    def _plan(self, step: Step, run: Run) -> list[Ticket]:
        stage, size = self._stages(step.stage), self._setting.size
        tasks = stage.plan(run)
        for task in tasks:
            if size is not None and task.ranks > size:
                raise SetupError(
                    f"{step.label}/{task.name}: needs {task.ranks} ranks, but the job has only {size}; "
                    f"start it with mpirun -n {task.ranks} or higher"
                )
        redo = step.stage in self._setting.only
        tickets = self.store.plan(step.label, tasks, self._keys, revision=stage.revision, redo=redo)
        if tasks:
            self._setting.say(f"{step.label}: {counted(len(tasks), 'task')}, {len(tasks) - len(tickets)} already done")
        for ticket in tickets:
            if ticket.why != ("not done yet",):
                self._setting.say(f"  {ticket.label} again: {'; '.join(ticket.why)}")
        return tickets

    def _refuse(self, step: Step, message: str, answer: Answer) -> None:
        """Bad input of one system: it is left out, and the others go on."""
        self._setting.say(f"{step.label} FAILED: {message}")
        events.append(self.store.folder, "refused", step=step.label, reason=message)
        folder = self.store.step_folder(step.label)
        self.failures.append(Outcome(step.label, folder, TaskFailed.exit_code, "BAD_INPUT", message))
        answer(Failed(step.label, message))

    def _close(self, waiting: _Open) -> None:
        step = waiting.step
        if waiting.failed:
            names = ", ".join(outcome.label for outcome in waiting.failed)
            waiting.answer(Failed(step.label, f"{names} failed"))
            return
        done = self.store.finished(step.label, self._keys)
        behind = [(item.task.name, item.record.key if item.record else None, item.folder.name) for item in done]
        material = made_of(behind, step)
        product = self.store.product(step.label, material)
        if product is None:
            waiting.run.products.mkdir(parents=True, exist_ok=True)
            try:
                made = self._stages(step.stage).collect(waiting.run, done)
            except InputError as error:
                if not step.scope:
                    raise
                self._refuse(step, str(error), waiting.answer)
                return
            records = tuple(item.record for item in done if item.record is not None)
            made = replace(made, scope=step.scope, step=step.stage, tasks=records)
            product = self.store.keep(step.label, made, material, self._keys)
            events.append(self.store.folder, "collected", step=step.label)
        if isinstance(product, Decision):
            self._setting.say(f"{step.label}: {product.facts['reason']}")
        waiting.answer(product)
