"""ASE calculators that misbehave, for workers to open by ``ase:odd_calculators:NAME``."""

import os
import time

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones


def nan():
    return Odd("nan")


def slow():
    return Odd("slow")


def argon():
    return Counted(sigma=3.4, epsilon=0.5, rc=6.0, smooth=True)


class Counted(LennardJones):
    """Prints a line whenever it is asked."""

    def calculate(self, *arguments, **options):
        super().calculate(*arguments, **options)
        print("asked", flush=True)


class Odd(Calculator):
    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, how="prints"):
        super().__init__()
        self.how = how

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        print("a line on standard output", flush=True)
        os.write(1, b"and one below Python\n")
        if self.how == "slow":
            time.sleep(0.25)
        if self.how == "hangs":
            time.sleep(600)
        if self.how == "dies":
            os._exit(7)
        if self.how == "raises":
            raise RuntimeError("no such element in the table")
        value = np.nan if self.how == "nan" else 1.5
        forces = np.full((len(atoms), 3), value)
        self.results = {"energy": 2.0, "forces": forces[:1] if self.how == "short" else forces, "stress": np.zeros(6)}
