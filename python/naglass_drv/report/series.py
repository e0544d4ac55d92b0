"""The page of a series: every quantity of the systems against composition, and the table of all as CSV."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError
from ..products import Quantity, read_quantities
from ..wording import capital, counted
from .figures_series import against
from .flags import flagged, page_of
from .html import page
from .numbers import Cell, Figure, Link, Section, Table, leaves
from .zeros import with_zeros

# quantities that answer what a series is made for: parts of their keys, in the order of the panels
_FIRST = (
    ".density", ".mean_n", ".Q0", ".Q1", ".Q2", ".Q3", "P-O.coordination", "V-O.coordination",
    "Fe-O.coordination", "Na-O.coordination", ".vanadyl", ".NBO", ".BO_", "ion_spacing", ".E_a", "diffusion", "haven",
    "conductivity", "rate", "barrier",
)  # fmt: skip
_MOST_PANELS = 18
_LEFT_OUT = ("run.", "quench.", "dataset.", "model.", "audit.")
_CSV = ("system", "key", "label", "value", "error", "unit", "note")
Conditions = Mapping[str, Mapping[str, Mapping[str, float]]]
"""``asked`` and ``realized`` composition of each system: mol-% and redox ratios by name."""


def quantities(
    reports: Mapping[str, Path], measured: Mapping[str, Mapping[str, Path]], conditions: Conditions
) -> list[Quantity]:
    """The rows of all systems: what the analyses `measured`, and the other numbers of their reports (report.json).

    The files of a system are by the name of the glass, trajectory or set, which the labels of their rows end with.
    The composition of its system is a condition of every row. What only other systems have is zero if this one could
    have it, see `with_zeros`. Raises InputError for a file that is neither.
    """
    known = {}
    for scope, path in reports.items():
        files = measured.get(scope, {})
        analyzed = [row.of(name) for name, file in files.items() for row in read_quantities(file)]
        known[scope] = {row.key: row for row in (*_reported(path), *analyzed)}
    realized = {scope: conditions[scope]["realized"] for scope in known}
    return [
        replace(row, label=row.title, subject="", scope=scope, conditions={**realized[scope], **row.conditions})
        for scope, row in with_zeros(known, realized)
    ]


def _reported(path: Path) -> list[Quantity]:
    """The numbers of a report, in its order."""
    words = ("key", "label", "value", "unit", "err")
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["numbers"]
        return [Quantity(*(entry[word] for word in words), entry.get("note", "")) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a report of naglass ({type(error).__name__}: {error})") from None


def as_csv(rows: Sequence[Quantity], conditions: Conditions) -> bytes:
    """All rows as CSV; the columns after `note` are their conditions with their units, the composition first."""
    composition = {name for each in conditions.values() for name in each["realized"]}
    names = list(dict.fromkeys(name for row in rows for name in row.conditions))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_CSV, *(_column(name) if name in composition else name for name in names)])
    for row in rows:
        error = "" if row.error is None else repr(row.error)
        conditions = [f"{row.conditions[name]:.6g}" if name in row.conditions else "" for name in names]
        writer.writerow([row.scope, row.key, row.label, repr(row.value), error, row.unit, row.note, *conditions])
    return text.getvalue().encode()


def _column(name: str) -> str:
    """The head of a column of the composition: ``Na2O_mol_percent``, ``V4+/V_fraction``."""
    return f"{name}_fraction" if "/" in name else f"{name}_mol_percent"


def build_series(
    title: str,
    rows: Sequence[Quantity],
    conditions: Conditions,
    pages: Mapping[str, str],
    failed: Sequence[str],
    flags: Mapping[str, Sequence[Mapping[str, str]]],
    insight: tuple[str, Sequence[str]] | None = None,
) -> tuple[str, dict[str, Any], dict[str, bytes]]:
    """Page, report.json and figures of a series. `pages` are the file names of the systems' own pages, and `flags` what
    these flag; `insight` is the page of what was learned from all of them, and what it found in words.
    """
    kinds = _by_key(rows)
    axis, others = _varied(conditions)
    shown = list(_chosen(kinds))[:_MOST_PANELS]
    panels = {_title(kinds[key][0]): _lines(kinds[key], conditions, axis, others) for key in shown}
    systems = Section("Systems", "systems", [*flagged(flags, pages), _systems(conditions, pages, failed)])
    trends = Section("Against composition", "trends", [_note(axis, others)])
    if panels and axis:
        svg = against(panels, axis if "/" in axis else f"{axis} (mol-%, as realized)")
        trends.blocks.append(Figure("series", svg, "Quantities of the glasses and trajectories against composition."))
    numbers = Section("All numbers", "numbers", [_table(kinds, list(conditions))], folded=True)
    sections = [systems, trends, *_insight(insight), numbers]
    footer = f"Written by naglass {__version__}. All numbers are also in quantities.csv."
    figures = {figure.name: figure.svg for section in sections for figure in leaves(section.blocks, Figure)}
    lead = [
        f"{counted(len(conditions), 'system')}. Error bars are one standard error; those without have no estimate, "
        "and quantities.csv says why."
    ]
    content = {"title": title, "naglass": __version__, "numbers": [row.as_json() for row in rows]}
    return page(title, lead, sections, footer), content, figures


def _insight(found: tuple[str, Sequence[str]] | None) -> Iterator[Section]:
    if found is not None:
        path, told = found
        rows: list[list[Cell]] = [[f"{capital(text).rstrip('.')}."] for text in told]
        rows.append([Link("evidence, limits and a referee's questions", path)])
        yield Section("Insight", "insight", [Table(["what was learned from all systems"], rows)])


def _varied(conditions: Conditions) -> tuple[str, list[str]]:
    """The component with most values, and those that vary besides it; an empty name if nothing varies."""
    asked = [each["asked"] for each in conditions.values()]
    names = list(dict.fromkeys(name for each in asked for name in each))
    values = {name: {round(each.get(name, 0.0), 4) for each in asked} for name in names}
    varied = sorted((name for name in names if len(values[name]) > 1), key=lambda name: -len(values[name]))
    if not varied:
        return "", []
    first = varied[0]

    def follows(name: str) -> bool:
        pairs = {(round(each.get(first, 0.0), 4), round(each.get(name, 0.0), 4)) for each in asked}
        return len(pairs) == len(values[first])

    return first, [name for name in varied[1:] if not follows(name)]


def _by_key(rows: Sequence[Quantity]) -> dict[str, list[Quantity]]:
    """The rows of each quantity."""
    found: dict[str, list[Quantity]] = {}
    for row in rows:
        if not row.key.startswith(_LEFT_OUT):
            found.setdefault(row.key, []).append(row)
    return found


def _chosen(kinds: Mapping[str, Sequence[Quantity]]) -> Iterator[str]:
    """The keys of the quantities that are shown as panels: of these, at least two systems have each."""
    for part in _FIRST:
        # the first section of a page repeats numbers of the others, except the density
        yield from (
            key
            for key, rows in kinds.items()
            if part in key and (part == ".density") == key.startswith("glance.") and len(rows) > 1
        )


def _title(row: Quantity) -> str:
    return row.label if row.unit == "1" else f"{row.label} ({row.unit})"


def _note(axis: str, others: Sequence[str]) -> str:
    if not axis:
        return "The systems have the same composition."
    along = f"; one line for each {' and '.join(others)}" if others else ""
    return f"Against {axis}{along}. A system that lacks a quantity is left out; a share that it could have is 0."


def _lines(
    rows: Sequence[Quantity], conditions: Conditions, axis: str, others: Sequence[str]
) -> dict[str, list[tuple[float, float, float | None]]]:
    groups: dict[str, list[tuple[float, float, float | None]]] = {}
    for row in rows:
        asked = conditions[row.scope]["asked"]
        label = ", ".join(f"{name} = {asked.get(name, 0.0):.3g}" for name in others)
        groups.setdefault(label, []).append((row.conditions.get(axis, 0.0), float(row.value), row.error))
    return {name: sorted(points, key=lambda point: point[0]) for name, points in groups.items()}


def _systems(conditions: Conditions, pages: Mapping[str, str], failed: Sequence[str]) -> Table:
    names = list(dict.fromkeys(name for each in conditions.values() for name in each["realized"]))
    rows: list[list[Cell]] = []
    for scope, each in conditions.items():
        shares = [f"{each['realized'][name]:.4g}" if name in each["realized"] else "–" for name in names]
        rows.append([scope, *shares, page_of(scope, pages)])
    rows += [[scope, *("–" for _ in names), "failed"] for scope in failed]
    heads = [name if "/" in name else f"{name} (mol-%)" for name in names]
    return Table(["system", *heads, "page"], rows, "Composition as realized in the cell.")


def _table(kinds: Mapping[str, Sequence[Quantity]], scopes: Sequence[str]) -> Table:
    rows: list[list[Cell]] = []
    for some in kinds.values():
        by_scope = {row.scope: row for row in some}
        cells: list[Cell] = [some[0].label]
        for scope in scopes:
            row = by_scope.get(scope)
            cells.append("–" if row is None else replace(row, note="", interval=None))
        rows.append(cells)
    caption = "0: looked for and not found. –: not measured, or without the elements that it takes."
    return Table(["quantity", *scopes], rows, caption)
