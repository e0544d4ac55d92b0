"""Stage `reference`: first-principles labels with CP2K, of structures, varied copies, and trajectories from them."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from ..config.schema import Input, Reference
from ..errors import InputError, SetupError, TaskFailed
from ..files import keep_only, write_bytes, write_json
from . import coupling, wannier
from .base import Done, Job, Run, Task

if TYPE_CHECKING:
    from ase import Atoms

    from ..engines.cp2k.course import Course
    from ..engines.cp2k.failures import Refused
    from ..engines.cp2k.parse.trajectory import Frame

name = "reference"
#: Raised when the same settings and files give another result.
revision = 1

FRAME, REJECTED = "frame.extxyz", "rejected.json"
_MELT_FRAMES = 2
_CHECKS = ("net_force_eV_per_A", "spin_sum_muB")


def wanted(input: Input) -> bool:
    return bool(input.reference)


def plan(run: Run) -> list[Task]:
    """One task per frame or trajectory, and one per element for the isolated atoms of the dataset's level.

    Raises SetupError when CP2K or its data are missing, InputError for a structure that cannot be labelled:
    all before the first label is started.
    """
    from ..engines.cp2k.run import Program

    program = Program.of_site(run.site)
    if not os.access(program.executable, os.X_OK):
        raise SetupError(f"CP2K: {program.executable} is not an executable file")
    lone: set[tuple[str, ...]] = set()
    return [task for section in run.input.reference for task in _plan_set(run, section, program, lone)]


def _plan_set(run: Run, section: Reference, program: Any, lone: set[tuple[str, ...]]) -> list[Task]:
    """The tasks of one set; `lone` collects the isolated atoms that earlier sets of the same level have."""
    from ..dataset.candidates import to_json
    from ..engines.cp2k import checks, inputs, levels

    options = levels.options_of(section, run.source)
    level = levels.level(section.level, cutoff_Ry=section.cutoff_Ry, **options)
    # what a set does not ask for is not in its tasks' keys
    common = {"level_options": options} if options else {}
    prints = {"outputs": list(section.outputs)} if section.outputs else {}
    common |= {
        "level": section.level,
        "cutoff_Ry": section.cutoff_Ry,
        "label": levels.label_of(level),
        "max_net_force_eV_per_A": section.max_net_force_eV_per_A,
        "timeout_min": section.timeout_min,
    }
    candidates = _candidates(run, section)
    jobs = {item.name: item.frame for item in candidates}
    if section.spin != "ferromagnetic":
        jobs = {label: inputs.ordered(frame, section.spin, run.input.seed) for label, frame in jobs.items()}
    partners = coupling.partner(section, level, jobs, run.input.seed)
    jobs |= partners
    if run.input.dataset is not None and run.input.dataset.level == section.level:
        for element in sorted({element for item in candidates for element in item.frame.symbols}):
            own = (common["label"], str(levels.kinds_of(level, [element])), element)
            if own not in lone:
                jobs[f"atom-{element}"] = inputs.isolated_atom(element, level)
            lone.add(own)
    checked: set[str] = set()
    for label, frame in jobs.items():
        if (formula := frame.get_chemical_formula()) not in checked:
            # writing the input finds what CP2K would stumble over
            spin = {key: frame.info[key] for key in ("charge", "multiplicity")}
            text = inputs.single_point(frame, level, **spin, data=program.data, version=program.version(), **prints)
            checks.accepted(text, program.executable, f"reference {section.name}: {label}")
            checked.add(formula)
    common["set"] = section.name
    tasks = []
    for label, frame in jobs.items():
        task = f"{section.name}-{label}"
        own = {"kinds": levels.kinds_of(level, frame.symbols), "frame": to_json(frame)}
        own |= {} if "config_type" in frame.info else prints
        moves = {} if "config_type" in frame.info else _moves(section, f"{run.input.seed} {task}")
        if label in partners:
            own["partner_of"] = task.removesuffix(f"-{coupling.PARTNER}")
        # CP2K may have more processes than a lone atom has functions
        ranks = 1 if "config_type" in frame.info else section.ranks
        tasks.append(Task(name, task, common | own | moves, tools=("cp2k",), ranks=ranks))
    return tasks


def _moves(section: Reference, seed: str) -> dict[str, Any]:
    """The settings of a trajectory; nothing for a single point."""
    if section.aimd is not None:
        return {"aimd": section.aimd.model_dump(mode="json") | {"seed": crc32(seed.encode()) % 900_000_000 + 1}}
    if section.relax is not None:
        return {"relax": section.relax.model_dump(mode="json")}
    return {}


def _candidates(run: Run, section: Reference) -> list[Any]:
    from ..dataset.candidates import of_file, of_melt
    from ..dataset.vary import Variation

    how = Variation(section.rattle_A, section.strain_percent)
    spin = (section.charge, section.multiplicity)
    if section.structures != "glass":
        path = run.source / section.structures
        return of_file(path, section.frames_per_structure, how, run.input.seed, *spin)
    folder = run.products / "glass"
    still = section.aimd is None and section.relax is None
    of_each = section.melt_frames_per_structure
    of_each = (_MELT_FRAMES if still else 0) if of_each is None else of_each
    melts = sorted(folder.glob("*-melt.extxyz"))
    glasses = sorted(set(folder.glob("*.extxyz")) - set(melts))
    if not glasses:
        raise InputError(f"reference {section.name}: there is no glass in {folder} to label")
    candidates = []
    for path in glasses:
        candidates += of_file(path, section.frames_per_structure, how, run.input.seed, *spin)
    for path in melts:
        candidates += of_melt(path, of_each, *spin)
    return candidates


def run(job: Job) -> Mapping[str, Any] | None:
    """Label one frame, or make one trajectory and label its frames.

    A frame that fails a check is a result too: done, rejected, and why.
    """
    if job.rank != 0:
        return None
    if "aimd" in job.task.settings:
        return _run_aimd(job)
    if "relax" in job.task.settings:
        return _run_relaxation(job)
    return _run_label(job)


class _Setup:
    """What every job needs of its task: frame, level, spin, prints, the gate's limit, and CP2K."""

    def __init__(self, job: Job):
        from ..dataset.candidates import from_json
        from ..engines.cp2k import levels
        from ..engines.cp2k.run import Program, Runner

        settings = job.task.settings
        self.frame = from_json(settings["frame"])
        self.level = levels.of_settings(settings)
        self.program = Program.of_site(job.site, job.task.ranks)
        self.runner = Runner(self.program, job.child)
        self.spin = {key: self.frame.info[key] for key in ("charge", "multiplicity")}
        self.gate = {"max_net_force_eV_per_A": settings["max_net_force_eV_per_A"]}
        self.patience_s = 60 * settings["timeout_min"]
        self.outputs = tuple(settings.get("outputs", ()))

    def text(self, atoms: "Atoms") -> str:
        """The input of a single point of `atoms`."""
        from ..engines.cp2k.run import input_text

        return input_text(atoms, self.level, self.program, outputs=self.outputs, **self.spin)


