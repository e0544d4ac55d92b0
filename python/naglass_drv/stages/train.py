"""Stage `train`: one MACE model from the dataset, fitted by mace-torch in a child process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import publish
from ..products import Dataset, Model
from . import dataset, efforts
from .base import Done, Job, Run, Task, dumped, read_settings

name = "train"
#: Raised when the same settings and files give another result.
revision = 1


@dataclass(frozen=True)
class Settings:
    """What decides a fit, apart from its files: `options` are the section `train` of the input but for its file."""

    options: Mapping[str, Any]
    E0_eV: Mapping[str, float]
    level: str
    seed: int


def plan(run: Run) -> list[Task]:
    """One task; raises an error if the start model lacks an element of the dataset."""
    from ..engines.mace.facts import start_elements

    section = run.input.train
    files = run.take("dataset", Dataset).files
    if "summary" not in files:
        raise InputError("train: there is no dataset to train on; add a dataset section")
    summary = json.loads(files["summary"].read_text())
    inputs = {part: files[part] for part in (dataset.TRAIN, dataset.TEST) if part in files}
    if (start := _start(run)) is not None:
        missing = sorted(set(summary["E0_eV"]) - set(start_elements(start)))
        if missing:
            raise InputError(f"train.start_model: {start} does not cover {', '.join(missing)} in the dataset")
        inputs["start_model"] = start
    options = section.model_dump(mode="json", exclude={"start_model"})
    settings = dumped(Settings(options, summary["E0_eV"], summary["level"], run.input.seed))
    effort = efforts.training(section, summary["frames"], refined=start is not None)
    return [Task(name, "model", settings, inputs, tools=("mace",), effort=effort)]


def expect(run: Run) -> tuple[list[Task], Model]:
    """One task, with all frames of the dataset."""
    frames, section = run.take("dataset", Dataset).facts["frames"], run.input.train
    refined = "start" in run.takes or isinstance(section.start_model, Path)
    return [Task(name, "model", {}, effort=efforts.training(section, frames, refined=refined))], Model()


def _start(run: Run) -> Path | None:
    """The model to refine: that of the round before, or a file; None if a new one is trained."""
    if "start" in run.takes:
        return run.take("start", Model).files["portable"]
    start = run.input.train.start_model
    return run.source / start if isinstance(start, Path) else None


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
        e0_eV=settings.E0_eV,
        options=settings.options,
        seed=settings.seed,
        level=settings.level,
    )
    summary = train(training, job.folder, job.child, job.progress, job.previous)
    return {key: summary[key] for key in ("errors", "epochs", "parameters", "start_model", "sha256")}


def collect(run: Run, done: list[Done]) -> Model:
    """Copy model, export, errors and parity data to where the md stage and the report find them."""
    from ..engines.mace import train as engine

    files = (engine.MODEL, engine.EXPORT, engine.READOUT, engine.SUMMARY, *engine.PARITY.values())
    target = run.products / "model"
    publish(done[0].folder, target, files)
    roles = {"portable": engine.MODEL, "archive": engine.EXPORT, "readout": engine.READOUT, "summary": engine.SUMMARY}
    roles |= {f"parity-{part}": file for part, file in engine.PARITY.items()}
    return Model(files={role: path for role, file in roles.items() if (path := target / file).exists()})
