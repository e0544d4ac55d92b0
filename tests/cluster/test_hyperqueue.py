"""Tasks in HyperQueue, with a server and workers from its wheel."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.job_runs import JobRun
from support.jobs import environment, naglass

pytestmark = [pytest.mark.mpi, pytest.mark.slow]
SERVER = Path(__file__).parents[1] / "support" / "hq_server.py"
INPUT = """
name: small
seed: 3
system: {composition: {Na: 4, P: 4, O: 12}, density_g_cm3: 2.45}
glass: {replicas: 2, melt_ps: 1.0, quench_rate_K_per_ps: 1000, hold_ps: 0.5}
"""


class Server:
    """A server in a process of its own, with workers of two cores."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it, as often as it was killed."""
        access = self.folder / "hq-current"
        before = access.resolve()
        with open(self.folder.with_suffix(".out"), "a") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(SERVER), str(self.folder)], stdin=subprocess.PIPE, stdout=out, stderr=out
            )
        end = time.monotonic() + 30
        while not (access / "access.json").exists() or access.resolve() == before:
            assert time.monotonic() < end, self.folder.with_suffix(".out").read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill it with its workers; their tasks may live on."""
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path):
    pytest.importorskip("hyperqueue", reason="HyperQueue is not installed")
    (tmp_path / "server").mkdir()
    made = Server(tmp_path / "server")
    made.start()
    yield made
    made.process.stdin.close()
    made.process.wait(20)


@pytest.fixture
def toy(server, tmp_path):
    (tmp_path / "toy").mkdir()
    made = JobRun(tmp_path / "toy", {"server": str(server.folder)}, {})
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def named(count: int) -> dict[str, dict]:
    return {f"t{number:03d}": {"do": "write", "settings": {"text": f"{number}"}} for number in range(count)}


def test_tasks_are_done_once_and_what_follows_from_them_too(toy):
    wide = {"w": {"do": "write", "settings": {"text": "wide"}, "ranks": 2}}
    toy.plan(named(6) | wide, {"last": {"do": "write", "settings": {"text": "z"}, "reads": ["t003.txt"]}})
    toy.start()
    assert toy.ends(40) == 0, toy.out
    assert "6 tasks of s0 of 1 rank" in toy.out and "1 task of s0 of 2 ranks" in toy.out
    assert toy.done() == [*(f"s0/t{number:03d}" for number in range(6)), "s0/w", "s1/last"]
    assert toy.numbers()["t003.txt"] == "3" and toy.numbers()["w.txt"] == "wide"
    # logs of tasks that are done are not kept
    assert list((toy.run / "jobs").glob("*.log")) == []
    shown = naglass("status", "run", cwd=toy.folder).stdout
    assert "HyperQueue job 1: 6 of 6 tasks have ended" in shown


@pytest.mark.long
def test_jobs_that_never_begin_a_task_are_not_submitted_for_ever(toy):
    toy.plan(named(2))
    (toy.run / "jobs").mkdir(parents=True)
    (toy.run / "lock").touch()
    # a planner of which no job can be started: its list of tasks is taken away
    toy.start()
    end = time.monotonic() + 30
    while toy.process.poll() is None and time.monotonic() < end:
        for path in (toy.run / "jobs").glob("hq-*.json"):
            path.unlink(missing_ok=True)
        time.sleep(0.01)
    assert toy.ends() == 5 and "jobs end before any of their tasks has begun" in toy.out


def test_a_failure_is_reported_and_the_others_are_done(toy):
    toy.plan(named(2) | {"bad": {"do": "fail"}})
    toy.start()
    assert toy.ends() == 4, toy.out
    assert toy.done() == ["s0/t000", "s0/t001"] and "1 failed: s0/bad" in toy.out
    assert len(toy.lines("start")) == 3


def test_a_server_that_was_killed_is_waited_for_and_nothing_is_lost(toy, server):
    count = {"do": "count", "settings": {"steps": 30, "step_s": 0.1}}
    toy.plan(dict.fromkeys("abcd", count))
    toy.start()
    toy.wait_for("step", 10)
    server.kill()
    time.sleep(1.0)
    server.start()
    assert toy.ends(40) == 0, toy.out
    assert toy.done() == ["s0/a", "s0/b", "s0/c", "s0/d"]
    assert toy.numbers() == {f"{name}.txt": "30" for name in "abcd"}
    assert len({tuple(each) for each in toy.lines("step")}) == 120 and len(toy.lines("step")) <= 124


@pytest.mark.long
def test_an_input_ends_with_the_numbers_of_a_run_without_it(server, tmp_path):
    (tmp_path / "input.yaml").write_text(INPUT)
    known = {"HQ_SERVER_DIR": str(server.folder)}
    made = naglass("run", "input.yaml", "--executor", "hyperqueue", cwd=tmp_path, **known)
    assert made.returncode == 0, made.stderr
    plain = naglass("run", "input.yaml", "--folder", "plain", cwd=tmp_path)
    assert plain.returncode == 0, plain.stderr
    for name in ("g0.extxyz", "g1.extxyz"):
        one, other = (tmp_path / folder / "products" / "glass" / name for folder in ("run", "plain"))
        assert one.read_bytes() == other.read_bytes()


def test_without_a_server_it_is_said_what_to_start(tmp_path):
    pytest.importorskip("hyperqueue", reason="HyperQueue is not installed")
    (tmp_path / "input.yaml").write_text(INPUT)
    made = naglass("run", "input.yaml", "--executor", "hyperqueue", cwd=tmp_path, HQ_SERVER_DIR=str(tmp_path / "no"))
    assert made.returncode == 5 and "no server of HyperQueue; start one with 'hq server start" in made.stderr
    assert not (tmp_path / "run").exists()


def test_without_hyperqueue_it_is_said_what_to_install(tmp_path):
    (tmp_path / "input.yaml").write_text(INPUT)
    (tmp_path / "hyperqueue.py").write_text("raise ImportError('hidden')\n")
    path = os.pathsep.join((str(tmp_path), environment()["PYTHONPATH"]))
    made = naglass("run", "input.yaml", "--executor", "hyperqueue", cwd=tmp_path, PYTHONPATH=path)
    assert made.returncode == 5 and made.stderr == "HyperQueue is not installed: pip install hyperqueue\n"


@pytest.mark.long
def test_five_hundred_small_tasks_while_the_server_is_killed_twice(toy, server):
    toy.plan(named(500))
    toy.start()
    for count in (100, 250):
        toy.wait_for("end", count, patience_s=400)
        server.kill()
        server.start()
    assert toy.ends(900) == 0, toy.out
    assert toy.done() == [f"s0/t{number:03d}" for number in range(500)]
    assert toy.numbers() == {f"t{number:03d}.txt": f"{number}" for number in range(500)}
