"""Phonons of a crystal from displacements in a supercell, by phonopy (doi:10.7566/JPSJ.92.012001)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .potentials import Evaluate

if TYPE_CHECKING:
    from ase import Atoms

#: Lowest frequency (THz; imaginary ones are negative) that numerical noise and acoustic modes reach.
LOWEST_THZ = -1.0
_DISPLACEMENT_A = 0.01


@dataclass(frozen=True)
class Phonons:
    """Frequencies (THz, imaginary ones negative) at Γ and the lowest on the wave vectors that the supercell allows."""

    gamma_THz: np.ndarray
    lowest_THz: float
    supercells: int

    @property
    def stable(self) -> bool:
        return self.lowest_THz >= LOWEST_THZ


def phonons(evaluate: Evaluate, atoms: "Atoms", repeat: tuple[int, int, int] = (2, 2, 2)) -> Phonons:
    """Phonons of `atoms`, which should be relaxed; ImportError without phonopy."""
    from ase import Atoms
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    places = atoms.get_scaled_positions()
    cell = PhonopyAtoms(symbols=list(atoms.symbols), cell=atoms.cell.array, scaled_positions=places)
    found = Phonopy(cell, supercell_matrix=np.diag(repeat), primitive_matrix=np.eye(3), log_level=0)
    found.generate_displacements(distance=_DISPLACEMENT_A)
    supercells = found.supercells_with_displacements
    forces = [
        evaluate(Atoms(each.symbols, scaled_positions=each.scaled_positions, cell=each.cell, pbc=True)).forces
        for each in supercells
    ]
    found.forces = forces
    found.produce_force_constants()
    found.symmetrize_force_constants()
    found.run_mesh(list(repeat), is_gamma_center=True)
    found.run_qpoints([[0, 0, 0]])
    gamma = np.asarray(found.get_qpoints_dict()["frequencies"])[0]
    lowest = float(np.min(found.get_mesh_dict()["frequencies"]))
    return Phonons(gamma, lowest, len(supercells))
