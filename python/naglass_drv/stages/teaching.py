"""A task of the stage `reference` at a level that is a potential: frames of a set, labeled by one worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..chemistry.level import Level
from ..config import cost
from ..config.schema import Reference
from ..errors import Stopped, TaskFailed
from ..files import write_bytes, write_json
from . import efforts
from .base import Job, Task, dumped, read_settings
from .labeling import FRAME, REJECTED
from .reached import Reached

if TYPE_CHECKING:
    from ase import Atoms

    from ..dataset.candidates import Candidate
    from ..engines.mlip.client import Worker

_MODEL = "model"
# of the contact distance, as for audit and stability: a vanadyl bond has 0.73, and sodium in melts is below 0.7
_LEAST_CONTACT = 0.6


@dataclass(frozen=True)
class Settings:
    """What decides the labels: `frames` are frames of `dataset.candidates` by their names in the set, `versions` those
    of the packages that evaluate the potential.
    """

    level: Level
    set: str
    frames: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, str]
    max_net_force_eV_per_A: float
    timeout_min: float


def plan(stage: str, section: Reference, candidates: Sequence["Candidate"], source: Path) -> list[Task]:
    """Tasks with the frames of a set, so many in each that the start of its worker takes little of its time.

    Raises SetupError, before anything is started, if the environment of the potential is missing.
    """
    from ..dataset.candidates import to_json
    from ..engines.mlip.potential import Potential

    potential = Potential.of_level(section.level, source)
    inputs = {} if potential.file is None else {_MODEL: potential.file}
    inputs |= {f"read/{number}": path for number, path in enumerate(potential.read_files())}
    versions = potential.versions()
    tasks = []
    for number, part in enumerate(cost.batches([len(item.frame) for item in candidates])):
        own = [candidates[i] for i in part]
        settings = Settings(
            level=section.level,
            set=section.name,
            frames={item.name: to_json(item.frame) for item in own},
            versions=versions,
            max_net_force_eV_per_A=section.max_net_force_eV_per_A,
            timeout_min=section.timeout_min,
        )
        effort = efforts.taught(section, sum(len(item.frame) for item in own))
        tasks.append(Task(stage, _name(section, number), dumped(settings), inputs, ranks=section.ranks, effort=effort))
    return tasks


def expect(stage: str, section: Reference, cells: Sequence[Sequence[str]]) -> list[Task]:
    """The tasks for cells of these elements."""
    parts = [sum(len(cells[i]) for i in part) for part in cost.batches([len(cell) for cell in cells])]
    return [
        Task(stage, _name(section, number), {}, ranks=section.ranks, effort=efforts.taught(section, atoms))
        for number, atoms in enumerate(parts)
    ]


def _name(section: Reference, number: int) -> str:
    return f"{section.name}-part{number}"


def is_taught(task: Task) -> bool:
    """Whether a potential labels the frames of this task."""
    return "frames" in task.settings


def belongs(task: Task, section: Reference) -> bool:
    """Whether this is a task of a set at such a level."""
    return is_taught(task) and task.settings["set"] == section.name


def carry_out(job: Job) -> dict[str, Any]:
    """Label the frames of the task; one that fails a check is rejected. A killed attempt keeps what it has labeled."""
    from ..engines.mlip.potential import Potential

    settings = read_settings(Settings, job.task)
    own = settings.level
    if _MODEL in job.task.inputs:
        own = own.model_copy(update={"model": str(job.task.inputs[_MODEL].resolve())})
    potential = Potential.of_level(own, Path())
    reached = Reached(job)
    with potential.open(job.folder, threads=job.task.ranks) as worker:
        level = potential.level_of(worker.facts)
        reached.keep({"level": level})
        for number, (name, content) in enumerate(settings.frames.items()):
            if name not in reached.lines:
                reached.add(name, _outcome(job, settings, worker, name, content, level))
            job.progress(number + 1, len(settings.frames), "frames", f"labels by {own.title}")
            if job.stopping():
                raise Stopped(f"after {number + 1} of {len(settings.frames)} frames")
        facts = dict(worker.facts)
    admitted = [line["text"] for line in reached.lines.values() if "text" in line]
    rejected = [{"frame": name} | line for name, line in reached.lines.items() if "text" not in line]
    if admitted:
        write_bytes(job.folder / FRAME, "".join(admitted).encode())
    write_json(job.folder / REJECTED, rejected)
    status = "admitted" if admitted else "rejected"
    return {"status": status, "frames": len(admitted), "rejected": len(rejected), "level": level, "potential": facts}


def _outcome(
    job: Job, settings: Settings, worker: "Worker", name: str, content: Mapping[str, Any], level: str
) -> dict[str, Any]:
    """The labeled frame as text, or the failure and the message of one that is rejected."""
    from ..dataset.candidates import from_json
    from ..dataset.frames import as_text
    from ..dataset.gate import Refused

    source = f"{job.task.stage}/{settings.set}-{name}"
    try:
        frame = _labeled(settings, worker, from_json(dict(content)), level, source)
    except Refused as refused:
        return {"failure": refused.failure, "message": str(refused)}
    except TaskFailed as error:
        if error.failure != "NOT_FINITE":
            raise TaskFailed(error.failure, f"{name}: {error}", log=error.log, resumable=True) from error
        return {"failure": error.failure, "message": str(error)}
    return {"text": as_text(frame)}


def _labeled(settings: Settings, worker: "Worker", frame: "Atoms", level: str, source: str) -> "Atoms":
    """The frame with its labels; Refused for a structure or forces that no label should have."""
    from ..dataset.audit.contacts import too_close
    from ..dataset.gate import Refused, net_force_fault
    from ..dataset.taught import taught

    if (fault := too_close(frame, _LEAST_CONTACT)) is not None:
        raise Refused("TOO_CLOSE", fault)
    found = worker.evaluate(frame, 60 * settings.timeout_min)
    labeled = taught(frame, found, level, settings.level.title, source)
    fault = net_force_fault(labeled.info["net_force_eV_per_A"], settings.max_net_force_eV_per_A)
    if fault is not None:
        raise Refused("NET_FORCE", fault)
    return labeled
