"""The numbers of a report: a value, its error, its unit and its meaning; tables and JSON share
them.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ..errors import InputError

Leaf = TypeVar("Leaf")
SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Number:
    """One number. `key` is its stable name in report.json, `label` its readable name, `unit` "1" if it has
    none.

    `err` is one standard error, or None if there is no estimate; `note` then says why. No estimate has zero
    error, so an `err` of 0, infinity or NaN counts as None. `interval` is the 95 % confidence interval, if it is known.
    Raises InputError for a value that is not finite.
    """

    key: str
    label: str
    value: float | int
    unit: str
    err: float | None = None
    note: str = ""
    interval: Sequence[float] | None = None

    def __post_init__(self):
        err = self.err
        if err is not None and not (math.isfinite(err) and err > 0):
            object.__setattr__(self, "err", None)
        if not math.isfinite(self.value):
            raise InputError(f"report: {self.key} is {self.value!r}; must be a finite number")
        if not self.unit:
            raise InputError(f"report: {self.key} has no unit")

    def as_json(self) -> dict:
        known = {"key": self.key, "label": self.label, "value": self.value, "err": self.err, "unit": self.unit}
        if self.interval is not None:
            known["interval_95"] = list(self.interval)
        return known | ({"note": self.note} if self.note and self.err is None else {})


@dataclass
class Figure:
    """One figure: SVG bytes, file name without suffix, and caption."""

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
class Fold:
    """Blocks that open with a click on `title`."""

    title: str
    blocks: Sequence


@dataclass
class View:
    """An interactive view: `scenes` (JSON-ready, see `viewer.scene`), with `picture` as fallback without scripts."""

    scenes: Sequence[Mapping]
    picture: Figure


@dataclass
class Section:
    """One section of the report: `blocks` in order (text, Table, Figure, Notice, Fold, View), and its numbers.

    A `folded` section shows only its title until it is opened.
    """

    title: str
    anchor: str
    blocks: list = field(default_factory=list)
    numbers: list[Number] = field(default_factory=list)
    folded: bool = False

    def add(self, *blocks) -> None:
        """Append blocks; numbers in tables also enter the JSON."""
        self.blocks += blocks
        for table in leaves(blocks, Table):
            self.numbers += [cell for row in table.rows for cell in row if isinstance(cell, Number)]


@dataclass
class Notice:
    """A verdict that must not be overlooked: `kind` is "good", "bad" or "note"; `head` comes first, in bold."""

    kind: str
    text: str
    head: str = ""


def leaves(blocks: Iterable, kind: type[Leaf]) -> Iterator[Leaf]:
    """All blocks of one kind, including those in folds and views."""
    for block in blocks:
        if isinstance(block, kind):
            yield block
        elif isinstance(block, Fold):
            yield from leaves(block.blocks, kind)
        elif isinstance(block, View):
            yield from leaves([block.picture], kind)


def side_by_side(names: Sequence[str], rows: Mapping[str, Mapping[str, "str | Number"]], caption: str = "") -> Table:
    """One row per quantity, one column per structure: `rows` maps a quantity to its cell for each name."""
    dash = "\N{EN DASH}"
    return Table(
        ("", *names), [[label, *(cells.get(name, dash) for name in names)] for label, cells in rows.items()], caption
    )


def quantity(value: float, err: float | None) -> str:
    """A value and its error with the same number of decimals: ``2.004 ± 0.013``, ``−5.4 ± 0.7``.

    The error keeps two significant digits if they are 10 to 35, else one (Particle Data Group, Review of Particle
    Physics, section 5.3, doi:10.1103/PhysRevD.110.030001).
    """
    if err is None or err == 0 or not math.isfinite(err):
        return _plain(value)
    if abs(value) >= 1e5 or max(abs(value), err) < 1e-3:
        # 9.9e-4 is 1.0e-3 once it is rounded
        power = math.floor(math.log10(float(f"{max(abs(value), err):.0e}")))
        scaled = quantity(value / 10**power, err / 10**power)
        return f"({scaled}) × 10{_superscript(power)}"
    decimals = max(0, _decimals(err))
    return f"{_minus(f'{value:.{decimals}f}')} ± {err:.{decimals}f}"


def span(low: float, high: float) -> str:
    """Both ends to three digits, with one power of ten: ``1.02 to 3.45``, ``(1.02 to 3.45) × 10⁻⁹``."""
    largest = max(abs(low), abs(high))
    if largest == 0 or 1e-3 <= largest < 1e5:
        return f"{_minus(f'{low:.3g}')} to {_minus(f'{high:.3g}')}"
    power = math.floor(math.log10(largest))
    return f"({_minus(f'{low / 10**power:.3g}')} to {_minus(f'{high / 10**power:.3g}')}) × 10{_superscript(power)}"


def _decimals(err: float) -> int:
    size = math.floor(math.log10(err))
    leading = round(err / 10 ** (size - 2))
    if leading <= 354:
        return 1 - size
    # 95 to 99 becomes 100, of which two digits count
    return -size


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


def no_error(numbers: Mapping) -> str:
    """Why a quantity of a measured structure has no error, if it has none."""
    reasons = {
        "none": "one structure",
        "replicas": f"equal in {numbers['frames']} replicas",
        "autocorrelation": "did not change",
    }
    return reasons[numbers["errors_from"]]
