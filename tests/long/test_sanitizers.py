"""The core builds without Python and passes its own tests under the address and undefined-behavior sanitizers."""

import re
from pathlib import Path

from support.tools import call

ROOT = Path(__file__).parents[2]


def test_core_passes_under_the_sanitizers():
    build = ROOT / "build" / "test-core-sanitized"
    options = ["-DNAGLASS_PYTHON=OFF", "-DNAGLASS_LAMMPS=OFF", "-DNAGLASS_TESTS=ON", "-DNAGLASS_SANITIZE=ON"]
    configure = ["cmake", "-S", ROOT, "-B", build, "-DCMAKE_BUILD_TYPE=Debug", *options]
    for command in (configure, ["cmake", "--build", build, "--parallel", "2"]):
        done = call(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "Python_EXECUTABLE" not in (build / "CMakeCache.txt").read_text()
    done = call("ctest", "--test-dir", build, "--output-on-failure")
    assert done.returncode == 0 and re.search(r"100% tests passed.* out of 1\b", done.stdout), done.stdout
