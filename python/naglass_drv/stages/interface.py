"""Stage `interface`: a crystal slab and a glass in one cell with two interfaces, or a seed in a glass, made with the
rigid-ion potential; one task per replica of the glass, and radius of a seed. From three replicas on, slabs also have
bulk cells of glass and crystal, for `e_excess`.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..chemistry import ions as chemistry
from ..config.interfaces import LEAST_REPLICAS
from ..files import keep_only, write_bytes, write_json
from ..products import Structures
from ..wording import counted
from . import efforts, interface_seeds
from .base import Done, Job, Run, Task, common, dumped, lammps_seed, read_settings
from .glass_quench import sampling
from .interface_results import MADE, QUENCH, write_results
from .interface_seeds import Grain
from .interface_start import (
    COOLED,
    CRYSTAL,
    FACTS,
    FILE,
    OF_CRYSTAL,
    OF_GLASS,
    Settings,
    atoms_of,
    build_bulk,
    prepare,
    variables,
)

name = "interface"
#: Raised when the same settings and files give another result.
revision = 7

SCRIPT = "melt_on_crystal.lmp"
#: Roles: a bulk cell, and the excess energy by the rigid-ion potential.
BULK, EXCESS = "bulk", "excess"


def plan(run: Run) -> list[Task]:
    """One task per replica of the glass, and radius of a seed; replicas differ in packing and velocities, or in the
    glass that is used.

    For each slab a bulk glass and, where sites of the crystal are partly occupied, a bulk crystal; else there is one.
    """
    return _tasks(run, _sides(run))


def _tasks(run: Run, sides: tuple[int, int] | None) -> list[Task]:
    from ..config.atom_counts import interface_atoms
    from ..interface.crystal import read_crystal

    section, system, made = run.input.interface, run.input.system, run.input.glass
    # in a forecast, it has the cell of its file
    cells = run.take("crystal", Structures).files
    crystal = cells.get("structure", run.source / section.crystal)
    others = {COOLED: cells[COOLED]} if COOLED in cells else {}
    others |= {FILE: run.source / section.crystal} if cells else {}
    glasses = list(run.take("glass", Structures).each("structure").values()) if section.route == "join" else []
    shared = {
        "composition": dict(system.composition),
        "density_g_cm3": system.density_g_cm3,
        **common(Settings, section) | common(Settings, made),
    }

    def task(label: str, replica: int, size: int, grain: Grain | None = None, bulk: str | None = None) -> Task:
        # the arrangement of partly occupied sites is that of the slab
        drawn = lammps_seed(f"{run.input.seed} {f'i{replica}' if bulk == OF_CRYSTAL else label}")
        # the section's own seed is a grain
        settings = Settings(**shared | {"seed": drawn, "grain": grain, "bulk": bulk})
        joined = {"glass": glasses[replica]} if replica < len(glasses) and bulk != OF_CRYSTAL else {}
        inputs = {"crystal": crystal} | others | joined
        effort = efforts.interface(made, size) if bulk != OF_CRYSTAL else efforts.released(made, section, size)
        return Task(name, label, dumped(settings), inputs, ("lammps",), made.ranks, effort=effort)

    replicas = range(made.replicas)
    whole = interface_atoms(run.input) if sides is None else sum(sides)
    tasks = [task(label, i, whole, grain) for i in replicas for label, grain in interface_seeds.cells(section, i)]
    if sides is None or _without_bulk(made.replicas, section.e_excess) or _cut_to_the_slab(tasks):
        return tasks
    of_crystal, of_glass = sides
    tasks += [task(f"bulk-glass-{i}", i, of_glass, bulk=OF_GLASS) for i in replicas]
    of_each = replicas if read_crystal(crystal).disordered else range(1)
    return tasks + [task(f"bulk-crystal-{i}", i, of_crystal, bulk=OF_CRYSTAL) for i in of_each]


def _sides(run: Run) -> tuple[int, int] | None:
    """The atoms of a slab, with the cell of the file, and of the glass against it; None for a seed."""
    from ..interface.crystal import read_crystal
    from ..interface.sizes import sides
    from ..interface.slabs import named

    section, system = run.input.interface, run.input.system
    if section.seed is not None:
        return None
    crystal = read_crystal(run.source / section.crystal)
    return sides(
        crystal,
        named(crystal, section.hkl, section.termination),
        system.composition,
        system.density_g_cm3,
        crystal_A=section.crystal_A,
        glass_A=section.glass_A,
        lateral_A=section.lateral_A,
    )


def _cut_to_the_slab(tasks: list[Task]) -> bool:
    """Whether a glass that is joined to a slab has to be cut, so that there is no bulk like it."""
    from ..interface.bulks import CutGlassError

    for task in tasks:
        if "glass" in task.inputs:
            try:
                settings = replace(read_settings(Settings, task), bulk=OF_GLASS)
                build_bulk(task.inputs, settings)
            except CutGlassError:
                return True
    return False


def _without_bulk(replicas: int, asked: bool, *, cut: bool = False) -> str | None:
    """Why there are no bulk cells to compare with; None where there are."""
    if replicas < LEAST_REPLICAS:
        return f"{counted(replicas, 'replica')}, {LEAST_REPLICAS} are needed"
    if not asked:
        return "interface.e_excess is false"
    return "the glass was cut to the slab, and no bulk glass has its seams" if cut else None


def expect(run: Run) -> tuple[list[Task], Structures]:
    """The tasks; their cells are as large as the sizes that are asked for say."""
    from ..config.atom_counts import interface_atoms

    sides = _sides(run)
    tasks = _tasks(run, sides)
    whole = interface_atoms(run.input) if sides is None else sum(sides)
    sizes = {None: whole} | dict(zip((OF_CRYSTAL, OF_GLASS), sides or (), strict=False))
    # which of them are of the crystal decides no cost
    ions = chemistry.species(run.input.system.composition)
    unit = [ion.element for ion in ions for _ in range(ion.count)]
    symbols = (unit * (whole // len(unit) + 1))[:whole]
    of_each = {task.name: symbols[: sizes[task.settings.get("bulk")]] for task in tasks}
    bulk = [task.name for task in tasks if "bulk" in task.settings]
    return tasks, Structures(facts={"symbols": of_each, BULK: bulk})


def run(job: Job) -> Mapping[str, Any] | None:
    """Build the cell, make its glass, against the slab if there is one, and let both relax; resumes."""
    from ..engines.lammps import segments
    from ..paths import data_file

    earlier = job.comm.bcast(segments.earlier_result(job.previous, job.folder) if job.rank == 0 else None)
    if earlier is not None:
        return earlier
    settings = read_settings(Settings, job.task)
    resume = segments.take_over(job.comm, job.previous, job.folder)
    if job.rank == 0:
        prepare(job, settings, resumed=resume is not None)
    job.comm.barrier()
    dt = settings.timestep_ps
    atoms = job.comm.bcast(atoms_of(job.folder) if job.rank == 0 else 0)
    outcome = segments.run_script(
        segments.read_script(data_file("lammps_inputs", SCRIPT)),
        sampling(settings.planned_ps, atoms, dt),
        comm=job.comm,
        folder=job.folder,
        resume=resume,
        variables=variables(job.folder, settings),
        progress=lambda step, total, phase: job.progress(step * dt, total * dt, "ps", phase),
        stopping=job.stopping,
    )
    if job.rank != 0:
        return None
    summary = write_results(job, settings, outcome.ends[-2]) | {"simulated_ps": outcome.total_steps * dt}
    segments.close_result(job.folder, summary)
    return summary


def collect(run: Run, done: list[Done]) -> Structures:
    """Store each interface with its bulk crystal, its quench and its facts, each bulk cell with its quench, and the
    excess energy; remove those not requested any more.
    """
    folder = run.products / name
    files = {}
    for item in done:
        stem = item.task.name
        words = {"structure": MADE, "crystal": CRYSTAL, "quench": QUENCH, "facts": FACTS}
        if read_settings(Settings, item.task).bulk:
            words = {BULK: MADE, "quench": QUENCH}
        for word, source in words.items():
            target = folder / (f"{stem}{Path(source).suffix}" if source == MADE else f"{stem}-{source}")
            write_bytes(target, (item.folder / source).read_bytes())
            files[f"{stem}/{word}"] = target
    if run.input.interface.seed is None:
        files[EXCESS] = folder / f"{EXCESS}.json"
        write_json(files[EXCESS], _excess(run, done))
    keep_only(folder, (path.name for path in files.values()))
    return Structures(files=files)


def _excess(run: Run, done: list[Done]) -> dict[str, Any]:
    """The excess energy of the held cells by the rigid-ion potential, in the second half of the hold, or why not."""
    from ..analysis.excess_energy import measured, rows
    from ..dataset.frames import read_frames

    settings = [read_settings(Settings, item.task) for item in done]
    replicas = sum(each.bulk is None for each in settings)
    cut = any(item.summary.get("cut", False) for item in done)
    if (reason := _without_bulk(replicas, run.input.interface.e_excess, cut=cut)) is not None:
        return {"reason": reason}
    cells = {
        item.task.name: (
            read_frames(item.folder / MADE)[0],
            json.loads((item.folder / QUENCH).read_text(encoding="utf-8")),
        )
        for item in done
    }
    of_all, kelvin = settings[0], settings[0].final_temperature_K
    found = measured(cells, of_all.hold_ps / 2, kelvin, same_glass=of_all.route == "join")
    conditions = {"temperature_K": kelvin}
    listed = rows("interface.rigid-ions", "the rigid-ion potential", found, conditions)
    return found | conditions | {"rows": [row.as_json() for row in listed]}
