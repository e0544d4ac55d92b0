"""The columns of one or several files under names without units, in one unit each."""

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .mapping import Map
from .sources import FILE, LINE
from .units import MISSING, Value, converted, is_meant_as_number, number, split_head, unit_of

if TYPE_CHECKING:
    import pandas as pd


class Columns:
    """The columns of one or several files under names without units, in one unit each."""

    def __init__(self, frames: Sequence["pd.DataFrame"], given: Map):
        import pandas as pd

        self.units: dict[str, str] = {}
        stated = {name: unit_of(name, unit) for name, unit in given.units.items()}
        heads = [_heads(frame, given, stated) for frame in frames]
        _refuse_lacking_units(frames, heads, {*stated, *given.ignore})
        plain = []
        for frame, own in zip(frames, heads, strict=True):
            for head, (name, unit) in own.items():
                frame = self._in_one_unit(frame, head, name, unit, stated.get(name), name == given.error)
            plain.append(frame.rename(columns={head: name for head, (name, _) in own.items()}))
        self.frame = pd.concat([each.astype(object) for each in plain], ignore_index=True, sort=False).fillna("")
        for name, text in given.where.items():
            self.need(name, "where")
            self.frame = self.frame[[_same_text(cell, text) for cell in self.frame[name]]]
            if self.frame.empty:
                raise InputError(f"where {name}={text}: no row has it")
        self.frame = self.frame.reset_index(drop=True)
        self.rows = [f"{file}:{row}" for file, row in zip(self.frame[FILE], self.frame[LINE], strict=True)]

    @property
    def names(self) -> list[str]:
        """Those of the files."""
        return [column for column in self.frame.columns if column not in (LINE, FILE)]

    def _in_one_unit(self, frame, head: str, name: str, unit: str | None, wanted: str | None, is_error: bool):
        given = unit if unit is not None else wanted
        if given is None:
            return frame
        kept = self.units.setdefault(name, wanted or given)
        if kept == given:
            return frame
        place = f"{frame[FILE].iloc[0]}: {name}"
        return frame.assign(**{head: [_moved(cell, given, kept, place, is_error) for cell in frame[head]]})

    def need(self, name: str, role: str) -> None:
        """Raise InputError for a column that is not there."""
        if name not in self.frame.columns:
            raise InputError(no_column(name, role, self.names))

    def text(self, name: str | None, role: str) -> np.ndarray:
        """(N,) texts of a column, empty without one."""
        if name is None:
            return np.array([""] * len(self.frame), object)
        self.need(name, role)
        return np.array([str(cell).strip() for cell in self.frame[name]], object)

    def values(self, name: str, role: str) -> list[Value | None]:
        """Cells as numbers. Raises InputError, with file and line, for one that is none."""
        self.need(name, role)
        found = []
        for cell, row in zip(self.frame[name], self.rows, strict=True):
            try:
                found.append(number(cell))
            except InputError as error:
                raise InputError(f"{row}: {name}: {error}") from None
        return found

    def are_numbers(self, name: str) -> bool:
        """Whether most cells of a column that are not empty are meant as numbers."""
        filled = [cell for cell in self.frame[name] if str(cell).strip().lower() not in MISSING]
        return 2 * sum(map(is_meant_as_number, filled)) > len(filled)

    def numbers(self, name: str, role: str) -> np.ndarray:
        """(N,) numbers, NaN for empty cells."""
        return np.array([np.nan if value is None else value.value for value in self.values(name, role)])


def _same_text(cell: object, text: str) -> bool:
    try:
        return str(cell).strip() == text.strip() or float(str(cell)) == float(text)
    except ValueError:
        return False


def no_column(name: str, role: str, known: Sequence[str]) -> str:
    """That no column has a name, and which has one like it."""
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"columns are {', '.join(known)}"
    return f"{role}: there is no column {name!r}; {hint}"


def refuse_unknown(frames: Sequence["pd.DataFrame"], given: Map) -> None:
    """Raise InputError for a column under `ignore` or `units` that no file has: nothing else would show the slip."""
    heads = dict.fromkeys(head for frame in frames for head in frame.columns if head not in (LINE, FILE))
    names = dict.fromkeys(split_head(head)[0] for head in heads)
    for role, asked in (("ignore", given.ignore), ("unit", given.units)):
        for name in asked:
            if name not in names and name not in heads:
                raise InputError(no_column(name, role, [*names]))


def _heads(frame: "pd.DataFrame", given: Map, stated: Mapping[str, str]) -> dict[str, tuple[str, str | None]]:
    """Name and unit by head; an error without a unit is in that of the target beside it."""
    found: dict[str, tuple[str, str | None]] = {}
    for head in frame.columns:
        if head in (LINE, FILE):
            continue
        name, unit = (head, stated[head]) if head in stated else split_head(head)
        if name in (other for other, _ in found.values()):
            raise InputError(f"{frame[FILE].iloc[0]}: column {name!r} stands twice")
        found[head] = name, unit
    units = dict(found.values())
    if given.error not in stated:
        own = units.get(given.target) or stated.get(given.target or "")
        found = {h: (name, own if name == given.error and unit is None else unit) for h, (name, unit) in found.items()}
    return found


def _refuse_lacking_units(
    frames: Sequence["pd.DataFrame"], heads: Sequence[Mapping[str, tuple[str, str | None]]], excepted: set[str]
) -> None:
    """Raise InputError for a column that has a unit in one file and none in another."""
    known: dict[str, tuple[str, str]] = {}
    bare: dict[str, str] = {}
    for frame, own in zip(frames, heads, strict=True):
        file = str(frame[FILE].iloc[0])
        for name, unit in own.values():
            if unit is None:
                bare.setdefault(name, file)
            elif unit != "1":
                known.setdefault(name, (file, unit))
    for name in bare.keys() & known.keys() - excepted:
        file, unit = known[name]
        raise InputError(
            f"{bare[name]}: column {name!r} has no unit, and that of {file} is in {unit}; write it into the head, as "
            f"in '{name} ({unit})'"
        )


def _moved(cell: object, given: str, wanted: str, place: str, is_error: bool) -> object:
    """A cell in another unit, with its bound and error; an error of its own is a difference of two values."""
    try:
        value = number(cell)
    except InputError:
        # told with its line where the column is used
        return cell
    if value is None:
        return cell
    try:
        moved = converted(value.value, given, wanted, delta=is_error)
        error = "" if np.isnan(value.error) else f" ± {abs(converted(value.error, given, wanted, delta=True))!r}"
    except InputError as fault:
        raise InputError(f"{place}: {fault}") from None
    return f"{ {-1: '<', 0: '', 1: '>'}[value.bound] }{moved!r}{error}"
