"""The loop on a teacher whose truth is known: it finds a hole cut into its data, and stops where there is none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from naglass_drv.dataset.frames import read_frames, write_frames
from support.planted import antifluorite, teacher

LEVEL = '{name: mlip, family: ase, model: "support.planted:teacher"}'
INPUT = """\
name: planted
seed: 5
system: {{composition: {{Na: 8, O: 4}}, density_g_cm3: 2.0}}
reference:
  - name: first
    level: {level}
    structures: cells.extxyz
    frames_per_structure: 5
    rattle_A: {rattle_A}
    strain_percent: [-1, 1]
  - {{name: candidates, level: {level}, structures: candidates, frames_per_structure: 4, rattle_A: 0.1}}
dataset: {{level: ase-support.planted-teacher, test_fraction: 0.4}}
train: {{channels: 8, correlation: 2, epochs: 30, dtype: float32, committee: 2, r_max_A: 4, spin_readout: false}}
md:
  structures: start.extxyz
  temperatures_K: [{temperature_K}]
  time_ps: 0.5
  candidates: 10
  uncertainty: {{least_eV_per_A: 0.3, most_eV_per_A: 10}}
learn:
  rounds: [{{}}, {{}}, {{}}]
  stop: {{uncertain_percent: 2, error_change_percent: 50}}
"""


def learned(folder: Path, **settings) -> Path:
    """The folder of the finished run."""
    write_frames(folder / "cells.extxyz", [antifluorite(a, f"c{k}") for k, a in enumerate(np.linspace(5.7, 6.1, 9))])
    write_frames(folder / "start.extxyz", [antifluorite(5.9, f"md{k}") for k in range(6)])
    (folder / "input.yaml").write_text(INPUT.format(level=LEVEL, **settings))
    command = [sys.executable, "-m", "naglass_drv", "run", "input.yaml"]
    # the worker imports the teacher by its name
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    subprocess.run(command, cwd=folder, check=True, env={**os.environ, "PYTHONPATH": path}, timeout=1500)
    return folder / "run"


def decisions(run: Path) -> list[dict]:
    """What was decided after each round, in order."""
    files = sorted((run / "products").glob("**/decision/manifest.json"), key=lambda path: (len(path.parts), path.parts))
    return [json.loads(path.read_text())["facts"] for path in files]


def uncertain(decision: dict) -> float:
    """Percent of uncertain environments in the round of a decision."""
    words = next(each["words"] for each in decision["criteria"] if each["name"] == "uncertain environments")
    return float(words.split(" and then ")[-1].split(" %")[0])


def forces_error(run: Path, place: str) -> float:
    """Force RMSE (eV/Å) of the mean of the committee in a round, on hot cells that the test labels itself."""
    from naglass_drv.engines.mlip.potential import Potential

    found = []
    rng = np.random.default_rng(1)
    for _ in range(6):
        cell = antifluorite(5.9, "hot")
        cell.positions += 0.25 * rng.normal(size=(12, 3))
        found.append(cell)
    forces = []
    for archive in ("model", "member-1/model"):
        path = run / "products" / place / "model" / f"{archive}.portable"
        copy = run / "probe.mace"
        copy.write_bytes(path.read_bytes())
        with Potential.of(f"mace:{copy}").open(run / "probe") as worker:
            forces.append([worker.evaluate(cell).forces for cell in found])
    off = []
    for cell, mean in zip(found, np.mean(forces, axis=0), strict=True):
        cell.calc = teacher()
        off.append(mean - cell.get_forces())
    return float(np.sqrt(np.mean(np.square(off))))


def test_the_loop_finds_a_hole_in_its_data(tmp_path):
    """Only cold crystals are labeled at first, and the trajectories are hot."""
    run = learned(tmp_path, rattle_A=0.03, temperature_K=800)
    found = decisions(run)
    assert uncertain(found[0]) > 20, "the committee does not know that it knows nothing"
    assert not found[0]["converged"] and uncertain(found[-1]) < uncertain(found[0]) / 2
    assert len(read_frames(run / "products" / "md" / "candidates.extxyz")) >= 3
    last = f"round-{len(found) - 1}"
    assert forces_error(run, last) < 0.6 * forces_error(run, ""), "what was uncertain was worth the labels"


def test_the_loop_stops_where_there_is_no_hole(tmp_path):
    """Strongly rattled cells are labeled at first, and the trajectories are cold."""
    found = decisions(learned(tmp_path, rattle_A=0.3, temperature_K=300))
    assert uncertain(found[0]) < 10
    assert found[-1]["converged"] and len(found) < 4, found[-1]["reason"]
    assert all(each["met"] for each in found[-1]["criteria"])
