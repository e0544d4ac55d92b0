"""Cheap ASE calculators for phosphates, for workers to open by ``ase:simple_calculators:NAME``: one that is sound, and
others with a planted fault."""

import os
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from naglass_drv.core import neighbors
from naglass_drv.engines.mlip.client import Evaluation

_REACH = 5.0
_WIDTH = 1.6  # 1/Å
_BOUND = {("O", "P"): (1.52, 4.0), ("O", "V"): (1.75, 2.0), ("Na", "O"): (2.35, 0.5)}


def dimer() -> Atoms:
    """P2O7 in a box, with sodium: a bridge and terminal bonds."""
    towards = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 3**0.5
    first, bridge = np.array([3.0, 3.0, 3.0]), 1.56 * towards[0]
    second = first + 2 * bridge
    places = [first, second, first + bridge]
    places += [first + 1.52 * each for each in towards[1:]] + [second - 1.52 * each for each in towards[1:]]
    places += [[0.5, 6.5, 0.5], [6.5, 0.5, 6.5]]
    return Atoms("P2O7Na2", positions=places, cell=[9.0] * 3, pbc=True)


def evaluated(calculator):
    """A function that evaluates structures with a calculator, as analysis.potentials takes it."""

    def evaluate(atoms):
        atoms = atoms.copy()
        atoms.calc = calculator
        return Evaluation(atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(), None)

    return evaluate


class Morse(Calculator):
    """Morse bonds of oxygen to the cations, repulsion between like atoms; smooth at 5 Å."""

    implemented_properties = ("energy", "forces", "stress")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        pairs = neighbors(self.atoms, _REACH)
        vectors = self.atoms.positions[pairs.j] - self.atoms.positions[pairs.i] + pairs.shifts @ self.atoms.cell.array
        symbols = self.atoms.symbols
        energy, slope = np.zeros(len(pairs.i)), np.zeros(len(pairs.i))
        kinds = np.array(["-".join(sorted(each)) for each in zip(symbols[pairs.i], symbols[pairs.j])])
        for kind in np.unique(kinds):
            mine = kinds == kind
            energy[mine], slope[mine] = self.smoothed(tuple(kind.split("-")), pairs.distances[mine])
        pull = 0.5 * (slope / pairs.distances)[:, None] * vectors
        forces = np.zeros((len(self.atoms), 3))
        np.add.at(forces, pairs.i, pull)
        np.add.at(forces, pairs.j, -pull)
        stress = (vectors.T @ pull) / self.atoms.get_volume() if all(self.atoms.pbc) else np.zeros((3, 3))
        stress = 0.5 * (stress + stress.T)
        self.results = {
            "energy": 0.5 * energy.sum(),
            "forces": forces,
            "stress": stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]],
        }

    def smoothed(self, kind, r):
        """Energy and slope, which vanish at the end of the range."""
        energy, slope = self.pair(kind, r)
        x = (r / _REACH) ** 2
        return energy * (1 - x) ** 3, slope * (1 - x) ** 3 - energy * 6 * r / _REACH**2 * (1 - x) ** 2

    def pair(self, kind, r):
        if kind in _BOUND:
            r0, depth = _BOUND[kind]
            x = np.exp(-_WIDTH * (r - r0))
            return depth * (x**2 - 2 * x), -2 * _WIDTH * depth * (x**2 - x)
        x = np.exp(-4.0 * (r - 2.4))
        return x, -4.0 * x


class Hole(Morse):
    """A second minimum of P-O at 1.9 Å."""

    def pair(self, kind, r):
        energy, slope = super().pair(kind, r)
        if kind == ("O", "P"):
            x = 3.0 * np.exp(-(((r - 1.9) / 0.08) ** 2))
            energy, slope = energy - x, slope + 2 * (r - 1.9) / 0.08**2 * x
        return energy, slope


class Kink(Morse):
    """A bond P-O whose force jumps by 0.3 eV/Å at 1.7 Å."""

    def pair(self, kind, r):
        energy, slope = super().pair(kind, r)
        if kind == ("O", "P"):
            far = r > 1.7
            energy, slope = energy + far * 0.3 * (r - 1.7), slope + far * 0.3
        return energy, slope


class Soft(Morse):
    """Forces of 0.8 of what they should be."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {key: 0.8 * value for key, value in self.results.items()}


class Twists(Morse):
    """Forces that are the slope of no energy: they turn the atoms about the z axis, all the time."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        away = self.atoms.positions - self.atoms.positions.mean(axis=0)
        self.results["forces"] = self.results["forces"] + 0.3 * np.cross([0, 0, 1], away)


class Collapses(Morse):
    """Attraction of sodium and phosphorus below 4 Å in a cell that is denser than that of `dimer`."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if self.atoms.get_volume() / len(self.atoms) < 0.999 * 9.0**3 / 11:
            self.results["forces"] = self.results["forces"] - 40.0 * np.sign(self.atoms.positions - 4.5)


class Attracts(Morse):
    """The cell is pulled together by 20 GPa, as by a strong dispersion."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["stress"] = self.results["stress"] + 0.125 * np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])


class Explodes(Morse):
    """Pushes atoms along their displacement from the origin: a run gains energy without end."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["forces"] = self.results["forces"] + 30.0 * np.sign(self.atoms.positions - 3.0)


class NaNWhenHot(Morse):
    """Not finite once an atom has moved by more than 0.2 Å from where it was first."""

    first: ClassVar[dict] = {}

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        start = self.first.setdefault(len(self.atoms), self.atoms.positions.copy())
        if len(self.atoms) > 20 and np.abs(self.atoms.positions - start).max() > 0.2:
            self.results["forces"][0] = np.nan


class Dies(Morse):
    """The process ends where the cell is another than that of `dimer`."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if 0.01 < abs(self.atoms.get_volume() / 9.0**3 - 1) < 0.5:
            os._exit(7)
