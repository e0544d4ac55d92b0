"""Writing files whole: under a temporary name, then renamed, and only when the content changes."""

import io
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def write_bytes(path: Path, data: bytes) -> bool:
    """Put `data` in `path`, making its folder; returns False when the file held just that already.

    A file left untouched keeps what depends on it valid.
    """
    if path.exists() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    os.replace(temporary, path)
    return True


def write_json(path: Path, value: Any) -> bool:
    """`write_bytes` of `value` as indented JSON (no NaN or infinity: they are not JSON)."""
    return write_bytes(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> bool:
    """`write_bytes` of named numpy arrays as a compressed NPZ file."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return write_bytes(path, buffer.getvalue())


def publish(source: Path, target: Path, names: Iterable[str]) -> None:
    """Make `target` hold the files `names` of `source` as they are; one that `source` lacks is removed."""
    for name in names:
        if (source / name).exists():
            write_bytes(target / name, (source / name).read_bytes())
        else:
            (target / name).unlink(missing_ok=True)


def link_files(source: Path, target: Path, names: Iterable[str]) -> None:
    """Link the files `names` of `source` into the folder `target`, which is made; copy where links are impossible."""
    target.mkdir(exist_ok=True)
    for name in names:
        try:
            os.link(source / name, target / name)
        except OSError:
            shutil.copy2(source / name, target / name)
