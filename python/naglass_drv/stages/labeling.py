"""A task of the stage `reference`: a label, an ab initio trajectory or a relaxation, in CP2K."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..chemistry.level import Level
from ..config.schema import AIMD, Relax
from ..errors import TaskFailed
from ..files import write_json
from ..wording import counted
from . import wannier
from .base import Job, read_settings

if TYPE_CHECKING:
    from ase import Atoms

    from ..engines.cp2k.failures import Refused
    from ..engines.cp2k.parse.trajectory import Frame
    from ..engines.cp2k.run.course import Course

FRAME, REJECTED = "frame.extxyz", "rejected.json"
_CHECKS = ("net_force_eV_per_A", "spin_sum_muB")


@dataclass(frozen=True)
class Settings:
    """What decides a label or a trajectory.

    `frame` is a frame of `dataset.candidates`, `template` the text of the level's template if it has one, `label` and
    `kinds` are the hashes that the labeled frame carries. With `aimd` (and `seed`) or `relax` the frame starts a
    trajectory. `coupling` is the task that an antiparallel partner is compared with.
    """

    level: Level
    label: str
    frame: Mapping[str, Any]
    max_net_force_eV_per_A: float
    timeout_min: float
    set: str = ""
    kinds: str | None = None
    template: str = ""
    outputs: Sequence[str] = ()
    aimd: AIMD | None = None
    relax: Relax | None = None
    seed: int | None = None
    coupling: str = ""


def carry_out(job: Job) -> dict[str, Any]:
    """Label the frame of the task, or run its trajectory and label frames from it."""
    setup = _Setup(job, read_settings(Settings, job.task))
    if setup.settings.aimd is not None:
        return _run_aimd(job, setup, setup.settings.aimd)
    if setup.settings.relax is not None:
        return _run_relaxation(job, setup, setup.settings.relax)
    return _run_label(job, setup)


class _Setup:
    """What every job needs from its settings: frame, method, spin, the force limit, and CP2K."""

    def __init__(self, job: Job, settings: Settings):
        from ..dataset.candidates import from_json
        from ..engines.cp2k.run.label import Program, Runner
        from ..engines.cp2k.theory import levels

        self.settings = settings
        self.frame = from_json(settings.frame)
        self.method = levels.method(settings.level, settings.template)
        self.program = Program.of_site(job.site, job.task.ranks)
        self.runner = Runner(self.program, job.child)
        self.spin = {key: self.frame.info[key] for key in ("charge", "multiplicity")}
        self.gate = {"max_net_force_eV_per_A": settings.max_net_force_eV_per_A}
        self.patience_s = 60 * settings.timeout_min

    def text(self, atoms: "Atoms") -> str:
        """The input of a single point of `atoms`."""
        from ..engines.cp2k.run.label import input_text

        return input_text(atoms, self.method, self.program, outputs=self.settings.outputs, **self.spin)


def _run_label(job: Job, setup: _Setup) -> dict[str, Any]:
    import numpy as np

    from ..engines.cp2k.failures import REJECTIONS
    from ..engines.cp2k.run.label import label

    try:
        frame = label(
            setup.frame,
            setup.method,
            job.folder,
            program=setup.program,
            child=job.child,
            timeout_s=setup.patience_s,
            outputs=setup.settings.outputs,
            **setup.spin,
            **setup.gate,
        )
    except TaskFailed as error:
        if error.failure not in REJECTIONS or is_atom(setup.settings.frame):
            raise
        reason = {"failure": error.failure, "message": str(error)}
        write_json(job.folder / REJECTED, [reason])
        return {"status": "rejected"} | reason
    wannier.of_label(job, frame)
    _write_frames(job, setup, [frame])
    return {key: frame.info[key] for key in (*_CHECKS, "scf_path")} | {
        "status": "admitted",
        "energy_eV": frame.info["REF_energy"],
        "largest_force_eV_per_A": float(np.linalg.norm(frame.arrays["REF_forces"], axis=1).max()),
    }


def _run_aimd(job: Job, setup: _Setup, asked: AIMD) -> dict[str, Any]:
    """Run a trajectory to its target, or until it ends early; the frames up to that point are kept."""
    from ..engines.cp2k.run import judge
    from ..engines.cp2k.run.aimd import AIMD as Course
    from ..engines.cp2k.write import motion

    plan = motion.dynamics(**asked.model_dump(mode="json"), seed=setup.settings.seed)
    ps = plan.timestep_fs / 1000.0

    def check(frame: "Frame") -> None:
        if setup.method.needs_basis:
            judge.check_cutoff(frame.evaluation, **setup.gate)

    course = Course(
        list(setup.frame.symbols),
        setup.text(setup.frame),
        plan,
        job.folder,
        setup.runner,
        previous=job.previous,
        check=check,
        patience_s=setup.patience_s,
        tell=lambda step: job.progress(step * ps, plan.steps * ps, "ps", "AIMD"),
    )
    stopped = _carry_out(course, setup)
    steps, dropped = course.frames()
    noted = [(step, {"temperature_K": piece.temperature_K, "time_ps": step.step * ps}) for step, piece in steps]
    return _harvest(job, setup, noted, stopped) | {
        "planned_ps": plan.steps * ps,
        "reached_ps": course.reached() * ps,
        "parts": len(course.taken),
        "dropped": dropped,
    }


def _run_relaxation(job: Job, setup: _Setup, asked: Relax) -> dict[str, Any]:
    """Run a relaxation to its limits; some of its steps are kept as frames, always including the last."""
    import numpy as np

    from ..engines.cp2k.failures import Refused
    from ..engines.cp2k.run.relax import Relax as Course
    from ..engines.cp2k.write import motion

    plan = motion.Relaxation(**asked.model_dump(mode="json", exclude={"frames"}))
    course = Course(
        setup.frame,
        setup.text,
        plan,
        job.folder,
        setup.runner,
        previous=job.previous,
        patience_s=setup.patience_s,
        tell=lambda step: job.progress(step, plan.max_steps, "steps", "relaxation"),
    )
    stopped = _carry_out(course, setup)
    steps, completed = course.frames(), course.completed()
    if stopped is None and not completed:
        taken = counted(len(steps), "step")
        stopped = Refused("NOT_RELAXED", f"after {taken} a force or the pressure is above its limit")
    picks = np.unique(np.linspace(len(steps) - 1, 0, asked.frames).round().astype(int)) if steps else []
    noted = [(steps[i], {"relaxed": completed and bool(i == len(steps) - 1)}) for i in picks]
    return _harvest(job, setup, noted, stopped) | {
        "steps": len(steps),
        "relaxed": completed,
        "parts": len(course.taken),
    }


def _carry_out(course: "Course", setup: _Setup) -> "Refused | None":
    """Run a course to its end, or until it fails; the next attempt continues from what was reached."""
    from ..engines.cp2k.failures import Refused

    try:
        stopped = course.run()
    except Refused as refused:
        raise setup.runner.failed(refused, resumable=True) from refused
    for part in course.taken:
        for orbitals in part.folder.glob("*.wfn*"):
            orbitals.unlink()
    return stopped


def _harvest(job: Job, setup: _Setup, steps: list, stopped: "Refused | None") -> dict[str, Any]:
    """Check the frames of a trajectory, write those that are admitted, and list the others with reasons."""
    from ..engines.cp2k.run.harvest import harvest

    found = harvest(setup.frame, steps, setup.method, **setup.spin, **setup.gate)
    if setup.settings.aimd is not None:
        wannier.of_dynamics(job, found.frames)
    rejected = list(found.rejected)
    if stopped is not None:
        rejected.append({"frame": "end", "failure": stopped.failure, "message": stopped.told()})
    _write_frames(job, setup, found.frames)
    write_json(job.folder / REJECTED, rejected)
    return {
        "status": "admitted" if found.frames else "rejected",
        "frames": len(found.frames),
        "rejected": len(found.rejected),
        "stopped_by": None if stopped is None else stopped.failure,
    }


def _write_frames(job: Job, setup: _Setup, frames: Sequence["Atoms"]) -> None:
    """Write admitted frames with their source, group, checks, CP2K version and electronic analysis."""
    import numpy as np

    from ..analysis.electronic import annotate
    from ..dataset.frames import check_labeled, write_frames
    from ..dataset.sites import judge
    from ..engines.cp2k.theory.levels import data_of

    version = setup.program.version()
    made_by = {
        "program": version and f"CP2K {version}",
        "cp2k_data": data_of(setup.method, setup.frame.symbols, setup.program.data),
    }
    for frame in frames:
        frame.info |= {key: value for key, value in made_by.items() if value is not None}
        at = f":{frame.info['step']}" if "step" in frame.info else ""
        source = f"{job.task.stage}/{job.task.name}"
        frame.info |= {
            "source": source + at,
            "scf_converged": True,
            "net_force_eV_per_A": float(np.linalg.norm(frame.arrays["REF_forces"].sum(axis=0))),
            "spin_sum_muB": float(frame.arrays["REF_spin_mulliken"].sum()),
        }
        frame.info.setdefault("group", source)
        annotate(frame)
        if (verdict := judge(frame)) is not None and verdict.flag:
            frame.info["spin_flag"] = verdict.flag
        check_labeled(frame, job.task.name)
    if frames:
        write_frames(job.folder / FRAME, frames)


def is_atom(content: Mapping[str, Any]) -> bool:
    """Whether a task's frame is an isolated atom."""
    return content["info"].get("config_type") == "IsolatedAtom"
