"""What any interatomic potential has to hold, whatever it was trained on: invariances, derivatives, pair curves.

A potential is a function that gives energy (eV), forces (eV/Å) and stress (eV/Å³, Voigt order xx yy zz yz xz xy) of a
structure, as an object with these attributes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

Evaluate = Callable[["Atoms"], Any]
_STEP_A, _STRAIN = 0.01, 0.002
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True)
class Sanity:
    """Largest violations on one structure: of what a rotation, a permutation or a shift must not change (forces,
    eV/Å), of forces as the derivative of the energy (eV/Å), and of the stress as that by strain (eV/Å³)."""

    rotation_eV_per_A: float
    permutation_eV_per_A: float
    shift_eV_per_A: float
    force_eV_per_A: float
    stress_eV_per_A3: float


def sanity(evaluate: Evaluate, atoms: "Atoms", seed: int = 1) -> Sanity:
    """The violations on `atoms`, which should be disordered; derivatives are central differences of fourth order."""
    rng = np.random.default_rng(seed)
    found = evaluate(atoms)
    rotation = _rotation(rng)
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ rotation.T)
    turned.positions = atoms.positions @ rotation.T
    order = rng.permutation(len(atoms))
    shifted = atoms.copy()
    shifted.positions += rng.normal(size=3)
    shifted.wrap()
    return Sanity(
        float(np.abs(evaluate(turned).forces - found.forces @ rotation.T).max()),
        float(np.abs(evaluate(atoms[order]).forces - found.forces[order]).max()),
        float(np.abs(evaluate(shifted).forces - found.forces).max()),
        _force_violation(evaluate, atoms, found.forces, rng),
        _stress_violation(evaluate, atoms, found.stress),
    )


def _rotation(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def _slope(energy: Callable[[float], float], step: float) -> float:
    return (8 * (energy(step) - energy(-step)) - energy(2 * step) + energy(-2 * step)) / (12 * step)


def _force_violation(evaluate: Evaluate, atoms: "Atoms", forces: np.ndarray, rng: np.random.Generator) -> float:
    """Along three random directions of all atoms, so that single precision is averaged over the atoms."""
    worst = 0.0
    for _ in range(3):
        direction = rng.normal(size=forces.shape)
        direction /= np.linalg.norm(direction)

        def energy(step: float, direction: np.ndarray = direction) -> float:
            moved = atoms.copy()
            moved.positions += step * direction
            return evaluate(moved).energy

        worst = max(worst, abs(_slope(energy, _STEP_A) + float((forces * direction).sum())))
    return worst


def _stress_violation(evaluate: Evaluate, atoms: "Atoms", stress: np.ndarray) -> float:
    worst = 0.0
    for component, (a, b) in enumerate(VOIGT):

        def energy(step: float, a: int = a, b: int = b) -> float:
            strain = np.eye(3)
            strain[a, b] += step / 2
            strain[b, a] += step / 2
            strained = atoms.copy()
            strained.set_cell(atoms.cell.array @ strain, scale_atoms=True)
            return evaluate(strained).energy

        worst = max(worst, abs(_slope(energy, _STRAIN) / atoms.get_volume() - float(stress[component])))
    return worst


@dataclass(frozen=True)
class Curve:
    """Energy of a pair (eV) relative to that at the largest distance, against the distance (Å).

    `minima` is the number of minima deeper than 10 meV; `repulsive_below` the distance below which the energy rises
    all the way to the shortest one; `jump_eV` the largest step between neighbors that the forces do not explain.
    """

    elements: tuple[str, str]
    distance_A: np.ndarray
    energy_eV: np.ndarray
    minima: int
    repulsive_below_A: float
    jump_eV: float

    @property
    def sound(self) -> bool:
        """One minimum or none, and repulsion from 0.8 times the distance of the minimum (or of 2 Å) inward."""
        bottom = self.distance_A[int(np.argmin(self.energy_eV))] if self.minima else 2.0
        return bool(self.minima <= 1 and self.repulsive_below_A >= 0.8 * bottom and self.jump_eV < 0.1)


_DEEP_EV = 0.01


def pair_curve(evaluate: Evaluate, elements: tuple[str, str], distances_A: Sequence[float]) -> Curve:
    """The curve of two atoms in a box of 30 Å; `distances_A` ascend."""
    from ase import Atoms

    distances = np.asarray(distances_A, dtype=float)
    energies, pulls = [], []
    for distance in distances:
        pair = Atoms(list(elements), positions=[[10, 10, 10], [10 + distance, 10, 10]], cell=[30.0] * 3, pbc=True)
        found = evaluate(pair)
        energies.append(found.energy)
        pulls.append(0.5 * (found.forces[1, 0] - found.forces[0, 0]))
    energy, pull = np.array(energies), np.array(pulls)
    # trapezoids of the force against the step of the energy
    expected = -0.5 * (pull[1:] + pull[:-1]) * np.diff(distances)
    curvature = np.abs(np.diff(pull)) * np.diff(distances)
    jump = float(np.maximum(np.abs(np.diff(energy) - expected) - curvature, 0.0).max())
    energy = energy - energy[-1]
    rising = np.diff(energy) > 0
    repulsive = float(distances[int(np.argmax(rising))] if rising.any() else distances[-1])
    return Curve(elements, distances, energy, minima_of(energy), repulsive, jump)


def minima_of(energy: np.ndarray) -> int:
    """Minima with a rise of more than 10 meV on both sides."""
    count, low, climbing = 0, energy[0], False
    high = energy[0]
    for value in energy[1:]:
        if climbing:
            high = max(high, value)
            if value < high - _DEEP_EV:
                climbing, low = False, value
        else:
            low = min(low, value)
            if value > low + _DEEP_EV:
                climbing, high = True, value
                count += 1
    return count if energy[0] > energy.min() + _DEEP_EV else max(0, count - 1)
