"""What `make test-long` runs."""

import shlex
from pathlib import Path

import pytest

from support.tools import call

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_make_test_long_takes_all_long_tests():
    """Those in tests/long and those of other folders, which one and the same command has to reach."""
    command = call("make", "-n", "-C", ROOT, "test-long").stdout.splitlines()
    (line,) = [line for line in command if " -m pytest " in line]
    arguments = shlex.split(line.split(" -m pytest ")[1])
    parallel = arguments.index("-n")
    chosen = arguments[:parallel] + arguments[parallel + 2 :]
    chosen = [word for word in chosen if word not in ("--dist", "loadfile", "--no-loadscope-reorder")]
    done = call(
        "python", "-m", "pytest", "--collect-only", "-p", "no:xdist", "--rootdir", ROOT, *chosen[:-1], ROOT / chosen[-1]
    )
    found = {name.split("::")[0] for name in done.stdout.splitlines() if "::" in name}
    folders = {Path(name).parent.name for name in found}
    assert {"long", "lammps", "resume"} <= folders, done.stdout[-2000:] + done.stderr[-2000:]
    expected = {path.name for path in (ROOT / "tests" / "long").glob("test_*.py")}
    assert expected == {Path(name).name for name in found if Path(name).parent.name == "long"}
