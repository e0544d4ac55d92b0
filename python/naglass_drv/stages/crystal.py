"""Stage `crystal`: the cell of the crystal of stage `interface` in the rigid-ion potential at zero pressure, at the
temperature at which a slab is released and at the one to which it is cooled. A cell that the input gives is taken as it
is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..chemistry.potentials import COULOMB_CUTOFF_A
from ..config.interfaces import CELL_SAMPLE_PS, relax_ps
from ..errors import TaskFailed
from ..files import keep_only, write_bytes, write_json
from ..products import Structures
from . import efforts, interface_seeds
from .base import Done, Job, Run, Task, dumped, lammps_seed, read_settings
from .interface_start import START, write_rigid_ions

if TYPE_CHECKING:
    import numpy as np

    from ..engines.lammps.segments import Outcome
    from ..interface.crystal import Crystal

name = "crystal"
#: Raised when the same settings and files give another result.
revision = 1

SCRIPT = "crystal_cell.lmp"
FACTS = "facts.json"
#: Role of the file of the input.
CRYSTAL = "crystal"
#: Roles: the crystal as it is cut, and with the cell of the last temperature.
STRUCTURE, COOLED = "structure", "cooled"
_FILES = {STRUCTURE: "crystal.extxyz", COOLED: "cooled.extxyz", "facts": FACTS}
_WIDTH_A = 2 * COULOMB_CUTOFF_A
_BAROSTAT_PS = 0.5
_CHECKPOINT_STEPS = 5000
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

    @property
    def timestep_ps(self) -> float:
        return self.timestep_fs / 1000.0


def plan(run: Run) -> list[Task]:
    """One task."""
    from ..interface.crystal import read_crystal
    from ..interface.lattice import repeats_of

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
    given = read_crystal(path)
    atoms = round(float(given.occupancy.sum()))
    for number in repeats_of(given, _WIDTH_A):
        atoms *= number
    effort = efforts.relaxed(glass, section, atoms)
    return [Task(name, name, dumped(settings), {CRYSTAL: path}, ("lammps",), glass.ranks, effort=effort)]


def expect(run: Run) -> tuple[list[Task], Structures]:
    """The task; sizes of interfaces are those that are asked for."""
    return plan(run), Structures()


def run(job: Job) -> Mapping[str, Any] | None:
    """Simulate the bulk crystal, all lattice parameters free that its symmetry leaves free; resumes.

    Raises TaskFailed for a crystal that is not stable in the potential.
    """
    from ..engines.lammps import segments
    from ..interface.crystal import read_crystal
    from ..interface.lattice import bulk_cell, keeps_right_angles, rotations
    from ..paths import data_file

    settings = read_settings(Settings, job.task)
    crystal = read_crystal(job.task.inputs[CRYSTAL])
    if settings.cell_A is not None:
        return _given(job.folder, crystal, settings.cell_A) if job.rank == 0 else None
    earlier = job.comm.bcast(segments.earlier_result(job.previous, job.folder) if job.rank == 0 else None)
    if earlier is not None:
        return earlier
    resume = segments.take_over(job.comm, job.previous, job.folder)
    group = rotations(crystal)
    if job.rank == 0:
        write_rigid_ions(job.folder, bulk_cell(crystal, _WIDTH_A, seed=settings.seed))
    job.comm.barrier()
    dt = settings.timestep_ps
    every = max(1, round(CELL_SAMPLE_PS / dt))
    outcome = segments.run_script(
        segments.read_script(data_file("lammps_inputs", SCRIPT)),
        segments.Sampling(every=every, thermo_every=every, checkpoint=_CHECKPOINT_STEPS),
        comm=job.comm,
        folder=job.folder,
        resume=resume,
        variables=_variables(job.folder, settings, upright=keeps_right_angles(group)),
        progress=lambda step, total, phase: job.progress(step * dt, total * dt, "ps", phase),
        stopping=job.stopping,
    )
    if job.rank != 0:
        return None
    summary = _write_results(job.folder, crystal, group, settings, outcome)
    segments.close_result(job.folder, summary)
    return summary


def _given(folder: Path, crystal: "Crystal", edges: Sequence[float]) -> dict[str, Any]:
    """A cell that is stated in the input."""
    from ..dataset.frames import write_frames

    made = crystal.with_cell(edges)
    write_frames(folder / _FILES[STRUCTURE], [made.atoms])
    cell = {"cell": made.atoms.cell.cellpar().tolist(), "change_percent": _change(made, crystal)}
    facts = {"crystal": crystal.name, "of_file": crystal.atoms.cell.cellpar().tolist(), "cells": [cell]}
    write_json(folder / FACTS, facts)
    return facts


def _variables(folder: Path, settings: Settings, *, upright: bool) -> dict[str, object]:
    """Values from the input for the index variables of the script."""
    along = "aniso" if upright else "tri"
    free = interface_seeds.barostat(along, 0.0, _BAROSTAT_PS)
    return {
        "data": folder / "start.data",
        "potential": folder / "potential.lmp",
        "release_K": settings.release_K,
        "final_K": settings.final_temperature_K,
        "relax_ps": settings.relax_ps,
        "rate_K_per_ps": settings.quench_rate_K_per_ps,
        "timestep_ps": settings.timestep_ps,
        "tilting": "no" if upright else "yes",
        "barostat": free if upright else f"{free} flip no",
        "rest": f"{along} 0.0 vmax 0.001",
        "seed": settings.seed,
    }


def _write_results(
    folder: Path, crystal: "Crystal", group: "np.ndarray", settings: Settings, outcome: "Outcome"
) -> dict[str, Any]:
    """The crystal with its mean cell at each temperature, in the second half of what it was held at it."""
    from ..dataset.frames import read_frames, write_frames
    from ..engines.lammps import segments
    from ..interface.lattice import mean_cell

    (sites,) = read_frames(folder / START)
    snapshots = list(segments.snapshots(folder))
    relaxed, cooled, ended = outcome.ends
    cells = []
    for role, kelvin, begun, end in (
        (STRUCTURE, settings.release_K, 0, relaxed),
        (COOLED, settings.final_temperature_K, cooled, ended),
    ):
        held = [each for each in snapshots if (begun + end) / 2 < each.step <= end]
        moved = [(each.positions(), each.cell) for each in held]
        found = mean_cell(crystal, sites, moved, group)
        if (fault := found.fault) is not None:
            raise TaskFailed("CRYSTAL_NOT_STABLE", f"{crystal.name} at {kelvin:g} K: {fault}; {_INSTEAD}")
        write_frames(folder / _FILES[role], [found.crystal.atoms])
        own = {"cell": found.cell.tolist(), "err": found.err.tolist()}
        cells.append({"temperature_K": kelvin} | own | _change(found.crystal, crystal))
    facts = _facts(crystal, cells) | {"atoms": len(sites), "averaged_ps": settings.relax_ps / 2}
    write_json(folder / FACTS, facts)
    return facts


def _given(folder: Path, crystal: "Crystal", edges: Sequence[float]) -> dict[str, Any]:
    """The crystal with the edges that the input states."""
    from ..dataset.frames import write_frames

    made = crystal.with_cell(edges)
    write_frames(folder / _FILES[STRUCTURE], [made.atoms])
    facts = _facts(crystal, [{"cell": made.atoms.cell.cellpar().tolist()} | _change(made, crystal)])
    write_json(folder / FACTS, facts)
    return facts


def _facts(crystal: "Crystal", cells: list[dict[str, Any]]) -> dict[str, Any]:
    return {"crystal": crystal.name, "of_file": crystal.atoms.cell.cellpar().tolist(), "cells": cells}


def _change(made: "Crystal", crystal: "Crystal") -> dict[str, Any]:
    """Of the edges and the volume relative to the file's."""
    edges = made.atoms.cell.lengths() / crystal.atoms.cell.lengths() - 1.0
    volume = made.atoms.cell.volume / crystal.atoms.cell.volume - 1.0
    return {"change_percent": (100 * edges).tolist(), "volume_change_percent": 100 * volume}


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
