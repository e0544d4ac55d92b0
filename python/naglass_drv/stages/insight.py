"""Stage `insight`: what a property of all glasses of the run, and of other runs, depends on, and what distinguishes
their atoms, as claims and pages.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.insights import LEARNERS
from ..errors import InputError
from ..files import file_hash, keep_only, write_bytes
from ..products import Labels, Measurements, Pages, Product, Structures, Trajectories
from . import efforts
from .base import Done, Effort, Job, Run, Task, dumped, read_settings

if TYPE_CHECKING:
    from ..insight.table import Table

name = "insight"
#: Raised when the same settings and files give another result.
revision = 4

CLAIMS, PAGE, FIGURES = "claims.yaml", "insight.html", "figures"
_TABLES, _GLASSES, _ATOMS = "tables", "insight", "atoms"


@dataclass(frozen=True)
class Settings:
    """What decides a study, from the section `insight`: `sources` are the runs, this one first, and the tables by the
    names that they are given in the input. `quench_rate_K_per_ps` is that of the glasses, if it is one. `tries` is the
    number of different studies of this run, by which the chance of a false claim is divided. A study of atoms has
    `target`, `seed` and `sources` alone.
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
    """One task with all that was measured on the systems of this run and of the others, and one per target of atoms."""
    from ..insight.runs import WORDS
    from ..insight.tries import place_of

    section = run.input.insight
    measured = (*run.take_all("analysis", Measurements), *run.take_all("glass", Structures))
    files = dict(_files(run, measured, WORDS))
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
    return [Task(name, _GLASSES, dumped(settings), files, effort=_effort(run)), *_of_atoms(run)]


def _of_atoms(run: Run) -> Iterator[Task]:
    from ..insight.atom_rows import words_of

    section = run.input.insight
    kinds: tuple[tuple[str, type[Product]], ...]
    kinds = (("analysis", Measurements), ("md", Trajectories), ("reference", Labels))
    products = [product for role, kind in kinds for product in run.take_all(role, kind)]
    for target in section.atoms:
        settings = Settings(target, run.input.seed, ["this run", *map(str, section.runs)])
        files = dict(_files(run, products, words_of(target)))
        yield Task(name, f"{_ATOMS}-{target}", dumped(settings), files, effort=_effort(run))


def _files(run: Run, products: Iterable[Product], words: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Files of these words by ``RUN/SYSTEM/SUBJECT/WORD``, of this run and of the others."""
    from ..insight.runs import measured_in

    for product in products:
        for word in words:
            for item, path in product.each(word).items():
                yield f"0/{product.scope or run.input.name}/{item}/{word}", path
    for number, folder in enumerate(run.input.insight.runs, 1):
        for one in measured_in(run.source / folder, words):
            for word, found in one.files.items():
                yield from ((f"{number}/{one.system}/{item}/{word}", path) for item, path in found.items())


def _asked(section: Any) -> dict[str, Any]:
    """What makes two studies of a run different ones."""
    of_no_effect = ("permutations", "atoms")
    return {key: value for key, value in section.model_dump(mode="json").items() if key not in of_no_effect}


def expect(run: Run) -> tuple[list[Task], Pages]:
    """One task, and one per target of atoms."""
    names = (_GLASSES, *(f"{_ATOMS}-{target}" for target in run.input.insight.atoms))
    return [Task(name, each, {}, effort=_effort(run)) for each in names], Pages()


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
    if job.task.name != _GLASSES:
        return _run_atoms(job, settings, sources)
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


def _run_atoms(job: Job, settings: Settings, sources: Mapping[str, str]) -> Mapping[str, Any]:
    from ..insight import outputs
    from ..insight.atom_rows import read_atoms, table_of_atoms, words_of
    from ..insight.mapping import Map

    target, faults, frames = settings.target, [], []
    try:
        for source, measured in _measured(settings, job.task.inputs, words_of(target)):
            # one run without such atoms leaves those of the others
            try:
                frames.append(read_atoms(target, list(measured), source))
            except InputError as error:
                faults.append(str(error))
        if not frames:
            raise InputError("; ".join(faults) or f"no run has what {target} is read from")
        job.progress(0.5, 1.0, "", f"what distinguishes atoms by {target}")
        table = table_of_atoms(Map(target=target), frames)
        told = outputs.write_atoms(job.folder, table, sources, seed=settings.seed)
    except InputError as error:
        told = outputs.write_refusal(job.folder, target, str(error), sources)
        return {"atoms": None, "found": told}
    return {"atoms": len(table), "found": told}


def _table(settings: Settings, inputs: Mapping[str, Path]) -> "Table":
    from dataclasses import replace

    from ..insight.joined import with_measured
    from ..insight.mapping import Map
    from ..insight.runs import WORDS, rows_of, table_of_runs
    from ..insight.sources import read_frame

    given = Map(
        target=settings.target,
        blocks={block: list(names) for block, names in (settings.blocks or {}).items()},
        ignore=list(settings.ignore or ()),
        quench_rate_K_per_ps=settings.quench_rate_K_per_ps,
    )
    frames = [rows_of(list(measured), source) for source, measured in _measured(settings, inputs, WORDS)]
    tables = [read_frame(path) for role, path in inputs.items() if role.startswith(f"{_TABLES}/")]
    notes: tuple[str, ...] = ()
    if tables:
        joined = with_measured(frames, tables, given)
        frames, notes = joined.frames, joined.notes
    table, _ = table_of_runs(given, frames, settings.carrier or "")
    return replace(table, notes=(*notes, *table.notes))


def _measured(settings: Settings, inputs: Mapping[str, Path], words: Sequence[str]) -> Iterator[tuple[str, Any]]:
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
        yield settings.sources[int(number)], [Measured.of(system, files, words) for system, files in systems.items()]


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
    """Copy the pages to the run folder, claims and figures to the products, and count the study of the glasses."""
    from ..insight.outputs import PAGE as WRITTEN
    from ..insight.tries import note_study

    own, files, found = run.products / name, dict[str, Path](), list[str]()
    note_study(own, _asked(run.input.insight))
    for item in done:
        target = "" if item.task.name == _GLASSES else item.task.name.removeprefix(f"{_ATOMS}-")
        claims = own / _ATOMS / f"{target}.yaml" if target else own / CLAIMS
        page = run.folder / (f"insight-{target}.html" if target else PAGE)
        write_bytes(page, (item.folder / WRITTEN).read_bytes())
        write_bytes(claims, (item.folder / CLAIMS).read_bytes())
        files |= {f"{target}/page": page, f"{target}/claims": claims} if target else {"page": page, "claims": claims}
        for svg in sorted((item.folder / FIGURES).glob("*.svg")):
            place = own / FIGURES / (f"{target}-{svg.name}" if target else svg.name)
            write_bytes(place, svg.read_bytes())
            files[f"figures/{place.name}"] = place
        found += item.summary["found"]
    for page in set(run.folder.glob("insight-*.html")) - set(files.values()):
        page.unlink()
    for folder in (own / FIGURES, own / _ATOMS):
        keep_only(folder, [path.name for path in files.values() if path.parent == folder])
    return Pages(files=files, facts={"found": found})
