"""Elements that an input names outside of a composition. In a key that several systems share, some may lack one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .source import Document, Where

Elements = frozenset[str] | None


@dataclass(frozen=True)
class Named:
    """An element that `key` names at `where` in the document of a system; `known` are those of the system, None if they
    are not valid."""

    document: Document
    where: Where
    key: str
    element: str
    known: Elements


def union(parts: Iterable[Elements]) -> Elements:
    """All elements, None if a part is not known."""
    found: frozenset[str] = frozenset()
    for part in parts:
        if part is None:
            return None
        found |= part
    return found


def report_absent(
    names: Iterable[Named],
    anywhere: Callable[[Named], Elements],
    message: Callable[[Named, str], str],
    document: Document,
) -> None:
    """Report each element that a system names for itself but lacks, or that is not even `anywhere`, with the `message`
    for it and for the elements that there are. With errors in the systems of the file, its `document`, some are not
    known."""
    complete = not any(where[:1] in (("systems",), ("series",)) for where in document.faulty)
    for name in names:
        own = name.document.place(name.where)[0] == "systems"
        known = name.known if own else anywhere(name) if complete else None
        if known is not None and name.element not in known:
            name.document.fault(name.where, message(name, ", ".join(sorted(known))))
