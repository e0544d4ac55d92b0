"""What a version of CP2K requires in an input or does not support; docs/level-of-theory.md lists what was tested.

Inputs are written for 2023.1. Most differences up to 2026 are in keywords that no input has; only one needs a change.
"""

import re

from ....errors import InputError
from ..tree import Section

_OLDEST = (2023, 1)
# from here on an unconverged SCF ends the run by default: cp2k/cp2k#3148
_ABORTS_UNCONVERGED = (2024, 1)


def number(version: str) -> tuple[int, int]:
    """``2023.1`` → (2023, 1). Raises InputError for anything else, and for versions before 2023.1."""
    found = re.match(r"(\d{4})\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < _OLDEST:
        raise InputError(f"CP2K {version}: only versions from {_OLDEST[0]}.{_OLDEST[1]} on are supported")
    return int(found[1]), int(found[2])


def fit(root: Section, version: str | None) -> None:
    """Change an input written for 2023.1 so that it means the same to `version`; None leaves it as it is."""
    if version is not None and number(version) >= _ABORTS_UNCONVERGED:
        # energy and forces are still printed, and refused as unconverged when they are read
        for scf in root.sections("FORCE_EVAL/DFT/SCF"):
            scf.set("IGNORE_CONVERGENCE_FAILURE", "TRUE")
