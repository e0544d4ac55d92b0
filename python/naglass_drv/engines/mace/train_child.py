"""The training child: ``python -m naglass_drv.engines.mace.train_child train.json`` (see `train`)."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ase.data import atomic_numbers, chemical_symbols

from ...dataset.frames import STATE, read_labeled, write_frames
from ...errors import InputError
from ...files import file_hash, write_arrays, write_json
from . import accuracy, fit, readouts, replay, train, tuning
from .body import adapted, heads_of
from .export import export_model
from .modelfile import default_dtype, import_torch, load_portable, save_portable, torch_dtype


def main(config: Path) -> int:
    """Train as `config` says, in the working folder; 0, or 1 with the reason in ``failure.json``."""
    job = json.loads(config.read_text())
    torch = import_torch()
    torch.set_default_dtype(torch_dtype(job["options"]["dtype"]))
    torch.set_num_threads(job["options"]["threads"])
    torch.manual_seed(job["seed"])
    try:
        _train(job)
    except fit.LossNotFinite as error:
        return _failed("LOSS_NOT_FINITE", str(error))
    except InputError as error:
        return _failed("INPUT", str(error))
    return 0


def _train(job: Mapping[str, Any]) -> None:
    options = job["options"]
    frames = {part: read_labeled(Path(job[part])) if job[part] else [] for part in train.PARITY}
    for part, labeled in frames.items():
        for number, frame in enumerate(labeled):
            _check_states(frame, f"{job[part]}: frame {number}")
    e0 = {atomic_numbers[element]: energy for element, energy in job["e0_eV"].items()}
    start = _start(job, e0, frames)
    model, exact = start.model, start.exact_energies(e0)
    before = _errors_before(start, frames, options["batch_size"]) if start.facts else {}
    model.to(torch_dtype(options["dtype"]))
    state = fit.Fit(model, options, _training_graphs(start, frames["train"], job), job["seed"])
    test_graphs = tuning.graphs(model, frames["test"], start.head)
    if Path(train.CHECKPOINT).exists():
        state.load(Path(train.CHECKPOINT))
        print(f"resuming from epoch {state.epoch}", flush=True)

    def held_out() -> dict[str, float]:
        if not test_graphs:
            return {}
        measured = accuracy.errors(frames["test"], fit.predict(model, test_graphs, options["batch_size"]))
        return {f"test_{key}": measured[key] for key in accuracy.HEADLINE}

    fit.fit(state, Path(train.CHECKPOINT), held_out, _report)
    with state.averaged(), default_dtype("float64"):
        fit.make_double(model, exact)
        if start.replay is not None:
            save_portable(model, train.HEADS)
            write_frames(Path(train.REPLAYED), replay.marked(start.replay))
            after = _errors(start, frames, options["batch_size"])["replay"]
            start.facts["replay"] = _replay_facts(start.replay, job) | {"errors": after}
            model = adapted(model, model.atomic_numbers.tolist(), [(start.head, start.head)])
        save_portable(model, train.MODEL)
        measured = {part: _measure(model, frames[part], options, parity) for part, parity in train.PARITY.items()}
        readout, moments = _fit_moments(model, frames["train"], frames["test"], job)
    if job["heads"]:
        committee = readouts.fit_heads(load_portable(train.MODEL), start.head, frames, job, _report)
        export_model(train.COMMITTEE, train.EXPORT, head=committee["heads"], spin=readout)
    else:
        committee = None
        export_model(train.MODEL, train.EXPORT, spin=readout)
    if start.facts:
        start.facts["errors_before"] = before
    _write_summary(job, model, state, measured, moments, start.facts, committee)


def _check_states(frame: Any, where: str) -> None:
    """Raise InputError where an atom is in a state other than 0: no model that is trained here knows of states."""
    for number, state in enumerate(frame.arrays.get(STATE, ())):
        if state:
            raise InputError(
                f"{where}: {STATE} of atom {number + 1} ({frame.symbols[number]}) is {state}; models with states "
                "cannot be trained yet, only evaluated"
            )


def _start(job: Mapping[str, Any], e0_eV: Mapping[int, float], frames: Mapping[str, Sequence[Any]]) -> tuning.Start:
    """What is trained: a new model, or the start model made ready for these frames."""
    if job["start_model"]:
        with default_dtype("float64"):
            return tuning.start(job, e0_eV, frames["train"], frames["test"])
    model = fit.build_model(job["options"], e0_eV, frames["train"])
    return tuning.Start(model, heads_of(model)[0])


def _training_graphs(start: tuning.Start, frames: Sequence[Any], job: Mapping[str, Any]) -> list[Any]:
    """Those of the frames of the dataset, and of the replayed ones with their weight in the loss."""
    found = tuning.graphs(start.model, frames, start.head)
    if start.replay is None:
        return found
    weighted = [frame.copy() for frame in start.replay.train]
    for frame in weighted:
        frame.info["config_weight"] = job["tuning"]["replay"]["weight"]
    return found + tuning.graphs(start.model, weighted, replay.HEAD)


def _errors_before(start: tuning.Start, frames: Mapping[str, Sequence[Any]], batch_size: int) -> dict[str, Any]:
    """Errors of the start model; those of a stopped attempt, which take as long as half an epoch, are kept."""
    kept = Path(train.BEFORE)
    if not kept.exists():
        write_json(kept, _errors(start, frames, batch_size))
    return json.loads(kept.read_text())


def _errors(start: tuning.Start, frames: Mapping[str, Sequence[Any]], batch_size: int) -> dict[str, Any]:
    """Errors of the model as it is on the frames of the dataset and on those that it replays."""
    with default_dtype("float64"):
        found = tuning.errors(start.model, frames, start.head, batch_size)
        if start.replay is not None:
            parts = {"train": start.replay.train, "test": start.replay.test}
            found["replay"] = tuning.errors(start.model, parts, replay.HEAD, batch_size)
    return found


def _replay_facts(replayed: replay.Replay, job: Mapping[str, Any]) -> dict[str, Any]:
    wish = job["tuning"]["replay"]
    return {
        "file": Path(job["replay"]).name if job["replay"] else None,
        "sha256": file_hash(Path(job["replay"])) if job["replay"] else None,
        "level": wish["level"], "weight": wish["weight"], "frames": len(replayed.train),
        "held_out": len(replayed.test), "left_out": replayed.left_out,
    }  # fmt: skip


def _measure(model: Any, frames: Sequence[Any], options: Mapping[str, Any], parity: str) -> dict[str, Any] | None:
    """Errors of the finished model, and the file `parity` with labels and predictions; None without frames."""
    if not frames:
        return None
    predicted = tuning.predicted(model, frames, heads_of(model)[0], options["batch_size"])
    write_arrays(Path(parity), accuracy.parity(frames, predicted))
    return accuracy.errors(frames, predicted)


def _fit_moments(model: Any, frames: Sequence[Any], test: Sequence[Any], job: Mapping[str, Any]) -> tuple[Any, Any]:
    """The readout of moments on the finished potential, with its errors; nothing where no frame carries moments."""
    from . import spin, spin_errors

    def report(line: str) -> None:
        print(f"moments: {line}", flush=True)

    key = spin.LABELS["hirshfeld"]
    labeled = [frame for frame in frames if key in frame.arrays and len(frame) > 1]
    if not labeled or not job["options"]["spin_readout"]:
        return None, None
    readout = spin.fit_readout(model, labeled, seed=job["seed"], report=report)
    readout.save(train.READOUT)
    parts = {"train": labeled, "test": [frame for frame in test if key in frame.arrays]}
    errors = {
        part: spin_errors.errors(chosen, spin.predict(model, readout, chosen)) if chosen else None
        for part, chosen in parts.items()
    }
    return readout, {"kind": readout.kind, "labels": key, "errors_muB": errors}


def _report(record: Mapping[str, float]) -> None:
    with open(train.PROGRESS, "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    print("  ".join(f"{key} {value:.6g}" for key, value in record.items()), flush=True)


def _write_summary(
    job: Mapping[str, Any],
    model: Any,
    state: Any,
    measured: Mapping[str, Any],
    moments: Mapping[str, Any] | None,
    tuned: Mapping[str, Any],
    committee: Mapping[str, Any] | None,
) -> None:
    energies = model.atomic_energies_fn.atomic_energies.flatten().tolist()
    elements = [chemical_symbols[z] for z in model.atomic_numbers.tolist()]
    summary = {
        "level": job["level"],
        "elements": elements,
        "E0_eV": dict(zip(elements, energies, strict=True)),
        "r_max_A": float(model.r_max),
        "parameters": sum(p.numel() for p in model.parameters()),
        "start_model": Path(job["start_model"]).name if job["start_model"] else None,
        "start_model_sha256": file_hash(Path(job["start_model"])) if job["start_model"] else None,
        "epochs": state.epoch,
        "errors": measured,
        "moments": moments,
        "fine_tuning": tuned or None,
        "epoch_history": state.history,
        "sha256": {name: file_hash(Path(name)) for name in (train.MODEL, train.EXPORT)},
    }
    if committee is not None:
        summary["committee"] = committee
    write_json(Path(train.SUMMARY), summary)


def _failed(failure: str, message: str) -> int:
    write_json(Path(train.FAILURE), {"failure": failure, "message": message})
    print(f"{failure}: {message}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
