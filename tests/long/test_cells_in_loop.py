"""A loop with a committee whose trajectories are of large structures, killed in every step: what it labels are cells
cut from them, and they are those of a loop that was left alone.
"""

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.md.langevin import Langevin

from naglass_drv.dataset.frames import read_frames, read_labeled, write_frames
from support.jobs import environment, killed_at, naglass
from support.planted import antifluorite, teacher

pytestmark = [pytest.mark.mpi, pytest.mark.slow]

TESTS = Path(__file__).parents[1]
LEVEL = '{name: mlip, family: ase, model: "support.planted:teacher"}'
MOST = 96
INPUT = f"""\
name: planted
seed: 5
system: {{composition: {{Na: 8, O: 4}}, density_g_cm3: 2.0}}
reference:
  - name: first
    level: {LEVEL}
    structures: cells.extxyz
    frames_per_structure: 4
    rattle_A: 0.15
    strain_percent: [-1, 1]
  - {{name: candidates, level: {LEVEL}, structures: candidates, frames_per_structure: 4, rattle_A: 0.1}}
dataset: {{level: ase-support.planted-teacher, test_fraction: 0.4}}
train: {{channels: 8, correlation: 2, epochs: 20, dtype: float32, committee: 2, r_max_A: 4, spin_readout: false}}
md:
  structures: start.extxyz
  temperatures_K: [1500]
  time_ps: 0.1
  checkpoint_ps: 0.02
  candidates: 2
  uncertainty: {{least_eV_per_A: 0.2, most_eV_per_A: 20}}
  cells: {{max_atoms: {MOST}, per_frame: 2, melt_temperature_K: 300, melt_ps: 0.05, quench_ps: 0.05, tries: 5}}
learn: {{rounds: [{{train: {{epochs: 5}}}}], stop: {{}}}}
report: {{}}
"""
IN_CELLS = "tasks/round-1/cells/*/attempt-*/atom*/try-*/log.lammps"
# a file of every step while it is at work, in order; fits are killed in the second round, as the first has to give the
# same trajectories in every run of this test, and a fit that was killed is the same to rounding alone
SIGNS = (
    "tasks/reference/first-part0/attempt-*/reached.jsonl",
    "tasks/md/start-0-1500K/attempt-*/segments/checkpoint.json",
    IN_CELLS,
    "tasks/round-1/cells/*/DONE",
    "tasks/round-1/reference/candidates-part0/attempt-*/reached.jsonl",
    "tasks/round-1/train/member-1/attempt-*/progress.jsonl",
    "tasks/round-1/md/start-0-1500K/attempt-*/segments/checkpoint.json",
    "tasks/report/report/attempt-*",
)


def melted(cell: Atoms, seed: int) -> Atoms:
    """The cell as a quickly cooled melt: in a crystal, the surroundings of all atoms are alike."""
    cell.calc = teacher()
    rng = np.random.default_rng(seed)
    for temperature, steps in ((3000, 150), (1000, 100)):
        Langevin(cell, 1 * units.fs, temperature_K=temperature, friction=0.05 / units.fs, rng=rng).run(steps)
    return Atoms(cell.symbols, cell.positions, cell=cell.cell, pbc=True, info=dict(cell.info))


def describe(folder: Path) -> None:
    """Write the input: small melts to learn from, a large melt and a small crystal to run."""
    lengths = enumerate(np.linspace(5.7, 6.1, 9))
    small = [melted(antifluorite(length, f"c{k}").repeat((2, 1, 1)), k) for k, length in lengths]
    write_frames(folder / "cells.extxyz", small)
    large = melted(antifluorite(5.9, "large").repeat(3), 9)
    write_frames(folder / "start.extxyz", [large, antifluorite(5.9, "small")])
    (folder / "input.yaml").write_text(INPUT)


