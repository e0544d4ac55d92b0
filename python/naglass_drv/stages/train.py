"""Stage `train`: one MACE model from the dataset, or a committee, each fitted by mace-torch in a child process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import publish, write_json
from ..products import Dataset, Model
from . import committee, dataset, efforts
from .base import Done, Job, Run, Task, dumped, read_settings

name = "train"
#: Raised when the same settings and files give another result.
revision = 1
# keys of the section that say what is trained, not how
_START = {"start_model", "committee", "committee_of", "trust", "head", "E0", "replay"}


@dataclass(frozen=True)
class Settings:
    """What decides a fit, apart from its files: `options` say how, in the section `train` of the input, `tuning` what
    is made of the start model, and `heads` how many read-out heads are fitted on the body of the finished one."""

    options: Mapping[str, Any]
    E0_eV: Mapping[str, float]
    level: str
    seed: int
    tuning: Mapping[str, Any] | None = None
    heads: int = 0


def plan(run: Run) -> list[Task]:
    """One task for each member; raises an error if a start model lacks an element of the dataset."""
    section = run.input.train
    files = run.take("dataset", Dataset).files
    if "summary" not in files:
        raise InputError("train: there is no dataset to train on; add a dataset section")
    summary = json.loads(files["summary"].read_text())
    inputs = {part: files[part] for part in (dataset.TRAIN, dataset.TEST) if part in files}
    return [_task(run, member, summary, inputs) for member in range(committee.tasks_in(section))]


def _task(run: Run, member: int, summary: Mapping[str, Any], inputs: Mapping[str, Path]) -> Task:
    from ..engines.mace.facts import start_energies

    section, start = run.input.train, _start(run, member)
    tuning, replayed = _tuning(run, summary["level"], start), _replayed(run)
    if start is not None:
        known = start_energies(start, (tuning or {}).get("head"), trust=section.trust)
        missing = sorted(set(summary["E0_eV"]) - set(summary["E0_eV"] if known is None else known))
        if missing:
            raise InputError(f"train.start_model: {start} does not cover {', '.join(missing)} in the dataset")
        inputs = {**inputs, "start_model": start} | ({"replay": replayed} if replayed is not None else {})
    options = section.model_dump(mode="json", exclude=_START)
    seed = committee.seed_of(member, run.input.seed)
    settings = dumped(Settings(options, summary["E0_eV"], summary["level"], seed, tuning, committee.heads_in(section)))
    atoms = sum(summary[part]["atoms"] for part in (dataset.TRAIN, dataset.TEST) if summary[part])
    effort = efforts.training(section, _atoms(run, summary["frames"], atoms), refined=start is not None)
    return Task(name, committee.task_of(member), settings, inputs, tools=("mace",), effort=effort)


def expect(run: Run) -> tuple[list[Task], Model]:
    """One task for each member, with all frames of the dataset."""
    expected, section = run.take("dataset", Dataset).facts, run.input.train
    refined = "start" in run.takes or isinstance(section.start_model, Path)
    effort = efforts.training(section, _atoms(run, expected["frames"], expected["atoms"]), refined=refined)
    members = range(committee.tasks_in(section))
    return [Task(name, committee.task_of(member), {}, effort=effort) for member in members], Model()


def _start(run: Run, member: int) -> Path | None:
    """The model that a member refines: that of the round before, or a file; None if a new one is trained."""
    if "start" in run.takes:
        files = run.take("start", Model).files
        return files["heads"] if _goes_on(run) else files.get(committee.role_of(member, "portable"))
    start = run.input.train.start_model
    return run.source / start if isinstance(start, Path) else None


def _goes_on(run: Run) -> bool:
    """Whether the replay of the round before is continued, with its head and its frames."""
    return run.input.train.replay is not None and "start" in run.takes and "heads" in run.take("start", Model).files


def _tuning(run: Run, level: str, start: Path | None) -> dict[str, Any] | None:
    """What is made of the model to `start` from (see `TrainingJob`); None if it is refined at its own level, or if
    there is none.
    """
    section = run.input.train
    if start is None or (section.E0 is None and section.replay is None):
        return None
    told = {"E0": section.E0 or "start_model", "head": section.head, "trust": section.trust}
    if (wish := section.replay) is None:
        return told
    goes_on = _goes_on(run)
    replay = wish.model_dump(mode="json", exclude={"file"}) | {"labeled": goes_on or wish.level is not None}
    return told | {"replay": replay} | ({"head": level} if goes_on else {})


def _replayed(run: Run) -> Path | None:
    """The frames to replay; None for those of the dataset."""
    if _goes_on(run):
        return run.take("start", Model).files["replay"]
    wish = run.input.train.replay
    return None if wish is None or wish.file is None else run.source / wish.file


def _atoms(run: Run, frames: int, atoms: int) -> int:
    """The atoms in all frames of an epoch: those of the dataset, and those that are replayed."""
    from ..dataset.frames import read_frames

    wish = run.input.train.replay
    if wish is None:
        return atoms
    sizes = [] if wish.file is None else [len(frame) for frame in read_frames(run.source / wish.file)]
    of, all_atoms = (len(sizes), sum(sizes)) if sizes else (frames, atoms)
    return atoms + round(all_atoms * min(wish.frames or of, of) / max(of, 1))


def run(job: Job) -> Mapping[str, Any] | None:
    """Train, or resume from the checkpoint of a stopped attempt; the summary holds the errors of the model."""
    if job.rank != 0:
        return None
    from ..engines.mace.train import TrainingJob, train

    settings = read_settings(Settings, job.task)
    inputs = {role: path.resolve() for role, path in job.task.inputs.items()}
    training = TrainingJob(
        train=inputs[dataset.TRAIN],
        test=inputs.get(dataset.TEST),
        start_model=inputs.get("start_model"),
        replay=inputs.get("replay"),
        tuning=settings.tuning,
        e0_eV=settings.E0_eV,
        options=settings.options,
        seed=settings.seed,
        level=settings.level,
        heads=settings.heads,
    )
    summary = train(training, job.folder, job.child, job.progress, job.previous)
    return {key: summary[key] for key in ("errors", "epochs", "parameters", "start_model", "sha256")}


def collect(run: Run, done: list[Done]) -> Model:
    """Copy models, exports, errors and parity data to where the md stage and the report find them, and calibrate the
    deviation of a committee, and measure the errors of its mean, on the frames that were held out.
    """
    files: dict[str, Path] = {}
    for member, item in enumerate(done):
        files |= _published(item, run.products / "model", member)
    heads = read_settings(Settings, done[0].task).heads
    roles = [committee.head_role(member) for member in range(heads)]
    roles = roles or [committee.role_of(member, "parity-test") for member in range(len(done))]
    held_out = [files[role] for role in roles if role in files]
    own = {role: run.products / "model" / f"{role}.json" for role in (committee.UNCERTAINTY, committee.MEAN)}
    for path in own.values():
        path.unlink(missing_ok=True)
    if len(roles) > 1 and len(held_out) == len(roles):
        test = done[0].task.inputs[dataset.TEST]
        write_json(own[committee.UNCERTAINTY], committee.calibration(test, held_out).as_json())
        write_json(own[committee.MEAN], {"errors": {"test": committee.mean_errors(test, held_out)}})
        files |= own
    return Model(files=files)


def _published(item: Done, folder: Path, member: int) -> dict[str, Path]:
    """The files of a member by role, in the folder of the models."""
    from ..engines.mace import train as engine

    target = folder / committee.task_of(member) if member else folder
    target.mkdir(parents=True, exist_ok=True)
    roles = {"portable": engine.MODEL, "archive": engine.EXPORT, "readout": engine.READOUT, "summary": engine.SUMMARY}
    roles |= {"heads": engine.HEADS, "replay": engine.REPLAYED}
    roles |= {f"parity-{part}": file for part, file in engine.PARITY.items()}
    roles |= {"committee": engine.COMMITTEE}
    heads = read_settings(Settings, item.task).heads
    roles |= {committee.head_role(head): engine.head_parity(head) for head in range(heads)}
    publish(item.folder, target, roles.values())
    return {committee.role_of(member, role): path for role, file in roles.items() if (path := target / file).exists()}
