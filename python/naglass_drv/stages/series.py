"""Stage `series`: the page of several systems, and all of their numbers in one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..files import keep_only, publish, write_bytes, write_json
from ..products import Measurements, Pages
from . import efforts
from .analysis import ROWS
from .base import Done, Job, Run, Task, dumped, read_settings
from .report import FIGURES, NUMBERS, PAGE

name = "series"
#: Raised when the same settings and files give another result.
revision = 5

TABLE = "quantities.csv"
REPORT = "report"


@dataclass(frozen=True)
class Settings:
    """What the page of a series tells beside the reports: asked and realized compositions by system, the systems that
    `failed`, and the pages of the others; the page of the insight, and what it found in words.
    """

    title: str
    conditions: Mapping[str, Mapping[str, Mapping[str, float]]]
    failed: Sequence[str]
    pages: Mapping[str, str]
    insight: Sequence[str] | None = None
    insight_page: str = ""


def plan(run: Run) -> list[Task]:
    """One task, with report and analyses of every system that has a report."""
    reports = {product.scope: product.files["numbers"] for product in run.take_all("report", Pages)}
    learned = run.take("insight", Pages)
    settings = Settings(
        title=run.input["title"],
        conditions={scope: run.input["conditions"][scope] for scope in reports},
        failed=[scope for scope in run.input["conditions"] if scope not in reports],
        pages={product.scope: f"reports/{product.files['page'].name}" for product in run.take_all("report", Pages)},
        insight=learned.facts.get("found"),
        insight_page=learned.files["page"].name if "page" in learned.files else "",
    )
    files = {f"{scope}/{REPORT}": path for scope, path in reports.items()}
    for product in run.take_all("analysis", Measurements):
        if product.scope in reports:
            files |= {f"{product.scope}/{item}/{ROWS}": path for item, path in product.each(ROWS).items()}
    return [Task(name, "series", dumped(settings), files, effort=efforts.pages(name, len(reports)))]


def expect(run: Run) -> tuple[list[Task], Pages]:
    """One page for all systems."""
    count = len(run.take_all("report", Pages))
    return [Task(name, "series", {}, effort=efforts.pages(name, count))], Pages()


def run(job: Job) -> Mapping[str, Any] | None:
    """Write page, numbers, table and figures."""
    if job.rank != 0:
        return None
    from ..report.flags import flags_of
    from ..report.series import as_csv, build_series, quantities

    settings = read_settings(Settings, job.task)
    inputs, scopes = job.task.inputs, settings.conditions
    measured = {
        scope: {
            role.removeprefix(f"{scope}/").removesuffix(f"/{ROWS}"): path
            for role, path in inputs.items()
            if role.startswith(f"{scope}/") and role.endswith(f"/{ROWS}")
        }
        for scope in scopes
    }
    reports = {scope: inputs[f"{scope}/{REPORT}"] for scope in scopes}
    rows = quantities(reports, measured, settings.conditions)
    flags = {scope: flags_of(path) for scope, path in reports.items()}
    insight = (settings.insight_page, settings.insight) if settings.insight else None
    page, numbers, figures = build_series(
        settings.title, rows, settings.conditions, settings.pages, settings.failed, flags, insight
    )
    write_bytes(job.folder / PAGE, page.encode())
    write_json(job.folder / NUMBERS, numbers)
    write_bytes(job.folder / TABLE, as_csv(rows, settings.conditions))
    for figure, svg in figures.items():
        write_bytes(job.folder / FIGURES / f"{figure}.svg", svg)
    return {"systems": len(settings.conditions), "quantities": len(rows)}


def collect(run: Run, done: list[Done]) -> Pages:
    """Copy page, numbers and table to the run folder, and the figures to the products."""
    folder = done[0].folder
    publish(folder, run.folder, (PAGE, NUMBERS, TABLE))
    figures = [path.name for path in sorted((folder / FIGURES).glob("*.svg"))]
    publish(folder / FIGURES, run.products / FIGURES, figures)
    keep_only(run.products / FIGURES, figures)
    files = {"page": run.folder / PAGE, "numbers": run.folder / NUMBERS, "table": run.folder / TABLE}
    return Pages(files=files | {f"figures/{file}": run.products / FIGURES / file for file in figures})
