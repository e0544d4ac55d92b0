"""Stage `analysis`: structure, network and transport for each trajectory, and for the glasses as replicas."""

from collections.abc import Mapping
from typing import Any

from ..config.schema import Input
from ..errors import InputError
from ..files import keep_only, publish, write_json
from .base import Done, Job, Run, Task

name = "analysis"
#: Raised when the same settings and files give another result.
revision = 2

LABELS = "labels"
_HOPS = "hops.txt"


def files(task_name: str) -> tuple[str, str]:
    """File names of the numbers (JSON) and the curves (NPZ) of one task."""
    return f"{task_name}.json", f"{task_name}.npz"


def wanted(input: Input) -> bool:
    return input.analysis is not None


def plan(run: Run) -> list[Task]:
    """One task for all quenched glasses, one per MD trajectory longer than `skip_ps`, and one per set
    of labels, for their magnetic moments.
    """
    section = run.input.analysis
    settings = section.model_dump(mode="json")
    tasks = []
    glasses = sorted(run.products / "glass" / f"{done.task.name}.extxyz" for done in run.finished("glass"))
    if glasses:
        tasks.append(Task(name, "glass", settings | {"kind": "glass"}, tuple(glasses)))
    trajectories = run.finished("md")
    if not glasses and not trajectories:
        raise InputError("analysis: nothing to analyze; add a glass or an md section")
    for done in trajectories:
        # a run that fell apart immediately left nothing to measure; the report says so
        if done.summary["frames"] and done.summary["reached_ps"] >= section.skip_ps:
            own = settings | {"kind": "trajectory", "stable": done.summary["stable"]}
            written = (done.folder / file for file in ("trajectory.extxyz", _HOPS))
            tasks.append(Task(name, done.task.name, own, tuple(path for path in written if path.exists())))
    for path in sorted(run.products / "reference" / f"{item.name}.extxyz" for item in run.input.reference):
        if path.exists() and path.stat().st_size:
            tasks.append(Task(name, f"labels-{path.stem}", {"kind": LABELS, "cutoffs_A": section.cutoffs_A}, (path,)))
    return tasks


def run(job: Job) -> Mapping[str, Any] | None:
    """Run the analysis and write the numbers as JSON and the curves as NPZ."""
    if job.rank != 0:
        return None
    import numpy as np

    from ..analysis.fingerprints import fingerprints
    from ..analysis.measure import measure
    from ..dataset.frames import read_frames

    frames = [frame for path in job.task.inputs if path.name != _HOPS for frame in read_frames(path)]
    json_name, npz_name = files(job.task.name)
    if job.task.settings["kind"] == LABELS:
        found = fingerprints(frames, job.task.settings["cutoffs_A"], independent=True)
        write_json(job.folder / json_name, {"frames": len(frames), "fingerprints": found})
        return {"frames": len(frames)}
    hops = next((path for path in job.task.inputs if path.name == _HOPS), None)
    numbers, curves = measure(frames, job.task.settings, lambda done, note: job.progress(done, 1.0, "", note), hops)
    write_json(job.folder / json_name, numbers)
    np.savez_compressed(job.folder / npz_name, **curves)
    return {key: numbers[key] for key in ("frames", "atoms")}


def collect(run: Run, done: list[Done]) -> None:
    """Store numbers and curves under the name of their glass or trajectory, and remove outdated ones."""
    folder = run.products / "analysis"
    for item in done:
        publish(item.folder, folder, files(item.task.name))
    keep_only(folder, (name for item in done for name in files(item.task.name)))
