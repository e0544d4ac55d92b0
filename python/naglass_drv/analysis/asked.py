"""A potential that is asked through a function, as an ASE calculator; relaxation with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.filters import UnitCellFilter
from ase.stress import voigt_6_to_full_3x3_stress

from .potentials import Evaluate

if TYPE_CHECKING:
    from ase import Atoms

# as CP2K's PRESSURE_TOLERANCE
_MOST_OFF_BAR = 100.0


class Asked(Calculator):
    """The calculator of `evaluate`, see `potentials`."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, evaluate: Evaluate):
        super().__init__()
        self._evaluate = evaluate
        self.found: Any = None

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        """One evaluation of `atoms`."""
        super().calculate(atoms, properties, system_changes)
        self.found = found = self._evaluate(self.atoms)
        self.results = {"energy": found.energy, "free_energy": found.energy, "forces": found.forces}
        if found.stress is not None:
            self.results["stress"] = found.stress


def relaxed(
    evaluate: Evaluate, atoms: "Atoms", *, steps: int, cell: bool = False, max_force_eV_per_A: float = 0.02
) -> tuple["Atoms", bool]:
    """A copy of `atoms` with relaxed positions, and `cell`, and whether forces are below the limit after `steps`."""
    from ase.filters import UnitCellFilter
    from ase.optimize import FIRE
    from ase.parallel import DummyMPI

    moved = atoms.copy()
    moved.calc = Asked(evaluate)
    optimizer = FIRE(UnitCellFilter(moved) if cell else moved, logfile=None, comm=DummyMPI())
    converged = bool(optimizer.run(fmax=max_force_eV_per_A, steps=steps))
    moved.calc = None
    return moved, converged


@dataclass(frozen=True)
class Step:
    """A structure on the way of a relaxation, what the potential says of it, and whether it is relaxed."""

    atoms: "Atoms"
    found: Any
    relaxed: bool


def relaxation(
    evaluate: Evaluate,
    atoms: "Atoms",
    *,
    steps: int,
    lengths: bool = False,
    max_force_eV_per_A: float = 0.02,
    pressure_bar: float = 0.0,
) -> Iterator[Step]:
    """The structures of a relaxation by L-BFGS, the start first, until one is relaxed or `steps` were made.

    With `lengths` those of the cell's vectors move too, and its angles stay (CELL_OPT with KEEP_ANGLES in CP2K).
    Relaxed is a structure with no component of a force above `max_force_eV_per_A`, and whose pressure against each
    length is within 100 bar of `pressure_bar`. The same answers of `evaluate` give the same structures.
    """
    from ase.optimize import LBFGS
    from ase.parallel import DummyMPI

    moved = atoms.copy()
    moved.calc = asked = Asked(evaluate)
    cell = _Lengths(moved, pressure_bar) if lengths else None
    optimizer = LBFGS(moved if cell is None else cell, logfile=None, comm=DummyMPI())
    # the limit of the optimizer is one for forces and the cell together: never met
    for _ in optimizer.irun(fmax=0.0, steps=steps):
        quiet = float(np.abs(asked.found.forces).max()) <= max_force_eV_per_A
        done = quiet and (cell is None or cell.off_bar() <= _MOST_OFF_BAR)
        there = moved.copy()
        there.calc = None
        yield Step(there, asked.found, done)
        if done:
            return


class _Lengths(UnitCellFilter):
    """Positions, and a cell whose vectors change in length only, under a pressure (bar).

    Cells diag(s) A of the first cell A (rows) are a plane in the space of cells, to which the forces are projected.
    """

    def __init__(self, atoms: "Atoms", pressure_bar: float):
        from ase.units import bar

        super().__init__(atoms, scalar_pressure=pressure_bar * bar)
        self._pressure, self._bar = pressure_bar * bar, bar
        inverse, cell = np.linalg.inv(atoms.cell.array), atoms.cell.array
        directions = [np.outer(inverse[:, i], cell[i]).T.ravel() for i in range(3)]
        self._plane = np.linalg.qr(np.array(directions).T)[0]

    def get_forces(self, **options: Any) -> np.ndarray:
        """Forces on the atoms, and on the deformation of the cell (eV/Å)."""
        forces = super().get_forces(**options)
        own = forces[-3:].ravel()
        forces[-3:] = (self._plane @ (self._plane.T @ own)).reshape(3, 3)
        return forces

    def off_bar(self) -> float:
        """The largest |stress + pressure| (bar) against the length of a vector of the cell."""
        stress, cell = voigt_6_to_full_3x3_stress(self.atoms.get_stress()), self.atoms.cell.array
        against = np.diag(cell @ stress @ np.linalg.inv(cell))
        return float(np.abs(against + self._pressure).max() / self._bar)
