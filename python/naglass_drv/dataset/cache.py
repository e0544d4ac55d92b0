"""A cache of parsed frames next to their text, for sets that are read repeatedly.

The text is authoritative; the cache is HDF5, named after the text, and contains the hash of its source. A cache that
is stale, damaged or of another version is rebuilt, and it can be deleted at any time.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import file_hash
from .frames import read_frames
from .shards import verified

if TYPE_CHECKING:
    from ase import Atoms

_VERSION = 1


def read_cached(path: Path) -> list["Atoms"]:
    """Like `frames.read_frames`, from the cache if it matches the content; else from the text, which is then cached.

    Frames that carry a calculator of ASE (labels under foreign keys) and folders that cannot be written get no cache.
    """
    import h5py

    if not path.is_file():
        return read_frames(path)
    key = _key(path)
    target = path.with_name(f".{path.name}.h5")
    try:
        with h5py.File(target, "r") as file:
            if file.attrs["version"] == _VERSION and file.attrs["sha256"] == key:
                return _load(file)
    # if anything is wrong with a cache, use the text
    except (OSError, KeyError, ValueError, TypeError, RuntimeError):
        pass
    frames = read_frames(path)
    if all(frame.calc is None for frame in frames):
        _store(target, key, frames)
    return frames


def _key(path: Path) -> str:
    """Hash of the file, or of an index and (once compared with it) all its shards."""
    if path.suffix == ".json":
        verified(path)
    return file_hash(path)


def _store(target: Path, key: str, frames: Sequence["Atoms"]) -> None:
    import h5py

    temporary = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        with h5py.File(temporary, "w") as file:
            file.attrs.update(version=_VERSION, sha256=key)
            packed = {"compression": "lzf", "fletcher32": True}
            file.create_dataset("counts", data=[len(frame) for frame in frames], fletcher32=True)
            file.create_dataset("cells", data=[frame.cell.array for frame in frames], **packed)
            file.create_dataset("pbc", data=[frame.pbc for frame in frames], fletcher32=True)
            words = np.frombuffer(json.dumps([_words(frame) for frame in frames]).encode(), dtype=np.uint8)
            file.create_dataset("words", data=words, **packed)
            for name in dict.fromkeys(name for frame in frames for name in frame.arrays if not _is_text(frame, name)):
                own = [k for k, frame in enumerate(frames) if name in frame.arrays]
                group = file.create_group(f"arrays/{name}")
                values = np.concatenate([frames[k].arrays[name] for k in own])
                group.create_dataset("values", data=values, **packed)
                group.create_dataset("frames", data=own, fletcher32=True)
        os.replace(temporary, target)
    except OSError:
        temporary.unlink(missing_ok=True)


def _load(file: Any) -> list["Atoms"]:
    from ase import Atoms

    counts, cells, pbc = file["counts"][()], file["cells"][()], file["pbc"][()]
    words = json.loads(file["words"][()].tobytes())
    arrays: list[dict[str, np.ndarray]] = [{} for _ in counts]
    for name, group in file["arrays"].items():
        own = group["frames"][()]
        parts = np.split(group["values"][()], np.cumsum(counts[own])[:-1])
        for k, part in zip(own, parts, strict=True):
            arrays[k][name] = part
    frames = []
    for k, own in enumerate(arrays):
        frame = Atoms(own["numbers"], own["positions"], cell=cells[k], pbc=pbc[k])
        frame.info = {name: _value(value) for name, value in words[k]["info"].items()}
        text = {name: np.array(values, dtype=object) for name, values in words[k]["text"].items()}
        frame.arrays.update(own | text)
        frames.append(frame)
    return frames


def _words(frame: "Atoms") -> dict[str, Any]:
    """The parts of a frame that are not arrays of numbers, as JSON."""
    return {
        "info": {name: _plain(value) for name, value in frame.info.items()},
        "text": {name: values.tolist() for name, values in frame.arrays.items() if _is_text(frame, name)},
    }


def _is_text(frame: "Atoms", name: str) -> bool:
    return frame.arrays[name].dtype.kind in "OU"


def _plain(value: Any) -> Any:
    """A value of `info` as JSON; arrays, and dictionaries as in extended XYZ, in their own object."""
    if isinstance(value, np.ndarray):
        return {"array": value.tolist()}
    return {"value": value} if isinstance(value, dict) else value


def _value(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return np.array(value["array"]) if "array" in value else value["value"]
