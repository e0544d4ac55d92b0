"""What a run would do now, without doing or writing anything."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from .flow import Answer, Failed, Flow, Step, Workflow
from .keys import Keys, made_of
from .store import Store
from .task import Run, Stage


def preview(
    workflow: Workflow,
    stages: Callable[[str], Stage],
    source: Path,
    folder: Path,
    site: Mapping[str, Any],
    versions: Callable[[str], str],
) -> list[str]:
    """One line for each step that can be planned now, and one for each of its tasks to be run, with the reason.

    A branch of the workflow is followed up to its first step with something to run: what comes after depends on it.
    """
    lines: list[str] = []
    store, keys = Store(folder, dry=True), Keys(versions)

    def begin(step: Step, answer: Answer) -> None:
        stage = stages(step.stage)
        try:
            tasks = stage.plan(Run(step.input, source, folder, step.takes, site, step.scope))
        except InputError as error:
            lines.append(f"{step.label}: {error}")
            answer(Failed(step.label, str(error)))
            return
        tickets = store.plan(step.label, tasks, keys, revision=stage.revision)
        if tickets:
            lines.append(f"{step.label}: {len(tickets)} of {len(tasks)} tasks to be run")
            lines.extend(f"  {ticket.label}: {'; '.join(ticket.why)}" for ticket in tickets)
            answer(Failed(step.label, "has to be run first"))
            return
        # an earlier product of the step may lie there, made of other tasks
        kept = store.product(step.label, made_of(store.recognized(step.label), step))
        state = f"0 of {len(tasks)} tasks to be run" if tasks else "no tasks"
        lines.append(f"{step.label}: {state}{'; its product has to be made' if kept is None else ''}")
        answer(kept if kept is not None else Failed(step.label, "has to be made first"))

    Flow(workflow, begin).advance()
    return lines
