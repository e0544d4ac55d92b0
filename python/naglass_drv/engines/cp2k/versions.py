"""What differs between CP2K 2023.1 and later versions in the inputs that naglass writes.

Inputs are written for 2023.1, and what another version needs on top, or does not know, is set here. Only 2023.1 was
run; 2024.1 was checked against its input schema, later ones were looked up (see docs/stages/reference.md).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from ...errors import InputError
from .tree import Section

_OLDEST = (2023, 1)


@dataclass(frozen=True)
class Difference:
    """From version `since` on `change(root)` keeps the input's meaning; `source` is where that is known from."""

    since: tuple[int, int]
    change: Callable[[Section], None]
    source: str


def _go_on_unconverged(root: Section) -> None:
    # an unconverged density is printed and then refused by its label's check, instead of ending the run
    for scf in root.sections("FORCE_EVAL/DFT/SCF"):
        scf.set("IGNORE_CONVERGENCE_FAILURE", "TRUE")


def _drop_cell_opt_type(root: Section) -> None:
    for optimiser in root.sections("MOTION/CELL_OPT"):
        optimiser.remove("TYPE")


DIFFERENCES = (
    Difference((2024, 1), _go_on_unconverged, "input schema of 2024.1; cp2k/cp2k#3148, #3176"),
    Difference((2026, 2), _drop_cell_opt_type, "cp2k/cp2k#5257"),
)


def number(version: str) -> tuple[int, int]:
    """``2023.1`` → (2023, 1). Raises InputError for anything else, and for versions before 2023.1."""
    found = re.match(r"(\d{4})\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < _OLDEST:
        raise InputError(f"CP2K {version}: versions from {_OLDEST[0]}.{_OLDEST[1]} on are known")
    return int(found[1]), int(found[2])


def fit(root: Section, version: str | None) -> None:
    """Change an input written for 2023.1 to what `version` understands; None leaves it as it is."""
    if version is None:
        return
    for difference in DIFFERENCES:
        if number(version) >= difference.since:
            difference.change(root)
