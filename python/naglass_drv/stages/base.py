"""The interface of a stage, defined by the runtime, and the typed settings of a stage's tasks.

A stage owns a frozen dataclass of what decides its tasks. A task carries it as plain data (`dumped`), which enter its
key, and the stage reads them back (`read_settings`).
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar, get_type_hints
from zlib import crc32

from pydantic import BaseModel

from ..chemistry.level import Level
from ..config.validation import models_in
from ..runtime.task import Done, Effort, Job, Run, Stage, Task

__all__ = ["Done", "Effort", "Job", "Run", "Stage", "Task", "common", "dumped", "lammps_seed", "read_settings"]

Kind = TypeVar("Kind")


def lammps_seed(text: str) -> int:
    """A seed that follows from a text, in the range that LAMMPS and CP2K accept."""
    return crc32(text.encode()) % 900_000_000 + 1


def common(kind: type, section: BaseModel) -> dict[str, Any]:
    """The values of a section of the input that are also fields of the dataclass `kind`."""
    return {
        field.name: getattr(section, field.name) for field in fields(kind) if field.name in type(section).model_fields
    }


def dumped(settings: Any) -> dict[str, Any]:
    """A dataclass of settings as JSON types, without the fields that keep their defaults.

    A default has to mean that something is not asked for, so that a field that is added later changes no key.
    """
    values = {field.name: (getattr(settings, field.name), field.default) for field in fields(settings)}
    return {name: _plain(value) for name, (value, default) in values.items() if value != default}


def _plain(value: Any) -> Any:
    if isinstance(value, Level):
        return value.stated()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def read_settings(kind: type[Kind], task: Task) -> Kind:
    """The settings of a task as the dataclass `kind` that they are `dumped` from.

    Raises TypeError for a key that is unknown or missing.
    """
    hints = _hints(kind)
    return kind(**{name: _typed(hints.get(name), value) for name, value in task.settings.items()})


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _typed(hint: Any, value: Any) -> Any:
    model = next(models_in(hint), None)
    return model.model_validate_json(json.dumps(value)) if model and isinstance(value, Mapping) else value
