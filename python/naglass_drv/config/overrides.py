"""What a system has of its own beside the sections that all share, and where in the file that stands."""

from collections.abc import Mapping
from typing import Any

from pydantic import create_model

from ..fields import Section
from .schema import Input
from .source import Document, Where
from .validation import hint

#: What a system may override; the dataset and the model belong to all of them.
OVERRIDES = ("seed", "glass", "reference", "md", "analysis", "report")


def form_of(
    document: Document, at: Where, given: Mapping[str, Any], form: type[Section], other: type[Section], *own: str
) -> dict[str, Any]:
    """What of the entry `given` describes its cell in the `form` that it has, which may be a part of `other` forms.

    A key that is neither of this form nor one of the keys of the input that it may have of its `own` is an error.
    """
    first = next(iter(form.model_fields))
    for key in given:
        place = (*at, key)
        if key in form.model_fields or key in own or place in document.faulty:
            continue
        if key in other.model_fields:
            document.fault(place, f"cannot be combined with {first}; give one of them")
        elif key in Input.model_fields and key not in ("name", "system"):
            document.fault(place, f"is shared by all systems; write it beside {at[0]!r}")
        else:
            fields: Any = {each: (Input.model_fields[each].annotation, Input.model_fields[each]) for each in own}
            document.fault(place, "not a known key" + hint(create_model("Entry", __base__=form, **fields), (key,)))
    return {key: value for key, value in given.items() if key in form.model_fields}


def with_sets(document: Document, at: Where, shared: Any, own: Mapping[str, Any], moved: dict[Where, Where]) -> Any:
    """The reference sets of a system: the shared ones, with the keys that `own` gives by their names, and new ones.

    The places of these keys are added to `moved`. Where shared sets have no valid name, what is missing in others is
    no error: they may be meant.
    """
    if shared is not None and not isinstance(shared, list):
        return shared
    sets = list(shared or ())
    index_of = {str(item.get("name")): index for index, item in enumerate(sets) if isinstance(item, dict)}
    all_named = len(index_of) == len(sets) and "None" not in index_of
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
        elif not _has_level(keys):
            if all_named:
                known = f"; the shared sets are {', '.join(index_of)}" if index_of else ""
                document.fault((*at, *there), f"key 'level' is missing, which a new set needs{known}")
        else:
            moved["reference", len(sets)] = there
            sets.append({"name": name, **keys})
    return sets


def _has_level(keys: Mapping[str, Any]) -> bool:
    level = keys.get("level")
    return level is not None and (not isinstance(level, dict) or "name" in level)


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
