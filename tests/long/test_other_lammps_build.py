"""The plugin built for real against a second LAMMPS, whose C++ ABI is the old one."""

from pathlib import Path

import pytest

from naglass_drv.engines.mace.export import export_module
from naglass_drv.engines.mace.modelfile import default_dtype
from support.lammps_runs import run_lammps, thermo_tables, write_data
from support.mace_models import ELEMENTS, build_model, packing
from support.other_lammps import BUILD, PACKAGE, SCRIPT, cell, configure, expected_sums, other_lammps, thermo
from support.tools import call

__all__ = ["cell", "other_lammps"]

pytestmark = [pytest.mark.mpi, pytest.mark.slow]

MACE = """
units metal
read_data glass.data
pair_style mace trust yes
pair_coeff * * {}.naglass O Na P V
velocity all create 900 4928 loop all
fix move all nve
thermo_style custom step pe pxx pyz
thermo_modify format float %.12g
run 10
"""


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
    assert "pair_style mace cannot use libtorch with this LAMMPS" in log and "old C++ ABI" in log
    built = ["libnaglass_mace.so", "libnaglass_styles.so", "maceplugin.so", "naglassplugin.so"]
    assert sorted(p.name for p in other_plugins.iterdir()) == built


def test_mace_runs_in_the_other_lammps(other_plugins, tmp_path):
    """Without libtorch, which could not be linked there; an archive that needs it is refused by this reason."""
    with default_dtype("float64"):
        model = build_model("4x0e+4x1o", r_max=4.0, max_ell=2, correlation=3)
    export_module(model, tmp_path / "numbers.naglass")
    export_module(model, tmp_path / "code.naglass", with_torch=True)
    write_data(tmp_path / "glass.data", packing(26, 14.0, tilt=True, seed=1), ELEMENTS)
    there = run_lammps(tmp_path, MACE.format("numbers"), program=PACKAGE / "lmp", plugins=other_plugins)
    here = run_lammps(tmp_path, MACE.format("numbers"))
    assert there.returncode == 0, there.stdout + there.stderr
    assert thermo_tables(there.stdout)[-1] == pytest.approx(thermo_tables(here.stdout)[-1], rel=1e-9)
    refused = run_lammps(tmp_path, MACE.format("code"), program=PACKAGE / "lmp", plugins=other_plugins)
    assert refused.returncode != 0 and "was built without libtorch" in refused.stdout


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
