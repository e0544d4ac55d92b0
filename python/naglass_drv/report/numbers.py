"""What a report is made of: sections, tables, figures, notices; and how a number is written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from ..products import Quantity

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
