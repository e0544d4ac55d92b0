"""Tables as users have them, CSV, Parquet or Excel, each as a frame of text."""

import csv
import gzip
import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, SetupError
from ..files import read_bounded

if TYPE_CHECKING:
    import pandas as pd

#: Columns of every frame beside those of its file, under names that are no head's: where each row stands.
LINE, FILE = "line of the file", "path of the file"
# what reads the suffix, and the package that pandas needs for it
_SUFFIXES = {
    ".csv": ("csv", ""), ".tsv": ("csv", ""), ".txt": ("csv", ""), ".gz": ("csv", ""), ".zip": ("csv", ""),
    ".parquet": ("parquet", "pyarrow"), ".xlsx": ("excel", "openpyxl"),
}  # fmt: skip
_MOST_BYTES = 2 << 30
_SEPARATORS = (",", ";", "\t")


def read_frame(path: Path) -> "pd.DataFrame":
    """All cells as text, with the columns LINE (1-based, of a Parquet file as if its head were line 1) and FILE.

    Raises InputError for another kind of file or a damaged one, and for rows with more cells than the head; SetupError
    where the package that reads it is missing.
    """
    suffix = path.suffix.lower()
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if suffix not in _SUFFIXES:
        raise InputError(f"{path}: not a table; known are {', '.join(_SUFFIXES)}, and run folders")
    kind, package = _SUFFIXES[suffix]
    try:
        frame, lines = _read(path, kind, read_bounded(path, _MOST_BYTES))
    except ImportError:
        raise SetupError(f"{path}: reading {suffix} takes the package {package}: pip install {package}") from None
    except InputError:
        raise
    except Exception as error:  # each reader has its own kinds
        told = getattr(error, "strerror", None) or f"cannot be read as {kind}: {_first_line(error)}"
        raise InputError(f"{path}: {told}") from None
    if frame.empty:
        raise InputError(f"{path}: no rows")
    heads = [LINE, FILE, *frame.columns]
    if repeated := [head for k, head in enumerate(heads) if head in heads[:k]]:
        raise InputError(f"{path}: column {repeated[0]!r} stands twice")
    return frame.assign(**{LINE: lines, FILE: str(path)})


def _read(path: Path, kind: str, raw: bytes) -> tuple["pd.DataFrame", Sequence[int]]:
    """The frame, and the line of each of its rows."""
    import pandas as pd

    if kind == "csv":
        return _framed(path, _records(path, raw))
    if kind == "parquet":
        frame = pd.read_parquet(io.BytesIO(raw), engine="pyarrow")
        frame.columns = [str(head).strip() for head in frame.columns]
        return frame.astype(object).where(frame.notna(), ""), range(2, len(frame) + 2)
    cells = pd.read_excel(io.BytesIO(raw), header=None, dtype=str, keep_default_na=False, engine="openpyxl").fillna("")
    return _framed(path, enumerate(cells.to_numpy(object).tolist(), 1))


def _records(path: Path, raw: bytes) -> list[tuple[int, list[str]]]:
    """The records of a CSV file, each with the line that it begins in."""
    raw = _unpacked(path, raw)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: not UTF-8 text (byte 0x{raw[error.start]:02x}); save it as UTF-8") from None
    # the head tells the separator: commas also stand in cells
    first = next((line for line in text.splitlines() if line.strip()), "")
    widths = {mark: len(next(csv.reader([first], delimiter=mark), [])) for mark in _SEPARATORS}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(widths, key=widths.__getitem__))
    records, begins = [], 1
    for cells in reader:
        records.append((begins, cells))
        begins = reader.line_num + 1
    return records


def _unpacked(path: Path, raw: bytes) -> bytes:
    suffix = path.suffix.lower()
    if suffix not in (".gz", ".zip"):
        return raw
    if suffix == ".gz":
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
            content = stream.read(_MOST_BYTES + 1)
    else:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if len(names := archive.namelist()) != 1:
                raise InputError(f"{path}: holds {len(names)} files; a table is one")
            with archive.open(names[0]) as stream:
                content = stream.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise InputError(f"{path}: larger than {_MOST_BYTES >> 30} GiB when it is unpacked")
    return content


def _framed(path: Path, records: Iterable[tuple[int, Sequence[str]]]) -> tuple["pd.DataFrame", Sequence[int]]:
    """A head and its rows; blank lines and columns without head and cells are none."""
    import pandas as pd

    told = [(line, cells) for line, cells in records if any(str(cell).strip() for cell in cells)]
    if not told:
        raise InputError(f"{path}: cannot be read as a table: it is empty")
    (top, first), *rows = told
    heads = [str(head).strip() for head in first]
    width = len(heads)
    for line, cells in rows:
        # an empty cell at the end is a separator at the end of the line
        if beyond := [cell for cell in cells[width:] if cell.strip()]:
            raise InputError(
                f"{path}:{line}: {len(cells)} cells, but the head in line {top} has {width}; {beyond[0]!r} is beyond "
                "the last one. Texts with the separator stand in quotes, decimals take a point"
            )
    body = [[*cells[:width], *[""] * (width - len(cells))] for _, cells in rows]
    for column in (k for k, head in enumerate(heads) if not head):
        filled = next((k for k, cells in enumerate(body) if cells[column].strip()), None)
        if filled is not None:
            raise InputError(
                f"{path}:{top}: column {column + 1} has no name, but line {rows[filled][0]} has "
                f"{body[filled][column]!r} in it"
            )
    named = [k for k, head in enumerate(heads) if head]
    frame = pd.DataFrame([[cells[k] for k in named] for cells in body], columns=[heads[k] for k in named], dtype=object)
    return frame, [line for line, _ in rows]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
