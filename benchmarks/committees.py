"""Read-out heads on one frozen body beside as many full models: cost of training, and what the deviation says.

    PYTHONPATH=python python benchmarks/committees.py [--members 4] [--epochs 40] [--frames 3] [--work FOLDER]

Trains on the set of GFN1-xTB frames in examples/reference-set, at most so many frames of each glass, a quarter of the
glasses left out, on one thread. The deviation of the forces of the members is compared, atom by atom, with the error of
their mean on the frames left out; errors of the rank correlation are by bootstrap over glasses.
"""

import argparse
import gzip
import json
import resource
import tempfile
from pathlib import Path

import numpy as np

from naglass_drv.dataset.frames import read_labeled, write_frames
from naglass_drv.dataset.split import split_by_group
from naglass_drv.dataset.uncertainty import committee
from naglass_drv.engines.mace.train import PARITY, TrainingJob, head_parity, train
from naglass_drv.files import read_arrays
from naglass_drv.runtime.launch import run_child
from naglass_drv.stages.committee import seed_of

SOURCE = Path(__file__).parents[1] / "examples" / "reference-set" / "frames-gfn1-xtb.extxyz.gz"
OPTIONS = {
    "channels": 16, "max_L": 0, "layers": 2, "correlation": 3, "r_max_A": 4.5, "zbl": True, "optimizer": "adam",
    "learning_rate": 0.01, "batch_size": 4, "energy_weight": 10.0, "forces_weight": 100.0, "stress_weight": 0.0,
    "dtype": "float32", "threads": 1, "spin_readout": False,
}  # fmt: skip
_HELD_OUT = 0.25
_RESAMPLES = 300
_LEVEL = "gfn1-xtb"


def main() -> None:
    """Print a row for each kind of committee."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder for the files of the fits; a temporary one without it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.work or Path(temporary)).resolve()
        folder.mkdir(exist_ok=True)
        e0_eV, groups = _write(folder, options.frames)
        for kind in ("heads", "models"):
            parity, seconds = _trained(folder / kind, e0_eV, options, kind)
            _tell(kind, parity, seconds, groups)


def _write(folder: Path, most: int) -> tuple[dict[str, float], np.ndarray]:
    """Write ``train.extxyz`` and ``test.extxyz``; E0 (eV) by element, and the glass of every atom left out."""
    (folder / "all.extxyz").write_bytes(gzip.decompress(SOURCE.read_bytes()))
    found = read_labeled(folder / "all.extxyz")
    e0_eV = {frame.symbols[0]: float(frame.info["REF_energy"]) for frame in found if len(frame) == 1}
    kept, counts = [], {}
    for frame in found:
        count = counts[frame.info["group"]] = counts.get(frame.info["group"], 0) + 1
        if len(frame) > 1 and count <= most:
            kept.append(frame)
    split = split_by_group([frame.info["group"] for frame in kept], _HELD_OUT, 1)
    parts = {name: [kept[i] for i in getattr(split, name)] for name in ("train", "test")}
    for name, frames in parts.items():
        write_frames(folder / f"{name}.extxyz", frames)
    print(f"{len(parts['train'])} frames to train on, {len(parts['test'])} left out")
    return e0_eV, np.concatenate([[frame.info["group"]] * len(frame) for frame in parts["test"]])


def _trained(folder: Path, e0_eV, options, kind: str) -> tuple[list[Path], float]:
    """Files of predictions of all members, and the processor time (s) of the fits."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    heads = options.members if kind == "heads" else 0
    files = []
    for member in range(1 if heads else options.members):
        own = folder / str(member)
        own.mkdir(parents=True)
        data = (folder.parent / "train.extxyz", folder.parent / "test.extxyz")
        settings = OPTIONS | {"epochs": options.epochs}
        job = TrainingJob(*data, e0_eV, settings, seed_of(member, 1), _LEVEL, heads=heads)
        told = train(job, own, lambda argv, at=own, **more: run_child(argv, at, **more), lambda *told: None)
        print(f"{kind} {member}:", json.dumps(told["errors"]["test"]), flush=True)
        files += [own / head_parity(head) for head in range(heads)] or [own / PARITY["test"]]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return files, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _tell(kind: str, parity: list[Path], seconds: float, groups: np.ndarray) -> None:
    from scipy.stats import spearmanr

    found = [read_arrays(path) for path in parity]
    mean, deviation = committee(np.array([each["forces_model_eV_per_A"] for each in found]))
    wrong = mean - found[0]["forces_label_eV_per_A"]
    error = np.linalg.norm(wrong, axis=1)
    rng, names = np.random.default_rng(0), np.unique(groups)
    rows = {name: np.flatnonzero(groups == name) for name in names}
    resampled = []
    for _ in range(_RESAMPLES):
        picked = np.concatenate([rows[name] for name in rng.choice(names, len(names))])
        resampled.append(spearmanr(deviation[picked], error[picked]).statistic)
    print(
        f"{kind}: {seconds:.0f} s, force RMSE of the mean {1e3 * np.sqrt((wrong**2).mean()):.0f} meV/Å, rank "
        f"correlation {spearmanr(deviation, error).statistic:.2f} ± {np.std(resampled):.2f} ({len(names)} glasses), "
        f"median error / deviation {np.median(error / deviation):.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
