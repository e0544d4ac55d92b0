"""Further files of the electronic structure from CP2K: Wannier centers, cube headers, projected densities of states."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .evaluation import BOHR_A, HARTREE_EV
from .layout import OutputError, number, numbers
from .output import read_text

_MAX_BYTES = 1 << 28
_MAX_GRID = 1 << 12
_WANNIER_TITLE = re.compile(r".*\bIteration:[\d_]*?(\d{1,9})\s*")
_PDOS_TITLE = re.compile(
    r"# Projected DOS for (?:atomic kind (\S+)|list .*) at iteration step i = (\d+), E\(Fermi\) =\s+(\S+) a\.u\.\s*"
)


@dataclass(frozen=True)
class WannierCenters:
    """Centers (M×3, Å, as written: any periodic image) and spreads (M, Å², None without their file) of one spin."""

    centers: np.ndarray
    spreads_A2: np.ndarray | None


@dataclass(frozen=True)
class CubeHead:
    """Title lines, origin (Å), grid points per direction, voxel edges 3×3 (Å), atomic numbers and positions (Å)."""

    titles: tuple[str, str]
    origin: np.ndarray
    points: tuple[int, int, int]
    voxel: np.ndarray
    numbers: np.ndarray
    positions: np.ndarray


@dataclass(frozen=True)
class ProjectedStates:
    """One kind's PDOS: energies and Fermi energy (eV), occupations, weights M×K of the `shells` ("s", "p", …)."""

    kind: str | None
    step: int
    fermi_eV: float
    energies_eV: np.ndarray
    occupations: np.ndarray
    shells: tuple[str, ...]
    weights: np.ndarray


def read_wannier(path: Path, elements: Sequence[str], spreads: Path | None = None) -> dict[int, list[WannierCenters]]:
    """By step the centers of each spin from ``*-wannier.xyz`` (IONS+CENTERS), alpha first, then beta.

    The file has one block per spin and step, the ions `elements` (wrapped independently) and then centers ``X``. Its
    title ends with the step of an MD or a relaxation. `spreads` is the file of spreads of the same run. An incomplete
    last block is left out, together with its step. Raises OutputError for other atoms or contradictions. A localization
    that stopped at MAX_ITER cannot be recognized from these files.
    """
    lines = read_text(path, _MAX_BYTES).splitlines()
    blocks: list[tuple[int, np.ndarray]] = []
    at = 0
    while at < len(lines):
        count = int(lines[at]) if re.fullmatch(r"\s*\d{1,7}\s*", lines[at]) else 0
        if count < len(elements):
            raise OutputError(
                f"{path.name}: line {at + 1}: {lines[at].strip()[:40]!r} is not a number of ions and centers"
            )
        rows = [line.split() for line in lines[at + 2 : at + 2 + count]]
        last = at + 2 + count >= len(lines)
        if len(rows) < count or (last and len(rows[-1]) != 4):
            break
        names = [row[0] for row in rows if len(row) == 4]
        if names != [*elements, *["X"] * (count - len(elements))]:
            raise OutputError(
                f"{path.name}: line {at + 1}: the rows must be the {len(elements)} ions followed by centers X"
            )
        title = _WANNIER_TITLE.fullmatch(lines[at + 1])
        if title is None:
            raise OutputError(f"{path.name}: line {at + 2}: {lines[at + 1].strip()[:60]!r} does not contain the step")
        blocks.append((int(title[1]), np.array([numbers(row[1:]) for row in rows])))
        at += 2 + count
    sizes = _spread_blocks(spreads) if spreads else None
    if sizes is not None and len(sizes) < len(blocks):
        raise OutputError(f"{path.name}: {len(blocks)} blocks of centers, but {len(sizes)} of spreads")
    found: dict[int, list[WannierCenters]] = {}
    ions: dict[int, np.ndarray] = {}
    for index, (step, block) in enumerate(blocks):
        centers = block[len(elements) :]
        spread = None if sizes is None else sizes[index]
        if spread is not None and len(spread) != len(centers):
            raise OutputError(f"{path.name}: block {index + 1} has {len(centers)} centers and {len(spread)} spreads")
        # the two spins of a step repeat the ions to the last digit
        if not np.array_equal(ions.setdefault(step, block[: len(elements)]), block[: len(elements)]):
            raise OutputError(f"{path.name}: step {step} appears again with different positions")
        found.setdefault(step, []).append(WannierCenters(centers, spread))
        if len(found[step]) > 2:
            raise OutputError(f"{path.name}: step {step} has more than two spins")
    if at < len(lines) and len(found) > 1 and len(found[blocks[-1][0]]) < len(found[blocks[0][0]]):
        del found[blocks[-1][0]]
    return found


