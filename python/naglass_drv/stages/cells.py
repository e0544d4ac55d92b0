"""Stage `cells`: environments of large candidates as small periodic cells, which a reference set labels in their place.

The surroundings of uncertain atoms are kept, the rest of a cell is melted and quenched with the committee that was
uncertain (`engines.embedding`). Candidates that are small enough stay as they are.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.schema import Uncertainty
from ..errors import InputError
from ..files import keep_only, write_bytes, write_json
from ..products import Model, Product, Structures, Trajectories
from . import committee, efforts
from .base import Done, Job, Run, Task, common, dumped, lammps_seed, read_settings
from .reached import Reached

if TYPE_CHECKING:
    from ase import Atoms

    from ..engines.embedding import Cut, Likeness
    from ..engines.lammps.requench import Forces

name = "cells"
#: Raised when the same settings and files give another result.
revision = 1

CANDIDATES = "candidates"
FRAMES, OUTCOMES = "candidates.extxyz", "cells.json"
_CELLS = "cells.extxyz"


@dataclass(frozen=True)
class Settings:
    """What decides the cells of a candidate, a `frame` of a file: the section `md.cells` of the input, and the least
    deviation (eV/Å) of an atom that is a center.
    """

    frame: int
    max_atoms: int
    per_frame: int
    melt_temperature_K: float
    melt_ps: float
    quench_ps: float
    tries: int
    least_eV_per_A: float
    seed: int
    radius_A: float | None = None


def plan(run: Run) -> list[Task]:
    """One task for each candidate that is too large to be labeled."""
    section = run.input.cells
    path, frames = _candidates(run)
    large = [number for number, frame in enumerate(frames) if len(frame) > section.max_atoms]
    if path is None or not large:
        return []
    model = run.take("train", Model)
    archives = {committee.task_of(member): file for member, file in enumerate(committee.archives(model))}
    inputs = {CANDIDATES: path, **archives, "portable": model.files["portable"]}
    least = (run.input.md.uncertainty or Uncertainty()).least_eV_per_A
    tasks = []
    for number in large:
        task = str(frames[number].info["source"])
        settings = Settings(
            frame=number,
            least_eV_per_A=least,
            seed=lammps_seed(f"{run.input.seed} {task}"),
            **common(Settings, section),
        )
        effort = efforts.cells(section, len(archives))
        tasks.append(Task(name, task, dumped(settings), inputs, ("lammps", "mace"), effort=effort))
    return tasks


def expect(run: Run) -> tuple[list[Task], Product]:
    """One task for each large candidate, every cell of which is accepted."""
    section, chosen, tasks = run.input.cells, {}, []
    for item, (count, symbols) in run.take(CANDIDATES, Trajectories).facts.get(CANDIDATES, {}).items():
        chosen[item] = (count, symbols)
        if len(symbols) > section.max_atoms:
            effort = efforts.cells(section, run.input.train.committee)
            tasks += [Task(name, f"{item}-{number}", {}, effort=effort) for number in range(count)]
            own = [symbols[len(symbols) * i // section.max_atoms] for i in range(section.max_atoms)]
            chosen[item] = (count * section.per_frame, own)
    return tasks, Structures(facts={CANDIDATES: chosen})


def _candidates(run: Run) -> "tuple[Path | None, list[Atoms]]":
    """The file of what the MD has selected, and its frames; none if it has broken down at once."""
    from ..dataset.frames import read_frames

    path = run.take(CANDIDATES, Trajectories).files.get(CANDIDATES)
    return path, read_frames(path) if path is not None else []


def run(job: Job) -> Mapping[str, Any] | None:
    """Cut the cells of one candidate. A center without an accepted cell is also a result, with the reason.

    A killed attempt keeps the tries that were made.
    """
    if job.rank != 0:
        return None
    from ..dataset.centers import uncertain_centers

    settings = read_settings(Settings, job.task)
    glass = _glass(job, settings)
    forces, likeness, cut = _prepared(job, settings, glass)
    reached = Reached(job)
    try:
        centers = uncertain_centers(glass, settings.per_frame, cut.radius_A, cut.most_atoms, likeness.describe)
    except InputError as error:
        outcomes = [{"accepted": False, "tries": 0, "reason": str(error)}]
    else:
        reached.keep({"centers": centers})
        outcomes = [
            _outcome(job, glass, (forces, likeness, cut), reached, (place, len(centers)), center)
            for place, center in enumerate(centers)
        ]
    write_json(job.folder / OUTCOMES, [{"frame": job.task.name} | outcome for outcome in outcomes])
    texts = [line["text"] for line in reached.lines.values() if "text" in line]
    if texts:
        write_bytes(job.folder / _CELLS, "".join(texts).encode())
    return {"centers": len(outcomes), "accepted": len(texts), "tries": sum(each["tries"] for each in outcomes)}


def _glass(job: Job, settings: Settings) -> "Atoms":
    """The candidate, with the deviations of those atoms that may be centers."""
    from ..dataset.centers import DEVIATION
    from ..dataset.frames import read_frames

    glass = read_frames(job.task.inputs[CANDIDATES])[settings.frame]
    deviation = glass.arrays[DEVIATION]
    deviation[deviation < settings.least_eV_per_A] = 0.0
    return glass


def _prepared(job: Job, settings: Settings, glass: "Atoms") -> "tuple[Forces, Likeness, Cut]":
    """The mean of the committee, how surroundings are compared, and how cells are cut."""
    from ..engines import embedding
    from ..engines.lammps.requench import Course
    from ..engines.mace.descriptors import atom_descriptors
    from ..engines.mace.modelfile import load_model

    roles = [role for role in job.task.inputs if role not in (CANDIDATES, "portable")]
    archives = [job.task.inputs[role].absolute() for role in roles]
    forces, cutoff_A = embedding.mace_forces(archives, glass, str(archives[0]))
    model = load_model(job.task.inputs["portable"]).double()
    likeness = embedding.Likeness.of(partial(atom_descriptors, model), glass, settings.seed)
    course = Course(settings.melt_temperature_K, melt_ps=settings.melt_ps, quench_ps=settings.quench_ps)
    radius_A = cutoff_A if settings.radius_A is None else settings.radius_A
    return forces, likeness, embedding.Cut(radius_A, settings.max_atoms, course, settings.tries, settings.seed)


def _outcome(
    job: Job,
    glass: "Atoms",
    how: "tuple[Forces, Likeness, Cut]",
    reached: Reached,
    progress: tuple[int, int],
    center: int,
) -> dict[str, Any]:
    """What came of a center: the tries that are not `reached` yet are made, until one is accepted."""
    from ..engines import embedding

    place, count = progress
    known = [line for line in reached.lines.values() if line["center"] == center]

    def told(step: int, total: int, phase: str) -> None:
        note = f"{phase}, try {len(known) + 1} around atom {center}"
        job.progress(place * total + step, count * total, "steps", note)

    if not any("text" in line for line in known):
        where = {"comm": job.comm, "folder": job.folder / f"atom{center}"}
        options = {"first": len(known), "progress": told, "stopping": job.stopping}
        for found in embedding.tries(glass, center, *how, **where, **options):
            line = {"center": center} | ({"reason": found} if isinstance(found, str) else _kept(job, found, glass))
            reached.add(f"atom{center}-try{len(known)}", line)
            known.append(line)
    said = {"center": center, "element": glass.symbols[center], "tries": len(known)}
    last = known[-1]
    if "text" in last:
        return said | {"accepted": True} | {key: value for key, value in last.items() if key.startswith("embed_")}
    return said | {"accepted": False, "reason": embedding.refused([line["reason"] for line in known])}


def _kept(job: Job, cell: "Atoms", glass: "Atoms") -> dict[str, Any]:
    """A cell that was accepted as text, and what was found of it."""
    from ..dataset.cells import CORE
    from ..dataset.frames import as_text

    found = {key: value for key, value in cell.info.items() if key.startswith("embed_")}
    cell.info |= {"group": glass.info["group"], "source": f"{job.task.name}-atom{cell.arrays[CORE][0]}"}
    return {"text": as_text(cell)} | found


def collect(run: Run, done: list[Done]) -> Structures:
    """Write what is labeled, small candidates as they are and the cells of large ones, and what came of each center."""
    from ..dataset.frames import as_text

    folder, most = run.products / name, run.input.cells.max_atoms
    cut = {read_settings(Settings, item.task).frame: item for item in done}
    texts: list[bytes] = []
    for number, frame in enumerate(_candidates(run)[1]):
        if len(frame) <= most:
            texts.append(as_text(frame).encode())
        elif (path := cut[number].folder / _CELLS).exists():
            texts.append(path.read_bytes())
    outcomes = [outcome for item in done for outcome in json.loads((item.folder / OUTCOMES).read_text())]
    keep_only(folder, (OUTCOMES, *([FRAMES] if texts else [])))
    write_json(folder / OUTCOMES, outcomes)
    if texts:
        write_bytes(folder / FRAMES, b"".join(texts))
    files = {"outcomes": folder / OUTCOMES} | ({CANDIDATES: folder / FRAMES} if texts else {})
    return Structures(files=files, facts=_facts(outcomes))


def _facts(outcomes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many cells were tried and accepted, the distances of their centers as shares of the median, and why others
    were not accepted.
    """

    def called(outcome: Mapping[str, Any]) -> str:
        return f"{outcome['frame']}-atom{outcome['center']}" if "center" in outcome else outcome["frame"]

    good = [outcome for outcome in outcomes if outcome["accepted"]]
    return {
        "tried": len(outcomes),
        "accepted": len(good),
        "tries": sum(outcome["tries"] for outcome in outcomes),
        "distance_of_median": {
            called(each): round(each["embed_distance"] / each["embed_median"], 4)
            for each in good
            if "embed_median" in each
        },
        "rejected": {called(each): each["reason"] for each in outcomes if not each["accepted"]},
    }
