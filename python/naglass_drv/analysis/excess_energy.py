"""Excess potential energy of glass/crystal interfaces per area, with the resolution that the replicas allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.statistics import student
from ..errors import InputError

_EV_PER_A2_IN_MJ_PER_M2 = 16021.76634
_LEAST_REPLICAS = 3
# Relative difference of lateral cells that are the same but for rounding in a file.
_SAME_CELL = 1e-4


@dataclass(frozen=True)
class Cell:
    """A relaxed cell: its potential energy, its atoms, and what decides whether it can be compared with others."""

    energy_eV: float
    counts: Mapping[str, int]  #: atoms by element
    lateral_A: np.ndarray  #: (2, 3) the cell vectors along the surfaces
    history: str  #: thermal history, in the same words for cells that share it

    @property
    def atoms(self) -> int:
        return sum(self.counts.values())

    @property
    def area_A2(self) -> float:
        return float(np.linalg.norm(np.cross(*np.asarray(self.lateral_A, dtype=float))))


@dataclass(frozen=True)
class ExcessEnergy:
    """Excess potential energy per area (mJ/m²). An energy, not a free energy γ; the two must not be compared.

    `e_excess` is None where it is below the resolution, for the `reason` given.
    """

    e_excess: float | None
    err: float  #: one standard error
    resolution: float  #: what |e_excess| has to exceed: the 95 % bound of Student's t for the scatter of the replicas
    replicas: tuple[int, int]  #: of the interface, and of the bulk glass
    glass_scatter_meV: float  #: standard deviation between replicas of the bulk glass, meV/atom
    reason: str | None


def excess_energy(
    interfaces: Sequence[Cell], crystal_atoms: int, crystal: Cell, glasses: Sequence[Cell]
) -> ExcessEnergy:
    """e_excess = (E − n_c E_c − n_g E_g)/2A, the mean over replicas of a cell with two interfaces.

    `crystal_atoms` of an interface's atoms belong to the crystal, n_c = crystal_atoms/N_c cells of the reference
    `crystal`; the others make n_g cells of the bulk `glasses`, which have the interfaces' thermal history. All cells
    have the same lateral vectors, so that strain along the surfaces drops out. The error holds the scatter of the
    interfaces and that of the bulk glasses, which enters n_g times; degrees of freedom by Welch and Satterthwaite.

    InputError for fewer than three replicas of either, cells of another lateral size, history or composition, and atoms
    that are not whole numbers of formula units: energies of other compositions cannot be compared without chemical
    potentials.
    """
    for name, cells in (("interfaces", interfaces), ("glasses", glasses)):
        if len(cells) < _LEAST_REPLICAS:
            raise InputError(
                f"{name} = {len(cells)} cells: at least {_LEAST_REPLICAS} replicas are needed for an error"
            )
    first = interfaces[0]
    _require_comparable(first, interfaces, crystal, glasses)
    crystals = crystal_atoms / crystal.atoms
    shares = _glass_cells(first, crystals, crystal, glasses[0])
    energies = np.array([cell.energy_eV for cell in interfaces])
    bulk = np.array([cell.energy_eV for cell in glasses])
    unit = _EV_PER_A2_IN_MJ_PER_M2 / (2 * first.area_A2)
    value = unit * float(energies.mean() - crystals * crystal.energy_eV - shares * bulk.mean())
    variances = unit**2 * np.array([energies.var(ddof=1) / len(energies), shares**2 * bulk.var(ddof=1) / len(bulk)])
    variance = float(variances.sum())
    replicas = (len(interfaces), len(glasses))
    freedom = variance**2 / (variances**2 / (np.array(replicas) - 1)).sum() if variance > 0 else replicas[0] - 1
    resolution = student(freedom, 1.96) * variance**0.5
    below = abs(value) < resolution
    reason = f"|e_excess| = {abs(value):.3g} mJ/m² is below the resolution of {resolution:.3g} mJ/m²" if below else None
    scatter = 1000 * float(bulk.std(ddof=1)) / glasses[0].atoms
    err = student(freedom, 1.0) * variance**0.5
    return ExcessEnergy(None if below else value, err, resolution, replicas, scatter, reason)


def _require_comparable(first: Cell, interfaces: Sequence[Cell], crystal: Cell, glasses: Sequence[Cell]) -> None:
    lateral = np.asarray(first.lateral_A, dtype=float)
    for name, cells in (("interfaces", interfaces), ("crystal", [crystal]), ("glasses", glasses)):
        for number, cell in enumerate(cells):
            off = np.abs(np.asarray(cell.lateral_A, dtype=float) - lateral).max() / np.abs(lateral).max()
            if off > _SAME_CELL:
                raise InputError(f"{name}[{number}].lateral_A: differs from that of the interface by {100 * off:.2g} %")
            if name != "crystal" and cell.history != first.history:
                raise InputError(f"{name}[{number}].history = {cell.history!r}: the interface has {first.history!r}")
            if name != "crystal" and cell.counts != cells[0].counts:
                raise InputError(f"{name}[{number}].counts = {dict(cell.counts)}: replicas have the same atoms")


def _glass_cells(interface: Cell, crystals: float, crystal: Cell, glass: Cell) -> float:
    """How many cells of bulk glass the atoms outside the crystal make."""
    elements = set(interface.counts) | set(crystal.counts) | set(glass.counts)
    rest = {e: interface.counts.get(e, 0) - crystals * crystal.counts.get(e, 0) for e in elements}
    shares = sum(rest.values()) / glass.atoms
    for element, count in rest.items():
        if abs(count - shares * glass.counts.get(element, 0)) > 1e-6 * interface.atoms:
            raise InputError(
                f"crystal_atoms: {count:g} atoms of {element} remain for the glass, whose composition has "
                f"{shares * glass.counts.get(element, 0):g}; the cell is not made of formula units of both"
            )
    return shares
