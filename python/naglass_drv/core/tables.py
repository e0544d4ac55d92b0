"""Reader for the text tables written by the LAMMPS styles."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from .arguments import read_text


def read_table(path: str | Path) -> np.ndarray:
    """A table of named columns as a structured array (rows,): ``read_table("msd.out")["msd_Na"]``.

    Reads what `fix naglass/hops`, `fix naglass/correlate` (its `.van_hove` too) and a committee of `pair_style mace`
    (model_devi.out) write. The names stand in the first comment line, as ``numpy.genfromtxt(path, names=True)`` reads
    them. InputError for a file without names, or with the number of a line that does not fit.
    """
    names: list[str] = []
    rows = []
    for place, line in enumerate(read_text(path).splitlines(), start=1):
        words = line.lstrip("#").split()
        if line.startswith("#"):
            names = names or words
        elif words:
            rows.append(_row(f"path = {str(path)!r}: line {place}", words, names))
    if not names or len(set(names)) < len(names):
        raise InputError(f"path = {str(path)!r}: the first line does not name the columns")
    return np.array(rows, dtype=[(name, float) for name in names])


def _row(where: str, words: list[str], names: list[str]) -> tuple[float, ...]:
    if len(words) != len(names):
        raise InputError(f"{where} has {len(words)} columns; the first line names {len(names)}")
    try:
        return tuple(float(word) for word in words)
    except ValueError:
        raise InputError(f"{where} contains something other than numbers: {' '.join(words)[:60]!r}") from None
