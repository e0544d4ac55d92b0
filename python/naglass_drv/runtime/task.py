"""The interface of a stage: it plans tasks, runs a single task, and collects the results.

A task is the unit that has a key and is run, reused or redone. Its key is computed from its settings, the content
of its input files, the versions of its tools and of naglass, and the stage's revision; nothing else may influence its
result.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..config.schema import Input


@dataclass(frozen=True)
class Task:
    """One unit of work.

    `settings` can be written as JSON and has all defaults; the content of the files `inputs` enters the key, and so
    do the versions of the external programs `tools` ("lammps", "cp2k", "mace"). `ranks` and `gpus` are what the task
    needs.
    """

    stage: str
    name: str
    settings: Mapping[str, Any]
    inputs: tuple[Path, ...] = ()
    tools: tuple[str, ...] = ()
    ranks: int = 1
    gpus: int = 0


@dataclass(frozen=True)
class Done:
    """A finished task as seen by later stages and `collect`: its folder with the results, and its summary."""

    task: Task
    folder: Path
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """The run as seen by a stage when it plans and collects (on the first rank only).

    `source` is the folder of input.yaml: relative paths of the input are resolved against it. `products` is
    where `collect` writes the files for later stages and for people. `finished(stage)` returns the finished tasks of
    that stage.
    """

    input: Input
    source: Path
    folder: Path
    finished: Callable[[str], list[Done]]
    site: Mapping[str, Any] = field(default_factory=dict)

    @property
    def products(self) -> Path:
        return self.folder / "products"


@dataclass(frozen=True)
class Job:
    """One attempt at a task, on all ranks of its group.

    `folder` is new and belongs to this attempt; `previous` is the folder of the last unfinished attempt with the
    same key, to resume from, or None. `comm` is the group's communicator (an mpi4py Intracomm).
    `progress(done, total, unit, note)` may be called at any rate. `stopping()` is true once the job
    has been asked to stop; long-running work polls it, saves its state and raises errors.Stopped. `child(argv,
    **options)` is runtime.launch.run_child in this folder, connected to stop requests and progress.
    """

    task: Task
    folder: Path
    previous: Path | None
    comm: Any
    progress: Callable[[float, float, str, str], None]
    stopping: Callable[[], bool]
    child: Callable[..., int]
    site: Mapping[str, Any]

    @property
    def rank(self) -> int:
        return self.comm.Get_rank()


class Stage(Protocol):
    """The interface of a stage module; `plan`, `run` and `collect` are called in this order.

    `name` is the stage's folder under tasks/; `revision` enters the keys of its tasks and increases whenever the same
    settings and files give a different result, so that tasks are redone; `wanted(input)` tells whether
    the input asks for the stage. `plan` and `collect` run on one rank, after all earlier stages are done. `run` is
    called on every rank of the task's group, writes into `job.folder`, and on the first rank returns a summary for JSON
    (numbers with their units in the key names); a named failure is raised as errors.TaskFailed.
    """

    name: str
    revision: int

    def wanted(self, input: Input) -> bool: ...

    def plan(self, run: Run) -> list[Task]: ...

    def run(self, job: Job) -> Mapping[str, Any]: ...

    def collect(self, run: Run, done: list[Done]) -> None: ...
