"""Which MPI a program, a library or a launcher belongs to; all three have to match."""

import os
import re
import subprocess
from pathlib import Path

from .launch import scrubbed_environment

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


def _output(*argv: str) -> str:
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            stdin=subprocess.DEVNULL,
            env=scrubbed_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr
