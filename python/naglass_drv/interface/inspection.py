"""What has to be right in a cell of crystal and glass before it is run: contacts, PO4, density, charges, dipole."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chemistry.masses import volume_of
from ..core import bond_graph
from .joining import PHASE, Interface, too_near
from .slabs import counts_of, whole_units

if TYPE_CHECKING:
    from ase import Atoms

#: Of the contact distance: nearer pairs are named.
NEAR = 0.55
_P_O_A = 2.0
_BIN_A = 2.0
_SIDES = ("crystal", "glass")


@dataclass(frozen=True)
class Side:
    """One side of an interface."""

    counts: dict[str, int]  #: atoms by element
    units: int  #: whole formula units
    excess: dict[str, int]  #: atoms beyond these
    charge_e: float  #: of formal charges
    oxygens_of_P: dict[int, int]  #: number of P by number of O of the same side within 2.0 Å


@dataclass(frozen=True)
class Inspection:
    """Checks of a structure; nothing in it is an estimate."""

    sides: dict[str, Side]  #: crystal and glass
    nearest: tuple[str, str, float, float]  #: elements, distance (Å) and its part of the contact distance
    contacts: int  #: pairs nearer than 0.55 of their contact distance
    P_O_across: int  #: P and O of different sides within 2.0 Å
    z_A: np.ndarray  #: (bins,) middle of slabs of about 2 Å along z
    density_g_cm3: dict[str, np.ndarray]  #: (bins,) of the crystal, the glass and both
    crystal_dipole_eA: np.ndarray  #: (3,) of the formal charges of the crystal, whose atoms stand together

    @property
    def faults(self) -> list[str]:
        """What makes the structure unfit, in words; empty if nothing does."""
        found = [
            f"the {name} is off its stoichiometry by {side.excess}" for name, side in self.sides.items() if side.excess
        ]
        found += [
            f"the {name} has a charge of {side.charge_e:+.3g} e"
            for name, side in self.sides.items()
            if abs(side.charge_e) > 1e-6
        ]
        broken = {n: count for n, count in self.sides["crystal"].oxygens_of_P.items() if n != 4}
        found += [f"{count} P of the crystal with {n} O" for n, count in broken.items()]
        if self.contacts:
            a, b, distance, part = self.nearest
            found.append(
                f"{self.contacts} pairs nearer than {NEAR:g} of their contact distance, the nearest {a}-{b} at "
                f"{distance:.2f} Å ({part:.2f})"
            )
        return found

    def facts(self) -> dict[str, Any]:
        """For a file of JSON."""
        return {
            "sides": {
                name: {
                    "counts": side.counts,
                    "formula_units": side.units,
                    "excess": side.excess,
                    "charge_e": side.charge_e,
                    "P_by_oxygens": {str(n): count for n, count in side.oxygens_of_P.items()},
                }
                for name, side in self.sides.items()
            },
            "nearest": dict(zip(("a", "b", "distance_A", "of_contact"), self.nearest, strict=True)),
            "contacts": self.contacts,
            "P_O_across": self.P_O_across,
            "crystal_dipole_eA": self.crystal_dipole_eA.tolist(),
            "z_A": self.z_A.tolist(),
            "density_g_cm3": {name: values.tolist() for name, values in self.density_g_cm3.items()},
            "faults": self.faults,
        }


def inspect(made: Interface) -> Inspection:
    """Check a structure: both sides by their formulas and formal charges, contacts, oxygens of P, density along z."""
    atoms = made.atoms
    crystal = atoms.arrays[PHASE] == 1
    charges = np.where(crystal, _charges(atoms, made.charges), _charges(atoms, made.glass_charges))
    oxygens, across = _oxygens_of_phosphorus(atoms, crystal)
    sides = {}
    for name, own, formula in zip(_SIDES, (crystal, ~crystal), (made.crystal_formula, made.glass_formula), strict=True):
        counts = counts_of(atoms[own])
        units, excess = whole_units(counts, formula)
        numbers, times = np.unique(oxygens[own & (atoms.symbols == "P")], return_counts=True)
        by_number = dict(zip(numbers.tolist(), times.tolist(), strict=True))
        sides[name] = Side(counts, units, excess, float(charges[own].sum()), by_number)
    i, j, part = too_near(atoms, 1.0)
    least = int(part.argmin())
    pair = atoms.symbols[i[least]], atoms.symbols[j[least]]
    distance = float(atoms.get_distance(i[least], j[least], mic=True))
    z, density = _densities(atoms, crystal)
    return Inspection(
        sides=sides,
        nearest=(*pair, distance, float(part[least])),
        contacts=int((part < NEAR).sum()),
        P_O_across=across,
        z_A=z,
        density_g_cm3=density,
        crystal_dipole_eA=charges[crystal] @ atoms.positions[crystal],
    )


def _charges(atoms: "Atoms", of_element: dict[str, float]) -> np.ndarray:
    return np.array([of_element.get(symbol, 0.0) for symbol in atoms.symbols])


def _oxygens_of_phosphorus(atoms: "Atoms", crystal: np.ndarray) -> tuple[np.ndarray, int]:
    """(N,) oxygens within 2.0 Å on the same side, and bonds between the sides."""
    if not {"P", "O"} <= set(atoms.symbols):
        return np.zeros(len(atoms), dtype=int), 0
    graph = bond_graph(atoms, {("P", "O"): _P_O_A})
    rows = np.repeat(np.arange(len(atoms)), np.diff(graph.offsets))
    same = crystal[rows] == crystal[graph.targets]
    return np.bincount(rows[same], minlength=len(atoms)), int((~same).sum()) // 2


def _densities(atoms: "Atoms", crystal: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    height = float(atoms.cell[2, 2])
    bins = max(1, round(height / _BIN_A))
    volume = volume_of(1.0, 1.0) * bins / atoms.cell.volume
    place = np.minimum((atoms.positions[:, 2] % height / height * bins).astype(int), bins - 1)
    masses = atoms.get_masses()
    found = {
        name: np.bincount(place[own], weights=masses[own], minlength=bins) * volume
        for name, own in zip((*_SIDES, "both"), (crystal, ~crystal, np.ones(len(atoms), dtype=bool)), strict=True)
    }
    return (np.arange(bins) + 0.5) * height / bins, found
