"""The metals or formers beside a growing crystal, one row each: whether they joined it, and what was around before."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..products import Quantity
from .runs import Measured, names_of

#: The target: 1 for an atom that joined the crystal within the trajectory, else 0.
TARGET = "crystal.joined"
# what pint does not know
_UNITS = {"v.u.": "1", "°": "deg"}
_NO_FEATURES = ("joined", "time")


def rows(measured: Sequence[Measured]) -> Iterator[dict[str, Any]]:
    """The atoms that were not crystalline at first (`analysis.joining`), with their surroundings in the first frame.

    Raises InputError for a file that holds no numbers of an analysis.
    """
    for one, subject, found in _joinings(measured):
        named = names_of(one, subject)
        atoms: dict[str, dict[str, str]] = {}
        for row in (Quantity(**each) for each in found.get("rows", ())):
            key = row.key.removeprefix(f"joining.{subject}.")
            own = atoms.setdefault(row.subject, {})
            if key == "joined":
                own[f"{TARGET} (1)"] = str(row.value)
            elif key not in _NO_FEATURES:
                own[head(key, row.unit)] = repr(float(row.value))
        for values in atoms.values():
            yield named | values


def lacking(measured: Sequence[Measured]) -> Iterator[str]:
    """Why there are no rows, by trajectory."""
    reasons = [f"{subject}: {found['reason']}" for _, subject, found in _joinings(measured) if "reason" in found]
    yield from reasons or ["no trajectory of a crystal against a glass was analyzed (md.structures: interface)"]


def head(key: str, unit: str) -> str:
    """The head of a column of `analysis.joining.surroundings`."""
    return f"{key} ({_UNITS.get(unit, unit)})"


def _joinings(measured: Sequence[Measured]) -> Iterator[tuple[Measured, str, dict[str, Any]]]:
    for one in measured:
        for subject, path in one.files["numbers"].items():
            found = (numbers_of(path).get("interface") or {}).get("joining")
            if found:
                yield one, subject, found


def numbers_of(path: Path) -> dict[str, Any]:
    """The numbers of an analysis. Raises InputError for another file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not the numbers of an analysis ({type(error).__name__})") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: not the numbers of an analysis")
    return found
