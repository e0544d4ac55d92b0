"""Read input.yaml into a strict Input, reporting all errors at once, and write the expanded run.yaml."""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from .borrowed import resolve
from .checks import cross_check
from .forms import nest_levels
from .partial import Partial
from .schema import Input
from .source import Document, parse
from .systems import OVERRIDES, Described, View, seed_of, views
from .validation import valid_sections, validate

Check = Callable[[Partial, Document, Path], None]


@dataclass(frozen=True)
class Study:
    """The inputs of all systems by name (empty for the one system of `system`), and where each comes from.

    `documents` has the lines of each, and `seed` is that of the file, which systems may override.
    """

    systems: dict[str, Input]
    origins: dict[str, Described]
    documents: dict[str, Document]
    seed: int

    def conditions(self) -> dict[str, dict[str, dict[str, float]]] | None:
        """The ``asked`` and ``realized`` composition of each of several systems."""
        if "" in self.systems:
            return None
        return {
            name: {
                "asked": self.origins[name].composition(input.system, asked=True),
                "realized": self.origins[name].composition(input.system),
            }
            for name, input in self.systems.items()
        }

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
            document.fault((key,), f"is empty; write '{key}: {{}}' for the defaults, or remove the key")
    nest_levels(document)
    checks, folder = list(checks), source or path.resolve().parent
    systems: dict[str, Input | None] = {}
    origins: dict[str, Described] = {}
    resolve(document, folder)
    documents = views(document)
    for name, view in documents.items():
        systems[name] = validate(view, Input)
        origins[name] = view.described if isinstance(view, View) else Described()
        known = valid_sections(view.value, Input)
        cross_check(known, view, folder)
        for check in checks:
            check(known, view, folder)
    seed = seed_of(document)
    document.raise_faults()
    return Study({name: input for name, input in systems.items() if input is not None}, origins, documents, seed)


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
