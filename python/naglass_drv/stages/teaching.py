"""A task of the stage `reference` at a level that is a potential: frames of a set, or the relaxations that they start,
labeled by one worker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..chemistry.level import Level
from ..config import cost
from ..config.schema import Reference, Relax
from ..errors import Stopped, TaskFailed
from ..files import write_bytes, write_json
from ..wording import counted
from . import efforts
from .base import Job, Task, dumped, read_settings
from .labeling import FRAME, REJECTED
from .reached import RELAXING, Reached

if TYPE_CHECKING:
    from ase import Atoms

    from ..analysis.asked import Step
    from ..dataset.candidates import Candidate
    from ..engines.mlip.client import Evaluation, Worker

_MODEL = "model"
# of the contact distance, as for audit and stability: a vanadyl bond has 0.73, and sodium in melts is below 0.7
_LEAST_CONTACT, _LEAST_OF_RADII = 0.6, 0.75


@dataclass(frozen=True)
class Settings:
    """What decides the labels: `frames` are frames of `dataset.candidates` by their names in the set, `versions` those
    of the packages that evaluate the potential; with `relax` each of them starts a relaxation.
    """

    level: Level
    set: str
    frames: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, str]
    max_net_force_eV_per_A: float
    timeout_min: float
    relax: Relax | None = None


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
    for number, part in enumerate(cost.batches([len(item.frame) for item in candidates], section)):
        own = [candidates[i] for i in part]
        settings = Settings(
            level=section.level,
            set=section.name,
            frames={item.name: to_json(item.frame) for item in own},
            versions=versions,
            max_net_force_eV_per_A=section.max_net_force_eV_per_A,
            timeout_min=section.timeout_min,
            relax=section.relax,
        )
        effort = efforts.taught(section, sum(len(item.frame) for item in own))
        tasks.append(Task(stage, _name(section, number), dumped(settings), inputs, ranks=section.ranks, effort=effort))
    return tasks


def expect(stage: str, section: Reference, cells: Sequence[Sequence[str]]) -> list[Task]:
    """The tasks for cells of these elements."""
    parts = [sum(len(cells[i]) for i in part) for part in cost.batches([len(cell) for cell in cells], section)]
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
        teacher = _Teacher(job, settings, worker, potential.level_of(worker.facts))
        reached.keep({"level": teacher.level})
        for number, (name, content) in enumerate(settings.frames.items()):
            if name not in reached.lines:
                reached.add(name, teacher.outcome(name, content, number))
            job.progress(number + 1, len(settings.frames), "frames", f"labels by {own.title}")
            if job.stopping():
                raise Stopped(f"after {number + 1} of {len(settings.frames)} frames")
        facts = dict(worker.facts)
    admitted = [line for line in reached.lines.values() if "text" in line]
    rejected = [reason for name, line in reached.lines.items() for reason in _reasons(name, line)]
    if admitted:
        write_bytes(job.folder / FRAME, "".join(line["text"] for line in admitted).encode())
    write_json(job.folder / REJECTED, rejected)
    (job.folder / RELAXING).unlink(missing_ok=True)
    return {
        "status": "admitted" if admitted else "rejected",
        "frames": sum(line.get("frames", 1) for line in admitted),
        "rejected": len(rejected),
        "level": teacher.level,
        "potential": facts,
    }


def _reasons(name: str, line: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rejection of a frame, or those of the steps of its relaxation."""
    if "rejected" in line:
        return [reason | {"frame": f"{name} {reason['frame']}"} for reason in line["rejected"]]
    return [] if "text" in line else [{"frame": name} | line]


