"""A crystal of Lennard-Jones atoms beside its melt, in LAMMPS: velocities of its interfaces, and coexistence.

The cut potential of Broughton & Gilmer, J. Chem. Phys. 79, 5095 (1983), whose triple point is at
T* = 0.617 (Davidchack & Laird, J. Chem. Phys. 118, 7651 (2003)). Reduced units throughout.
"""

from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np

from naglass_drv import core
from naglass_drv.analysis.fronts import Crossing, Rate, front_positions, front_velocities, zero_velocity
from support.lammps_runs import run_lammps

TIMESTEP = 0.004
#: Connections are neighbors in the first shell with a correlation of q6 above this; so many make an atom crystalline.
SHELL, CORRELATION, CONNECTIONS = 1.5, 0.5, 7


def write_potential(path: Path, points: int = 2000) -> None:
    """pair_style table: 4 (r^-12 - r^-6) + C1 up to 2.3, C2 r^-12 + C3 r^-6 + C4 r^2 + C5 up to 2.5.

    C1 is that of a continuous energy; forces do not depend on it.
    """
    r = np.linspace(0.6, 2.5, points)
    c2, c3, c4, c5 = 3136.6, -68.069, -0.083312, 0.74689
    inner, outer = 4 * (r**-12 - r**-6), c2 * r**-12 + c3 * r**-6 + c4 * r**2 + c5
    c1 = c2 * 2.3**-12 + c3 * 2.3**-6 + c4 * 2.3**2 + c5 - 4 * (2.3**-12 - 2.3**-6)
    energy = np.where(r <= 2.3, inner + c1, outer)
    force = np.where(r <= 2.3, 4 * (12 * r**-13 - 6 * r**-7), 12 * c2 * r**-13 + 6 * c3 * r**-7 - 2 * c4 * r)
    rows = "".join(
        f"{k + 1} {a:.12g} {e:.12g} {f:.12g}\n" for k, (a, e, f) in enumerate(zip(r, energy, force, strict=True))
    )
    path.write_text(f"LJ\nN {points} R 0.6 2.5\n\n{rows}")


START = f"""
units lj
{{source}}
mass 1 1.0
pair_style table linear 2000
pair_coeff 1 1 lj.table LJ 2.5
neighbor 0.3 bin
neigh_modify every 2 delay 4 check yes
timestep {TIMESTEP}
compute q all orientorder/atom degrees 1 6 nnn NULL components 6 cutoff {SHELL}
compute n all coord/atom orientorder q {CORRELATION}
"""


def run(folder: Path, source: str, commands: str) -> None:
    done = run_lammps(folder, START.format(source=source) + commands, timeout=7200)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def lattice_constant(folder: Path, temperature: float, across: int, steps: int, seed: int = 1) -> float:
    """That of the fcc crystal at zero pressure."""
    source = (
        f"lattice fcc 0.945\nregion cell block 0 {across} 0 {across} 0 {across}\ncreate_box 1 cell\ncreate_atoms 1 box"
    )
    run(
        folder,
        source,
        f"velocity all create {2 * temperature} {seed}\nfix 1 all npt temp {temperature} {temperature} 0.4 iso 0 0 4\n"
        f"variable l equal lx\nrun {steps // 4}\nfix a all ave/time 10 1 10 v_l file lattice.out\nrun {steps}\n",
    )
    return float(np.loadtxt(folder / "lattice.out")[:, 1].mean()) / across


def make_slab(folder: Path, a: float, across: int, along: int, temperature: float, steps: int, seed: int = 2) -> None:
    """slab.data: half of the cell melted while the other half is held near `temperature`, at zero pressure along z."""
    source = (
        f"lattice fcc {4 / a**3}\nregion cell block 0 {across} 0 {across} 0 {along}\ncreate_box 1 cell\n"
        f"create_atoms 1 box\nregion hot block INF INF INF INF INF {along / 2}\n"
        "group hot region hot\ngroup cold subtract all hot"
    )
    hold = f"fix k cold langevin {temperature} {temperature} 0.2 {seed}\n"
    run(
        folder,
        source,
        f"velocity all create {2 * temperature} {seed}\nfix z all nph z 0 0 4\n{hold}"
        f"fix m hot langevin 2 2 0.2 {seed + 1}\nrun {steps}\nunfix m\n"
        f"fix m hot langevin {temperature} {temperature} 0.2 {seed + 2}\nrun {steps}\nunfix m\nunfix k\nunfix z\n"
        f"fix z all npt temp {temperature} {temperature} 0.4 z 0 0 4\nrun {steps // 2}\nwrite_data slab.data nocoeff\n",
    )


@dataclass(frozen=True)
class Growth:
    """Velocities (σ/τ) of the two interfaces, and the crystalline atoms that fix naglass/crystal counted."""

    fronts: tuple[Rate, Rate]
    largest: np.ndarray

    @property
    def velocity(self) -> tuple[float, float]:
        """Mean of the two, and one standard error."""
        below, above = self.fronts
        return (below.rate + above.rate) / 2, np.hypot(below.err, above.err) / 2


def growth(folder: Path, a: float, temperature: float, steps: int, *, every: int = 20, seed: int = 3) -> Growth:
    """How the interfaces of slab.data move at a temperature, with zero pressure along z."""
    name = f"u-{temperature}"
    run(
        folder,
        "read_data slab.data",
        f"velocity all create {temperature} {seed}\nfix z all npt temp {temperature} {temperature} 0.4 z 0 0 4\n"
        f"run 200\nreset_timestep 0\n"
        f"fix k all naglass/crystal {every} order c_n threshold {CONNECTIONS} connect {SHELL} file {name}.out\n"
        f"dump d all custom {every} {name}.dump id type xs ys zs c_n\ndump_modify d sort id\nrun {steps}\n",
    )
    frames = ase.io.read(folder / f"{name}.dump", ":", format="lammps-dump-text")
    flags = np.array([frame.arrays["c_n"].ravel() >= CONNECTIONS for frame in frames])
    volume = a**3 / 4
    time = TIMESTEP * every * np.arange(len(frames))
    fronts = front_velocities(time, front_positions(frames, flags, volume), volume, blocks=20)
    table = core.read_table(folder / f"{name}.out")
    assert (table["crystalline"] == flags.sum(axis=1)).all(), "LAMMPS and Python count the same atoms"
    return Growth(fronts, table["largest"])


def melting_by_growth(folder: Path, a: float, temperatures, steps: int) -> tuple[Crossing, dict[float, Growth]]:
    """The temperature without growth, and the growth at each temperature."""
    found = {temperature: growth(folder, a, temperature, steps) for temperature in temperatures}
    velocities, errors = zip(*(one.velocity for one in found.values()), strict=True)
    return zero_velocity(list(temperatures), list(velocities), list(errors)), found


def coexistence(folder: Path, temperature: float, steps: int, seed: int = 5) -> tuple[float, float]:
    """Temperature to which slab.data comes at constant enthalpy, and its error; the last half of a run from there."""
    run(
        folder,
        "read_data slab.data",
        f"velocity all create {temperature} {seed}\nfix z all nph z 0 0 4\n"
        f"run {steps // 2}\nvariable t equal temp\nfix o all ave/time 2 10 20 v_t file nph.out\nrun {steps // 2}\n",
    )
    found = core.average(np.loadtxt(folder / "nph.out")[:, 1])
    return float(found.mean), float(found.err)
