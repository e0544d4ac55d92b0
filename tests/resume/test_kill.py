"""kill -9 at any moment, and then the same command again: nothing is lost, nothing finished is done twice."""

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from support import die_at

pytestmark = pytest.mark.mpi

STEPS = 40


def counting(name, steps=STEPS, **more):
    return {"name": name, "do": "count", "settings": {"steps": steps}, **more}


def test_killed_between_changes_of_files(tmp_path):
    """The kill is laid before every seventh rename, link, mkdir or unlink of a run; tests/long takes every one."""
    results = die_at.died_and_ended(tmp_path, 7)
    assert len(results) > 6
    die_at.check_that_nothing_was_lost(results)


def test_killed_again_and_again_under_mpirun(toy):
    toy.plan(first=[counting("a"), counting("b"), counting("wide", ranks=2)], second=[counting("c")])
    chance = random.Random(7)
    killed = 0
    while killed < 5:
        seen = len(toy.lines("step"))
        job = toy.start()
        # past the steps that exist, so that every life gets somewhere
        toy.wait_for("step", seen + 1)
        time.sleep(chance.uniform(0.0, 0.6))
        if job.poll() is not None:
            break
        toy.kill(job)
        killed += 1
        finished, started = toy.done(), len(toy.lines("start"))
    assert killed >= 3
    assert toy.finish().returncode == 0
    assert toy.done() == {"a", "b", "c", "wide"}
    assert not finished & {name for name, *_ in toy.lines("start")[started:]}
    steps = Counter(tuple(step) for step in toy.lines("step"))
    # a kill may come between a step and its line in the journal, so a line may lack; none is there twice
    assert set(steps.values()) == {1}
    assert 4 * STEPS - killed <= len(steps) <= 4 * STEPS
    for name in ("a", "b", "c", "wide"):
        assert (toy.run / "products" / f"{name}.txt").read_text() == str(STEPS)


def test_a_killed_jobs_lock_is_no_obstacle_and_a_living_ones_is(toy):
    toy.plan(only=[counting("a", 400)])
    job = toy.start()
    toy.wait_for("step")
    second = toy.finish()
    assert second.returncode == 5
    assert "another job is running in this folder" in second.stderr
    assert len(toy.lines("start")) == 1
    toy.kill(job)
    toy.plan(only=[counting("b", 1)])
    assert toy.finish().returncode == 0


def test_kill_of_the_first_rank_alone_ends_all(toy):
    toy.plan(only=[counting("wide", 2000, ranks=2)])
    job = toy.start()
    toy.wait_for("step")
    os.kill(int(dict(map(tuple, toy.lines("rank")))["0"]), 9)
    assert toy.wait(job).returncode != 0
    other = int(dict(map(tuple, toy.lines("rank")))["1"])
    assert not Path(f"/proc/{other}").exists()


CHILD = """
import os, sys, time
print("MPI variables:", sorted(k for k in os.environ if k.startswith(("PMI", "HYD", "MPI"))), flush=True)
with open(sys.argv[1], "a") as journal:
    journal.write(f"child {os.getpid()}\\n")
time.sleep(300)
"""


def test_killed_driver_takes_its_child_along(toy):
    toy.plan(only=[{"name": "tool", "do": "child", "settings": {"code": CHILD}}])
    job = toy.start()
    toy.wait_for("child")
    (child,) = (int(process) for (process,) in toy.lines("child"))
    toy.kill(job)
    deadline = time.monotonic() + 20
    while _alive(child):
        assert time.monotonic() < deadline, "the child outlives its driver"
        time.sleep(0.05)
    log = (toy.run / "tasks/only/tool/attempt-1/out.log").read_text()
    assert log == "MPI variables: []\n"


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_an_attempt_that_was_given_up_for_lost_publishes_nothing(toy):
    toy.plan(first=[counting("a")])
    job = toy.start(ranks=1)
    toy.wait_for("step", 3)
    # as a job does that has not seen this one, on a file system without locks
    (toy.run / "tasks" / "first" / "a" / "attempt-2").mkdir()
    ended = toy.wait(job)
    assert (
        ended.returncode == 5 and "attempt-1 was given up for lost, and a later one has taken its place" in ended.stderr
    )
    assert toy.done() == set() and not (toy.run / "tasks" / "first" / "a" / "attempt-1" / "DONE").exists()
    assert toy.finish(ranks=1).returncode == 0
    assert toy.done() == {"a"}
