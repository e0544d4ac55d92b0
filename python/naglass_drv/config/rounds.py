"""The rounds of a loop of learning: each has an input of its own, that of the round before with the changes of its
entry in `learn`, and is checked as such.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from . import cells
from .partial import Partial, rule
from .schema import Input, Round
from .source import Document, Fault, Where

_KINDS = {key: list if key == "reference" else dict for key in Round.model_fields}
CANDIDATES = "candidates"
#: Keys of `train` that say what its model starts from.
START_KEYS = ("start_model", "trust", "head", "E0")


@dataclass
class RoundView(Document):
    """The document of round `number`: what its entry, which stands at `at`, says is reported there, and the rest once,
    for the round `before`.
    """

    number: int = 0
    at: Where = ()
    before: Document = field(default_factory=lambda: Document(""))
    overridden: frozenset[Where] = frozenset()

    def fault_in_line(self, line: int, where: Where, message: str) -> None:
        """Record an error of this round."""
        if not self.says(where):
            if where in self.before.faulty:
                self.faulty.add(where)
                return
            message = f"in round {self.number}: {message}"
        super().fault_in_line(line, where, message)

    def record(self, fault: Fault) -> None:
        """Keep an error of this round with those of the file."""
        self.before.record(fault)

    def place(self, where: Where) -> Where:
        """The place in the file of a place in this document."""
        return self.before.place((*self.at, *where) if self.says(where) else where)

    def says(self, where: Where) -> bool:
        """Whether the entry of this round gives the value at `where`."""
        return any(where[: len(key)] == key for key in self.overridden)


def later_rounds(first: Document) -> Iterator[RoundView]:
    """The documents of the rounds after the first, in order; what is no section has its error already."""
    learn = first.value.get("learn")
    entries = learn.get("rounds") if isinstance(learn, dict) else None
    before = first
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        given = entry.items() if isinstance(entry, dict) else ()
        own = {key: item for key, item in given if isinstance(item, _KINDS.get(key, ()))}
        before = _changed(before, ("learn", "rounds", index), own)
        yield before


def _changed(before: Document, at: Where, own: Mapping[str, Any]) -> RoundView:
    value = {key: item for key, item in before.value.items() if key != "learn"}
    train = value.get("train")
    if not isinstance(before, RoundView) and isinstance(train, dict):
        # what round 0 starts from is part of the model that round 1 starts from
        value["train"] = {key: item for key, item in train.items() if key not in START_KEYS}
    overridden: set[Where] = set()
    for key, item in own.items():
        both = isinstance(item, dict) and isinstance(value.get(key), dict)
        overridden |= {(key, part) for part in item} if both else {(key,)}
        value[key] = {**value[key], **item} if both else item
    view = RoundView(before.name, value, number=int(at[-1]) + 1, at=at, before=before)
    view.overridden = frozenset(overridden)
    inside = {where: where[len(at) :] for where in (*before.lines, *before.faulty) if where[: len(at)] == at}
    view.lines = {where: line for where, line in before.lines.items() if not view.says(where)}
    view.lines |= {inside[where]: line for where, line in before.lines.items() if view.says(inside.get(where, ()))}
    view.faulty = {where for where in before.faulty if not view.says(where)}
    view.faulty |= {inside[where] for where in before.faulty if where in inside}
    return view


def inputs_of(given: Sequence[Input]) -> tuple[Input, ...]:
    """The inputs that the rounds are run with, of the inputs as they were `given`: round 0 and those after it.

    Each round has a seed of its own. Round 0 has no candidates, and a set of structures from a file belongs to the
    round whose entry lists it.
    """
    first = given[0]
    if first.learn is None:
        return tuple(given)
    found = []
    for number, input in enumerate(given):
        entry = first.learn.rounds[number - 1] if number else None
        sets = input.reference
        if entry is None:
            sets = [item for item in sets if item.structures != CANDIDATES]
        elif "reference" not in entry.model_fields_set:
            sets = [item for item in sets if item.structures in ("glass", CANDIDATES)]
        found.append(
            input.model_copy(update={"learn": None, "reference": sets, "seed": round_seed(first.seed, number)})
        )
    return tuple(found)


def round_seed(seed: int, number: int) -> int:
    """The seed of a round: that of the input for round 0, another for each later one."""
    return zlib.crc32(f"{seed} round {number}".encode()) % (2**31 - 1) + 1 if number else seed


def check_loop(rounds: Sequence[tuple[Partial, Document]]) -> None:
    """Report what is wrong between the rounds; without `learn`, there is one alone."""
    first, document = rounds[0]
    with rule():
        if first.learn is not None and first.train is None:
            document.fault(("learn",), "there is no train section; every round ends with a model")
    with rule():
        if first.learn is not None and first.learn.stop_when_stable and first.md is None:
            document.fault(("learn", "stop_when_stable"), "there is no md section whose trajectories could be stable")
    with rule():
        if first.learn is not None and first.learn.stop is not None:
            _check_stop(first, document)
    cells.check_use([known for known, _ in rounds], document)
    for (before, _), (known, view) in pairwise(rounds):
        with rule():
            cells.check_sets(before.md and before.md.cells, known, view)
    for number, (known, view) in enumerate(rounds):
        with rule():
            for index, item in enumerate(known.reference):
                with rule():
                    if item.structures == CANDIDATES and (problem := _no_candidates(rounds, number)):
                        view.fault(("reference", index, "structures"), problem)
        if number:
            with rule():
                _check_labeled(rounds[number - 1][0], known, view)


def _check_stop(first: Partial, document: Document) -> None:
    """The criteria to stop are a committee's, on its trajectories, of which there are replicas, and held-out frames."""
    if first.md is None or first.md.model != "train":
        document.fault(("learn", "stop"), "there are no trajectories of the trained model that could be uncertain")
    elif first.train is not None and first.train.committee < 2:
        document.fault(("learn", "stop"), "there is no committee to be uncertain; set train.committee to 2 or more")
    elif first.md.structures == "glass" and first.glass is not None and first.glass.replicas < 2:
        message = "cannot be met: the structure of two rounds is compared by replicas; set glass.replicas to 2 or more"
        document.fault(("learn", "stop"), message)


def _check_labeled(before: Partial, known: Partial, view: Document) -> None:
    """What the MD of the round before selects is labeled, at the level of the dataset."""
    if before.md is None or not before.md.candidates:
        return
    sets = [(index, item) for index, item in enumerate(known.reference) if item.structures == CANDIDATES]
    if not sets:
        message = "selects frames that no set labels; a reference set with 'structures: candidates' does"
        view.fault(("md", "candidates"), message)
    elif known.dataset is not None and all(item.level.title != known.dataset.level for _, item in sets):
        index, item = sets[0]
        message = f"{item.level.title} is not dataset.level, {known.dataset.level}: its labels would not be trained on"
        view.fault(("reference", index, "level"), message)


def _no_candidates(rounds: Sequence[tuple[Partial, Document]], number: int) -> str | None:
    """Why a set of round `number` can have no candidates; None if it has some."""
    if not number:
        if rounds[0][0].learn is None:
            return "there is no learn section: only a round of learning has candidates, of the round before it"
        entry = rounds[1][1] if len(rounds) > 1 else None
        if isinstance(entry, RoundView) and entry.says(("reference",)):
            return "has no effect: round 0 has no candidates, and learn.rounds[0] replaces the reference sets"
        return None
    md = rounds[number - 1][0].md
    if md is None:
        return "there is no md section that selects candidates"
    return None if md.candidates else f"md.candidates of round {number - 1} is 0: there is nothing to label"
