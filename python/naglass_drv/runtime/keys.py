"""The key of a task, and what a product is made of: how they are computed, and what differs between two keys."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError
from ..files import file_hash
from ..products import Product
from .files import jsonable
from .flow import Step

_SHOWN = 60
#: A task that is done: its name, its key and the folder of the attempt.
Attempt = tuple[str, str | None, str]


class Keys:
    """Computes keys; a file is hashed only once as long as its size and time do not change."""

    def __init__(self, versions: Callable[[str], str]):
        self._versions = versions
        self._hashes: dict[tuple[str, int, int], str] = {}

    def parts(
        self, settings: Mapping[str, Any], inputs: Mapping[str, Path], tools: tuple[str, ...], revision: int = 1
    ) -> dict[str, Any]:
        """All parts of the key; `revision` is that of the stage. Raises InputError if an input file is missing."""
        return {
            "settings": json.loads(json.dumps(settings, default=jsonable)),
            "inputs": {role: {"name": path.name, "sha256": self.hash(path)} for role, path in inputs.items()},
            "tools": {tool: self._versions(tool) for tool in tools},
            "naglass": __version__,
            "revision": revision,
        }

    def know(self, path: Path, size: int, mtime_ns: int, sha256: str) -> None:
        """Note a hash that was computed before, valid as long as size and time do not change."""
        self._hashes[str(path), size, mtime_ns] = sha256

    def hash(self, path: Path) -> str:
        """SHA-256 of the content of `path`."""
        try:
            stat = path.stat()
            known = (str(path), stat.st_size, stat.st_mtime_ns)
            if known not in self._hashes:
                self._hashes[known] = file_hash(path)
            return self._hashes[known]
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error


def key(stage: str, parts: Mapping[str, Any]) -> str:
    """SHA-256 of the stage, its settings, the inputs by role and content (not their file names), tools, naglass and
    the revision of the stage.
    """
    material = {
        "stage": stage,
        "settings": parts["settings"],
        "inputs": {role: item["sha256"] for role, item in parts["inputs"].items()},
        "tools": parts["tools"],
        "naglass": parts["naglass"],
        "revision": parts["revision"],
    }
    return hashlib.sha256(json.dumps(material, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def made_of(tasks: Sequence[Attempt], step: Step) -> str:
    """SHA-256 of what the product of a step depends on: the attempts of its tasks with their keys, and its section of
    the input, which is all that `collect` may read of it.

    A step without tasks, such as a decision, depends on the files and facts that it takes and on its input, and not on
    the version of naglass or the revision of its stage. What is hashed then must stay as it is, or all would be made
    anew.
    """
    if tasks:
        section = getattr(step.input, step.stage, step.input)
        return hashlib.sha256(json.dumps([tasks, repr(section)]).encode()).hexdigest()
    takes = {role: [*map(_content, each if isinstance(each, tuple) else (each,))] for role, each in step.takes.items()}
    material = {"takes": takes, "input": step.input}
    return hashlib.sha256(json.dumps(material, sort_keys=True, default=repr).encode()).hexdigest()


def _content(product: Product) -> list[Any]:
    return [product.scope, product.step, dict(product.hashes), dict(product.facts)]


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The differences between the parts of two tasks in words: ``settings.melt_ps: 10.0 -> 5.0``."""
    found = [f"settings{name}: {change}" for name, change in _changes(old["settings"], new["settings"])]
    before, after = old["inputs"], new["inputs"]
    found += [f"input {role}: no longer used" for role in before if role not in after]
    found += [f"input {role}: new" for role in after if role not in before]
    found += [
        f"input file {now['name']}: content changed"
        for role, now in after.items()
        if role in before and before[role]["sha256"] != now["sha256"]
    ]
    found += [f"tool {name[1:]}: {change}" for name, change in _changes(old["tools"], new["tools"])]
    if old["naglass"] != new["naglass"]:
        found.append(f"naglass: {old['naglass']} -> {new['naglass']}")
    if old.get("revision") != new["revision"]:
        found.append(f"revision of the stage: {shown(old.get('revision'))} -> {new['revision']}")
    return found


def _changes(old: Any, new: Any) -> Iterator[tuple[str, str]]:
    for name, before, after in differences(old, new):
        yield name, change(before, after)


def differences(old: Any, new: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Differences between two nested values: dotted name (with a leading dot) and both values (None: absent).

    Lists of equal length are compared by item, others as a whole.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for part in dict.fromkeys((*old, *new)):
            yield from differences(old.get(part), new.get(part), f"{name}.{part}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, f"{name}[{index}]")
    elif old != new:
        yield name, old, new


def change(old: Any, new: Any) -> str:
    """``10.0 -> 5.0``; for long values, the part around the first difference."""
    before, after = _text(old), _text(new)
    if max(len(before), len(after)) <= _SHOWN:
        return f"{before} -> {after}"
    same = next(place for place, pair in enumerate(zip_longest(before, after)) if pair[0] != pair[1])
    first = max(0, same - _SHOWN // 3)
    return f"{_cut(before, first)} -> {_cut(after, first)}"


def shown(value: Any) -> str:
    """A value for a message, cut if it is long."""
    return _cut(_text(value), 0)


def _text(value: Any) -> str:
    return "absent" if value is None else json.dumps(value)


def _cut(text: str, first: int) -> str:
    """At most `_SHOWN` characters of `text`, starting at index `first`."""
    head = "..." if first else ""
    left = _SHOWN - len(head)
    return head + (text[first:] if len(text) - first <= left else f"{text[first : first + left - 3]}...")
