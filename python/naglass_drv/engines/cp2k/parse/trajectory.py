"""Frames of one CP2K run that moves atoms: MD (NVE, NVT, NPT) and relaxations, from its folder.

The output holds one evaluation (SCF, energy, forces, stress, moments) per step, `*-pos-1.xyz` the positions,
`*-frc-1.xyz` the forces where the output has none, and `*-1.cell` the cells. A step becomes a frame only when all tell
of the same step and the energy written beside the positions is that of the step's own SCF: a run stopped by its time
limit writes one more step, with the positions of one and the energy of another.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ....wording import counted
from .evaluation import FORCE_EV_A, HARTREE_EV, Evaluation, evaluation_fields, force_rounding
from .layout import ENERGY, NUMBER, OutputError, number, numbers
from .output import MAX_RUN_BYTES, Header, header_of, read_text, whole_lines
from .printed import md_cell, printed_cells

_MARK = re.compile(
    r"^ MD_INI\| (?P<start>MD) initialization\s*$|^ MD\| Step number\s+(?P<md>\d+)\s*$"
    r"|^ -+  Informations at step =\s+(?P<opt>\d+)\s+-+\s*$|^ OPT\| Step number\s+(?P<opt_late>\d+)\s*$",
    re.MULTILINE,
)
_SCF = re.compile(r"^ SCF WAVEFUNCTION OPTIMIZATION\s*$", re.MULTILINE)
_BLOCK = re.compile(
    r"^(?= ATOMIC FORCES in | FORCES\| Atomic forces | STRESS\| Analytical stress tensor )", re.MULTILINE
)
_TITLE = re.compile(rf"\s*i =\s+(\d+),(?:\s+time =\s+({NUMBER}),)?\s+E =\s+({NUMBER})\s*")
# width of a number in CP2K's XYZ files, and position of its decimal point: a missing digit shifts the others
_FIELD, _POINT = 20, -11
# bohr per atomic unit of time (CODATA 2018) in Å/ps
VELOCITY_A_PS = 21876.9126364
# energies in the files of positions have ten decimals, as have forces
_SAME_ENERGY_HA = 2e-9
_SAME_FORCE_HA_BOHR = 1.1e-8


@dataclass(frozen=True)
class Frame:
    """One step: positions N×3 (Å), cell 3×3 (Å), velocities N×3 (Å/ps) where they were written, and its evaluation."""

    step: int
    time_fs: float | None
    positions: np.ndarray
    cell: np.ndarray
    velocities: np.ndarray | None
    evaluation: Evaluation


@dataclass(frozen=True)
class Trajectory:
    """Frames in order; `dropped` says which steps were left out and why, in words; `header` how the run ended."""

    header: Header
    frames: tuple[Frame, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class Files:
    """Names of the files of a run, and what their numbers are in: Å, eV/Å and Å/ps.

    `printed` are files that hold blocks of the output (forces, stress), as stem and suffix: ``w-forces-1``, ``.xyz``.
    """

    positions: str
    forces: str
    velocities: str
    cells: str
    position_A: float = 1.0
    force_eV_A: float = FORCE_EV_A
    velocity_A_ps: float = VELOCITY_A_PS
    printed: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, project: str) -> "Files":
        """Those that CP2K writes by default for `project`."""
        return cls(f"{project}-pos-1.xyz", f"{project}-frc-1.xyz", f"{project}-vel-1.xyz", f"{project}-1.cell")


@dataclass(frozen=True)
class StartCell:
    """The cell of a run's start (3×3, Å) and how it moves then, where no file of cells was written.

    `moves` is "" (not at all), "isotropic" (MD), "relaxed" (the output prints each cell) or "unknown"; `why` are the
    words for a cell that cannot be known.
    """

    cell: np.ndarray
    moves: str = ""
    why: str = ""


@dataclass(frozen=True)
class _Block:
    """One frame of an XYZ file, in the units of the file."""

    time_fs: float | None
    energy_Ha: float
    values: np.ndarray


@dataclass(frozen=True)
class _Step:
    """Text of a step in the output: its evaluations, each with the text before it, and the text after the step.

    A line search evaluates more than once a step, and need not end with what it accepts.
    """

    evaluations: tuple[tuple[str, str], ...]
    after: str

    def of(self, energy_Ha: float) -> tuple[str, str]:
        """The last evaluation with this energy, else the last one, and the text before it."""
        for evaluation, before in reversed(self.evaluations):
            energies = re.findall(ENERGY, evaluation, re.MULTILINE)
            if len(energies) == 1 and abs(number(energies[0]) - energy_Ha) <= _SAME_ENERGY_HA:
                return evaluation, before
        return self.evaluations[-1]


def read_trajectory(
    folder: Path,
    project: str,
    output: Path,
    elements: Sequence[str],
    start: StartCell | None = None,
    files: Files | None = None,
) -> Trajectory:
    """Frames of the run `project` in `folder`, whose output is the file `output`, of atoms `elements`.

    `start` tells the cell where the run wrote no file of cells, `files` the names and units of its files where they
    are not CP2K's own choice. Raises OutputError when a file contradicts itself or another one. Dropped with a word are
    an incomplete last frame, a step that mixes two SCFs or has no evaluation, one with an unknown cell, and evaluations
    without positions (killed in an SCF; the first one of a continued run).
    """
    files = files or Files.of(project)
    text = whole_lines(read_text(output, MAX_RUN_BYTES))
    header, layout = header_of(text)
    dropped: list[str] = []
    positions = _xyz(folder, files.positions, elements, dropped)
    forces = _xyz(folder, files.forces, elements, dropped)
    velocities = _xyz(folder, files.velocities, elements, dropped)
    cells = _cells(folder, files.cells, dropped)
    steps = _steps(text, min(positions, default=0))
    frames: list[Frame] = []
    for step, block in positions.items():
        if step not in steps:
            dropped.append(f"step {step}: its SCF did not finish")
            continue
        evaluation, before = steps[step].of(block.energy_Ha)
        lattice = _cell_of(step, before, steps[step].after, cells, start)
        if isinstance(lattice, str):
            dropped.append(f"step {step}: {lattice}")
            continue
        blocks = printed_blocks(folder, files, step, list(steps).index(step), len(steps)) if files.printed else ""
        evaluation += blocks
        found = Evaluation(**evaluation_fields(evaluation, layout, elements))
        written = forces.get(step)
        reason = _contradiction(block, written, found, files, force_rounding(evaluation, layout))
        if reason:
            dropped.append(f"step {step}: {reason}")
            continue
        if written is not None and (found.forces_eV_per_A is None or force_rounding(evaluation, layout) > 1e-8):
            found = _with_forces(found, written.values * files.force_eV_A)
        velocity = velocities[step].values * files.velocity_A_ps if step in velocities else None
        frames.append(Frame(step, block.time_fs, block.values * files.position_A, lattice, velocity, found))
    without = sorted(set(steps) - set(positions))
    if without:
        which = f"{without[0]} to {without[-1]}" if len(without) > 1 else f"{without[0]}"
        dropped.append(f"no positions were written for {counted(len(without), 'step')} ({which})")
    return Trajectory(header, tuple(frames), tuple(dropped))


def printed_blocks(folder: Path, files: Files, step: int, place: int = 0, count: int = 1) -> str:
    """What print keys with a FILENAME of their own wrote for a step, the one at `place` of `count`, not in the output.

    One file holds one step (``w-forces-1_7.xyz``) or, in order, all of them (``w-forces-1.xyz``).
    """
    found = ""
    for stem, suffix in files.printed:
        own, whole = folder / f"{stem}_{step}{suffix}", folder / f"{stem}{suffix}"
        if own.is_file():
            found += "\n" + whole_lines(read_text(own, MAX_RUN_BYTES))
        elif whole.is_file():
            blocks = _BLOCK.split(whole_lines(read_text(whole, MAX_RUN_BYTES)))[1:]
            found += "\n" + blocks[place] if len(blocks) == count else ""
    return found


def _with_forces(found: Evaluation, forces: np.ndarray) -> Evaluation:
    return replace(found, forces_eV_per_A=forces, net_force_eV_per_A=float(np.linalg.norm(forces.sum(axis=0))))


def _steps(text: str, first: int) -> dict[int, _Step]:
    """The text of each step, by step; `first` is that of the start where no step tells."""
    steps, begin = {}, 0
    marks = list(_MARK.finditer(text))
    counted = [int(mark["md"]) for mark in marks if mark["md"]]
    for mark in marks:
        told = mark["md"] or mark["opt"] or mark["opt_late"]
        # the start of an MD is the step before its first one
        step = int(told) if told else (counted[0] - 1 if counted else first)
        if step in steps:
            raise OutputError(f"step {step} appears twice in the output")
        segment = text[begin : mark.start()]
        begun = list(_SCF.finditer(segment))
        ends = [scf.start() for scf in begun[1:]] + [len(segment)] * bool(begun)
        evaluations = [(segment[scf.end() : end], segment[: scf.start()]) for scf, end in zip(begun, ends, strict=True)]
        following = _SCF.search(text, mark.end())
        after = text[mark.end() : following.start() if following else len(text)]
        steps[step] = _Step(tuple(evaluations) or ((segment, ""),), after)
        begin = mark.end()
    return steps


def _cell_of(
    step: int, before: str, after: str, cells: dict[int, np.ndarray], start: StartCell | None
) -> np.ndarray | str:
    """The cell of a step (rows, Å), or why it is not known."""
    said = md_cell(after)
    if step in cells:
        if said is not None and said.disagrees(cells[step]):
            return f"the cell in the cell file differs from that in the output, {said}"
        return cells[step]
    # where the file has every nth cell only, a cell that does not move is that of the others
    if start is None or (not start.moves and any(np.abs(cell - start.cell).max() > 1e-8 for cell in cells.values())):
        return "its cell was not written"
    if start.moves == "relaxed":
        relaxed = printed_cells(before)
        cell = relaxed[-1].standing() if relaxed else None
        return start.why if cell is None else cell
    if said is not None and not said.disagrees(start.cell):
        return start.cell
    if start.moves == "isotropic" and said is not None and said.volume is not None:
        scale = (said.volume / abs(np.linalg.det(start.cell))) ** (1 / 3)
        return start.why if said.disagrees(scale * start.cell) else scale * start.cell
    if start.moves or said is not None:
        return start.why or f"the cell in the output, {said}, differs from the initial cell"
    return start.cell


def _contradiction(block: _Block, forces: _Block | None, found: Evaluation, files: Files, rounding: float) -> str:
    """Why the files' frame and the output's evaluation are not of one step; empty when they are."""
    if found.energy_eV is None:
        return "its SCF printed no energy"
    if abs(found.energy_eV / HARTREE_EV - block.energy_Ha) > _SAME_ENERGY_HA:
        return "the energy in the file of positions is not that of the step's own SCF (stopped within a step)"
    if forces is None:
        return ""
    if abs(forces.energy_Ha - block.energy_Ha) > _SAME_ENERGY_HA:
        return "the energies in the files of forces and positions differ"
    if found.forces_eV_per_A is None:
        return ""
    # the file has ten decimals of its own unit
    same = max(_SAME_FORCE_HA_BOHR, 1.1 * rounding) * FORCE_EV_A + 1e-10 * files.force_eV_A
    if np.abs(found.forces_eV_per_A - forces.values * files.force_eV_A).max() > same:
        return "the forces in the output are not those in the file of forces"
    return ""


def _xyz(folder: Path, name: str, elements: Sequence[str], dropped: list[str]) -> dict[int, _Block]:
    """Blocks of an XYZ file of CP2K by step; empty if there is no such file. An incomplete last block is dropped."""
    lines = _written(folder, name).splitlines(keepends=True)
    size = len(elements) + 2
    blocks: dict[int, _Block] = {}
    for begin in range(0, len(lines), size):
        rows = lines[begin : begin + size]
        where = f"{name}: line {begin + 1}"
        if len(rows) < size or not rows[-1].endswith("\n"):
            if not _begins_a_frame(rows, len(elements)):
                raise OutputError(f"{where}: not the beginning of a frame of {len(elements)} atoms")
            dropped.append(f"{name}: the last frame is incomplete")
            break
        title = _TITLE.fullmatch(rows[1].rstrip("\n"))
        if rows[0].split() != [str(len(elements))] or not title:
            raise OutputError(f"{where}: not a frame of {len(elements)} atoms")
        if int(title[1]) in blocks:
            raise OutputError(f"{where}: step {title[1]} appears twice")
        time = number(title[2]) if title[2] else None
        blocks[int(title[1])] = _Block(time, number(title[3]), _vectors(rows[2:], elements, where))
    return blocks


def _begins_a_frame(rows: Sequence[str], count: int) -> bool:
    """Whether a frame of so many atoms that ends too early is one: a row too many before it would shift the rows."""
    first, *rest = rows
    if not first.endswith("\n"):
        return str(count).startswith(first.strip())
    titled = not rest or not rest[0].endswith("\n") or _TITLE.fullmatch(rest[0].rstrip("\n")) is not None
    return first.split() == [str(count)] and titled


def _written(folder: Path, name: str) -> str:
    """The text of a file, or of the files of one step each (``w-pos-1_7.xyz``) in its place; empty without them."""
    path = folder / name
    if path.exists():
        return read_text(path, MAX_RUN_BYTES)
    steps = {match[1]: file for file in path.parent.glob("*") if (match := _step_file(path, file.name))}
    return "".join(read_text(steps[step], MAX_RUN_BYTES) for step in sorted(steps, key=int))


def _step_file(path: Path, name: str) -> re.Match[str] | None:
    return re.fullmatch(rf"{re.escape(path.stem)}_(\d{{1,9}}){re.escape(path.suffix)}", name)


def _vectors(rows: Sequence[str], elements: Sequence[str], where: str) -> np.ndarray:
    """Three numbers per atom, right-aligned in fields of their own, after the element or a kind of it ("V1")."""
    values = np.empty((len(rows), 3))
    for index, (row, element) in enumerate(zip(rows, elements, strict=True)):
        text = row.rstrip("\n")
        fields = [text[len(text) - k * _FIELD :][:_FIELD] for k in (3, 2, 1)]
        if not re.fullmatch(rf"\s*{element}(\d*|_\w*)\s*", text[: -3 * _FIELD], re.IGNORECASE):
            raise OutputError(f"{where}: atom {index + 1}: {row.strip()[:60]!r} is not a row of {element}")
        values[index] = numbers([field.strip() for field in fields])
        if any(field[_POINT] != "." for field in fields):
            raise OutputError(f"{where}: atom {index + 1}: {row.strip()[:60]!r} has a truncated number")
    return values


def _cells(folder: Path, name: str, dropped: list[str]) -> dict[int, np.ndarray]:
    """Cells (3×3, Å) by step; the printed volume is compared."""
    cells: dict[int, np.ndarray] = {}
    for count, line in enumerate(_written(folder, name).splitlines(keepends=True), start=1):
        words = line.split()
        if words[:1] == ["#"]:
            continue
        if len(words) != 12 or not line.endswith("\n"):
            dropped.append(f"{name}: the last line is incomplete")
            break
        matrix = np.array(numbers(words[2:11])).reshape(3, 3)
        volume = number(words[11])
        if not words[0].isdecimal() or abs(abs(np.linalg.det(matrix)) - volume) > 1e-5 * volume:
            raise OutputError(f"{name}: line {count}: {line.strip()[:60]!r} is not a step with a cell and its volume")
        cells[int(words[0])] = matrix
    return cells
