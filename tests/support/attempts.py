"""Attempts at a task by one rank, as the scheduler would make them, stopped after so many polls."""

import json
from pathlib import Path

from naglass_drv.config.schema import Input
from naglass_drv.stages.base import Job, Run, Task


def study(folder: Path, **sections) -> Run:
    """A run of a 26-atom Na-V-P-O glass with the given sections."""
    system = {"composition": {"Na": 4, "V4+": 2, "P": 4, "O": 16}, "density_g_cm3": 2.75}
    text = json.dumps({"name": "study", "system": system} | sections)
    return Run(Input.model_validate_json(text), folder, folder)


def attempt(
    task: Task, folder: Path, *, previous: Path | None = None, polls: int | None = None, comm=None, notes=None
) -> Job:
    """An attempt in a new `folder` that is asked to stop at poll number `polls`; `notes` collects its progress."""
    from mpi4py import MPI

    left = iter([False] * polls) if polls is not None else None
    folder.mkdir(parents=True)
    return Job(
        task,
        folder,
        previous,
        comm or MPI.COMM_SELF,
        progress=lambda *words: notes.append(words) if notes is not None else None,
        stopping=lambda: left is not None and next(left, True),
        child=lambda *a, **k: 0,
        site={},
    )
