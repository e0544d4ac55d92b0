"""Which MPI a program, a library or a launcher belongs to; all three have to match."""

import os
import re
import subprocess
import sys
from pathlib import Path

from .launch import LONE_PROCESS, scrubbed_environment

_LAUNCHERS = ("mpirun", "mpiexec")
# soname of the MPI library -> vendor; Intel MPI shares MPICH's and is told apart by its path
_SONAMES = (
    ("libmpi.so.40", "Open MPI"),
    ("libmpi.so.20", "Open MPI"),
    ("libopen-rte", "Open MPI"),
    ("libmpi.so.12", "MPICH"),
    ("libmpich", "MPICH"),
)
_BANNERS = (
    ("Intel(R) MPI", "Intel MPI"),
    ("Open MPI", "Open MPI"),
    ("OpenRTE", "Open MPI"),
    ("HYDRA", "MPICH"),
    ("MPICH", "MPICH"),
    ("slurm", "Slurm"),
)

#: Thread levels of MPI from 0 on, as numbered by MPICH and Open MPI.
THREAD_LEVELS = ("MPI_THREAD_SINGLE", "MPI_THREAD_FUNNELED", "MPI_THREAD_SERIALIZED", "MPI_THREAD_MULTIPLE")
# asks the library itself: what it was configured with does not decide alone
_ASK_LEVEL = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL)
level = ctypes.c_int(-1)
if library.MPI_Init_thread(None, None, 3, ctypes.byref(level)) == 0:
    print("level", level.value, flush=True)
    library.MPI_Finalize()
"""


def mpi_library(binary: Path) -> Path | None:
    """The MPI library that the loader finds for `binary`, or None."""
    found = re.search(r"\blibmpi(?:ch|_cray|_gnu\w*)?\.so\.\d+ => (/\S+)", _output("ldd", str(binary)))
    return Path(found[1]) if found else None


def thread_level(library: Path) -> int | None:
    """The thread level that an MPI `library` grants to one that asks for MPI_THREAD_MULTIPLE.

    An index of THREAD_LEVELS; None if the library does not start here, as on a login node where it wants a network.
    """
    text = _output(sys.executable, "-c", _ASK_LEVEL, str(library), **LONE_PROCESS)
    found = re.search(r"^level ([0-3])$", text, re.MULTILINE)
    return int(found[1]) if found else None


def library_vendor(binary: Path) -> str | None:
    """The MPI that `binary` (program or library) is linked against, or None if it is unknown."""
    text = _output("ldd", str(binary))
    if re.search(r"libmpi\.so\.12 => \S*intel", text):
        return "Intel MPI"
    return next((vendor for soname, vendor in _SONAMES if soname in text), None)


def launcher_vendor(launcher: Path) -> str | None:
    """The MPI that `launcher` belongs to, according to its own banner."""
    text = _output(str(launcher), "--version")
    return next((vendor for word, vendor in _BANNERS if word in text), None)


def fitting_launcher(binary: Path) -> Path | None:
    """The launcher of the MPI that `binary` is linked against: next to it, or anywhere on PATH."""
    vendor = library_vendor(binary)
    if vendor is None:
        return None
    folders = [str(binary.resolve().parent), *os.environ.get("PATH", "").split(os.pathsep)]
    for folder in dict.fromkeys(folders):
        for name in _LAUNCHERS:
            path = Path(folder, name)
            if os.access(path, os.X_OK) and launcher_vendor(path) == vendor:
                return path
    return None


def _output(*argv: str, **variables: str) -> str:
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            stdin=subprocess.DEVNULL,
            env=scrubbed_environment() | variables,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr
