"""Tasks in arrays of Slurm jobs, on a real Slurm of two virtual nodes: whatever happens to the jobs, each task is done
once, with the numbers of a run without Slurm.
"""

import json
import os
import random
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from support.job_runs import JobRun
from support.jobs import naglass
from support.short_chain import shortened, write
from support.slurm import Cluster, lacking
from support.toy import note

reason = lacking()
pytestmark = [pytest.mark.skipif(bool(reason), reason=reason), pytest.mark.mpi, pytest.mark.slow]
COUNT = {"do": "count", "settings": {"steps": 20, "step_s": 0.1}}
INPUT = """
name: arrays
seed: 3
system: {composition: {Na: 4, P: 4, O: 12}, density_g_cm3: 2.45}
glass: {replicas: 3, melt_ps: 1.0, quench_rate_K_per_ps: 1000, hold_ps: 0.5}
"""
PROFILE = "executor: slurm\nslurm: {cores_per_node: 4, longest_h: 0.5, least_s: 0, max_jobs: 4}\n"


@pytest.fixture
def toy(cluster, tmp_path):
    made = []

    def make(**words) -> JobRun:
        words = {"launcher": "srun --mpi=pmi2", "max_jobs": 4, **words}
        made.append(JobRun(tmp_path, {"words": words, "hours": 0.1}, cluster.environment))
        return made[-1]

    yield make
    for each in made:
        if each.process is not None and each.process.poll() is None:
            each.kill()
    cluster.command("scancel", "--user=root", check=False)
    end = time.monotonic() + 30
    while cluster.command("squeue", "--noheader").strip() and time.monotonic() < end:
        time.sleep(0.2)


def running(cluster: Cluster) -> list[str]:
    """Elements of arrays that run, as 12_3."""
    return cluster.command("squeue", "--noheader", "--array", "--states=RUNNING", "--format=%F_%K").split()


def numbers(run: Path) -> list[dict]:
    """The numbers of a report, without times that steps have taken."""
    found = json.loads((run / "report.json").read_text())["numbers"]
    assert len(found) > 100
    return [row for row in found if row["unit"] not in ("s", "ns/day")]


def emptied(cluster: Cluster, patience_s: float) -> None:
    """Wait until the queue is empty."""
    end = time.monotonic() + patience_s
    while cluster.command("squeue", "--noheader").strip():
        assert time.monotonic() < end, cluster.command("squeue", "--array")
        time.sleep(0.3)


def quick(*names):
    return {name: {"do": "write", "settings": {"text": f"text of {name}"}} for name in names}


def test_a_chain_of_jobs_ends_with_the_numbers_of_mpirun(cluster, tmp_path):
    (tmp_path / "input.yaml").write_text(INPUT)
    (tmp_path / "site.yaml").write_text(PROFILE)
    known = {"NAGLASS_SITE": str(tmp_path / "site.yaml"), **cluster.environment}
    made = naglass("submit", "input.yaml", cwd=tmp_path, **known)
    assert made.returncode == 0 and "which plans the run and submits jobs for its tasks" in made.stdout, made.stderr
    emptied(cluster, 90)
    plain = naglass("run", "input.yaml", "--folder", "plain", "--executor", "mpi", cwd=tmp_path, ranks=2, **known)
    assert plain.returncode == 0, plain.stderr
    glasses = {path.name: path.read_bytes() for path in (tmp_path / "run" / "products" / "glass").glob("g?.extxyz")}
    assert len(glasses) == 3
    for name, content in glasses.items():
        assert (tmp_path / "plain" / "products" / "glass" / name).read_bytes() == content
    shown = naglass("status", "run", cwd=tmp_path, **known).stdout
    assert "3 of 3 done" in shown and re.search(r"job \d+: \d COMPLETED\n", shown)
    # whoever runs it now finds all done
    again = naglass("run", "input.yaml", cwd=tmp_path, **known)
    assert again.returncode == 0 and "3 tasks, 3 already done" in again.stdout


