"""Determine the kind of a MACE model file without executing anything in it (no torch, no unpickling)."""

from __future__ import annotations

import json
import pickletools
import zipfile
import zlib
from pathlib import Path

from ...errors import InputError

PORTABLE, PICKLED = "portable", "pickled"
PORTABLE_FORMAT, ARCHIVE_FORMAT = "naglass-portable-mace", "naglass-mace"
ARCHIVE_VERSION = 6  # that is written; of the versions that pair_style mace reads, those before 6 know no states
ARCHIVE_VERSIONS = (5, ARCHIVE_VERSION)
MAX_BYTES = 2 << 30  # a model file is megabytes: anything near this is damaged or hostile
# what a damaged or hostile zip, JSON or .npy raises; a shape of terabytes is a MemoryError
UNREADABLE = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    ValueError,
    TypeError,
    RuntimeError,
    MemoryError,
)
_MAX_TEXT = 64 << 20  # of a JSON or pickle entry, which has names and numbers; arrays are separate entries
_ML_IAP = "mace.calculators.lammps_mliap_mace"
# a state dict or a checkpoint is tensors and plain containers
_PLAIN = ("torch", "collections", "numpy", "_codecs")


def kind_of(path: Path) -> str:
    """``PORTABLE`` or ``PICKLED``; InputError, saying what to give instead, for anything else."""
    try:
        if not path.exists():
            raise InputError(f"{path}: no such file")
        if not path.is_file():
            raise InputError(f"{path}: not a file; use the .model or .mace file")
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _kind_of_zip(path, archive)
        with open(path, "rb") as stream:
            start = stream.read(4)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
        raise InputError(f"{path}: a damaged zip file ({error}); copy the model again") from error
    if start.startswith(b"PK"):
        raise InputError(f"{path}: a damaged zip file (no directory at its end); copy the model again")
    if start.startswith(b"\x80"):
        return PICKLED
    raise InputError(f"{path}: not a MACE model; use a mace-torch .model file or a .mace file")


def read_entry(path: str | Path, archive: zipfile.ZipFile, name: str, limit: int = _MAX_TEXT) -> bytes:
    """Content of an entry; InputError if it unpacks to more than `limit` bytes, KeyError if there is none."""
    info = archive.getinfo(name)
    if info.file_size > limit:
        raise InputError(f"{path}: {name} has {info.file_size} bytes when unpacked, too large for a model")
    return archive.read(info)


def read_json(path: str | Path, archive: zipfile.ZipFile, name: str) -> dict:
    """A JSON object; ValueError for anything else."""
    try:
        value = json.loads(read_entry(path, archive, name))
    except RecursionError:
        raise ValueError(f"{name} is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")
    return value


def check_size(path: str | Path, archive: zipfile.ZipFile) -> None:
    """InputError where all entries together unpack to more than `MAX_BYTES`."""
    size = sum(info.file_size for info in archive.infolist())
    if size > MAX_BYTES:
        raise InputError(f"{path}: {size} bytes when unpacked, too large for a model")


def _kind_of_zip(path: Path, archive: zipfile.ZipFile) -> str:
    check_size(path, archive)
    names = archive.namelist()
    if "config.json" in names and _format(path, archive, "config.json") == PORTABLE_FORMAT:
        return PORTABLE
    if "metadata.json" in names and _format(path, archive, "metadata.json") == ARCHIVE_FORMAT:
        raise InputError(f"{path}: already exported; use it in pair_coeff, or as md.model with the suffix .naglass; "
                         "here, use the .model or .mace file that it was made from")  # fmt: skip
    if any(name.endswith("/constants.pkl") for name in names):
        raise InputError(
            f"{path}: a compiled (TorchScript) model, as mace_create_lammps_model makes; "
            "use the .model file that it was made from"
        )
    pickled = [name for name in names if name.endswith("/data.pkl")]
    if not pickled:
        raise InputError(f"{path}: a zip file without a MACE model; use the .model or .mace file")
    _check_pickle(path, read_entry(path, archive, pickled[0]))
    return PICKLED


def _format(path: Path, archive: zipfile.ZipFile, name: str) -> str | None:
    try:
        return read_json(path, archive, name).get("format")
    except ValueError:
        return None


def _check_pickle(path: Path, data: bytes) -> None:
    """Refuse what the names in the pickle show to be no model. A model that passes still needs the user's trust."""
    try:
        # torch writes protocol 2, where every class is named in one piece
        named = [(code.name, argument) for code, argument, _ in pickletools.genops(data) if "GLOBAL" in code.name]
    except Exception as error:
        raise InputError(f"{path}: a damaged pickle ({error}); copy the model again") from error
    names = [argument for code, argument in named if code == "GLOBAL"]
    if any(name.startswith(_ML_IAP) for name in names):
        raise InputError(f"{path}: made for pair_style mliap; use the .model file that it was made from")
    if len(names) == len(named) and all(name.partition(" ")[0].partition(".")[0] in _PLAIN for name in names):
        raise InputError(
            f"{path}: contains only weights (a state dict or a training checkpoint), without the model they belong to; "
            "use the .model file that mace-torch wrote with them"
        )
