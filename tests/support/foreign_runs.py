"""Recorded runs of CP2K that others could have made, copied and changed."""

import shutil
from collections.abc import Callable
from pathlib import Path

from support.structures import DATA

RUNS = DATA / "cp2k" / "foreign"
HARTREE_eV, BOHR_A = 27.211386245988, 0.529177210903


def copies(target: Path) -> Callable[..., Path]:
    """What copies a run into `target`, changes texts of its input, and leaves other files beside it."""

    def make(name: str, change: dict[str, str] | None = None, **files: str) -> Path:
        run = target / name
        shutil.copytree(RUNS / name, run)
        text = (run / "run.inp").read_text()
        for old, new in (change or {}).items():
            assert old in text
            text = text.replace(old, new)
        (run / "run.inp").write_text(text)
        for file, content in files.items():
            (run / file.replace("_dot_", ".")).write_text(content)
        return run

    return make
