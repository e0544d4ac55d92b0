"""The index of a large set of frames in several files (shards of extended XYZ): their names, sizes and hashes.

It is JSON: ``{"format": "naglass-shards", "frames": N, "shards": [{"file", "frames", "sha256"}, ...]}``. The files lie
beside it. `frames.read_frames` reads an index as it reads one file.
"""

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import InputError
from ..files import file_hash, write_json

FORMAT = "naglass-shards"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.extxyz(\.gz)?")


def verified(index: Path) -> list[tuple[Path, int]]:
    """Paths and frame counts of the shards, after comparing their hashes."""
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
        entries = [(entry["file"], entry["frames"], entry["sha256"]) for entry in content["shards"]]
        known = content["format"] == FORMAT and entries and content["frames"] == sum(count for _, count, _ in entries)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{index}: not an index of shards ({type(error).__name__}: {error})") from error
    if not known:
        raise InputError(f"{index}: not an index of shards, or its frame counts do not add up")
    for name, _, digest in entries:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InputError(f"{index}: {name!r} is not a valid shard name")
        if not (index.parent / name).is_file():
            raise InputError(f"{index.parent / name}: no such file, but {index.name} lists it")
        if file_hash(index.parent / name) != digest:
            raise InputError(f"{index.parent / name}: has changed since {index.name} was written")
    return [(index.parent / name, count) for name, count, _ in entries]


def files_read(paths: Iterable[Path]) -> list[Path]:
    """The `paths` of frames, and the shards of each index among them, as far as it can be read."""
    found = list(paths)
    for index in [path for path in found if path.suffix == ".json"]:
        with suppress(OSError, ValueError, KeyError, TypeError):
            entries = json.loads(index.read_text(encoding="utf-8"))["shards"]
            found += [index.parent / entry["file"] for entry in entries]
    return found


def write_index(path: Path, shards: Sequence[tuple[Path, int]]) -> None:
    """Write the index of `shards`: their paths, beside `path`, and numbers of frames."""
    entries = [{"file": shard.name, "frames": count, "sha256": file_hash(shard)} for shard, count in shards]
    write_json(path, {"format": FORMAT, "frames": sum(count for _, count in shards), "shards": entries})


def is_index(path: Path) -> bool:
    """Whether a file begins like an index."""
    with open(path, "rb") as file:
        return f'"format": "{FORMAT}"'.encode() in file.read(200)
