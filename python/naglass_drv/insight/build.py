"""From frames of text to a table: units converted, compositions normalized, duplicates and bad cells found."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..chemistry.masses import MASSES
from ..errors import InputError
from ..wording import counted
from . import blocks as naming
from .cleaning import between_glasses, between_sources, complete, refuse_one_group, without_duplicates
from .columns import Columns
from .composition import atoms_of, composition_name, coordinates, normalized, same_compositions
from .mapping import Map
from .roles import carrier_of, errors_of, kelvin_of, with_known_columns
from .sources import FILE, LINE
from .table import Table, is_binary
from .units import SHARES, Value, measures

if TYPE_CHECKING:
    import pandas as pd

# of a feature's rows; with more missing it is left out, with less the rows are
_MOST_MISSING = 0.2
_COMPOSITION_WORD = "composition"
# by which analyses of one glass may differ in a share (mol-%); rows that differ by more are of several glasses
_SAME_GLASS = 1.0


def build_table(
    frames: Sequence["pd.DataFrame"], given: Map, carrier: str = "", *, more_than_composition: bool = False
) -> Table:
    """The table of a target, its features and groups. Raises InputError for what cannot be used, with what still can.

    Without a column of groups, rows of one composition are a group. Groups that tell `more_than_composition`, such as
    oxidation states, may have the same one; others are refused.
    """
    columns = Columns(frames, given)
    notes: list[str] = []
    if given.target is None:
        raise InputError("no target: name the column of the property with --target")
    target, unit = target_of(columns, given)
    carrier, given = carrier_of(columns, given, unit, carrier)
    given = with_known_columns(columns, given)
    shares, components = composition_of(columns, given, notes)
    groups = _groups(columns, given, shares, () if more_than_composition else components, notes)
    values = np.array([np.nan if value is None else value.value for value in target])
    bounds = np.array([0 if value is None else value.bound for value in target])
    temperature = kelvin_of(columns, given.temperature)
    if np.isfinite(values).any():
        refuse_one_group(groups, values, unit, bounds, temperature)
    names, features = _features(columns, given, shares, components, notes)
    share = "at%" if any(name in MASSES for name in components) else "mol%"
    part = coordinates(shares, components, given.log_ratios)[1] if components else []
    table = Table(
        name=given.target,
        unit=unit,
        target=values,
        error=errors_of(columns, given, target, unit),
        censored=bounds,
        features=features,
        columns=tuple(names),
        # shares were converted, whatever the head says
        units=tuple(share if name in components else columns.units.get(name, "1") for name in names),
        blocks={b: tuple(c) for b, c in naming.assigned(names, given.blocks, part).items()},
        groups=groups,
        families=columns.text(given.family, "family"),
        sources=columns.text(given.source, "source"),
        temperature=temperature,
        shares=shares,
        components=tuple(components),
        rows=tuple(columns.rows),
        potential=given.potential or "",
        quench_rate_K_per_ps=given.quench_rate_K_per_ps,
        carrier=carrier,
        notes=tuple(notes),
    )
    table = _noting_lost_errors(complete(table))
    # atoms may well be equal
    return table if is_binary(table) else between_sources(without_duplicates(between_glasses(table)))


def target_of(columns: Columns, given: Map) -> tuple[list[Value | None], str]:
    """Values and unit of the target. Raises InputError for one without a unit."""
    values = columns.values(given.target, "target")
    unit = columns.units.get(given.target)
    if unit is None:
        raise InputError(
            f"target: {given.target} has no unit; write it into the head of the column, as in '{given.target} (S/m)', "
            f"or give --unit '{given.target}=S/m' (1 for a number without one)"
        )
    measures(unit, "1")
    return values, unit


def _noting_lost_errors(table: Table) -> Table:
    """With a note where errors of some rows count for nothing, because others have none."""
    lacking = ~np.isfinite(table.error)
    if not lacking.any() or lacking.all():
        return table
    first = table.rows[int(np.argmax(lacking))]
    told = f"{counted(int(lacking.sum()), 'row')} of {len(table)} without an error ({first}): those of the others are"
    return table.only(np.ones(len(table), bool), f"{told} not used, and rows weigh the same")


def composition_of(columns: Columns, given: Map, notes: list[str]) -> tuple[np.ndarray, list[str]]:
    """Shares (N, C) in mol-% and the names of their components, none without a composition; `notes` are added to."""
    frame = columns.frame
    if given.composition_unit == "formula":
        (name,) = given.composition or [_COMPOSITION_WORD]
        columns.need(name, "composition")
        atoms = []
        for text, row in zip(columns.text(name, "composition"), columns.rows, strict=True):
            try:
                atoms.append(atoms_of(text))
            except InputError as error:
                raise InputError(f"{row}: {name}: {error}") from None
        elements = sorted(set().union(*atoms))
        return normalized(
            [[a.get(e, 0.0) * 100 / sum(a.values()) for e in elements] for a in atoms], elements, "mol%", columns.rows
        ), elements
    stated = list(given.composition)
    for name in stated:
        columns.need(name, "composition")
    names = stated or [
        c for c in frame.columns if naming.is_component(c) and c != given.target and c not in given.ignore
    ]
    if not names:
        return np.zeros((len(frame), 0)), []
    known = {columns.units[name] for name in names if name in columns.units}
    if len(known) > 1 and given.composition_unit is None:
        raise InputError(f"composition: {', '.join(names)} have different units: {', '.join(sorted(known))}")
    if given.composition_unit is not None and (other := known & SHARES - {given.composition_unit}):
        raise InputError(
            f"composition: the unit of {', '.join(names)} is {other.pop()} by the heads, but composition_unit is "
            f"{given.composition_unit}"
        )
    unit = given.composition_unit or (known.pop() if known else "mol%")
    if unit == "%":
        notes.append(f"{', '.join(names)}: % is read as mol-%")
    shares = np.column_stack([columns.numbers(name, "composition") for name in names])
    unit = "1" if unit in ("1", "fraction") else "wt%" if unit.startswith("wt") else "mol%"
    whole = normalized(shares, names, unit, columns.rows)
    off = abs(np.nan_to_num(shares).sum(axis=1) - (1 if unit == "1" else 100)) > (0.0005 if unit == "1" else 0.05)
    if off.any():
        notes.append(f"the shares of {counted(int(off.sum()), 'row')} did not add up to a whole and were normalized")
    if unit == "wt%":
        notes.append("compositions were converted from wt% to mol%")
    return whole, names


def _groups(
    columns: Columns, given: Map, shares: np.ndarray, components: Sequence[str], notes: list[str]
) -> np.ndarray:
    by_composition = given.group in (None, _COMPOSITION_WORD)
    if by_composition and not components:
        raise InputError(
            "no groups: name the column that tells which rows are the same glass with --group, or give the composition "
            "in columns such as Na2O; without either, replicas cannot be kept on one side of a split, and nothing that "
            "is learned could be checked. Still possible: a plot of the columns"
        )
    numbers = same_compositions(shares) if components else None
    if by_composition:
        notes.append("rows of one composition, to a tenth of a mol-%, are a group")
        first = {number: row for row, number in reversed(list(enumerate(numbers)))}
        return np.array([composition_name(shares[first[number]], components) for number in numbers], object)
    groups = columns.text(given.group, "group")
    if (empty := np.flatnonzero(groups == "")).size:
        raise InputError(f"{columns.rows[empty[0]]}: {given.group} is empty; every row belongs to a group")
    if numbers is not None:
        _refuse_several_glasses(columns, given.group, groups, shares, components)
        owner: dict[int, int] = {}
        for row, number in enumerate(numbers):
            first = owner.setdefault(number, row)
            if groups[first] != groups[row]:
                raise InputError(
                    f"{columns.rows[row]}: {given.group} is {groups[row]!r}, but {columns.rows[first]} has the same "
                    f"composition ({composition_name(shares[row], components)}) in group {groups[first]!r}: replicas "
                    "of one glass would stand on both sides of a split. Use --group composition"
                )
    return groups


def _refuse_several_glasses(
    columns: Columns, name: str, groups: np.ndarray, shares: np.ndarray, components: Sequence[str]
) -> None:
    """Raise InputError for a group whose rows differ in composition: their means would be of no glass."""
    first: dict[str, int] = {}
    for row, group in enumerate(groups):
        other = first.setdefault(group, row)
        if abs(shares[row] - shares[other]).max() > _SAME_GLASS:
            here, there = (composition_name(shares[k], components) for k in (row, other))
            raise InputError(
                f"{columns.rows[row]}: {name} is {group!r} for {here}, and in {columns.rows[other]} for {there}: a "
                f"group is one glass, to {_SAME_GLASS:g} mol-%. Give other names, or use --group composition"
            )


def _features(
    columns: Columns, given: Map, shares: np.ndarray, components: Sequence[str], notes: list[str]
) -> tuple[list[str], np.ndarray]:
    roles = {given.target, given.group, given.family, given.source, given.replica, given.error, given.temperature}
    roles |= {given.carrier, *given.where, *given.ignore, *components, LINE, FILE}
    roles |= set(given.composition)
    in_blocks = [name for names in given.blocks.values() for name in names if name not in components]
    stated = list(dict.fromkeys([*given.features, *in_blocks]))
    wanted = [name for name in stated if name not in components]
    asked = bool(given.features)
    candidates = (
        wanted if asked else [*wanted, *(c for c in columns.frame.columns if c not in roles and c not in wanted)]
    )
    names, found, texts = [], [], []
    for name in candidates:
        if name == given.target:
            raise InputError(f"features: {name} is the target itself")
        try:
            values = columns.numbers(name, "features")
        except InputError as error:
            if name in wanted or columns.are_numbers(name):
                raise InputError(f"{error}. To leave the column out: --ignore {name!r}") from None
            texts.append(name)
            continue
        if (fault := _useless(values)) is not None:
            if name in wanted:
                raise InputError(f"features: {name} {fault}; leave it out, the other features can still be used")
            notes.append(f"{name} {fault} and was left out")
            continue
        names.append(name)
        found.append(values)
    if texts:
        notes.append(f"{', '.join(texts)}: not numbers, left out")
    made, labels = coordinates(shares, components, given.log_ratios) if components else (np.zeros((len(shares), 0)), [])
    names, found = [*labels, *names], [*made.T, *found]
    if not names:
        raise InputError("no feature is left: every column is constant, empty, text, or has another role")
    return names, np.column_stack(found)


def _useless(values: np.ndarray) -> str | None:
    known = values[np.isfinite(values)]
    if not known.size:
        return "has no value in any row"
    if np.isnan(values).mean() > _MOST_MISSING:
        return f"is missing in {np.isnan(values).sum()} of {counted(len(values), 'row')}"
    spread = np.ptp(known)
    return f"is constant ({known[0]:g})" if spread <= 1e-9 * max(abs(known).max(), 1e-300) else None
