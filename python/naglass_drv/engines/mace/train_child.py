"""The training child: ``python -m naglass_drv.engines.mace.train_child train.json`` (see `train`)."""

import hashlib
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...dataset.frames import read_labelled
from ...errors import InputError
from ...files import write_bytes, write_json
from . import accuracy, train
from .export import export_model
from .modelfile import import_torch, load_portable, save_portable


def main(config: Path) -> int:
    """Train as `config` says, in the working folder; 0, or 1 with the reason in ``failure.json``."""
    job = json.loads(config.read_text())
    torch = import_torch()
    torch.set_default_dtype(torch.float64)
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
    train_frames = read_labelled(Path(job["train"]))
    test_frames = read_labelled(Path(job["test"])) if job["test"] else []
    e0 = {atomic_numbers[element]: energy for element, energy in job["e0_eV"].items()}
    start = job["start_model"]
    model = _start(Path(start), e0) if start else fit.build_model(options, e0, train_frames)
    elements, r_max = [int(z) for z in model.atomic_numbers], float(model.r_max)
    train_graphs = fit.graphs(train_frames, elements, r_max)
    test_graphs = fit.graphs(test_frames, elements, r_max)
    state = fit.Fit(model, options, train_graphs, job["seed"])
    if Path(train.CHECKPOINT).exists():
        state.load(Path(train.CHECKPOINT))
        print(f"going on from epoch {state.epoch}", flush=True)

    def errors(frames: Sequence[Any], graphs: Sequence[Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        if not frames:
            return {}, {}
        predicted = fit.predict(model, graphs, options["batch_size"])
        return accuracy.errors(frames, predicted), accuracy.parity(frames, predicted)

    def held_out() -> dict[str, float]:
        measured, _ = errors(test_frames, test_graphs)
        return {f"test_{key}": measured[key] for key in accuracy.HEADLINE if key in measured}

    fit.fit(state, Path(train.CHECKPOINT), held_out, _report)
    with state.averaged():
        measured = {"train": errors(train_frames, train_graphs), "test": errors(test_frames, test_graphs)}
        save_portable(model, train.MODEL)
    export_model(train.MODEL, train.EXPORT)
    _write_parity({name: arrays for name, (_, arrays) in measured.items()})
    _write_summary(job, state, {name: numbers or None for name, (numbers, _) in measured.items()})


def _start(path: Path, e0_eV: Mapping[int, float]) -> Any:
    """The start model, ready to be trained; its elements and E0 must be those of the data."""
    model = load_portable(path, dtype="float64")
    energies = model.atomic_energies_fn.atomic_energies.flatten().tolist()
    own = dict(zip(model.atomic_numbers.tolist(), energies, strict=True))
    for z, energy in e0_eV.items():
        if z not in own:
            raise InputError(f"{path}: the start model does not know element {z} of the dataset")
        if abs(own[z] - energy) > 1e-3:
            raise InputError(
                f"{path}: E0 of element {z} is {own[z]:.4f} eV in the start model and {energy:.4f} eV in the "
                "dataset: they are of different levels"
            )
    return model


def _report(record: Mapping[str, float]) -> None:
    with open(train.PROGRESS, "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    print("  ".join(f"{key} {value:.6g}" for key, value in record.items()), flush=True)


def _write_parity(parity: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    for name, arrays in parity.items():
        if arrays:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **arrays)
            write_bytes(Path(train.PARITY[name]), buffer.getvalue())


def _write_summary(job: Mapping[str, Any], state: Any, measured: Mapping[str, Any]) -> None:
    from ase.data import chemical_symbols

    model = state.model
    energies = model.atomic_energies_fn.atomic_energies.flatten().tolist()
    elements = [chemical_symbols[z] for z in model.atomic_numbers.tolist()]
    summary = {
        "level": job["level"],
        "elements": elements,
        "E0_eV": dict(zip(elements, energies)),
        "r_max_A": float(model.r_max),
        "parameters": sum(p.numel() for p in model.parameters()),
        "start_model": Path(job["start_model"]).name if job["start_model"] else None,
        "start_model_sha256": _sha256(Path(job["start_model"])) if job["start_model"] else None,
        "epochs": state.epoch,
        "errors": measured,
        "epoch_history": state.history,
        "sha256": {name: _sha256(Path(name)) for name in (train.MODEL, train.EXPORT)},
    }
    write_json(Path(train.SUMMARY), summary)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _failed(failure: str, message: str) -> int:
    write_json(Path(train.FAILURE), {"failure": failure, "message": message})
    print(f"{failure}: {message}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
