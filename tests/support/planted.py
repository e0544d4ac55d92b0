"""A potential whose truth is known: Born-Mayer repulsion and a screened Coulomb attraction between Na+ and O2-."""

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import neighbor_list

_CHARGE = {"Na": 1.0, "O": -2.0}
# A (eV) and rho (Å) of the repulsion
_REPULSION = {("Na", "O"): (800.0, 0.30), ("Na", "Na"): (250.0, 0.32), ("O", "O"): (1500.0, 0.32)}
_COULOMB_EV_A, _SCREENING_A, _CUTOFF_A = 14.399645 * 0.35, 1.6, 5.0


class IonPair(Calculator):
    """Sums over pairs up to 5 Å, shifted to zero there; energy in eV, forces in eV/Å, stress in eV/Å³."""

    implemented_properties = ("energy", "forces", "stress")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        i, j, r, d = neighbor_list("ijdD", self.atoms, _CUTOFF_A)
        symbols = np.array(self.atoms.get_chemical_symbols())
        energy, slope = np.zeros(len(r)), np.zeros(len(r))
        for (a, b), (height, length) in _REPULSION.items():
            own = ((symbols[i] == a) & (symbols[j] == b)) | ((symbols[i] == b) & (symbols[j] == a))
            product = _COULOMB_EV_A * _CHARGE[a] * _CHARGE[b]
            e, s = _pair(r[own], height, length, product)
            end, end_slope = _pair(np.array([_CUTOFF_A]), height, length, product)
            energy[own], slope[own] = e - end - end_slope * (r[own] - _CUTOFF_A), s - end_slope
        along = d / r[:, None]
        forces = np.zeros((len(self.atoms), 3))
        np.add.at(forces, i, slope[:, None] * along)
        virial = 0.5 * np.einsum("n,ni,nj->ij", slope, along, d) / self.atoms.get_volume()
        self.results = {
            "energy": 0.5 * energy.sum(), "forces": forces,
            "stress": virial[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]],
        }  # fmt: skip


def _pair(r: np.ndarray, height: float, length: float, product: float) -> tuple[np.ndarray, np.ndarray]:
    """Energy (eV) and its derivative (eV/Å)."""
    repulsion, attraction = height * np.exp(-r / length), product * np.exp(-r / _SCREENING_A) / r
    return repulsion + attraction, -repulsion / length - attraction * (1 / _SCREENING_A + 1 / r)


def teacher() -> IonPair:
    """Called by its name: ``ase:support.planted:teacher``."""
    return IonPair()


def antifluorite(length: float, group: str) -> Atoms:
    """Na2O, 12 atoms."""
    corner = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    places = np.vstack([corner, corner + 0.25, corner + 0.75]) % 1
    return Atoms("O4Na8", scaled_positions=places, cell=[length] * 3, pbc=True, info={"group": group})
