"""Files that an input takes from other runs: ``{from: ../other-run, product: dataset/train}`` in place of a path."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import InputError
from ..runtime.elsewhere import energy_files, product_file
from .named import Borrowed
from .source import Document, Where, dotted
from .validation import validated

_FRAMES = ("admitted", "relaxed", "train", "test", "shard")
#: Keys whose value is a file that a run can make, or a list of such files: what it is, and the words of its role.
FILES = {
    "structures": ("a file of structures", ("structure", "melt", "final", "trajectory", "candidates", *_FRAMES)),
    "include": ("a file of labeled frames", (*_FRAMES, "E0")),
    "labels": ("a file of labeled frames", _FRAMES),
    "shift": ("a file of labeled frames", _FRAMES),
    "crystal": ("a structure", ("structure", "final", *_FRAMES)),
    "crystals": ("a file of structures", ("structure", "final", *_FRAMES)),
    "start_model": ("a portable model", ("portable", "heads")),
    "model": ("a model", ("portable", "archive")),
    # of train.replay
    "file": ("a file of frames", ("structure", "melt", "final", "trajectory", "candidates", *_FRAMES)),
}


def resolve(document: Document, source: Path) -> None:
    """Put the path of the file in the place of each product of another run; relative folders start at `source`.

    Every product is compared with the manifest of its run. Frames for `include` bring the isolated-atom energies of
    their run with them: tables that are added to the list. An error is recorded in `document` at its place.
    """
    _walk(document, source, document.value, ())


def _walk(document: Document, source: Path, value: Any, where: Where) -> None:
    if not isinstance(value, (dict, list)):
        return
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        there = (*where, key)
        owner = next(part for part in reversed(there) if isinstance(part, str))
        # a set of a system may have any name
        named = where[-1:] == ("reference",)
        if key in FILES and not named and _is_of_wrong_form(document, there, item):
            value[key] = None
        elif isinstance(item, dict) and owner in FILES and not named:
            value[key], *more = _paths(document, source, item, there, owner)
            for path in more:
                _append(document, value, path, where, there)
        else:
            _walk(document, source, item, there)


def _append(document: Document, files: Any, path: str, where: Where, owner: Where) -> None:
    """Add a path to the list of files at `where`, unless it is there, in the place of its `owner` in the input."""
    if path not in files:
        document.move(owner, (*where, len(files)))
        files.append(path)


def _is_of_wrong_form(document: Document, where: Where, item: Any) -> bool:
    """Whether one file stands where a list of files belongs, or a list where one belongs; then an error."""
    several = where[-1] in ("include", "crystals")
    if isinstance(item, list) == several or not isinstance(item, (list, dict)):
        return False
    words = (
        "takes a list of files; begin the entry with '- '" if several else f"takes one file, not a list of {len(item)}"
    )
    document.fault(where, words)
    return True


def _paths(document: Document, source: Path, item: dict[str, Any], where: Where, owner: str) -> list[str]:
    """The path of the product, and those of what comes with it; with an error, something in its place, so that the rest
    of the list is checked.
    """
    given = validated(document, where, item, Borrowed)
    what, roles = FILES[owner]
    if given is None:
        document.faulty.add(where)
        given = _without_the_rest(item)
    if given is not None:
        try:
            folder = source / given.run
            found = [product_file(folder, given.product, what, roles)]
            if owner == "include":
                found += energy_files(folder, given.product)
            return [str(given.run / path) for path in found]
        except InputError as error:
            document.fault(where, f"{given.run}: {error}")
    return [dotted(where)]


def _without_the_rest(item: dict[str, Any]) -> Borrowed | None:
    """The entry without keys that are not known, if it is one then."""
    try:
        return Borrowed.model_validate_json(json.dumps({key: item[key] for key in ("from", "product") if key in item}))
    except ValidationError:
        return None
