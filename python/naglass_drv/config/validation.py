"""A part of the input held against its model: errors with their lines, and what is valid all the same."""

import difflib
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from ..chemistry.level import NOT_OF_THE_LEVEL
from ..fields import Section
from .partial import Partial
from .source import Document, Where

Model = TypeVar("Model", bound=BaseModel)
_INVALID = object()
_WITH_UNIT = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?\s*[A-Za-zÅ].*")


def validate(document: Document, model: type[Model]) -> Model | None:
    """`document` as `model`, or None with the errors added to the document."""
    return validated(document, (), document.value, model)


def validated(document: Document, at: Where, value: Any, model: type[Model]) -> Model | None:
    """`value`, which stands at `at` in the file, as `model`, or None with the errors added to the document."""
    try:
        return model.model_validate_json(json.dumps(value))
    except ValidationError as error:
        errors = error.errors(include_url=False)
        places = [_known_part(value, item["loc"]) for item in errors]
        lists = {_known_part(value, item["loc"]) for item in errors if item["type"] == "list_type"}
        for item, inside in zip(errors, places, strict=True):
            where = (*at, *inside)
            if item["type"] == "missing":
                key = item["loc"][-1]
                lacking = (
                    f"key {key!r} is missing" if isinstance(key, str) else f"value {key + 1} of the list is missing"
                )
                document.fault(where, lacking)
            elif item["type"] == "extra_forbidden":
                document.fault(where, "not a known key" + hint(model, inside))
            elif any(len(other) > len(inside) and other[: len(inside)] == inside for other in places):
                # another member of a union, of which the value has the form, names what is wrong in it
                continue
            elif where not in document.faulty:
                # a union reports once per member, and a value that the YAML reader rejected is None by now
                document.fault(where, _plain(item, _value_at(value, inside), inside in lists))
        return None


def fault_empty(document: Document, where: Where, model: type[BaseModel]) -> None:
    """Record the error of a key of `model` without a value, with what may be written there."""
    key = str(where[-1])
    field = model.model_fields.get(key)
    section = next(models_in(field.annotation), None) if field is not None else None
    is_list = key == "systems" or (field is not None and get_origin(field.annotation) is list)
    if section is not None and not is_list and not any(each.is_required() for each in section.model_fields.values()):
        advice = f"write '{key}: {{}}' for the defaults"
    elif is_list:
        advice = "list its items below it"
    else:
        advice = "give it a value" if section is None and key != "series" else "write its keys below it"
    optional = field is None or not field.is_required()
    document.fault(where, f"is empty; {advice}{', or remove the key' if optional else ''}")


def valid_sections(value: dict[str, Any], top: type[BaseModel]) -> Partial:
    """The input with every value that is valid on its own, so that one error does not hide another."""
    sections = {}
    for name, field in top.model_fields.items():
        given = value.get(name)
        model = next(models_in(field.annotation), None)
        if name not in value and not field.is_required():
            sections[name] = field.get_default(call_default_factory=True)
        elif model is None or given is None:
            continue
        elif get_origin(field.annotation) is list:
            if isinstance(given, list):
                sections[name] = [_partial(model, item) for item in given]
        else:
            sections[name] = _partial(model, given)
    return Partial(sections)


def _partial(model: type[BaseModel], given: Any) -> Partial:
    values: dict[str, Any] = {}
    given = given if isinstance(given, dict) else {}
    if issubclass(model, Section):
        given = model.completed(given)
    for name, field in model.model_fields.items():
        if name not in given:
            if not field.is_required():
                values[name] = field.get_default(call_default_factory=True)
            continue
        constrained: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        found = _valid_part(TypeAdapter(constrained), given[name])
        if found is not _INVALID:
            values[name] = found
    return Partial(values)


def _valid_part(adapter: TypeAdapter, given: Any) -> Any:
    """The value, or the valid entries of a mapping; _INVALID if nothing is valid."""
    try:
        return adapter.validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        bad = {item["loc"][0] for item in error.errors(include_url=False) if item["loc"]}
        if isinstance(given, dict) and bad and bad < given.keys():
            return _valid_part(adapter, {key: value for key, value in given.items() if key not in bad})
        return _INVALID


def _known_part(value: Any, location: tuple[str | int, ...]) -> Where:
    """The part of a pydantic location that exists in the file (pydantic adds names of union members)."""
    where: list[str | int] = []
    for part in location:
        if (isinstance(value, dict) and part in value) or (isinstance(value, list) and part in range(len(value))):
            where.append(part)
            value = _value_at(value, (part,))
    return tuple(where)


def _value_at(value: Any, where: Where) -> Any:
    for part in where:
        value = value[part]
    return value


def _plain(item: Any, value: Any, may_be_list: bool) -> str:
    """pydantic's message, with the value as the user wrote it; `may_be_list` where a list would be valid."""
    if item["type"] in ("too_short", "too_long") and value:
        least, most = (item["ctx"].get(key) for key in ("min_length", "max_length"))
        return f"must have {f'at least {least}' if most is None else f'at most {most}'} items, not {len(value)}"
    if item["type"] == "too_short":
        return "must not be empty"
    shown = json.dumps(value, ensure_ascii=False)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    if item["type"] == "list_type" or (may_be_list and item["type"].startswith("bool")):
        other = "" if item["type"] == "list_type" else "true, false or "
        form = "with a dash before each item" if isinstance(value, dict) else f"as in [{shown}]"
        return f"must be {other}a list, {form}, not {shown}"
    if item["type"] == "tuple_type":
        return f"must be a list, not {shown}"
    if item["type"] in ("model_type", "dict_type"):
        return f"must be a mapping of keys and values, not {shown}"
    text = item["msg"].replace("Input should", "must").replace("String should", "must")
    text = text[0].lower() + text[1:]
    if item["type"] == NOT_OF_THE_LEVEL:
        return f"{shown}: {text}"
    note = "; give the number without a unit, the unit is part of the key" if _is_quantity(item, value) else ""
    return f"{text}, not {shown}{note}"


def _is_quantity(item: Any, value: Any) -> bool:
    wants_number = item["type"] in ("float_type", "int_type", "float_parsing", "int_parsing")
    return wants_number and isinstance(value, str) and _WITH_UNIT.fullmatch(value) is not None


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def hint(top: type[BaseModel], where: Where) -> str:
    """What may be meant by an unknown key: a similar key here or one mapping deeper, or the same key elsewhere."""
    model = top
    for part in where[:-1]:
        if isinstance(part, str) and part in model.model_fields:
            model = next(models_in(model.model_fields[part].annotation), model)
    key = str(where[-1])
    known = [field.alias or name for name, field in model.model_fields.items()]
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    homes = [
        name
        for name, field in top.model_fields.items()
        if any(key in section.model_fields for section in models_in(field.annotation))
    ]
    if homes:
        return f"; it belongs to {' or '.join(homes)}"
    inner = {
        inside.alias or name: f"{outer}.{inside.alias or name}"
        for outer, field in model.model_fields.items()
        for section in models_in(field.annotation)
        for name, inside in section.model_fields.items()
    }
    near = difflib.get_close_matches(key, inner, n=1)
    if near:
        return f"; did you mean {inner[near[0]]!r}?"
    return f"; known keys: {', '.join(known)}"