@pytest.fixture(scope="module")
def loops(tmp_path_factory) -> tuple[Path, Path]:
    """The run folders of a loop that was killed in every step, and of a copy whose cells were cut without a kill."""
    # the worker imports the teacher by its name
    path = {"PYTHONPATH": os.pathsep.join([str(TESTS), environment()["PYTHONPATH"]])}
    folder = tmp_path_factory.mktemp("loop").resolve()
    killed, alone = folder / "killed", folder / "alone"
    killed.mkdir()
    describe(killed)
    for sign in SIGNS:
        killed_at(killed, sign, patience_s=600, **path)
        if sign == IN_CELLS:
            shutil.copytree(killed, alone)
            shutil.rmtree(alone / "run" / "tasks" / "round-1")
    for each in (killed, alone):
        done = naglass("run", "input.yaml", cwd=each, ranks=2, patience_s=1500, **path)
        assert done.returncode == 0, done.stdout + done.stderr
    return killed / "run", alone / "run"


def content_of(path: Path) -> dict:
    return json.loads(path.read_text())


def test_large_frames_are_labeled_as_cells_and_small_ones_as_they_are(loops):
    run, _ = loops
    selected = read_frames(run / "products/md/candidates.extxyz")
    assert {len(frame) for frame in selected} == {12, 324}
    assert all(frame.arrays["deviation"].max() >= 0.2 for frame in selected)
    facts = content_of(run / "products/round-1/cells/manifest.json")["facts"]
    assert facts["tried"] >= sum(len(frame) > MOST for frame in selected)
    assert facts["accepted"] + len(facts["rejected"]) == facts["tried"] and facts["accepted"] > 0
    assert all(share < 1 for share in facts["distance_of_median"].values())
    given = read_frames(run / "products/round-1/cells/candidates.extxyz")
    cells = [frame for frame in given if frame.info.get("config_type") == "embed"]
    assert len(cells) == facts["accepted"] and all(0.85 * MOST < len(cell) <= MOST for cell in cells)
    assert {cell.info["group"] for cell in cells} == {"large"}
    labeled = read_labeled(run / "products/round-1/reference/candidates.extxyz")
    refused = content_of(run / "products/round-1/reference/candidates-rejected.json")
    assert len(labeled) + len(refused) == 4 * len(given)
    assert max(map(len, labeled)) <= MOST and {frame.info["group"] for frame in labeled} == {"large", "small"}


def test_cells_stay_with_the_part_of_their_glass(loops):
    run, _ = loops
    summary = content_of(run / "products/round-1/dataset/dataset.json")
    groups = {part: set(summary[part]["groups"]) for part in ("train", "test")}
    assert "large" in groups["train"] | groups["test"] and not groups["train"] & groups["test"]


def test_the_page_says_what_became_of_the_cells(loops):
    run, _ = loops
    facts = content_of(run / "products/round-1/cells/manifest.json")["facts"]
    numbers = {each["key"]: each["value"] for each in content_of(run / "report.json")["numbers"]}
    assert numbers["rounds.1.cells"] == facts["accepted"]
    tasks = [task["task"] for task in content_of(run / "report.json")["tasks"] if task["stage"] == "cells"]
    assert tasks and all(task.startswith("round-1/start-0-1500K-step") for task in tasks)


def test_no_task_was_done_twice(loops):
    lines = [json.loads(line) for line in (loops[0] / "events.jsonl").read_text().splitlines()]
    done = Counter(line["task"] for line in lines if line["event"] == "done")
    assert set(done.values()) == {1}


@pytest.mark.parametrize(
    "product",
    [
        "cells/candidates.extxyz",
        "cells/cells.json",
        "reference/candidates.extxyz",
        "reference/candidates-rejected.json",
        "dataset/train.extxyz",
        "dataset/test.extxyz",
    ],
)
def test_what_was_killed_is_what_was_left_alone(loops, product):
    killed, alone = ((run / "products/round-1" / product).read_bytes() for run in loops)
    assert killed == alone
