"""Stage `dataset`: admitted frames and included files at one level of theory, split by group."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.schema import Audit
from ..errors import InputError
from ..files import publish, write_arrays, write_json
from ..products import Dataset as Product
from ..products import Labels
from . import efforts
from .base import Done, Job, Run, Task, common, dumped, read_settings

if TYPE_CHECKING:
    from ase import Atoms

    from ..dataset.assemble import Dataset

name = "dataset"
#: Raised when the same settings and files give another result.
revision = 4

TRAIN, TEST, SUMMARY = "train", "test", "dataset.json"
BEFORE = "before"
AUDIT, ARRAYS = "audit.json", "audit.npz"


@dataclass(frozen=True)
class Settings:
    """What is done with labeled frames: see the section `dataset` of the input. `taught`: the level is a potential."""

    level: str
    test_fraction: float
    seed: int
    max_force_eV_per_A: float
    audit: Audit
    frames_per_file: int
    admit_spin_flagged: bool = False
    drop_outliers: bool | list[str] = False
    max_frames: int | None = None
    E0: str | None = None
    taught: bool = False


def plan(run: Run) -> list[Task]:
    """One task for the reference sets at the level of the dataset and the included files."""
    from ..dataset.energies import is_table

    section = run.input.dataset
    labeled: dict[str, Path] = {}
    energies: dict[str, Path] = {}
    taught = False
    for labels in run.take_all("reference", Labels):
        sets = [item for item, level in labels.facts["levels"].items() if level == section.level]
        taught = taught or any(item in sets for item in labels.facts.get("taught", ()))
        # a set with all frames rejected has no file of admitted frames, but its isolated atoms still count
        for word, found in (("admitted", labeled), ("E0", energies)):
            prefix = f"{word}/{labels.scope}/" if labels.scope else f"{word}/"
            found |= {f"{prefix}{item}": path for item, path in labels.each(word).items() if item in sets}
    # the atoms of several systems are in no set
    energies |= run.take("atoms", Labels).files
    train = run.input.train
    # a frame that the start model may have been trained on is no independent test; of another level, it has seen none
    refined = train is not None and isinstance(train.start_model, Path) and train.E0 != "dataset"
    word = "seen" if refined else "included"
    included = {f"{word}/{number}": path for number, path in _included(run) if not is_table(path)}
    tables = {f"table/{number}": path for number, path in _included(run) if is_table(path)}
    earlier = {BEFORE: run.take(BEFORE, Product).files["summary"]} if BEFORE in run.takes else {}
    if not labeled and not included:
        raise InputError(f"dataset: no admitted frames at level {section.level}, and no included files")
    settings = dumped(Settings(seed=run.input.seed, taught=taught, **common(Settings, section)))
    return [Task(name, "dataset", settings, labeled | included | energies | tables | earlier)]


def expect(run: Run) -> tuple[list[Task], Product]:
    """One task with all frames of the level, none of them rejected, and those of the included files.

    Expected are the frames that are trained on at most, and the atoms in all of them.
    """
    from ..dataset.energies import is_table
    from ..dataset.frames import read_frames

    section = run.input.dataset
    sizes = [len(frame) for _, path in _included(run) if not is_table(path) for frame in read_frames(path)]
    for labels in run.take_all("reference", Labels):
        own = [item for item, level in labels.facts["levels"].items() if level == section.level]
        sizes += [atoms for item in own for atoms in labels.facts["atoms"][item]]
    kept = sorted(sizes, reverse=True)[: section.max_frames]
    expected = {"frames": len(kept), "atoms": sum(kept)}
    return [Task(name, "dataset", {}, effort=efforts.dataset(len(sizes)))], Product(facts=expected)


def run(job: Job) -> Mapping[str, Any] | None:
    """Read, check, merge, audit, split and write the frames; nothing is labeled or changed here."""
    if job.rank != 0:
        return None
    from ..dataset.assemble import statistics
    from ..dataset.audit import Limits, audited
    from ..dataset.frames import read_labeled
    from ..dataset.sets import write_set
    from ..dataset.sites import without_flagged
    from ..dataset.split import split_by_group
    from ..dataset.taught import told

    settings = read_settings(Settings, job.task)
    frames = {str(path): read_labeled(path) for path in _with(job.task, "admitted", "included", "seen")}
    _name_systems(job.task, frames)
    dataset, origin = _with_e0(job.task, settings, frames)
    flagged: list[dict[str, Any]] = []
    if not settings.admit_spin_flagged:
        dataset, flagged = without_flagged(dataset)
    dataset, result, arrays = audited(dataset, Limits(**settings.audit.model_dump()), settings.drop_outliers)
    write_json(job.folder / AUDIT, result)
    write_arrays(job.folder / ARRAYS, arrays)
    dataset, chosen = _thinned(dataset, settings.max_frames)
    groups = [frame.info["group"] for frame in dataset.frames]
    trained, held = _groups_before(job.task)
    trained |= {frame.info["group"] for path in _with(job.task, "seen") for frame in frames[str(path)]}
    split = split_by_group(groups, settings.test_fraction, settings.seed, trained, held)
    if origin is None:
        dataset, origin = _fitted(dataset, split.train)
    note = told(origin)
    for part, indices in ((TRAIN, split.train), (TEST, split.test)):
        if indices:
            write_set(job.folder, part, [dataset.frames[i] for i in indices], settings.frames_per_file)
    summary = statistics(dataset, split) | {"audit": result["counts"], "dropped": result["dropped"]}
    summary |= {"selection": chosen, "spin_flagged": flagged, "E0": origin, "note": note}
    write_json(job.folder / SUMMARY, summary)
    return summary


def _with_e0(
    task: Task, settings: Settings, frames: Mapping[str, list["Atoms"]]
) -> tuple["Dataset", dict[str, Any] | None]:
    """The dataset and the origin of its E0; without E0 and None if they are to be fitted to the training frames."""
    from ..dataset.assemble import assemble
    from ..dataset.taught import LEAST_SQUARES

    may_fit = settings.E0 == LEAST_SQUARES or (settings.E0 is None and settings.taught)
    given = _energies(task, frames)
    dataset = assemble(settings.level, frames, given, settings.max_force_eV_per_A, partial_e0=may_fit)
    if dataset.e0_eV and settings.E0 != LEAST_SQUARES:
        return dataset, _origin(task, frames, dataset.level)
    present = _elements(dataset)
    for path in _with(task, BEFORE):
        summary = json.loads(path.read_text(encoding="utf-8"))
        # a model is refined with the E0 that it has
        own = summary["level"] == dataset.level and summary["E0"]["from"] == LEAST_SQUARES
        if own and present <= summary["E0_eV"].keys():
            kept = {element: summary["E0_eV"][element] for element in sorted(present)}
            return replace(dataset, e0_eV=kept), summary["E0"] | {"kept": True}
    return replace(dataset, e0_eV={}), None


def _origin(task: Task, frames: Mapping[str, list["Atoms"]], level: str) -> dict[str, Any]:
    """Where E0 come from that are given: isolated atoms, or a fit to other frames."""
    from ..dataset.energies import read_table
    from ..dataset.frames import is_isolated_atom
    from ..dataset.taught import GIVEN, LEAST_SQUARES, is_fitted

    for path in _with(task, "table"):
        table = read_table(path)
        if table.level == level and table.origin.get("from") == LEAST_SQUARES:
            return dict(table.origin) | {"kept": True}
    atoms = [frame for each in frames.values() for frame in each if is_isolated_atom(frame)]
    fitted = sorted({str(atom.info["source"]) for atom in atoms if is_fitted(atom)})
    return {"from": LEAST_SQUARES, "source": ", ".join(fitted)} if fitted else {"from": GIVEN}


def _fitted(dataset: "Dataset", train: Sequence[int]) -> tuple["Dataset", dict[str, Any]]:
    """The dataset with E0 of least squares over its training frames, and what is to be said of them."""
    from ..dataset.taught import least_squares

    found = least_squares([dataset.frames[i] for i in train])
    if missing := sorted(_elements(dataset) - found.e0_eV.keys()):
        raise InputError(
            f"dataset: no training frame has {', '.join(missing)}, whose E0 is to be fitted; "
            "add frames, or lower test_fraction"
        )
    return replace(dataset, e0_eV=found.e0_eV), found.origin()


def _elements(dataset: "Dataset") -> set[str]:
    return {element for frame in dataset.frames for element in frame.symbols}


def _thinned(dataset: "Dataset", most: int | None) -> tuple["Dataset", dict[str, Any] | None]:
    """At most `most` frames by farthest-point sampling, in their original order, and how many were selected."""
    if most is None or len(dataset.frames) <= most:
        return dataset, None
    from ..dataset.selection import farthest_points, pair_descriptors

    found = farthest_points(pair_descriptors(dataset.frames, sorted(_elements(dataset))), most)
    kept = dataset.of(dataset.frames[i] for i in sorted(found.chosen))
    return kept, {"of": len(dataset.frames), "chosen": len(kept.frames), "covering_radius": found.left}


def collect(run: Run, done: list[Done]) -> Product:
    """Copy the files of the task to where the training and people find them."""
    from ..dataset.sets import find_set, set_files

    source, target = done[0].folder, run.products / "dataset"
    # remove sets of an earlier run that are gone or are now in other files
    sets = {path.name for folder in (source, target) for part in (TRAIN, TEST) for path in set_files(folder, part)}
    publish(source, target, (*sorted(sets), SUMMARY, AUDIT, ARRAYS))
    files = {part: path for part in (TRAIN, TEST) if (path := find_set(target, part)) is not None}
    files |= {f"shard/{path.name}": path for part in (TRAIN, TEST) for path in set_files(target, part)}
    files |= {"summary": target / SUMMARY, "audit": target / AUDIT, "audit-arrays": target / ARRAYS}
    return Product(files=files)


def _groups_before(task: Task) -> tuple[set[str], set[str]]:
    """The groups that the dataset of the round before has trained on, and those that it has held out."""
    found: dict[str, set[str]] = {TRAIN: set(), TEST: set()}
    for path in _with(task, BEFORE):
        summary = json.loads(path.read_text(encoding="utf-8"))
        for part, groups in found.items():
            groups.update(summary[part]["groups"] if summary[part] else ())
    return found[TRAIN], found[TEST]


def _with(task: Task, *words: str) -> list[Path]:
    """The input files whose roles begin with one of `words`."""
    return [path for role, path in task.inputs.items() if role.partition("/")[0] in words]


def _name_systems(task: Task, frames: Mapping[str, list["Atoms"]]) -> None:
    """Put the name of their system before the source of frames: tasks of several systems have the same names."""
    for role, path in task.inputs.items():
        word, _, owner = role.partition("/")
        if word == "admitted" and (scope := owner.rpartition("/")[0]):
            for frame in frames[str(path)]:
                frame.info["source"] = f"{scope}/{frame.info['source']}"


def _included(run: Run) -> list[tuple[int, Path]]:
    """Number and path of each file that the input includes."""
    return [(number, run.source / path) for number, path in enumerate(run.input.dataset.include)]


def _energies(task: Task, frames: Mapping[str, list["Atoms"]]) -> dict[str, Mapping[str, float]]:
    """The isolated-atom energies by their file, of the files at the level of the frames."""
    from ..dataset.energies import read_table

    levels = {frame.info["level"] for each in frames.values() for frame in each}
    tables = {str(path): read_table(path) for path in _with(task, "E0", "table")}
    return {path: table.e0_eV for path, table in tables.items() if table.level in levels}
