"""Stage `md`: molecular dynamics with the trained model, with on-the-fly Qn and a stability gate."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.interfaces import simulates_bulk
from ..config.schema import Uncertainty
from ..errors import TaskFailed
from ..files import keep_only, write_bytes, write_json
from ..products import Model, Structures, Trajectories
from . import candidates, committee, efforts, interface_lattice, interface_seeds
from .base import Done, Job, Run, Task, common, dumped, lammps_seed, read_settings
from .candidates import GATE, TRAJECTORY, UNCERTAINTY
from .given_models import archive_variables, check_covered, models_of, write_start
from .md_commands import REAL, Settings, along_of, commands_for, observables_for, runs_of, steps_of

if TYPE_CHECKING:
    from ase import Atoms

    from ..engines.lammps.dump import Snapshot

name = "md"
#: Raised when the same settings and files give another result.
revision = 1

THERMO, FINAL = "thermo.json", "final.extxyz"
WRITTEN_BY_FIXES = ("hops", "correlations", "selected")
CANDIDATES = "candidates.extxyz"
SCRIPT = "md_mace.lmp"
_BAROSTAT_PS = 1.0
# the gate's limit on window means is exceeded long before; all that remains is a cloud of atoms
_HALT_FACTOR = 3.0


def plan(run: Run) -> list[Task]:
    """One task per structure and temperature. Raises an error if the model lacks an element of a
    structure.
    """
    from ..dataset.frames import read_frames
    from ..engines.mace.facts import potential_facts

    section = run.input.md
    models = models_of(run)
    model = potential_facts(models["model"])
    if "readout" in models:
        model = replace(model, outputs=[*model.outputs, "spin"])
    archives = sum(role != "readout" for role in models)
    # heads of an archive from elsewhere may be potentials of several levels
    members = max(archives, model.heads if section.model == "train" else 1)
    tasks = []
    factors = committee.factors(run.take("train", Model)) if members > 1 else None
    # without a committee there is nothing to be uncertain of
    uncertainty = (section.uncertainty or Uncertainty()) if members > 1 else None
    for file in _structure_files(run):
        frames = read_frames(file)
        for number, frame in enumerate(frames):
            elements = list(dict.fromkeys(frame.get_chemical_symbols()))
            check_covered(model, models["model"], elements, file.name)
            label = _label(file, number if len(frames) > 1 else None)
            commands = commands_for(run.input, elements, model, archives=archives, members=members)
            scale = factors and [factors[element] for element in elements]
            for temperature, task in runs_of(section, label):
                settings = Settings(
                    structure=label,
                    frame=number,
                    observables=observables_for(run.input, elements, uncertainty, scale),
                    scale=scale,
                    temperature_K=temperature,
                    seed=lammps_seed(f"{run.input.seed} {task}"),
                    # the crystal's area is that of a thick crystal
                    pressure_along=along_of(run.input),
                    strain=interface_lattice.strain(run, frame, temperature),
                    **commands,
                    **common(Settings, section) | {"uncertainty": uncertainty},
                )
                inputs = {"structure": file} | models
                effort = efforts.dynamics(section, len(frame))
                tasks.append(
                    Task(name, task, dumped(settings), inputs, ("lammps", "mace"), section.ranks, section.gpus, effort)
                )
    return tasks


def expect(run: Run) -> tuple[list[Task], Trajectories]:
    """One task per structure and temperature; every trajectory reaches its end."""
    from ..dataset.frames import read_frames

    section = run.input.md
    if section.structures in ("glass", "interface"):
        facts = run.take(section.structures, Structures).facts
        left_out = () if simulates_bulk(run.input) else facts.get("bulk", ())
        cells = {name: symbols for name, symbols in facts.get("symbols", {}).items() if name not in left_out}
    else:
        cells = {str(k): list(f.symbols) for k, f in enumerate(read_frames(run.source / section.structures))}
    tasks, sizes, chosen = [], {}, {}
    for item, symbols in cells.items():
        for _, task in runs_of(section, item):
            effort = efforts.dynamics(section, len(symbols))
            tasks.append(Task(name, task, {}, ranks=section.ranks, gpus=section.gpus, effort=effort))
            copies = math.prod(section.replicate)
            sizes[task] = (efforts.frames_of(section), len(symbols) * copies)
            chosen[task] = (section.candidates, list(symbols) * copies)
    return tasks, Trajectories(facts={"sizes": sizes, "candidates": chosen})


def _structure_files(run: Run) -> list[Path]:
    section = run.input.md
    if section.structures in ("glass", "interface"):
        made = run.take(section.structures, Structures)
        words = ("structure", "bulk") if simulates_bulk(run.input) else ("structure",)
        return [path for word in words for path in made.each(word).values()]
    return [run.source / section.structures]


def _label(file: Path, number: int | None) -> str:
    """Name of a structure in a form usable as a task name."""
    stem = re.sub(r"[^A-Za-z0-9_.+-]", "_", file.stem).lstrip("_.+-") or "structure"
    return stem if number is None else f"{stem}-{number}"


def run(job: Job) -> Mapping[str, Any] | None:
    """Run, or resume from the last restart file of a stopped attempt; then apply the stability gate.

    A run that falls apart is also a result: it ends early, and its summary says when it became
    unstable.
    """
    from ..engines.lammps import segments
    from ..paths import data_file

    earlier = job.comm.bcast(segments.earlier_result(job.previous, job.folder) if job.rank == 0 else None)
    if earlier is not None:
        return earlier
    resume = segments.take_over(job.comm, job.previous, job.folder)
    settings = read_settings(Settings, job.task)
    if job.rank == 0:
        _prepare(job, settings)
    job.comm.barrier()
    timestep_ps = settings.timestep_fs / 1000.0
    every = steps_of(settings.sample_every_fs, settings.timestep_fs)
    sampling = segments.Sampling(
        every=every,
        thermo_every=every,
        columns=tuple(settings.columns.values()),
        checkpoint=max(1, round(settings.checkpoint_ps / timestep_ps / every)) * every,
    )
    outcome, broken = None, None
    try:
        outcome = segments.run_script(
            segments.read_script(data_file("lammps_inputs", SCRIPT)),
            sampling,
            comm=job.comm,
            folder=job.folder,
            resume=resume,
            variables=_variables(job.folder, settings, job.task.inputs),
            plugins=settings.plugins,
            stopping=job.stopping,
            progress=lambda step, total, phase: job.progress(step * timestep_ps, total * timestep_ps, "ps", phase),
        )
    except TaskFailed as error:
        if error.failure not in segments.BROKEN:
            raise
        broken = str(error)
    if job.rank != 0:
        return None
    summary = _write_results(job, settings) | _speed(outcome, timestep_ps) | {"broken": broken}
    segments.close_result(job.folder, summary)
    return summary


def _prepare(job: Job, settings: Settings) -> None:
    """Write start structure, model and commands as files, which also work with ``lmp -in md_mace.lmp``."""
    import numpy as np

    from ..dataset.frames import read_frames

    atoms = read_frames(job.task.inputs["structure"])[settings.frame]
    if settings.strain is not None:
        atoms.set_cell(atoms.cell.array @ np.array(settings.strain), scale_atoms=True)
    atoms = atoms.repeat(settings.replicate)
    heads = write_start(job.folder, atoms, settings.elements, job.task.inputs, with_torch=job.task.gpus > 0)
    for file, lines in (("model.lmp", [*heads, *settings.commands]), ("observables.lmp", settings.observables)):
        write_bytes(job.folder / file, "".join(f"{line}\n" for line in lines).encode())


def _variables(folder: Path, settings: Settings, inputs: Mapping[str, Path]) -> dict[str, object]:
    """Values from the input for the index variables of the script."""
    from ..engines.lammps import segments

    pressure = settings.pressure_bar
    barostat = (
        {}
        if pressure is None
        else {"ensemble": "npt", "barostat": interface_seeds.barostat(settings.pressure_along, pressure, _BAROSTAT_PS)}
    )
    return barostat | {
        "data": folder / "start.data",
        "model": folder / "model.lmp",
        "observables": folder / "observables.lmp",
        **{name: segments.events_file(folder, name) for name in WRITTEN_BY_FIXES},
        **archive_variables(folder, inputs),
        "temperature_K": settings.temperature_K,
        "time_ps": settings.time_ps,
        "timestep_ps": settings.timestep_fs / 1000.0,
        "damp_ps": settings.thermostat_fs / 1000.0,
        "seed": settings.seed,
        "halt_K": _HALT_FACTOR * settings.gate.temperature_factor * settings.temperature_K,
    }


def _write_results(job: Job, settings: Settings) -> dict[str, Any]:
    """Write trajectory, thermo table and verdict; returns the numbers for the summary."""
    import numpy as np

    from ..analysis.stability import judge
    from ..engines.lammps import segments

    timestep_ps = settings.timestep_fs / 1000.0
    table = segments.thermo(job.folder)
    finite = np.isfinite(np.array(list(table.values()))).all(axis=0)
    table = {key: column[finite] for key, column in table.items()}
    temperature = dict(zip(table.get("step", ()), table.get("temp", ()), strict=True))

    def frames() -> Iterator["Atoms"]:
        for snapshot in segments.snapshots(job.folder):
            if snapshot.step in temperature and np.isfinite(snapshot.positions()).all():
                yield _frame(snapshot, settings, timestep_ps, float(temperature[snapshot.step]))

    count, last = _write_trajectory(job.folder, frames())
    atoms = count and len(last)
    thermo = segments.thermo_series(table, atoms or 1, timestep_ps)
    write_json(job.folder / THERMO, thermo)
    verdict = judge(
        frames(), thermo, settings.gate, temperature_K=settings.temperature_K, planned_ps=settings.time_ps
    ).as_dict()
    write_json(job.folder / GATE, verdict)
    if settings.uncertainty is not None and count:
        write_json(job.folder / UNCERTAINTY, candidates.judge(job.folder, settings))
    for name in WRITTEN_BY_FIXES:
        written = segments.events_file(job.folder, name)
        if written.is_file():
            write_bytes(job.folder / f"{name}.txt", written.read_bytes())
    return {
        "structure": settings.structure,
        "atoms": atoms,
        "frames": count,
        "temperature_K": settings.temperature_K,
        "pressure_bar": settings.pressure_bar,
        "timestep_fs": settings.timestep_fs,
        "planned_ps": settings.time_ps,
        "reached_ps": thermo["time_ps"][-1] if thermo["time_ps"] else 0.0,
        "start": "minimized with the model, then given Maxwell-Boltzmann velocities at the target temperature",
        "stable": verdict["stable"],
        "first_violation_ps": verdict["first_violation_ps"],
        "failed_checks": [check["name"] for check in verdict["checks"] if not check["passed"]],
        **_averages(thermo),
    }


def _frame(snapshot: "Snapshot", settings: Settings, timestep_ps: float, temperature_K: float) -> "Atoms":
    """A snapshot with its on-the-fly columns as arrays: moments (µB), deviations (eV/Å) and integers."""
    atoms = snapshot.atoms(settings.elements)
    for label, column in settings.columns.items():
        values = snapshot.columns[column]
        atoms.set_array(label, values if label in REAL else values.astype(int))
    atoms.info = {
        "step": snapshot.step,
        "time_ps": round(snapshot.step * timestep_ps, 9),
        "temperature_K": temperature_K,
    }
    return atoms


def _write_trajectory(folder: Path, frames: Iterator["Atoms"]) -> tuple[int, Any]:
    """Write the frames one by one, and the last one also separately; returns their number and the last."""
    import os

    from ..dataset.frames import as_text, write_frames

    count, last = 0, None
    part = folder / f"{TRAJECTORY}.part"
    with open(part, "w", encoding="utf-8") as file:
        for last in frames:
            file.write(as_text(last))
            count += 1
    os.replace(part, folder / TRAJECTORY)
    if last is not None:
        write_frames(folder / FINAL, [last])
    return count, last


def _averages(thermo: Mapping[str, list[float]]) -> dict[str, Any]:
    """Means with error bars, and the drift of the conserved quantity, a measure of the integration error."""
    import numpy as np

    from ..core.statistics import average

    times = np.array(thermo["time_ps"])
    # a line through fewer points gives no estimate of its own error
    if len(times) < 8:
        return {}
    energy = np.array(thermo["conserved_energy_eV_per_atom"]) * 1000.0
    (slope, intercept), covariance = np.polyfit(times, energy, 1, cov=True)
    rest = average(energy - slope * times - intercept)
    temperature, pressure = (average(np.array(thermo[key])) for key in ("temperature_K", "pressure_bar"))
    return {
        "mean_temperature_K": float(temperature.mean),
        "mean_temperature_K_err": float(temperature.err),
        "mean_pressure_bar": float(pressure.mean),
        "mean_pressure_bar_err": float(pressure.err),
        "conserved_drift_meV_per_atom_per_ps": float(slope),
        "conserved_drift_meV_per_atom_per_ps_err": float(np.sqrt(covariance[0, 0] * rest.inefficiency)),
    }


def _speed(outcome, timestep_ps: float) -> dict[str, Any]:
    """Speed in this attempt; None if it made no steps."""
    if outcome is None or not outcome.steps_run:
        return {"steps_per_s": None, "ns_per_day": None}
    rate = outcome.steps_run / outcome.loop_s
    return {"steps_per_s": rate, "ns_per_day": rate * timestep_ps * 86400.0 / 1000.0}


def collect(run: Run, done: list[Done]) -> Trajectories:
    """Store each summary and final frame under the task's name, and all labeling candidates in one file; remove the
    files of trajectories that are no longer requested.
    """
    from ..dataset.frames import structure_digest, write_frames

    folder, count = run.products / name, run.input.md.candidates
    chosen: dict[str, Atoms] = {}
    for item in done:
        write_json(folder / f"{item.task.name}.json", dict(item.summary))
        if (item.folder / FINAL).exists():
            write_bytes(folder / f"{item.task.name}-final.extxyz", (item.folder / FINAL).read_bytes())
        judged = item.folder / UNCERTAINTY
        verdict = json.loads(judged.read_text(encoding="utf-8")) if judged.exists() else None
        # trajectories of one structure have their start in common
        for frame in candidates.of_trajectory(item, count, verdict):
            chosen.setdefault(structure_digest(frame), frame)
    finals = [f"{item.task.name}-final.extxyz" for item in done if (item.folder / FINAL).exists()]
    keep_only(folder, (*(f"{item.task.name}.json" for item in done), *finals, *([CANDIDATES] if chosen else [])))
    if chosen:
        write_frames(folder / CANDIDATES, list(chosen.values()))
    files = {f"{item.task.name}/{word}": path for item in done for word, path in _written(item, folder).items()}
    return Trajectories(files=files | ({"candidates": folder / CANDIDATES} if chosen else {}))


def _written(item: Done, folder: Path) -> dict[str, Path]:
    """The files of one trajectory by role: large ones stay with the task."""
    own = {"trajectory": TRAJECTORY, "thermo": THERMO, "gate": GATE, "uncertainty": UNCERTAINTY} | {
        word: f"{word}.txt" for word in WRITTEN_BY_FIXES
    }
    found = {word: item.folder / file for word, file in own.items()}
    found |= {"summary": folder / f"{item.task.name}.json", "final": folder / f"{item.task.name}-final.extxyz"}
    return {word: path for word, path in found.items() if path.exists()}
