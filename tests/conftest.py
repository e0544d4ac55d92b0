"""Fixtures that several folders of tests use."""

import os
import sys
import time
from pathlib import Path

import pytest

from support.jobs import ToyRun

SHARED_MEMORY = Path("/dev/shm")
_STARTING_S = 10
_MARKERS = {"mpirun": "mpi", "mpiexec": "mpi", "cp2k": "cp2k"}
# of the folders
_ORDER = ("cluster", "resume", "engines", "lammps", "driver", "core")
_running: list[pytest.Item] = []


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name == "long":
            item.add_marker("long")
        if not any(item.get_closest_marker(name) for name in ("mpi", "cp2k", "slow", "long")):
            item.add_marker("quick")
    # long tests first, so that two workers end together
    items.sort(key=lambda item: _ORDER.index(item.path.parent.name) if item.path.parent.name in _ORDER else 0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    _running[:] = [item]
    try:
        return (yield)
    finally:
        _running.clear()


def _hold_to_markers(event, arguments):
    """What starts mpirun or CP2K is marked so, or `-m quick` would start them too. Asking for a version is free."""
    if event != "subprocess.Popen" or not _running:
        return
    words = [os.fsdecode(word) for word in arguments[1]]
    marker = _MARKERS.get(Path(words[0]).name.split(".")[0])
    if marker and not {"--version", "-v"} & set(words) and not _running[0].get_closest_marker(marker):
        raise RuntimeError(f"{_running[0].nodeid} starts {words[0]}: mark it with pytest.mark.{marker}")


sys.addaudithook(_hold_to_markers)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """The times that runs measure are kept in the user's cache, which is not the tests' to fill."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def toy(tmp_path):
    """A run of toy stages, ended whatever happens."""
    run = ToyRun(tmp_path)
    yield run
    run.end()


@pytest.fixture(scope="module", autouse=True)
def shared_memory_of_killed_processes():
    """A killed MPICH process leaves a megabyte or three of the machine's memory behind, and the tests kill hundreds.

    What one left at its very start makes a later process of the same number wait for ever, such as a plain lmp.
    """
    began = time.time()
    yield
    left = {path for path in SHARED_MEMORY.glob("mpich_shm_*") if _is_ours(path, began)}
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            held = maps.read_text()
        except OSError:
            continue
        left = {path for path in left if str(path) not in held}
    for path in left:
        path.unlink(missing_ok=True)


def _is_ours(path: Path, began: float) -> bool:
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    # a younger one may belong to a process that has made it and not yet mapped it, in tests beside these
    return status.st_uid == os.getuid() and began <= status.st_mtime < time.time() - _STARTING_S
