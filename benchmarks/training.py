"""Training steps beside mace-torch's own order of evaluation: CPU time per frame, in turns in one process, one thread.

    PYTHONPATH=python python benchmarks/training.py [--repeats 3]

A step is mace-torch's, with energies, forces, stresses and the optimizer, in single precision, batches of two, on the
melts of examples/reference-set; an evaluation is one of energies, forces and stresses in double precision. Both use the
same model and the same code but for the product basis and the messages. Values are medians of the repeats.
"""

import argparse
import datetime
import os
import statistics
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from naglass_drv.dataset.frames import read_labeled
from naglass_drv.engines.mace import fit
from naglass_drv.engines.mace.modelfile import default_dtype

SOURCE = Path(__file__).parents[1] / "examples" / "reference-set" / "frames-melts.extxyz.gz"
MODELS = {"16x0e": (16, 0), "64x0e": (64, 0), "64x0e+64x1o": (64, 1), "128x0e+128x1o": (128, 1)}
E0_EV = {8: 0.0, 11: 0.0, 15: 0.0, 23: 0.0}
ORDERS: dict[str, Callable[[Any], Any]] = {"mace-torch": lambda model: nullcontext(), "naglass": fit.faster}
_FRAMES = 8


def main() -> None:
    """Print a row for each model and order."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    fit.torch.set_num_threads(1)
    frames = read_labeled(SOURCE)[:_FRAMES]
    print(f"{datetime.date.today()}, load {os.getloadavg()[0]:.1f}.\n")
    print("| model | program | step, CPU ms per frame | to mace-torch | evaluation, CPU ms per frame | to mace-torch |")
    print("|---|---|---:|---:|---:|---:|")
    for name, (channels, max_L) in MODELS.items():
        steps = _step(frames, channels, max_L, options.repeats)
        evaluations = _evaluation(frames, channels, max_L, options.repeats)
        for program in ORDERS:
            numbers = " | ".join(
                f"{found[program]:.1f} | {found[program] / found['mace-torch']:.2f}" for found in (steps, evaluations)
            )
            print(f"| {name} | {program} | {numbers} |", flush=True)


def _built(frames: Any, channels: int, max_L: int) -> tuple[Any, Any]:
    """A model of random weights and the graphs of the frames, in torch's default dtype."""
    sizes = {"channels": channels, "max_L": max_L, "layers": 2, "correlation": 3, "r_max_A": 5.0, "zbl": True}
    model = fit.build_model(sizes, E0_EV, frames)
    return model, fit.graphs(frames, sorted(E0_EV), 5.0)


def _step(frames: Any, channels: int, max_L: int, repeats: int) -> dict[str, float]:
    weights = {"energy_weight": 10.0, "forces_weight": 100.0, "stress_weight": 1000.0}
    settings = weights | {"optimizer": "adam", "learning_rate": 1e-6, "epochs": 1, "batch_size": 2}
    with default_dtype("float32"):
        model, graphs = _built(frames, channels, max_L)
        state = fit.Fit(model, settings, graphs, 1)

        def epoch() -> None:
            state.epoch = 0
            state.run_epoch()

        return _timed(model, epoch, repeats)


def _evaluation(frames: Any, channels: int, max_L: int, repeats: int) -> dict[str, float]:
    with default_dtype("float64"):
        model, graphs = _built(frames, channels, max_L)
        batches = [batch.to_dict() for batch in fit.loader(graphs, 2)]
        return _timed(model, lambda: [model(batch, compute_stress=True) for batch in batches], repeats)


def _timed(model: Any, work: Callable[[], Any], repeats: int) -> dict[str, float]:
    """CPU ms per frame of each order, after one that does not count."""
    spent: dict[str, list[float]] = {program: [] for program in ORDERS}
    for _ in range(repeats + 1):
        for program, order in ORDERS.items():
            with order(model):
                start = time.process_time()
                work()
                spent[program].append(1000 * (time.process_time() - start) / _FRAMES)
    return {program: statistics.median(times[1:]) for program, times in spent.items()}


if __name__ == "__main__":
    main()
