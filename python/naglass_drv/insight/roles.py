"""What columns tell of rows beside target and features: temperature, replica, errors, and whose conductivity it is."""

from collections.abc import Sequence

import numpy as np

from ..chemistry.ions import SYMBOLS
from ..errors import InputError
from .columns import Columns, no_column
from .mapping import Map
from .units import Value, converted, measures, unit_text

_CONDUCTIVITY = "S/m"
_TEMPERATURE = ("temperature", "t")
_REPLICA = ("replica", "replicate")
# whose conductivity a target is, in place of a column that tells it of every row; or an element
_CARRIERS = ("total", "ion", "ions", "electron", "electrons")
# weights are 1/error², which has to be finite
_LEAST_ERROR = 1e-100


def with_known_columns(columns: Columns, given: Map) -> Map:
    """The map with the columns of temperature and replica that are called so.

    Raises InputError for a replica that is no column, and for a temperature without a unit.
    """
    if given.replica is not None:
        columns.need(given.replica, "replica")
    stated = {*given.features, *(name for names in given.blocks.values() for name in names)}
    free = [name for name in columns.names if name not in stated]
    replica = next((name for name in free if name.lower() in _REPLICA), None)
    taken = {given.target, given.group, given.family, given.source, given.replica, *given.where, *given.ignore}
    temperature = given.temperature or _temperature_among(columns, [name for name in free if name not in taken])
    found = {"temperature": temperature, "replica": given.replica or replica}
    return given.model_copy(update=found)


def _temperature_among(columns: Columns, names: Sequence[str]) -> str | None:
    """The column that is called a temperature: one glass at several temperatures must not be averaged."""
    for name in names:
        if name.lower() not in _TEMPERATURE:
            continue
        if name in columns.units and measures(columns.units[name], "K"):
            return name
        # t may be a time
        if name not in columns.units and name != "t":
            raise InputError(f"{_no_unit(name)}; if it is no temperature, --ignore {name} leaves it out")
    return None


def _no_unit(name: str) -> str:
    return f"temperature: {name} has no unit; write it into the head, as in '{name} (K)', or give --unit {name}=K"


def kelvin_of(columns: Columns, name: str | None) -> np.ndarray:
    """(N,) temperatures in K, NaN for empty cells and without a column. Raises InputError for one of 0 K or below."""
    if name is None:
        return np.full(len(columns.rows), np.nan)
    values = columns.numbers(name, "temperature")
    unit = columns.units.get(name)
    if unit is None:
        raise InputError(_no_unit(name))
    if not measures(unit, "K"):
        raise InputError(f"temperature: {name} is in {unit}, which is no unit of temperature")
    found = np.array([converted(value, unit, "K") for value in values])
    if (bad := np.flatnonzero(found <= 0)).size:
        value = f"{values[bad[0]]:g} {unit_text(unit)}"
        raise InputError(f"{columns.rows[bad[0]]}: {name} is {value}; a temperature is above 0 K")
    return found


def errors_of(columns: Columns, given: Map, target: Sequence[Value | None], unit: str) -> np.ndarray:
    """(N,) standard errors of the target in its `unit`, of their column or else of its own cells; NaN where none is.

    Raises InputError for one that is not above zero.
    """
    found = np.array([np.nan if value is None else value.error for value in target])
    if given.error is not None:
        own = columns.units.get(given.error, unit)
        found = np.array([converted(v, own, unit, delta=True) for v in columns.numbers(given.error, "error")])
    if (bad := np.flatnonzero(found < _LEAST_ERROR)).size:
        place = f"{columns.rows[bad[0]]}: {given.error or given.target}"
        raise InputError(f"{place}: the error of {given.target} is {found[bad[0]]:g}; an error is above zero")
    return found


def carrier_of(columns: Columns, given: Map, unit: str, stated: str) -> tuple[str, Map]:
    """Whose conductivity a target is, and the map with the column that tells it, if one does: total and sodium
    conductivity are never pooled. Raises InputError for rows of several, and for a conductivity of nobody.
    """
    if given.carrier is not None and (given.carrier.lower() in _CARRIERS or given.carrier.rstrip("+") in SYMBOLS):
        return given.carrier, given.model_copy(update={"carrier": None})
    if given.carrier is not None:
        if given.carrier not in columns.names:
            who = "or say total, electron, ion, or the element of the ion, as in Na"
            raise InputError(f"{no_column(given.carrier, 'carrier', columns.names)}; {who}")
        found = sorted({text for text in columns.text(given.carrier, "carrier") if text})
        if len(found) > 1:
            raise InputError(
                f"carrier: rows are of {' and '.join(found)}; they are different properties (below x ≈ 0.65 vanadate "
                f"glasses conduct by electrons) and are not pooled: choose one with --where {given.carrier}={found[0]}"
            )
        return (found[0] if found else stated), given
    if measures(unit, _CONDUCTIVITY) and not stated:
        raise InputError(
            f"target: {given.target} is a conductivity; say whose it is with --carrier total or --carrier Na: glasses "
            "with transition metals conduct by electrons too, and the two are not pooled"
        )
    return stated, given
