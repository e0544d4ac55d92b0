"""Stage `report`: one self-contained page, and all of its numbers as JSON, from the products of the run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config.schema import Input
from ..files import keep_only, publish, write_bytes, write_json
from ..runtime.files import read_json
from . import ORDER, analysis
from .base import Done, Job, Run, Task

name = "report"
#: Raised when the same settings and files give another result.
revision = 2

PAGE, NUMBERS, FIGURES = "report.html", "report.json", "figures"


def wanted(input: Input) -> bool:
    return input.report is not None


def plan(run: Run) -> list[Task]:
    """One task; its key contains the finished tasks with their times and all products shown on the page."""
    files = _sources(run)
    settings = {
        "input": run.input.model_dump(mode="json"),
        "tasks": [_record(done) for stage in ORDER[:-1] for done in run.finished(stage)],
        "roles": list(files),
    }
    return [Task(name, "report", settings, tuple(files.values()))]


def run(job: Job) -> Mapping[str, Any] | None:
    """Write page, numbers and figures."""
    if job.rank != 0:
        return None
    from ..report.build import build
    from ..report.material import Material

    settings = job.task.settings
    files = dict(zip(settings["roles"], job.task.inputs, strict=True))
    page, numbers, figures = build(Material(settings["input"], settings["tasks"], files))
    write_bytes(job.folder / PAGE, page.encode())
    write_json(job.folder / NUMBERS, numbers)
    for figure, svg in figures.items():
        write_bytes(job.folder / FIGURES / f"{figure}.svg", svg)
    return {"numbers": len(numbers["numbers"]), "figures": len(figures)}


def collect(run: Run, done: list[Done]) -> None:
    """Copy the report to the run folder and its figures to the products."""
    folder = done[0].folder
    publish(folder, run.folder, (PAGE, NUMBERS))
    figures = [path.name for path in sorted((folder / FIGURES).glob("*.svg"))]
    publish(folder / FIGURES, run.products / FIGURES, figures)
    keep_only(run.products / FIGURES, figures)


def _record(done: Done) -> dict[str, Any]:
    finished = read_json(done.folder.parent / "DONE") or {}
    return {
        "stage": done.task.stage,
        "task": done.task.name,
        "key": finished.get("key"),
        "seconds": finished.get("seconds"),
        "tools": (finished.get("parts") or {}).get("tools") or {},
    }


def _sources(run: Run) -> dict[str, Path]:
    products = run.products
    # products of an earlier input may still exist
    found = {}
    if run.input.dataset is not None:
        names = {"summary": "dataset.json", "audit": "audit.json", "audit-arrays": "audit.npz"}
        found |= {f"dataset/{role}": products / "dataset" / file for role, file in names.items()}
    if run.input.train is not None:
        names = {"summary": "model.json", "parity-train": "parity-train.npz", "parity-test": "parity-test.npz"}
        found |= {f"model/{role}": products / "model" / file for role, file in names.items()}
    for done in run.finished("glass"):
        found[f"glass/{done.task.name}"] = products / "glass" / f"{done.task.name}.extxyz"
        found[f"glass/{done.task.name}/quench"] = products / "glass" / f"{done.task.name}-quench.json"
    for item in run.input.reference:
        found[f"reference/{item.name}/admitted"] = products / "reference" / f"{item.name}.extxyz"
        found[f"reference/{item.name}/rejected"] = products / "reference" / f"{item.name}-rejected.json"
        found[f"reference/{item.name}/coupling"] = products / "reference" / f"{item.name}-coupling.json"
    for done in run.finished("md"):
        found[f"md/{done.task.name}/thermo"] = done.folder / "thermo.json"
        found[f"md/{done.task.name}/summary"] = products / "md" / f"{done.task.name}.json"
        found[f"md/{done.task.name}/gate"] = done.folder / "gate.json"
        found[f"md/{done.task.name}/correlations"] = done.folder / "correlations.txt"
        found[f"md/{done.task.name}/final"] = products / "md" / f"{done.task.name}-final.extxyz"
    for done in run.finished("analysis"):
        numbers, curves = analysis.files(done.task.name)
        if done.task.settings["kind"] == analysis.LABELS:
            found[f"labels/{done.task.name}/fingerprints"] = done.folder / numbers
            continue
        found[f"analysis/{done.task.name}/numbers"] = done.folder / numbers
        found[f"analysis/{done.task.name}/curves"] = done.folder / curves
    return {role: path for role, path in found.items() if path.exists()}
