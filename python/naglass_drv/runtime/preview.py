"""What a run would do now, without doing or writing anything."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from .flow import Answer, Failed, Flow, Step, Workflow
from .keys import Keys
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
        lines.append(f"{step.label}: {len(tickets)} of {len(tasks)} tasks to be run")
        lines.extend(f"  {ticket.label}: {'; '.join(ticket.why)}" for ticket in tickets)
        kept = store.product(step.label) if not tickets else None
        answer(kept if kept is not None else Failed(step.label, "has to be run first"))

    Flow(workflow, begin).advance()
    return lines