def _run_label(job: Job) -> dict[str, Any]:
    import numpy as np

    from ..engines.cp2k.failures import REJECTIONS
    from ..engines.cp2k.run import label

    setup = _Setup(job)
    try:
        frame = label(
            setup.frame,
            setup.level,
            job.folder,
            program=setup.program,
            child=job.child,
            timeout_s=setup.patience_s,
            outputs=setup.outputs,
            **setup.spin,
            **setup.gate,
        )
    except TaskFailed as error:
        if error.failure not in REJECTIONS or _is_atom(job.task.settings["frame"]):
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


def _run_aimd(job: Job) -> dict[str, Any]:
    """A trajectory to its target, or to what ended it before; what came until then is kept."""
    from ..engines.cp2k import judge, motion
    from ..engines.cp2k.aimd import AIMD

    setup = _Setup(job)
    plan = motion.dynamics(**job.task.settings["aimd"])
    ps = plan.timestep_fs / 1000.0

    def check(frame: "Frame") -> None:
        if setup.level.needs_basis:
            judge.check_cutoff(frame.evaluation, **setup.gate)

    course = AIMD(
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


def _run_relaxation(job: Job) -> dict[str, Any]:
    """A relaxation to its limits; some of its steps are kept as frames, the last of them always."""
    import numpy as np

    from ..engines.cp2k import motion
    from ..engines.cp2k.failures import Refused
    from ..engines.cp2k.relax import Relax

    setup = _Setup(job)
    settings = job.task.settings["relax"]
    plan = motion.Relaxation(**{key: value for key, value in settings.items() if key != "frames"})
    course = Relax(
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
        stopped = Refused("NOT_RELAXED", f"after {len(steps)} steps a force or the pressure is above its limit")
    picks = np.unique(np.linspace(len(steps) - 1, 0, settings["frames"]).round().astype(int)) if steps else []
    noted = [(steps[i], {"relaxed": completed and bool(i == len(steps) - 1)}) for i in picks]
    return _harvest(job, setup, noted, stopped) | {
        "steps": len(steps),
        "relaxed": completed,
        "parts": len(course.taken),
    }


def _carry_out(course: "Course", setup: _Setup) -> "Refused | None":
    """Run a course to its end, or to what ended it; a failure leaves what was reached to the next attempt."""
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
    """Judge the frames of a trajectory, write those that are admitted, and list the others with their reasons."""
    from ..engines.cp2k.harvest import harvest

    found = harvest(setup.frame, steps, setup.level, **setup.spin, **setup.gate)
    if "aimd" in job.task.settings:
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
    """Give admitted frames their source, group, checks, CP2K and electronic analysis, and write them."""
    import numpy as np

    from ..analysis.electronic import annotate
    from ..dataset.frames import check_labelled, write_frames
    from ..dataset.sites import judge
    from ..engines.cp2k.levels import data_of

    version = setup.program.version()
    made_by = {
        "program": version and f"CP2K {version}",
        "cp2k_data": data_of(setup.level, setup.frame.symbols, setup.program.data),
    }
    for frame in frames:
        frame.info |= {key: value for key, value in made_by.items() if value is not None}
        at = f":{frame.info['step']}" if "step" in frame.info else ""
        source = f"{name}/{job.task.name}"
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
        check_labelled(frame, job.task.name)
    if frames:
        write_frames(job.folder / FRAME, frames)


def collect(run: Run, done: list[Done]) -> None:
    """Write each set's admitted frames and relaxed structures, rejections with their reasons, isolated atoms, and what
    its antiparallel partner shows; what sets that are no longer asked for have left goes.
    """
    folder = run.products / name
    endings = (".extxyz", "-relaxed.extxyz", "-rejected.json", "-wannier.json", "-E0.json", "-coupling.json")
    keep_only(folder, (f"{section.name}{ending}" for section in run.input.reference for ending in endings))
    for section in run.input.reference:
        items = [item for item in done if item.task.settings["set"] == section.name]
        frames, energies, rejected = [], {}, []
        for item in items:
            content = item.task.settings["frame"]
            if _is_atom(content):
                energies[content["symbols"][0]] = item.summary["energy_eV"]
                continue
            if (item.folder / FRAME).exists() and "partner_of" not in item.task.settings:
                frames.append(item.folder / FRAME)
            rejected += _rejections(item)
        _write(folder / f"{section.name}.extxyz", b"".join(path.read_bytes() for path in frames))
        coupling.write(folder / f"{section.name}-coupling.json", items, FRAME)
        _write_relaxed(folder / f"{section.name}-relaxed.extxyz", frames)
        write_json(folder / f"{section.name}-rejected.json", rejected)
        files = {item.task.name: item.folder / wannier.BONDS for item in items}
        bonds = {task: json.loads(file.read_text()) for task, file in files.items() if file.exists()}
        _write(folder / f"{section.name}-wannier.json", json.dumps(bonds).encode() if bonds else b"")
        table = {"level": items[0].task.settings["label"], "E0_eV": dict(sorted(energies.items()))}
        _write(folder / f"{section.name}-E0.json", json.dumps(table, indent=1).encode() if energies else b"")


def _rejections(item: Done) -> list[dict[str, Any]]:
    """The rejected frames of a task: itself, or steps of its trajectory and what ended it."""
    file = item.folder / REJECTED
    reasons = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return [
        {"frame": " ".join(filter(None, (item.task.name, reason.get("frame"))))}
        | {key: reason[key] for key in ("failure", "message")}
        for reason in reasons
    ]


def _write_relaxed(path: Path, files: Sequence[Path]) -> None:
    """The ends of relaxations that came to their limits; no file without any."""
    from ..dataset.frames import read_frames, write_frames

    relaxed = [frame for file in files for frame in read_frames(file) if frame.info.get("relaxed")]
    if relaxed:
        write_frames(path, relaxed)
    else:
        path.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    """Write what there is; nothing means no file."""
    if data:
        write_bytes(path, data)
    else:
        path.unlink(missing_ok=True)


def _is_atom(content: Mapping[str, Any]) -> bool:
    return content["info"].get("config_type") == "IsolatedAtom"
