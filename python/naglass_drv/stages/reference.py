"""Stage `reference`: labels for structures, varied copies, and their trajectories, from CP2K or by a potential."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..config.schema import Reference
from ..errors import InputError
from ..files import keep_only, write_bytes, write_json
from ..products import Labels, Product, Structures
from . import coupling, efforts, labeling, sets, teaching, wannier
from .base import Done, Job, Run, Task, dumped, lammps_seed, read_settings
from .labeling import FRAME, REJECTED, Settings, is_atom

name = "reference"
#: Raised when the same settings and files give another result.
revision = 1

CANDIDATES = "candidates"
_MELT_FRAMES = 2
#: Roles of the files of a set, and the ends of their names.
ENDINGS = {
    "admitted": ".extxyz",
    "relaxed": "-relaxed.extxyz",
    "rejected": "-rejected.json",
    "wannier": "-wannier.json",
    "E0": "-E0.json",
    "coupling": "-coupling.json",
}


def plan(run: Run) -> list[Task]:
    """One task per frame or trajectory, and one for the isolated atom of each element at the level of the dataset whose
    energy is not in an included file (those of several systems are labeled by the stage `atoms`); many frames in each
    for a level that is a potential.

    Raises SetupError if CP2K or its data are missing, and InputError for a structure that cannot be labeled,
    in either case before the first label is started.
    """
    by_cp2k = any(not section.level.is_potential for section in run.input.reference)
    program = sets.program_of(run.site) if by_cp2k else None
    lone: set[tuple[str, ...]] = set()
    given = _given_e0(run)
    return [
        task
        for section in run.input.reference
        for task in (
            teaching.plan(name, section, _candidates(run, section), run.source)
            if section.level.is_potential
            else _plan_set(run, section, program, lone, given)
        )
    ]


def _plan_set(
    run: Run, section: Reference, program: Any, lone: set[tuple[str, ...]], given: set[tuple[str, str]]
) -> list[Task]:
    """The tasks of one set; `lone` collects the isolated atoms of earlier sets at the same level, `given` are those of
    included files.
    """
    from ..dataset.candidates import to_json
    from ..dataset.frames import is_isolated_atom
    from ..engines.cp2k.theory import levels
    from ..engines.cp2k.write import inputs

    method, common = sets.settings_of(section, run.source)
    candidates = _candidates(run, section)
    jobs = {item.name: item.frame for item in candidates}
    if section.spin != "ferromagnetic":
        jobs = {label: inputs.ordered(frame, section.spin, run.input.seed) for label, frame in jobs.items()}
    partners = coupling.partners(section, method, jobs, run.input.seed)
    jobs |= partners
    if _labels_atoms(run, section):
        for element in sorted({element for item in candidates for element in item.frame.symbols}):
            own = (common.label, str(levels.kinds_of(method, [element])), element)
            if own not in lone and (common.label, element) not in given:
                jobs[f"atom-{element}"] = inputs.isolated_atom(element, method)
            lone.add(own)
    sets.check_inputs(jobs, method, program, f"reference {section.name}", section.outputs)
    tasks = []
    for label, frame in jobs.items():
        task = f"{section.name}-{label}"
        alone = is_isolated_atom(frame)
        still = alone or label in partners
        settings = replace(
            common,
            set=section.name,
            kinds=levels.kinds_of(method, frame.symbols),
            frame=to_json(frame),
            outputs=() if alone else tuple(section.outputs),
            # the task with the energy to compare to
            coupling=coupling.compared_with(f"{section.name}-", partners) if label in partners else "",
            **({} if still else _moves(section, f"{run.input.seed} {task}")),
        )
        # CP2K may have more processes than an isolated atom has basis functions
        ranks = 1 if alone else section.ranks
        effort = efforts.label(section, frame.symbols, moves=not still)
        tasks.append(Task(name, task, dumped(settings), tools=("cp2k",), ranks=ranks, effort=effort))
    return tasks


def expect(run: Run) -> tuple[list[Task], Labels]:
    """A task for each frame and isolated atom, or for many frames; that of antiparallel moments is not foreseen.

    Expected are the frames that are kept at most, none of them rejected, and the atoms of each.
    """
    tasks: list[Task] = []
    frames: dict[str, int] = {}
    atoms: dict[str, list[int]] = {}
    given = _given_e0(run)
    for section in run.input.reference:
        cells = _expected_cells(run, section)
        atoms[section.name] = [len(cell) for cell in cells for _ in range(efforts.kept(section))]
        frames[section.name] = len(atoms[section.name])
        if section.level.is_potential:
            tasks += teaching.expect(name, section, cells)
            continue
        lone = _lone_atoms(run, section, cells, given) if _labels_atoms(run, section) else []
        for number, symbols in enumerate([*cells, *([element] for element in lone)]):
            ranks = section.ranks if len(symbols) > 1 else 1
            effort = efforts.label(section, symbols)
            tasks.append(Task(name, f"{section.name}-{number}", {}, ranks=ranks, effort=effort))
    return tasks, Labels(facts=_facts(run) | {"frames": frames, "atoms": atoms})


def _lone_atoms(run: Run, section: Reference, cells: list[list[str]], given: set[tuple[str, str]]) -> list[str]:
    """The elements whose isolated atoms are to be labeled."""
    label = sets.settings_of(section, run.source)[1].label
    return sorted({element for cell in cells for element in cell if (label, element) not in given})


def _given_e0(run: Run) -> set[tuple[str, str]]:
    """Full level and element of each energy in the included files, which are read only where a set would label it."""
    if not any(_labels_atoms(run, section) for section in run.input.reference):
        return set()
    return sets.included_e0(run.input, run.source)


def _facts(run: Run) -> dict[str, Any]:
    """The levels by set, and the sets without isolated atoms."""
    sections = run.input.reference
    taught = [section.name for section in sections if section.level.is_potential]
    return {"levels": {section.name: section.level.title for section in sections}} | (
        {"taught": taught} if taught else {}
    )


def _labels_atoms(run: Run, section: Reference) -> bool:
    """Whether the isolated atoms of a set are its own tasks; for several systems they have a step of their own."""
    return not run.scope and sets.gives_e0(run.input, section)


def _expected_cells(run: Run, section: Reference) -> list[list[str]]:
    """The elements of every frame to be labeled."""
    from ..dataset.frames import read_frames

    if section.structures == CANDIDATES:
        selected = run.take(CANDIDATES, Product).facts["candidates"].values()
        return [cell for count, cell in selected for _ in range(count * section.frames_per_structure)]
    if section.structures != "glass":
        found = [list(frame.symbols) for frame in read_frames(run.source / section.structures)]
        return [cell for cell in found for _ in range(section.frames_per_structure)]
    glasses = run.take("glass", Structures).facts["symbols"].values()
    still = section.aimd is None and section.relax is None
    melts = section.melt_frames_per_structure
    melts = (_MELT_FRAMES if still else 0) if melts is None else melts
    return [cell for cell in glasses for _ in range(section.frames_per_structure + melts)]


def _moves(section: Reference, seed: str) -> dict[str, Any]:
    """The settings of a trajectory; empty for a single point."""
    if section.aimd is not None:
        return {"aimd": section.aimd, "seed": lammps_seed(seed)}
    return {"relax": section.relax}


def _candidates(run: Run, section: Reference) -> list[Any]:
    from ..dataset.candidates import of_file, of_melt
    from ..dataset.vary import Variation

    how = Variation(section.rattle_A, section.strain_percent)
    spin = (section.charge, section.multiplicity)
    if section.structures != "glass":
        selected = run.take(CANDIDATES, Product).files.get(CANDIDATES)
        path = selected if section.structures == CANDIDATES else run.source / section.structures
        # a model that breaks down at once leaves nothing to select
        return of_file(path, section.frames_per_structure, how, run.input.seed, *spin) if path is not None else []
    glasses = run.take("glass", Structures)
    still = section.aimd is None and section.relax is None
    of_each = section.melt_frames_per_structure
    of_each = (_MELT_FRAMES if still else 0) if of_each is None else of_each
    if not glasses.each("structure"):
        raise InputError(f"reference {section.name}: there is no glass in {run.products / 'glass'} to label")
    candidates = []
    for path in glasses.each("structure").values():
        candidates += of_file(path, section.frames_per_structure, how, run.input.seed, *spin)
    for path in glasses.each("melt").values():
        candidates += of_melt(path, of_each, *spin)
    return candidates


def run(job: Job) -> Mapping[str, Any] | None:
    """Label one frame, or run one trajectory and label its frames, or label many frames by a potential.

    A frame that fails a check is also a result: the task is done, and the frame is rejected with a reason.
    """
    if job.rank != 0:
        return None
    return teaching.carry_out(job) if teaching.is_taught(job.task) else labeling.carry_out(job)


def collect(run: Run, done: list[Done]) -> Labels:
    """Write for each set the admitted frames and relaxed structures, rejections with reasons, isolated atoms, and the
    result of its antiparallel partner; remove the files of sets that are no longer requested.
    """
    folder = run.products / name
    keep_only(folder, (f"{section.name}{end}" for section in run.input.reference for end in ENDINGS.values()))
    by_cp2k = [(item, read_settings(Settings, item.task)) for item in done if not teaching.is_taught(item.task)]
    for section in run.input.reference:
        stem = folder / section.name
        if section.level.is_potential:
            taught = [item for item in done if teaching.belongs(item.task, section)]
            frames = _collect_frames(stem, taught, taught)
            _write_relaxed(_file(stem, "relaxed"), frames if section.relax is not None else [])
            for role in ENDINGS.keys() - {"admitted", "relaxed", "rejected"}:
                _file(stem, role).unlink(missing_ok=True)
        else:
            _collect_cp2k(stem, [(item, asked) for item, asked in by_cp2k if asked.set == section.name])
    return Labels(
        files={
            f"{section.name}/{word}": path
            for section in run.input.reference
            for word, ending in ENDINGS.items()
            if (path := folder / f"{section.name}{ending}").exists()
        },
        facts=_facts(run),
    )


def _collect_cp2k(stem: Path, own: Sequence[tuple[Done, Settings]]) -> None:
    """Write the files, whose names begin with `stem`, of a set that CP2K has labeled in these tasks."""
    items = [item for item, _ in own]
    energies = {asked.frame["symbols"][0]: item.summary["energy_eV"] for item, asked in own if is_atom(asked.frame)}
    judged = [(item, asked) for item, asked in own if not is_atom(asked.frame)]
    labeled = [item for item, asked in judged if not asked.coupling]
    frames = _collect_frames(stem, labeled, [item for item, _ in judged])
    coupling.write(_file(stem, "coupling"), items, FRAME)
    _write_relaxed(_file(stem, "relaxed"), frames)
    files = {item.task.name: item.folder / wannier.BONDS for item in items}
    bonds = {task: json.loads(file.read_text()) for task, file in files.items() if file.exists()}
    _write(_file(stem, "wannier"), json.dumps(bonds).encode() if bonds else b"")
    table = {"level": own[0][1].label, "E0_eV": dict(sorted(energies.items()))} if energies else {}
    _write(_file(stem, "E0"), json.dumps(table, indent=1).encode() if table else b"")


def _collect_frames(stem: Path, labeled: Sequence[Done], judged: Sequence[Done]) -> list[Path]:
    """Write the admitted frames of the tasks `labeled`, and the rejections of those that are `judged`."""
    frames = [item.folder / FRAME for item in labeled if (item.folder / FRAME).exists()]
    _write(_file(stem, "admitted"), b"".join(path.read_bytes() for path in frames))
    write_json(_file(stem, "rejected"), [reason for item in judged for reason in _rejections(item)])
    return frames


def _file(stem: Path, role: str) -> Path:
    return stem.with_name(stem.name + ENDINGS[role])


def _rejections(item: Done) -> list[dict[str, Any]]:
    """The rejected frames of a task: its own frame, or steps of its trajectory and what ended it."""
    file = item.folder / REJECTED
    reasons = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return [
        {"frame": " ".join(filter(None, (item.task.name, reason.get("frame"))))}
        | {key: reason[key] for key in ("failure", "message")}
        for reason in reasons
    ]


def _write_relaxed(path: Path, files: Sequence[Path]) -> None:
    """Write the final structures of converged relaxations; no file if there are none."""
    from ..dataset.frames import read_frames, write_frames

    relaxed = [frame for file in files for frame in read_frames(file) if frame.info.get("relaxed")]
    if relaxed:
        write_frames(path, relaxed)
    else:
        path.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    """Write the frames, if there are any."""
    if data:
        write_bytes(path, data)
    else:
        path.unlink(missing_ok=True)
