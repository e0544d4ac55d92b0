"""Core and io stand alone: no foreign headers. tests/long builds and runs the core without Python."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = r"lammps|Python\.h|pybind11|mpi\.h|torch"
FOREIGN = re.compile(rf'#\s*include\s*[<"][^>"]*({NAMES})[^>"]*[>"]', re.IGNORECASE)
MAY_INCLUDE = {"core": ("core/",), "io": ("core/", "io/")}
SOURCES = sorted(p for room in MAY_INCLUDE for p in (ROOT / "src/cpp" / room).glob("*.[ch]pp"))


def test_the_search_would_find_a_foreign_header():
    headers = ("<torch/script.h>", '"lammps.h"', "<mpi.h>", "<pybind11/stl.h>", "<Python.h>")
    assert all(FOREIGN.search(f"# include {header}") for header in headers)
    assert len(SOURCES) > 6


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.name)
def test_it_includes_only_its_own_rooms_and_the_standard_library(source):
    text = source.read_text()
    assert not FOREIGN.search(text)
    allowed = MAY_INCLUDE[source.parent.name]
    assert all(quoted.startswith(allowed) for quoted in re.findall(r'#\s*include\s*"([^"]*)"', text))
