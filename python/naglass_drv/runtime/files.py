"""Reading and writing of the run's state in plain files."""

import json
from pathlib import Path
from typing import Any

from ..files import write_bytes


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically: a reader finds either the old file or the new one, even after a kill."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON with `write_text`; numpy types become numbers and lists, paths become text."""
    write_text(path, json.dumps(value, indent=1, default=jsonable) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in `path`, or None if the file does not exist or contains no JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def jsonable(value: Any) -> Any:
    """Conversion of types that json.dumps does not support."""
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be stored as JSON")
