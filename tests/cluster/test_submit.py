"""Runs as chains of Slurm jobs, on a real Slurm of two virtual nodes."""

import json
import os
import re
import time
from pathlib import Path

import pytest

from support.jobs import naglass
from support.slurm import lacking

reason = lacking()
pytestmark = [pytest.mark.skipif(bool(reason), reason=reason), pytest.mark.mpi, pytest.mark.slow]

INPUT = """
name: chain
seed: 3
system: {{composition: {{Na: 4, P: 4, O: 12}}, density_g_cm3: 2.45}}
glass: {{replicas: 2, melt_ps: {melt}, quench_rate_K_per_ps: 1000, hold_ps: 0.5}}
"""
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")


@pytest.fixture
def site(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text("slurm: {cores_per_node: 4, longest_h: 0.5}\n")
    return str(path)


def submit(cluster, tmp_path, site, *more, melt=1.0):
    (tmp_path / "input.yaml").write_text(INPUT.format(melt=melt))
    made = naglass("submit", "input.yaml", *more, cwd=tmp_path, NAGLASS_SITE=site, **cluster.environment)
    assert made.returncode == 0, made.stderr
    return re.match(r"job (\d+):", made.stdout)[1]


def jobs(tmp_path):
    lines = (tmp_path / "run" / "jobs" / "submitted.jsonl").read_text().splitlines()
    return [json.loads(line)["job"] for line in lines]


def log(tmp_path):
    return "\n".join(path.read_text() for path in sorted((tmp_path / "run" / "jobs").glob("*.log")))


def wait_for(condition, what, patience_s=60.0):
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def glasses(folder):
    return [path.read_bytes() for path in sorted((folder / "products" / "glass").glob("g?.extxyz"))]


def at_work(tmp_path):
    return bool(list((tmp_path / "run" / "tasks" / "glass").glob("g0/attempt-*/segments/checkpoint.json")))


def test_two_ranks_under_srun_end_with_the_numbers_of_mpirun(cluster, tmp_path, site):
    job = submit(cluster, tmp_path, site, "--ranks", "2")
    assert cluster.wait(job, *ENDED) == "COMPLETED", log(tmp_path)
    plain = naglass("run", "input.yaml", "--folder", "plain", cwd=tmp_path, ranks=2)
    assert plain.returncode == 0, plain.stderr
    assert glasses(tmp_path / "run") == glasses(tmp_path / "plain") != []
    assert jobs(tmp_path) == [job]
    shown = naglass("status", "run", cwd=tmp_path, **cluster.environment)
    assert f"job {job}: COMPLETED" in shown.stdout


def test_a_job_that_is_signaled_submits_the_next_which_goes_on(cluster, tmp_path, site):
    first = submit(cluster, tmp_path, site, melt=40.0)
    wait_for(lambda: at_work(tmp_path), "no checkpoint")
    cluster.command("scancel", "--batch", "--signal=USR1", first)
    cluster.wait(first, *ENDED)
    first, second = jobs(tmp_path)
    assert cluster.wait(second, *ENDED, patience_s=120) == "COMPLETED", log(tmp_path)
    assert "stopped by signal SIGUSR1; can be restarted" in log(tmp_path)
    attempts = sorted((tmp_path / "run" / "tasks" / "glass" / "g0").glob("attempt-*"))
    assert len(attempts) == 2
    plain = naglass("run", "input.yaml", "--folder", "plain", cwd=tmp_path)
    assert plain.returncode == 0, plain.stderr
    assert glasses(tmp_path / "run") == glasses(tmp_path / "plain") != []


@pytest.mark.long
def test_cancel_ends_the_chain_and_submit_goes_on_from_it(cluster, tmp_path, site):
    first = submit(cluster, tmp_path, site, melt=40.0)
    wait_for(lambda: at_work(tmp_path), "no checkpoint")
    again = naglass("submit", "input.yaml", cwd=tmp_path, NAGLASS_SITE=site, **cluster.environment)
    assert again.returncode == 2 and "a job works on it" in again.stderr
    cancelled = naglass("cancel", "run", cwd=tmp_path, **cluster.environment)
    assert cancelled.stdout == f"cancelled: {first}\n"
    cluster.wait(first, *ENDED)
    assert jobs(tmp_path) == [first]
    second = submit(cluster, tmp_path, site, melt=40.0)
    assert cluster.wait(second, *ENDED, patience_s=120) == "COMPLETED", log(tmp_path)
    assert len(list((tmp_path / "run" / "tasks" / "glass" / "g0").glob("attempt-*"))) == 2


@pytest.mark.long
def test_a_lost_node_is_left_to_its_orphan_and_the_job_that_slurm_starts_again_waits_for_it(cluster, tmp_path, site):
    job = submit(cluster, tmp_path, site, melt=60.0)
    wait_for(lambda: at_work(tmp_path), "no checkpoint")
    node = re.search(r"NodeList=(n\d)", cluster.command("scontrol", "show", "job", "-o", job))[1]
    cluster.kill_node(node)
    cluster.wait(job, "PENDING", patience_s=60)
    cluster.command("scontrol", "update", f"jobid={job}", "StartTime=now")
    try:
        assert cluster.wait(job, *ENDED, patience_s=180) == "COMPLETED", log(tmp_path)
    finally:
        cluster.start_node(node)
    started = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in started].count("run started") == 2
    # nothing is done twice: what the orphan has finished counts
    assert sum(event["event"] == "task done" for event in started) <= 2
    assert len(glasses(tmp_path / "run")) == 2


