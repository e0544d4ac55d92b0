"""Two trajectories side by side under mpirun, with a stand-in for CP2K: killed, stopped, and taken up again."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from naglass_drv.dataset.frames import read_labeled
from support import cp2k_stand_in
from support.jobs import MPIRUN, environment, kill_job
from support.structures import DATA

pytestmark = [pytest.mark.mpi, pytest.mark.cp2k]

STEPS, EVERY = 60, 5
CELL = DATA / "structures" / "mol8s.extxyz"


@pytest.fixture
def study(tmp_path):
    """A folder with an input of two trajectories, and a site whose CP2K makes a step in 30 ms."""
    folder = tmp_path.resolve()
    program = cp2k_stand_in.install(folder / "bin", {"dynamics": DATA / "cp2k" / "x_md", "step_s": 0.03})
    (folder / "two.extxyz").write_text(CELL.read_text() * 2)
    content = {
        "name": "two", "system": {"composition": {"Na": 1, "V": 1, "P": 1, "O": 5}, "density_g_cm3": 2.0},
        "reference": [{
            "name": "hot", "level": "gfn1-xtb", "structures": "two.extxyz",
            "aimd": {"every_fs": EVERY, "segments": [{"temperature_K": 900, "time_ps": STEPS / 1000}]},
        }],
    }  # fmt: skip
    with open(folder / "input.yaml", "w") as stream:
        YAML().dump(content, stream)
    (folder / "site.yaml").write_text(f"cp2k: {program}\ncp2k_data: /usr/share/cp2k\n")
    return folder


def start(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [MPIRUN, "-n", "2", sys.executable, "-m", "naglass_drv", "run", "input.yaml"],
        cwd=folder,
        env=environment(NAGLASS_SITE=str(folder / "site.yaml")),
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def last_steps(folder: Path) -> list[int]:
    """The last step of each trajectory's last part that has any."""
    found = []
    for task in (folder / "run" / "tasks" / "reference").glob("hot-*"):
        files = sorted(task.glob("attempt-*/parts/*/md-1.ener"), key=lambda path: path.stat().st_mtime)
        lines = files[-1].read_text().splitlines() if files else []
        found.append(int(lines[-1].split()[0]) if lines else 0)
    return found


def wait_for(folder: Path, job: subprocess.Popen, step: int) -> None:
    deadline = time.monotonic() + 60
    while len(steps := last_steps(folder)) < 2 or min(steps) < step:
        assert job.poll() is None and time.monotonic() < deadline, f"no step {step} of both"
        time.sleep(0.02)


def check_whole(folder: Path) -> None:
    frames = read_labeled(folder / "run" / "products" / "reference" / "hot.extxyz")
    steps = list(range(0, STEPS + 1, EVERY))
    assert [frame.info["step"] for frame in frames] == steps * 2
    for task in (folder / "run" / "tasks" / "reference").glob("hot-*"):
        attempts = sorted(task.glob("attempt-*"), key=lambda path: int(path.name[8:]))
        facts = [json.loads(path.read_text()) for path in sorted(attempts[-1].glob("parts/*/part.json"))]
        # whatever happened, each part went on from a later step than the one before
        firsts = [fact["first"] for fact in facts]
        assert firsts == sorted(set(firsts)) and len(attempts) > 1


def test_killed_twice_in_the_middle(study):
    for step in (12, 31):
        job = start(study)
        wait_for(study, job, step)
        kill_job(job, study)
    job = start(study)
    assert job.wait(120) == 0
    check_whole(study)


@pytest.mark.long
def test_stopped_by_a_file_exit(study):
    job = start(study)
    wait_for(study, job, 12)
    (study / "run" / "EXIT").touch()
    assert job.wait(120) == 3
    job = start(study)
    assert job.wait(120) == 0
    check_whole(study)
