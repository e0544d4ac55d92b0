"""The loop of learning: rounds of glasses, labels, one dataset, one model and MD, until a decision ends it.

The steps of round 0 are those of the chain; those of a later round have a scope of their own, such as
``round-1/dataset`` and ``half/round-1/md``.
"""

from collections.abc import Mapping, Sequence

from ..config.rounds import round_seed
from ..config.schema import Input
from ..products import Missing, Product
from ..runtime.flow import Step, Workflow
from .parts import ATOMS, Products, Systems, labeled_together, of_all, side_by_side, take

DECISION = "decision"
_OWN = ("glass", "reference", "dataset", "train", "md", DECISION)


def learn(rounds: Sequence[Systems], seed: int, stop_when_stable: bool) -> Workflow:
    """The products of the last round of every system that did not fail, by scope, and the inputs of that round.

    `seed` is that of the file, from which those of dataset and model follow. Each round labels its own glasses and the
    ``candidates``, frames that the MD of the round before has selected. Its dataset has the labels of all rounds, and
    its model starts from that of the round before. ``earlier`` among the products are those of all rounds before the
    last.
    """
    labels: list[Product] = []
    made: dict[str, Products] = {scope: {} for scope in rounds[0]}
    last = rounds[0]
    for number, systems in enumerate(rounds):
        shared = next(iter(systems.values())).model_copy(update={"seed": round_seed(seed, number)})
        found = yield from _round(number, systems, shared, made, labels)
        if found is None:
            break
        made, last = found, systems
        decided = yield from _decided(number, made, stop_when_stable)
        made = {scope: products | decided for scope, products in made.items()}
        if not made or any(decision.facts.get("converged", False) for decision in decided.values()):
            break
    return made, last


def _round(
    number: int, systems: Systems, shared: Input, before: Mapping[str, Products], labels: list[Product]
) -> Workflow:
    """The products of a round by scope, of the systems that the round `before` has left; its labels join `labels`.

    Dataset and model are made by the sections of `shared`, with the isolated atoms of round 0. None if a report is made
    of an unfinished loop that has no model of this round yet.
    """

    def label(scope: str, input: Input) -> Workflow:
        selected = before[scope].get("md")
        own = {} if selected is None else {"candidates": selected}
        return take(_scope(scope, number), input, ("glass", "reference"), own)

    def simulate(scope: str, input: Input) -> Workflow:
        made = yield from take(_scope(scope, number), input, ("md",), labeled[scope] | common)
        return made | {"earlier": _earlier(before[scope])}

    left, known = {scope: systems[scope] for scope in before}, next(iter(before.values()))
    if number:
        labeled = yield from side_by_side(left, label)
        atoms = {ATOMS: known[ATOMS]} if ATOMS in known else {}
    else:
        labeled, atoms = yield from labeled_together(left, label)
    if not labeled:
        return labeled
    labels += of_all("reference", labeled)
    common = yield from _fit(number, shared, {"reference": tuple(labels), **atoms}, known)
    common |= atoms
    if number and isinstance(common["train"], Missing):
        return None
    return (yield from side_by_side({scope: systems[scope] for scope in labeled}, simulate))


def _fit(number: int, shared: Input, labels: Products, before: Products) -> Workflow:
    """Dataset and model of a round. Frames that were held out in the round `before` stay so."""
    scope = _scope("", number)
    earlier = {"before": before["dataset"]} if "dataset" in before else {}
    dataset = yield Step("dataset", scope, {**labels, **earlier}, shared)
    takes = {"dataset": dataset}
    if "train" in before and shared.train is not None and shared.train.start_model is None:
        takes["start"] = before["train"]
    model = yield Step("train", scope, takes, shared)
    return {"dataset": dataset, "train": model}


def _decided(number: int, made: Mapping[str, Products], stop_when_stable: bool) -> Workflow:
    """Whether the loop ends with this round: a product, made of the verdicts on its trajectories, if it has any."""
    gates = tuple(product.only("gate") for product in of_all("md", made))
    if not gates:
        return {}
    decision = yield Step(DECISION, _scope("", number), {"md": gates}, {"stop_when_stable": stop_when_stable})
    return {DECISION: decision}


def _scope(scope: str, number: int) -> str:
    """The scope of the steps of a round: ``half/round-1``; that of the system alone for round 0."""
    return "/".join(filter(None, (scope, f"round-{number}" if number else "")))


def _earlier(before: Products) -> tuple[Product, ...]:
    """All products of the rounds before this one."""
    known = before.get("earlier", ())
    own = (before.get(stage) for stage in _OWN)
    return (*(known if isinstance(known, tuple) else ()), *(each for each in own if isinstance(each, Product)))
