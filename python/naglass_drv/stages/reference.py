"""Stage `reference`: first-principles labels of structures and their varied copies, with CP2K."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config.schema import Input, Reference
from ..errors import InputError, SetupError, TaskFailed
from ..files import write_bytes, write_json
from .base import Done, Job, Run, Task

name = "reference"

FRAME = "frame.extxyz"


def wanted(input: Input) -> bool:
    return bool(input.reference)


def plan(run: Run) -> list[Task]:
    """One task per frame, and one per element for the isolated atoms of the dataset's level.

    Raises SetupError when CP2K or its data are missing, InputError for a structure that cannot be labelled:
    all before the first label is started.
    """
    from ..engines.cp2k.run import Program

    program = Program.of_site(run.site)
    if not os.access(program.executable, os.X_OK):
        raise SetupError(f"CP2K: {program.executable} is not an executable file")
    return [task for section in run.input.reference for task in _plan_set(run, section, program)]


def _plan_set(run: Run, section: Reference, program: Any) -> list[Task]:
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
    if run.input.dataset is not None and run.input.dataset.level == section.level:
        elements = sorted({element for item in candidates for element in item.frame.symbols})
        jobs |= {f"atom-{element}": inputs.isolated_atom(element, level) for element in elements}
    checked: set[str] = set()
    for label, frame in jobs.items():
        if (formula := frame.get_chemical_formula()) not in checked:
            # writing the input finds what CP2K would stumble over
            spin = {key: frame.info[key] for key in ("charge", "multiplicity")}
            text = inputs.single_point(
                frame, level, **spin, data=program.data, version=program.version(), **prints
            )
            checks.accepted(text, program.executable, f"reference {section.name}: {label}")
            checked.add(formula)
    common["set"] = section.name
    return [
        Task(
            name, f"{section.name}-{label}",
            common | {"kinds": levels.kinds_of(level, frame.symbols), "frame": to_json(frame)}
            | ({} if _is_atom(to_json(frame)) else prints), tools=("cp2k",),
        )
        for label, frame in jobs.items()
    ]


def _candidates(run: Run, section: Reference) -> list[Any]:
    from ..dataset.candidates import of_file, of_melt
    from ..dataset.vary import Variation

    how = Variation(section.rattle_A, section.strain_percent)
    spin = (section.charge, section.multiplicity)
    if section.structures != "glass":
        path = run.source / section.structures
        return of_file(path, section.frames_per_structure, how, run.input.seed, *spin)
    folder = run.products / "glass"
    melts = sorted(folder.glob("*-melt.extxyz"))
    glasses = sorted(set(folder.glob("*.extxyz")) - set(melts))
    if not glasses:
        raise InputError(f"reference {section.name}: there is no glass in {folder} to label")
    candidates = []
    for path in glasses:
        candidates += of_file(path, section.frames_per_structure, how, run.input.seed, *spin)
    for path in melts:
        candidates += of_melt(path, section.melt_frames_per_structure, *spin)
    return candidates


def run(job: Job) -> Mapping[str, Any] | None:
    """Label one frame. A frame that fails a check is a result too: done, rejected, and why."""
    if job.rank != 0:
        return None
    import numpy as np

    from ..dataset.candidates import from_json
    from ..dataset.frames import check_labelled, write_frames
    from ..engines.cp2k import levels
    from ..engines.cp2k.failures import REJECTIONS
    from ..engines.cp2k.run import Program, label

    settings = job.task.settings
    frame = from_json(settings["frame"])
    try:
        labelled = label(
            frame, levels.of_settings(settings), job.folder,
            program=Program.of_site(job.site), charge=frame.info["charge"],
            multiplicity=frame.info["multiplicity"], child=job.child, timeout_s=60 * settings["timeout_min"],
            max_net_force_eV_per_A=settings["max_net_force_eV_per_A"], outputs=settings.get("outputs", ()),
        )
    except TaskFailed as error:
        if error.failure not in REJECTIONS or _is_atom(settings["frame"]):
            raise
        return {"status": "rejected", "failure": error.failure, "message": str(error)}
    forces = labelled.arrays["REF_forces"]
    checks = {
        "net_force_eV_per_A": float(np.linalg.norm(forces.sum(axis=0))),
        "spin_sum_muB": float(labelled.arrays["REF_spin_mulliken"].sum()),
    }
    labelled.info |= {"source": f"{name}/{job.task.name}", "scf_converged": True} | checks
    labelled.info.setdefault("group", labelled.info["source"])
    check_labelled(labelled, job.task.name)
    write_frames(job.folder / FRAME, [labelled])
    return checks | {
        "status": "admitted",
        "energy_eV": labelled.info["REF_energy"],
        "largest_force_eV_per_A": float(np.linalg.norm(forces, axis=1).max()),
    }


def collect(run: Run, done: list[Done]) -> None:
    """Write each set's admitted frames, rejected ones with their reasons, and isolated-atom energies."""
    folder = run.products / name
    for section in run.input.reference:
        items = [item for item in done if item.task.settings["set"] == section.name]
        frames, energies, rejected = [], {}, []
        for item in items:
            content = item.task.settings["frame"]
            if item.summary["status"] == "rejected":
                reason = {key: item.summary[key] for key in ("failure", "message")}
                rejected.append({"frame": item.task.name} | reason)
            elif _is_atom(content):
                energies[content["symbols"][0]] = item.summary["energy_eV"]
            else:
                frames.append(item.folder / FRAME)
        _write(folder / f"{section.name}.extxyz", b"".join(path.read_bytes() for path in frames))
        write_json(folder / f"{section.name}-rejected.json", rejected)
        table = {"level": items[0].task.settings["label"], "E0_eV": dict(sorted(energies.items()))}
        _write(folder / f"{section.name}-E0.json", json.dumps(table, indent=1).encode() if energies else b"")


def _write(path: Path, data: bytes) -> None:
    """Write what there is; nothing means no file."""
    if data:
        write_bytes(path, data)
    else:
        path.unlink(missing_ok=True)


def _is_atom(content: Mapping[str, Any]) -> bool:
    return content["info"].get("config_type") == "IsolatedAtom"
