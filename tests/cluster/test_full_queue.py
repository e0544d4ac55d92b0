"""A queue that takes no more, on a real Slurm with few jobs in all: that is told, or waited for."""

import re
import time

import pytest

from support.job_runs import JobRun
from support.jobs import naglass
from support.slurm import Cluster, lacking

reason = lacking()
pytestmark = [pytest.mark.skipif(bool(reason), reason=reason), pytest.mark.mpi, pytest.mark.slow]
# jobs that have ended count as long as slurmctld remembers them
LIMITS = "MaxJobCount=6\nMaxArraySize=4\nMinJobAge=2\n"
INPUT = """
name: full
seed: 3
system: {{composition: {{Na: 4, P: 4, O: 12}}, density_g_cm3: 2.45}}
glass: {{replicas: 2, melt_ps: {melt}, quench_rate_K_per_ps: 1000, hold_ps: 0.5}}
"""
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("full"), LIMITS) as running:
        yield running


@pytest.fixture
def fill(cluster, tmp_path):
    """Fills the queue, but for so many jobs, with held ones; returns their numbers. All jobs end with the test."""

    def filled(room=0):
        hold = ["sbatch", "--parsable", "--hold", "--wrap=true", f"--output={tmp_path}/held"]
        there = len(cluster.command("squeue", "--noheader", "--array").splitlines())
        return [cluster.command(*hold).strip() for _ in range(5 - there - room)]

    yield filled
    cluster.command("scancel", "--user=root")
    forgotten(cluster)


def forgotten(cluster, patience_s=60.0):
    """Wait until slurmctld remembers no job."""
    end = time.monotonic() + patience_s
    while "JobId" in cluster.command("scontrol", "show", "job", "-o", check=False):
        assert time.monotonic() < end, cluster.command("squeue", "--array")
        time.sleep(0.5)


def test_tasks_wait_for_room_and_each_is_done_once(cluster, fill, tmp_path):
    held = fill(room=2)
    words = {"launcher": "srun --mpi=pmi2", "max_jobs": 100}
    run = JobRun(tmp_path, {"words": words, "hours": 0.1}, cluster.environment)
    names = [f"t{number}" for number in range(8)]
    run.plan({name: {"do": "write", "settings": {"text": name}} for name in names})
    run.start()
    try:
        # an array of eight has too many elements, and one of four is more than there is room for
        end = time.monotonic() + 60
        while not re.search(r"\d tasks? wait: sbatch: (Slurm temporarily|Invalid job array)", run.out):
            assert time.monotonic() < end and run.process.poll() is None, run.out
            time.sleep(0.2)
        cluster.command("scancel", *held)
        assert run.ends(120) == 0, run.out
    finally:
        if run.process.poll() is None:
            run.kill()
    assert run.done() == [f"s0/{name}" for name in names]
    assert sorted(name for name, *_ in run.lines("start")) == names
    assert len(run.jobs()) > 1


def test_a_run_is_not_begun_where_the_queue_is_full(cluster, fill, tmp_path):
    (tmp_path / "input.yaml").write_text(INPUT.format(melt=1.0))
    (tmp_path / "site.yaml").write_text("slurm: {cores_per_node: 4, longest_h: 0.5}\n")
    known = {"cwd": tmp_path, "NAGLASS_SITE": str(tmp_path / "site.yaml"), **cluster.environment}
    held = fill()
    made = naglass("submit", "input.yaml", **known)
    assert made.returncode == 5 and made.stderr == (
        "sbatch: Slurm temporarily unable to accept job, sleeping and retrying; nothing was submitted: submit again "
        "when there is room\n"
    )
    assert not (tmp_path / "run").exists()
    assert set(cluster.command("squeue", "--noheader", "--format=%F").split()) == set(held)
    cluster.command("scancel", *held)
    forgotten(cluster)
    made = naglass("submit", "input.yaml", **known)
    assert made.returncode == 0, made.stderr
    assert cluster.wait(re.match(r"job (\d+):", made.stdout)[1], *ENDED) == "COMPLETED"


@pytest.mark.long
def test_a_job_of_a_chain_goes_back_into_a_full_queue_and_goes_on(cluster, fill, tmp_path):
    (tmp_path / "input.yaml").write_text(INPUT.format(melt=40.0))
    (tmp_path / "site.yaml").write_text("slurm: {cores_per_node: 4, longest_h: 0.5}\n")
    known = {"cwd": tmp_path, "NAGLASS_SITE": str(tmp_path / "site.yaml"), **cluster.environment}
    made = naglass("submit", "input.yaml", **known)
    job = re.match(r"job (\d+):", made.stdout)[1]
    run = tmp_path / "run"
    end = time.monotonic() + 60
    while not list((run / "tasks" / "glass").glob("g0/attempt-*/segments/checkpoint.json")):
        assert time.monotonic() < end, "no checkpoint"
        time.sleep(0.2)
    fill()
    cluster.command("scancel", "--batch", "--signal=USR1", job)
    cluster.wait(job, "PENDING", patience_s=60)
    log = (run / "jobs" / f"{job}.log").read_text()
    assert f"job {job} is put back into the queue, since Slurm takes no other: sbatch: Slurm temporarily" in log
    # sooner than Slurm would; but a node starts no job again in the second in which it has killed it
    cluster.command("scontrol", "update", f"jobid={job}", "StartTime=now+3seconds")
    assert cluster.wait(job, *ENDED, patience_s=120) == "COMPLETED", (run / "jobs" / f"{job}.log").read_text()
    plain = naglass("run", "input.yaml", "--folder", "plain", cwd=tmp_path)
    assert plain.returncode == 0, plain.stderr
    for name in ("g0.extxyz", "g1.extxyz"):
        one, other = (tmp_path / folder / "products" / "glass" / name for folder in ("run", "plain"))
        assert one.read_bytes() == other.read_bytes()
    assert len(list((run / "tasks" / "glass" / "g0").glob("attempt-*"))) == 2
