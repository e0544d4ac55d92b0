"""Stage `lattice`: the cell of the crystal of stage `interface` in the model of stage `md`, at its pressure and each of
its temperatures; the cells of `md` begin with it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.interfaces import lattice_ps, lattice_width_A
from ..files import keep_only, write_bytes, write_json
from ..products import Structures
from . import crystal_cell, efforts
from .base import Done, Job, Run, Task, dumped, lammps_seed, read_settings
from .crystal import CRYSTAL, STRUCTURE
from .crystal_cell import FACTS
from .given_models import archive_variables, check_covered, models_of, write_start
from .interface_start import START
from .md_commands import potential_of

if TYPE_CHECKING:
    from ase import Atoms

name = "lattice"
#: Raised when the same settings and files give another result.
revision = 1

_MADE = "crystal.extxyz"
_INSTEAD = (
    "cells of md would not have the crystal of the file either; leave this temperature out of md.temperatures_K, take "
    "a model that knows the crystal, or set interface.cell_A to file or to edges in Å, which md takes as they are"
)


@dataclass(frozen=True)
class Settings:
    """What decides the cell of a crystal in a model, of which LAMMPS `commands` for `elements` are given."""

    temperature_K: float
    hold_ps: float
    pressure_bar: float
    timestep_fs: float
    checkpoint_ps: float
    width_A: float
    seed: int
    elements: Sequence[str]
    commands: Sequence[str]


def plan(run: Run) -> list[Task]:
    """One task per temperature. Raises InputError if the model lacks an element of the crystal."""
    from ..engines.mace.facts import potential_facts, reach_of
    from ..interface.crystal import read_crystal

    section, path = run.input.md, run.source / run.input.interface.crystal
    models, crystal = models_of(run), read_crystal(path)
    archives = [file for role, file in models.items() if role != "readout"]
    model = potential_facts(models["model"])
    elements = list(dict.fromkeys(crystal.atoms.get_chemical_symbols()))
    check_covered(model, models["model"], elements, path.name)
    width_A = lattice_width_A(*(reach_of(file).r_max_A for file in archives))
    effort = efforts.held(section, crystal_cell.atoms_in(crystal, width_A))
    tasks = []
    for kelvin in section.temperatures_K:
        task = _task_of(kelvin)
        settings = Settings(
            temperature_K=kelvin,
            hold_ps=lattice_ps(section),
            pressure_bar=section.pressure_bar,
            timestep_fs=section.timestep_fs,
            checkpoint_ps=section.checkpoint_ps,
            width_A=width_A,
            seed=lammps_seed(f"{run.input.seed} {name}"),
            elements=elements,
            commands=potential_of(run.input, elements, model, len(archives)),
        )
        inputs, tools = {CRYSTAL: path} | models, ("lammps", "mace")
        tasks.append(Task(name, task, dumped(settings), inputs, tools, section.ranks, section.gpus, effort))
    return tasks


def _task_of(kelvin: float) -> str:
    return f"{kelvin:g}K"


def expect(run: Run) -> tuple[list[Task], Structures]:
    """The tasks; of a model that is trained in the run, the cutoff is that of its section."""
    from ..engines.mace.facts import reach_of
    from ..interface.crystal import read_crystal

    section, train = run.input.md, run.input.train
    r_max_A = train.r_max_A if section.model == "train" else reach_of(run.source / section.model).r_max_A
    crystal = read_crystal(run.source / run.input.interface.crystal)
    effort = efforts.held(section, crystal_cell.atoms_in(crystal, lattice_width_A(r_max_A)))
    ranks, gpus = section.ranks, section.gpus
    names = map(_task_of, section.temperatures_K)
    return [Task(name, task, {}, ranks=ranks, gpus=gpus, effort=effort) for task in names], Structures()


def run(job: Job) -> Mapping[str, Any] | None:
    """Let the crystal find its cell (`crystal_cell.hold`)."""
    from ..interface.crystal import read_crystal

    settings = read_settings(Settings, job.task)
    dt = settings.timestep_fs / 1000.0
    course = crystal_cell.Course(
        held_K=(settings.temperature_K,),
        files=(_MADE,),
        hold_ps=settings.hold_ps,
        timestep_ps=dt,
        checkpoint=max(1, round(settings.checkpoint_ps / dt)),
        seed=settings.seed,
        instead=_INSTEAD,
        pressure_bar=settings.pressure_bar,
    )

    def place(folder: Path, sites: "Atoms") -> None:
        from ..dataset.frames import write_frames

        heads = write_start(folder, sites, settings.elements, job.task.inputs, with_torch=job.task.gpus > 0)
        lines = "".join(f"{line}\n" for line in [*heads, *settings.commands])
        write_bytes(folder / "potential.lmp", lines.encode())
        write_frames(folder / START, [sites])

    return crystal_cell.hold(
        job,
        read_crystal(job.task.inputs[CRYSTAL]),
        course,
        width_A=settings.width_A,
        place=place,
        variables=archive_variables(job.folder, job.task.inputs),
        plugins=["maceplugin"],
    )


def collect(run: Run, done: list[Done]) -> Structures:
    """Store the crystal with the cell of each temperature, and the facts of all."""
    folder, files = run.products / name, {}
    for item in done:
        target = folder / f"{item.task.inputs[CRYSTAL].stem}-{item.task.name}.extxyz"
        write_bytes(target, (item.folder / _MADE).read_bytes())
        files[f"{item.task.name}/{STRUCTURE}"] = target
    found = [json.loads((item.folder / FACTS).read_text(encoding="utf-8")) for item in done]
    files["facts"] = folder / FACTS
    write_json(files["facts"], found[0] | {"cells": [cell for each in found for cell in each["cells"]]})
    keep_only(folder, (path.name for path in files.values()))
    return Structures(files=files)


def cell_at(run: Run, kelvin: float) -> Path | None:
    """The crystal with its cell in the model at this temperature (K) of `md`; None where it is not looked for."""
    return run.take(name, Structures).files.get(f"{_task_of(kelvin)}/{STRUCTURE}")
