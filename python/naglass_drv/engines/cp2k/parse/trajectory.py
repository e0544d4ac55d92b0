"""Frames of one CP2K run that moves atoms: MD (NVE, NVT, NPT) and relaxations, from its folder.

The output holds one evaluation (SCF, energy, forces, stress, moments) per step, `*-pos-1.xyz` the positions and
`*-1.cell` the cells. A step becomes a frame only when all three tell of the same step and the energy written
beside the positions is that of the step's own SCF: a run stopped by its time limit writes one more step, with the
positions of one and the energy of another.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .evaluation import FORCE_EV_A, HARTREE_EV, Evaluation, evaluation_fields
from .layout import NUMBER, OutputError, number, numbers
from .output import MAX_RUN_BYTES, Header, header_of, read_text, whole_lines

_MARK = re.compile(
    r"^ MD_INI\| (?P<start>MD) initialization\s*$|^ MD\| Step number\s+(?P<md>\d+)\s*$"
    r"|^ -+  Informations at step =\s+(?P<opt>\d+)\s+-+\s*$|^ OPT\| Step number\s+(?P<opt_late>\d+)\s*$",
    re.MULTILINE,
)
_SCF = re.compile(r"^ SCF WAVEFUNCTION OPTIMIZATION\s*$", re.MULTILINE)
_TITLE = re.compile(rf"\s*i =\s+(\d+),(?:\s+time =\s+({NUMBER}),)?\s+E =\s+({NUMBER})\s*")
# width of a number in CP2K's XYZ files, and where its point stands: what is missing of one shifts the others
_FIELD, _POINT = 20, -11
# bohr per atomic unit of time (CODATA 2018) in Å/ps
_VELOCITY_A_PS = 21876.9126364
# energies beside the positions have ten decimals, forces too
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
class _Block:
    """One frame of an XYZ file."""

    time_fs: float | None
    energy_Ha: float
    values: np.ndarray


def read_trajectory(
    folder: Path, project: str, output: Path, elements: Sequence[str], cell: np.ndarray | None = None
) -> Trajectory:
    """Frames of the run `project` in `folder`, whose output is the file `output`, of atoms `elements`.

    `cell` (3×3, Å) is that of the run where it wrote no `*-1.cell`. Raises OutputError when a file contradicts
    itself or another one. Dropped with a word are a torn last frame, a step that mixes two SCFs or has no
    evaluation, and evaluations without positions (killed in an SCF; the first one of a continued run).
    """
    text = whole_lines(read_text(output, MAX_RUN_BYTES))
    header, layout = header_of(text)
    dropped: list[str] = []
    positions = _xyz(folder, f"{project}-pos-1.xyz", elements, dropped)
    forces = _xyz(folder, f"{project}-frc-1.xyz", elements, dropped)
    velocities = _xyz(folder, f"{project}-vel-1.xyz", elements, dropped)
    cells = _cells(folder, f"{project}-1.cell", dropped)
    texts = _evaluation_texts(text, min(positions, default=0))
    frames: list[Frame] = []
    for step, block in positions.items():
        lattice = cells.get(step) if cells else cell
        if step not in texts:
            dropped.append(f"step {step}: its SCF was not finished")
        elif lattice is None:
            dropped.append(f"step {step}: its cell was not written")
        else:
            found = Evaluation(**evaluation_fields(texts[step], layout, elements))
            reason = _contradiction(block, forces.get(step), found)
            if reason:
                dropped.append(f"step {step}: {reason}")
            else:
                velocity = velocities[step].values * _VELOCITY_A_PS if step in velocities else None
                frames.append(Frame(step, block.time_fs, block.values, lattice, velocity, found))
    without = sorted(set(texts) - set(positions))
    if without:
        dropped.append(f"no positions were written for {len(without)} steps ({without[0]} to {without[-1]})")
    return Trajectory(header, tuple(frames), tuple(dropped))


def _evaluation_texts(text: str, first: int) -> dict[int, str]:
    """The text of each step's last evaluation, by step; `first` is that of the start where no step tells."""
    texts, begin = {}, 0
    marks = list(_MARK.finditer(text))
    counted = [int(mark["md"]) for mark in marks if mark["md"]]
    for mark in marks:
        told = mark["md"] or mark["opt"] or mark["opt_late"]
        # the start of an MD is the step before its first one; a line search evaluates more than once a step
        step = int(told) if told else (counted[0] - 1 if counted else first)
        if step in texts:
            raise OutputError(f"step {step} stands twice in the output")
        texts[step] = _SCF.split(text[begin : mark.start()])[-1]
        begin = mark.end()
    return texts


