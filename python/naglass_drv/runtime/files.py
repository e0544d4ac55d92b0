"""State in plain files, as the runtime reads and writes it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ..files import write_bytes


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step: a reader, or a kill, finds the old file or the new one."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """`write_text` of `value` as JSON; numpy becomes numbers and lists, paths become text."""
    write_text(path, json.dumps(value, indent=1, default=jsonable) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in `path`, or None when there is no such file or it holds no JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def jsonable(value: Any) -> Any:
    """What json.dumps does not know by itself."""
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be stored as JSON")


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
