"""Fixtures that several folders of tests use."""

import os
import time
from pathlib import Path

import pytest

from support.jobs import ToyRun

SHARED_MEMORY = Path("/dev/shm")
_STARTING_S = 10


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
