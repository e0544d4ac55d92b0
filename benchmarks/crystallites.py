"""Cost of following crystallites during a LAMMPS run: a seed of Na3V2(PO4)3 in its melt, 10 000 atoms, one rank.

    PYTHONPATH=python python benchmarks/crystallites.py [--atoms 10000] [--looks 20] [--model MODEL.naglass]

The order parameter (similarity to the crystal) and the fix are timed separately, per look; beside them a step of the
potential: Pedone's with Coulomb forces, or pair_style mace with a model. The cost of tracking is that of the fix over
that of the potential for as many steps as there are between two looks.
"""

import argparse
import datetime
import os
import platform
import tempfile
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.io.lammpsdata import write_lammps_data
from on_the_fly import loop_seconds

from naglass_drv import core

CRYSTAL = Path(__file__).parents[1] / "tests" / "data" / "crystals" / "NVP_R-3c_Na3_ewald_ordered.cif"
ELEMENTS = ["Na", "V", "P", "O"]
SCRIPT = """
units metal
atom_style charge
read_data seed.data
{potential}
mass * 20.0
neighbor 1.0 bin
{commands}
thermo {steps}
run {steps}
"""
NO_FORCES = "pair_style zero 5.5\npair_coeff * *"
PEDONE = """pair_style hybrid/overlay coul/dsf 0.25 8.0 pedone 5.5
pair_coeff * * coul/dsf
pair_coeff 1 4 pedone 0.023363 1.763867 3.006315 5.0
pair_coeff 2 4 pedone 0.1 1.9 2.4 1.0
pair_coeff 3 4 pedone 0.831326 2.585833 1.800790 1.0
pair_coeff 4 4 pedone 0.042395 1.379316 3.618701 22.0
set type 1 charge 0.6
set type 2 charge 1.8
set type 3 charge 3.0
set type 4 charge -1.2"""
ORDER = "compute c all naglass/crystal/atom elements Na V P O reference nvp.env"
FIX = """fix k all naglass/crystal 1 order c_c[1] threshold 0.6 connect 6.3 inside 3.8 shell 1.2 reference nvp.env &
  elements Na V P O file crystal.out"""
CASES = {
    "order parameter": f"{ORDER}\ncompute m all reduce max c_c[1]\nfix r all ave/time 1 1 1 c_m",
    "order parameter, crystallites, composition and orientation": f"{ORDER}\n{FIX}",
}


def seeded(atoms: int) -> Atoms:
    """The crystal, disordered outside of a ball of a third of its atoms; nothing moves in the runs."""
    crystal = ase.io.read(CRYSTAL)
    times = max(2, round((atoms / len(crystal)) ** (1 / 3)))
    cell = crystal * (times, times, max(1, round(atoms / len(crystal) / times**2)))
    middle = cell.cell.sum(axis=0) / 2
    radius = (cell.get_volume() / 3 * 3 / (4 * np.pi)) ** (1 / 3)
    outside = np.linalg.norm(cell.positions - middle, axis=1) > radius
    cell.positions[outside] += np.random.default_rng(1).normal(0, 0.5, (int(outside.sum()), 3))
    cell.positions[~outside] += np.random.default_rng(2).normal(0, 0.08, (int((~outside).sum()), 3))
    return cell


def step_seconds(folder: Path, potential: str, commands: str, steps: int) -> float:
    return loop_seconds(folder, SCRIPT.format(potential=potential, commands=commands, steps=steps)) / steps


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--atoms", type=int, default=10000)
    parser.add_argument("--looks", type=int, default=20)
    parser.add_argument("--model", type=Path)
    chosen = parser.parse_args()
    atoms = seeded(chosen.atoms)
    print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
          f"{len(atoms)} atoms, {chosen.looks} looks\n")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_lammps_data(folder / "seed.data", atoms, specorder=ELEMENTS, masses=True, atom_style="charge")
        core.environments(ase.io.read(CRYSTAL), "V", ("O", "P"), 3.8).write(folder / "nvp.env")
        model = f"pair_style mace\npair_coeff * * {chosen.model and chosen.model.resolve()} {' '.join(ELEMENTS)}"
        label, potential = ("pair_style mace", model) if chosen.model else ("Pedone, dsf", PEDONE)
        step = step_seconds(folder, potential, "", 3)
        bare = step_seconds(folder, NO_FORCES, "", chosen.looks)
        costs = {
            case: step_seconds(folder, NO_FORCES, commands, chosen.looks) - bare for case, commands in CASES.items()
        }
    print("| | ms |\n|---|---:|")
    print(f"| one step, {label} | {1e3 * step:.1f} |")
    for case, seconds in costs.items():
        print(f"| one look: {case} | {1e3 * seconds:.1f} |")
    order, everything = costs.values()
    print(f"| one look: the fix alone | {1e3 * (everything - order):.1f} |\n")
    print(f"Tracking every 100 steps adds {(everything - order) / step:.2f} % to the cost of the potential, the order "
          f"parameter {order / step:.2f} %.")  # fmt: skip


if __name__ == "__main__":
    main()
