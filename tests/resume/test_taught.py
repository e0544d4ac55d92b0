"""A model taught by a potential, from a composition to a report; and a kill while the potential labels."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import support
from support.jobs import environment, naglass

pytestmark = [pytest.mark.mpi, pytest.mark.slow]

ODD = str(Path(support.__path__[0]))
INPUT = """\
name: taught
seed: 3
system: {composition: {Na: 1, P: 1, O: 3}, formula_units: 6, density_g_cm3: 2.5}
glass: {replicas: 3, melt_ps: 0.5, quench_rate_K_per_ps: 2000, hold_ps: 0.2}
reference:
  - name: teacher
    level: {name: mlip, family: ase, model: "ase.calculators.lj:LennardJones"}
    frames_per_structure: 3
dataset: {level: ase-ase.calculators.lj-LennardJones, test_fraction: 0.3, max_force_eV_per_A: 1000}
train: {epochs: 1, channels: 4, r_max_A: 3.5, spin_readout: false}
report: {}
"""


def test_a_model_is_taught_by_a_potential(tmp_path):
    (tmp_path / "input.yaml").write_text(INPUT)
    told = naglass("validate", "input.yaml", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    line = next(each for each in told.stdout.splitlines() if "reference[0]" in each)
    assert "1 part of 15 labels, ase-ase.calculators.lj-LennardJones, up to 30 atoms" in line
    foreseen = naglass("estimate", "input.yaml", cwd=tmp_path)
    row = next(each.split() for each in foreseen.stdout.splitlines() if each.startswith("reference"))
    assert row[:2] == ["reference", "1"], foreseen.stdout
    done = naglass("run", "input.yaml", cwd=tmp_path, ranks=1)
    assert done.returncode == 0, done.stdout + done.stderr
    dataset = json.loads((tmp_path / "run/products/dataset/dataset.json").read_text())
    assert f"dataset/dataset done: {dataset['note']}" in done.stdout
    assert dataset["E0"]["from"] == "least_squares" and dataset["E0"]["frames"] == dataset["train"]["frames"]
    model = json.loads((tmp_path / "run/products/model/model.json").read_text())
    assert model["E0_eV"] == pytest.approx(dataset["E0_eV"]) and model["level"] == dataset["level"]
    page = (tmp_path / "run/report.html").read_text()
    assert dataset["note"] in page and "single-atom energy" in page
    assert "ase-ase.calculators.lj-LennardJones (interatomic potential)" in page
    again = naglass("run", "input.yaml", "--dry-run", cwd=tmp_path)
    assert "Nothing has to be done" in again.stdout


def test_a_kill_while_a_potential_labels_loses_no_frame(tmp_path):
    text = INPUT.replace("ase.calculators.lj:LennardJones", "odd_calculators:slow")
    text = text.partition("dataset:")[0] + "    max_net_force_eV_per_A: 1000\n"
    (tmp_path / "input.yaml").write_text(text)
    variables = {"PYTHONPATH": os.pathsep.join([ODD, environment()["PYTHONPATH"]])}
    command = [sys.executable, "-m", "naglass_drv", "run", "input.yaml"]
    task = tmp_path / "run/tasks/reference/teacher-part0"
    with open(tmp_path / "log", "w") as log:
        job = subprocess.Popen(command, cwd=tmp_path, env=environment() | variables, stdout=log, stderr=log)
        until = time.monotonic() + 60
        while job.poll() is None and time.monotonic() < until and _lines(task / "attempt-1/reached.jsonl") < 4:
            time.sleep(0.05)
        os.kill(job.pid, signal.SIGKILL)
        job.wait()
    kept = _lines(task / "attempt-1/reached.jsonl") - 1
    assert 3 <= kept < 12, (tmp_path / "log").read_text()
    done = subprocess.run(command, cwd=tmp_path, env=environment() | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((task / "DONE").read_text())["summary"]
    rejected = json.loads((tmp_path / "run/products/reference/teacher-rejected.json").read_text())
    assert summary["frames"] + len(rejected) == 15
    labeled = [line for line in (task / "attempt-2/reached.jsonl").read_text().splitlines() if '"text"' in line]
    old = [line for line in (task / "attempt-1/reached.jsonl").read_text().splitlines() if '"text"' in line]
    evaluated = (task / "attempt-2/ase.log").read_text().count("and one below Python")
    assert labeled[: len(old)] == old and evaluated == len(labeled) - len(old)


def _lines(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


@pytest.mark.long
def test_a_loop_labels_its_candidates_and_keeps_e0(tmp_path):
    again = """\
md: {temperatures_K: [300], time_ps: 0.05, sample_every_fs: 1, candidates: 2}
learn:
  rounds:
    - glass: {replicas: 1}
      reference:
        - name: picked
          level: {name: mlip, family: ase, model: "ase.calculators.lj:LennardJones"}
          structures: candidates
"""
    (tmp_path / "input.yaml").write_text(INPUT + again)
    done = naglass("run", "input.yaml", cwd=tmp_path, ranks=1, patience_s=600)
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = (
        json.loads((tmp_path / "run/products" / part / "dataset/dataset.json").read_text()) for part in ("", "round-1")
    )
    assert second["frames"] > first["frames"] and second["E0_eV"] == first["E0_eV"]
    assert second["E0"] == first["E0"] | {"kept": True}
    models = [tmp_path / "run/products" / part / "model/model.json" for part in ("", "round-1")]
    assert json.loads(models[1].read_text())["start_model"] and json.loads(models[0].read_text())["E0_eV"]
