"""A committee of read-out heads on one frozen body (imports torch and mace; used in the training child only).

The heads begin as disturbed copies of the finished model's own, and each is fitted to groups of frames that are drawn
with replacement (arXiv:2508.09907).
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...files import write_arrays
from . import accuracy, fit, train, tuning
from .body import adapted
from .modelfile import default_dtype, save_portable, torch_dtype

# standard deviation of the noise that is added to the weights of a readout, relative to their root mean square
_NOISE = 0.3


def names(count: int) -> list[str]:
    """Names of the heads in the archive."""
    return [f"head-{member}" for member in range(count)]


def split(model: torch.nn.Module, head: str, count: int, seed: int) -> torch.nn.Module:
    """`count` disturbed copies of the readouts of `head` on the body of `model` (float64), whose weights are frozen."""
    with default_dtype("float64"):
        found = adapted(model, model.atomic_numbers.tolist(), [(name, head) for name in names(count)])
    generator = torch.Generator().manual_seed(seed)
    found.requires_grad_(False)
    for weight in found.readouts.parameters():
        if weight.numel():
            noise = torch.randn(weight.shape, dtype=weight.dtype, generator=generator)
            weight += _NOISE * weight.square().mean().sqrt() * noise
        weight.requires_grad_(True)
    return found


def drawn(frames: Sequence[Any], graphs: Sequence[Any], count: int, seed: int) -> list[Any]:
    """For each head the graphs of so many groups as there are, drawn with replacement: how often one was drawn is its
    weight in the loss. All of them where there is one group.
    """
    groups, own = np.unique([str(frame.info.get("group", "")) for frame in frames], return_inverse=True)
    found = []
    for member in range(count):
        picks = np.random.default_rng([seed, member]).integers(len(groups), size=len(groups))
        for graph, times in zip(graphs, np.bincount(picks, minlength=len(groups))[own], strict=True):
            if times:
                mine = copy.copy(graph)
                mine.head, mine.weight = torch.tensor(member), graph.weight * float(times)
                found.append(mine)
    return found


def fit_heads(
    model: torch.nn.Module,
    head: str,
    frames: Mapping[str, Sequence[Any]],
    job: Mapping[str, Any],
    report: Callable[[dict[str, float]], None],
) -> dict[str, Any]:
    """Fit the heads of `job` (see `TrainingJob`) on the body of the finished `model`, or go on from their checkpoint.

    Leaves the model with all heads and the predictions of each for the frames that are held out; returns facts for the
    summary, with the errors of their mean.
    """
    count, options = job["heads"], job["options"] | {"epochs": train.head_epochs(job["options"])}
    both = split(model, head, count, job["seed"])
    exact = both.atomic_energies_fn.atomic_energies.clone()
    both.to(torch_dtype(options["dtype"]))
    items = drawn(frames["train"], tuning.graphs(both, frames["train"], names(count)[0]), count, job["seed"])
    state = fit.Fit(both, options, items, job["seed"])
    checkpoint = Path(train.HEADS_CHECKPOINT)
    if checkpoint.exists():
        state.load(checkpoint)
        print(f"resuming the heads from epoch {state.epoch}", flush=True)
    fit.fit(state, checkpoint, dict, lambda record: report(record | {"epoch": job["options"]["epochs"] + state.epoch}))
    with state.averaged(), default_dtype("float64"):
        fit.make_double(both, exact)
        save_portable(both, train.COMMITTEE)
        errors = _errors(both, frames["test"], options["batch_size"])
    return {"heads": names(count), "epochs": state.epoch, "errors": {"test": errors}, "epoch_history": state.history}


def _errors(model: torch.nn.Module, frames: Sequence[Any], batch_size: int) -> dict[str, Any] | None:
    """Errors of the mean of the heads, and a file of predictions for each of them."""
    if not frames:
        return None
    found = [tuning.predicted(model, frames, head, batch_size) for head in model.heads]
    for member, each in enumerate(found):
        write_arrays(Path(train.head_parity(member)), accuracy.parity(frames, each))
    return accuracy.errors(frames, {key: np.mean([each[key] for each in found], axis=0) for key in found[0]})
