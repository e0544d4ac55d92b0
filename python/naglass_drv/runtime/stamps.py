"""By what a change of a file is noticed: its size and time, and where only the time differs, its content."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import file_hash
from ..products import Product


def stamp(path: Path) -> list[int]:
    """Size and time of a file, by which a change is noticed; empty if it is gone."""
    try:
        stat = path.stat()
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns]


def damage(folder: Path, outputs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Outputs that have changed since the task was done."""
    found = []
    for name, record in outputs.items():
        path = folder / name
        if not path.is_file():
            found.append(f"output {name}: gone")
            continue
        stat = path.stat()
        same_time = stat.st_mtime_ns == record["mtime_ns"]
        if stat.st_size != record["size"] or not (same_time or file_hash(path) == record["sha256"]):
            found.append(f"output {name}: changed since it was written")
    return found


def as_it_was(product: Product, stamps: Any, root: Path) -> tuple[bool, str]:
    """Whether the files of a product have the content that they were made with, and in words, relative to `root`, which
    of them is not as it was.
    """
    known, told = stamps if isinstance(stamps, dict) else {}, ""
    for role, path in product.files.items():
        now, then, place = stamp(path), known.get(role), path.relative_to(root)
        if not now:
            return False, f"{place} is gone"
        if now == then:
            continue
        if file_hash(path) != product.hashes[role]:
            return False, f"{place} has changed"
        told = told or f"{place} has another time, as in a copy"
    return True, told
