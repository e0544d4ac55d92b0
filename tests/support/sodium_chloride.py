"""A crystal of NaCl beside its melt in LAMMPS, with the Tosi-Fumi potential (born/coul/long).

Tosi & Fumi, J. Phys. Chem. Solids 25, 45 (1964). It melts at 1064 ± 14 K (Anwar, Frenkel & Noro, J. Chem. Phys. 118,
728 (2003), DOI 10.1063/1.1522375).
"""

from pathlib import Path

import ase.build
import ase.io
import numpy as np
from ase.io.lammpsdata import write_lammps_data

from naglass_drv import core
from naglass_drv.analysis.fronts import Crossing, Rate, front_positions, front_velocities, zero_velocity
from support.lammps_runs import run_lammps

#: A (eV), ρ and σ (Å), C (eV Å⁶), D (eV Å⁸) of Na-Na, Na-Cl and Cl-Cl.
PAIRS = {
    "1 1": (0.2637, 0.317, 2.340, 1.0486, 0.4993),
    "1 2": (0.2110, 0.317, 2.755, 6.9906, 8.6758),
    "2 2": (0.1582, 0.317, 3.170, 72.4022, 145.4285),
}
#: Both ions have an octahedron of the other: connections are neighbors in this shell (Å) with a correlation of q4 above
#: this, and so many of six make an ion crystalline.
SHELL, CORRELATION, CONNECTIONS = 3.8, 0.6, 5

START = """
units metal
atom_style charge
{source}
set type 1 charge 1.0
set type 2 charge -1.0
pair_style born/coul/long 8.5
{pairs}
kspace_style pppm 1e-4
neighbor 1.5 bin
timestep 0.002
compute q all orientorder/atom degrees 1 4 nnn NULL components 4 cutoff {shell}
compute n all coord/atom orientorder q {correlation}
"""


def run(folder: Path, source: str, commands: str) -> None:
    # LAMMPS's C is subtracted and its D added
    pairs = "\n".join(f"pair_coeff {k} {a} {rho} {sigma} {c} {-d}" for k, (a, rho, sigma, c, d) in PAIRS.items())
    start = START.format(source=source, pairs=pairs, correlation=CORRELATION, shell=SHELL)
    done = run_lammps(folder, start + commands, timeout=7200)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def write_crystal(folder: Path, a: float, across: int, along: int) -> None:
    atoms = ase.build.bulk("NaCl", "rocksalt", a=a, cubic=True) * (across, across, along)
    write_lammps_data(folder / "crystal.data", atoms, specorder=["Na", "Cl"], masses=True, atom_style="charge")


def lattice_constant(folder: Path, temperature: float, steps: int) -> float:
    write_crystal(folder, 5.9, 3, 3)
    run(
        folder,
        "read_data crystal.data",
        f"velocity all create {2 * temperature} 1\nfix 1 all npt temp {temperature} {temperature} 0.1 iso 0 0 1\n"
        f"variable l equal lx\nrun {steps // 3}\nfix a all ave/time 10 1 10 v_l file lattice.out\nrun {steps}\n",
    )
    return float(np.loadtxt(folder / "lattice.out")[:, 1].mean()) / 3


def make_slab(folder: Path, a: float, across: int, along: int, temperature: float, steps: int) -> None:
    write_crystal(folder, a, across, along)
    run(
        folder,
        "read_data crystal.data",
        f"region hot block INF INF INF INF INF {a * along / 2}\ngroup hot region hot\ngroup cold subtract all hot\n"
        f"velocity all create {2 * temperature} 2\nfix z all nph z 0 0 1\n"
        f"fix k cold langevin {temperature} {temperature} 0.1 3\nfix m hot langevin 3500 3500 0.1 4\nrun {steps}\n"
        f"unfix m\nfix m hot langevin {temperature} {temperature} 0.1 5\nrun {steps}\nwrite_data slab.data nocoeff\n",
    )


def growth(folder: Path, a: float, temperature: float, steps: int, every: int = 50) -> tuple[Rate, Rate]:
    """Velocities (Å/ps) of the two interfaces of slab.data at zero pressure along z."""
    name = f"u-{temperature}"
    run(
        folder,
        "read_data slab.data",
        f"velocity all create {temperature} 6\nfix z all npt temp {temperature} {temperature} 0.1 z 0 0 1\nrun 300\n"
        f"reset_timestep 0\nfix k all naglass/crystal {every} order c_n threshold {CONNECTIONS} connect {SHELL} &\n"
        f"  file {name}.out\ndump d all custom {every} {name}.dump id type xs ys zs c_n\ndump_modify d sort id\n"
        f"run {steps}\n",
    )
    frames = ase.io.read(folder / f"{name}.dump", ":", format="lammps-dump-text")
    flags = np.array([frame.arrays["c_n"].ravel() >= CONNECTIONS for frame in frames])
    assert (core.read_table(folder / f"{name}.out")["crystalline"] == flags.sum(axis=1)).all()
    volume, time = a**3 / 8, 0.002 * every * np.arange(len(frames))
    return front_velocities(time, front_positions(frames, flags, volume), volume)


def melting_by_growth(folder: Path, a: float, temperatures, steps: int) -> Crossing:
    rates = [growth(folder, a, temperature, steps) for temperature in temperatures]
    velocities = [(below.rate + above.rate) / 2 for below, above in rates]
    errors = [np.hypot(below.err, above.err) / 2 for below, above in rates]
    return zero_velocity(list(temperatures), velocities, errors)


def coexistence(folder: Path, temperature: float, steps: int) -> tuple[float, float]:
    run(
        folder,
        "read_data slab.data",
        f"velocity all create {temperature} 7\nfix z all nph z 0 0 1\n"
        f"run {steps // 2}\nvariable t equal temp\nfix o all ave/time 2 10 20 v_t file nph.out\nrun {steps // 2}\n",
    )
    found = core.average(np.loadtxt(folder / "nph.out")[:, 1])
    return float(found.mean), float(found.err)
