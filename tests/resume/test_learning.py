"""A short loop of learning on real LAMMPS, CP2K and MACE, killed once."""

import hashlib
import itertools
import json
from pathlib import Path

import pytest

from naglass_drv.dataset.frames import read_labeled
from support.jobs import killed_at, naglass

pytestmark = [pytest.mark.mpi, pytest.mark.cp2k, pytest.mark.long]

ROUNDS = ("", "round-1/", "round-2/", "round-3/")
INPUT = """
name: loop
seed: 100
system: {composition: {Na: 4, V4+: 2, P: 4, O: 16}, density_g_cm3: 2.75}
glass: {replicas: 2, melt_ps: 1, quench_rate_K_per_ps: 2000, hold_ps: 0.2}
reference:
  - {name: glass, level: gfn1-xtb, frames_per_structure: 1, melt_frames_per_structure: 1, rattle_A: 0.07}
dataset: {level: gfn1-xtb, test_fraction: 0.3}
train: {epochs: 2, channels: 4, dtype: float32}
md: {temperatures_K: [600], time_ps: 0.05, candidates: 1}
learn:
  rounds:
    - reference:
        - {name: trajectories, level: gfn1-xtb, structures: candidates, frames_per_structure: 1, rattle_A: 0.1}
        - {name: glass, level: gfn1-xtb, frames_per_structure: 1, melt_frames_per_structure: 1}
      train: {epochs: 1, learning_rate: 0.005}
      md: {temperatures_K: [600, 1200], time_ps: 0.06}
    - reference:
        - {name: trajectories, level: gfn1-xtb, structures: candidates}
        - {name: glass, level: gfn1-xtb, melt_frames_per_structure: 1}
    - train: {learning_rate: 0.004}
analysis: {}
report: {}
"""


@pytest.fixture(scope="module")
def loop(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("loop").resolve()
    (folder / "input.yaml").write_text(INPUT)
    killed_at(folder, "tasks/round-1/reference/trajectories-*/attempt-*", patience_s=2000)
    done = naglass("run", "input.yaml", cwd=folder, ranks=2, patience_s=4000)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


def content_of(path: Path) -> dict:
    return json.loads(path.read_text())


def test_nothing_is_done_twice(loop):
    lines = [json.loads(line) for line in (loop / "events.jsonl").read_text().splitlines()]
    done = [event["task"] for event in lines if event["event"] == "done"]
    assert len(done) == len(set(done)) and "round-3/md/g0-1200K" in done


def test_each_model_starts_from_that_of_the_round_before(loop):
    models = [loop / "products" / at / "model" for at in ROUNDS]
    for earlier, later in itertools.pairwise(models):
        sha = hashlib.sha256((earlier / "model.portable").read_bytes()).hexdigest()
        assert content_of(later / "model.json")["start_model_sha256"] == sha
    assert content_of(models[0] / "model.json")["start_model"] is None


def test_datasets_grow_and_what_is_held_out_is_never_trained_on(loop):
    found = [content_of(loop / "products" / at / "dataset" / "dataset.json") for at in ROUNDS]
    assert [each["frames"] for each in found] == sorted({each["frames"] for each in found})
    held = [set(each["test"]["groups"]) for each in found]
    assert held == sorted(held, key=len) and all(earlier <= later for earlier, later in itertools.pairwise(held))
    assert not set().union(*(each["train"]["groups"] for each in found)) & set().union(*held)


def test_the_candidates_of_a_round_are_labeled_in_the_next(loop):
    for earlier, later in itertools.pairwise(ROUNDS):
        labels = loop / "products" / later / "reference" / "trajectories.extxyz"
        refused = content_of(labels.with_name("trajectories-rejected.json"))
        frames = read_labeled(labels) if labels.exists() else []
        selected = (loop / "products" / earlier / "md" / "candidates.extxyz").read_text().count("Lattice=")
        assert len(frames) + len(refused) == selected > 0


def test_the_report_shows_the_last_round_and_counts_all(loop):
    tasks = [(task["stage"], task["task"]) for task in content_of(loop / "report.json")["tasks"]]
    assert {("train", f"{at}model") for at in ROUNDS} <= set(tasks) and len(tasks) == len(set(tasks))
    assert not content_of(loop / "products/round-3/decision/manifest.json")["facts"]["converged"]
