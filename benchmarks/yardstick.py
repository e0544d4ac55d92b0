"""A yardstick for training: errors on compositions left out of a set of Na-Fe-P-O glasses and melts, in a given time.

    python benchmarks/yardstick.py dft_frames.xyz.gz [--cpu-minutes 46] [--members 4] [--start-model MODEL]

The frames are those of R-Chr/NaFePO4_potential (10.26434/chemrxiv-2025-9sf4n), about 100 atoms each, with energies,
forces and stress by VASP; they are not part of naglass. The driver's own code imports and checks them, trains a
committee on one thread from isolated-atom energies, and evaluates its mean, on which molecular dynamics runs. The time
is processor time of everything together; two short fits measure what an epoch costs, and the rest of the time decides
the number of epochs. Nothing is chosen by the frames left out. With a start model its architecture is kept, and it is
fine-tuned to the level of the frames.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from naglass_drv.dataset.assemble import assemble
from naglass_drv.dataset.frames import read_labeled, write_frames
from naglass_drv.engines.mace.train import MODEL, TrainingJob, train
from naglass_drv.runtime.launch import run_child

LEVEL = "vasp"
E0_EV = {"Na": -0.0749, "Fe": -0.2084, "P": -0.0973, "O": -0.0911}
# every fourth of the 47 compositions in order of their share of Fe, beginning with the third: of the twelve, two are
# without Fe, two without Na, one without P
FIRST_OUT, EACH_OUT = 2, 4
OPTIONS = {
    "channels": 32, "max_L": 0, "layers": 2, "correlation": 3, "r_max_A": 4.0, "zbl": True, "optimizer": "soap",
    "learning_rate": 0.01, "batch_size": 2, "energy_weight": 100.0, "forces_weight": 100.0, "stress_weight": 0.0,
    "dtype": "float32", "threads": 1, "spin_readout": False,
}  # fmt: skip
TUNED = {"learning_rate": 0.003}
LIMITS = {"forces": ("meV/Å", 500.0), "energy": ("meV/atom", 50.0)}
# frames differ in density, and a few of them would tell too little
_TRIAL_FRAMES, _TRIAL_EPOCHS = 60, 3
# predictions at the end are in double precision: about as long as a training step
_EVALUATION = 1.0
# processor time of a frame differs by this from one minute to the next where a machine is shared
_MARGIN = 0.94
_RESAMPLES = 1000


def main() -> int:
    """Print errors with their bootstrap errors over compositions; 0 if both are within their limits."""
    parser = argparse.ArgumentParser(description="Errors on compositions left out, after training for a given time.")
    parser.add_argument("frames", type=Path)
    parser.add_argument("--cpu-minutes", type=float, default=46.0)
    parser.add_argument("--members", type=int, default=4, help="models of the committee")
    parser.add_argument("--start-model", type=Path, help="fine-tune this one")
    parser.add_argument("--work", type=Path, help="new folder for the files of the fit; a temporary one without it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.work or Path(temporary) / "work").resolve()
        # a checkpoint of an earlier fit would be gone on with
        folder.mkdir(parents=True)
        start = options.start_model and options.start_model.resolve()
        return _measure(options.frames.resolve(), folder, options.cpu_minutes, options.members, start)


def _measure(source: Path, folder: Path, minutes: float, members: int, start: Path | None) -> int:
    dataset = _imported(source, folder)
    kept, out = _split(dataset.frames)
    names = sorted({frame.get_chemical_formula() for frame in out})
    print(
        f"{len(kept)} frames to train on; left out {len(out)} frames of {len(names)} compositions: {', '.join(names)}"
    )
    options = OPTIONS | (TUNED if start else {})
    job = TrainingJob(
        Path(), None, dataset.e0_eV, options, 1, LEVEL, start_model=start,
        tuning={"E0": "dataset", "head": None, "trust": False} if start else None,
    )  # fmt: skip
    epochs = _affordable(job, kept, len(out), folder, minutes, members)
    print(f"{members} models, {epochs} epochs each: {json.dumps(options)}", flush=True)
    fits = [folder / f"fit-{seed}" for seed in range(1, members + 1)]
    for seed, fit in enumerate(fits, 1):
        _fit(replace(job, seed=seed), kept, fit, epochs)
    found = _evaluated([fit / MODEL for fit in fits], out)
    spent = _cpu_seconds() / 60
    within = True
    for name, (unit, limit) in LIMITS.items():
        value, error = found[name]
        within &= value <= limit
        print(f"{name} RMSE on compositions left out: {value:.0f} ± {error:.0f} {unit} (asked: {limit:.0f})")
    print(f"{spent:.1f} CPU minutes of {minutes:g}")
    return 0 if within and spent <= minutes else 1


def _imported(source: Path, folder: Path):
    """The frames through the gate of the driver, at one level, with E0."""
    target = folder / "frames.extxyz"
    command = [
        sys.executable, "-m", "naglass_drv", "import-frames", str(source), "-o", str(target), "--level-name", LEVEL,
        "--settings", "R-Chr/NaFePO4_potential", "--multiplicity", "high-spin", "--max-net-force", "1",
        "--energy-key", "REF_energy", "--forces-key", "REF_forces", "--stress-key", "REF_stress",
        "--e0", *(f"{element}={energy}" for element, energy in E0_EV.items()),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return assemble(LEVEL, {str(target): read_labeled(target)}, {})


def _split(frames):
    """Frames to train on, and those of the compositions left out."""
    shares = {frame.get_chemical_formula(): np.mean(frame.symbols == "Fe") for frame in frames}
    order = sorted(shares, key=lambda name: (shares[name], name))
    out = set(order[FIRST_OUT::EACH_OUT])
    parts = ([], [])
    for frame in frames:
        parts[frame.get_chemical_formula() in out].append(frame)
    return parts


def _affordable(job: TrainingJob, kept, left_out: int, folder: Path, minutes: float, members: int) -> int:
    """Epochs of each model for which the time suffices, by two short fits."""
    trial = kept[:: max(1, len(kept) // _TRIAL_FRAMES)]
    costs = []
    for epochs in (1, _TRIAL_EPOCHS):
        before = _cpu_seconds()
        _fit(job, trial, folder / f"trial-{epochs}", epochs)
        costs.append(_cpu_seconds() - before)
    frame = (costs[1] - costs[0]) / (_TRIAL_EPOCHS - 1) / len(trial)
    # a start model is evaluated before, too
    evaluations = _EVALUATION * (2 if job.start_model else 1)
    start = max(0.0, costs[0] - (1 + evaluations) * frame * len(trial))
    rest = (60 * minutes * _MARGIN - _cpu_seconds()) / members
    rest -= start + frame * (evaluations * len(kept) + _EVALUATION * left_out)
    print(f"{1000 * frame:.0f} ms per frame and epoch, {start:.0f} s to start and end a fit")
    if (epochs := int(rest / (frame * len(kept)))) < 1:
        raise SystemExit(f"{minutes:g} CPU minutes are too few for one epoch of {frame * len(kept):.0f} s")
    return epochs


def _fit(job: TrainingJob, frames, folder: Path, epochs: int) -> None:
    folder.mkdir(exist_ok=True)
    write_frames(folder / "train.extxyz", frames)
    job = replace(job, train=folder / "train.extxyz", options=job.options | {"epochs": epochs})
    train(job, folder, lambda argv, **more: run_child(argv, folder, **more), lambda *told: None)


def _evaluated(models: list[Path], frames) -> dict[str, tuple[float, float]]:
    """RMSE of the mean of the models: forces (meV/Å) and energies (meV/atom), each with its bootstrap error over
    compositions.
    """
    from naglass_drv.engines.mace.accuracy import parity
    from naglass_drv.engines.mace.body import heads_of
    from naglass_drv.engines.mace.modelfile import default_dtype, load_portable
    from naglass_drv.engines.mace.tuning import predicted

    with default_dtype("float64"):
        bodies = [load_portable(model) for model in models]
        each = [predicted(body, frames, heads_of(body)[0], 1) for body in bodies]
    data = parity(frames, {key: np.mean([found[key] for found in each], axis=0) for key in ("energy", "forces")})
    composition = np.unique([frame.get_chemical_formula() for frame in frames], return_inverse=True)[1]
    of_atom = np.repeat(composition, [len(frame) for frame in frames])
    energy = data["energy_model_eV_per_atom"] - data["energy_label_eV_per_atom"]
    forces = data["forces_model_eV_per_A"] - data["forces_label_eV_per_A"]
    return {"forces": _rmse(forces, of_atom), "energy": _rmse(energy[:, None], composition)}


def _rmse(deviation: np.ndarray, composition: np.ndarray) -> tuple[float, float]:
    squares = np.bincount(composition, weights=(deviation**2).sum(axis=1))
    counts = np.bincount(composition) * deviation.shape[1]
    picks = np.random.default_rng(0).integers(len(squares), size=(_RESAMPLES, len(squares)))
    resampled = np.sqrt(squares[picks].sum(axis=1) / counts[picks].sum(axis=1))
    return 1000 * float(np.sqrt(squares.sum() / counts.sum())), 1000 * float(resampled.std())


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


if __name__ == "__main__":
    sys.exit(main())
