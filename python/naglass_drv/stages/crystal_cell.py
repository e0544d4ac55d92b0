"""The bulk crystal of an interface held at temperatures, whichever potential moves it, and its mean cell at each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.interfaces import CELL_SAMPLE_PS
from ..errors import TaskFailed
from ..files import write_json
from . import interface_seeds
from .base import Job
from .interface_start import START

if TYPE_CHECKING:
    import numpy as np
    from ase import Atoms

    from ..engines.lammps.segments import Outcome
    from ..interface.crystal import Crystal

SCRIPT = "crystal_cell.lmp"
FACTS = "facts.json"
_BAROSTAT_PS = 0.5


@dataclass(frozen=True)
class Course:
    """What is done with a crystal: it is held at one temperature (K), or at two with a ramp between, for `hold_ps` at
    each and at `pressure_bar`. `files` are those of the crystal with its mean cells. `instead` says what to do where it
    is not stable.
    """

    held_K: Sequence[float]
    files: Sequence[str]
    hold_ps: float
    timestep_ps: float
    checkpoint: int
    seed: int
    instead: str
    rate_K_per_ps: float = 1.0
    pressure_bar: float = 0.0


def atoms_in(crystal: "Crystal", width_A: float) -> int:
    """The atoms of its supercell that is at least so wide."""
    from math import prod

    from ..interface.lattice import repeats_of

    return round(float(crystal.occupancy.sum()) * prod(repeats_of(crystal, width_A)))


def hold(
    job: Job,
    crystal: "Crystal",
    course: Course,
    *,
    width_A: float,
    place: Callable[[Path, "Atoms"], None],
    variables: Mapping[str, object] | None = None,
    plugins: Sequence[str] = (),
) -> Mapping[str, Any] | None:
    """Simulate its supercell, all lattice parameters free that its symmetry leaves free, and write the crystal with its
    mean cells, and the facts, which are returned on the first rank; resumes.

    `place` writes it as ``start.data`` and `START`, and ``potential.lmp``, which may take `variables` and `plugins`.
    Raises TaskFailed for a crystal that is not stable in the potential.
    """
    from ..engines.lammps import segments
    from ..interface.lattice import bulk_cell, keeps_right_angles, rotations
    from ..paths import data_file

    earlier = job.comm.bcast(segments.earlier_result(job.previous, job.folder) if job.rank == 0 else None)
    if earlier is not None:
        return earlier
    resume = segments.take_over(job.comm, job.previous, job.folder)
    group = rotations(crystal)
    if job.rank == 0:
        place(job.folder, bulk_cell(crystal, width_A, seed=course.seed))
    job.comm.barrier()
    dt = course.timestep_ps
    every = max(1, round(CELL_SAMPLE_PS / dt))
    try:
        outcome = segments.run_script(
            segments.read_script(data_file("lammps_inputs", SCRIPT)),
            segments.Sampling(every=every, thermo_every=every, checkpoint=course.checkpoint),
            comm=job.comm,
            folder=job.folder,
            resume=resume,
            variables=_variables(job.folder, course, upright=keeps_right_angles(group)) | dict(variables or {}),
            plugins=plugins,
            progress=lambda step, total, phase: job.progress(step * dt, total * dt, "ps", phase),
            stopping=job.stopping,
        )
    except TaskFailed as error:
        if error.failure not in segments.BROKEN:
            raise
        kelvin = " to ".join(f"{each:g}" for each in course.held_K)
        raise _unstable(crystal, kelvin, f"it falls apart ({error})", course) from error
    if job.rank != 0:
        return None
    summary = _write_results(job.folder, crystal, group, course, outcome)
    segments.close_result(job.folder, summary)
    return summary


def _unstable(crystal: "Crystal", kelvin: str, fault: str, course: Course) -> TaskFailed:
    return TaskFailed("CRYSTAL_NOT_STABLE", f"{crystal.name} at {kelvin} K: {fault}; {course.instead}")


def _variables(folder: Path, course: Course, *, upright: bool) -> dict[str, object]:
    """Values from the input for the index variables of the script."""
    along = "aniso" if upright else "tri"
    free = interface_seeds.barostat(along, course.pressure_bar, _BAROSTAT_PS)
    return {
        "data": folder / "start.data",
        "potential": folder / "potential.lmp",
        "release_K": course.held_K[0],
        "final_K": course.held_K[-1],
        "relax_ps": course.hold_ps,
        "final_ps": course.hold_ps if len(course.held_K) > 1 else 0.0,
        "rate_K_per_ps": course.rate_K_per_ps,
        "timestep_ps": course.timestep_ps,
        "tilting": "no" if upright else "yes",
        "barostat": free if upright else f"{free} flip no",
        "rest": f"{along} {course.pressure_bar!r} vmax 0.001",
        "seed": course.seed,
    }


def _write_results(
    folder: Path, crystal: "Crystal", group: "np.ndarray", course: Course, outcome: "Outcome"
) -> dict[str, Any]:
    """The crystal with its mean cell at each temperature, in the second half of what it was held at it."""
    from ..dataset.frames import read_frames, write_frames
    from ..engines.lammps import segments
    from ..interface.lattice import mean_cell

    (sites,) = read_frames(folder / START)
    snapshots = list(segments.snapshots(folder))
    relaxed, cooled, ended = outcome.ends
    cells = []
    for kelvin, file, (begun, end) in zip(course.held_K, course.files, ((0, relaxed), (cooled, ended)), strict=False):
        held = [each for each in snapshots if (begun + end) / 2 < each.step <= end]
        moved = [(each.positions(), each.cell) for each in held]
        found = mean_cell(crystal, sites, moved, group)
        if found.fault is not None:
            raise _unstable(crystal, f"{kelvin:g}", found.fault, course)
        write_frames(folder / file, [found.crystal.atoms])
        own = {"cell": found.cell.tolist(), "err": found.err.tolist()}
        cells.append({"temperature_K": kelvin} | own | change(found.crystal, crystal))
    sampled = {"atoms": len(sites), "averaged_ps": course.hold_ps / 2, "pressure_bar": course.pressure_bar}
    made = facts_of(crystal, cells) | sampled
    write_json(folder / FACTS, made)
    return made


def facts_of(crystal: "Crystal", cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is told of the `cells` of a crystal beside that of its file."""
    return {"crystal": crystal.name, "of_file": crystal.atoms.cell.cellpar().tolist(), "cells": list(cells)}


def change(made: "Crystal", crystal: "Crystal") -> dict[str, Any]:
    """Of the edges and the volume relative to the file's."""
    edges = made.atoms.cell.lengths() / crystal.atoms.cell.lengths() - 1.0
    volume = made.atoms.cell.volume / crystal.atoms.cell.volume - 1.0
    return {"change_percent": (100 * edges).tolist(), "volume_change_percent": 100 * volume}
