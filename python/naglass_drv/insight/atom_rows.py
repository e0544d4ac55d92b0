"""The atoms of runs as rows, one for each: what can be asked of them, and where it is read."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..chemistry.ions import TRANSITION_METALS
from ..errors import InputError
from . import crystal_atoms, ions, metal_sites
from .build import build_table
from .mapping import Map
from .runs import Measured
from .sources import FILE, LINE
from .table import Table

if TYPE_CHECKING:
    import pandas as pd

#: Files of the products of a run that atoms are read from, by the last word of their roles.
WORDS = ("numbers", "curves", "trajectory", "admitted")
_REDUCED = re.compile(r"metals\.([A-Z][a-z]?)\.reduced")
KNOWN = f"{ions.TARGET}, {crystal_atoms.TARGET}, metals.V.reduced and the like of other metals"


def is_of_atoms(target: str | None) -> bool:
    """Whether a target is one of single atoms: ``ions.mobile``, ``crystal.joined``, ``metals.V.reduced``."""
    return target in (ions.TARGET, crystal_atoms.TARGET) or metal_of(target) is not None


def metal_of(target: str | None) -> str | None:
    """``V`` of ``metals.V.reduced``; None for other targets."""
    match = _REDUCED.fullmatch(target or "")
    return match[1] if match and match[1] in TRANSITION_METALS else None


def words_of(target: str) -> tuple[str, ...]:
    """Those of `WORDS` that the rows of a target are read from."""
    if target == ions.TARGET:
        return ("trajectory", "curves")
    return ("numbers",) if target == crystal_atoms.TARGET else ("trajectory", "numbers", "admitted")


def kinds(target: str) -> tuple[str, str]:
    """The atoms with 1 and those with 0, in words."""
    if target == ions.TARGET:
        return "ions that leave their sites", "those that stay"
    if target == crystal_atoms.TARGET:
        return "atoms that join the crystal", "those that do not"
    metal = metal_of(target)
    return (f"{metal} in a lower oxidation state", "the rest") if metal else (f"atoms with {target} = 1", "the others")


def read_atoms(target: str, measured: Sequence[Measured], source: str) -> "pd.DataFrame":
    """One row per atom with the `target` as 1 or 0, as `sources.read_frame` gives those of a file; columns ``glass``,
    ``system``, ``subject``, ``temperature (K)`` and what surrounds the atom.

    Raises InputError for a run without any, with what it lacks.
    """
    import pandas as pd

    rows = list(_rows(target, measured))
    if not rows:
        raise InputError(f"{source}: no atom with {target}: {'; '.join(_lacking(target, measured))}")
    frame = pd.DataFrame(rows, dtype=object).fillna("")
    return frame.assign(**{LINE: range(1, len(rows) + 1), FILE: source})


def _rows(target: str, measured: Sequence[Measured]) -> Iterator[dict[str, Any]]:
    if target == ions.TARGET:
        yield from ions.rows(measured)
    elif target == crystal_atoms.TARGET:
        yield from crystal_atoms.rows(measured)
    elif (metal := metal_of(target)) is not None:
        yield from metal_sites.rows(measured, metal)
    else:
        raise InputError(f"target: {target!r} is not one of atoms: {KNOWN}")


def _lacking(target: str, measured: Sequence[Measured]) -> Iterator[str]:
    if target == ions.TARGET:
        yield "no trajectory has an analysis of the hops of its ions; sections md and analysis make them"
    elif target == crystal_atoms.TARGET:
        yield from crystal_atoms.lacking(measured)
    else:
        yield "no trajectory and no set of labels tells oxidation states of it"


def table_of_atoms(given: Map, frames: Sequence["pd.DataFrame"]) -> Table:
    """The table of the rows of `read_atoms`: glasses are the groups, their temperatures put together."""
    ignored = ["system", "subject", metal_sites.TOLD_BY, *given.ignore]
    if len(frames) > 1:
        # runs may call their systems the same
        frames = [frame.assign(glass=frame[FILE] + ": " + frame["glass"]) for frame in frames]
    table = build_table(frames, given.model_copy(update={"group": "glass", "ignore": ignored}))
    ways = {str(way) for frame in frames if metal_sites.TOLD_BY in frame for way in frame[metal_sites.TOLD_BY]}
    if len(ways) > 1:
        raise InputError(f"{given.target}: states are told by {' and '.join(sorted(ways))}; study these runs apart")
    notes = [f"oxidation states are told by {way}" for way in ways]
    if any(way.startswith(metal_sites.BOND_VALENCE) for way in ways):
        notes.append("the own shell of a metal, from which its bond valence follows, is no feature")
    return replace(table, notes=(*notes, *table.notes))
