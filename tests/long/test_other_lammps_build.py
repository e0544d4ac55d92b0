"""The plugin built for real against a second LAMMPS, whose C++ ABI is the old one."""

from pathlib import Path

import pytest

from support.lammps_runs import run_lammps
from support.other_lammps import BUILD, PACKAGE, SCRIPT, cell, configure, expected_sums, other_lammps, thermo
from support.tools import call

__all__ = ["cell", "other_lammps"]

pytestmark = [pytest.mark.mpi, pytest.mark.slow]


@pytest.fixture(scope="module")
def other_plugins(other_lammps) -> Path:
    """Folder of the plugins built for the older LAMMPS; the build output goes into configure.log."""
    done = configure(BUILD, other_lammps, "-DCMAKE_CXX_FLAGS_RELEASE=-O0")
    assert done.returncode == 0, done.stdout + done.stderr
    (BUILD / "configure.log").write_text(done.stdout)
    for action in (["--build", BUILD, "--parallel", "2"], ["--install", BUILD, "--prefix", BUILD]):
        done = call("cmake", *action)
        assert done.returncode == 0, done.stdout + done.stderr
    return BUILD / "lib" / "naglass" / "plugins"


def test_build_finds_version_and_abi(other_plugins):
    log = (BUILD / "configure.log").read_text()
    assert f"LAMMPS 29 Aug 2024 at {PACKAGE}, SMALLBIG, C++11 ABI 0" in log
    assert "pair_style mace cannot be built for this LAMMPS" in log and "old C++ ABI" in log
    assert sorted(p.name for p in other_plugins.iterdir()) == ["libnaglass_styles.so", "naglassplugin.so"]


def test_compute_runs_in_the_other_lammps(other_plugins, cell):
    done = run_lammps(cell, SCRIPT, program=PACKAGE / "lmp", plugins=other_plugins)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "LAMMPS (29 Aug 2024" in done.stdout
    assert thermo(done.stdout) == expected_sums()


def test_plugin_of_the_other_lammps_says_so_in_this(other_plugins, cell):
    done = run_lammps(cell, SCRIPT, ranks=2, plugins=other_plugins)
    assert done.returncode != 0
    warning = "naglassplugin.so was built for LAMMPS 29Aug2024, but this is LAMMPS 22Jul2025"
    assert done.stdout.count(warning) == 1, "one rank speaks for all"
