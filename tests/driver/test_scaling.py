"""Runs on simulated jobs that end, lose nodes and fail tasks: the real planner and store lose nothing."""

import json
import sys
from argparse import Namespace
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPTIONS = {
    "tasks": 120, "workers": 24, "per_node": 4, "steps": 3, "task_s": 600.0, "job_s": 2000.0, "queue_s": 60.0,
    "lost_s": 1500.0, "fails": 0.05,
}  # fmt: skip


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield __import__
    # another test may mean something else by these names
    for name in ("scaling", "workflow", "executors", "simulated_queues"):
        sys.modules.pop(name, None)


@pytest.fixture
def scaling(benchmark):
    return benchmark("scaling")


def test_nothing_is_lost_and_nothing_done_twice(scaling, tmp_path):
    total = Counter()
    for seed in range(4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        cluster = scaling.Cluster(folder, Namespace(**OPTIONS, seed=seed))
        cluster.run()
        cluster.check()
        total += cluster.count
        noted = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        done = Counter(event["task"] for event in noted if event["event"] == "done")
        assert len(done) == 120 and set(done.values()) == {1}
        started = sum(event["event"] == "started" for event in noted)
        assert started == len(list(folder.glob("tasks/s?/work/*/attempt-*")))
    # every kind of trouble was met
    assert all(total[name] > 0 for name in ("failed", "resumed", "jobs cut by their end", "jobs lost with a node"))


def test_simulated_time_is_that_of_the_work(scaling, tmp_path):
    """Without trouble a single worker takes the sum of all durations, after one wait in the queue."""
    calm = OPTIONS | {"tasks": 6, "workers": 1, "job_s": 1e6, "lost_s": 0.0, "fails": 0.0}
    cluster = scaling.Cluster(tmp_path, Namespace(**calm, seed=5))
    cluster.run()
    assert cluster.count["jobs"] == 1 and cluster.now == pytest.approx(60.0 + sum(cluster.left.values()))


TROUBLE = {
    "slurm": ("refused", "killed right after a submission", "nodes lost", "resumed"),
    "hyperqueue": ("server killed", "killed right after a submission", "nodes lost", "resumed"),
}


@pytest.mark.parametrize("kind", TROUBLE)
def test_tasks_in_jobs_are_done_once_whatever_happens_to_queue_and_planner(benchmark, tmp_path, kind):
    executors, total, most = benchmark("executors"), Counter(), 12
    words = f"--tasks 60 --steps 3 --slots 16 --most {most} --max-array 5 --kills 0.1 --restarts 0.02".split()
    for seed in range(3):
        folder = tmp_path / str(seed) / "run"
        folder.mkdir(parents=True)
        machine = executors.carry_out(folder, kind, executors.parser().parse_args([*words, "--seed", str(seed)]))
        executors.check(machine)
        total += machine.count
        assert kind != "slurm" or machine.count["most in the queue"] <= most
        # a job that nobody knows of is found by its name in Slurm; in HyperQueue the lock of a task tells
        assert kind != "slurm" or machine.count["waits for another at work"] == 0
        noted = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        done = Counter(event["task"] for event in noted if event["event"] == "done")
        assert len(done) == 60 and set(done.values()) == {1}
    # every kind of trouble was met
    assert all(total[name] > 0 for name in TROUBLE[kind]), total


def test_a_simulated_queue_without_limits_has_one_submission_for_each_step(benchmark, tmp_path):
    executors = benchmark("executors")
    options = executors.parser().parse_args(["--tasks", "30", "--steps", "3", "--slots", "40", "--job-s", "1e5"])
    vars(options).update(dies=0.0, kills=0.0, lost_s=0.0)
    (tmp_path / "run").mkdir()
    machine = executors.carry_out(tmp_path / "run", "slurm", options)
    executors.check(machine)
    # the first of all steps in one array, since they are alike, then the three that follow as they can
    assert machine.count["refused"] == 0 and machine.count["attempts"] == 30 and 2 <= machine.count["jobs"] <= 4
