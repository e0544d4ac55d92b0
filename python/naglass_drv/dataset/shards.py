"""Large sets of frames in several files: shards of extended XYZ, and an index of their hashes.

The index is JSON: ``{"format": "naglass-shards", "frames": N, "shards": [{"file", "frames", "sha256"}, ...]}``. The
files lie beside it. `frames.read_frames` reads an index as it reads one file.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..files import write_json
from .frames import read_frames, write_frames

if TYPE_CHECKING:
    from ase import Atoms

FORMAT = "naglass-shards"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.extxyz(\.gz)?")


def write_set(folder: Path, name: str, frames: Sequence["Atoms"], per_file: int) -> Path:
    """Write `frames` as ``NAME.extxyz``, or as shards of `per_file` with the index ``NAME.json``; returns what to read.

    Every file is written under a temporary name and renamed, the index last; a file with the same content is left
    untouched. Files of an earlier set of this name that are not part of the new one are removed then.
    """
    if len(frames) <= per_file:
        target = folder / f"{name}.extxyz"
        write_frames(target, frames)
        _remove_others(folder, name, {target.name})
        return target
    entries = []
    for number, start in enumerate(range(0, len(frames), per_file)):
        part = frames[start : start + per_file]
        path = folder / f"{name}-{number:05d}.extxyz"
        write_frames(path, part)
        entries.append({"file": path.name, "frames": len(part), "sha256": sha256(path)})
    index = folder / f"{name}.json"
    write_json(index, {"format": FORMAT, "frames": len(frames), "shards": entries})
    _remove_others(folder, name, {index.name, *(entry["file"] for entry in entries)})
    return index


def set_files(folder: Path, name: str) -> list[Path]:
    """The files of the set `name`, index or single file included; none if there is no such set."""
    own = re.compile(rf"{re.escape(name)}(-\d{{5}})?\.extxyz|{re.escape(name)}\.json")
    found = [path for path in sorted(folder.iterdir()) if own.fullmatch(path.name)] if folder.is_dir() else []
    return [path for path in found if path.suffix != ".json" or _is_index(path)]


def find_set(folder: Path, name: str) -> Path | None:
    """The file to read for the set `name`: its index, else its single file; None if there is neither."""
    files = {path.name: path for path in set_files(folder, name)}
    return files.get(f"{name}.json") or files.get(f"{name}.extxyz")


def read_shards(index: Path) -> list["Atoms"]:
    """All frames of an index. Raises InputError for anything but an index with its shards, each as its hash says."""
    frames = []
    for path, count in verified(index):
        part = read_frames(path)
        if len(part) != count:
            raise InputError(f"{path}: has {len(part)} frames, but {index.name} lists {count}")
        frames += part
    return frames


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
        if sha256(index.parent / name) != digest:
            raise InputError(f"{index.parent / name}: has changed since {index.name} was written")
    return [(index.parent / name, count) for name, count, _ in entries]


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_index(path: Path) -> bool:
    with open(path, "rb") as file:
        return f'"format": "{FORMAT}"'.encode() in file.read(200)


def _remove_others(folder: Path, name: str, kept: set[str]) -> None:
    for path in set_files(folder, name):
        if path.name not in kept:
            path.unlink()
