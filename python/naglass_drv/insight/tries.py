"""How many studies were made of the same table: each is another chance to find something that is not there."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import write_json

NAME = "tries.json"


def counted_tries(folder: Path, sources: Mapping[str, str], what: Mapping[str, Any]) -> int:
    """Note the study `what` of `sources` (SHA-256 by name) in the list of `folder`; returns how many it has of them.

    A study that is repeated, or made with another seed, counts once. Raises InputError for a damaged list.
    """
    path = folder / NAME
    try:
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        done = [entry for entry in known if entry["sources"] == sorted(sources.values())]
    except (ValueError, TypeError, KeyError):
        raise InputError(
            f"{path}: damaged; it counts the studies of a table: remove it only with the studies"
        ) from None
    text = json.dumps({key: str(value) for key, value in what.items()}, sort_keys=True)
    mark = hashlib.sha256(text.encode()).hexdigest()[:16]
    if mark not in {entry["study"] for entry in done}:
        entry = {"sources": sorted(sources.values()), "study": mark, "target": str(what.get("target", ""))}
        write_json(path, [*known, entry])
        return len(done) + 1
    return len(done)
