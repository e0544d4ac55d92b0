"""Stage `screen`: interatomic potentials through the same gates, on the labels, crystals and glasses of the run."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, Stopped
from ..files import keep_only, link_files, publish, read_arrays, stem_of, write_arrays, write_json
from ..products import Dataset, Model, Screening, Structures
from . import dataset, efforts
from .base import Done, Job, Run, Task, dumped, read_settings

if TYPE_CHECKING:
    from ase import Atoms

    from ..engines.mlip.client import Worker
    from ..engines.mlip.potential import Potential
    from .screening import Material, Preset, Session

name = "screen"
#: Raised when the same settings and files give another result.
revision = 3

TRAIN = "train"
GATES, COURSES = "gates", "courses"
_POTENTIAL, _LABELS, _TRAINED, _CRYSTAL, _START = "potential", "labels", "trained", "crystal", "start"
_SHIFT = "shift"


@dataclass(frozen=True)
class Settings:
    """What decides the screening of one potential: `level` is that of its training, `requirements` are the packages
    of its environment.
    """

    potential: str
    level: str
    preset: str
    seed: int
    threads: int
    trust: bool = False
    requirements: Sequence[str] = ()


def plan(run: Run) -> list[Task]:
    """One task for each potential; files of coefficients count as input, too."""
    section = run.input.screen
    common = _common(run)
    tasks, names = [], names_of(section.potentials)
    for text in section.potentials:
        potential = _potential(text, run)
        inputs = dict(common)
        if potential.file is not None:
            inputs[_POTENTIAL] = potential.file
            inputs |= {f"{_POTENTIAL}/{path.name}": path for path in potential.read_files()}
        settings = Settings(
            text, potential.level, section.preset, run.input.seed, section.threads, section.trust,
            potential.requirements,
        )  # fmt: skip
        tools = ("lammps",) if potential.file is not None else ()
        effort = efforts.screening(potential.family, section.preset, len(section.crystals))
        tasks.append(Task(name, names[text], dumped(settings), inputs, tools=tools, effort=effort))
    return tasks


def expect(run: Run) -> tuple[list[Task], Screening]:
    """One task for each potential."""
    section, names = run.input.screen, names_of(run.input.screen.potentials)
    return [
        Task(name, names[text], {}, effort=efforts.screening(_family(text), section.preset, len(section.crystals)))
        for text in section.potentials
    ], Screening()


def names_of(potentials: Iterable[str]) -> dict[str, str]:
    """A name for files by potential."""
    found: dict[str, str] = {}
    for text in potentials:
        plain = re.sub(r"[^A-Za-z0-9_.+-]+", "-", text).strip("-.")[:60]
        count = sum(other == plain or other.startswith(f"{plain}--") for other in found.values())
        found[text] = f"{plain}--{count + 1}" if count else plain
    return found


def _family(text: str) -> str:
    return "mace" if text == TRAIN else text.partition(":")[0]


def _potential(text: str, run: Run) -> "Potential":
    from ..engines.mlip.potential import Potential

    if text != TRAIN:
        return Potential.of(text, run.source)
    model = run.take("train", Model).files
    if "portable" not in model:
        raise InputError("screen.potentials: there is no model of this run; add a train section")
    return replace(Potential.of(f"mace:{model['portable']}"), text=TRAIN, level=run.input.dataset.level)


def _common(run: Run) -> dict[str, Path]:
    """The files that all potentials are screened on, by role, and the level of the labels."""
    section, made = run.input.screen, run.take("dataset", Dataset).files
    inputs: dict[str, Path] = {}
    if isinstance(section.labels, Path):
        inputs[_LABELS] = run.source / section.labels
    else:
        if dataset.TEST not in made:
            raise InputError("screen.labels: the dataset of this run has no frames that are held out; name a file")
        inputs[_LABELS] = made[dataset.TEST]
        if dataset.TRAIN in made:
            inputs[_SHIFT] = made[dataset.TRAIN]
    if section.shift is not None:
        inputs[_SHIFT] = run.source / section.shift
    if TRAIN in section.potentials and dataset.TRAIN in made:
        inputs[_TRAINED] = made[dataset.TRAIN]
    inputs |= {f"{_CRYSTAL}/{k}": run.source / path for k, path in enumerate(section.crystals)}
    glasses = [path for each in run.take_all("glass", Structures) for path in each.each("structure").values()]
    return inputs | ({_START: glasses[0]} if glasses else {})


def run(job: Job) -> Mapping[str, Any] | None:
    """All gates of one potential; those of a stopped attempt are taken over."""
    if job.rank != 0:
        return None
    from ..analysis.dynamics import Memory
    from ..dataset.frames import read_frames
    from .gates import screened
    from .screening import PRESETS, Session

    settings = read_settings(Settings, job.task)
    preset, potential = PRESETS[settings.preset], _reopened(job, settings)
    inputs = job.task.inputs
    crystals = [path for role, path in inputs.items() if role.startswith(_CRYSTAL)]
    files = {role: inputs.get(role) for role in (_TRAINED, _START, _SHIFT)}
    material, notes, levels = material_from(inputs[_LABELS], crystals, preset, **files)
    asked = 0

    def watch() -> None:
        nonlocal asked
        asked += 1
        job.progress(asked, 0, "evaluations", settings.potential)
        if job.stopping():
            raise Stopped(f"stopped after {asked} evaluations")

    def keep(gate: str, found: Mapping[str, Any]) -> None:
        write_json(job.folder / GATES / f"{gate}.json", found)

    def opened():
        return potential.open(job.folder / "worker", threads=settings.threads, trust=settings.trust)

    def memory(name: str) -> Memory:
        path = job.folder / COURSES / f"{name}.npz"
        return Memory(lambda: _arrays(path), lambda state: write_arrays(path, state))

    known = _known(job.previous)
    if job.previous is not None and (courses := job.previous / COURSES).is_dir():
        link_files(courses, job.folder / COURSES, [path.name for path in courses.iterdir()])
    for gate, found in known.items():
        keep(gate, found)
    same_level = settings.potential == TRAIN and levels_of(read_frames(inputs[_TRAINED])) == levels
    other = with_other_dispersion(potential, job.folder / "worker", settings.threads, watch)
    variants = variants_of(potential, job.folder / "worker", settings.trust)
    by_lammps = potential.by_lammps
    with Session(opened, watch, memory, same_level, other=other, by_lammps=by_lammps, variants=variants) as session:
        gates = screened(session, material, preset, seed=settings.seed, known=known, keep=keep)
        facts = session.facts
    result = {
        "potential": settings.potential, "level": settings.level, "dispersion": potential.dispersion,
        "labels": levels, "made_labels": made_labels(potential, facts, levels), "preset": settings.preset,
        "facts": facts, "notes": notes, "gates": gates,
    }  # fmt: skip
    write_json(job.folder / _result(job.task), result)
    return {"states": {gate: found["state"] for gate, found in gates.items()}}


def made_labels(potential: "Potential", facts: Mapping[str, Any], levels: Sequence[str]) -> bool:
    """Whether the labels are those of this very potential, by the hash of their level: errors on them tell nothing."""
    return bool(facts) and potential.level_of(facts).rpartition("-")[2] in {
        level.rpartition("-")[2] for level in levels
    }


def with_other_dispersion(
    potential: "Potential", folder: Path, threads: int, watch: Callable[[], None] = lambda: None
) -> "Session | None":
    """A session of the same potential with D3 if it has none, or without it, where that is possible."""
    from .screening import Session

    if (other := potential.other_dispersion()) is None:
        return None
    label = f"with D3(BJ) of {other.dispersion}" if other.dispersion else "without D3"
    return Session(lambda: other.open(folder / "other", threads=threads), watch, label=label)


def variants_of(potential: "Potential", folder: Path, trust: bool) -> dict[str, Callable[[], "Worker"]]:
    """Other ways in which LAMMPS can evaluate the potential, if it does."""
    if not potential.by_lammps:
        return {}
    ways: dict[str, dict[str, Any]] = {"newton_off": {"newton": "off"}, "two_ranks": {"ranks": 2}}
    return {name: partial(potential.open, folder / name, trust=trust, **way) for name, way in ways.items()}


def _reopened(job: Job, settings: Settings) -> "Potential":
    from ..engines.mlip.potential import Potential

    if _POTENTIAL not in job.task.inputs:
        return Potential.of(settings.potential)
    file = f"{_family(settings.potential)}:{job.task.inputs[_POTENTIAL].resolve()}"
    return replace(Potential.of(file), text=settings.potential, level=settings.level)


def _arrays(path: Path) -> Mapping[str, Any] | None:
    """The arrays of a file, if it is there."""
    return read_arrays(path) if path.is_file() else None


def _known(previous: Path | None) -> dict[str, Any]:
    """The gates that an earlier attempt has done, by key."""
    import json

    from ..analysis.gates import GATES as KEYS

    folder = previous / GATES if previous is not None else None
    paths = {gate: folder / f"{gate}.json" for gate in KEYS} if folder is not None else {}
    return {gate: json.loads(path.read_text(encoding="utf-8")) for gate, path in paths.items() if path.is_file()}


def material_from(
    labels: Path,
    crystals: Iterable[Path],
    preset: "Preset",
    trained: Path | None = None,
    start: Path | None = None,
    shift: Path | None = None,
) -> tuple["Material", list[str], list[str]]:
    """What is screened on, what a reader has to know of it, and the levels of the labels.

    Frames that share structure or group with one of `trained` are left out; the first structure of `start` is heated
    if it is small enough; a shift of the energy is fitted to the frames of `shift` that are in no group of the labels.
    Raises InputError where no labeled frame is left.
    """
    from ..dataset.frames import read_frames
    from ..dataset.held_out import held_out
    from .screening import Material

    frames, notes = labeled(labels), []
    if trained is not None:
        known = len(frames)
        frames = held_out(frames, read_frames(trained))
        shared = "share structure or group with the training frames of this run's model"
        left = f"{known - len(frames)} of {known} labeled frames {shared} and were left out for all potentials"
        none = f"None of the {known} labeled frames {shared.replace('share', 'shares', 1)}"
        notes.append(f"{left if len(frames) < known else none}; what other potentials were trained on is not known.")
    if not frames:
        raise InputError(f"{labels}: no labeled frames but those that the model was trained on")
    found, left = _crystals(crystals, preset)
    if left:
        notes.append(f"Crystals left out by the preset: {', '.join(left)}.")
    heated = max((frame for frame in frames if len(frame) <= preset.heating_atoms), key=len, default=frames[0])
    if start is not None and len(glass := read_frames(start)[0]) <= preset.heating_atoms:
        heated = glass
    return Material(frames, found, heated, shifted(shift, frames)), notes, levels_of(frames)


def shifted(path: Path | None, frames: Sequence["Atoms"]) -> list["Atoms"]:
    """The labeled frames of `path` of other groups than `frames`. Raises InputError if their level is another one."""
    from ..dataset.held_out import held_out

    if path is None:
        return []
    found = labeled(path)
    if (level := levels_of(found)) != levels_of(frames):
        raise InputError(f"{path}: of the level {level[0]}, but the labels are of {levels_of(frames)[0]}")
    return held_out(found, frames)


def levels_of(frames: Iterable["Atoms"]) -> list[str]:
    """The levels of theory of labeled frames."""
    return sorted({str(frame.info.get("level", "not stated")) for frame in frames})


def labeled(path: Path) -> list["Atoms"]:
    """The frames of `path` that are no isolated atoms. Raises InputError unless all pass `check_labels`, are periodic
    and of one level of theory.
    """
    from ..dataset.frames import check_labels, is_isolated_atom, read_frames

    frames = []
    for number, frame in enumerate(read_frames(path)):
        if not is_isolated_atom(frame):
            check_labels(frame, f"{path}: frame {number}")
            _check_periodic(frame, f"{path}: frame {number}")
            frames.append(frame)
    if not frames:
        raise InputError(f"{path}: no frames but isolated atoms")
    if not any(frame.arrays["REF_forces"].any() for frame in frames):
        raise InputError(f"{path}: all REF_forces are zero, so that errors of forces have no scale")
    if len(levels := levels_of(frames)) > 1:
        raise InputError(f"{path}: frames of several levels of theory, {', '.join(levels)}: compare one at a time")
    return frames


def periodic(path: Path) -> list["Atoms"]:
    """The frames of `path`. Raises InputError unless all are periodic."""
    from ..dataset.frames import read_frames

    frames = read_frames(path)
    for number, frame in enumerate(frames):
        _check_periodic(frame, f"{path}: frame {number}")
    return frames


def _check_periodic(frame: "Atoms", where: str) -> None:
    if not frame.pbc.all():
        raise InputError(f"{where}: pbc is {' '.join('FT'[int(each)] for each in frame.pbc)}; must be T T T")


def _crystals(files: Iterable[Path], preset: "Preset") -> tuple[dict[str, "Atoms"], list[str]]:
    """The crystals of the preset by file (and frame), and the names of those that are left out."""
    found: dict[str, Atoms] = {}
    left = []
    for path in files:
        frames = periodic(path)
        for number, frame in enumerate(frames):
            label = stem_of(path) if len(frames) == 1 else f"{stem_of(path)}-{number}"
            label = label if label not in found else f"{label} ({len(found)})"
            if len(frame) > preset.crystal_atoms or len(found) == preset.crystals:
                left.append(f"{label} ({len(frame)} atoms)")
            else:
                found[label] = frame
    return found, left


def collect(run: Run, done: list[Done]) -> Screening:
    """Copy the results to where the report and people find them."""
    target = run.products / name
    for item in done:
        publish(item.folder, target, (_result(item.task),))
    keep_only(target, (_result(item.task) for item in done))
    return Screening(files={f"{item.task.name}/{GATES}": target / _result(item.task) for item in done})


def _result(task: Task) -> str:
    return f"{task.name}.json"
