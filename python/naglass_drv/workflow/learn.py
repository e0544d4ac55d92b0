"""The loop of learning: rounds of glasses, labels, one dataset, one model and MD, until a decision ends it.

The steps of round 0 are those of the chain; those of a later round have a scope of their own, such as
``round-1/dataset`` and ``half/round-1/md``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..config.rounds import CANDIDATES, round_seed
from ..config.schema import Input, Learn
from ..products import Missing, Product
from ..runtime.flow import Step, Workflow
from .parts import ATOMS, Products, Systems, labeled_together, of_all, side_by_side, take

DECISION = "decision"
# what a decision says of a loop that ends
_ENDS = ("converged", "over_budget")
_OWN = ("cells", "glass", "crystal", "interface", "reference", "dataset", "train", "lattice", "md", DECISION)


def learn(rounds: Sequence[Systems], seed: int, asked: Learn) -> Workflow:
    """The products of the last round of every system that did not fail, by scope, and the inputs of that round.

    The loop ends as it is `asked` to. `seed` is that of the file, from which those of dataset and model follow. Each
    round labels its own glasses and the ``candidates``, frames that the MD of the round before has selected, or cells
    cut from them. Its dataset has the labels of all rounds, and its model starts from that of the round before.
    ``earlier`` among the products are those of all rounds before the last.
    """
    labels: list[Product] = []
    made: dict[str, Products] = {scope: {} for scope in rounds[0]}
    last = rounds[0]
    for number, systems in enumerate(rounds):
        shared = next(iter(systems.values())).model_copy(update={"seed": round_seed(seed, number)})
        found = yield from _round(number, systems, rounds[max(number - 1, 0)], shared, made, labels)
        if found is None:
            break
        before, made, last = made, found, systems
        decided = yield from _decided(number, made, before, asked, systems)
        made = {scope: products | decided for scope, products in made.items()}
        ends = (decision.facts.get(word, False) for decision in decided.values() for word in _ENDS)
        if not made or any(ends):
            break
    return made, last


def _round(
    number: int,
    systems: Systems,
    earlier: Systems,
    shared: Input,
    before: Mapping[str, Products],
    labels: list[Product],
) -> Workflow:
    """The products of a round by scope, of the systems that the round `before` has left; its labels join `labels`.

    `earlier` are the inputs of that round.

    Dataset and model are made by the sections of `shared`, with the isolated atoms of round 0. None if a report is made
    of an unfinished loop that has no model of this round yet.
    """

    def label(scope: str, input: Input) -> Workflow:
        own = yield from _selected(_scope(scope, number), input, earlier[scope], before[scope])
        return (yield from take(_scope(scope, number), input, ("glass", "crystal", "interface", "reference"), own))

    def simulate(scope: str, input: Input) -> Workflow:
        made = yield from take(_scope(scope, number), input, ("lattice", "md"), labeled[scope] | common)
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


def _selected(scope: str, input: Input, earlier: Input, before: Products) -> Workflow:
    """The ``candidates`` of a round: what the MD of the round `before` has selected, or the ``cells`` that are cut from
    it as the input of that round, `earlier`, says.
    """
    selected = before.get("md")
    if selected is None:
        return {}
    if earlier.cells is None or all(item.structures != CANDIDATES for item in input.reference):
        return {CANDIDATES: selected}
    cells = yield Step("cells", scope, {CANDIDATES: selected, "train": before["train"]}, earlier)
    return {CANDIDATES: cells, "cells": cells}


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


def _decided(
    number: int, made: Mapping[str, Products], before: Mapping[str, Products], asked: Learn, systems: Systems
) -> Workflow:
    """Whether the loop ends with this round: a product, made of the verdicts on its trajectories, if it has any, and
    with criteria to stop also of uncertainties and errors, those of the round `before` included.
    """
    gates = tuple(product.only("gate") for product in of_all("md", made))
    if not gates:
        return {}
    content: dict[str, Any] = {"stop_when_stable": asked.stop_when_stable}
    takes: dict[str, Product | tuple[Product, ...]] = {"md": gates}
    if asked.stop is not None:
        content |= {"stop": asked.stop.model_dump(), "spent_core_h": round(_core_hours(made, systems), 3)}
        takes = {"md": tuple(product.only("gate", "uncertainty") for product in of_all("md", made))}
        for role, products in (("", made), ("_before", before)):
            models = of_all("train", products)[:1]
            takes |= {f"train{role}": model.only("summary", "mean") for model in models}
        takes["md_before"] = tuple(product.only("uncertainty") for product in of_all("md", before))
    decision = yield Step(DECISION, _scope("", number), takes, content)
    return {DECISION: decision}


def _core_hours(made: Mapping[str, Products], systems: Systems) -> float:
    """Core hours of all tasks behind the products of this round and those before it."""
    found: dict[tuple[str, str], float] = {}
    for scope, products in made.items():
        input = systems[scope]
        cores = {
            "glass": input.glass.ranks if input.glass else 1,
            "reference": max((item.ranks for item in input.reference), default=1),
            "train": input.train.threads if input.train else 1,
            **dict.fromkeys(("lattice", "md"), input.md.ranks if input.md else 1),
        }
        own = (each for each in products.values() if isinstance(each, Product))
        for product in (*_earlier(products), *own):
            seconds = sum(task.seconds for task in product.tasks)
            found[product.scope, product.step] = seconds * cores.get(product.step, 1)
    return sum(found.values()) / 3600.0


def _scope(scope: str, number: int) -> str:
    """The scope of the steps of a round: ``half/round-1``; that of the system alone for round 0."""
    return "/".join(filter(None, (scope, f"round-{number}" if number else "")))


def _earlier(before: Products) -> tuple[Product, ...]:
    """All products of the rounds before this one."""
    known = before.get("earlier", ())
    own = (before.get(stage) for stage in _OWN)
    return (*(known if isinstance(known, tuple) else ()), *(each for each in own if isinstance(each, Product)))
