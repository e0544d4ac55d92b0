"""The workflow of an input: every system on its own as far as possible, together where they share a dataset."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from ..config.schema import Input, Learn
from ..runtime.flow import Step, StepFailed, Workflow
from ..wording import counted
from .learn import learn
from .parts import ATOMS, Products, Systems, labeled_together, of_all, share_atoms, side_by_side, take

ORDER = (
    "glass", "crystal", "interface", "reference", "dataset", "train", "screen", "lattice", "md", "analysis", "report",
)  # fmt: skip
SERIES, INSIGHT = "series", "insight"
_SHARED = ("dataset", "train", "screen")
_LAST = ("analysis", "report")
Conditions = Mapping[str, Mapping[str, Mapping[str, float]]]


def stages_of(rounds: Sequence[Systems]) -> tuple[str, ...]:
    """The stages that the validated inputs of all rounds ask for, in order."""
    inputs = [input for systems in rounds for input in systems.values()]
    found = [name for name in ORDER if any(getattr(input, name) for input in inputs)]
    if len(rounds) > 1 and any(input.cells for input in inputs):
        found.insert(found.index("reference"), "cells")
    if share_atoms(rounds[0]):
        found.insert(found.index("reference"), ATOMS)
    if any(input.insight for input in inputs):
        found.append(INSIGHT)
    return (*found, SERIES) if "report" in found and "" not in rounds[0] else tuple(found)


def chain(rounds: Sequence[Systems], systems: Systems, seed: int, conditions: Conditions | None = None) -> Workflow:
    """Take the systems, inputs by scope, from glass to report.

    `rounds` are the inputs of every round of learning, one alone without a loop, and `systems` those as they are given.
    Dataset and model are made by the sections of the first system, with the seed of the file, `seed`. Systems wait for
    each other only where a dataset or a model is made from all of them, for the insight into what all of them show, and
    for the page of the series, which `conditions` (asked and realized composition by scope) asks for.
    """
    shared = next(iter(systems.values())).model_copy(update={"seed": seed})
    if shared.learn is not None:
        made = yield from _with_loop(rounds, systems, seed, shared.learn)
    elif any(getattr(shared, name) for name in _SHARED):
        made = yield from _with_one_model(shared, systems)
    else:
        made = yield from side_by_side(systems, lambda scope, input: take(scope, input, ORDER, {}))
    measured = {"analysis": of_all("analysis", made)}
    found = {}
    if shared.insight is not None:
        takes = measured | {"glass": of_all("glass", made)}
        if shared.insight.atoms:
            takes |= {stage: of_all(stage, made) for stage in ("md", "reference")}
        with suppress(StepFailed):
            found[INSIGHT] = yield Step(INSIGHT, "", takes, shared)
    reports = of_all("report", made)
    if conditions and reports:
        content = {"title": f"{shared.name}: {counted(len(systems), 'system')}", "conditions": dict(conditions)}
        yield Step(SERIES, "", {"report": reports, **measured, **found}, content)


def _with_one_model(shared: Input, systems: Systems) -> Workflow:
    """The products of every system that did not fail, by scope; dataset and model are made from all of them."""
    before, after = ORDER[: ORDER.index("dataset")], ORDER[ORDER.index("lattice") :]
    made, atoms = yield from labeled_together(systems, lambda scope, input: take(scope, input, before, {}))
    if not made:
        return made
    common: dict[str, Products] = {}
    if shared.dataset:
        common["dataset"] = yield Step("dataset", "", {"reference": of_all("reference", made), **atoms}, shared)
    if shared.train:
        common["train"] = yield Step("train", "", dict(common), shared)
    if shared.screen:
        common["screen"] = yield Step("screen", "", {**common, "glass": of_all("glass", made)}, shared)
    left = {scope: systems[scope] for scope in made}
    return (yield from side_by_side(left, lambda scope, input: take(scope, input, after, made[scope] | common)))


def _with_loop(rounds: Sequence[Systems], systems: Systems, seed: int, asked: Learn) -> Workflow:
    """The products of the last round, with what is measured on it: the page shows the sections of that round."""
    made, last = yield from learn(rounds, seed, asked)
    screened = {}
    if (shared := next(iter(systems.values()))).screen is not None and made:
        first = next(iter(made.values()))
        takes = {role: first[role] for role in ("dataset", "train") if role in first}
        shared = shared.model_copy(update={"seed": seed})
        screened["screen"] = yield Step("screen", "", {**takes, "glass": of_all("glass", made)}, shared)

    def measure(scope: str, input: Input) -> Workflow:
        given = systems[scope]
        shown = input.model_copy(update={"seed": given.seed, "learn": given.learn})
        return take(scope, shown, _LAST, made[scope] | screened)

    return (yield from side_by_side({scope: last[scope] for scope in made}, measure))
