"""Labels from other programs: extended XYZ, files of ASE and VASP, folders of CP2K and VASP runs."""

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..files import file_hash
from .ase_files import DATABASE, PICKLED, TRAJECTORY, read_ase
from .gate import Found, Refused, read_extxyz, source_name

_VASP_FILES = ("vasprun.xml", "OUTCAR")


@dataclass(frozen=True)
class Source:
    """The frames of one file or folder, what was refused while reading it (records), and the hash of what was read."""

    found: list[Found]
    refused: list[dict[str, str]]
    sha256: str


def read_source(path: Path, keys: Mapping[str, str]) -> Source:
    """Read a file or the folder of one run; `keys` are those of `gate.read_extxyz`.

    Of a folder its ``vasprun.xml``, else its ``OUTCAR``, is read, else it is a run of CP2K. What cannot be read at all
    is one refusal, UNREADABLE. Raises InputError for a path that is not there.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    try:
        return _read(path, keys)
    except InputError as error:
        return Source([], [Refused("UNREADABLE", str(error)).record(source_name(path, 0).partition("#")[0])], "")


def _read(path: Path, keys: Mapping[str, str]) -> Source:
    if path.is_dir():
        inside = next((path / name for name in _VASP_FILES if (path / name).is_file()), None)
        if inside is None:
            from .cp2k.folder import output_of, read_folder

            return Source(*read_folder(path), file_hash(output_of(path)))
        path = inside
    start = _start(path)
    if start.lstrip().startswith((b"<?xml", b"vasp.")):
        from .vasp import read_vasp

        return Source(read_vasp(path), [], file_hash(path))
    if start.startswith((TRAJECTORY, DATABASE, PICKLED)):
        return Source(read_ase(path, start, keys), [], file_hash(path))
    return Source(read_extxyz(path, keys), [], file_hash(path))


def _start(path: Path) -> bytes:
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            return file.read(64)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