def test_one_array_for_each_shape_and_what_follows_waits_for_it(toy):
    run = toy(max_jobs=6)
    wide = {"w": {"do": "write", "settings": {"text": "wide"}, "ranks": 2}}
    run.plan(quick("a", "b", "c") | wide, {"last": {"do": "write", "settings": {"text": "z"}, "reads": ["a.txt"]}})
    run.start()
    assert run.ends() == 0, run.out
    first, second, third = [row["job"] for row in run.jobs()]
    assert f"job {first}: 3 tasks of s0 in 3 jobs of 1 rank" in run.out
    assert f"job {second}: 1 task of s0 in 1 job of 2 ranks" in run.out
    assert f"job {third}: 1 task of s1" in run.out
    assert run.done() == ["s0/a", "s0/b", "s0/c", "s0/w", "s1/last"]
    assert run.numbers()["w.txt"] == "wide" and run.numbers()["a.txt"] == "text of a"
    assert sorted(name for name, ranks, _ in run.lines("start") if ranks == "ranks=2") == ["w"]


def test_many_tasks_go_into_as_many_jobs_as_may_be(toy):
    run = toy(max_jobs=4)
    run.plan(quick(*(f"t{number:02d}" for number in range(20))))
    run.start()
    assert run.ends() == 0, run.out
    assert re.search(r"job \d+: 20 tasks of s0 in 2 jobs of 1 rank", run.out)
    assert len(run.jobs()) == 1 and len(run.done()) == 20


def test_a_planner_that_was_killed_submits_nothing_twice(toy):
    run = toy()
    # long enough that the next one looks before they end, on a busy machine, too
    count = {"do": "count", "settings": {"steps": 60, "step_s": 0.25}}
    run.plan({"a": count, "b": count})
    run.start()
    run.wait_for("step", 4)
    run.kill()
    # as if it had not come to write down what it had submitted
    (run.run / "jobs" / "submitted.jsonl").write_text("")
    run.start()
    assert run.ends() == 0, run.out
    assert len(run.jobs()) == 1 and run.done() == ["s0/a", "s0/b"]
    assert len(run.lines("step")) == 120


def test_a_job_that_is_cancelled_by_hand_goes_on_in_another(toy, cluster):
    run = toy()
    run.plan({"a": COUNT})
    run.start()
    run.wait_for("step", 4)
    cluster.command("scancel", "--signal=KILL", *running(cluster))
    assert run.ends() == 0, run.out
    assert len(run.jobs()) == 2 and run.done() == ["s0/a"]
    # it has gone on from what was saved
    assert len({step for _, step in run.lines("step")}) == 20 and len(run.lines("step")) <= 21


@pytest.mark.long
def test_a_signal_lets_a_job_save_what_it_does(toy, cluster):
    run = toy()
    run.plan({"a": COUNT})
    run.start()
    run.wait_for("step", 4)
    (job,) = running(cluster)
    cluster.command("scancel", "--batch", "--signal=USR1", job)
    assert run.ends() == 0, run.out
    assert len(run.lines("step")) == 20 and run.done() == ["s0/a"]
    log = (run.run / "jobs" / f"{job}.log").read_text()
    assert "stopped by signal SIGUSR1" in log


@pytest.mark.long
def test_a_job_that_is_requeued_does_what_is_left(toy, cluster):
    run = toy()
    run.plan({"a": COUNT, "b": COUNT})
    run.start()
    run.wait_for("step", 4)
    job = running(cluster)[0]
    cluster.command("scontrol", "requeue", job)
    cluster.wait(job, "PENDING")
    cluster.command("scontrol", "update", f"jobid={job}", "StartTime=now")
    assert run.ends() == 0, run.out
    assert len(run.jobs()) == 1 and run.done() == ["s0/a", "s0/b"]


