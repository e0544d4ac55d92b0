"""A crystal beside its melt in LAMMPS: velocities of its interfaces, and coexistence, for any system of one crystal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ase.build
import ase.io
import numpy as np
from ase import Atoms
from ase.io.lammpsdata import write_lammps_data

from naglass_drv import core
from naglass_drv.analysis.fronts import (
    Coexistence,
    Crossing,
    Rate,
    coexistence,
    front_positions,
    front_velocities,
    zero_velocity,
)
from support.lammps_runs import run_lammps


@dataclass(frozen=True)
class System:
    """A potential with its crystal, and what makes an atom of it crystalline.

    `start` are LAMMPS commands with a place for the ``{source}`` of the atoms; they leave a compute ``n`` with the
    connections of each atom, and `connections` in the shell up to `shell` make one crystalline. Times are those of its
    units.
    """

    start: str
    structure: str  #: of ase.build.bulk
    formula: str
    species: tuple[str, ...]  #: in the order of the types
    style: str  #: atom_style
    guess: float  #: lattice constant from which the crystal relaxes
    shell: float
    connections: int
    timestep: float
    thermostat: float
    barostat: float
    hot: float  #: temperature at which it melts at once in the volume of the crystal
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def atoms_per_cell(self) -> int:
        return len(self.crystal(1.0))

    def crystal(self, a: float, copies: tuple[int, int, int] = (1, 1, 1)) -> Atoms:
        return ase.build.bulk(self.formula, self.structure, a=a, cubic=True) * copies

    def write(self, path: Path, atoms: Atoms) -> None:
        # positions as they are: the units are those of the potential
        write_lammps_data(path, atoms, specorder=list(self.species), masses=False, atom_style=self.style, units="metal")

    def run(self, folder: Path, source: str, commands: str) -> None:
        for name, text in self.files.items():
            (folder / name).write_text(text)
        done = run_lammps(folder, self.start.format(source=source) + commands, timeout=7200)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr

    def npt(self, temperature: float, pressure: str = "iso 0 0", *, group: str = "all") -> str:
        held = f"temp {temperature} {temperature} {self.thermostat}"
        return f"fix p {group} npt {held} {pressure} {self.barostat}\n"


def lattice_constant(system: System, folder: Path, temperature: float, across: int, steps: int) -> float:
    """That of the crystal at zero pressure."""
    system.write(folder / "crystal.data", system.crystal(system.guess, (across,) * 3))
    system.run(
        folder,
        "read_data crystal.data",
        f"velocity all create {2 * temperature} 1\n{system.npt(temperature)}"
        f"variable l equal lx\nrun {steps // 4}\nfix a all ave/time 10 1 10 v_l file lattice.out\nrun {steps}\n",
    )
    return float(np.loadtxt(folder / "lattice.out")[:, 1].mean()) / across


def make_slab(
    system: System, folder: Path, a: float, across: int, along: int, temperature: float, steps: int, seed: int = 2
) -> None:
    """slab.data: half of the cell is melted while the other half does not move; then all of it near `temperature`.

    The cross-section is that of the crystal at zero pressure, and the melt finds zero pressure along z.
    """
    system.write(folder / "crystal.data", system.crystal(a, (across, across, along)))
    system.run(
        folder,
        "read_data crystal.data",
        f"region hot block INF INF INF INF INF {a * along / 2}\ngroup hot region hot\ngroup cold subtract all hot\n"
        f"velocity hot create {system.hot} {seed}\n"
        f"fix m hot nvt temp {system.hot} {system.hot} {system.thermostat}\nrun {steps}\nunfix m\n"
        f"fix m hot nvt temp {system.hot} {temperature} {system.thermostat}\nrun {steps}\nunfix m\n"
        f"velocity cold create {temperature} {seed + 1}\n{system.npt(temperature, 'z 0 0')}run {steps}\n"
        "write_data slab.data nocoeff\n",
    )


@dataclass(frozen=True)
class Growth:
    """Velocities (length/time) of the two interfaces, and the atoms of the largest crystallite (samples,)."""

    fronts: tuple[Rate, Rate]
    largest: np.ndarray

    @property
    def velocity(self) -> tuple[float, float]:
        """Mean of the two, and one standard error."""
        below, above = self.fronts
        return (below.rate + above.rate) / 2, np.hypot(below.err, above.err) / 2


def growth(
    system: System, folder: Path, a: float, temperature: float, steps: int, *, every: int = 20, seed: int = 3
) -> Growth:
    """How the interfaces of slab.data move at a temperature, with zero pressure along z."""
    name = f"u-{temperature}"
    system.run(
        folder,
        "read_data slab.data",
        f"velocity all create {temperature} {seed}\n{system.npt(temperature, 'z 0 0')}run 200\nreset_timestep 0\n"
        f"fix k all naglass/crystal {every} order c_n threshold {system.connections} connect {system.shell} &\n"
        f"  file {name}.out\ndump d all custom {every} {name}.dump id type xs ys zs c_n\ndump_modify d sort id\n"
        f"run {steps}\n",
    )
    frames = ase.io.read(folder / f"{name}.dump", ":", format="lammps-dump-text")
    flags = np.array([frame.arrays["c_n"].ravel() >= system.connections for frame in frames])
    volume, time = a**3 / system.atoms_per_cell, system.timestep * every * np.arange(len(frames))
    fronts = front_velocities(time, front_positions(frames, flags, volume), volume, blocks=20)
    table = core.read_table(folder / f"{name}.out")
    assert (table["crystalline"] == flags.sum(axis=1)).all(), "LAMMPS and Python count the same atoms"
    (folder / f"{name}.dump").unlink()
    return Growth(fronts, table["largest"])


def melting_by_growth(
    system: System, folder: Path, a: float, temperatures: Sequence[float], steps: int, *, every: int = 20
) -> tuple[Crossing, dict[float, Growth]]:
    """The temperature without growth, and the growth at each temperature."""
    found = {kelvin: growth(system, folder, a, kelvin, steps, every=every) for kelvin in temperatures}
    velocities, errors = zip(*(one.velocity for one in found.values()), strict=True)
    return zero_velocity(list(temperatures), list(velocities), list(errors)), found


def melting_by_coexistence(
    system: System, folder: Path, starts: tuple[float, float], steps: int, seed: int = 5
) -> Coexistence:
    """The temperature to which slab.data comes at constant enthalpy and zero pressure along z, from both sides."""
    series = []
    for start in starts:
        system.run(
            folder,
            "read_data slab.data",
            f"velocity all create {start} {seed}\nfix z all nph z 0 0 {system.barostat}\nvariable t equal temp\n"
            f"fix o all ave/time 2 10 20 v_t file nph.out\nrun {steps}\n",
        )
        series.append(np.loadtxt(folder / "nph.out")[:, 1])
    return coexistence(*series)