def _spread_blocks(path: Path) -> list[np.ndarray]:
    """Spreads (Å²) of each whole block: number, title, rows ``index  spread  least spread`` (bohr²), their total."""
    rows = [line.split() for line in read_text(path, _MAX_BYTES).splitlines()]
    blocks, at = [], 0
    while at < len(rows) and len(rows[at]) == 1 and rows[at][0].isdecimal():
        end = at + 2 + int(rows[at][0])
        if end >= len(rows) or rows[end][:1] != ["Total"] or len(rows[end]) != 3:
            break
        values = np.array([number(row[1]) for row in rows[at + 2 : end] if len(row) == 3])
        if len(values) != end - at - 2 or abs(values.sum() - number(rows[end][1])) > 1e-7 * (len(values) + 1):
            raise OutputError(f"{path.name}: line {at + 1}: the spreads do not add up to their total")
        blocks.append(values * BOHR_A**2)
        at = end + 1
    return blocks


def read_cube_head(path: Path) -> CubeHead:
    """Title, grid and atoms of a Gaussian cube file, checked; the grid's values are not read."""
    with open(path, encoding="utf-8", errors="replace") as file:
        titles = (file.readline(200).strip(), file.readline(200).strip())
        rows = [_row(file.readline(200), 4, path) for _ in range(4)]
        count = int(rows[0][0])
        points = [int(row[0]) for row in rows[1:]]
        if not 0 < count < 10**6 or not all(0 < n <= _MAX_GRID for n in points):
            raise OutputError(f"{path.name}: {count} atoms on {points} points: not a cube file")
        atoms = np.array([_row(file.readline(200), 5, path) for _ in range(count)])
    return CubeHead(
        titles,
        np.array(rows[0][1:]) * BOHR_A,
        (points[0], points[1], points[2]),
        np.array([row[1:] for row in rows[1:]]) * BOHR_A,
        atoms[:, 0].astype(int),
        atoms[:, 2:] * BOHR_A,
    )


def _row(line: str, width: int, path: Path) -> list[float]:
    words = line.split()
    if len(words) != width:
        raise OutputError(f"{path.name}: {line.strip()[:60]!r}: expected {width} numbers in the header of a cube file")
    return numbers(words)


def read_pdos(path: Path) -> ProjectedStates:
    """One ``*.pdos`` file of CP2K. Raises OutputError for anything else; a truncated last row is an error, too."""
    lines = read_text(path, _MAX_BYTES).splitlines()
    title = _PDOS_TITLE.fullmatch(lines[0]) if lines else None
    if title is None or len(lines) < 3:
        raise OutputError(f"{path.name}: not a projected density of states from CP2K")
    shells = tuple(lines[1].split("Occupation")[-1].split())
    rows = [line.split() for line in lines[2:]]
    for index, row in enumerate(rows):
        if len(row) != 3 + len(shells) or row[0] != str(index + 1):
            raise OutputError(f"{path.name}: line {index + 3}: {' '.join(row)[:60]!r} is not state {index + 1}")
    table = np.array([numbers(row[1:]) for row in rows])
    return ProjectedStates(
        title[1],
        int(title[2]),
        number(title[3]) * HARTREE_EV,
        table[:, 0] * HARTREE_EV,
        table[:, 1],
        shells,
        table[:, 2:],
    )
