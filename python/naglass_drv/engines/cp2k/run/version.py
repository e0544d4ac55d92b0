"""Which CP2K a program is, and whether a launcher can start it on several ranks."""

import re
import subprocess
from functools import cache
from pathlib import Path

from ....errors import SetupError
from ....runtime.launch import LONE_PROCESS, scrubbed_environment
from ....runtime.vendors import launcher_vendor, library_vendor


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
