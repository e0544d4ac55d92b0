"""The workflow of an input: every system on its own as far as possible, together where they share a dataset."""

from collections.abc import Callable, Mapping

from ..config.schema import Input
from ..products import Product
from ..runtime.flow import Failed, Step, StepFailed, Workflow, gather

ORDER = ("glass", "reference", "dataset", "train", "md", "analysis", "report")
SERIES = "series"
ATOMS = "atoms"
_SHARED = ("dataset", "train")
Products = dict[str, Product]
Conditions = Mapping[str, Mapping[str, Mapping[str, float]]]


def stages_of(systems: Mapping[str, Input]) -> tuple[str, ...]:
    """The stages that validated inputs ask for, in order."""
    found = [name for name in ORDER if any(getattr(input, name) for input in systems.values())]
    if _share_atoms(systems):
        found.insert(found.index("reference"), ATOMS)
    return (*found, SERIES) if "report" in found and "" not in systems else tuple(found)


def _share_atoms(systems: Mapping[str, Input]) -> bool:
    """Whether isolated atoms are a step of the run as a whole: those of a dataset from several systems."""
    levels = {input.dataset.level for input in systems.values() if input.dataset}
    return "" not in systems and any(
        item.level.name in levels for input in systems.values() for item in input.reference
    )


def chain(systems: Mapping[str, Input], seed: int, conditions: Conditions | None = None) -> Workflow:
    """Take `systems`, inputs by scope, from glass to report.

    Dataset and model are made by the sections of the first system, with the seed of the file, `seed`. Systems wait for
    each other only where a dataset or a model is made from all of them, and for the page of the series, which
    `conditions` (asked and realized composition by scope) asks for.
    """
    shared = next(iter(systems.values())).model_copy(update={"seed": seed})
    if any(getattr(shared, name) for name in _SHARED):
        made = yield from _with_one_model(shared, systems)
    else:
        made = yield from _side_by_side(systems, lambda scope, input: _take(scope, input, ORDER, {}))
    reports = tuple(products["report"] for products in made.values() if "report" in products)
    if conditions and reports:
        content = {"title": f"{shared.name}: {len(systems)} systems", "conditions": dict(conditions)}
        measured = tuple(products["analysis"] for products in made.values() if "analysis" in products)
        yield Step(SERIES, "", {"report": reports, "analysis": measured}, content)


def _with_one_model(shared: Input, systems: Mapping[str, Input]) -> Workflow:
    """The products of every system that did not fail, by scope; dataset and model are made from all of them."""
    before, after = ORDER[: ORDER.index("dataset")], ORDER[ORDER.index("train") + 1 :]
    each = _side_by_side(systems, lambda scope, input: _take(scope, input, before, {}))
    made, atoms = yield from gather((each, _isolated_atoms(systems)))
    if not made:
        return made
    if isinstance(atoms, Failed):
        raise StepFailed(atoms)
    common: Products = {}
    if shared.dataset:
        labels = tuple(products["reference"] for products in made.values() if "reference" in products)
        common["dataset"] = yield Step("dataset", "", {"reference": labels, **atoms}, shared)
    if shared.train:
        common["train"] = yield Step("train", "", dict(common), shared)
    left = {scope: systems[scope] for scope in made}
    return (yield from _side_by_side(left, lambda scope, input: _take(scope, input, after, made[scope] | common)))


def _isolated_atoms(systems: Mapping[str, Input]) -> Workflow:
    """The energies of isolated atoms, for all systems together; nothing if the one system labels its own."""
    if not _share_atoms(systems):
        return {}
    return {ATOMS: (yield Step(ATOMS, "", {}, dict(systems)))}


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
