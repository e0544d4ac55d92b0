"""Cell and atoms of an input, as CP2K 2023.1 reads its &SUBSYS.

What it reads only from formats that are not read here (PDB, CIF, G96, ...) is refused by the name of the format.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from ase.geometry import cellpar_to_cell

from ...engines.cp2k.parse.output import read_text
from ...engines.cp2k.preprocess import is_within
from ...engines.cp2k.tree import Line, Section
from ...engines.cp2k.values import integers, logical, only, quantities, real, text, unit_value, word, words
from ...errors import InputError

_MAX_FILE = 1 << 26
_MASS = ("MASS", "ATOMIC_MASS", "ATOMIC_WEIGHT", "WEIGHT")
_DIAGONAL = ("ORTHORHOMBIC", "TETRAGONAL", "TETRAGONAL_AB", "TETRAGONAL_AC", "TETRAGONAL_BC", "CUBIC")
_MEANS = {"TETRAGONAL": (0, 1), "TETRAGONAL_AB": (0, 1), "TETRAGONAL_AC": (0, 2), "TETRAGONAL_BC": (1, 2)}


@dataclass(frozen=True)
class System:
    """Atoms at the start of a run: names of their kinds, elements, positions N×3 (Å), cell 3×3 (Å, rows).

    `periodic` is that of &CELL; `masses` (u) are those of &KIND where any states one; `shifted` tells that CP2K moves
    all atoms by one vector, to the center of the cell.
    """

    kinds: tuple[str, ...]
    elements: tuple[str, ...]
    positions: np.ndarray
    cell: np.ndarray
    periodic: tuple[bool, bool, bool]
    masses: dict[str, float]
    shifted: bool


def read_system(subsys: Section, folder: Path) -> System:
    """The atoms of &SUBSYS; files that it names are read from `folder`. InputError for anything not supported."""
    section = only(subsys, "CELL")
    topology = only(subsys, "TOPOLOGY") if subsys.sections("TOPOLOGY") else Section("TOPOLOGY")
    cell, unit_cell = _cell(section, folder)
    names, positions = _atoms(subsys, topology, folder, cell)
    repeats = integers(topology, "MULTIPLE_UNIT_CELL", default=(1, 1, 1))
    if repeats != (1, 1, 1):
        if repeats != integers(section, "MULTIPLE_UNIT_CELL", default=(1, 1, 1)) or min(repeats) < 1:
            raise InputError(
                f"MULTIPLE_UNIT_CELL {' '.join(map(str, repeats))} of &TOPOLOGY differs from that of &CELL"
            )
        # x changes fastest
        shifts = np.indices(repeats[::-1]).reshape(3, -1)[::-1].T @ unit_cell
        positions = (shifts[:, None, :] + positions[None, :, :]).reshape(-1, 3)
        names = names * len(shifts)
    axes = (word(section, "PERIODIC") or "XYZ").upper()
    element = {name: element_of(name, subsys) for name in set(names)}
    masses = {kind.parameter.upper(): word(kind, *_MASS) for kind in subsys.sections("KIND")}
    return System(
        names,
        tuple(element[name] for name in names),
        positions,
        cell,
        ("X" in axes, "Y" in axes, "Z" in axes),
        {kind: real(mass, f"&KIND {kind}: MASS") for kind, mass in masses.items() if mass},
        bool(topology.sections("CENTER_COORDINATES")),
    )


def element_of(name: str, subsys: Section) -> str:
    """The element of a kind: what its &KIND states, else the letters of its name before a number or underscore."""
    for section in subsys.sections("KIND"):
        if section.parameter.upper() != name.upper():
            continue
        if logical(section, "GHOST") or logical(section, "FLOATING_BASIS_CENTER"):
            raise InputError(f"&KIND {section.parameter}: GHOST and FLOATING_BASIS_CENTER are not atoms")
        if stated := word(section, "ELEMENT", "ELEMENT_SYMBOL"):
            return _symbol(stated, f"&KIND {section.parameter}: ELEMENT {stated}")
    letters = re.sub(r"\d+$", "", name.partition("_")[0]).capitalize()
    if len(letters) == 2 and letters not in atomic_numbers:
        letters = letters[0]
    return _symbol(letters, f"kind {name}")


def _symbol(letters: str, what: str) -> str:
    symbol = letters.capitalize()
    if atomic_numbers.get(symbol, 0) == 0:
        raise InputError(f"{what}: unknown element")
    return symbol


def beside(folder: Path, name: str, keyword: str) -> Path:
    """The file `name` that an input in `folder` states; InputError unless it is in that folder or below."""
    path = folder / name
    if not name or Path(name).is_absolute() or not is_within(path, folder) or not path.is_file():
        raise InputError(f"{keyword} {name!r}: no such file in the folder of the input")
    return path


def _atoms(subsys: Section, topology: Section, folder: Path, cell: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Kind and position (Å) of each atom, of &COORD or else of the file of coordinates."""
    scaled, unit = False, 1.0
    if subsys.sections("COORD"):
        coord = only(subsys, "COORD")
        scaled, unit = logical(coord, "SCALED"), unit_value(word(coord, "UNIT") or "angstrom")
        lines = [item for item in coord.items if isinstance(item, Line) and item.keyword not in ("", "UNIT", "SCALED")]
        rows = [[line.text.split()[0], *line.text.split()[1:4]] for line in lines]
    else:
        rows = _file_rows(topology, folder)
    if not rows or any(len(row) != 4 for row in rows):
        raise InputError("&COORD: each atom needs a kind and three numbers")
    positions = np.array([[real(value, f"&COORD: {row[0]}") for value in row[1:]] for row in rows])
    return tuple(row[0] for row in rows), positions @ cell if scaled else positions * unit


def _file_rows(topology: Section, folder: Path) -> list[list[str]]:
    form = (word(topology, "COORD_FILE_FORMAT", "COORDINATE") or "XYZ").upper()
    if form not in ("XYZ", "CP2K", "OFF"):
        raise InputError(f"COORD_FILE_FORMAT {form}: positions are read from &COORD and from files XYZ and CP2K only")
    path = beside(folder, text(topology, "COORD_FILE_NAME", "COORD_FILE") or "", "COORD_FILE_NAME")
    lines = read_text(path, _MAX_FILE).splitlines()
    if form == "XYZ":
        count = int(lines[0].split()[0]) if lines and re.fullmatch(r"\s*\d{1,7}\b.*", lines[0]) else 0
        lines = lines[2 : 2 + count]
        if not count or len(lines) < count:
            raise InputError(
                f"COORD_FILE_NAME {path.name}: has {len(lines)} atoms, but its first line says {count or 'no number'}"
            )
    rows = [line.split("#")[0].split("!")[0].split()[:4] for line in lines]
    # an atom of an XYZ file may be given by its atomic number
    return [[_by_number(row[0]), *row[1:]] for row in rows if row]


def _by_number(name: str) -> str:
    return chemical_symbols[int(name)] if name.isdecimal() and 0 < int(name) < len(chemical_symbols) else name


def _cell(section: Section, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The cell, and the one that it is a multiple of: rows, Å."""
    vectors = [words(section, axis) for axis in "ABC"]
    lengths = words(section, "ABC")
    if name := text(section, "CELL_FILE_NAME"):
        unit_cell = _cell_of_file(section, beside(folder, name, "CELL_FILE_NAME"))
    elif lengths is not None:
        angles = words(section, "ALPHA_BETA_GAMMA", "ANGLES") or ["90", "90", "90"]
        degrees = np.degrees(quantities(angles, "deg", 3, "ALPHA_BETA_GAMMA"))
        unit_cell = cellpar_to_cell([*quantities(lengths, "angstrom", 3, "ABC"), *degrees])
    elif None not in vectors:
        unit_cell = np.array([quantities(v or (), "angstrom", 3, axis) for axis, v in zip("ABC", vectors, strict=True)])
    else:
        raise InputError("&CELL: must have A, B and C, or ABC")
    cell = unit_cell * np.array(integers(section, "MULTIPLE_UNIT_CELL", default=(1, 1, 1)))[:, None]
    if not np.isfinite(cell).all() or abs(np.linalg.det(cell)) < 1e-6:
        raise InputError("&CELL: its volume is zero")
    return _symmetric(cell, (word(section, "SYMMETRY") or "NONE").upper()), unit_cell


def _cell_of_file(section: Section, path: Path) -> np.ndarray:
    form = (word(section, "CELL_FILE_FORMAT") or "CP2K").upper()
    if form != "CP2K":
        raise InputError(f"CELL_FILE_FORMAT {form}: cells are read from &CELL and from files of CP2K (*.cell) only")
    rows = [line.split() for line in read_text(path, _MAX_FILE).splitlines() if line.strip() and line.split()[0] != "#"]
    rows = [row for row in rows if row[0].isdecimal()]
    if not rows or len(rows[-1]) < 11:
        raise InputError(f"CELL_FILE_NAME {path.name}: has no line with a step, a time and nine numbers")
    return np.array(quantities(rows[-1][2:11], "angstrom", 9, path.name)).reshape(3, 3)


def _symmetric(cell: np.ndarray, symmetry: str) -> np.ndarray:
    """The cell with the symmetry that SYMMETRY imposes, oriented as CP2K does it."""
    if symmetry in ("NONE", "TRICLINIC"):
        return cell
    a, b, c = np.linalg.norm(cell, axis=1)
    alpha, beta, gamma = (_angle(cell[i], cell[j]) for i, j in ((1, 2), (0, 2), (0, 1)))
    if symmetry in _DIAGONAL:
        # distances of the lattice planes (010) and (001)
        sides = np.array([a, *(1 / np.linalg.norm(np.linalg.inv(cell)[:, axis]) for axis in (1, 2))])
        alike = list(_MEANS.get(symmetry, (0, 1, 2) if symmetry == "CUBIC" else ()))
        if alike:
            sides[alike] = sides[alike].mean()
        return np.diag(sides)
    if symmetry == "MONOCLINIC":
        return np.array([[a, 0, 0], [0, b, 0], [c * np.cos(beta), 0, c * np.sin(beta)]])
    if symmetry in ("MONOCLINIC_GAMMA_AB", "HEXAGONAL"):
        mean, angle = (a + b) / 2, np.pi / 3 if symmetry == "HEXAGONAL" else gamma
        return np.array([[mean, 0, 0], [mean * np.cos(angle), mean * np.sin(angle), 0], [0, 0, c]])
    if symmetry == "RHOMBOHEDRAL":
        return cellpar_to_cell([(a + b + c) / 3] * 3 + [np.degrees((alpha + beta + gamma) / 3)] * 3)
    raise InputError(f"SYMMETRY {symmetry}: is not supported")


def _angle(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.arccos(first @ second / (np.linalg.norm(first) * np.linalg.norm(second))))