class _Teacher:
    """The worker of a task, and what its labels are checked for."""

    def __init__(self, job: Job, settings: Settings, worker: "Worker", level: str):
        self._job, self._settings, self._worker, self.level = job, settings, worker, level
        self._relaxing = Reached(job, RELAXING)

    def outcome(self, name: str, content: Mapping[str, Any], number: int) -> dict[str, Any]:
        """Labeled frames of structure `number` as text, and failures with messages of those that are rejected."""
        from ..dataset.candidates import from_json
        from ..dataset.frames import as_text
        from ..dataset.gate import Refused

        start = from_json(dict(content))
        try:
            self._check_contacts(start)
            if self._settings.relax is not None:
                return self._relaxed(name, start, self._settings.relax, number)
            return {"text": as_text(self._labeled(start, self._evaluated(start), name))}
        except Refused as refused:
            return {"failure": refused.failure, "message": str(refused)}
        except TaskFailed as error:
            if error.failure != "NOT_FINITE":
                raise TaskFailed(error.failure, f"{name}: {error}", log=error.log, resumable=True) from error
            return {"failure": error.failure, "message": str(error)}

    def _evaluated(self, frame: "Atoms") -> "Evaluation":
        return self._worker.evaluate(frame, 60 * self._settings.timeout_min)

    def _check_contacts(self, frame: "Atoms") -> None:
        from ..dataset.audit.contacts import too_close
        from ..dataset.gate import Refused

        if (fault := too_close(frame, _LEAST_CONTACT, _LEAST_OF_RADII)) is not None:
            raise Refused("TOO_CLOSE", fault)

    def _labeled(self, frame: "Atoms", found: "Evaluation", name: str) -> "Atoms":
        """The frame with its labels; Refused for forces that no label should have."""
        from ..dataset.gate import Refused, net_force_fault
        from ..dataset.taught import taught

        settings, source = self._settings, f"{self._job.task.stage}/{self._settings.set}-{name}"
        labeled = taught(frame, found, self.level, settings.level.title, source)
        fault = net_force_fault(labeled.info["net_force_eV_per_A"], settings.max_net_force_eV_per_A)
        if fault is not None:
            raise Refused("NET_FORCE", fault)
        return labeled

    def _relaxed(self, name: str, start: "Atoms", asked: Relax, before: int) -> dict[str, Any]:
        """Some steps of the relaxation from `start`, always including the last, as those that CP2K makes."""
        import numpy as np

        from ..dataset.frames import as_text
        from ..dataset.gate import Refused

        steps = self._steps(name, start, asked, before)
        rejected, texts = [], []
        for number in np.unique(np.linspace(len(steps) - 1, 0, asked.frames).round().astype(int)):
            step = steps[number]
            try:
                self._check_contacts(step.atoms)
                frame = self._labeled(step.atoms, step.found, f"{name}:{number}")
            except Refused as refused:
                rejected.append(refused.record(f"step {number}"))
                continue
            frame.info |= {"step": int(number), "relaxed": step.relaxed}
            texts.append(as_text(frame))
        if not steps[-1].relaxed:
            taken = counted(len(steps) - 1, "step")
            stopped = Refused("NOT_RELAXED", f"after {taken} a force or the pressure is above its limit")
            rejected.append(stopped.record("end"))
        labels = {"text": "".join(texts), "frames": len(texts)} if texts else {}
        return labels | {"rejected": rejected}

    def _steps(self, name: str, start: "Atoms", asked: Relax, before: int) -> "list[Step]":
        """The steps of the relaxation, after those of so many structures `before`.

        Those of the last attempt are made again from what was answered then.
        """
        from ..analysis.asked import relaxation

        self._relaxing.keep({"level": self.level, "relaxation": name})
        steps: list[Step] = []
        course = relaxation(
            lambda atoms: self._answer(str(len(steps)), atoms, cell=asked.move == "cell"),
            start,
            steps=asked.max_steps,
            lengths=asked.move == "cell",
            max_force_eV_per_A=asked.max_force_eV_per_A,
            pressure_bar=asked.pressure_bar,
        )
        for step in course:
            steps.append(step)
            done = before + (len(steps) - 1) / asked.max_steps
            self._job.progress(done, len(self._settings.frames), "frames", f"relaxation of {name}")
            if self._job.stopping() and not step.relaxed:
                raise Stopped(f"after {counted(len(steps) - 1, 'step')} of the relaxation of {name}")
        return steps

    def _answer(self, number: str, atoms: "Atoms", *, cell: bool) -> "Evaluation":
        from ..dataset.gate import Refused
        from ..engines.mlip.client import Evaluation

        if number not in self._relaxing.lines:
            found = self._evaluated(atoms)
            if cell and found.stress is None:
                raise Refused("NO_STRESS", f"{self._settings.level.title} gives no stress to relax the cell by")
            self._relaxing.add(number, found.as_json())
        return Evaluation.from_json(self._relaxing.lines[number])
