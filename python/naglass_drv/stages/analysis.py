"""Stage `analysis`: structure, network and transport for each trajectory, and for the glasses as replicas."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.schema import Analysis
from ..errors import InputError
from ..files import keep_only, publish, write_json
from ..products import Labels, Measurements, Quantity, Structures, Trajectories
from . import efforts
from .base import Done, Job, Run, Task, dumped, read_settings

name = "analysis"
#: Raised when the same settings and files give another result.
revision = 9

GLASS, TRAJECTORY, LABELS = "glass", "trajectory", "labels"
HOPS, ROWS, CRYSTAL = "hops", "quantities", "crystal"
ARRHENIUS = "arrhenius"
_K_PER_S = 1e12


@dataclass(frozen=True)
class Settings:
    """What to measure, and on what: the replicas of a glass, a trajectory (`stable` or not), or a set of labels.

    `quench_rate_K_per_s` is that of the glass in a trajectory, on which its diffusion coefficient depends. `interfaces`
    is how many replicas there are of the interface of a trajectory.
    """

    kind: str
    wanted: Analysis
    stable: bool = False
    quench_rate_K_per_s: float | None = None
    interfaces: int = 0


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
    crystals = {}
    if run.input.md is not None and run.input.md.structures == "interface":
        crystals = run.take("interface", Structures).each(CRYSTAL)
    for made in trajectories.tasks:
        # a run that fell apart immediately left nothing to measure; the report says so
        if made.summary["frames"] and made.summary["reached_ps"] >= section.skip_ps:
            settings = Settings(TRAJECTORY, section, made.summary["stable"], _quench_rate(run), len(crystals))
            own = dumped(settings)
            roles = {word: f"{made.name}/{word}" for word in ("trajectory", HOPS)}
            inputs = {word: trajectories.files[role] for word, role in roles.items() if role in trajectories.files}
            if crystals:
                inputs[CRYSTAL] = crystals[made.summary["structure"]]
            effort = efforts.analysis(made.summary["frames"], made.summary.get("atoms", _atoms(run)))
            tasks.append(Task(name, made.name, own, inputs, effort=effort))
    for item, path in sorted(run.take("reference", Labels).each("admitted").items()):
        if path.stat().st_size:
            # of all that can be measured, bonds need the cutoffs alone
            own = dumped(Settings(LABELS, Analysis(cutoffs_A=section.cutoffs_A)))
            tasks.append(Task(name, f"labels-{item}", own, {"admitted": path}))
    return tasks


def expect(run: Run) -> tuple[list[Task], Measurements]:
    """One task for the glasses and one for each trajectory; those for labels take no time to speak of."""
    cells = run.take("glass", Structures).facts.get("symbols", {})
    tasks = [Task(name, "glass", {}, effort=efforts.analysis(len(cells), _atoms(run)))] if cells else []
    sizes = run.take("md", Trajectories).facts.get("sizes", {})
    tasks += [Task(name, item, {}, effort=efforts.analysis(*size)) for item, size in sizes.items()]
    return tasks, Measurements()


def _quench_rate(run: Run) -> float | None:
    """Of the glasses that the trajectories start from, in K/s; None for structures from elsewhere."""
    if run.input.glass is None or run.input.md is None or run.input.md.structures not in ("glass", "interface"):
        return None
    return _K_PER_S * run.input.glass.quench_rate_K_per_ps


def _atoms(run: Run) -> int:
    system = run.input.system
    return system.formula_units * sum(system.composition.values())


def run(job: Job) -> Mapping[str, Any] | None:
    """Run the analysis and write the numbers as JSON, the curves as NPZ, and the quantities as rows."""
    if job.rank != 0:
        return None
    import numpy as np

    from ..analysis.fingerprints import fingerprints
    from ..analysis.interfaces import interface
    from ..analysis.measure import after, measure
    from ..analysis.quantities import labeled, quantities
    from ..dataset.frames import read_frames

    beside = (HOPS, CRYSTAL)
    frames = [frame for role, path in job.task.inputs.items() if role not in beside for frame in read_frames(path)]
    json_name, npz_name, rows_name = files(job.task.name)
    settings = read_settings(Settings, job.task)
    wanted = _of_elements(settings.wanted, {element for frame in frames for element in frame.symbols})
    if settings.kind == LABELS:
        found = fingerprints(frames, wanted.cutoffs_A, independent=True)
        numbers = {"frames": len(frames), "fingerprints": found}
        write_json(job.folder / json_name, numbers)
        write_json(job.folder / rows_name, [row.as_json() for row in labeled(job.task.name, numbers)])
        return {"frames": len(frames)}
    hops = job.task.inputs.get(HOPS)
    numbers, curves = measure(
        frames,
        wanted,
        replicas=settings.kind == GLASS,
        stable=settings.stable,
        progress=lambda done, note: job.progress(done, 1.0, "", note),
        on_the_fly=hops,
    )
    numbers["interface"] = None
    if CRYSTAL in job.task.inputs:
        (crystal,) = read_frames(job.task.inputs[CRYSTAL])
        kept = after(frames, wanted.skip_ps)
        numbers["interface"], profiles = interface(
            kept, crystal, wanted, name=job.task.name, replicas=settings.interfaces
        )
        curves |= profiles
    write_json(job.folder / json_name, numbers)
    rows = quantities(job.task.name, numbers, curves, settings.quench_rate_K_per_s)
    write_json(job.folder / rows_name, [row.as_json() for row in rows])
    np.savez_compressed(job.folder / npz_name, **curves)
    return {key: numbers[key] for key in ("frames", "atoms")}


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
        if read_settings(Settings, item.task).kind == LABELS:
            found[f"{item.task.name}/fingerprints"] = numbers
        else:
            found |= {f"{item.task.name}/numbers": numbers, f"{item.task.name}/curves": curves}
    found |= _lines(run, done, folder) | _melting(run, done, folder)
    keep_only(folder, (path.name for path in found.values() if path.parent == folder))
    keep_only(folder / ROWS, (path.name for path in found.values() if path.parent == folder / ROWS))
    return Measurements(files=found)


def _lines(run: Run, done: list[Done], folder: Path) -> dict[str, Path]:
    """The Arrhenius lines of every structure, written as JSON and as rows, and the mean energies over the glasses."""
    from ..analysis import temperatures

    structures: dict[str, dict[str, Any]] = {}
    summaries = {made.name: made.summary for made in run.take("md", Trajectories).tasks}
    for item in done:
        if read_settings(Settings, item.task).kind == TRAJECTORY:
            structure = summaries.get(item.task.name, {}).get("structure") or item.task.name.rpartition("-")[0]
            numbers = json.loads((folder / files(item.task.name)[0]).read_text(encoding="utf-8"))
            structures.setdefault(structure, {})[item.task.name] = numbers
    written, fitted = {}, []
    for structure, runs in structures.items():
        if (lines := temperatures.temperatures(structure, runs, _quench_rate(run))) is not None:
            name = f"{structure}-{ARRHENIUS}"
            written[f"{name}/{ARRHENIUS}"] = folder / f"{name}.json"
            write_json(written[f"{name}/{ARRHENIUS}"], lines)
            written |= _rows(folder, name, temperatures.rows(lines))
            fitted.append(lines)
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
