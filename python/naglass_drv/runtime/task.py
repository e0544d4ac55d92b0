"""The interface of a stage: it plans tasks, runs a single task, and collects the results.

A task is the unit that has a key and is run, reused or redone. Its key is computed from its settings, the content
of its input files, the versions of its tools and of naglass, and the stage's revision; nothing else may influence its
result.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..products import Kind, Product, TaskRecord
from .flow import Takes


@dataclass(frozen=True)
class Effort:
    """How much `work` of a kind a task is: `size` is in a unit to which its time is about proportional. `at_once` is
    the share of it that is done again if its job ends: all of it, unless the task saves its state.
    """

    work: str
    size: float
    at_once: float = 1.0


@dataclass(frozen=True)
class Task:
    """One unit of work.

    `settings` are what the stage's dataclass of settings holds, in JSON types. They enter the key, as do the content
    of the files `inputs`, by role, and the versions of the external programs `tools` ("lammps", "cp2k", "mace").
    `ranks` and `gpus` are what the task needs. `effort` serves forecasts alone, and is not part of the key.
    """

    stage: str
    name: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, Path] = field(default_factory=dict)
    tools: tuple[str, ...] = ()
    ranks: int = 1
    gpus: int = 0
    effort: Effort | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Done:
    """A finished task as seen by later stages and `collect`: its folder with the results, and its summary."""

    task: Task
    folder: Path
    summary: Mapping[str, Any]
    record: TaskRecord | None = None


@dataclass(frozen=True)
class Run:
    """A step of the run as seen by its stage when it plans and collects (on the first rank only).

    `input` is the input of the step's system. `source` is the folder of input.yaml: relative paths of the input are
    resolved against it. `takes` are the products of earlier steps by role. `products` is where `collect` writes files
    for later steps and for people.
    """

    input: Any
    source: Path
    folder: Path
    takes: Takes = field(default_factory=dict)
    site: Mapping[str, Any] = field(default_factory=dict)
    scope: str = ""

    @property
    def products(self) -> Path:
        return self.folder / "products" / self.scope

    def take(self, role: str, kind: type[Kind]) -> Kind:
        """The product with this role; an empty one if there is none."""
        found = self.takes.get(role)
        return found if isinstance(found, kind) else kind(scope=self.scope, step=role)

    def take_all(self, role: str, kind: type[Kind]) -> tuple[Kind, ...]:
        """The products with this role, if there are several or one."""
        found = self.takes.get(role, ())
        return tuple(each for each in (found if isinstance(found, tuple) else (found,)) if isinstance(each, kind))


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
    settings and files give a different result, so that tasks are redone. `expect` returns the tasks that the step will
    have, with their efforts, and a product with facts alone, from what the input says and from such products (for
    forecasts). `plan` and `collect` run on the first rank; `collect` returns the product of the step, with its files by
    role. It may read nothing of the input but the section of its stage, and is skipped when the same tasks have already
    been collected with the same section. `run` is called on every rank of the task's group, writes into `job.folder`,
    and on the first rank returns a summary for JSON (numbers with their units in the key names); a named failure is
    raised as errors.TaskFailed. `job.progress`, `job.stopping` and `job.child` also let the first rank of the run plan
    the next steps meanwhile, so long work calls one of them every few seconds.
    """

    name: str
    revision: int

    def plan(self, run: Run) -> list[Task]: ...

    def expect(self, run: Run) -> tuple[list[Task], Product]: ...

    def run(self, job: Job) -> Mapping[str, Any]: ...

    def collect(self, run: Run, done: list[Done]) -> Product: ...
