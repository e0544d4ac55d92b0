"""What a task's key is made of, and what has changed between two keys."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError
from .files import file_hash, jsonable


class Keys:
    """Makes keys; the hash of a file is taken once as long as its size and time stay."""

    def __init__(self, versions: Callable[[str], str]):
        self._versions = versions
        self._hashes: dict[tuple[str, int, int], str] = {}

    def parts(self, settings: Mapping[str, Any], inputs: tuple[Path, ...], tools: tuple[str, ...]) -> dict[str, Any]:
        """All that the key is taken from. Raises InputError when an input file is not there."""
        return {
            "settings": json.loads(json.dumps(settings, default=jsonable)),
            "inputs": [{"name": path.name, "sha256": self.hash(path)} for path in inputs],
            "tools": {tool: self._versions(tool) for tool in tools},
            "naglass": __version__,
        }

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
    """SHA-256 over stage, settings, content of the inputs in their order (not their names), tools and
    naglass.
    """
    material = {
        "stage": stage,
        "settings": parts["settings"],
        "inputs": [item["sha256"] for item in parts["inputs"]],
        "tools": parts["tools"],
        "naglass": parts["naglass"],
    }
    return hashlib.sha256(json.dumps(material, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two tasks' parts, in words: ``settings.melt_ps: 10.0 -> 5.0``."""
    found = [
        f"settings{name}: {shown(before)} -> {shown(after)}"
        for name, before, after in differences(old["settings"], new["settings"])
    ]
    before, after = old["inputs"], new["inputs"]
    if len(before) != len(after):
        found.append(f"input files: {len(before)} -> {len(after)}")
    found += [
        f"input file {now['name']}: other content"
        for was, now in zip(before, after, strict=False)
        if was["sha256"] != now["sha256"]
    ]
    for name, was, now in differences(old["tools"], new["tools"]):
        found.append(f"tool {name[1:]}: {shown(was)} -> {shown(now)}")
    if old["naglass"] != new["naglass"]:
        found.append(f"naglass: {old['naglass']} -> {new['naglass']}")
    return found


def differences(old: Any, new: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two nested mappings differ: dotted name (with a leading dot) and both values (None: absent)."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for part in dict.fromkeys((*old, *new)):
            yield from differences(old.get(part), new.get(part), f"{name}.{part}")
    elif old != new:
        yield name, old, new


def shown(value: Any) -> str:
    """A value in a message, cut when it is long."""
    text = "absent" if value is None else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