def test_a_task_that_kills_its_jobs_is_set_aside_and_the_others_are_done(toy, cluster):
    run = toy()
    kill = "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
    poison = {"do": "child", "settings": {"code": kill}}
    run.plan({"poison": poison} | quick("a", "b", "c"), {"last": {"do": "write", "settings": {"text": "z"}}})
    run.start()
    assert run.ends() == 4, run.out
    assert "s0/poison SET ASIDE: 3 attempts in a row have ended without getting further: attempt-1 on n" in run.out
    assert run.done() == ["s0/a", "s0/b", "s0/c"]
    shown = naglass("status", "run", cwd=run.folder, **cluster.environment).stdout
    assert "s0/poison: failed; SET_ASIDE: 3 attempts" in shown
    assert len(run.lines("start")) == 6
    log = naglass("logs", "poison", cwd=run.folder, **cluster.environment)
    # of the job, since the task was killed before it could write
    assert re.match(r"run/jobs/\d+_\d+\.log:\n", log.stdout)
    # a person asks for it once more
    assert naglass("retry", "poison", cwd=run.folder, **cluster.environment).returncode == 0
    run.start()
    assert run.ends() == 4 and len(run.lines("start")) == 9


@pytest.mark.long
@pytest.mark.cp2k
def test_a_chain_from_glass_to_report_over_two_nodes_ends_with_the_numbers_of_mpirun(cluster, tmp_path):
    """Each task has a node for itself, CP2K and the fit among them."""
    write(tmp_path, shortened())
    (tmp_path / "site.yaml").write_text(PROFILE.replace("_node: 4", "_node: 1, options: [--exclusive], aim_h: 0.001"))
    known = {"NAGLASS_SITE": str(tmp_path / "site.yaml"), **cluster.environment}
    made = naglass("submit", "input.yaml", cwd=tmp_path, **known)
    assert made.returncode == 0, made.stderr
    emptied(cluster, 600)
    plain = naglass(
        *("run", "input.yaml", "--folder", "plain", "--executor", "mpi"), cwd=tmp_path, ranks=2, patience_s=600, **known
    )
    assert plain.returncode == 0, plain.stderr
    run = tmp_path / "run"
    logs = "\n".join(path.read_text() for path in (run / "jobs").glob("*.log"))
    assert (run / "report.html").is_file(), logs
    assert numbers(run) == numbers(tmp_path / "plain")
    for name in ("glass/g0.extxyz", "dataset/train.extxyz"):
        assert (run / "products" / name).read_bytes() == (tmp_path / "plain" / "products" / name).read_bytes()
    hosts = {json.loads(path.read_text())["host"] for path in run.glob("tasks/*/*/attempt-*/attempt.json")}
    assert hosts == {"n1", "n2"}


@pytest.mark.long
def test_a_host_on_which_all_tasks_die_is_left_out_and_named(toy, cluster):
    run = toy()
    kill = "import os, signal; os.environ['SLURMD_NODENAME'] == 'n1' and os.kill(os.getppid(), signal.SIGKILL)"
    run.plan({name: {"do": "child", "settings": {"code": kill}} for name in "abcd"})
    run.start()
    assert run.ends() == 0, run.out
    assert re.search(r"n1 is left out: s0/\w, s0/\w, s0/\w(, s0/\w)? ended there in vain", run.out)
    assert run.done() == ["s0/a", "s0/b", "s0/c", "s0/d"]
    shown = naglass("status", "run", cwd=run.folder, **cluster.environment).stdout
    assert "host n1 is left out: s0/" in shown


@pytest.mark.long
def test_a_drained_node_is_avoided(toy, cluster):
    run = toy()
    run.plan({"a": COUNT, "b": COUNT})
    cluster.command("scontrol", "update", "nodename=n1", "state=drain", "reason=test")
    try:
        run.start()
        assert run.ends() == 0, run.out
    finally:
        cluster.command("scontrol", "update", "nodename=n1", "state=resume")
    hosts = {json.loads(path.read_text())["host"] for path in run.run.glob("tasks/s0/*/attempt-*/attempt.json")}
    assert hosts == {"n2"}


