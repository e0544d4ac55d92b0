"""Bonds of a crystal, stretched and compressed: a path on which a sound potential has one minimum and no kink."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..chemistry.formers import DEFAULT_CUTOFFS_A
from ..chemistry.ions import contact_distance
from ..core import VANADYL_CUTOFF, neighbors
from .potentials import Evaluate, minima_of

if TYPE_CHECKING:
    from ase import Atoms

#: Largest change of stiffness (eV/Å²) between neighboring points that is no kink.
KINK_EV_PER_A2 = 0.5
_STEP_A, _FROM, _TO = 0.015, 0.9, 1.35
# how near the moved oxygen may come to a third atom, in contact distances
_NEAREST = 0.75


@dataclass(frozen=True)
class Stretch:
    """The energy (eV, from its lowest value) of a crystal against the length (Å) of one bond, all else at rest.

    `minima` as in `potentials.Curve`; `kink_eV_per_A2` is the largest change of the stiffness along the bond from one
    point to the next beyond the mean of the changes beside it, which for a smooth path vanishes with the step.
    """

    bond: str
    length_A: float
    distance_A: np.ndarray
    energy_eV: np.ndarray
    minima: int
    kink_eV_per_A2: float

    @property
    def sound(self) -> bool:
        """No second minimum and no kink."""
        return self.minima <= 1 and self.kink_eV_per_A2 < KINK_EV_PER_A2


def stretches(evaluate: Evaluate, atoms: "Atoms") -> Iterator[Stretch]:
    """The stretch of the shortest V=O, of a terminal P–O and of a bridging P–O bond, as far as `atoms` has them."""
    for name, (center, oxygen, vector) in bonds(atoms).items():
        yield _stretch(evaluate, atoms, name, center, oxygen, vector)


def bonds(atoms: "Atoms") -> dict[str, tuple[int, int, np.ndarray]]:
    """The bonds that are stretched by name: center, oxygen, and the vector between them (Å)."""
    pairs = neighbors(atoms, max(DEFAULT_CUTOFFS_A["P-O"], VANADYL_CUTOFF))
    symbols = np.array(atoms.get_chemical_symbols())
    to_oxygen = symbols[pairs.j] == "O"
    phosphorus = (symbols[pairs.i] == "P") & to_oxygen & (pairs.distances < DEFAULT_CUTOFFS_A["P-O"])
    bridges = np.bincount(pairs.j[phosphorus], minlength=len(atoms))[pairs.j] > 1
    wanted = {
        "V=O": (symbols[pairs.i] == "V") & to_oxygen & (pairs.distances < VANADYL_CUTOFF),
        "P-O": phosphorus & ~bridges,
        "P-O-P": phosphorus & bridges,
    }
    found = {}
    for name, chosen in wanted.items():
        if chosen.any():
            k = int(np.flatnonzero(chosen)[np.argmin(pairs.distances[chosen])])
            i, j = int(pairs.i[k]), int(pairs.j[k])
            found[name] = i, j, atoms.positions[j] - atoms.positions[i] + pairs.shifts[k] @ atoms.cell.array
    return found


def _stretch(evaluate: Evaluate, atoms: "Atoms", name: str, center: int, oxygen: int, vector: np.ndarray) -> Stretch:
    length = float(np.linalg.norm(vector))
    along = vector / length
    distances, energies, pulls = [], [], []
    for distance in np.arange(_FROM * length, _TO * length, _STEP_A):
        moved = atoms.copy()
        moved.positions[oxygen] += (distance - length) * along
        if distance > length and _meets(moved, oxygen, center):
            break
        found = evaluate(moved)
        distances.append(distance)
        energies.append(found.energy)
        pulls.append(float(found.forces[oxygen] @ along))
    energy = np.array(energies)
    # from one point to the next: stiffness, its change, and that beyond the changes beside it
    change = np.diff(np.diff(pulls)) / _STEP_A
    beyond = change[1:-1] - 0.5 * (change[:-2] + change[2:])
    kink = float(np.abs(beyond).max()) if beyond.size else 0.0
    return Stretch(name, length, np.array(distances), energy - energy.min(), minima_of(energy), kink)


def _meets(atoms: "Atoms", oxygen: int, center: int) -> bool:
    """Whether the moved oxygen has come to another atom than the center of its bond."""
    pairs = neighbors(atoms, 3.0)
    mine = (pairs.i == oxygen) & (pairs.j != center)
    limits = [_NEAREST * contact_distance("O", atoms.symbols[j]) for j in pairs.j[mine]]
    return bool((pairs.distances[mine] < limits).any())
