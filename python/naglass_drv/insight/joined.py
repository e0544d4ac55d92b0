"""Measured values for the glasses of runs: a user's table beside simulated structures of the same compositions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .build import composition_of, target_of
from .columns import Columns
from .composition import atoms_of, composition_name
from .mapping import Map
from .runs import GLASS, LABELS, labels_of
from .sources import FILE, LINE

if TYPE_CHECKING:
    import pandas as pd

# at-% of every element by which a cell may miss the composition of a measured glass: cells are whole numbers of atoms
_NEAR_ATOM_PERCENT = 1.0


@dataclass(frozen=True)
class Joined:
    """Rows of measured values with the features of simulated glasses, and what was left out in words."""

    frames: list["pd.DataFrame"]
    notes: tuple[str, ...]


def with_measured(runs: Sequence["pd.DataFrame"], tables: Sequence["pd.DataFrame"], given: Map) -> Joined:
    """Each row of the `tables` (as of `sources.read_frame`) that has the target of the map, with the features of the
    simulated glass (as of `runs.rows_of`) whose composition is nearest, within 1 at-% of every element.

    The tables keep what they say of target, error, temperature, carrier, source and family. Raises InputError where a
    table has no composition, or no glass of the runs is near one.
    """
    import pandas as pd

    glasses = _glasses(runs)
    elements = [c.removesuffix(" (mol%)") for c in glasses.columns if c.endswith(" (mol%)")]
    simulated = np.array([[float(row[f"{e} (mol%)"] or 0.0) for e in elements] for _, row in glasses.iterrows()])
    measured = Columns(tables, given)
    names = [given.target, given.error, given.temperature, given.carrier, given.source, given.family, given.replica]
    kept = [name for name in dict.fromkeys(names) if name is not None]
    for name in kept:
        measured.need(name, "tables")
    target_of(measured, given)
    shares, components = composition_of(measured, given, [])
    if not components:
        raise InputError("tables: there is no composition to find the simulated glass by; give columns such as Na2O")
    rows, far = [], []
    for number, each in enumerate(_atom_percent(shares, components, elements)):
        distance = abs(simulated - each).max(axis=1)
        near = int(distance.argmin())
        if distance[near] > _NEAR_ATOM_PERCENT:
            far.append(composition_name(shares[number], components))
            continue
        rows.append(_row(glasses.iloc[near], measured, number, kept))
    if not rows:
        raise InputError(
            f"tables: no glass of the runs is within {_NEAR_ATOM_PERCENT:g} at-% of a measured one, as {far[0]}"
        )
    notes = [f"features of a measured glass are those of the simulated one within {_NEAR_ATOM_PERCENT:g} at-%"]
    if far:
        notes.append(f"measured, but not simulated, left out: {', '.join(dict.fromkeys(far))}")
    frame = pd.DataFrame(rows, dtype=object).fillna("")
    frame.attrs[LABELS] = labels_of(runs)
    return Joined([frame], tuple(notes))


def _glasses(runs: Sequence["pd.DataFrame"]) -> "pd.DataFrame":
    """One row per system: that of its glass, without what was measured on single replicas."""
    import pandas as pd

    whole = pd.concat(runs, ignore_index=True, sort=False).fillna("")
    whole = whole[(whole["subject"] == GLASS) | (whole["potential"] != "")].drop_duplicates([FILE, "system"])
    if whole.empty:
        raise InputError("tables: the runs have no analysis of a glass that measured values could be joined to")
    own = [c for c in whole.columns if c.startswith((f"{GLASS}.", "temperature ("))]
    return whole.drop(columns=own)


def _atom_percent(shares: np.ndarray, components: Sequence[str], elements: Sequence[str]) -> np.ndarray:
    """(N, E) at-% of the `elements` for mol-% (N, C) of the `components`; other elements count as far away."""
    atoms: list[Mapping[str, float]] = [atoms_of(name) for name in components]
    counts = shares @ np.array([[each.get(element, 0.0) for element in elements] for each in atoms])
    whole = shares @ np.array([sum(each.values()) for each in atoms])
    return 100.0 * counts / whole[:, None]


def _row(glass: "pd.Series", measured: Columns, number: int, kept: Sequence[str]) -> dict[str, object]:
    heads = {name: f"{name} ({measured.units[name]})" if name in measured.units else name for name in kept}
    own = {heads[name]: measured.frame[name].iloc[number] for name in kept}
    file, _, line = measured.rows[number].rpartition(":")
    return {**glass.to_dict(), **own, LINE: int(line), FILE: file}
