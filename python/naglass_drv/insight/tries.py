"""How many studies were made of the same table: each is another chance to find something that is not there."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import write_json

NAME = "tries.json"


def counted_tries(folder: Path, sources: Mapping[str, str], what: Mapping[str, Any]) -> int:
    """Note the study `what` of `sources` (SHA-256 by name) in the list of `folder`; returns how many it has of them.

    A study that is repeated, or made with another seed, counts once. Raises InputError for a damaged list.
    """
    known = _known(folder)
    done = [entry for entry in known if entry["sources"] == sorted(sources.values())]
    mark = _mark(what)
    if mark not in {entry["study"] for entry in done}:
        _add(folder, known, mark, sorted(sources.values()), what)
        return len(done) + 1
    return len(done)


def place_of(folder: Path, what: Mapping[str, Any]) -> int:
    """The place of the study `what` in the list of `folder`, or the one that it would be given: it stays the same when
    the study is repeated, whatever came after it. Raises InputError for a damaged list.
    """
    marks = [entry["study"] for entry in _known(folder)]
    mark = _mark(what)
    return 1 + (marks.index(mark) if mark in marks else len(marks))


def note_study(folder: Path, what: Mapping[str, Any]) -> None:
    """Put the study `what` at the end of the list of `folder`, unless it is there."""
    known, mark = _known(folder), _mark(what)
    if mark not in {entry["study"] for entry in known}:
        _add(folder, known, mark, [], what)


def _known(folder: Path) -> list[dict[str, Any]]:
    path = folder / NAME
    try:
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        return [{word: entry[word] for word in ("sources", "study", "target")} for entry in known]
    except (ValueError, TypeError, KeyError):
        raise InputError(
            f"{path}: damaged; it counts the studies of a table: remove it only with the studies"
        ) from None


def _mark(what: Mapping[str, Any]) -> str:
    text = json.dumps({key: str(value) for key, value in what.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _add(
    folder: Path, known: Sequence[Mapping[str, Any]], mark: str, sources: Sequence[str], what: Mapping[str, Any]
) -> None:
    entry = {"sources": list(sources), "study": mark, "target": str(what.get("target", ""))}
    write_json(folder / NAME, [*known, entry])
