"""Tables as users have them, CSV, Parquet or Excel, each as a frame of text."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, SetupError
from ..files import refuse_special

if TYPE_CHECKING:
    import pandas as pd

# what reads the suffix, and the package that pandas needs for it
_SUFFIXES = {
    ".csv": ("csv", ""), ".tsv": ("csv", ""), ".txt": ("csv", ""), ".gz": ("csv", ""), ".zip": ("csv", ""),
    ".parquet": ("parquet", "pyarrow"), ".xlsx": ("excel", "openpyxl"),
}  # fmt: skip
_MOST_BYTES = 2 << 30
_SEPARATORS = (",", ";", "\t")


def read_frame(path: Path) -> "pd.DataFrame":
    """All cells as text, and a column ``row`` with their line (1-based, the head is 1) in the file.

    Raises InputError for another kind of file or a damaged one, and SetupError where the package that reads it is
    missing.
    """
    import pandas as pd

    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(f"{path}: not a table; known are {', '.join(_SUFFIXES)}, and run folders")
    if not path.is_file():
        refuse_special(path)
        raise InputError(f"{path}: no such file")
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(f"{path}: larger than {_MOST_BYTES >> 30} GiB")
    kind, package = _SUFFIXES[suffix]
    try:
        if kind == "csv":
            frame = _read_csv(path)
        elif kind == "parquet":
            frame = pd.read_parquet(path, engine="pyarrow")
        else:
            frame = pd.read_excel(path, dtype=str, keep_default_na=False, engine="openpyxl")
    except ImportError:
        raise SetupError(f"{path}: reading {suffix} takes the package {package}: pip install {package}") from None
    except InputError:
        raise
    except Exception as error:  # each reader has its own kinds
        raise InputError(f"{path}: cannot be read as {kind}: {_first_line(error)}") from None
    if frame.empty:
        raise InputError(f"{path}: no rows")
    frame.columns = [str(head).strip() for head in frame.columns]
    repeated = [head for head, twice in zip(frame.columns, frame.columns.duplicated(), strict=True) if twice]
    if repeated:
        raise InputError(f"{path}: column {repeated[0]!r} stands twice")
    frame = frame.astype(object).where(frame.notna(), "")
    return frame.assign(row=range(2, len(frame) + 2), file=str(path))


def _read_csv(path: Path) -> "pd.DataFrame":
    import pandas as pd

    options: dict[str, Any] = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
    # the head tells the separator: commas also stand in cells
    widths = {mark: len(pd.read_csv(path, nrows=0, sep=mark, **options).columns) for mark in _SEPARATORS}
    return pd.read_csv(path, sep=max(widths, key=widths.__getitem__), **options)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
