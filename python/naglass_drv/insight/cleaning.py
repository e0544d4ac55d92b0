"""Rows of a table that are not used, and what is told of those that are."""

from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..wording import counted, with_error
from .table import SAME_K, Table
from .units import unit_text, with_unit


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


def refuse_one_group(
    groups: np.ndarray, target: np.ndarray, unit: str, bounds: np.ndarray, temperature: np.ndarray
) -> None:
    """Raise InputError if all rows are of one group; (N,) `bounds` and `temperature` (K) as in a `Table`."""
    if len(set(groups)) < 2:
        raise InputError(
            f"all rows are of one group ({groups[0]}): nothing can be left out to check what is learned. Still "
            f"possible: {_mean_text(target, unit, bounds, temperature)}"
        )


def _mean_text(target: np.ndarray, unit: str, bounds: np.ndarray, temperature: np.ndarray) -> str:
    """What is known of one glass: the mean of its rows with their scatter, its temperature, and what is no more than a
    bound.
    """
    found = np.isfinite(target)
    values, kelvin = target[found & (bounds == 0)], temperature[found & np.isfinite(temperature)]
    at = ""
    if kelvin.size:
        ends = f"{kelvin.min():.4g}" if np.ptp(kelvin) <= SAME_K else f"{kelvin.min():.4g} to {kelvin.max():.4g}"
        at = f" at {ends} K"
    limits = int((found & (bounds != 0)).sum())
    if not values.size:
        return f"nothing beyond {counted(limits, 'bound')}{at}, as {with_unit(target[found][0], unit)}"
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    told = f"its mean, {with_error(float(values.mean()), error)} {unit_text(unit)}".rstrip() + at
    told += f" (standard error of {counted(len(values), 'row')})" if error else " (one row, error not known)"
    return told + (f"; {counted(limits, 'bound')} beside it" if limits else "")


def _several_groups(table: Table) -> Table:
    refuse_one_group(table.groups, table.target, table.unit, table.censored, table.temperature)
    if np.ptp(table.target) == 0:
        raise InputError(f"target: {table.name} is {with_unit(table.target[0], table.unit)} in every row")
    return table


def between_glasses(table: Table) -> Table:
    """Without features that differ between replicas alone: their means tell no glass from another. Raises InputError if
    no feature is left.
    """
    means = np.array([table.features[table.groups == name].mean(axis=0) for name in table.names])
    told = np.ptp(means, axis=0) > 1e-9 * np.maximum(abs(means).max(axis=0), 1e-300)
    if told.all():
        return table
    if not told.any():
        raise InputError("no feature is left: none differs between glasses")
    kept = [name for name, differs in zip(table.columns, told, strict=True) if differs]
    blocks = {block: tuple(c for c in columns if c in kept) for block, columns in table.blocks.items()}
    note = f"{', '.join(c for c in table.columns if c not in kept)}: equal in all glasses, left out"
    return replace(
        table,
        columns=tuple(kept),
        units=tuple(unit for unit, differs in zip(table.units, told, strict=True) if differs),
        features=table.features[:, told],
        blocks={block: columns for block, columns in blocks.items() if columns},
        notes=(*table.notes, note),
    )


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
