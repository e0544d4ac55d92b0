"""Melt and quench the shell of a periodic cell whose first atoms, the core, stay in their places."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...paths import data_file
from .dump import read_snapshots
from .segments import Sampling, read_script, run_script, take_over
from .session import write_data

if TYPE_CHECKING:
    from ase import Atoms

SCRIPT = "requench_shell.lmp"
# no restart files within a phase: a cell is small
_WHOLE = 10**9
_STATES = ("quenched", "released")


@dataclass(frozen=True)
class Course:
    """Temperatures (K), times (ps) and time step (fs) of melting, quenching, and moving the released core."""

    melt_temperature_K: float = 2000.0
    final_temperature_K: float = 300.0
    melt_ps: float = 10.0
    quench_ps: float = 20.0
    release_ps: float = 0.2
    timestep_fs: float = 1.0


@dataclass(frozen=True)
class Forces:
    """LAMMPS commands of a potential and its `plugins`; LAMMPS type t is ``types[t - 1]``, with its charge (e).

    `guarded` are the commands while the shell may overlap, `overlaps` the ``pair_coeff`` lines of a soft repulsion.
    """

    types: Sequence[str]
    charges: Mapping[str, float]
    commands: Sequence[str]
    guarded: Sequence[str]
    overlaps: Sequence[str]
    plugins: Sequence[str] = ()


@dataclass(frozen=True)
class Requenched:
    """A cell with a new shell: with the core where it was, and after it was released."""

    quenched: "Atoms"
    released: "Atoms"


def requench(
    cell: "Atoms",
    core: int,
    types: Sequence[str],
    forces: Forces,
    course: Course,
    *,
    seed: int,
    comm: Any,
    folder: Path,
    progress: Callable[[int, int, str], None] = lambda step, total, phase: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Requenched:
    """Give a cell a new shell around its first `core` atoms; `types` names the type of each atom.

    Raises TaskFailed when LAMMPS fails, and Stopped once it is `stopping`. Files and the log are left in `folder`.
    """
    folder.mkdir(parents=True)
    take_over(comm, None, folder)
    numbers = np.array([forces.types.index(name) + 1 for name in types])
    write_data(folder / "start.data", cell, numbers, np.array([forces.charges.get(name, 0.0) for name in types]))
    for name, lines in _files(forces).items():
        (folder / f"{name}.lmp").write_text("\n".join(lines) + "\n", encoding="utf-8")
    variables = {
        "data": folder / "start.data",
        **{name: folder / f"{name}.lmp" for name in _files(forces)},
        **{name: folder / f"{name}.dump" for name in _STATES},
        "core": core,
        "melt_K": course.melt_temperature_K,
        "final_K": course.final_temperature_K,
        "melt_ps": course.melt_ps,
        "quench_ps": course.quench_ps,
        "release_ps": course.release_ps,
        "timestep_ps": course.timestep_fs / 1000.0,
        "seed": seed,
    }
    run_script(
        read_script(data_file("lammps_inputs", SCRIPT)),
        Sampling(_WHOLE, _WHOLE, _WHOLE),
        comm=comm,
        folder=folder,
        variables=variables,
        plugins=forces.plugins,
        progress=progress,
        stopping=stopping,
    )
    return Requenched(*(_moved(cell, folder / f"{name}.dump") for name in _STATES))


def _files(forces: Forces) -> dict[str, Sequence[str]]:
    """Lines by the name that the script gives to the file, and to the variable for its path."""
    return {"potential": forces.commands, "guarded": forces.guarded, "overlaps": forces.overlaps}


def _moved(cell: "Atoms", dump: Path) -> "Atoms":
    (snapshot,) = read_snapshots([dump])
    moved = cell.copy()
    moved.positions = snapshot.positions()
    moved.wrap()
    return moved