def test_no_further_job_where_two_have_ended_without_anything_saved(cluster, tmp_path, site):
    submit(cluster, tmp_path, site)
    folder = tmp_path / "run"
    cluster.wait(jobs(tmp_path)[0], *ENDED)
    now = time.time()
    with open(folder / "jobs" / "submitted.jsonl", "w") as file:
        file.writelines(json.dumps({"job": str(900 + k), "submitted": now + k}) + "\n" for k in (100, 200))
    more = {"NAGLASS_SITE": site, "SLURM_JOB_ID": "901"} | cluster.environment
    made = naglass("submit", "input.yaml", "--next", cwd=tmp_path, **more)
    assert made.returncode == 5 and "two jobs have ended without a task done or saved" in made.stderr


def test_what_slurm_does_not_know_is_refused(cluster, tmp_path, site):
    (tmp_path / "input.yaml").write_text(INPUT.format(melt=1.0))
    words = {"cwd": tmp_path, "NAGLASS_SITE": site, **cluster.environment}
    Path(site).write_text("slurm:\n  cores_per_node: 4\n  longest_h: 0.5\n  partition: nowhere\n")
    made = naglass("submit", "input.yaml", **words)
    assert made.returncode == 2
    assert made.stderr == "site.yaml:4: slurm.partition: nowhere: no such partition; there are main\n"
    assert not (tmp_path / "run").exists()
    # the rest is left to Slurm, in its own words
    Path(site).write_text("slurm: {cores_per_node: 4, longest_h: 0.5, constraint: nothing}\n")
    made = naglass("submit", "input.yaml", **words)
    assert made.returncode == 5 and made.stderr.startswith("sbatch: ") and "feature" in made.stderr.lower()


def test_the_end_of_a_job_is_that_of_slurm(cluster, tmp_path):
    from naglass_drv.runtime.batch import end_of_job

    script = tmp_path / "sleep.sh"
    script.write_text("#!/bin/bash\nsleep 20\n")
    job = cluster.command("sbatch", "--parsable", "--time=10", f"--output={tmp_path}/out", str(script)).strip()
    cluster.wait(job, "RUNNING")
    os.environ |= cluster.environment
    try:
        left_s = end_of_job({"SLURM_JOB_ID": job})
    finally:
        del os.environ["SLURM_CONF"]
        cluster.command("scancel", job)
    assert 560 < left_s <= 600
