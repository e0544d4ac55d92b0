"""Write files atomically: under a temporary name, then renamed, and only if the content changes. Read bounded files."""

import errno
import glob
import hashlib
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .errors import InputError, of_system

_NAME_BYTES = 200
# of the files that frames are read from; any other part of a name that follows a dot belongs to the name
_FORMATS = re.compile(r"(?<=.)(\.(extxyz|xyz|json|xml|traj|db|out|log|inp))?(\.gz)?\Z", re.IGNORECASE)


def refuse_special(path: Path) -> None:
    """Raise OSError for a pipe or a device, which could block or never end."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "is not a regular file", str(path))


def file_hash(path: Path) -> str:
    """Hexadecimal SHA-256 of the content of a file; OSError for a pipe or a device."""
    refuse_special(path)
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_bounded(path: Path, most: int) -> bytes:
    """Content of a regular file of at most `most` bytes; OSError, with `strerror`, for any other file."""
    refuse_special(path)
    with open(path, "rb") as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        size = f"{most >> 20} MiB" if most >= 1 << 20 else f"{most} bytes"
        raise OSError(errno.EFBIG, f"is larger than {size}", str(path))
    return data


def write_bytes(path: Path, data: bytes) -> bool:
    """Write `data` to `path`, creating its folder; returns False if the file already had this content.

    If a file is left untouched, anything that depends on it stays valid. An OSError names `path`, and leaves it as it
    was.
    """
    if path.exists() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(_temporary(path.name, os.getpid()))
    temporary.unlink(missing_ok=True)
    try:
        with open(temporary, "xb") as stream:
            stream.write(data)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None
        raise
    return True


def _temporary(name: str, process: int | str) -> str:
    # cut, so that a long name stays within the 255 bytes of a file system
    return f".{name.encode()[:200].decode(errors='ignore')}.{process}.tmp"


def stem_of(path: Path) -> str:
    """The name of a file of frames without the suffixes of its format: ``a.1.xyz.gz`` is ``a.1``."""
    return _FORMATS.sub("", path.name)


def check_target(
    path: Path, option: str, *, folder: bool = False, beside: Iterable[Path] = (), inputs: Iterable[Path] = ()
) -> None:
    """Raise InputError or SetupError when no file (or `folder`) can be written at `path`, given with `option`.

    Neither `path` nor the files `beside` that are written or removed with it may be one of the `inputs`: the same file,
    by a link too, or a file in a folder that is read. Comes before any work. What a killed process has left of an
    earlier writing of `path` is removed.
    """
    try:
        kind = "folder" if folder else "file"
        if path.exists() and path.is_dir() != folder:
            raise InputError(f"{option} {path}: is a {'file' if folder else 'folder'}, not a {kind}")
        if not path.exists() and path.is_symlink():
            raise InputError(f"{option} {path}: is a broken symbolic link")
        nearest = path if folder and path.exists() else path.absolute().parent
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        if not nearest.is_dir():
            raise InputError(f"{option} {path}: cannot be written: {nearest} is a file")
        if len(path.name.encode()) > _NAME_BYTES or not (folder or path.name):
            raise InputError(f"{option} {path}: not a usable file name")
        _spare(path, option, folder, tuple(beside), tuple(inputs))
        with TemporaryDirectory(prefix=".naglass-", dir=nearest):
            pass
        remove_stale(path)
    except ValueError as error:
        raise InputError(f"{option} {str(path)!r}: {error}") from error
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR):
            raise InputError(f"{option} {path}: {error.strerror}") from error
        raise of_system(OSError(error.errno, error.strerror, str(path))) from error


def _spare(path: Path, option: str, folder: bool, beside: tuple[Path, ...], inputs: tuple[Path, ...]) -> None:
    """Raise InputError when one of the files to write is a folder, or one of the `inputs`."""
    for target in beside if folder else (path, *beside):
        if target.is_dir():
            raise InputError(f"{option} {path}: {target} is a folder, where a file is to be written")
        if target.exists() and any(_holds(source, target) for source in inputs if source.exists()):
            which = "is itself an input" if target == path else f"would overwrite {target}, which is an input"
            raise InputError(f"{option} {path}: {which}; choose another name")


def _holds(source: Path, target: Path) -> bool:
    """Whether `target` is the file `source`, or lies in the folder `source`."""
    return source.samefile(target.parent if source.is_dir() else target)


def remove_stale(path: Path) -> None:
    """Remove the temporary files of `path` that processes of this machine have left when they were killed."""
    for left in path.parent.glob(_temporary(glob.escape(path.name), "*")):
        process = left.name.split(".")[-2]
        if process.isdigit() and not Path("/proc", process).exists():
            left.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove every temporary file and folder below `folder`: nobody else may be writing there."""
    for place, folders, names in os.walk(folder):
        for name in [name for name in folders if name.startswith(".") and name.endswith(".part")]:
            shutil.rmtree(Path(place, name), ignore_errors=True)
            folders.remove(name)
        for name in names:
            if name.endswith(".part") or (name.startswith(".") and name.endswith(".tmp")):
                Path(place, name).unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> bool:
    """`write_bytes` of `value` as indented JSON (no NaN or infinity: they are not JSON)."""
    return write_bytes(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def read_arrays(path: Path) -> dict[str, Any]:
    """Arrays of an NPZ file; InputError if it is not one. Pickled objects are rejected."""
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not an NPZ file of plain arrays: {error}") from None


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> bool:
    """`write_bytes` of named numpy arrays as a compressed NPZ file."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return write_bytes(path, buffer.getvalue())


def write_zip(path: Path, entries: Mapping[str, bytes | str], *, stored: bool = False) -> bool:
    """`write_bytes` of a zip file, deflated or just `stored`; the same `entries` by name give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries.items():
            # a ZipInfo of its own has the date 1980-01-01 in place of now
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, data, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)
    return write_bytes(path, buffer.getvalue())


def publish(source: Path, target: Path, names: Iterable[str]) -> None:
    """Make `target` hold the files `names` of `source` as they are; one that `source` lacks is removed."""
    for name in names:
        if (source / name).exists():
            write_bytes(target / name, (source / name).read_bytes())
        else:
            (target / name).unlink(missing_ok=True)


def keep_only(folder: Path, names: Iterable[str]) -> None:
    """Remove the files of `folder` that are not among `names`: what an earlier input has asked for."""
    kept = set(names)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in kept and (path.is_symlink() or path.is_file()):
            path.unlink()


def link_files(source: Path, target: Path, names: Iterable[str]) -> None:
    """Link the files `names` of `source` into the folder `target`, which is made; copy where links are impossible."""
    target.mkdir(exist_ok=True)
    for name in names:
        try:
            os.link(source / name, target / name)
        except OSError:
            shutil.copy2(source / name, target / name)
