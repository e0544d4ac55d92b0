"""Sets of frames by name: one file of extended XYZ, or shards with their index."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .frames import write_frames
from .shards import is_index, write_index

if TYPE_CHECKING:
    from ase import Atoms


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
    shards = []
    for number, start in enumerate(range(0, len(frames), per_file)):
        part = frames[start : start + per_file]
        path = folder / f"{name}-{number:05d}.extxyz"
        write_frames(path, part)
        shards.append((path, len(part)))
    index = folder / f"{name}.json"
    write_index(index, shards)
    _remove_others(folder, name, {index.name, *(path.name for path, _ in shards)})
    return index


def set_files(folder: Path, name: str) -> list[Path]:
    """The files of the set `name`, index or single file included; none if there is no such set."""
    own = re.compile(rf"{re.escape(name)}(-\d{{5}})?\.extxyz|{re.escape(name)}\.json")
    found = [path for path in sorted(folder.iterdir()) if own.fullmatch(path.name)] if folder.is_dir() else []
    return [path for path in found if path.suffix != ".json" or is_index(path)]


def files_replaced(folder: Path, name: str) -> list[Path]:
    """The files that `write_set` of the set `name` would overwrite or remove."""
    return [*set_files(folder, name), folder / f"{name}.json"]


def find_set(folder: Path, name: str) -> Path | None:
    """The file to read for the set `name`: its index, else its single file; None if there is neither."""
    files = {path.name: path for path in set_files(folder, name)}
    return files.get(f"{name}.json") or files.get(f"{name}.extxyz")


def _remove_others(folder: Path, name: str, kept: set[str]) -> None:
    for path in set_files(folder, name):
        if path.name not in kept:
            path.unlink()
