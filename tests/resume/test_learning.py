"""A short loop of learning on real LAMMPS, CP2K and MACE: the shipped example with less of everything, killed once."""

import hashlib
import itertools
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from naglass_drv.dataset.frames import read_labeled
from support.jobs import killed_at, naglass

pytestmark = [pytest.mark.mpi, pytest.mark.cp2k, pytest.mark.long]

EXAMPLE = Path(__file__).parents[2] / "examples" / "starting-model" / "input.yaml"
ROUNDS = ("", "round-1/", "round-2/", "round-3/")


def shortened() -> dict:
    """Two glasses a round, one epoch, trajectories of some 50 fs; the rounds are those of the example."""
    content = YAML(typ="safe").load(EXAMPLE)
    content["glass"] |= {"replicas": 2, "melt_ps": 1, "quench_rate_K_per_ps": 2000, "hold_ps": 0.2}
    content["reference"][0] |= {"frames_per_structure": 1, "melt_frames_per_structure": 1}
    content["dataset"]["test_fraction"] = 0.3
    content["train"] |= {"epochs": 2, "channels": 4}
    content["md"] |= {"time_ps": 0.05, "candidates": 1}
    for entry in content["learn"]["rounds"]:
        for section, short in (("glass", {"replicas": 2}), ("train", {"epochs": 1}), ("md", {"time_ps": 0.06})):
            if section in entry:
                entry[section] |= short
        for item in entry.get("reference", []):
            item["frames_per_structure"] = 1
    return content | {"analysis": {}, "report": {}}


@pytest.fixture(scope="module")
def loop(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("loop").resolve()
    with open(folder / "input.yaml", "w") as stream:
        YAML().dump(shortened(), stream)
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
