"""Stage `train`: one MACE model from the dataset, fitted by mace-torch in a child process."""

import json
from collections.abc import Mapping
from typing import Any

from ..config.schema import Input
from ..errors import InputError
from ..files import publish
from . import dataset
from .base import Done, Job, Run, Task

name = "train"
#: Raised when the same settings and files give another result.
revision = 1


def wanted(input: Input) -> bool:
    return input.train is not None


def plan(run: Run) -> list[Task]:
    """One task; raises an error if the start model lacks an element of the dataset."""
    from ..dataset.shards import find_set
    from ..engines.mace.train import model_elements

    section = run.input.train
    folder = run.products / "dataset"
    if not (folder / dataset.SUMMARY).exists():
        raise InputError("train: there is no dataset to train on; add a dataset section")
    summary = json.loads((folder / dataset.SUMMARY).read_text())
    parts = (dataset.TRAIN, dataset.TEST) if summary["test"] else (dataset.TRAIN,)
    inputs = [find_set(folder, part) or folder / f"{part}.extxyz" for part in parts]
    if section.start_model is not None:
        start = run.source / section.start_model
        missing = sorted(set(summary["E0_eV"]) - model_elements(start))
        if missing:
            raise InputError(f"train.start_model: {start} does not cover {', '.join(missing)} in the dataset")
        inputs.append(start)
    settings = {
        "options": section.model_dump(mode="json", exclude={"start_model"}),
        "E0_eV": summary["E0_eV"],
        "level": summary["level"],
        "seed": run.input.seed,
        "held_out": summary["test"] is not None,
        "refine": section.start_model is not None,
    }
    return [Task(name, "model", settings, tuple(inputs), tools=("mace",))]


def run(job: Job) -> Mapping[str, Any] | None:
    """Train, or resume from the checkpoint of a stopped attempt; the summary holds the errors of the model."""
    if job.rank != 0:
        return None
    from ..engines.mace.train import TrainingJob, train

    settings = job.task.settings
    inputs = list(job.task.inputs)
    training = TrainingJob(
        train=inputs.pop(0).resolve(),
        test=inputs.pop(0).resolve() if settings["held_out"] else None,
        start_model=inputs.pop(0).resolve() if settings["refine"] else None,
        e0_eV=settings["E0_eV"],
        options=settings["options"],
        seed=settings["seed"],
        level=settings["level"],
    )
    summary = train(training, job.folder, job.child, job.progress, job.previous)
    return {key: summary[key] for key in ("errors", "epochs", "parameters", "start_model", "sha256")}


def collect(run: Run, done: list[Done]) -> None:
    """Copy model, export, errors and parity data to where the md stage and the report find them."""
    from ..engines.mace import train as engine

    files = (engine.MODEL, engine.EXPORT, engine.READOUT, engine.SUMMARY, *engine.PARITY.values())
    publish(done[0].folder, run.products / "model", files)
