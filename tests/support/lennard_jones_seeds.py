"""Seeds of crystal in undercooled Lennard-Jones melts: which of them grow, and what theory makes of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io.lammpsdata import read_lammps_data

from naglass_drv import core
from naglass_drv.analysis.nucleation import Estimate
from support.lennard_jones import CONNECTIONS, LENNARD_JONES, SHELL, TIMESTEP

EVERY = 50
#: Where crystal and melt coexist.
MELTING = 0.617


def heat_per_atom(folder: Path, temperature: float, lattice: float, across: int, steps: int) -> tuple[Estimate, dict]:
    """Enthalpy of melting at zero pressure, and the number densities of both phases."""
    found, density = {}, {}
    for phase in ("crystal", "melt"):
        melted = "fix 1 all nvt temp 2 2 0.4\nrun 2000\nunfix 1\n" if phase == "melt" else ""
        LENNARD_JONES.run(
            folder,
            _crystal(folder, lattice, across),
            f"velocity all create {2 * temperature} 1\n{melted}{LENNARD_JONES.npt(temperature)}run 1500\n"
            f"variable h equal enthalpy\nvariable d equal density\n"
            f"fix a all ave/time 5 10 50 v_h v_d file {phase}.out\nrun {steps}\nwrite_data {phase}.data nocoeff\n",
        )
        table = np.loadtxt(folder / f"{phase}.out")
        mean = core.average(table[:, 1])
        found[phase], density[phase] = (float(mean.mean), float(mean.err)), float(table[:, 2].mean())
    (melt, melt_err), (solid, solid_err) = found["melt"], found["crystal"]
    return Estimate(melt - solid, float(np.hypot(melt_err, solid_err))), density


def make_melt(folder: Path, name: str, lattice: float, across: int, seed: int) -> None:
    """A melt where it coexists with the crystal, in which seeds neither grow nor melt while it comes to rest."""
    LENNARD_JONES.run(
        folder,
        _crystal(folder, lattice, across),
        f"velocity all create 3 {seed}\nfix 1 all nvt temp 2 2 0.4\nrun 2000\nunfix 1\n"
        f"{_npt(0.8)}run 1500\nunfix 1\n{_npt(MELTING)}run 2500\nwrite_data {name}.data nocoeff\n",
    )


def put_seed(folder: Path, melt: str, name: str, temperature: float, lattice: float, radius: float) -> None:
    """A ball of crystal in place of the melt there, held until the melt around it has the density of zero pressure.

    A melt that is still expanded when the seed is released dissolves it, whatever its size.
    """
    atoms = read_lammps_data(folder / f"{melt}.data", units="metal", atom_style="atomic", Z_of_type={1: 18})
    middle = atoms.cell.sum(axis=0) / 2
    atoms.wrap()
    kept = atoms[np.linalg.norm(atoms.positions - middle, axis=1) > radius + 0.8]
    block = LENNARD_JONES.crystal(lattice, (9, 9, 9))
    ball = (
        block.positions - block.positions[np.argmin(np.linalg.norm(block.positions - block.positions.mean(0), axis=1))]
    )
    ball = ball[np.linalg.norm(ball, axis=1) < radius] + middle
    both = Atoms("Ar" * (len(ball) + len(kept)), np.vstack([ball, kept.positions]), cell=atoms.cell, pbc=True)
    LENNARD_JONES.write(folder / f"{name}.data", both)
    LENNARD_JONES.run(
        folder,
        f"read_data {name}.data",
        f"group seed id <= {len(ball)}\ngroup melt subtract all seed\n"
        f"fix held seed setforce 0 0 0\nminimize 0 1e-3 100 1000\nunfix held\n"
        f"velocity melt create {2 * MELTING} 3\n"
        f"fix 1 melt nve/limit 0.1\nfix 2 melt temp/berendsen {MELTING} {MELTING} 0.2\nrun 250\nunfix 1\nunfix 2\n"
        f"{_npt(MELTING, MELTING, 'melt', 'dilate melt')}run 1500\nunfix 1\n"
        f"{_npt(MELTING, temperature, 'melt', 'dilate melt')}run 500\nunfix 1\n"
        # half of it becomes potential energy of a lattice at rest
        f"velocity seed create {2 * temperature} 4\n{_npt(temperature)}run 250\nwrite_data {name}.data nocoeff\n",
    )


def _npt(start: float, end: float | None = None, group: str = "all", more: str = "") -> str:
    return f"fix 1 {group} npt temp {start} {end or start} 0.4 iso 0 0 1 {more}\n"


@dataclass(frozen=True)
class Draw:
    """Sizes (samples,) of the largest crystallite every `EVERY` steps, by the connections that an atom needs."""

    sizes: dict[int, np.ndarray]

    def start(self, connections: int = CONNECTIONS) -> float:
        return float(self.sizes[connections][2:6].mean())

    @property
    def grew(self) -> bool:
        return bool(self.sizes[CONNECTIONS][-4:].mean() > self.start())


#: Connections that make an atom crystalline: as elsewhere, and one fewer and one more.
THRESHOLDS = (CONNECTIONS - 1, CONNECTIONS, CONNECTIONS + 1)


def draw(folder: Path, name: str, temperature: float, steps: int, seed: int) -> Draw:
    """The seed with new velocities."""
    fixes = "".join(
        f"fix k{n} all naglass/crystal {EVERY} order c_n threshold {n} connect {SHELL} file {name}.{n}\n"
        for n in THRESHOLDS
    )
    LENNARD_JONES.run(
        folder,
        f"read_data {name}.data",
        f"velocity all create {temperature} {seed}\n{_npt(temperature)}{fixes}run {steps}\n",
    )
    return Draw({n: core.read_table(folder / f"{name}.{n}")["largest"] for n in THRESHOLDS})


def times(samples: int) -> np.ndarray:
    return TIMESTEP * EVERY * np.arange(samples)


def _crystal(folder: Path, lattice: float, across: int) -> str:
    LENNARD_JONES.write(folder / "crystal.data", LENNARD_JONES.crystal(lattice, (across,) * 3))
    return "read_data crystal.data"
