"""Cells whose energies are compared for the excess energy of an interface, from the runs that they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.statistics import average
from ..errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

# rows of a series, for an error in time
_LEAST_ROWS = 8


@dataclass(frozen=True)
class Cell:
    """A relaxed cell: its potential energy, its atoms, and what decides whether it can be compared with others.

    The energy is a mean over time of as many independent `samples`, with a standard error that comes from this time
    alone.
    """

    energy_eV: float
    counts: Mapping[str, int]  #: atoms by element
    lateral_A: np.ndarray  #: (2, 3) the cell vectors along the surfaces
    history: str  #: thermal history, in the same words for cells that share it
    err_eV: float = 0.0
    samples: float = float("inf")
    temperature_K: float = float("nan")  #: mean over the same time
    temperature_samples: float = float("inf")  #: independent ones of it

    @property
    def atoms(self) -> int:
        return sum(self.counts.values())

    @property
    def area_A2(self) -> float:
        return float(np.linalg.norm(np.cross(*np.asarray(self.lateral_A, dtype=float))))


def cell_of_run(name: str, atoms: Atoms, series: Mapping[str, Sequence[float]], last_ps: float) -> Cell:
    """A cell of stage `interface` from its structure and the last part (ps) of the `series` of its run.

    `series` has the columns of `thermo_series`. Raises InputError, which begins with `name`, for fewer than eight rows,
    which tell no error in time.
    """
    time = np.array(series["time_ps"])
    last = time > time.max(initial=0.0) - last_ps - 1e-9
    values, kelvin = (np.array(series[key])[last] for key in ("potential_energy_eV_per_atom", "temperature_K"))
    if len(values) < _LEAST_ROWS:
        raise InputError(
            f"{name} has {len(values)} energies in its last {last_ps:g} ps; {_LEAST_ROWS} are needed for an error"
        )
    mean, warmth = average(values), average(kelvin)
    symbols, counts = np.unique(atoms.get_chemical_symbols(), return_counts=True)
    return Cell(
        energy_eV=float(mean.mean) * len(atoms),
        counts=dict(zip(symbols.tolist(), counts.tolist(), strict=True)),
        lateral_A=atoms.cell.array[:2],
        history=str(atoms.info.get("history", "")),
        err_eV=float(mean.err) * len(atoms),
        samples=float(mean.effective_samples),
        temperature_K=float(warmth.mean),
        temperature_samples=float(warmth.effective_samples),
    )
