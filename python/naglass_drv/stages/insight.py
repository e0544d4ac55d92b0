"""Stage `insight`: what a property of all glasses of the run, and of other runs, depends on, as claims and a page."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.insights import LEARNERS
from ..errors import InputError
from ..files import file_hash, keep_only, publish, write_bytes
from ..products import Measurements, Pages, Structures
from . import efforts
from .base import Done, Effort, Job, Run, Task, dumped, read_settings

if TYPE_CHECKING:
    from ..insight.table import Table

name = "insight"
#: Raised when the same settings and files give another result.
revision = 2

CLAIMS, PAGE, FIGURES = "claims.yaml", "insight.html", "figures"
_TABLES = "tables"


@dataclass(frozen=True)
class Settings:
    """What decides a study, from the section `insight`: `sources` are the runs, this one first, and the tables by the
    names that they are given in the input. `quench_rate_K_per_ps` is that of the glasses, if it is one. `tries` is the
    number of different studies of this run, by which the chance of a false claim is divided.
    """

    target: str
    seed: int
    sources: Sequence[str]
    blocks: Mapping[str, Sequence[str]] | None = None
    ignore: Sequence[str] | None = None
    carrier: str | None = None
    models: Sequence[str] = LEARNERS
    permutations: int = 999
    quench_rate_K_per_ps: float | None = None
    tries: int = 1


def plan(run: Run) -> list[Task]:
    """One task, with all that was measured on the systems of this run and of the others."""
    from ..insight.runs import WORDS, measured_in
    from ..insight.tries import place_of

    section = run.input.insight
    files: dict[str, Path] = {}
    measured = (*run.take_all("analysis", Measurements), *run.take_all("glass", Structures))
    for product in measured:
        for word in WORDS:
            files |= {f"0/{product.scope or run.input.name}/{item}/{word}": p for item, p in product.each(word).items()}
    for number, folder in enumerate(section.runs, 1):
        for one in measured_in(run.source / folder):
            for word, found in one.files.items():
                files |= {f"{number}/{one.system}/{item}/{word}": path for item, path in found.items()}
    files |= {f"{_TABLES}/{number}/{path.name}": run.source / path for number, path in enumerate(section.tables)}
    settings = Settings(
        target=section.target,
        seed=run.input.seed,
        sources=["this run", *map(str, section.runs), *map(str, section.tables)],
        blocks=section.blocks or None,
        ignore=section.ignore or None,
        carrier=section.carrier,
        models=tuple(section.models),
        permutations=section.permutations,
        quench_rate_K_per_ps=run.input.glass.quench_rate_K_per_ps if run.input.glass and not section.runs else None,
        tries=place_of(run.products / name, _asked(section)),
    )
    return [Task(name, "insight", dumped(settings), files, effort=_effort(run))]


def _asked(section: Any) -> dict[str, Any]:
    """What makes two studies of a run different ones."""
    return {key: value for key, value in section.model_dump(mode="json").items() if key != "permutations"}


def expect(run: Run) -> tuple[list[Task], Pages]:
    """One task."""
    return [Task(name, "insight", {}, effort=_effort(run))], Pages()


def _effort(run: Run) -> Effort:
    return efforts.pages(name, max(1, len(run.take_all("analysis", Measurements))))


def run(job: Job) -> Mapping[str, Any] | None:
    """Make the study. Where the glasses are too few, or the table cannot be learned from, the page says so."""
    if job.rank != 0:
        return None
    from ..insight import outputs
    from ..insight.study import Settings as StudySettings
    from ..insight.study import study

    settings = read_settings(Settings, job.task)
    sources = _hashes(settings, job.task.inputs)
    asked = StudySettings(
        tuple(settings.models), tries=settings.tries, permutations=settings.permutations, seed=settings.seed
    )
    try:
        table = _table(settings, job.task.inputs)
        found = study(table, asked, lambda text: job.progress(0.5, 1.0, "", text))
    except InputError as error:
        told = outputs.write_refusal(job.folder, settings.target, str(error), sources)
        return {"compositions": None, "found": told}
    told = outputs.write_study(job.folder, found, sources)
    return {"compositions": len(found.glasses), "found": told}


def _table(settings: Settings, inputs: Mapping[str, Path]) -> "Table":
    from dataclasses import replace

    from ..insight.joined import with_measured
    from ..insight.mapping import Map
    from ..insight.runs import rows_of, table_of_runs
    from ..insight.sources import read_frame

    given = Map(
        target=settings.target,
        blocks={block: list(names) for block, names in (settings.blocks or {}).items()},
        ignore=list(settings.ignore or ()),
        quench_rate_K_per_ps=settings.quench_rate_K_per_ps,
    )
    frames = [rows_of(list(measured), source) for source, measured in _measured(settings, inputs)]
    tables = [read_frame(path) for role, path in inputs.items() if role.startswith(f"{_TABLES}/")]
    notes: tuple[str, ...] = ()
    if tables:
        joined = with_measured(frames, tables, given)
        frames, notes = joined.frames, joined.notes
    table, _ = table_of_runs(given, frames, settings.carrier or "")
    return replace(table, notes=(*notes, *table.notes))


def _measured(settings: Settings, inputs: Mapping[str, Path]) -> Iterator[tuple[str, Any]]:
    """The systems of each run with their files, from the roles of the task's inputs: ``RUN/SYSTEM/SUBJECT/WORD``."""
    from ..insight.runs import Measured

    runs: dict[str, dict[str, list[tuple[str, Path]]]] = {}
    for role, path in inputs.items():
        number, _, rest = role.partition("/")
        system, subject, word = rest.rsplit("/", 2) if rest.count("/") >= 2 else ("", "", "")
        if number != _TABLES and system:
            runs.setdefault(number, {}).setdefault(system, []).append((f"{subject}/{word}", path))
    for number in sorted(runs, key=int):
        systems = runs[number]
        yield settings.sources[int(number)], [Measured.of(system, files) for system, files in systems.items()]


def _hashes(settings: Settings, inputs: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of the files of each source together, by its name in the input."""
    runs = len(settings.sources) - sum(role.startswith(f"{_TABLES}/") for role in inputs)
    found: dict[str, list[str]] = {source: [] for source in settings.sources}
    for role in sorted(inputs):
        first, second, *_ = role.split("/")
        place = runs + int(second) if first == _TABLES else int(first)
        found[settings.sources[place]].append(file_hash(inputs[role]))
    return {source: hashlib.sha256("\n".join(each).encode()).hexdigest() for source, each in found.items() if each}


def collect(run: Run, done: list[Done]) -> Pages:
    """Copy the page to the run folder, claims and figures to the products, and count the study."""
    from ..insight.outputs import PAGE as WRITTEN
    from ..insight.tries import note_study

    folder, own = done[0].folder, run.products / name
    note_study(own, _asked(run.input.insight))
    write_bytes(run.folder / PAGE, (folder / WRITTEN).read_bytes())
    write_bytes(own / CLAIMS, (folder / CLAIMS).read_bytes())
    figures = [path.name for path in sorted((folder / FIGURES).glob("*.svg"))]
    publish(folder / FIGURES, own / FIGURES, figures)
    keep_only(own / FIGURES, figures)
    files = {"page": run.folder / PAGE, "claims": own / CLAIMS}
    return Pages(
        files=files | {f"figures/{file}": own / FIGURES / file for file in figures},
        facts={"found": list(done[0].summary["found"])},
    )
