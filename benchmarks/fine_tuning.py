"""Errors of a fine-tuned model on compositions left out, beside those of the model before it and of its teacher.

    python benchmarks/fine_tuning.py model.mace frames.extxyz [...] --folder FOLDER [--epochs 15]
        [--teacher sevennet:7net-l3i5+d3] [--output card.json]

Each composition of the labeled frames is left out once: the driver fine-tunes the model to the others as the quickstart
does, with replay. Fits that are done in the folder are not repeated, and a stopped one goes on where it was. Errors are
standard errors by bootstrap over compositions.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from starting_model import over

from naglass_drv.dataset.frames import is_isolated_atom, level_name, read_labeled, write_frames
from naglass_drv.engines.mlip.potential import Potential

if TYPE_CHECKING:
    from ase import Atoms

TEACHER = "sevennet:7net-l3i5+d3"
# the composition is not used: no glass is made
INPUT = """\
name: left-out
seed: 15
system: {{composition: {{Na: 4, V4+: 2, P: 4, O: 16}}, density_g_cm3: 2.6}}

dataset:
  level: {level}
  include: [frames.extxyz]

train:
  start_model: {model}
  E0: dataset
  replay: pseudolabels
  epochs: {epochs}
  learning_rate: 0.002
  stress_weight: 0
  dtype: float32
"""


def main() -> int:
    """Print the table, and write all numbers with ``--output``; 0 if the fine-tuned models beat the teacher."""
    parser = argparse.ArgumentParser(description="Errors of a fine-tuned model on compositions left out.")
    parser.add_argument("model", type=Path)
    parser.add_argument("frames", type=Path, nargs="+")
    parser.add_argument("--folder", type=Path, required=True, help="for the fits")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--teacher", default=TEACHER)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    labeled = [frame for path in options.frames for frame in read_labeled(path)]
    atoms = [frame for frame in labeled if is_isolated_atom(frame)]
    groups: dict[str, list[Atoms]] = {}
    for frame in labeled:
        if not is_isolated_atom(frame):
            groups.setdefault(frame.get_chemical_formula(), []).append(frame)
    tuned = {}
    for number, (name, left_out) in enumerate(sorted(groups.items()), 1):
        others = atoms + [frame for each, frames in groups.items() if each != name for frame in frames]
        model = _fine_tuned(options.model.resolve(), others, options.folder.resolve() / name, options.epochs)
        tuned |= _squares(f"mace:{model}", {name: left_out})
        print(f"{number} of {len(groups)}: {name} left out, {1e3 * _rmse(tuned[name], left_out):.0f} meV/Å", flush=True)
    before = _squares(f"mace:{options.model}", groups)
    teacher = _squares(options.teacher, groups)
    found = _summary(groups, {"fine-tuned": tuned, "before": before, "teacher": teacher})
    _print(found)
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if found["all"]["fine-tuned"][0] < found["all"]["teacher"][0] else 1


def _fine_tuned(model: Path, frames: Sequence["Atoms"], folder: Path, epochs: int) -> Path:
    """The model fine-tuned to `frames` by the driver."""
    folder.mkdir(parents=True, exist_ok=True)
    write_frames(folder / "frames.extxyz", frames)
    level = level_name(frames[0].info["level"])
    text = INPUT.format(level=level, model=model, epochs=epochs)
    (folder / "input.yaml").write_text(text)
    command = [sys.executable, "-m", "naglass_drv", "run", "input.yaml", "--folder", "run"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / "run" / "products" / "model" / "model.portable"


def _squares(potential: str, groups: Mapping[str, Sequence["Atoms"]]) -> dict[str, list[float]]:
    """Sums of squared differences of the forces ((eV/Å)²), of each frame by composition."""
    with tempfile.TemporaryDirectory() as folder, Potential.of(potential).open(Path(folder)) as opened:
        return {
            name: [float(((opened.evaluate(frame).forces - frame.arrays["REF_forces"]) ** 2).sum()) for frame in frames]
            for name, frames in groups.items()
        }


def _rmse(squares: Sequence[float], frames: Sequence["Atoms"]) -> float:
    return float(np.sqrt(np.sum(squares) / sum(3 * len(frame) for frame in frames)))


def _summary(groups, squares) -> dict:
    """RMSE of forces (meV/Å) of each potential by composition and of all, and the ratio of fine-tuned to teacher."""
    numbers = np.repeat(np.arange(len(groups)), [len(frames) for frames in groups.values()])
    sizes = np.array([3.0 * len(frame) for frames in groups.values() for frame in frames])
    flat = {potential: np.concatenate([by[name] for name in groups]) for potential, by in squares.items()}
    found = {
        name: {"frames": len(frames)} | {potential: 1e3 * _rmse(by[name], frames) for potential, by in squares.items()}
        for name, frames in groups.items()
    }
    found["all"] = {"frames": len(sizes)} | {
        potential: over(numbers, each, sizes, lambda a, b: 1e3 * np.sqrt(a / b)) for potential, each in flat.items()
    }
    tuned, teacher = flat["fine-tuned"], flat["teacher"]
    found["all"]["to teacher"] = over(numbers, tuned, teacher, lambda a, b: np.sqrt(a / b))
    found["all"]["frames that are worse"] = int((tuned > teacher).sum())
    return found


def _print(found) -> None:
    print("forces, RMSE (meV/Å) on the composition left out\n")
    print(f"{'':16s} frames  fine-tuned      before     teacher")
    for name, row in found.items():
        cells = [row[potential] for potential in ("fine-tuned", "before", "teacher")]
        texts = [f"{x[0]:.0f} ± {x[1]:.0f}" if isinstance(x, tuple) else f"{x:.0f}" for x in cells]
        print(f"{name:16s} {row['frames']:6d}  " + "  ".join(f"{text:>10s}" for text in texts))
    value, error = found["all"]["to teacher"]
    worse = found["all"]["frames that are worse"]
    print(f"\nto the teacher's: {value:.2f} ± {error:.2f}; worse on {worse} of {found['all']['frames']} frames")


if __name__ == "__main__":
    sys.exit(main())
