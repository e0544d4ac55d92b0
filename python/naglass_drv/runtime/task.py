"""What a stage is: it plans tasks, runs one task, and collects their results.

A task is the unit that is keyed, run, recognized and redone. Its key is taken from its settings, the content
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

    `settings` is JSON-able and expanded; `inputs` are files whose content enters the key; `tools` names the
    outside programs whose versions enter it ("lammps", "cp2k", "mace"). `ranks` and `gpus` are what the task
    asks for.
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
    """A finished task as later stages and `collect` see it: its folder with the results, and its summary."""

    task: Task
    folder: Path
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """The run as a stage sees it when it plans and collects (on the first rank only).

    `source` is the folder of input.yaml: relative paths of the input are resolved against it. `products` is
    where `collect` writes what later stages and people read. `finished(stage)` gives that stage's finished
    tasks.
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

    `folder` is fresh and belongs to this attempt; `previous` is the last unfinished attempt's folder with the
    same key, or None, to resume from. `comm` is the group's communicator (an mpi4py Intracomm).
    `progress(done, total, unit, note)` may be called as often as one likes. `stopping()` is true once the job
    has been asked to stop; long work polls it, saves its state and raises errors.Stopped. `child(argv,
    **options)` is runtime.launch.run_child in this folder, with stop and progress wired.
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
    """What a stage module offers; `plan`, `run` and `collect` are called in this order.

    `name` is the stage's folder under tasks/; `revision` enters the keys of its tasks, and is raised whenever the same
    settings and files give another result, so that what was done before is done again; `wanted(input)` says whether
    the input asks for it. `plan` and `collect` run on one rank, after all earlier stages are done. `run` is called on
    every rank of the task's group, writes into `job.folder`, and returns on the first rank a JSON-able summary
    (numbers with their units in the key names); a failure that has a name is raised as errors.TaskFailed.
    """

    name: str
    revision: int

    def wanted(self, input: Input) -> bool: ...

    def plan(self, run: Run) -> list[Task]: ...

    def run(self, job: Job) -> Mapping[str, Any]: ...

    def collect(self, run: Run, done: list[Done]) -> None: ...
