"""Stage `decision`: whether a loop of learning has converged, from the verdicts on the trajectories of a round.

It has no tasks: its product depends on the verdicts and the criterion alone, whatever the version of naglass. Once
made it is replayed from its manifest, so that newer code cannot turn a finished loop into another one.
"""

import json
from typing import Any

from ..products import Decision, Trajectories
from ..wording import counted
from .base import Done, Job, Run, Task

name = "decision"
#: Does not change what has been decided: there are no tasks whose keys it could enter.
revision = 1


def plan(run: Run) -> list[Task]:
    """No tasks."""
    return []


def expect(run: Run) -> tuple[list[Task], Decision]:
    """The loop goes on, so that a forecast is an upper bound."""
    return [], Decision(facts={"converged": False, "reason": "not decided yet"})


def run(job: Job) -> None:
    """Nothing to run."""


def collect(run: Run, done: list[Done]) -> Decision:
    """Converged if every trajectory passed the stability gate, and the input asks to stop then."""
    verdicts = {
        f"{product.scope}/{item}" if product.scope else item: json.loads(path.read_text(encoding="utf-8"))["stable"]
        for product in run.take_all("md", Trajectories)
        for item, path in product.each("gate").items()
    }
    unstable = [label for label, stable in verdicts.items() if not stable]
    stable = bool(verdicts) and not unstable
    facts = {"converged": stable and run.input["stop_when_stable"], "trajectories": len(verdicts), "unstable": unstable}
    return Decision(facts=facts | {"reason": _reason(facts, stable)})


def _reason(facts: dict[str, Any], stable: bool) -> str:
    if not stable:
        passed = facts["trajectories"] - len(facts["unstable"])
        return f"not converged: {passed} of {counted(facts['trajectories'], 'trajectory')} passed the stability gate"
    number = facts["trajectories"]
    every = "the trajectory" if number == 1 else f"all {number} trajectories"
    found = f"{every} passed the stability gate"
    return f"converged: {found}" if facts["converged"] else f"{found}; stop_when_stable is false, and the loop goes on"