def _contradiction(block: _Block, forces: _Block | None, found: Evaluation) -> str:
    """Why the files' frame and the output's evaluation are not of one step; empty when they are."""
    if found.energy_eV is None:
        return "its SCF gave no energy"
    if abs(found.energy_eV / HARTREE_EV - block.energy_Ha) > _SAME_ENERGY_HA:
        return "the energy beside the positions is not that of the step's own SCF (stopped in the middle of a step)"
    if forces is None or found.forces_eV_per_A is None:
        return ""
    if np.abs(found.forces_eV_per_A / FORCE_EV_A - forces.values).max() > _SAME_FORCE_HA_BOHR:
        return "the forces in the output are not those in the file of forces"
    return ""


def _xyz(folder: Path, name: str, elements: Sequence[str], dropped: list[str]) -> dict[int, _Block]:
    """Blocks of an XYZ file of CP2K by step; nothing when there is no such file. A torn last block is dropped."""
    path = folder / name
    if not path.exists():
        return {}
    lines = read_text(path, MAX_RUN_BYTES).splitlines(keepends=True)
    size = len(elements) + 2
    blocks: dict[int, _Block] = {}
    for begin in range(0, len(lines), size):
        rows = lines[begin : begin + size]
        if len(rows) < size or not rows[-1].endswith("\n"):
            dropped.append(f"{name}: the last frame is torn")
            break
        where = f"{name}: line {begin + 1}"
        title = _TITLE.fullmatch(rows[1].rstrip("\n"))
        if rows[0].split() != [str(len(elements))] or not title:
            raise OutputError(f"{where}: not a frame of {len(elements)} atoms")
        if int(title[1]) in blocks:
            raise OutputError(f"{where}: step {title[1]} stands there twice")
        time = number(title[2]) if title[2] else None
        blocks[int(title[1])] = _Block(time, number(title[3]), _vectors(rows[2:], elements, where))
    return blocks


def _vectors(rows: Sequence[str], elements: Sequence[str], where: str) -> np.ndarray:
    """Three numbers per atom, right-aligned in fields of their own, after the element or a kind of it ("V1")."""
    values = np.empty((len(rows), 3))
    for index, (row, element) in enumerate(zip(rows, elements, strict=True)):
        text = row.rstrip("\n")
        fields = [text[len(text) - k * _FIELD :][:_FIELD] for k in (3, 2, 1)]
        if not re.fullmatch(rf"\s*{element}\d*\s*", text[: -3 * _FIELD]):
            raise OutputError(f"{where}: atom {index + 1} is {row.strip()[:60]!r}, not one of {element}")
        values[index] = numbers([field.strip() for field in fields])
        if any(field[_POINT] != "." for field in fields):
            raise OutputError(f"{where}: atom {index + 1}: {row.strip()[:60]!r} has a number that is cut")
    return values


def _cells(folder: Path, name: str, dropped: list[str]) -> dict[int, np.ndarray]:
    """Cells (3×3, Å) by step; the printed volume is compared."""
    path = folder / name
    if not path.exists():
        return {}
    cells: dict[int, np.ndarray] = {}
    for count, line in enumerate(read_text(path, MAX_RUN_BYTES).splitlines(keepends=True), start=1):
        words = line.split()
        if words[:1] == ["#"]:
            continue
        if len(words) != 12 or not line.endswith("\n"):
            dropped.append(f"{name}: the last line is torn")
            break
        matrix = np.array(numbers(words[2:11])).reshape(3, 3)
        volume = number(words[11])
        if not words[0].isdecimal() or abs(abs(np.linalg.det(matrix)) - volume) > 1e-5 * volume:
            raise OutputError(f"{name}: line {count}: {line.strip()[:60]!r} is no step with a cell of its volume")
        cells[int(words[0])] = matrix
    return cells
