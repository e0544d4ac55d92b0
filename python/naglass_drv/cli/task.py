"""The verb that jobs of an array run: some tasks of a run that others plan."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from .run import conclude, patience_s, site_settings

# which job of an array this is, as Slurm and HyperQueue say
_NUMBERS = ("HQ_TASK_ID", "SLURM_ARRAY_TASK_ID")


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add task, which is not for people."""
    task = add("task", _task, "")
    task.add_argument("folder", type=Path)
    task.add_argument("file", type=Path, help="list of tasks, relative to the folder")
    task.add_argument("--number", type=int, help="which entry of the list (default: that of the job in its array)")


def _task(options: argparse.Namespace) -> int:
    from ..engines.tools import Versions
    from ..runtime.batch import end_of_job
    from ..runtime.job import Errand, run_tasks
    from ..runtime.mpi import world
    from ..runtime.status import provenance_of
    from ..stages import load

    def errand() -> Errand:
        number = options.number
        if number is None:
            number = next((int(os.environ[key]) for key in _NUMBERS if os.environ.get(key, "").isdigit()), None)
        if number is None:
            raise InputError("--number: is needed outside of a job of an array")
        recorded, left_s = provenance_of(options.folder), end_of_job()
        folder = options.folder.resolve()
        return Errand(
            folder, Path(recorded["source"]), folder / options.file, number, recorded["resume"], left_s,
            patience_s(left_s),
        )  # fmt: skip

    return conclude(lambda: run_tasks(world(), load, errand, site_settings, Versions))
