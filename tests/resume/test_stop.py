"""Asked to stop by signal, EXIT file or walltime: state saved, exit 3, and a last line that says how to go
on.
"""

import os
import signal

import pytest

from naglass_drv.errors import InputError
from naglass_drv.runtime.stop import walltime_seconds

pytestmark = pytest.mark.mpi

STEPS = 30


def counting(name, step_s=0.02, **more):
    return {"name": name, "do": "count", "settings": {"steps": STEPS, "step_s": step_s}, **more}


def check_stopped(toy, job, reason):
    done = toy.wait(job)
    assert done.returncode == 3, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"stopped by {reason}; can be restarted as is; resume with: ")
    left = {path.name for path in toy.run.iterdir()}
    assert not {name for name in left if name == "EXIT" or name.startswith(".stop")}
    before = len(toy.lines("step"))
    assert before < 2 * STEPS
    resumed = toy.finish()
    assert resumed.returncode == 0, resumed.stderr
    assert len(toy.lines("step")) == 2 * STEPS, "every step once"


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, pytest.param(signal.SIGUSR1, marks=pytest.mark.long)]
)
def test_signal_to_the_launcher(toy, number):
    toy.plan(only=[counting("a"), counting("wide", ranks=2)])
    job = toy.start()
    toy.wait_for("step", 10)
    job.send_signal(number)
    check_stopped(toy, job, f"signal {number.name}")


def test_signal_that_reaches_one_rank_alone(toy):
    toy.plan(only=[counting("a"), counting("b")])
    job = toy.start()
    toy.wait_for("step", 10)
    (process,) = (int(process) for rank, process in toy.lines("rank") if rank == "1")
    os.kill(process, signal.SIGTERM)
    check_stopped(toy, job, "signal SIGTERM")


def test_exit_file(toy):
    toy.plan(only=[counting("a"), counting("b")])
    job = toy.start()
    toy.wait_for("step", 10)
    (toy.run / "EXIT").touch()
    check_stopped(toy, job, "file EXIT in the run folder")


def test_walltime(toy):
    toy.plan(only=[counting("a", step_s=0.12), counting("b", step_s=0.12)])
    check_stopped(toy, toy.start(walltime_s=2.0), "walltime")


def test_child_is_ended_when_the_job_is_asked_to_stop(toy):
    code = "import sys, time; open(sys.argv[1], 'a').write('child\\n'); time.sleep(300)"
    toy.plan(only=[{"name": "tool", "do": "child", "settings": {"code": code}}])
    job = toy.start()
    toy.wait_for("child")
    job.terminate()
    done = toy.wait(job)
    assert done.returncode == 3
    assert "only/tool stopped" in done.stdout


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("1.5h", 5400), ("20s", 20), ("01:30:00", 5400)])
def test_walltime_is_read(text, seconds):
    assert walltime_seconds(text) == seconds


@pytest.mark.parametrize("text", ["90", "1:30", "0s", "-5m", "1h30", "00:61:00"])
def test_walltime_that_could_be_misread_is_refused(text):
    with pytest.raises(InputError, match="--walltime"):
        walltime_seconds(text)
