"""Train a MACE model in a child process: its input, monitoring, and failures.

The child (`naglass_drv.engines.mace.train_child`) is mace-torch in a Python of its own: no MPI, its own
threads, and a crash of it is a failed task, not a dead driver. It reads `train.json` in its folder, appends
one line per epoch to `progress.jsonl`, and leaves a checkpoint after every epoch.
"""

import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError, TaskFailed
from ...files import write_bytes, write_json

CHECKPOINT, HEADS_CHECKPOINT = "checkpoint.pt", "checkpoint-heads.pt"
BEFORE = "errors-before.json"
CONFIG = "train.json"
FAILURE = "failure.json"
LOG = "train.log"
MODEL = "model.portable"
EXPORT = "model.naglass"
READOUT = "model.spin"
#: After fine-tuning with replay: the model with both heads, and the frames that were replayed.
HEADS, REPLAYED = "model-heads.portable", "replay.extxyz"
#: The model with all read-out heads of a committee.
COMMITTEE = "model-committee.portable"
SUMMARY = "model.json"
PARITY = {"train": "parity-train.npz", "test": "parity-test.npz"}
PROGRESS = "progress.jsonl"
# a readout has few weights, and begins near where the body was fitted
_HEAD_EPOCHS = 0.25
# glibc would return every large array to the system, and clear new pages for the next one in each step
_KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(8 << 30), "MALLOC_TOP_PAD_": str(64 << 20),
}  # fmt: skip


@dataclass(frozen=True)
class TrainingJob:
    """Everything that determines a fit. Paths are absolute; `test` is None if nothing is held out.

    `e0_eV` maps each element to its isolated-atom energy; `options` are the keys of the input's `train`
    section that say how it is trained; `level` is recorded with the model. `tuning` says what is made of the
    `start_model` (None: it is refined at its own level): its `head`, `trust` in a pickled one, whose `E0` the model
    gets ("start_model" or "dataset"), and `replay` (None, or `level`, `weight`, `frames`, `labeled`), with its frames
    in the file `replay`, or else those of the dataset; the model labels them unless they are `labeled`. Of `heads`,
    if any, the committee on the finished model's body consists.
    """

    train: Path
    test: Path | None
    e0_eV: Mapping[str, float]
    options: Mapping[str, Any]
    seed: int
    level: str
    start_model: Path | None = None
    tuning: Mapping[str, Any] | None = None
    replay: Path | None = None
    heads: int = 0


def head_epochs(options: Mapping[str, Any]) -> int:
    """Epochs of the fit of the heads on the frozen body."""
    return math.ceil(_HEAD_EPOCHS * options["epochs"])


def head_parity(member: int) -> str:
    """File of labels and predictions of a head for the frames that are held out."""
    return f"parity-test-head-{member}.npz"


def train(
    job: TrainingJob,
    folder: Path,
    child: Callable[..., int],
    progress: Callable[[float, float, str, str], None],
    previous: Path | None = None,
) -> dict[str, Any]:
    """Train in `folder` and return the model's summary (also in ``model.json``).

    `child(argv, env=, log=, on_poll=)` runs a command in `folder` and returns its exit status;
    `progress(done, total, unit, note)` hears of every epoch. `previous` is the folder of a stopped attempt of
    the same job, to resume from its checkpoint. Raises TaskFailed: LOSS_NOT_FINITE, or CHILD_DIED with the
    log.
    """
    # first of all, so that a kill from here on finds the older state in this folder
    for checkpoint in (BEFORE, HEADS_CHECKPOINT, CHECKPOINT):
        if previous is not None and (previous / checkpoint).exists():
            write_bytes(folder / checkpoint, (previous / checkpoint).read_bytes())
    _write_config(job, folder)
    # torch's own warnings would fill the end of the log, which is what a person sees of a failure
    argv = [sys.executable, "-W", "ignore", "-m", f"{__package__}.train_child", CONFIG]
    env = {"OMP_NUM_THREADS": str(job.options["threads"]), "PYTHONPATH": _python_path()} | _KEEP_MEMORY
    epochs = job.options["epochs"] + (head_epochs(job.options) if job.heads else 0)
    status = child(argv, env=env, log=LOG, on_poll=lambda: _tell(folder, epochs, progress))
    failure = folder / FAILURE
    if failure.exists():
        known = json.loads(failure.read_text())
        if known["failure"] == "INPUT":
            raise InputError(known["message"])
        raise TaskFailed(known["failure"], known["message"], log=folder / LOG, command=argv)
    if status != 0 or not (folder / SUMMARY).exists():
        end = f"signal {-status}" if status < 0 else f"exit status {status}"
        raise TaskFailed("CHILD_DIED", f"training ended with {end}", log=folder / LOG, command=argv)
    for checkpoint in (CHECKPOINT, HEADS_CHECKPOINT, BEFORE):
        (folder / checkpoint).unlink(missing_ok=True)
    return json.loads((folder / SUMMARY).read_text())


def _write_config(job: TrainingJob, folder: Path) -> None:
    content = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(job).items()}
    write_json(folder / CONFIG, content)


def _python_path() -> str:
    """The child must find the same package, however this process found it."""
    root = Path(__file__).resolve().parents[3]
    # an installed package needs no help; site-packages in PYTHONPATH would come before the standard library
    ours = [] if root.name.endswith("-packages") else [str(root)]
    inherited = os.environ.get("PYTHONPATH")
    return os.pathsep.join([*ours, *([inherited] if inherited else [])])


def _tell(folder: Path, epochs: int, progress: Callable[[float, float, str, str], None]) -> None:
    try:
        lines = (folder / PROGRESS).read_text().splitlines()
        record = json.loads(lines[-1])
    # not there yet, or its last line is being written
    except (OSError, IndexError, ValueError):
        return
    progress(record["epoch"], epochs, "epochs", f"loss {record['loss']:.4g}")
