"""Stage `decision`: whether a loop of learning ends, from what a round and the one before it have shown.

It has no tasks: its product depends on the verdicts, the uncertainties, the errors and the criteria alone, whatever the
version of naglass. Once made it is replayed from its manifest, so that newer code cannot turn a finished loop into
another one.
"""

import json
from pathlib import Path
from typing import Any

from ..products import Decision, Model, Trajectories
from ..wording import counted, digits
from .base import Done, Job, Run, Task
from .committee import MEAN
from .criteria import RoundFacts, criteria

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
    """Converged if every trajectory passed the stability gate and the input asks to stop then, or if all criteria of
    ``stop`` hold; over budget if its core hours are used.
    """
    facts = _stability(run)
    if "stop" not in run.input:
        return Decision(facts=facts)
    stop = run.input["stop"]
    models = {role: run.take(role, Model).files for role in ("train", "train_before")}
    # products of earlier versions have no errors of the mean: then those of the first model are compared
    word = MEAN if all(MEAN in files for files in models.values()) else "summary"
    now = RoundFacts(_uncertainties(run, "md"), _errors(models["train"].get(word)))
    before = RoundFacts(_uncertainties(run, "md_before"), _errors(models["train_before"].get(word)))
    found = criteria(now, before, stop)
    open_ = [each for each in found if not each["met"]]
    budget, spent = stop["budget_core_h"], run.input["spent_core_h"]
    over = budget is not None and spent >= budget
    words = "; ".join(each["words"] for each in (open_ or found))
    reason = f"not converged: {words}" if open_ else f"converged: {words}"
    if facts["converged"]:
        reason = facts["reason"]
    elif open_ and over:
        reason = f"budget of {budget:g} core hours used ({digits(spent, 3)}), {reason}"
    converged = facts["converged"] or not open_
    return Decision(
        facts=facts
        | {"converged": converged, "over_budget": over, "spent_core_h": spent, "criteria": found, "reason": reason}
    )


def _stability(run: Run) -> dict[str, Any]:
    verdicts = {
        label: json.loads(path.read_text(encoding="utf-8"))["stable"] for label, path in _each(run, "md", "gate")
    }
    unstable = [label for label, stable in verdicts.items() if not stable]
    stable = bool(verdicts) and not unstable
    facts = {"converged": stable and run.input["stop_when_stable"], "trajectories": len(verdicts), "unstable": unstable}
    return facts | {"reason": _reason(facts, stable)}


def _each(run: Run, role: str, word: str) -> list[tuple[str, Path]]:
    """Label and path of the files ``NAME/word`` of all trajectories that the step takes as `role`."""
    return [
        (f"{product.scope}/{item}" if product.scope else item, path)
        for product in run.take_all(role, Trajectories)
        for item, path in product.each(word).items()
    ]


def _uncertainties(run: Run, trajectories: str) -> dict[str, Any]:
    return {
        f"{_system(product.scope)}/{item}": json.loads(path.read_text(encoding="utf-8"))
        for product in run.take_all(trajectories, Trajectories)
        for item, path in product.each("uncertainty").items()
    }


def _errors(path: Path | None) -> dict[str, Any] | None:
    """The errors of a model, or of a mean, on the frames that were held out."""
    return json.loads(path.read_text(encoding="utf-8"))["errors"]["test"] if path is not None else None


def _system(scope: str) -> str:
    """The system of a scope, which the rounds that are compared have in common."""
    before, _, last = scope.rpartition("/")
    return before if last.startswith("round-") else scope


def _reason(facts: dict[str, Any], stable: bool) -> str:
    if not stable:
        passed = facts["trajectories"] - len(facts["unstable"])
        return f"not converged: {passed} of {counted(facts['trajectories'], 'trajectory')} passed the stability gate"
    number = facts["trajectories"]
    every = "the trajectory" if number == 1 else f"all {number} trajectories"
    found = f"{every} passed the stability gate"
    return f"converged: {found}" if facts["converged"] else f"{found}; stop_when_stable is false, and the loop goes on"
