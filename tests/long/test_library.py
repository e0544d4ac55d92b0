"""The C++ core as other programs use it: installed, found by find_package(naglass), linked into an executable and into
a shared library that exports none of it."""

import subprocess
from pathlib import Path

import pytest

from support.tools import call

ROOT = Path(__file__).parents[2]
LISTS = """
cmake_minimum_required(VERSION 3.20)
project(consumer CXX)
find_package(naglass 0.1 REQUIRED)
add_executable(cube cube.cpp)
target_link_libraries(cube naglass::core)
add_library(wrapped SHARED wrapped.cpp)
target_link_libraries(wrapped naglass::core)
"""
CUBE = """
#include <core/bond_graph.hpp>
#include <core/error.hpp>
#include <core/rings.hpp>

#include <cstdio>
#include <vector>

int main()
{
  std::vector<naglass::Vec3> corners;
  for (int k = 0; k < 8; ++k) corners.push_back({1.6 * (k & 1), 1.6 * (k >> 1 & 1), 1.6 * (k >> 2)});
  const std::vector<int> types(8, 0);
  const naglass::Box box({{{20, 0, 0}, {0, 20, 0}, {0, 0, 20}}}, {true, true, true});
  naglass::PairCutoffs cutoffs(1);
  cutoffs.set(0, 0, 2.0);
  const naglass::PeriodicGraph bonds = naglass::bond_graph(corners, types, box, cutoffs);
  const naglass::RingCounts rings = naglass::find_rings(bonds, {});
  try {
    cutoffs.set(0, 0, -1.0);
  } catch (const naglass::Error &error) {
    std::printf("%s|", error.argument().c_str());
  }
  std::printf("%zu bonds, %lld rings of four\\n", bonds.targets.size() / 2, static_cast<long long>(rings.counts[4]));
}
"""
WRAPPED = """
#include <core/bond_graph.hpp>
extern "C" double largest() { naglass::PairCutoffs c(1); c.set(0, 0, 2.5); return c.largest(); }
"""


def cmake(*arguments) -> str:
    done = call("cmake", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory) -> Path:
    build, prefix = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("prefix")
    options = ["-DNAGLASS_PYTHON=OFF", "-DNAGLASS_LAMMPS=OFF", "-DNAGLASS_LIBRARY=ON", "-DCMAKE_BUILD_TYPE=None"]
    cmake("-S", ROOT, "-B", build, *options)
    cmake("--build", build, "--parallel", "2")
    cmake("--install", build, "--prefix", prefix)
    return prefix


def test_another_program_finds_and_uses_it(prefix, tmp_path):
    for name, text in (("CMakeLists.txt", LISTS), ("cube.cpp", CUBE), ("wrapped.cpp", WRAPPED)):
        (tmp_path / name).write_text(text)
    cmake("-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    cmake("--build", tmp_path / "build")
    done = subprocess.run([tmp_path / "build" / "cube"], capture_output=True, text=True, timeout=60)
    assert done.stdout == "cutoff[0,0]|12 bonds, 6 rings of four\n"
    exported = subprocess.run(
        ["nm", "-DC", "--defined-only", tmp_path / "build" / "libwrapped.so"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # weak ones are of inline functions that the wrapper itself has compiled
    strong = [line for line in exported.splitlines() if line.split()[1] in "TDBR"]
    assert any("largest" in line for line in strong) and not any("naglass" in line for line in strong)


def test_another_version_is_refused(prefix, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(LISTS.replace("naglass 0.1", "naglass 9.0"))
    done = call("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    assert done.returncode != 0 and "naglass" in done.stderr
