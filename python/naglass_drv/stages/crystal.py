"""Stage `crystal`: the cell of the crystal of stage `interface` in the rigid-ion potential at zero pressure, at the
temperature at which a slab is released and at the one to which it is cooled. A cell that the input gives is taken as it
is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..chemistry.potentials import COULOMB_CUTOFF_A
from ..config.interfaces import relax_ps
from ..files import keep_only, write_bytes, write_json
from ..glass import protocols
from ..products import Structures
from . import crystal_cell, efforts
from .base import Done, Job, Run, Task, dumped, lammps_seed, read_settings
from .crystal_cell import FACTS
from .interface_start import write_rigid_ions

if TYPE_CHECKING:
    from ..interface.crystal import Crystal

name = "crystal"
#: Raised when the same settings and files give another result.
revision = 2

#: Role of the file of the input.
CRYSTAL = "crystal"
#: Roles: the crystal as it is cut, and with the cell of the last temperature.
STRUCTURE, COOLED = "structure", "cooled"
_FILES = {STRUCTURE: "crystal.extxyz", COOLED: "cooled.extxyz", "facts": FACTS}
#: Least width (Å) of the bulk crystal: twice the cutoff of the rigid ions.
WIDTH_A = 2 * COULOMB_CUTOFF_A
_INSTEAD = (
    "a slab would not be the crystal of the file either; lower interface.release_K, or set interface.cell_A to file or "
    "to edges in Å, which takes the slab as it is"
)


@dataclass(frozen=True)
class Settings:
    """What decides the cell of a crystal: edges that are given, or temperatures and times."""

    cell_A: Sequence[float] | None = None
    release_K: float = 0.0
    final_temperature_K: float = 0.0
    relax_ps: float = 0.0
    quench_rate_K_per_ps: float = 0.0
    timestep_fs: float = 0.0
    seed: int = 0


def plan(run: Run) -> list[Task]:
    """One task."""
    from ..interface.crystal import read_crystal

    section, glass = run.input.interface, run.input.glass
    path = run.source / section.crystal
    if not isinstance(section.cell_A, str):
        settings = Settings(cell_A=section.cell_A)
        return [Task(name, name, dumped(settings), {CRYSTAL: path}, effort=efforts.pages(name))]
    settings = Settings(
        release_K=section.release_K,
        final_temperature_K=glass.final_temperature_K,
        relax_ps=relax_ps(glass),
        quench_rate_K_per_ps=glass.quench_rate_K_per_ps,
        timestep_fs=glass.timestep_fs,
        seed=lammps_seed(f"{run.input.seed} {name}"),
    )
    effort = efforts.relaxed(glass, section, crystal_cell.atoms_in(read_crystal(path), WIDTH_A))
    return [Task(name, name, dumped(settings), {CRYSTAL: path}, ("lammps",), glass.ranks, effort=effort)]


def expect(run: Run) -> tuple[list[Task], Structures]:
    """The task; sizes of interfaces are those that are asked for."""
    return plan(run), Structures()


def run(job: Job) -> Mapping[str, Any] | None:
    """Take the cell that is given, or let the crystal find it (`crystal_cell.hold`)."""
    from ..interface.crystal import read_crystal

    settings = read_settings(Settings, job.task)
    crystal = read_crystal(job.task.inputs[CRYSTAL])
    if settings.cell_A is not None:
        return _given(job.folder, crystal, settings.cell_A) if job.rank == 0 else None
    course = crystal_cell.Course(
        held_K=(settings.release_K, settings.final_temperature_K),
        files=(_FILES[STRUCTURE], _FILES[COOLED]),
        hold_ps=settings.relax_ps,
        timestep_ps=settings.timestep_fs / 1000.0,
        checkpoint=protocols.CHECKPOINT_STEPS,
        seed=settings.seed,
        instead=_INSTEAD,
        rate_K_per_ps=settings.quench_rate_K_per_ps,
    )
    return crystal_cell.hold(job, crystal, course, width_A=WIDTH_A, place=write_rigid_ions)


def _given(folder: Path, crystal: "Crystal", edges: Sequence[float]) -> dict[str, Any]:
    """The crystal with the edges that the input states."""
    from ..dataset.frames import write_frames

    made = crystal.with_cell(edges)
    write_frames(folder / _FILES[STRUCTURE], [made.atoms])
    cell = {"cell": made.atoms.cell.cellpar().tolist()} | crystal_cell.change(made, crystal)
    facts = crystal_cell.facts_of(crystal, [cell])
    write_json(folder / FACTS, facts)
    return facts


def collect(run: Run, done: list[Done]) -> Structures:
    """Store the crystal with each cell, and the facts."""
    (item,) = done
    folder, stem = run.products / name, item.task.inputs[CRYSTAL].stem
    # the name of a crystal is that of its file
    files = {STRUCTURE: folder / f"{stem}.extxyz", COOLED: folder / f"{stem}-cooled.extxyz", "facts": folder / FACTS}
    files = {role: path for role, path in files.items() if (item.folder / _FILES[role]).exists()}
    for role, path in files.items():
        write_bytes(path, (item.folder / _FILES[role]).read_bytes())
    keep_only(folder, (path.name for path in files.values()))
    return Structures(files=files)
