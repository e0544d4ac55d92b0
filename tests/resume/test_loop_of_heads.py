"""A loop of two rounds with a committee of read-out heads, on a teacher in closed form: what ends it is their mean."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from naglass_drv.dataset.frames import read_frames, write_frames
from naglass_drv.files import read_arrays
from support.jobs import environment, naglass
from support.planted import antifluorite

pytestmark = [pytest.mark.mpi, pytest.mark.slow]

LEVEL = '{name: mlip, family: ase, model: "support.planted:teacher"}'
INPUT = f"""\
name: heads
seed: 5
system: {{composition: {{Na: 8, O: 4}}, density_g_cm3: 2.0}}
reference:
  - {{name: first, level: {LEVEL}, structures: cells.extxyz, frames_per_structure: 2, rattle_A: 0.15}}
  - {{name: candidates, level: {LEVEL}, structures: candidates, rattle_A: 0.1}}
dataset: {{level: ase-support.planted-teacher, test_fraction: 0.5, max_force_eV_per_A: 100}}
train: {{channels: 4, correlation: 2, epochs: 3, dtype: float32, committee: 3, committee_of: heads, r_max_A: 4,
         spin_readout: false}}
md:
  structures: start.extxyz
  temperatures_K: [300]
  time_ps: 0.02
  timestep_fs: 0.5
  sample_every_fs: 2
  candidates: 2
  uncertainty: {{least_eV_per_A: 0.001, most_eV_per_A: 1000}}
learn: {{rounds: [{{}}], stop: {{uncertain_percent: 99, error_change_percent: 99}}}}
report: {{}}
"""


@pytest.fixture(scope="module")
def loop(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("heads").resolve()
    lengths = enumerate(np.linspace(5.7, 6.1, 6))
    write_frames(folder / "cells.extxyz", [antifluorite(length, f"c{number}") for number, length in lengths])
    write_frames(folder / "start.extxyz", [antifluorite(5.9, "md0")])
    (folder / "input.yaml").write_text(INPUT)
    # the worker imports the teacher by its name
    path = os.pathsep.join([str(Path(__file__).parents[1]), environment()["PYTHONPATH"]])
    done = naglass("run", "input.yaml", cwd=folder, ranks=1, patience_s=600, PYTHONPATH=path)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


def content_of(path: Path) -> dict:
    return json.loads(path.read_text())


def mean_error(model: Path) -> tuple[float, float]:
    """Force RMSE (meV/Å) of the mean of the heads, and of the body's own readouts, from their predictions alone."""
    heads = [read_arrays(model / f"parity-test-head-{head}.npz") for head in range(3)]
    mean = np.mean([each["forces_model_eV_per_A"] for each in heads], axis=0)
    body = read_arrays(model / "parity-test.npz")
    labels = body["forces_label_eV_per_A"]
    return tuple(1e3 * np.sqrt(((found - labels) ** 2).mean()) for found in (mean, body["forces_model_eV_per_A"]))


def test_the_decision_compares_the_errors_of_the_mean_of_the_heads(loop):
    errors = [mean_error(loop / "products" / at / "model") for at in ("", "round-1")]
    decided = content_of(loop / "products/round-1/decision/manifest.json")["facts"]
    words = next(each["words"] for each in decided["criteria"] if each["name"] == "held-out error")
    (old, old_body), (new, new_body) = errors
    told = re.search(r"held-out force error ([\d.]+) ± [\d.]+ and then ([\d.]+) ± [\d.]+ meV/Å", words)
    assert told and [float(each) for each in told.groups()] == pytest.approx([old, new], abs=0.5), words
    assert (round(old), round(new)) != (round(old_body), round(new_body)), "the same to a digit, which tells nothing"
    rows = {each["key"]: each["value"] for each in content_of(loop / "report.json")["numbers"]}
    found = [rows[f"rounds.{number}.test.forces_rmse_meV_per_A"] for number in (0, 1)]
    assert found == pytest.approx([old, new], rel=1e-6)


def test_uncertain_environments_are_those_of_the_deviation_of_the_heads(loop):
    decided = content_of(loop / "products/round-1/decision/manifest.json")["facts"]
    shares = []
    for at in ("", "round-1"):
        scale = content_of(loop / "products" / at / "model/uncertainty.json")["scale"]
        found = []
        for trajectory in sorted((loop / "tasks" / at / "md").glob("*/attempt-1/trajectory.extxyz")):
            for frame in read_frames(trajectory):
                factors = np.array([scale[symbol] for symbol in frame.symbols])
                found += (frame.arrays["deviation"] * factors >= 0.001).tolist()
        shares.append(100.0 * np.mean(found))
    words = next(each["words"] for each in decided["criteria"] if each["name"] == "uncertain environments")
    assert min(shares) > 0 and words.startswith(f"{shares[0]:.2g} % and then {shares[1]:.2g} %")
