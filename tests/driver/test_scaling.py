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
def scaling(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield __import__("scaling")
    # another test may mean something else by these names
    for name in ("scaling", "workflow"):
        sys.modules.pop(name, None)


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
