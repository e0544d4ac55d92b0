"""What the workflows share: one system through several stages, and systems side by side."""

from collections.abc import Callable, Mapping

from ..config.schema import Input
from ..products import Product
from ..runtime.flow import Failed, Step, StepFailed, Takes, Workflow, gather

ATOMS = "atoms"
Products = Takes
Systems = Mapping[str, Input]


def take(scope: str, input: Input, stages: tuple[str, ...], made: Products) -> Workflow:
    """One system through the stages that its input asks for; a stage may use all products made before it.

    Returns `made` with the products of the stages.
    """
    made = dict(made)
    for stage in stages:
        if getattr(input, stage):
            made[stage] = yield Step(stage, scope, dict(made), input)
    return made


def side_by_side(systems: Systems, each: Callable[[str, Input], Workflow]) -> Workflow:
    """The products of every system that did not fail, by scope."""
    results = yield from gather(each(scope, input) for scope, input in systems.items())
    return {scope: result for scope, result in zip(systems, results, strict=True) if isinstance(result, dict)}


def labeled_together(systems: Systems, each: Callable[[str, Input], Workflow]) -> Workflow:
    """`side_by_side`, and beside it the energies of isolated atoms as a mapping: empty if the one system has its own.

    Without them there is no dataset, so that their failure is that of all.
    """
    made, atoms = yield from gather((side_by_side(systems, each), _isolated_atoms(systems)))
    if made and isinstance(atoms, Failed):
        raise StepFailed(atoms)
    return made, atoms


def share_atoms(systems: Systems) -> bool:
    """Whether isolated atoms are a step of the run as a whole: those of a dataset from several systems."""
    levels = {input.dataset.level for input in systems.values() if input.dataset}
    return "" not in systems and any(
        item.level.title in levels and not item.level.is_potential
        for input in systems.values()
        for item in input.reference
    )


def _isolated_atoms(systems: Systems) -> Workflow:
    """The energies of isolated atoms, for all systems together; nothing if the one system labels its own."""
    if not share_atoms(systems):
        return {}
    # a change in other sections does not make the energies anew
    rest = dict.fromkeys(("glass", "train", "md", "learn", "screen", "analysis", "insight", "report"))
    return {ATOMS: (yield Step(ATOMS, "", {}, {name: each.model_copy(update=rest) for name, each in systems.items()}))}


def of_all(stage: str, made: Mapping[str, Products]) -> tuple[Product, ...]:
    """The products of a stage of all systems that have one."""
    found = (products.get(stage) for products in made.values())
    return tuple(product for product in found if isinstance(product, Product))
