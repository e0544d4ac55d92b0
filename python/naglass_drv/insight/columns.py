"""The columns of one or several files under names without units, in one unit each."""

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .mapping import Map
from .sources import FILE, LINE
from .units import Value, converted, number, split_head

if TYPE_CHECKING:
    import pandas as pd


class Columns:
    """The columns of one or several files under names without units, in one unit each."""

    def __init__(self, frames: Sequence["pd.DataFrame"], given: Map):
        import pandas as pd

        self.units: dict[str, str] = {}
        plain = []
        for frame in frames:
            names = {}
            for head in frame.columns:
                if head in (LINE, FILE):
                    continue
                name, unit = split_head(head)
                name, unit = (head, given.units[head]) if head in given.units else (name, unit)
                if name in names.values():
                    raise InputError(f"{frame[FILE].iloc[0]}: column {name!r} stands twice")
                names[head] = name
                frame = self._in_one_unit(frame, head, name, unit, given.units.get(name))
            plain.append(frame.rename(columns=names))
        self.frame = pd.concat([each.astype(object) for each in plain], ignore_index=True, sort=False).fillna("")
        for name, text in given.where.items():
            self.need(name, "where")
            self.frame = self.frame[[_same_text(cell, text) for cell in self.frame[name]]]
            if self.frame.empty:
                raise InputError(f"where {name}={text}: no row has it")
        self.frame = self.frame.reset_index(drop=True)
        self.rows = [f"{file}:{row}" for file, row in zip(self.frame[FILE], self.frame[LINE], strict=True)]

    def _in_one_unit(self, frame, head: str, name: str, unit: str | None, wanted: str | None):
        first = self.units.get(name)
        given = unit if unit is not None else (first or wanted)
        if given is None:
            return frame
        kept = self.units.setdefault(name, wanted or given)
        if kept == given:
            return frame
        cells = [
            cell if (value := number(cell)) is None else _moved(value, given, kept, f"{frame[FILE].iloc[0]}: {name}")
            for cell in frame[head]
        ]
        return frame.assign(**{head: cells})

    def need(self, name: str, role: str) -> None:
        """Raise InputError for a column that is not there."""
        if name not in self.frame.columns:
            known = [column for column in self.frame.columns if column not in (LINE, FILE)]
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"columns are {', '.join(known)}"
            raise InputError(f"{role}: there is no column {name!r}; {hint}")

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

    def numbers(self, name: str, role: str) -> np.ndarray:
        """(N,) numbers, NaN for empty cells."""
        return np.array([np.nan if value is None else value.value for value in self.values(name, role)])


def _same_text(cell: object, text: str) -> bool:
    try:
        return str(cell).strip() == text.strip() or float(str(cell)) == float(text)
    except ValueError:
        return False


def _moved(value: Value, given: str, wanted: str, place: str) -> str:
    """A cell in another unit, with its bound and error."""
    try:
        moved = converted(value.value, given, wanted)
        error = "" if np.isnan(value.error) else f" ± {abs(converted(value.error, given, wanted, delta=True))!r}"
    except InputError as fault:
        raise InputError(f"{place}: {fault}") from None
    return f"{ {-1: '<', 0: '', 1: '>'}[value.bound] }{moved!r}{error}"
