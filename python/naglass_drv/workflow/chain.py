"""The workflow of an input: every system on its own as far as possible, together where they share a dataset."""

from collections.abc import Callable, Mapping

from ..config.schema import Input
from ..products import Product
from ..runtime.flow import Step, Workflow, gather

ORDER = ("glass", "reference", "dataset", "train", "md", "analysis", "report")
_SHARED = ("dataset", "train")
Products = dict[str, Product]


def stages_of(input: Input) -> tuple[str, ...]:
    """The stages that a validated input asks for, in order."""
    return tuple(name for name in ORDER if getattr(input, name))


def chain(whole: Input, systems: Mapping[str, Input]) -> Workflow:
    """Take `systems`, inputs by scope, from glass to report; `whole` is the input that they share.

    Systems wait for each other only where a dataset or a model is made from all of them.
    """
    if not any(getattr(whole, name) for name in _SHARED):
        yield from _side_by_side(systems, lambda scope, input: _take(scope, input, ORDER, {}))
        return
    before = ORDER[: ORDER.index("dataset")]
    made = yield from _side_by_side(systems, lambda scope, input: _take(scope, input, before, {}))
    if not made:
        return
    shared: Products = {}
    if whole.dataset:
        labels = tuple(products["reference"] for products in made.values() if "reference" in products)
        shared["dataset"] = yield Step("dataset", "", {"reference": labels}, whole)
    if whole.train:
        shared["train"] = yield Step("train", "", dict(shared), whole)
    after = ORDER[ORDER.index("train") + 1 :]
    yield from _side_by_side(
        {scope: systems[scope] for scope in made}, lambda scope, input: _take(scope, input, after, made[scope] | shared)
    )


def _side_by_side(systems: Mapping[str, Input], each: Callable[[str, Input], Workflow]) -> Workflow:
    """The products of every system that did not fail, by scope."""
    results = yield from gather(each(scope, input) for scope, input in systems.items())
    return {scope: result for scope, result in zip(systems, results, strict=True) if isinstance(result, dict)}


def _take(scope: str, input: Input, stages: tuple[str, ...], made: Products) -> Workflow:
    """One system through the stages that its input asks for; a stage may use all products made before it."""
    made = dict(made)
    for stage in stages:
        if getattr(input, stage):
            made[stage] = yield Step(stage, scope, dict(made), input)
    return made
