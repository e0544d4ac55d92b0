"""Stage `report`: one self-contained page, and all of its numbers as JSON, from the products of the run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import keep_only, publish, write_bytes, write_json
from ..products import (
    Dataset,
    Decision,
    Labels,
    Measurements,
    Model,
    Pages,
    Product,
    Screening,
    Structures,
    TaskRecord,
    Trajectories,
)
from . import efforts
from .base import Done, Job, Run, Task, dumped, read_settings
from .committee import MEAN

name = "report"
#: Raised when the same settings and files give another result.
revision = 11

_SHOWN = {
    "glass": Structures,
    "crystal": Structures,
    "interface": Structures,
    "reference": Labels,
    "dataset": Dataset,
    "train": Model,
    "cells": Structures,
    "lattice": Structures,
    "md": Trajectories,
    "screen": Screening,
    "analysis": Measurements,
}
# the roles of the files that are shown
_DATASET = {"summary", "audit", "audit-arrays"}
_MODEL = {"summary", "parity-train", "parity-test", "uncertainty"}
_LABELS = {"admitted", "rejected", "coupling"}
_TRAJECTORIES = {"thermo", "summary", "gate", "correlations", "final", "uncertainty"}
PAGE, NUMBERS, FIGURES = "report.html", "report.json", "figures"
#: Folder of the pages of several systems.
PAGES = "reports"


@dataclass(frozen=True)
class Settings:
    """What a page tells beside the products: the input, the finished tasks with their keys and times, where the
    density comes from, and the decisions of a loop by the number of the round.
    """

    input: Mapping[str, Any]
    tasks: Sequence[Mapping[str, Any]]
    density_source: str
    decisions: Mapping[str, str] | None = None


def plan(run: Run) -> list[Task]:
    """One task; its key contains the finished tasks with their times and all products shown on the page."""
    files = _sources(run)
    products = [run.take(role, kind) for role, kind in _SHOWN.items()]
    tasks = [
        {"stage": product.step, "task": label, "key": made.key, "seconds": made.seconds, "tools": made.tools}
        for product in (*run.take_all("earlier", Product), *products)
        for label, made in _labeled(product, run.scope)
    ]
    decisions, rounds = _rounds(run)
    files |= rounds
    settings = dumped(
        Settings(run.input.model_dump(mode="json"), tasks, run.input.system.density_source, decisions or None)
    )
    return [Task(name, "report", settings, files, effort=efforts.pages(name))]


def expect(run: Run) -> tuple[list[Task], Pages]:
    """One page."""
    return [Task(name, "report", {}, effort=efforts.pages(name))], Pages()


def run(job: Job) -> Mapping[str, Any] | None:
    """Write page, numbers and figures."""
    if job.rank != 0:
        return None
    from ..report.build import build
    from ..report.material import Material

    settings = read_settings(Settings, job.task)
    page, numbers, figures = build(
        Material(
            settings.input, settings.tasks, dict(job.task.inputs), settings.decisions or {}, settings.density_source
        )
    )
    write_bytes(job.folder / PAGE, page.encode())
    write_json(job.folder / NUMBERS, numbers)
    for figure, svg in figures.items():
        write_bytes(job.folder / FIGURES / f"{figure}.svg", svg)
    return {"numbers": len(numbers["numbers"]), "figures": len(figures)}


def collect(run: Run, done: list[Done]) -> Pages:
    """Copy the report to the run folder, or to reports/ for one of several systems, and its figures to the products."""
    folder = done[0].folder
    page, numbers = run.folder / PAGE, run.folder / NUMBERS
    if run.scope:
        page, numbers = (run.folder / PAGES / f"{run.scope}.{ending}" for ending in ("html", "json"))
        page.parent.mkdir(exist_ok=True)
    write_bytes(page, (folder / PAGE).read_bytes())
    write_bytes(numbers, (folder / NUMBERS).read_bytes())
    figures = [path.name for path in sorted((folder / FIGURES).glob("*.svg"))]
    publish(folder / FIGURES, run.products / FIGURES, figures)
    keep_only(run.products / FIGURES, figures)
    return Pages(
        files={"page": page, "numbers": numbers}
        | {f"figures/{file}": run.products / FIGURES / file for file in figures}
    )


def _labeled(product: Product, scope: str) -> Iterator[tuple[str, TaskRecord]]:
    """The tasks behind a product with their names, those of a round of learning as ``round-1/g0``."""
    inside = product.scope.removeprefix(scope).strip("/")
    return ((f"{inside}/{made.name}" if inside else made.name, made) for made in product.tasks)


def _rounds(run: Run) -> tuple[dict[str, str], dict[str, Path]]:
    """The decisions of a loop of learning, and what its rounds are told from, by the number of the round."""
    decisions: dict[str, str] = {}
    files: dict[str, Path] = {}
    if run.input.learn is None:
        return decisions, files
    last = [each for role in ("cells", "dataset", "train", "md", "decision") for each in run.take_all(role, Product)]
    for product in (*run.take_all("earlier", Product), *last):
        scope = product.scope.rpartition("/")[2]
        number = scope.removeprefix("round-") if scope.startswith("round-") else "0"
        place = f"rounds/{number}"
        if isinstance(product, Decision):
            decisions[number] = product.facts["reason"]
        elif isinstance(product, Trajectories):
            for word in ("gate", "uncertainty"):
                files |= {f"{place}/{word}/{item}": path for item, path in product.each(word).items()}
        elif product.step == "cells" and "outcomes" in product.files:
            files[f"{place}/cells"] = product.files["outcomes"]
        elif isinstance(product, (Dataset, Model)) and "summary" in product.files:
            files[f"{place}/{product.kind}"] = product.files["summary"]
            if MEAN in product.files:
                files[f"{place}/{MEAN}"] = product.files[MEAN]
    return decisions, files


def _sources(run: Run) -> dict[str, Path]:
    """What the page is made of, by role: the section of the page, the name of the object, and the kind of file."""
    found = {f"dataset/{role}": path for role, path in run.take("dataset", Dataset).files.items() if role in _DATASET}
    found |= {f"model/{role}": path for role, path in run.take("train", Model).files.items() if role in _MODEL}
    for item, path in run.take("glass", Structures).each("structure").items():
        found[f"glass/{item}"] = path
    for word in ("quench", "made"):
        for item, path in run.take("glass", Structures).each(word).items():
            found[f"glass/{item}/{word}"] = path
    for step in ("crystal", "lattice"):
        if (facts := run.take(step, Structures).files.get("facts")) is not None:
            found[f"{step}/facts"] = facts
    for word in ("facts", "structure"):
        for item, path in run.take("interface", Structures).each(word).items():
            found[f"interface/{item}/{word}"] = path
    if (excess := run.take("interface", Structures).files.get("excess")) is not None:
        found["interface/excess"] = excess
    sets = run.take("reference", Labels).files
    found |= {f"reference/{role}": path for role, path in sets.items() if role.rpartition("/")[2] in _LABELS}
    found |= {f"screen/{role}": path for role, path in run.take("screen", Screening).files.items()}
    runs = run.take("md", Trajectories).files
    found |= {f"md/{role}": path for role, path in runs.items() if role.rpartition("/")[2] in _TRAJECTORIES}
    for role, path in run.take("analysis", Measurements).files.items():
        found[f"labels/{role}" if role.endswith("/fingerprints") else f"analysis/{role}"] = path
    return found
