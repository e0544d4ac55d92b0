"""The flat form of a level in an input: its options beside its name, instead of in the mapping `level`.

level: pbe+u+d3             level: {name: pbe+u+d3, cutoff_Ry: 600}
cutoff_Ry: 600
"""

from collections.abc import Iterator
from typing import Any

from ..chemistry.level import Level
from .source import Document, Where

_OPTIONS = Level.model_fields.keys() - {"name"}


def nest_levels(document: Document) -> None:
    """Put the options of flat levels into their mapping; errors keep their places in the file.

    A set with both forms is an error.
    """
    for where, item in list(_sets(document.value, ())):
        given, options = item.get("level"), [key for key in item if key in _OPTIONS]
        # an override by the name of its set may have options alone
        override = isinstance(where[-1], str) and "level" not in item and options
        if isinstance(given, dict):
            for key in options:
                document.fault((*where, key), "level is a mapping here; write this option into it")
        elif isinstance(given, str) or override:
            item["level"] = {"name": given} if given else {}
            document.move((*where, "level"), (*where, "level", "name"))
            for key in options:
                item["level"][key] = item[key]
                document.move((*where, key), (*where, "level", key))
        for key in options:
            del item[key]


def _sets(value: Any, where: Where) -> Iterator[tuple[Where, dict[str, Any]]]:
    """Every reference set of an input, also in overrides, with its place: by its number, or by its name."""
    for key, part in _parts(value):
        if key == "reference":
            yield from (((*where, key, name), item) for name, item in _parts(part) if isinstance(item, dict))
        else:
            yield from _sets(part, (*where, key))


def _parts(value: Any) -> list[tuple[str | int, Any]]:
    return list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
