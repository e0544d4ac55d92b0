"""Whether a model file is whole, found without torch: every entry unpacks, every array is there and finite."""

import io
import math
import zipfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from .filekind import MAX_BYTES, UNREADABLE, check_size, read_entry, read_json

_STATE, _ARRAY = "state/", ".npy"


def check_whole(path: Path) -> None:
    """Raise InputError for a portable model, an archive or a pickled model in which bytes are changed or numbers are
    missing or not finite; the numbers of a pickled model are not looked at.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    # one input often names a model several times
    if fault := _fault(path.resolve(), status.st_size, status.st_mtime_ns):
        raise InputError(f"{path}: {fault}; copy the model again")


def portable_arrays(path: Path, archive: zipfile.ZipFile) -> Iterator[tuple[str, np.ndarray]]:
    """Names and arrays of a portable model."""
    for name in archive.namelist():
        if name.startswith(_STATE) and name.endswith(_ARRAY):
            content = io.BytesIO(read_entry(path, archive, name, MAX_BYTES))
            short = name.removeprefix(_STATE).removesuffix(_ARRAY)
            yield short, np.lib.format.read_array(content, allow_pickle=False)


@lru_cache(maxsize=64)
def _fault(path: Path, size: int, time_ns: int) -> str:
    """What is wrong with the file as it was at that time; "" if nothing."""
    try:
        # torch before 1.6 wrote a bare pickle, which has no checksum
        if not zipfile.is_zipfile(path):
            return ""
        with zipfile.ZipFile(path) as archive:
            check_size(path, archive)
            # the checksum of each entry
            if broken := archive.testzip():
                return f"damaged: {broken} is not what was written"
            names = archive.namelist()
            if "metadata.json" in names and "weights.bin" in names:
                return _archive_fault(path, archive)
            return _portable_fault(path, archive) if "config.json" in names else ""
    except UNREADABLE as error:
        return f"damaged ({' '.join(str(error).split()) or type(error).__name__})"


def _portable_fault(path: Path, archive: zipfile.ZipFile) -> str:
    head = read_json(path, archive, "config.json")
    stated, found = head.get("arrays"), {}
    for name, array in portable_arrays(path, archive):
        found[name] = list(array.shape)
        if not _finite(array):
            return f"{name} has values that are not finite"
    if isinstance(stated, dict):
        for name, shape in stated.items():
            if found.get(name) != shape:
                has = f"is of shape {found[name]}, not {shape}" if name in found else "is missing"
                return f"damaged: {name} {has}"
    return next((f"{key} has values that are not finite" for key in _endless(head.get("config", {}))), "")


def _archive_fault(path: Path, archive: zipfile.ZipFile) -> str:
    facts = read_json(path, archive, "metadata.json")
    weights = memoryview(read_entry(path, archive, "weights.bin", MAX_BYTES))
    for entry in facts.get("weights", ()):
        kind = np.dtype(entry["dtype"]).newbyteorder("<")
        count, offset = math.prod(entry["shape"]), entry["offset"]
        if offset < 0 or offset + count * kind.itemsize > len(weights):
            return f"damaged: weights.bin ends before {entry['name']}"
        if not _finite(np.frombuffer(weights, kind, count, offset)):
            return f"{entry['name']} has values that are not finite"
    return ""


def _finite(array: np.ndarray) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _endless(config: Mapping[str, Any]) -> Iterator[str]:
    """Keys of the configuration with a number that is not finite."""
    for key, value in config.items():
        numbers = [value]
        while numbers:
            item = numbers.pop()
            if isinstance(item, list):
                numbers += item
            elif isinstance(item, float) and not math.isfinite(item):
                yield key
                break
