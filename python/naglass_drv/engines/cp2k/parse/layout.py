"""What each family of CP2K versions prints and where, and how Fortran writes numbers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

NUMBER = r"[-+]?\d+\.\d*(?:[ED][-+]?\d+)?"

ENERGY = r"^ ENERGY\| Total FORCE_EVAL \( QS \) energy \[(?:a\.u\.\]:|hartree\])\s+(\S+)\s*$"
# first in GPa, in bar by 2025.1, later in the unit STRESS_UNIT
STRESS = r"STRESS\| Analytical stress tensor \[(\S+)\]"
STRESS_UNITS_GPA = {"GPa": 1.0, "kbar": 0.1, "bar": 1e-4, "MPa": 1e-3, "Pa": 1e-9, "atm": 1.01325e-4}


class OutputError(Exception):
    """The file is not an output of CP2K, or cannot be trusted; the message says why."""


class NotANumber(OutputError):
    """NaN, infinity, or the stars of a number that is too large for its field."""


@dataclass(frozen=True)
class Layout:
    """Regular expressions and headings of one family of versions; that of the forces has their unit.

    In the rows of the forces, counted without their prefix, `force_column` is where x is and `element_column`
    where the element is, None if the rows have no element. Outputs of 2023.1 and 2025.1 were tested; the versions
    between and after them are assumed to print like one of the two.
    """

    forces: str
    force_row_prefix: str
    force_columns: int
    force_column: int
    element_column: int | None
    force_sum: str
    mulliken: tuple[str, ...]
    hirshfeld: str


_CLASSIC = Layout(
    forces=r"ATOMIC FORCES in \[(a\.u\.)\]",
    force_row_prefix="",
    force_columns=6,
    force_column=3,
    element_column=2,
    force_sum=r"^ SUM OF ATOMIC FORCES\s+(.*)$",
    mulliken=("Mulliken Population Analysis", "MULLIKEN POPULATION ANALYSIS"),
    hirshfeld="Hirshfeld Charges",
)
_LATE = Layout(
    forces=r"FORCES\| Atomic forces \[(\S+)\]",
    force_row_prefix="FORCES|",
    force_columns=5,
    force_column=1,
    element_column=None,
    force_sum=r"^ FORCES\| Sum\s+(.*)$",
    mulliken=_CLASSIC.mulliken,
    hirshfeld=_CLASSIC.hirshfeld,
)
_FIRST = (2022, 1)
_LAST_SEEN = (2023, 2)
_LAST = (2026, 9)


def layout_of(version: str, text: str) -> Layout:
    """The layout of `version` ("2023.1"); OutputError for one outside 2022.1 to 2026.x.

    The force table changed between 2024.1 and 2025.1, so that the text decides which of the two it has.
    """
    found = re.match(r"(\d{4})\.(\d+)", version)
    key = (int(found[1]), int(found[2])) if found else (0, 0)
    if not _FIRST <= key <= _LAST:
        raise OutputError(f"CP2K {version}: not supported; supported are {_name(_FIRST)} to {_LAST[0]}")
    late = key > _LAST_SEEN and (key[0] > 2024 or re.search(rf"^ {_LATE.forces}", text, re.MULTILINE) is not None)
    return _LATE if late else _CLASSIC


def _name(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def only(pattern: str, text: str) -> str | None:
    """The group of the only match of `pattern`; None without one. Several contradict one calculation."""
    found = re.findall(pattern, text, re.MULTILINE)
    if len(found) > 1:
        raise OutputError(f"{len(found)} lines like {str(found[0])[:40]!r} instead of one")
    return found[0] if found else None


def number(text: str) -> float:
    """A finite number of Fortran; NotANumber for overflow stars, NaN and infinity, OutputError for anything else."""
    if not re.fullmatch(rf"{NUMBER}|[-+]?\d+", text):
        kind = NotANumber if re.fullmatch(r"[-+]?(nan|inf|infinity)|\*+", text, re.IGNORECASE) else OutputError
        raise kind(f"{text[:30]!r} is not a number")
    return float(text.replace("D", "E"))


def numbers(words: Sequence[str]) -> list[float]:
    """As `number`, for each word."""
    return [number(word) for word in words]
