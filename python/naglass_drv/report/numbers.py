"""The numbers of a report: one value, its error, its unit and what it means; the table and the JSON share
them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import InputError

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Number:
    """One number. `key` is its stable name in report.json, `label` its name for people, `unit` "1" if it has
    none.

    `err` is one standard error, or None where none can be given. Raises InputError for a value that is not
    finite.
    """

    key: str
    label: str
    value: float | int
    unit: str
    err: float | None = None

    def __post_init__(self):
        err = self.err
        if err is not None and not math.isfinite(err):
            object.__setattr__(self, "err", None)
        if not math.isfinite(self.value):
            raise InputError(f"report: {self.key} is {self.value!r}; a finite number is needed")
        if not self.unit:
            raise InputError(f"report: {self.key} has no unit")

    def as_json(self) -> dict:
        return {"key": self.key, "label": self.label, "value": self.value, "err": self.err, "unit": self.unit}


@dataclass
class Figure:
    """One picture: SVG bytes, file name without suffix, and what is seen on it."""

    name: str
    svg: bytes
    caption: str


@dataclass
class Table:
    """Rows of cells; a cell is text or a Number."""

    head: Sequence[str]
    rows: Sequence[Sequence["str | Number"]]
    caption: str = ""


@dataclass
class Section:
    """One section of the report: `blocks` in order (text, Table, Figure, Notice), and its numbers."""

    title: str
    anchor: str
    blocks: list = field(default_factory=list)
    numbers: list[Number] = field(default_factory=list)

    def add(self, *blocks) -> None:
        """Append blocks; numbers in tables enter the JSON as well."""
        for block in blocks:
            self.blocks.append(block)
            if isinstance(block, Table):
                self.numbers += [cell for row in block.rows for cell in row if isinstance(cell, Number)]


@dataclass
class Notice:
    """A verdict that must not be overlooked: `kind` is "good", "bad" or "note"."""

    kind: str
    text: str


def side_by_side(names: Sequence[str], rows: Mapping[str, Mapping[str, "str | Number"]], caption: str = "") -> Table:
    """One row per quantity, one column per structure: `rows` maps a quantity to its cell for each name."""
    dash = "\N{EN DASH}"
    return Table(
        ("", *names), [[label, *(cells.get(name, dash) for name in names)] for label, cells in rows.items()], caption
    )


def quantity(value: float, err: float | None) -> str:
    """A value with its error in the same decimals, the error to two significant digits: ``2.004 ± 0.013``."""
    if err is None or err == 0 or not math.isfinite(err):
        return _plain(value)
    size = math.floor(math.log10(err))
    if abs(value) >= 1e5 or max(abs(value), err) < 1e-3:
        power = math.floor(math.log10(max(abs(value), err)))
        scaled = quantity(value / 10**power, err / 10**power)
        return f"({scaled}) × 10{_superscript(power)}"
    decimals = max(0, 1 - size)
    return f"{_minus(f'{value:.{decimals}f}')} ± {err:.{decimals}f}"


def _plain(value: float) -> str:
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e6):
        return _minus(str(int(value)))
    if abs(value) >= 1e5 or abs(value) < 1e-3:
        power = math.floor(math.log10(abs(value)))
        return f"{_minus(f'{value / 10**power:.3g}')} × 10{_superscript(power)}"
    return _minus(f"{value:.4g}")


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def _superscript(power: int) -> str:
    return str(power).translate(SUPERSCRIPT)
