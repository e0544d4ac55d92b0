"""The training child: ``python -m naglass_drv.engines.mace.train_child train.json`` (see `train`)."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...dataset.frames import read_labeled
from ...errors import InputError
from ...files import file_hash, write_arrays, write_json
from . import accuracy, train
from .export import export_model
from .modelfile import default_dtype, import_torch, load_portable, save_portable, torch_dtype


def main(config: Path) -> int:
    """Train as `config` says, in the working folder; 0, or 1 with the reason in ``failure.json``."""
    job = json.loads(config.read_text())
    torch = import_torch()
    torch.set_default_dtype(torch_dtype(job["options"]["dtype"]))
    torch.set_num_threads(job["options"]["threads"])
    torch.manual_seed(job["seed"])
    from .fit import LossNotFinite

    try:
        _train(job)
    except LossNotFinite as error:
        return _failed("LOSS_NOT_FINITE", str(error))
    except InputError as error:
        return _failed("INPUT", str(error))
    return 0


def _train(job: Mapping[str, Any]) -> None:
    from ase.data import atomic_numbers

    from . import fit

    options = job["options"]
    train_frames = read_labeled(Path(job["train"]))
    test_frames = read_labeled(Path(job["test"])) if job["test"] else []
    e0 = {atomic_numbers[element]: energy for element, energy in job["e0_eV"].items()}
    start = job["start_model"]
    model = _start(Path(start), e0, options["dtype"]) if start else fit.build_model(options, e0, train_frames)
    state = fit.Fit(model, options, _graphs(train_frames, model), job["seed"])
    test_graphs = _graphs(test_frames, model)
    if Path(train.CHECKPOINT).exists():
        state.load(Path(train.CHECKPOINT))
        print(f"resuming from epoch {state.epoch}", flush=True)

    def held_out() -> dict[str, float]:
        if not test_frames:
            return {}
        measured = accuracy.errors(test_frames, fit.predict(model, test_graphs, options["batch_size"]))
        return {f"test_{key}": measured[key] for key in accuracy.HEADLINE}

    fit.fit(state, Path(train.CHECKPOINT), held_out, _report)
    with state.averaged(), default_dtype("float64"):
        fit.make_double(model, e0)
        save_portable(model, train.MODEL)
        measured = {
            "train": _measure(model, train_frames, options, train.PARITY["train"]),
            "test": _measure(model, test_frames, options, train.PARITY["test"]),
        }
        readout, moments = _fit_moments(model, train_frames, test_frames, job)
    export_model(train.MODEL, train.EXPORT, spin=readout)
    _write_summary(job, state, measured, moments)


def _measure(model: Any, frames: Sequence[Any], options: Mapping[str, Any], parity: str) -> dict[str, Any] | None:
    """Errors of the finished model, and the file `parity` with labels and predictions; None without frames."""
    from . import fit

    if not frames:
        return None
    predicted = fit.predict(model, _graphs(frames, model), options["batch_size"])
    write_arrays(Path(parity), accuracy.parity(frames, predicted))
    return accuracy.errors(frames, predicted)


def _fit_moments(model: Any, frames: Sequence[Any], test: Sequence[Any], job: Mapping[str, Any]) -> tuple[Any, Any]:
    """The readout of moments on the finished potential, with its errors; nothing where no frame carries moments."""
    from . import spin

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
        part: spin.errors(chosen, spin.predict(model, readout, chosen)) if chosen else None
        for part, chosen in parts.items()
    }
    return readout, {"kind": readout.kind, "labels": key, "errors_muB": errors}


def _graphs(frames: Sequence[Any], model: Any) -> list[Any]:
    from . import fit

    return fit.graphs(frames, model.atomic_numbers.tolist(), float(model.r_max))


def _start(path: Path, e0_eV: Mapping[int, float], dtype: str) -> Any:
    """The start model, ready to be trained; its elements and E0 must be those of the data."""
    model = load_portable(path, dtype="float64")
    energies = model.atomic_energies_fn.atomic_energies.flatten().tolist()
    own = dict(zip(model.atomic_numbers.tolist(), energies, strict=True))
    for z, energy in e0_eV.items():
        if z not in own:
            raise InputError(f"{path}: the start model does not cover element {z} in the dataset")
        if abs(own[z] - energy) > 1e-3:
            raise InputError(
                f"{path}: E0 of element {z} is {own[z]:.4f} eV in the start model and {energy:.4f} eV in the "
                "dataset: they belong to different levels"
            )
    return model.to(torch_dtype(dtype))


def _report(record: Mapping[str, float]) -> None:
    with open(train.PROGRESS, "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    print("  ".join(f"{key} {value:.6g}" for key, value in record.items()), flush=True)


def _write_summary(
    job: Mapping[str, Any], state: Any, measured: Mapping[str, Any], moments: Mapping[str, Any] | None
) -> None:
    from ase.data import chemical_symbols

    model = state.model
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
        "epoch_history": state.history,
        "sha256": {name: file_hash(Path(name)) for name in (train.MODEL, train.EXPORT)},
    }
    write_json(Path(train.SUMMARY), summary)


def _failed(failure: str, message: str) -> int:
    write_json(Path(train.FAILURE), {"failure": failure, "message": message})
    print(f"{failure}: {message}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
