"""Stage `analysis`: structure, network and transport for each trajectory, and for the glasses as replicas."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..chemistry.level import moments_by
from ..config.schema import Analysis
from ..errors import InputError
from ..files import keep_only, publish, read_bounded, write_json
from ..products import Labels, Measurements, Model, Quantity, Structures, TaskRecord, Trajectories
from . import analysis_seeds, efforts, interface_lattice
from .base import Done, Job, Run, Task, dumped, read_settings
from .interface import BULK

name = "analysis"
#: Raised when the same settings and files give another result.
revision = 11

GLASS, TRAJECTORY, LABELS, EXCESS = "glass", "trajectory", "labels", "excess"
HOPS, ROWS, CRYSTAL, FACTS = "hops", "quantities", "crystal", "facts"
ARRHENIUS = "arrhenius"
_K_PER_S = 1e12
_LARGEST_SUMMARY = 64 * 2**20


@dataclass(frozen=True)
class Settings:
    """What to measure, and on what: the replicas of a glass, a trajectory (`stable` or not), or a set of labels.

    `quench_rate_K_per_s` is that of the glass in a trajectory, on which its diffusion coefficient depends. The excess
    energy of interfaces is that of the last `last_ps` of their runs and of those of bulk cells at `temperature_K`, or
    not given for the reason `refused`; with `same_glass`, the bulk glass of a replica is that beside its slab.
    `readout` tells per metal why the model's moments do not tell its states apart, empty where they do, or None where
    nothing is known; `moments` what these are.
    `seed_in` is the glass that a seed is in. `crystal_cell` (Å, rows) is that of the crystal in the model.
    """

    kind: str
    wanted: Analysis
    stable: bool = False
    quench_rate_K_per_s: float | None = None
    temperature_K: float | None = None
    last_ps: float | None = None
    refused: str | None = None
    same_glass: bool = False
    readout: Mapping[str, str] | None = None
    moments: str = ""
    seed_in: str | None = None
    crystal_cell: Sequence[Sequence[float]] | None = None


def files(task_name: str) -> tuple[str, str, str]:
    """File names of the numbers (JSON), the curves (NPZ) and the quantities (JSON) of one task."""
    return f"{task_name}.json", f"{task_name}.npz", f"{ROWS}/{task_name}.json"


def plan(run: Run) -> list[Task]:
    """One task for all quenched glasses, one per MD trajectory longer than `skip_ps`, and one per set
    of labels, for their magnetic moments.
    """
    section = run.input.analysis
    tasks = []
    glasses = {f"{item}/structure": path for item, path in run.take("glass", Structures).each("structure").items()}
    if glasses:
        effort = efforts.analysis(len(glasses), _atoms(run))
        tasks.append(Task(name, "glass", dumped(Settings(GLASS, section)), glasses, effort=effort))
    trajectories = run.take("md", Trajectories)
    if not glasses and not trajectories.tasks:
        raise InputError("analysis: nothing to analyze; add a glass or an md section")
    cells = Structures()
    if run.input.md is not None and run.input.md.structures == "interface":
        cells = run.take("interface", Structures)
    crystals, facts, bulk = cells.each(CRYSTAL), cells.each(FACTS), cells.each(BULK)
    readout, moments = _readout(run)
    for made in trajectories.tasks:
        # nothing is asked of it but its energy
        if made.summary.get("structure") in bulk:
            continue
        # a run that fell apart immediately left nothing to measure; the report says so
        if made.summary["frames"] and made.summary["reached_ps"] >= section.skip_ps:
            seeded = bool(crystals) and run.input.interface.seed is not None
            crystal = crystals.get(made.summary.get("structure", ""))
            settings = Settings(
                TRAJECTORY,
                section,
                made.summary["stable"],
                _quench_rate(run),
                readout=readout,
                moments=moments,
                seed_in=analysis_seeds.glass_of(made.summary["structure"]) if seeded else None,
                crystal_cell=crystal and interface_lattice.compared(run, crystal, made.summary["temperature_K"]),
            )
            own = dumped(settings)
            roles = {word: f"{made.name}/{word}" for word in ("trajectory", HOPS)}
            inputs = {word: trajectories.files[role] for word, role in roles.items() if role in trajectories.files}
            if crystal is not None:
                inputs[CRYSTAL] = crystal
            if seeded:
                inputs[FACTS] = facts[made.summary["structure"]]
            effort = efforts.analysis(made.summary["frames"], made.summary.get("atoms", _atoms(run)))
            tasks.append(Task(name, made.name, own, inputs, effort=effort))
    if bulk:
        tasks += _excesses(run, cells.each("structure") | bulk, trajectories)
    for item, path in sorted(run.take("reference", Labels).each("admitted").items()):
        if path.stat().st_size:
            # of all that can be measured, bonds need the cutoffs alone
            own = dumped(Settings(LABELS, Analysis(cutoffs_A=section.cutoffs_A)))
            tasks.append(Task(name, f"labels-{item}", own, {"admitted": path}))
    return tasks


def _excesses(run: Run, structures: Mapping[str, Path], trajectories: Trajectories) -> Iterator[Task]:
    """The excess energy of the interfaces at each temperature, from the runs of all cells at it."""
    skip_ps, pressure = run.input.analysis.skip_ps, run.input.md.pressure_bar
    at_each: dict[float, list[TaskRecord]] = {}
    for made in trajectories.tasks:
        at_each.setdefault(made.summary["temperature_K"], []).append(made)
    for kelvin, records in at_each.items():
        unstable = [made.name for made in records if not made.summary["stable"]]
        refused = None
        if pressure is None:
            refused = "md.pressure_bar is not given, so that the cells keep the heights of the rigid-ion potential"
        elif unstable:
            refused = f"{', '.join(unstable)} did not pass the stability gate"
        last_ps = max(0.0, records[0].summary["planned_ps"] - skip_ps)
        same = run.input.interface.route == "join"
        settings = Settings(EXCESS, Analysis(), temperature_K=kelvin, last_ps=last_ps, refused=refused, same_glass=same)
        inputs: dict[str, Path] = {}
        for made in records:
            cell = made.summary["structure"]
            inputs |= {
                f"{cell}/structure": structures[cell],
                f"{cell}/thermo": trajectories.files[f"{made.name}/thermo"],
            }
        effort = efforts.analysis(len(records), 1)
        yield Task(name, f"{EXCESS}-{kelvin:g}K", dumped(settings), inputs, effort=effort)


def expect(run: Run) -> tuple[list[Task], Measurements]:
    """One task for the glasses and one for each trajectory; those for labels take no time to speak of."""
    cells = run.take("glass", Structures).facts.get("symbols", {})
    tasks = [Task(name, "glass", {}, effort=efforts.analysis(len(cells), _atoms(run)))] if cells else []
    sizes = run.take("md", Trajectories).facts.get("sizes", {})
    bulk = set()
    if run.input.md is not None and run.input.md.structures == "interface":
        bulk = set(run.take("interface", Structures).facts.get(BULK, ()))
    measured = {item: size for item, size in sizes.items() if item.rpartition("-")[0] not in bulk}
    tasks += [Task(name, item, {}, effort=efforts.analysis(*size)) for item, size in measured.items()]
    if bulk:
        effort = efforts.analysis(len(bulk), 1)
        tasks += [Task(name, f"{EXCESS}-{kelvin:g}K", {}, effort=effort) for kelvin in run.input.md.temperatures_K]
    return tasks, Measurements()


def _quench_rate(run: Run) -> float | None:
    """Of the glasses that the trajectories start from, in K/s; None for structures from elsewhere."""
    if run.input.glass is None or run.input.md is None or run.input.md.structures not in ("glass", "interface"):
        return None
    return _K_PER_S * run.input.glass.quench_rate_K_per_ps


def _readout(run: Run) -> tuple[dict[str, str] | None, str]:
    """Of the moments of the model that ran the trajectories, `Settings.readout` and `Settings.moments`: from the
    model's summary, or from what `fit-spin` or a run wrote beside an archive.
    """
    from ..analysis.redox import told_apart

    section = run.input.md
    if section is None:
        return None, ""
    if section.model == "train":
        summary = run.take("train", Model).files.get("summary")
        known = [] if summary is None else [summary]
    else:
        archive = run.source / section.model
        known = [path for path in (archive.with_suffix(".spin.json"), archive.with_suffix(".json")) if path.is_file()]
    for path in known:
        try:
            content = json.loads(read_bounded(path, _LARGEST_SUMMARY))
        except ValueError:
            continue
        # what fit-spin writes, and the summary of a training
        for key, part in (("errors", "held out"), ("moments", "test")):
            found = content.get(key) if isinstance(content, dict) else None
            errors = found.get("errors_muB", found) if isinstance(found, dict) else None
            if isinstance(errors, dict) and part in errors:
                by = content.get("moments_by") or moments_by([str(content.get("level", ""))], "|moments|")
                return told_apart(errors[part]), str(by)
    return None, ""


def _atoms(run: Run) -> int:
    system = run.input.system
    return system.formula_units * sum(system.composition.values())


def run(job: Job) -> Mapping[str, Any] | None:
    """Run the analysis and write the numbers as JSON, the curves as NPZ, and the quantities as rows."""
    if job.rank != 0:
        return None
    settings = read_settings(Settings, job.task)
    if settings.kind == EXCESS:
        return _run_excess(job, settings)
    import numpy as np

    from ..analysis.fingerprints import fingerprints
    from ..analysis.interfaces import interface
    from ..analysis.measure import after, measure
    from ..analysis.quantities import labeled, quantities
    from ..analysis.redox import Readout
    from ..analysis.seeded import seeded
    from ..dataset.frames import read_frames

    beside = (HOPS, CRYSTAL, FACTS)
    frames = [frame for role, path in job.task.inputs.items() if role not in beside for frame in read_frames(path)]
    json_name, npz_name, rows_name = files(job.task.name)
    wanted = _of_elements(settings.wanted, {element for frame in frames for element in frame.symbols})
    if settings.kind == LABELS:
        found = fingerprints(frames, wanted.cutoffs_A, independent=True)
        numbers = {"frames": len(frames), "fingerprints": found}
        write_json(job.folder / json_name, numbers)
        write_json(job.folder / rows_name, [row.as_json() for row in labeled(job.task.name, numbers)])
        return {"frames": len(frames)}
    hops = job.task.inputs.get(HOPS)
    readout = None if settings.readout is None else Readout(settings.readout, settings.moments)
    numbers, curves = measure(
        frames,
        wanted,
        replicas=settings.kind == GLASS,
        stable=settings.stable,
        progress=lambda done, note: job.progress(done, 1.0, "", note),
        on_the_fly=hops,
        readout=readout,
    )
    numbers |= {"interface": None, "seed": None}
    if CRYSTAL in job.task.inputs:
        (crystal,) = read_frames(job.task.inputs[CRYSTAL])
        if settings.crystal_cell is not None:
            crystal.set_cell(settings.crystal_cell, scale_atoms=True)
        kept = after(frames, wanted.skip_ps)
        if settings.seed_in is not None:
            made = json.loads(job.task.inputs[FACTS].read_text(encoding="utf-8"))
            numbers["seed"], profiles = seeded(kept, crystal, made, name=job.task.name, glass=settings.seed_in)
        else:
            numbers["interface"], profiles = interface(kept, crystal, wanted, name=job.task.name, readout=readout)
        curves |= profiles
    write_json(job.folder / json_name, numbers)
    rows = quantities(job.task.name, numbers, curves, settings.quench_rate_K_per_s)
    write_json(job.folder / rows_name, [row.as_json() for row in rows])
    np.savez_compressed(job.folder / npz_name, **curves)
    return {key: numbers[key] for key in ("frames", "atoms")}


def _run_excess(job: Job, settings: Settings) -> Mapping[str, Any]:
    """Write the excess energy of the interfaces by the model, or why there is none, and its rows."""
    from ..analysis.excess_energy import measured, rows
    from ..dataset.frames import read_frames

    found: dict[str, Any] = {"reason": settings.refused}
    kelvin = settings.temperature_K or 0.0
    if settings.refused is None:
        inputs = {tuple(role.split("/")): path for role, path in job.task.inputs.items()}
        cells = {
            cell: (read_frames(path)[0], json.loads(inputs[cell, "thermo"].read_text(encoding="utf-8")))
            for (cell, word), path in inputs.items()
            if word == "structure"
        }
        found = measured(cells, settings.last_ps or 0.0, kelvin, same_glass=settings.same_glass)
    conditions = {"temperature_K": kelvin}
    json_name, _, rows_name = files(job.task.name)
    of_all = [row.as_json() for row in rows(f"interface.{kelvin:g}K", "the model", found, conditions)]
    write_json(job.folder / json_name, found | conditions | {"rows": of_all})
    write_json(job.folder / rows_name, of_all)
    return {"e_excess_mJ_per_m2": found.get("e_excess"), "reason": found["reason"]}


def _of_elements(section: Analysis, elements: set[str]) -> Analysis:
    """The section without cutoffs of elements that only other systems have."""
    kept = {pair: cutoff for pair, cutoff in section.cutoffs_A.items() if elements.issuperset(pair.split("-"))}
    return section.model_copy(update={"cutoffs_A": kept})


def collect(run: Run, done: list[Done]) -> Measurements:
    """Store what was measured under the name of its glass or trajectory, put the transport of each structure on
    Arrhenius lines, and remove what is outdated.
    """
    folder = run.products / "analysis"
    for item in done:
        publish(item.folder, folder, files(item.task.name))
    found = {}
    for item in done:
        numbers, curves, rows = (folder / file for file in files(item.task.name))
        found[f"{item.task.name}/{ROWS}"] = rows
        kind = read_settings(Settings, item.task).kind
        if kind in (LABELS, EXCESS):
            found[f"{item.task.name}/{'fingerprints' if kind == LABELS else EXCESS}"] = numbers
        else:
            found |= {f"{item.task.name}/numbers": numbers, f"{item.task.name}/curves": curves}
    found |= _lines(run, done, folder) | _melting(run, done, folder)
    for together, rows in analysis_seeds.nucleation(run, done, folder, files):
        found[f"{together.stem}/nucleation"] = together
        found |= _rows(folder, together.stem, rows)
    keep_only(folder, (path.name for path in found.values() if path.parent == folder))
    keep_only(folder / ROWS, (path.name for path in found.values() if path.parent == folder / ROWS))
    return Measurements(files=found)


def _lines(run: Run, done: list[Done], folder: Path) -> dict[str, Path]:
    """The Arrhenius lines of every structure, and of its layers beside a crystal, written as JSON and as rows, and the
    mean energies over the glasses.
    """
    from ..analysis import temperatures
    from ..analysis.layer_temperatures import layer_temperatures

    structures: dict[str, dict[str, Any]] = {}
    summaries = {made.name: made.summary for made in run.take("md", Trajectories).tasks}
    for item in done:
        if read_settings(Settings, item.task).kind == TRAJECTORY:
            structure = summaries.get(item.task.name, {}).get("structure") or item.task.name.rpartition("-")[0]
            numbers = json.loads((folder / files(item.task.name)[0]).read_text(encoding="utf-8"))
            structures.setdefault(structure, {})[item.task.name] = numbers
    written, fitted = {}, []
    for structure, runs in structures.items():
        whole = temperatures.temperatures(structure, runs, _quench_rate(run))
        fitted += [whole] if whole is not None else []
        for lines in ([whole] if whole is not None else []) + list(layer_temperatures(structure, runs)):
            name = f"{lines['structure']}-{ARRHENIUS}"
            written[f"{name}/{ARRHENIUS}"] = folder / f"{name}.json"
            write_json(written[f"{name}/{ARRHENIUS}"], lines)
            written |= _rows(folder, name, temperatures.rows(lines))
    return written | _rows(folder, f"{temperatures.REPLICAS}-{ARRHENIUS}", temperatures.mean_rows(fitted))


def _melting(run: Run, done: list[Done], folder: Path) -> dict[str, Path]:
    """The temperature at which the surfaces of each crystal stand still, as rows, where their velocities bracket it."""
    from ..analysis.fronts import zero_velocity
    from ..analysis.growth_rows import melting

    moved: dict[str, list[tuple[float, float, float]]] = {}
    summaries = {made.name: made.summary for made in run.take("md", Trajectories).tasks}
    for item in done:
        if item.task.name in summaries:
            numbers = json.loads((folder / files(item.task.name)[0]).read_text(encoding="utf-8"))
            found = numbers.get("interface") or {}
            if found.get("u_m_per_s") is not None:
                point = (numbers["temperature_K"], found["u_m_per_s"], found["u_m_per_s_err"])
                moved.setdefault(summaries[item.task.name]["structure"], []).append(point)
    written: dict[str, Path] = {}
    for structure, points in moved.items():
        with suppress(InputError):
            crossing = zero_velocity(*zip(*points, strict=True))
            written |= _rows(folder, f"{structure}-growth", melting(structure, crossing))
    return written


def _rows(folder: Path, name: str, rows: Iterable[Quantity]) -> dict[str, Path]:
    """The role of the file with these rows, if there are any."""
    content = [row.as_json() for row in rows]
    if not content:
        return {}
    path = folder / ROWS / f"{name}.json"
    write_json(path, content)
    return {f"{name}/{ROWS}": path}
