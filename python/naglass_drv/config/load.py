"""Read input.yaml into a strict Input, reporting all errors at once, and write the expanded run.yaml."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from ..errors import InputError
from ..fields import Section
from .borrowed import resolve
from .checks import check_cutoffs, cross_check
from .forms import look_up_density, nest_levels
from .partial import Partial
from .rounds import RoundView, check_loop, inputs_of, later_rounds
from .schema import Input
from .source import Document, parse
from .systems import OVERRIDES, Described, View, seed_of, views
from .validation import fault_empty, valid_sections, validate


class Check(Protocol):
    """Adds errors to the documents of an input: called with the valid part of every system and round, and, once all of
    them have been seen, with the document of the file by `end`.
    """

    def __call__(self, top: Partial, document: Document, source: Path) -> None: ...

    def end(self, document: Document) -> None: ...


@dataclass(frozen=True)
class Study:
    """The inputs of all systems by name (empty for the one system of `system`), and where each comes from.

    `rounds` has the inputs of all rounds of learning by system, one alone without `learn`, and `documents` the lines of
    each. `seed` is that of the file, which systems may override.
    """

    systems: dict[str, Input]
    origins: dict[str, Described]
    rounds: dict[str, tuple[Input, ...]]
    documents: dict[str, list[Document]]
    seed: int

    @property
    def by_round(self) -> list[dict[str, Input]]:
        """The inputs of each round by system."""
        numbers = range(max(map(len, self.rounds.values()), default=0))
        return [{name: inputs[number] for name, inputs in self.rounds.items()} for number in numbers]

    def with_default(self, key: str, section: Section) -> "Study":
        """The study with `section` in every input that lacks it."""

        def complete(input: Input) -> Input:
            return input if getattr(input, key) is not None else input.model_copy(update={key: section})

        rounds = {name: tuple(map(complete, inputs)) for name, inputs in self.rounds.items()}
        return replace(self, systems={name: complete(item) for name, item in self.systems.items()}, rounds=rounds)

    def with_own_sets(self) -> Iterator[tuple[Input, Document]]:
        """The inputs that list reference sets, of systems and of rounds, with their documents."""
        for name, input in self.systems.items():
            first, *later = self.documents[name]
            yield input, first
            for number, view in enumerate(later, start=1):
                if isinstance(view, RoundView) and view.says(("reference",)):
                    yield self.rounds[name][number], view

    def conditions(self) -> dict[str, dict[str, dict[str, float]]] | None:
        """The ``asked`` and ``realized`` composition of each of several systems.

        Those from mol-% have 0 for a compound that only others of them have.
        """
        if "" in self.systems:
            return None
        found: dict[str, dict[str, dict[str, float]]] = {}
        for name, input in self.systems.items():
            of = self.origins[name].composition
            found[name] = {"asked": of(input.system, asked=True), "realized": of(input.system)}
        mixed = [found[name] for name in found if self.origins[name].cell is not None]
        # in the order of the system that has most
        longest = sorted((each["asked"] for each in mixed), key=len, reverse=True)
        compounds = dict.fromkeys(name for each in longest for name in each if "/" not in name)
        for own in mixed:
            for word, each in own.items():
                own[word] = {**dict.fromkeys(compounds, 0.0), **each}
        return found

    def as_json(self) -> dict[str, Any]:
        """All inputs with their defaults: that of the one system, or those of all by name."""
        dumps = {name: input.model_dump(mode="json", exclude_none=True) for name, input in self.systems.items()}
        return dumps.get("", dumps)


def load(path: Path, source: Path | None = None, checks: Iterable[Check] = ()) -> Input:
    """The validated input of `path`.

    Relative paths in it start at `source`, by default the folder of `path`. `checks` are called with the valid part
    of the input, to add the errors that only a stage itself can find. Raises InputError with one line
    per error, which names file, line, key and value.
    """
    study = load_study(path, source, checks)
    if list(study.systems) != [""]:
        raise InputError(f"{path.name}: has several systems, but this needs an input with one")
    return study.systems[""]


def load_study(path: Path, source: Path | None = None, checks: Iterable[Check] = ()) -> Study:
    """All systems of the input at `path`, as `load` does for one."""
    document = parse(path)
    for key, value in document.value.items():
        if value is None and (key,) not in document.faulty:
            fault_empty(document, (key,), Input)
    nest_levels(document)
    checks, folder = list(checks), source or path.resolve().parent
    given: dict[str, list[Input]] = {}
    origins: dict[str, Described] = {}
    resolve(document, folder)
    documents: dict[str, list[Document]] = {}
    first: list[tuple[Partial, Document]] = []
    for name, view in views(document).items():
        origins[name] = view.described if isinstance(view, View) else Described()
        if (found := look_up_density(view)) is not None:
            origins[name] = replace(origins[name], density_source=found)
        documents[name], given[name], known = [], [], []
        # later_rounds reads an entry when it is asked for: by then the errors of the round before are known
        for part in chain([view], later_rounds(view)):
            if (input := validate(part, Input)) is not None:
                input.system.follows_from(origins[name].density_source)
                given[name].append(input)
            documents[name].append(part)
            known.append((valid_sections(part.value, Input), part))
        for sections, part in known:
            cross_check(sections, part, folder)
            for check in checks:
                check(sections, part, folder)
        check_loop(known)
        first.append(known[0])
    check_cutoffs(first, document)
    for check in checks:
        check.end(document)
    seed = seed_of(document)
    document.raise_faults()
    rounds = {name: inputs_of(inputs) for name, inputs in given.items()}
    return Study({name: inputs[0] for name, inputs in given.items()}, origins, rounds, documents, seed)


def expanded(study: Study) -> str:
    """The text of run.yaml: every key with its value, including defaults.

    Several systems are listed with all their sections, and take no part in what the input calls a series.
    """
    from ruamel.yaml import YAML

    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    text = io.StringIO()
    text.write("# The input with all defaults; relative paths start at the folder of the original input.yaml.\n")
    content = study.as_json()
    if "" not in study.systems:
        own = {
            name: {"name": name, **item.pop("system"), **{key: item.pop(key) for key in OVERRIDES if key in item}}
            for name, item in content.items()
        }
        content = {**next(iter(content.values())), "seed": study.seed, "systems": list(own.values())}
    yaml.dump(content, text)
    return text.getvalue()
