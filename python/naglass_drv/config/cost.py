"""What an input will cost, estimated before anything is run: tasks, atoms, steps, memory and disk.

Memory and disk are rough estimates from what grows most in each program; docs/driver.md lists what they count.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..glass import protocols
from ..wording import counted, digits
from .atom_counts import NOTHING, Counts, atoms, bulk_atoms, interface_cells
from .interfaces import CELL_SAMPLE_PS, RELEASE_PS, finds_lattice, has_bulk, lattice_ps, relax_ps, simulates_bulk
from .partial import Unknown, rule
from .source import Where

_MELT_FRAMES = 2
# bytes for a program with its libraries: LAMMPS in Python, CP2K, LAMMPS with torch
_LAMMPS_B, _CP2K_B, _TORCH_B = 150e6, 200e6, 600e6
# atoms that one task evaluates with a potential: a minute or two, beside the seconds that its worker takes to start
_BATCH_ATOMS = 5_000
# bytes per atom: neighbor lists of the pair potential; a snapshot as text; a frame with arrays as the analysis holds it
_CLASSICAL_B, _SNAPSHOT_B, _FRAME_B = 2_000, 150, 250
# bytes per atom that a MACE model of typical size needs for one evaluation with gradients
_MODEL_B = 400_000
# bytes per atom that published potentials need for one evaluation, measured at 208 atoms
_PUBLISHED_B = {"sevennet": 12_000_000, "chgnet": 10_000_000}
# basis functions per atom, dense matrices per SCF, bytes per atom of the density grids at 800 Ry
_FUNCTIONS, _MATRICES, _GRID_B = {"gfn1-xtb": 6}, 20, 6_000_000
_OUTPUT_B = 2_000_000
# ps in which a shell is pushed apart and a core released; bytes of the log of a try; atoms of a frame whose descriptors
# are evaluated at once
_SHELL_PS, _TRY_B, _WHOLE_ATOMS = 0.7, 20_000, 2000


@dataclass(frozen=True)
class Cost:
    """For one stage or reference set: number of tasks, what one is, memory per task and total disk (bytes)."""

    where: Where
    tasks: int
    text: str
    memory: float
    disk: float

    def __str__(self) -> str:
        about = f"about {shown(self.memory)} of memory each, {shown(self.disk)} of disk in total"
        return f"{counted(self.tasks, self.text)}; {about}"


def costs(top: Any, counts: Counts = NOTHING) -> Iterator[Cost]:
    """The cost of each stage and reference set; sets whose structures are not in `counts` are left out.

    `top` is an input or the valid part of one.
    """
    with rule():
        if top.glass is not None:
            yield _glass(top)
    with rule():
        if top.interface is not None:
            with rule():
                if top.interface.cell_A == "relaxed":
                    yield _crystal(top, counts)
            yield _interface(top, counts)
    with rule():
        for index, item in enumerate(top.reference):
            with rule():
                yield _reference(top, item, index, counts)
    with rule():
        if top.md is not None:
            with rule():
                if finds_lattice(top):
                    yield _lattice(top, counts)
            yield _dynamics(top, counts)


def of_rounds(rounds: Sequence[Any], counts: Counts = NOTHING) -> Iterator[Cost]:
    """The costs of all rounds of a system, an upper bound if a round has candidates; ``round-1.md`` is one of them."""
    known = dict(counts)
    for number, top in enumerate(rounds):
        for item in costs(top, known):
            yield replace(item, where=(f"round-{number}", *item.where)) if number else item
        with rule():
            known["candidates"] = _selected(top, known) if top.md is not None else ()
            if number + 1 < len(rounds) and top.md is not None and top.md.cells is not None:
                sizes, known["candidates"] = known["candidates"], _cut(known["candidates"], top.md.cells)
                if any(item.structures == "candidates" for item in rounds[number + 1].reference):
                    yield from _cells(number + 1, top.md.cells, sizes)


def _selected(top: Any, counts: Counts) -> Sequence[int]:
    """Number of atoms of each candidate of a round, if every trajectory gives as many as are requested."""
    of_each = len(top.md.temperatures_K) * top.md.draws * top.md.candidates
    return [size * math.prod(top.md.replicate) for size in _structures(top, top.md.structures, counts)] * of_each


def _cut(sizes: Sequence[int], asked: Any) -> Sequence[int]:
    """Number of atoms of each candidate, large ones cut into cells."""
    of_each = ([asked.max_atoms] * asked.per_frame if size > asked.max_atoms else [size] for size in sizes)
    return [size for own in of_each for size in own]


def _cells(number: int, asked: Any, sizes: Sequence[int]) -> Iterator[Cost]:
    """The cost of cutting cells in a round, if any candidate is large."""
    large = [size for size in sizes if size > asked.max_atoms]
    if not large:
        return
    shell_ps = _SHELL_PS + asked.melt_ps + asked.quench_ps
    text = (
        f"frame of up to {max(large)} atoms, {counted(asked.per_frame, 'cell')} of up to {asked.max_atoms} atoms from "
        f"each, {_time(shell_ps, 1.0)} in up to {counted(asked.tries, 'try')}"
    )
    disk = len(large) * asked.per_frame * asked.tries * (_TRY_B + 4 * asked.max_atoms * _SNAPSHOT_B)
    memory = _TORCH_B + max(asked.max_atoms, min(max(large), _WHOLE_ATOMS)) * _MODEL_B
    yield Cost((f"round-{number}", "cells"), len(large), text, memory, disk)


def totals(found: Sequence[Cost]) -> list[Cost]:
    """The costs of several systems, those of each section added up."""
    by_section: dict[Where, list[Cost]] = {}
    for item in found:
        by_section.setdefault(item.where, []).append(item)
    return [
        Cost(
            where,
            sum(item.tasks for item in items),
            f"task in {counted(len(items), 'system')}",
            max(item.memory for item in items),
            sum(item.disk for item in items),
        )
        for where, items in by_section.items()
    ]


def ranks_by_section(top: Any) -> dict[str, int]:
    """The number of ranks that the tasks of each section need."""
    sections = {"glass": top.glass, "md": top.md} | {f"reference[{i}]": item for i, item in enumerate(top.reference)}
    return {name: section.ranks for name, section in sections.items() if section is not None}


def ranks(top: Any) -> int:
    """The largest number of ranks that any task of the input needs."""
    return max(ranks_by_section(top).values(), default=1)


def shown(size: float) -> str:
    """Bytes as ``20 MB``, ``1.5 GB``."""
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if size >= factor or unit == "MB":
            return f"{digits(size / factor, 2)} {unit}" if size < 100 * factor else f"{size / factor:.0f} {unit}"
    return ""


def evaluations(item: Any) -> int:
    """The most evaluations by a potential for each frame of a set: the start of a relaxation, and its steps."""
    return 1 if item.relax is None else 1 + item.relax.max_steps


def batches(sizes: Sequence[int], item: Any) -> list[range]:
    """Which frames, of so many atoms, of a reference set one task labels with a potential: at least one, in order."""
    found, first, atoms = [], 0, 0
    for number, size in enumerate(evaluations(item) * size for size in sizes):
        if atoms and atoms + size > _BATCH_ATOMS:
            found.append(range(first, number))
            first, atoms = number, 0
        atoms += size
    return [*found, range(first, len(sizes))] if sizes else []


def _glass(top: Any) -> Cost:
    glass, count = top.glass, atoms(top)
    total_ps = protocols.SOFT_PS + protocols.longest_ps(glass)
    text = f"melt-quench of {count} atoms, {_time(total_ps, glass.timestep_fs)}"
    if top.interface is not None and top.interface.route == "melt":
        text += ", in bulk, to compare the glass at the crystal with"
    if glass.protocol:
        text += " at most"
    disk = _frames_B(glass, total_ps, count)
    memory = _LAMMPS_B + count * _CLASSICAL_B if glass.model is None else _TORCH_B + count * _MODEL_B
    return Cost(("glass",), glass.replicas, text, memory, disk)


def _frames_B(glass: Any, total_ps: float, count: int) -> float:
    """Disk for the frames of all replicas of a melt-quench."""
    return glass.replicas * min(total_ps / protocols.SAMPLE_PS * count, protocols.MOST_ROWS) * _SNAPSHOT_B


def _crystal(top: Any, counts: Counts) -> Cost:
    """The bulk crystal at two temperatures."""
    asked, glass = top.interface, top.glass
    if glass is None:
        raise Unknown
    cooled_ps = (asked.release_K - glass.final_temperature_K) / glass.quench_rate_K_per_ps
    total_ps, count = 2 * relax_ps(glass) + cooled_ps, bulk_atoms(top, counts)[0]
    ends = f"{asked.release_K:g} and {glass.final_temperature_K:g} K"
    text = f"bulk crystal of about {count} atoms at {ends}, {_time(total_ps, glass.timestep_fs)}"
    disk = total_ps / CELL_SAMPLE_PS * count * _SNAPSHOT_B
    return Cost(("crystal",), 1, text, _LAMMPS_B + count * _CLASSICAL_B, disk)


def _lattice(top: Any, counts: Counts) -> Cost:
    """The bulk crystal in the model at each temperature of `md`."""
    md, count = top.md, bulk_atoms(top, counts)[1]
    total_ps, number = lattice_ps(md), len(md.temperatures_K)
    text = f"crystal in bulk of about {count} atoms in the model of md, {_time(total_ps, md.timestep_fs)}"
    disk = number * total_ps / CELL_SAMPLE_PS * count * _SNAPSHOT_B
    return Cost(("lattice",), number, text, _TORCH_B + count * _MODEL_B, disk)


def _interface(top: Any, counts: Counts) -> Cost:
    sizes, glass = interface_cells(top, counts), top.glass
    total_ps = protocols.SOFT_PS + protocols.longest_ps(glass) + RELEASE_PS
    text = f"glass against a crystal of about {sizes[0]} atoms together, {_time(total_ps, glass.timestep_fs)}"
    if len(set(sizes)) > 1:
        text = f"cell of a {text}, or of one of them alone, at most"
    disk = sum(_frames_B(glass, total_ps, count) for count in sizes) / glass.replicas
    return Cost(("interface",), len(sizes), text, _LAMMPS_B + sizes[0] * _CLASSICAL_B, disk)


def _reference(top: Any, item: Any, index: int, counts: Counts) -> Cost:
    sizes = _structures(top, item.structures, counts)
    moves = item.aimd is not None or item.relax is not None
    melts = item.melt_frames_per_structure
    if item.structures != "glass":
        melts = 0
    elif melts is None:
        melts = 0 if moves else _MELT_FRAMES
    if item.level.is_potential:
        return _taught(item, index, [size for size in sizes for _ in range(item.frames_per_structure + melts)])
    tasks = len(sizes) * (item.frames_per_structure + melts)
    count, frames, what = max(sizes), 1.0, "label"
    if item.aimd is not None:
        total_ps = sum(_segment_ps(segment) for segment in item.aimd.segments)
        frames = 1000.0 * total_ps / item.aimd.every_fs
        what = f"trajectory of {_time(total_ps, item.aimd.timestep_fs)},"
    elif item.relax is not None:
        what = f"relaxation of up to {counted(item.relax.max_steps, 'step')},"
    disk = tasks * (_OUTPUT_B + frames * count * (2 * _SNAPSHOT_B + 1_000))
    text = f"{what} {item.level.name}, up to {count} atoms"
    if top.dataset is not None and top.dataset.level == item.level.title:
        text += ", isolated atoms besides"
        if top.dataset.include:
            text += " where no included file gives them"
    return Cost(("reference", index), tasks, text, _scf_memory(item, count), disk)


def _taught(item: Any, index: int, sizes: Sequence[int]) -> Cost:
    kept = 1 if item.relax is None else 1 + item.relax.frames
    disk = 2 * kept * sum(sizes) * (_SNAPSHOT_B + 1_000)
    what = "label" if item.relax is None else f"relaxation of up to {counted(item.relax.max_steps, 'step')}"
    text = f"part of {counted(len(sizes), what)}, {item.level.title}, up to {max(sizes)} atoms"
    memory = _TORCH_B + max(sizes) * _PUBLISHED_B.get(item.level.family or "", _MODEL_B)
    return Cost(("reference", index), len(batches(sizes, item)), text, memory, disk)


def _scf_memory(item: Any, count: int) -> float:
    level = item.level
    matrices = _CP2K_B + _MATRICES * 8.0 * (_FUNCTIONS.get(level.name, 13) * count) ** 2
    if level.name == "gfn1-xtb":
        return matrices
    return matrices + count * _GRID_B * ((level.cutoff_Ry or 800.0) / 800.0) ** 1.5


def _segment_ps(segment: Any) -> float:
    if segment.time_ps is not None:
        return segment.time_ps
    if segment.to_temperature_K is None or segment.rate_K_per_ps is None:
        raise Unknown
    return abs(segment.to_temperature_K - segment.temperature_K) / segment.rate_K_per_ps


def _dynamics(top: Any, counts: Counts) -> Cost:
    md = top.md
    sizes = _structures(top, md.structures, counts)
    copies = math.prod(md.replicate)
    frames = 1000.0 * md.time_ps / md.sample_every_fs
    count = max(sizes) * copies
    size = f"{'about ' if md.structures == 'interface' else ''}{count} atoms"
    text = f"trajectory of up to {size}, {_time(md.time_ps, md.timestep_fs)}, {frames:.6g} frames each"
    runs = len(md.temperatures_K) * md.draws
    disk = runs * frames * sum(sizes) * copies * 2 * _SNAPSHOT_B
    memory = _TORCH_B + max(count * _MODEL_B, frames * count * _FRAME_B)
    return Cost(("md",), len(sizes) * runs, text, memory, disk)


def _structures(top: Any, named: Any, counts: Counts) -> Sequence[int]:
    """Number of atoms of each structure that a section uses."""
    if named == "interface":
        sizes = interface_cells(top, counts)
        return sizes if simulates_bulk(top) or not has_bulk(top) else sizes[: top.glass.replicas]
    if named != "glass":
        if not counts.get(named):
            raise Unknown
        return counts[named]
    if top.glass is None:
        raise Unknown
    return [atoms(top)] * top.glass.replicas


def _time(time_ps: float, timestep_fs: float) -> str:
    return f"{time_ps:.6g} ps ({round(1000.0 * time_ps / timestep_fs):.6g} steps)"
