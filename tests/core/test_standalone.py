"""The core stands alone: no foreign headers, and it builds and runs without Python."""

import re
from pathlib import Path

import pytest

from support.tools import call

ROOT = Path(__file__).parents[2]
NAMES = r"lammps|Python\.h|pybind11|mpi\.h|torch"
FOREIGN = re.compile(rf'#\s*include\s*[<"][^>"]*({NAMES})[^>"]*[>"]', re.IGNORECASE)
SOURCES = sorted(p for p in (ROOT / "src/cpp/core").iterdir() if p.suffix in (".hpp", ".cpp"))


def test_the_search_would_find_a_foreign_header():
    headers = ("<torch/script.h>", '"lammps.h"', "<mpi.h>", "<pybind11/stl.h>", "<Python.h>")
    assert all(FOREIGN.search(f"# include {header}") for header in headers)
    assert len(SOURCES) > 6


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.name)
def test_core_includes_only_itself_and_the_standard_library(source):
    text = source.read_text()
    assert not FOREIGN.search(text)
    assert all(quoted.startswith("core/") for quoted in re.findall(r'#\s*include\s*"([^"]*)"', text))


def test_core_builds_and_passes_without_python():
    build = ROOT / "build" / "test-core"
    options = ["-DNAGLASS_PYTHON=OFF", "-DNAGLASS_LAMMPS=OFF", "-DNAGLASS_TESTS=ON"]
    configure = ["cmake", "-S", ROOT, "-B", build, "-DCMAKE_BUILD_TYPE=Debug", *options]
    for command in (configure, ["cmake", "--build", build, "--parallel", "2"]):
        done = call(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "Python_EXECUTABLE" not in (build / "CMakeCache.txt").read_text()
    done = call("ctest", "--test-dir", build, "--output-on-failure")
    assert done.returncode == 0 and re.search(r"100% tests passed.* out of 1\b", done.stdout), done.stdout
