"""Stage `glass`: random packing and melt-quench in LAMMPS, with the rigid-ion potential, with a given model, or with
the one after the other; one task per replica.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..chemistry import ions as chemistry
from ..chemistry import potentials
from ..config.schema import Glass
from ..errors import InputError
from ..files import keep_only, link_files, write_bytes
from ..glass import protocols
from ..products import Structures
from . import efforts
from .base import Done, Job, Run, Task, common, dumped, read_settings
from .given_models import place_model
from .glass_quench import (
    GLASS,
    MADE,
    MELT,
    QUENCH,
    Ions,
    Settings,
    final,
    ions_of,
    quench,
    write_potential,
    write_results,
    write_start,
)

name = "glass"
#: Raised when the same settings and files give another result.
revision = 4

# an attempt's folder for the glass that is melted again, in that of the task
_FIRST = "first"
# a model may not know what to do about ions that nearly overlap
_APART = 0.8


def plan(run: Run) -> list[Task]:
    """One task per replica; replicas differ in packing and velocities. Raises an error for ions without
    parameters, and for elements that the model lacks.
    """
    section = run.input.glass
    system = run.input.system
    ions = chemistry.species(system.composition, system.formula_units)
    potential, inputs = _potential(run, ions)
    given = common(Settings, section) | {"model": section.model and section.model.name} | _of_protocol(section, ions)
    tasks = []
    for i in range(section.replicas):
        settings = Settings(
            ions=[(ion.element, ion.charge, ion.count) for ion in ions],
            density_g_cm3=system.density_g_cm3,
            potential=potential,
            replica=i,
            seed=_seed(run.input.seed, i),
            **given,
        )
        effort = efforts.quench(section, sum(ion.count for ion in ions))
        tools = ("lammps", "mace") if inputs else ("lammps",)
        tasks.append(Task(name, f"g{i}", dumped(settings), inputs, tools, section.ranks, effort=effort))
    return tasks


def _potential(run: Run, ions: Ions) -> tuple[list[str], dict[str, Path]]:
    """LAMMPS commands of the potential that quenches in the end, and the files that they need."""
    section = run.input.glass
    if section.model is None:
        return potentials.commands(ions), {}
    from ..engines.mace.facts import potential_facts

    path = run.source / section.model
    facts = potential_facts(path)
    missing = dict.fromkeys(ion.element for ion in ions if ion.element not in facts.elements)
    if missing:
        raise InputError(
            f"glass.model: {path} does not cover {', '.join(missing)}; it covers {', '.join(facts.elements)}"
        )
    dtype = "" if facts.dtype == "float64" else f" dtype {facts.dtype}"
    commands = [
        "variable mace index model.naglass",
        f"pair_style mace{dtype}{' trust yes' if section.trust else ''}",
        f"pair_coeff * * ${{mace}} {' '.join(ion.element for ion in ions)}",
    ]
    return commands, {"model": path}


def _of_protocol(section: Glass, ions: Ions) -> dict[str, Any]:
    """The settings that follow from the protocol; none without one."""
    if section.protocol is None:
        return {"protocol": None}
    protocol = protocols.of(section)
    first = None
    if protocol.first is not None:
        rigid = Glass(protocol=protocol.first)
        first = common(Settings, rigid) | _of_protocol(rigid, ions) | {"potential": potentials.commands(ions)}
        first = {key: value for key, value in first.items() if value is not None and key != "timestep_fs"}
    return {
        "protocol": f"{section.protocol} v{protocol.version}",
        "longest_melt_ps": protocols.longest_melt_ps(section),
        "free_below_K": protocol.free_below_K,
        "step_K": protocol.step_K,
        "first": first,
    }


def expect(run: Run) -> tuple[list[Task], Structures]:
    """The tasks themselves; the glasses have the ions of the system."""
    tasks, system = plan(run), run.input.system
    ions = chemistry.species(system.composition, system.formula_units)
    symbols = [ion.element for ion in ions for _ in range(ion.count)]
    return tasks, Structures(facts={"symbols": {task.name: symbols for task in tasks}})


def _seed(seed: int, replica: int) -> int:
    """A separate seed for each replica, in the range that LAMMPS accepts."""
    import numpy as np

    return int(np.random.SeedSequence([seed, replica]).generate_state(1)[0] % 900_000_000) + 1


def run(job: Job) -> Mapping[str, Any] | None:
    """Pack, melt, quench, hold, minimize, perhaps twice; an interrupted task resumes from its last restart file."""
    from ..engines.lammps import segments

    earlier = job.comm.bcast(segments.earlier_result(job.previous, job.folder) if job.rank == 0 else None)
    if earlier is not None:
        return earlier
    settings = read_settings(Settings, job.task)
    first = settings.before()
    if first is not None and not job.comm.bcast(job.rank == 0 and segments.begun(job.previous)):
        _first_glass(job, first)
    resume = segments.take_over(job.comm, job.previous, job.folder)
    model = job.task.inputs.get("model")
    if job.rank == 0:
        write_potential(job.folder, settings)
        if resume is not None and job.previous is not None:
            link_files(job.previous, job.folder, ["start.data"])
        else:
            write_start(job.folder, _start(job.folder, settings), settings)
        if model is not None:
            place_model(model, job.folder / "model.naglass")
    job.comm.barrier()
    outcome = quench(job, settings, job.folder, resume, plugins=["maceplugin"] if model else [])
    if job.rank != 0:
        return None
    glass, found = write_results(job, settings, outcome)
    summary = (
        found
        | _describe(glass, ions_of(settings))
        | {
            "simulated_ps": outcome.total_steps * settings.timestep_ps,
            "steps_per_s": outcome.steps_run / outcome.loop_s if outcome.steps_run else None,
        }
    )
    segments.close_result(job.folder, summary)
    return summary


def _first_glass(job: Job, settings: Settings) -> None:
    """Make the glass that is melted again, in a folder of its own, or take over what an attempt has made of it."""
    from ..engines.lammps import segments

    folder = job.folder / _FIRST
    previous = job.previous and job.previous / _FIRST
    if job.rank == 0:
        folder.mkdir()
    job.comm.barrier()
    if job.comm.bcast(job.rank == 0 and segments.earlier_result(previous, folder) is not None):
        return
    resume = segments.take_over(job.comm, previous, folder)
    if job.rank == 0:
        write_potential(folder, settings)
        write_start(folder, _start(folder, settings), settings)
    job.comm.barrier()
    quench(job, settings, folder, resume, note="first glass, ")
    if job.rank == 0:
        segments.close_result(folder, {})
    job.comm.barrier()


def _start(folder: Path, settings: Settings) -> Any:
    """The packing, or the glass that is melted again."""
    from ..glass.packing import pack

    if settings.first is not None:
        return final(folder / _FIRST, ions_of(settings), {})
    apart = {"fraction": _APART} if settings.model is not None else {}
    return pack(ions_of(settings), settings.density_g_cm3, settings.seed, **apart)


def _describe(glass, ions: Ions) -> dict[str, Any]:
    """Cell, density and first shells of the quenched glass."""
    from ..chemistry.formers import DEFAULT_CUTOFFS_A
    from ..core import bond_graph
    from ..dataset.frames import shortest_distance_A

    cations = dict.fromkeys(ion.element for ion in ions if ion.charge > 0)
    known = [element for element in cations if f"{element}-O" in DEFAULT_CUTOFFS_A]
    cutoffs = {(element, "O"): DEFAULT_CUTOFFS_A[f"{element}-O"] for element in known}
    bonds = bond_graph(glass, cutoffs).coordination("O")
    return {
        "ions": {ion.label: ion.count for ion in ions},
        "atoms": len(glass),
        "box_A": float(glass.cell[0, 0]),
        "density_g_cm3": glass.info["density_g_cm3"],
        "shortest_distance_A": shortest_distance_A(glass),
        "coordination_by_O": {element: float(bonds[glass.symbols == element].mean()) for element in known},
        "atoms_by_coordination": {element: _counts(bonds[glass.symbols == element]) for element in known},
        "coordination_cutoffs_A": {"-".join(pair): length for pair, length in cutoffs.items()},
    }


def _counts(numbers) -> dict[str, int]:
    """Number of atoms with each coordination number, e.g. ``{"4": 7, "5": 1}``."""
    import numpy as np

    values, counts = np.unique(numbers, return_counts=True)
    return {str(value): int(count) for value, count in zip(values, counts, strict=True)}


def collect(run: Run, done: list[Done]) -> Structures:
    """Store each glass, its melt frames, its quench table and what it is under its name, and remove those of replicas
    that are no longer requested.
    """
    folder = run.products / name
    files = {}
    for item in done:
        stem = item.task.name
        for word, source, target in (
            ("structure", GLASS, f"{stem}.extxyz"),
            ("melt", MELT, f"{stem}-melt.extxyz"),
            ("quench", QUENCH, f"{stem}-quench.json"),
            ("made", MADE, f"{stem}-made.json"),
        ):
            write_bytes(folder / target, (item.folder / source).read_bytes())
            files[f"{stem}/{word}"] = folder / target
    keep_only(folder, (path.name for path in files.values()))
    return Structures(files=files)
