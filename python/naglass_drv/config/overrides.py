"""What a system overrides of the reference sets that all share, and where in the file that stands."""

from collections.abc import Mapping
from typing import Any

from .source import Document, Where


def with_sets(
    document: Document, at: Where, shared: list[Any], own: Mapping[str, Any], moved: dict[Where, Where]
) -> list[Any]:
    """The reference sets of a system: the shared ones, with the keys that `own` gives by their names, and new ones.

    The places of these keys are added to `moved`.
    """
    sets = list(shared)
    index_of = {str(item.get("name")): index for index, item in enumerate(sets) if isinstance(item, dict)}
    for name, keys in own.items():
        there: Where = ("reference", name)
        if not isinstance(keys, dict):
            document.fault((*at, *there), "must be a mapping of keys of the set")
        elif "name" in keys:
            document.fault((*at, *there, "name"), f"remove this key: the name of the set is {name!r}")
        elif name in index_of:
            index = index_of[name]
            sets[index], places = _merged(sets[index], keys)
            moved |= {("reference", index, *place): (*there, *place) for place in places}
        else:
            moved["reference", len(sets)] = there
            sets.append({"name": name, **keys})
    return sets


def _merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[dict[str, Any], list[Where]]:
    """A set with keys and options of the level from `own`, and the places of these; another level has none of the
    options of the first."""
    usual, level = shared.get("level"), own.get("level")
    places: list[Where] = [(key,) for key in own]
    if not isinstance(usual, dict) or not isinstance(level, dict):
        return {**shared, **own}, places
    if {**usual, **level}.get("name") != usual.get("name"):
        return {**shared, **own}, places
    places.remove(("level",))
    return {**shared, **own, "level": {**usual, **level}}, [*places, *(("level", key) for key in level)]


def moved_place(where: Where, table: Mapping[Where, Where]) -> Where | None:
    """The place of `where`, by the longest part of it that is in `table`."""
    for length in range(len(where), 0, -1):
        if (found := table.get(where[:length])) is not None:
            return (*found, *where[length:])
    return None
