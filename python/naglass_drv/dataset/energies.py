"""Tables of isolated-atom energies: JSON objects with the full name of their ``level`` and ``E0_eV`` by element.

A run writes them as ``E0.json`` of its labels, and as a part of the summary of its dataset.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..chemistry.ions import SYMBOLS
from ..errors import InputError
from ..files import read_bounded

_MAX_BYTES = 64 << 20  # the summary of a large dataset lists its groups


@dataclass(frozen=True)
class Table:
    """Isolated-atom energies (eV) by element at `level`, its name with the hash of its settings.

    `origin` is what the summary of a dataset says of where they come from; empty elsewhere.
    """

    level: str
    e0_eV: Mapping[str, float]
    origin: Mapping[str, Any]


def is_table(path: Path) -> bool:
    """Whether a file is such a table, rather than frames or an index of shards."""
    return path.suffix == ".json" and "E0_eV" in _content(path)


def read_table(path: Path) -> Table:
    """The table in a file. Raises InputError for any other file, and for energies that are not finite numbers."""
    content = _content(path)
    level, energies = content.get("level"), content.get("E0_eV")
    if not isinstance(level, str) or not isinstance(energies, dict):
        raise InputError(f"{path}: not a table of isolated-atom energies; it needs the keys level and E0_eV")
    for element, energy in energies.items():
        if element not in SYMBOLS:
            raise InputError(f"{path}: E0_eV has {element!r}, which is no element")
        if isinstance(energy, bool) or not isinstance(energy, int | float) or not math.isfinite(energy):
            raise InputError(f"{path}: E0_eV of {element} must be a finite number, not {energy!r}")
    origin = content.get("E0")
    return Table(level, energies, origin if isinstance(origin, dict) else {})


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_bounded(path, _MAX_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {getattr(error, 'strerror', None) or error}") from error
    return content if isinstance(content, dict) else {}
