"""Stage `glass`: random packing and melt-quench with the rigid-ion potential, in LAMMPS, one task per
replica.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..chemistry import ions as chemistry
from ..chemistry import potentials
from ..files import keep_only, write_bytes, write_json
from ..products import Structures
from . import efforts
from .base import Done, Job, Run, Task, common, dumped, read_settings

name = "glass"
#: Raised when the same settings and files give another result.
revision = 1

GLASS, MELT, QUENCH = "glass.extxyz", "melt.extxyz", "quench.json"
SCRIPT = "melt_quench.lmp"
_MELT_FRAMES = 8
_SAMPLE_PS = 0.1
_CHECKPOINT_STEPS = 5000


@dataclass(frozen=True)
class Settings:
    """What decides a glass: `ions` are elements with charge and count, `potential` LAMMPS commands."""

    ions: Sequence[tuple[str, int, int]]
    density_g_cm3: float
    potential: Sequence[str]
    replica: int
    seed: int
    melt_temperature_K: float
    melt_ps: float
    quench_rate_K_per_ps: float
    final_temperature_K: float
    hold_ps: float
    timestep_fs: float


def plan(run: Run) -> list[Task]:
    """One task per replica; replicas differ in packing and velocities. Raises an error for ions without
    parameters.
    """
    section = run.input.glass
    system = run.input.system
    ions = chemistry.species(system.composition, system.formula_units)
    potentials.check(ions)
    tasks = []
    for i in range(section.replicas):
        settings = Settings(
            ions=[(ion.element, ion.charge, ion.count) for ion in ions],
            density_g_cm3=system.density_g_cm3,
            potential=potentials.commands(ions),
            replica=i,
            seed=_seed(run.input.seed, i),
            **common(Settings, section),
        )
        effort = efforts.quench(section, sum(ion.count for ion in ions))
        tasks.append(Task(name, f"g{i}", dumped(settings), tools=("lammps",), ranks=section.ranks, effort=effort))
    return tasks


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
    """Pack, melt, quench, hold, minimize; an interrupted task resumes from its last restart file."""
    from ..engines.lammps import segments
    from ..paths import data_file

    earlier = job.comm.bcast(segments.earlier_result(job.previous, job.folder) if job.rank == 0 else None)
    if earlier is not None:
        return earlier
    resume = segments.take_over(job.comm, job.previous, job.folder)
    settings = read_settings(Settings, job.task)
    unpaired = chemistry.high_spin_unpaired
    ions = tuple(chemistry.Species(e, q, n, unpaired(e, q)) for e, q, n in settings.ions)
    if job.rank == 0:
        _prepare(job.folder, ions, settings)
    job.comm.barrier()
    timestep_ps = settings.timestep_fs / 1000.0
    sampling = segments.Sampling(
        every=max(1, round(_SAMPLE_PS / timestep_ps)),
        thermo_every=max(1, round(_SAMPLE_PS / timestep_ps)),
        checkpoint=_CHECKPOINT_STEPS,
    )
    outcome = segments.run_script(
        segments.read_script(data_file("lammps_inputs", SCRIPT)),
        sampling,
        comm=job.comm,
        folder=job.folder,
        resume=resume,
        variables=_variables(job.folder, settings, timestep_ps),
        progress=lambda step, total, phase: job.progress(step * timestep_ps, total * timestep_ps, "ps", phase),
        stopping=job.stopping,
    )
    if job.rank != 0:
        return None
    summary = _write_results(job, ions, settings) | {
        "simulated_ps": outcome.total_steps * timestep_ps,
        "steps_per_s": outcome.steps_run / outcome.loop_s if outcome.steps_run else None,
    }
    segments.close_result(job.folder, summary)
    return summary


def _prepare(folder: Path, ions: tuple[chemistry.Species, ...], settings: Settings) -> None:
    """Write the packed start and the potential as files, which also work with ``lmp -in melt_quench.lmp``."""
    import numpy as np

    from ..engines.lammps.session import write_data
    from ..glass.packing import pack

    packed = pack(ions, settings.density_g_cm3, settings.seed)
    counts = [ion.count for ion in ions]
    types = np.repeat(np.arange(1, len(ions) + 1), counts)
    write_data(folder / "start.data", packed, types, np.repeat(potentials.charges(ions), counts))
    write_bytes(folder / "potential.lmp", ("\n".join(settings.potential) + "\n").encode())


def _variables(folder: Path, settings: Settings, timestep_ps: float) -> dict[str, object]:
    """Values from the input for the index variables of the script."""
    return {
        "data": folder / "start.data",
        "potential": folder / "potential.lmp",
        "final": folder / "final.dump",
        "melt_K": settings.melt_temperature_K,
        "final_K": settings.final_temperature_K,
        "melt_ps": settings.melt_ps,
        "hold_ps": settings.hold_ps,
        "rate_K_per_ps": settings.quench_rate_K_per_ps,
        "timestep_ps": timestep_ps,
        "seed": settings.seed,
    }


def _write_results(job: Job, ions: tuple[chemistry.Species, ...], settings: Settings) -> dict[str, Any]:
    """Write the glass and some frames of its melt and quench; returns a summary of the
    glass.
    """
    from ..dataset.frames import write_frames
    from ..engines.lammps import segments
    from ..engines.lammps.dump import read_snapshots

    timestep_ps = settings.timestep_fs / 1000.0
    info = {
        "name": job.task.name,
        # the seed distinguishes the replicas of different runs, whose frames may end up in one dataset
        "group": f"{chemistry.formula(ions)}-{settings.seed}",
        "charge": 0,
        "multiplicity": chemistry.multiplicity(ions),
    }
    (glass,) = (_frame(snapshot, ions, info) for snapshot in read_snapshots([job.folder / "final.dump"]))
    glass.wrap()
    write_frames(job.folder / GLASS, [glass])
    table = segments.thermo(job.folder)
    write_json(job.folder / QUENCH, segments.thermo_series(table, len(glass), timestep_ps))
    temperature = dict(zip(table["step"], table["temp"], strict=True))
    frames = [snapshot for snapshot in segments.snapshots(job.folder) if snapshot.step in temperature]
    # the first part is the artificial start, the last one is the glass itself
    chosen = frames[len(frames) // 10 : -1 : max(1, len(frames) // _MELT_FRAMES)]
    melt = [
        _frame(s, ions, info | {"temperature_K": float(temperature[s.step]), "time_ps": s.step * timestep_ps})
        for s in chosen
    ]
    write_frames(job.folder / MELT, melt)
    (job.folder / "final.dump").unlink()
    return info | _describe(glass, ions)


def _frame(snapshot, ions: tuple[chemistry.Species, ...], info: Mapping[str, Any]):
    """A snapshot as ASE atoms with the labels of its ions."""
    import numpy as np

    from ..chemistry.masses import density

    atoms = snapshot.atoms([ion.element for ion in ions])
    labels = np.array([ion.label for ion in ions])
    atoms.set_array("ion", labels[snapshot.columns["type"].astype(int) - 1])
    atoms.info = dict(info) | {"density_g_cm3": density(atoms)}
    return atoms


def _describe(glass, ions: tuple[chemistry.Species, ...]) -> dict[str, Any]:
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
    """Store each glass, its melt frames and its quench table under the name of the glass, and remove those of replicas
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
        ):
            write_bytes(folder / target, (item.folder / source).read_bytes())
            files[f"{stem}/{word}"] = folder / target
    keep_only(folder, (path.name for path in files.values()))
    return Structures(files=files)
