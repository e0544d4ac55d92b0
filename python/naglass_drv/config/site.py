"""The site profile: where CP2K and its launcher are on this machine. Not part of the scientific input."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from ..fields import Section
from .bill import Bill
from .schema import Threads
from .slurm import Slurm
from .source import parse
from .validation import validate

_CP2K_NAMES = ("cp2k.psmp", "cp2k.popt", "cp2k", "cp2k.ssmp", "cp2k.sopt")
_DATA_FOLDERS = ("/usr/share/cp2k", "/usr/local/share/cp2k", "/usr/share/cp2k/data")


class Site(Section):
    """Programs on this machine. Those not given are searched for on PATH.

    `cp2k` is the CP2K executable, `cp2k_data` its data folder, `launcher` the mpirun of the MPI that CP2K is
    linked against (None: CP2K is started without one), `threads` the OpenMP threads of one CP2K process; `slurm`
    says how jobs are submitted, `bill` what an hour costs, `executor` where tasks run if `run` and `submit` are not
    told.
    """

    cp2k: Path | None = None
    cp2k_data: Path | None = None
    launcher: Path | None = None
    threads: Threads = Field(default=1)
    slurm: Slurm | None = None
    bill: Bill | None = None
    executor: Literal["mpi", "slurm", "hyperqueue"] = "mpi"


def profile_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Path of the profile: $NAGLASS_SITE, or else ~/.config/naglass/site.yaml."""
    if environment.get("NAGLASS_SITE"):
        return Path(environment["NAGLASS_SITE"])
    return Path.home() / ".config" / "naglass" / "site.yaml"


def load_site(environment: Mapping[str, str] = os.environ) -> Site:
    """The profile, completed from PATH and CP2K_DATA_DIR.

    Raises InputError if the profile is invalid or names a program that does not exist, or if $NAGLASS_SITE
    names a profile that does not exist.
    """
    path = profile_path(environment)
    site = Site()
    if path.exists() or environment.get("NAGLASS_SITE"):
        document = parse(path)
        read = validate(document, Site)
        for key in ("cp2k", "launcher", "cp2k_data"):
            named = getattr(read, key, None)
            if named is not None and not _usable(named, folder=key == "cp2k_data"):
                kind = "folder" if key == "cp2k_data" else "executable file"
                said = f"no such {kind} on this machine" if named.is_absolute() else "must be an absolute path"
                document.fault((key,), f"{str(named)!r}: {said}")
        document.raise_faults()
        assert read is not None
        site = read
    cp2k = site.cp2k or _find_program(environment)
    data = site.cp2k_data or _find_data(environment, cp2k)
    return site.model_copy(update={"cp2k": cp2k, "cp2k_data": data})


def line_of(shipped: Path | None, *keys: str, environment: Mapping[str, str] = os.environ) -> str:
    """``jean-zay-cpu.yaml:7: slurm.account``: where a key of the profile stands, or should.

    That is in the user's own profile if it is stated there or no `shipped` one is used.
    """
    label, own = ".".join(keys), profile_path(environment)
    if not own.is_file():
        return f"{shipped.name}:{parse(shipped).line(keys)}: {label}" if shipped else f"{own}: {label}"
    document = parse(own)
    if shipped is not None and keys not in document.lines:
        return f"{shipped.name}:{parse(shipped).line(keys)}: {label}"
    return f"{own.name}:{document.line(keys)}: {label}"


def own_place(shipped: Path | None) -> str:
    """Where to state what a `shipped` profile leaves open, and how to begin; empty if none is used."""
    if shipped is None:
        return ""
    own = profile_path()
    text = f" in your own profile, {own}, which goes before it"
    if own.is_file():
        return text
    return f"{text} (to begin with a copy: mkdir -p {own.parent} && python -m naglass_drv site {shipped.stem} > {own})"


def as_mapping(site: Site) -> dict[str, str | int | None]:
    """The programs of the site as seen by the stages, with paths as text."""
    return site.model_dump(mode="json", exclude={"slurm", "bill", "executor"})


def _usable(path: Path, *, folder: bool) -> bool:
    return path.is_absolute() and (path.is_dir() if folder else path.is_file() and os.access(path, os.X_OK))


def _find_program(environment: Mapping[str, str]) -> Path | None:
    found = (shutil.which(name, path=environment.get("PATH")) for name in _CP2K_NAMES)
    return next((Path(program) for program in found if program), None)


def _find_data(environment: Mapping[str, str], cp2k: Path | None) -> Path | None:
    named = [environment[key] for key in ("CP2K_DATA_DIR",) if environment.get(key)]
    near = [str(cp2k.resolve().parents[1] / "share" / "cp2k" / "data")] if cp2k is not None else []
    folders = (Path(folder) for folder in (*named, *near, *_DATA_FOLDERS))
    return next((folder for folder in folders if (folder / "BASIS_MOLOPT").is_file()), None)
