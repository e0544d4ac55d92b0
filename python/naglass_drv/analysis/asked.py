"""A potential that is asked through a function, as an ASE calculator; relaxation with it."""

from typing import TYPE_CHECKING

from ase.calculators.calculator import Calculator, all_changes

from .potentials import Evaluate

if TYPE_CHECKING:
    from ase import Atoms


class Asked(Calculator):
    """The calculator of `evaluate`, see `potentials`."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, evaluate: Evaluate):
        super().__init__()
        self._evaluate = evaluate

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        """One evaluation of `atoms`."""
        super().calculate(atoms, properties, system_changes)
        found = self._evaluate(self.atoms)
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