@pytest.mark.long
def test_the_end_of_a_job_is_no_loss(toy, cluster):
    """A minute of a job, of which the last tenth is for saving, for tasks of three quarters of a minute each."""
    run = toy(max_jobs=3)
    run.plan({name: {"do": "count", "settings": {"steps": 45, "step_s": 1.0}} for name in "ab"})
    run.start()
    run.wait_for("step", 2)
    for job in running(cluster):
        cluster.command("scontrol", "update", f"jobid={job}", "TimeLimit=1")
    assert run.ends(300) == 0, run.out
    assert len(run.jobs()) > 1 and run.done() == ["s0/a", "s0/b"]


@pytest.mark.long
def test_the_orphan_of_a_lost_node_is_waited_for(toy, cluster):
    run = toy()
    run.plan({"a": {"do": "count", "settings": {"steps": 60, "step_s": 1.0}}})
    run.start()
    run.wait_for("step", 3)
    (job,) = running(cluster)
    node = re.search(r"NodeList=(n\d)", cluster.command("scontrol", "show", "job", "-o", job))[1]
    cluster.kill_node(node)
    cluster.wait(job, "PENDING", patience_s=60)
    cluster.command("scontrol", "update", f"jobid={job}", "StartTime=now")
    try:
        assert run.ends(180) == 0, run.out
    finally:
        cluster.start_node(node)
    # what the orphan has finished counts, and nobody has begun anew
    assert run.done() == ["s0/a"] and len(run.lines("start")) == 1 and len(run.lines("step")) == 60


@pytest.mark.long
@pytest.mark.parametrize("seed", [1])
def test_thirty_kills_at_random_moments_lose_nothing_and_do_nothing_twice(toy, cluster, seed):
    run, chance = toy(), random.Random(seed)
    tasks = {f"t{number:02d}": {"do": "count", "settings": {"steps": 80, "step_s": 0.1}} for number in range(24)}
    last = {"last": {"do": "write", "settings": {"text": "z"}, "reads": ["t00.txt"]}}
    run.plan(tasks, last)
    run.start()
    kills = 0
    while kills < 30 and run.process.poll() is None:
        time.sleep(chance.uniform(0.5, 3.0))
        kills += strike(run, cluster, chance)
    if run.process.poll() is not None and kills < 30:
        raise AssertionError(f"only {kills} kills before the end: {run.out}")
    assert run.ends(300) == 0, run.out
    assert run.done() == sorted([*(f"s0/{name}" for name in tasks), "s1/last"])
    assert run.numbers() == {f"{name}.txt": "80" for name in tasks} | {"last.txt": "z"}
    # a step is done again only if a kill came between it and its note
    assert len(run.lines("step")) <= 24 * 80 + 30


def strike(run: JobRun, cluster: Cluster, chance: random.Random) -> int:
    """One of the things that happen to jobs; returns how many."""
    ranks = [int(process) for _, process in run.lines("rank") if Path("/proc", process).exists()]
    jobs = running(cluster)
    what = chance.choice(["rank", "job", "requeue", "planner"])
    if what == "planner":
        run.kill()
        note(run.journal, "killed", "planner")
        run.start()
        return 1
    if not ranks or not jobs:
        return 0
    note(run.journal, "killed", what)
    if what == "rank":
        with suppress(ProcessLookupError):
            os.kill(chance.choice(ranks), signal.SIGKILL)
    elif what == "job":
        cluster.command("scancel", "--signal=KILL", chance.choice(jobs), check=False)
    else:
        job = chance.choice(jobs)
        cluster.command("scontrol", "requeue", job, check=False)
        # Slurm has to be told that it need not wait two minutes, once the job has left its node
        end = time.monotonic() + 15
        while cluster.state(job) in ("RUNNING", "COMPLETING") and time.monotonic() < end:
            time.sleep(0.1)
        cluster.command("scontrol", "update", f"jobid={job}", "StartTime=now", check=False)
    return 1
