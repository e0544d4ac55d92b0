"""Files that an input takes from other runs: ``{from: ../other-run, product: dataset/train}`` in place of a path."""

from pathlib import Path
from typing import Any

from ..errors import InputError
from ..runtime.elsewhere import product_file
from .schema import Borrowed
from .source import Document, Where
from .validation import validated

#: Keys whose value is a file that a run can make, or a list of such files.
FILES = ("structures", "include", "start_model", "model")


def resolve(document: Document, source: Path) -> None:
    """Put the path of the file in the place of each product of another run; relative folders start at `source`.

    Every product is compared with the manifest of its run. An error is recorded in `document` at its place.
    """
    _walk(document, source, document.value, ())


def _walk(document: Document, source: Path, value: Any, where: Where) -> None:
    if not isinstance(value, (dict, list)):
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        there = (*where, key)
        owner = next(part for part in reversed(there) if isinstance(part, str))
        # a set of a system may have any name
        named = where[-1:] == ("reference",)
        if isinstance(item, dict) and owner in FILES and not named:
            value[key] = _path(document, source, item, there)
        else:
            _walk(document, source, item, there)


def _path(document: Document, source: Path, item: dict[str, Any], where: Where) -> str | None:
    """The path of the product, or None and an error."""
    given = validated(document, where, item, Borrowed)
    if given is not None:
        try:
            return str(given.run / product_file(source / given.run, given.product))
        except InputError as error:
            document.fault(where, f"{given.run}: {error}")
    # the place has its error
    document.faulty.add(where)
    return None
