"""What a report is made of: sections, tables, figures, notices; and how a number is written."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from ..chemistry.notation import SUPERSCRIPT
from ..products import Quantity
from ..wording import digits

Leaf = TypeVar("Leaf")
Cell: TypeAlias = "str | Quantity | Link"


def entry(number: Quantity) -> dict[str, Any]:
    """A number as it stands in report.json; a note tells why it has no error."""
    known = {"key": number.key, "label": number.title, "value": number.value, "err": number.error, "unit": number.unit}
    if number.interval is not None:
        known["interval_95"] = list(number.interval)
    return known | ({"note": number.note} if number.note else {})


@dataclass
class Figure:
    """One figure: SVG bytes, file name without suffix, and caption."""

    name: str
    svg: bytes
    caption: str


@dataclass
class Link:
    """A cell that leads to another file, `target` relative to the page."""

    text: str
    target: str


@dataclass
class Table:
    """Rows of cells; a cell is text, a Quantity or a Link."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
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
    numbers: list[Quantity] = field(default_factory=list)
    folded: bool = False

    def add(self, *blocks) -> None:
        """Append blocks; numbers in tables also enter the JSON."""
        self.blocks += blocks
        for table in leaves(blocks, Table):
            self.numbers += [cell for row in table.rows for cell in row if isinstance(cell, Quantity)]


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


def side_by_side(names: Sequence[str], rows: Mapping[str, Mapping[str, "str | Quantity"]], caption: str = "") -> Table:
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
        return f"{_minus(digits(low, 3))} to {_minus(digits(high, 3))}"
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
    return _minus(digits(value, 4))


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def _superscript(power: int) -> str:
    return str(power).translate(SUPERSCRIPT)
