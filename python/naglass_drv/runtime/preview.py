"""What a run would do now, without doing or writing anything."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError
from ..wording import counted
from .flow import Answer, Failed, Flow, Step, Workflow
from .keys import Keys, made_of
from .store import Store
from .task import Run, Stage


class Preview(NamedTuple):
    """The steps that can be planned now as `lines`, and the `open` stages of those with something to do.

    `planned` are the labels of these steps, and `again` has the tasks to be run, ``step/task``, with the reasons.
    """

    lines: list[str]
    open: set[str]
    planned: list[str]
    again: dict[str, str]


def preview(
    workflow: Workflow,
    stages: Callable[[str], Stage],
    source: Path,
    folder: Path,
    site: Mapping[str, Any],
    versions: Callable[[str], str],
) -> Preview:
    """One line for each step that can be planned now, and one for each of its tasks to be run, with the reason.

    A branch of the workflow is followed up to its first step with something to do: what comes after depends on it, also
    where branches meet. A product that is made anew with the same content is nothing to wait for.
    """
    lines: list[str] = []
    unfinished: set[str] = set()
    planned: list[str] = []
    again: dict[str, str] = {}
    store, keys = Store(folder, dry=True), Keys(versions)

    def begin(step: Step, answer: Answer) -> None:
        stage = stages(step.stage)
        try:
            tasks = stage.plan(Run(step.input, source, folder, step.takes, site, step.scope))
        except InputError as error:
            lines.append(f"{step.label}: {error}")
            unfinished.add(step.stage)
            answer(Failed(step.label, str(error)))
            return
        tickets = store.plan(step.label, tasks, keys, revision=stage.revision)
        planned.append(step.label)
        if tickets:
            own = {ticket.label: "; ".join(ticket.why) for ticket in tickets}
            lines.append(f"{step.label}: {len(tickets)} of {counted(len(tasks), 'task')} to be run")
            lines.extend(f"  {label}: {why}" for label, why in own.items())
            again.update(own)
            unfinished.add(step.stage)
            return
        # an earlier product of the step may lie there, made of other tasks
        material = made_of(store.recognized(step.label), step)
        kept = store.product(step.label, material)
        state = f"0 of {counted(len(tasks), 'task')} to be run" if tasks else "no tasks"
        if kept is not None:
            lines.append(f"{step.label}: {state}")
            answer(kept)
            return
        same, why = store.again(step.label, material)
        how = " with the same content" if same is not None else ""
        lines.append(f"{step.label}: {state}; its product is made anew{how}{', since ' if why else ''}{why}")
        if same is not None:
            answer(same)
            return
        unfinished.add(step.stage)

    Flow(workflow, begin).advance()
    return Preview(lines, unfinished, planned, again)
