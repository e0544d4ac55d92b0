"""The core stands alone: no foreign headers. tests/long builds and runs it without Python."""

import re
from pathlib import Path

import pytest

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
