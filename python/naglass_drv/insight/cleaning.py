"""Rows of a table that are not used, and what is told of those that are."""

from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..wording import counted
from .table import Table
from .units import with_unit


def complete(table: Table) -> Table:
    """Without the rows that lack the target or a feature. Raises InputError if fewer than two groups are left."""
    for what, lacking in (
        (table.name, ~np.isfinite(table.target)),
        ("a feature", ~np.isfinite(table.features).all(axis=1)),
    ):
        if lacking.all():
            raise InputError(f"{table.name}: no row has a value of {what}")
        if lacking.any():
            table = table.only(~lacking, f"{counted(int(lacking.sum()), 'row')} without {what} left out")
            return complete(table)
    return _several_groups(table)


def refuse_one_group(groups: np.ndarray, target: np.ndarray, unit: str) -> None:
    """Raise InputError if all rows are of one group."""
    if len(set(groups)) < 2:
        raise InputError(
            f"all rows are of one group ({groups[0]}): nothing can be left out to check what is learned. Still "
            f"possible: its mean, {with_unit(np.nanmean(target), unit)}, and the scatter of its replicas"
        )


def _several_groups(table: Table) -> Table:
    refuse_one_group(table.groups, table.target, table.unit)
    if np.ptp(table.target) == 0:
        raise InputError(f"target: {table.name} is {with_unit(table.target[0], table.unit)} in every row")
    return table


def without_duplicates(table: Table) -> Table:
    """Without rows that repeat another: the same glass at the same temperature with the same value."""
    seen: dict[tuple, int] = {}
    kept = np.ones(len(table), bool)
    for row in range(len(table)):
        features = tuple(f"{value:.5g}" for value in table.features[row])
        kelvin = -1.0 if np.isnan(table.temperature[row]) else round(float(table.temperature[row]), 1)
        key = (table.groups[row], kelvin, f"{table.target[row]:.5g}", int(table.censored[row]), features)
        first = seen.setdefault(key, row)
        kept[row] = first == row
    if kept.all():
        return table
    note = f"{counted(int((~kept).sum()), 'row')} repeated another (same glass, conditions and value) and were left out"
    return table.only(kept, note)


def between_sources(table: Table) -> Table:
    """With a note of how far sources differ that measured the same glass."""
    spreads = []
    for name in table.names:
        rows = table.groups == name
        means = [table.target[rows & (table.sources == s)].mean() for s in set(table.sources[rows]) - {""}]
        if len(means) > 1 and not table.several_temperatures:
            spreads.append(np.ptp(means) / max(abs(np.mean(means)), 1e-300))
    if not spreads:
        return table
    told = (
        f"{counted(len(spreads), 'composition')} in several sources, which differ by {np.median(spreads):.0%} (median)"
    )
    return replace(table, notes=(*table.notes, told))
