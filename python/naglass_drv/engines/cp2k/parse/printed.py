"""What the output says about the run: its name, cell, first positions and spin, to compare with the input."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ase.geometry import cell_to_cellpar, cellpar_to_cell

from .evaluation import BOHR_A
from .layout import NUMBER, numbers

_CELL = re.compile(
    r"^ CELL\| Volume \[(?P<unit>\w+)\^3\]:?\s+(?P<volume>\S+)\s*\n"
    + r"".join(rf" CELL\| Vector {v} \[\w+\]?:?\s+(?P<{v}>.+?)\s+\|{v}\| =\s+(?P<l{v}>\S+)\s*\n" for v in "abc")
    + "".join(
        rf" CELL\| Angle \(.,.\), {angle}\s+\[degree\]:\s+(?P<{angle}>\S+)\s*\n" for angle in ("alpha", "beta", "gamma")
    ),
    re.MULTILINE,
)
_MD_LENGTHS = re.compile(rf"^ MD(?:_INI)?\| Cell lengths \[ang\]\s+({NUMBER})\s+({NUMBER})\s+({NUMBER})\s*$", re.M)
_MD_ANGLES = re.compile(rf"^ MD(?:_INI)?\| Cell angles \[deg\]\s+({NUMBER})\s+({NUMBER})\s+({NUMBER})\s*$", re.M)
_MD_VOLUME = re.compile(rf"^ MD(?:_INI)?\| Cell volume \[ang\^3\]\s+({NUMBER})", re.M)
_ATOMS = re.compile(
    r"^ MODULE \w+:\s+ATOMIC COORDINATES IN (\w+)\s*\n(?:\s*\n)*.*Atom.*\n(?:\s*\n)*((?: +\d+ .*\n)+)", re.M
)
_ELECTRONS = re.compile(r"^ Spin (\d)\s*\n\s*\n Number of electrons:\s+(\d+)\s*$", re.M)
_UNITS_A = {"ANGSTROM": 1.0, "BOHR": BOHR_A}
# CP2K prints lengths to six decimals, components of vectors to three in 2023.1
_LENGTH_A, _COMPONENT_A = 1.01e-6, 6e-4


@dataclass(frozen=True)
class PrintedCell:
    """Lengths (Å), angles (degrees, None where they were not printed) and volume (Å³) of a cell.

    `vectors` (rows, Å) are coarse, for checking the orientation; `tolerance_A` is the rounding of the lengths.
    """

    lengths: np.ndarray
    angles: np.ndarray | None
    volume: float | None
    vectors: np.ndarray | None
    tolerance_A: float

    def disagrees(self, cell: np.ndarray) -> bool:
        """Whether `cell` (3×3, Å) differs."""
        found = cell_to_cellpar(cell)
        # a length is rounded by itself, an angle like its arc
        far = np.abs(found[:3] - self.lengths).max() > self.tolerance_A
        turned = self.angles is not None and np.abs(found[3:] - self.angles).max() > max(1e-5, 60 * self.tolerance_A)
        other = self.vectors is not None and np.abs(cell - self.vectors).max() > _COMPONENT_A
        return bool(far or turned or other)

    def standing(self) -> np.ndarray | None:
        """The cell from lengths and angles, a along x and b in the xy plane; None if the vectors differ."""
        if self.angles is None or self.vectors is None:
            return None
        cell = cellpar_to_cell([*self.lengths, *self.angles])
        return None if self.disagrees(cell) else cell

    def __str__(self) -> str:
        angles = "" if self.angles is None else f" and {' '.join(f'{angle:.3f}' for angle in self.angles)} degrees"
        return f"{' '.join(f'{length:.5f}' for length in self.lengths)} Å{angles}"


def printed_cells(text: str) -> list[PrintedCell]:
    """The cells ``CELL|`` of an output, in order."""
    return [_cell(match.groupdict()) for match in _CELL.finditer(text)]


def _cell(found: Mapping[str, str]) -> PrintedCell:
    scale = _UNITS_A.get(found["unit"].upper(), np.nan)
    return PrintedCell(
        np.array(numbers([found["la"], found["lb"], found["lc"]])) * scale,
        np.array(numbers([found["alpha"], found["beta"], found["gamma"]])),
        numbers([found["volume"]])[0] * scale**3,
        np.array([numbers(found[v].split()) for v in "abc"]) * scale,
        _LENGTH_A,
    )


def md_cell(text: str) -> PrintedCell | None:
    """The cell of an MD's start (``MD_INI|``) or of one step (``MD|``), the first in `text`; None without one."""
    lengths, angles, volume = (pattern.search(text) for pattern in (_MD_LENGTHS, _MD_ANGLES, _MD_VOLUME))
    if lengths is None:
        return None
    values = np.array(numbers(list(lengths.groups())))
    return PrintedCell(
        values,
        None if angles is None else np.array(numbers(list(angles.groups()))),
        None if volume is None else numbers([volume[1]])[0],
        None,
        1.01e-8 * 10 ** max(0, int(np.log10(values.max()))),
    )


def printed_atoms(text: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Atomic numbers and positions (Å, six decimals) of the first table of atoms; None without one."""
    table = _ATOMS.search(text)
    if table is None:
        return None
    rows = [row.split() for row in table[2].splitlines()]
    if any(len(row) != 9 for row in rows):
        return None
    scale = _UNITS_A.get(table[1].upper(), np.nan)
    return np.array([int(row[3]) for row in rows]), np.array([numbers(row[4:7]) for row in rows]) * scale


def printed_multiplicity(text: str) -> int | None:
    """The multiplicity from the numbers of electrons of both spins; None where there is one spin."""
    electrons = _ELECTRONS.findall(text)[:2]
    return abs(int(electrons[0][1]) - int(electrons[1][1])) + 1 if [e[0] for e in electrons] == ["1", "2"] else None


def global_value(text: str, name: str) -> str | None:
    """A value of the block ``GLOBAL|`` at the beginning; None without it."""
    found = re.search(rf"^ GLOBAL\| {name} +(\S.*?) *$", text, re.MULTILINE)
    return found[1] if found else None
