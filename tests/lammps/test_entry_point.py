"""The styles of an installed naglass are known to LAMMPS without any setting."""

import subprocess
from importlib import metadata

import pytest

from support.lammps_runs import PREFIX, environment
from support.other_lammps import SCRIPT, cell, expected_sums, thermo

__all__ = ["cell"]

pytestmark = pytest.mark.mpi


def test_pip_install_alone_makes_the_styles_known(cell):
    """`lmp` of the environment asks the entry point; nothing else points to the plugins."""
    installed = [e for e in metadata.entry_points(group="lammps.plugins") if e.name == "naglass"]
    assert installed, "naglass is not installed in this environment: make build"
    (cell / "in.lmp").write_text(SCRIPT)
    helped = ("LAMMPS_PLUGIN_PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
    bare = {name: value for name, value in environment().items() if name not in helped}
    command = [str(PREFIX / "bin" / "lmp"), "-in", "in.lmp", "-log", "none"]
    done = subprocess.run(command, cwd=cell, env=bare, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert thermo(done.stdout) == expected_sums()
