"""One SCF and what CP2K prints after it: energy, forces, stress, charges and moments.

Every block contains redundant numbers (sums, traces, alpha − beta, the energy twice), which are checked, so that a
truncated, repeated or damaged text never passes as a label.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .layout import ENERGY, NUMBER, STRESS, STRESS_UNITS_GPA, Layout, OutputError, number, numbers, only

# CODATA 2018 (10.1103/RevModPhys.93.025010)
HARTREE_EV = 27.211386245988
BOHR_A = 0.529177210903
GPA_PER_EV_A3 = 160.2176634
FORCE_EV_A = HARTREE_EV / BOHR_A
# eV/Å; CP2K after 2023 prints forces in the unit FORCE_UNIT
_FORCE_UNITS = {
    "a.u.": FORCE_EV_A,
    **{
        f"{energy}/{length}": eV / A
        for energy, eV in (("hartree", HARTREE_EV), ("ry", HARTREE_EV / 2), ("ev", 1.0), ("mev", 1e-3))
        for length, A in (("bohr", BOHR_A), ("angstrom", 1.0))
    },
}
# by default CP2K prints forces to eight decimals (hartree/bohr); with fewer than four they are too coarse for labels
_LAST_DIGIT, _COARSEST = 1e-8, 1.1e-4


@dataclass(frozen=True)
class Evaluation:
    """What one SCF printed, in eV, Å, e and µB; None for what was not printed.

    `scf_converged` is None if no SCF finished. Charges and spins have length N, forces N×3.
    `stress_eV_per_A3` is 3×3, virial only, with ASE's sign (a compressed cell is negative).
    `net_force_eV_per_A` is |Σ F|; `s_squared` is (ideal, found); `plus_u_eV` the DFT+U part of the energy.
    """

    scf_converged: bool | None
    scf_steps: int | None
    energy_eV: float | None
    plus_u_eV: float | None
    forces_eV_per_A: np.ndarray | None
    net_force_eV_per_A: float | None
    stress_eV_per_A3: np.ndarray | None
    charge_mulliken: np.ndarray | None
    spin_mulliken: np.ndarray | None
    charge_hirshfeld: np.ndarray | None
    spin_hirshfeld: np.ndarray | None
    s_squared: tuple[float, float] | None


def evaluation_fields(text: str, layout: Layout, elements: Sequence[str]) -> dict:
    """Values of `Evaluation`'s fields from the text of one SCF of atoms `elements`.

    Raises OutputError for the blocks of more than one SCF, other atoms, or a block that contradicts itself.
    """
    lines = text.splitlines()
    good = converged(text)
    forces, net = _forces(text, lines, layout, elements)
    mulliken = _mulliken(lines, layout, elements)
    hirshfeld = _hirshfeld(lines, layout, elements)
    return {
        "scf_converged": good,
        "scf_steps": _scf_steps(text),
        "energy_eV": _energy(text, bool(good)),
        "plus_u_eV": _plus_u(text),
        "forces_eV_per_A": forces,
        "net_force_eV_per_A": net,
        "stress_eV_per_A3": _stress(lines),
        "charge_mulliken": mulliken[0],
        "spin_mulliken": mulliken[1],
        "charge_hirshfeld": hirshfeld[0],
        "spin_hirshfeld": hirshfeld[1],
        "s_squared": _s_squared(text),
    }


def converged(text: str) -> bool | None:
    """Whether the SCF in `text` converged; None if it did not end."""
    inner = re.search(r"\*\*\* SCF run converged in\s+\d+ steps \*\*\*", text) is not None
    failed = "SCF run NOT converged" in text or "outer SCF loop FAILED to converge" in text
    if not inner and not failed:
        return None
    outer = "outer SCF iter" not in text or "outer SCF loop converged in" in text
    return inner and outer and not failed


def _scf_steps(text: str) -> int | None:
    total = re.findall(r"outer SCF loop converged in\s+\d+ iterations or\s+(\d+) steps", text)
    total = total or re.findall(r"\*\*\* SCF run converged in\s+(\d+) steps", text)
    return int(total[-1]) if total else None


def _energy(text: str, converged: bool) -> float | None:
    """The energy (eV); that of a converged SCF is compared with the SCF's own last total."""
    found = only(ENERGY, text)
    if found is None:
        return None
    energy = number(found)
    totals = re.findall(rf"^  Total energy:\s+({NUMBER})\s*$", text, re.MULTILINE)
    if converged and (not totals or abs(number(totals[-1]) - energy) > 1e-4):
        raise OutputError(f"the energy {energy:.6f} Ha differs from the last total energy of the SCF ({totals[-1:]})")
    return energy * HARTREE_EV


def _plus_u(text: str) -> float | None:
    found = re.findall(rf"^  DFT\+U energy:\s+({NUMBER})\s*$", text, re.MULTILINE)
    return number(found[-1]) * HARTREE_EV if found else None


def _start(lines: Sequence[str], *headings: str) -> int | None:
    """Index of the only line with one of `headings`."""
    found = [index for index, line in enumerate(lines) if line.strip() in headings]
    if len(found) > 1:
        raise OutputError(f"{len(found)} blocks {lines[found[0]].strip()!r} instead of one")
    return found[0] if found else None


def _rows(
    lines: Sequence[str],
    start: int,
    elements: Sequence[str],
    width: int,
    element_column: int | None,
    what: str,
    prefix: str = "",
):
    """The per-atom rows after line `start`, split, by atom; their number and elements are checked.

    Tables may go kind by kind, as those of GFN1-xTB do.
    """
    words = [line.removeprefix(f" {prefix}").split() for line in lines[start : start + len(elements) + 6]]
    first = next((i for i in range(1, min(5, len(words))) if words[i] and words[i][0].isdecimal()), None)
    if first is None or first + len(elements) > len(words):
        raise OutputError(f"{what}: the block is truncated")
    rows = words[first : first + len(elements)]
    rows.sort(key=lambda row: int(row[0]) if row and row[0].isdecimal() else len(elements) + 1)
    for index, (row, element) in enumerate(zip(rows, elements, strict=True)):
        symbol = [word.capitalize() for word in row[element_column or 0 :][:1]]
        named = element_column is None or symbol == [element]
        if len(row) != width or row[0] != str(index + 1) or not named:
            raise OutputError(f"{what}: row {index + 1}: {' '.join(row)[:60]!r} is not a row of {element}")
    if words[first + len(elements) :][:1] and words[first + len(elements)][:1] == [str(len(elements) + 1)]:
        raise OutputError(f"{what}: more than {len(elements)} atoms")
    return rows, start + first + len(elements)


def _forces(text: str, lines: Sequence[str], layout: Layout, elements: Sequence[str]):
    """Forces and |Σ F|, both None when the block is absent."""
    units = {line.strip(): found[1] for line in lines if (found := re.fullmatch(layout.forces, line.strip()))}
    start = _start(lines, *units)
    if start is None:
        return None, None
    unit = units[lines[start].strip()].lower()
    if unit not in _FORCE_UNITS:
        raise OutputError(f"forces: unit {unit}: must be one of {', '.join(_FORCE_UNITS)}")
    rows, _ = _rows(
        lines, start, elements, layout.force_columns, layout.element_column, "forces", layout.force_row_prefix
    )
    forces = np.array([numbers(row[layout.force_column : layout.force_column + 3]) for row in rows])
    rounding = force_rounding(text, layout)
    if rounding > _COARSEST:
        raise OutputError(f"forces: printed only to {rounding:g} {unit} (NDIGITS), too coarse for a label")
    total = only(layout.force_sum, text)
    if total is None:
        raise OutputError("forces: the line with their sum is missing")
    printed = np.array(numbers(total.split()))
    most = max(_LAST_DIGIT, rounding) * (len(elements) + 1)
    if printed.shape not in ((3,), (4,)) or np.abs(forces.sum(axis=0) - printed[:3]).max() > most:
        raise OutputError(
            f"forces: they add up to {forces.sum(axis=0).round(6).tolist()}, but the printed sum is {total.strip()!r}"
        )
    return forces * _FORCE_UNITS[unit], float(np.linalg.norm(printed[:3])) * _FORCE_UNITS[unit]


def force_rounding(text: str, layout: Layout) -> float:
    """Value of the last digit of the printed forces, in their unit (NDIGITS); 0 without forces."""
    heading = re.search(layout.forces, text)
    total = re.search(layout.force_sum, text, re.MULTILINE)
    block = text[heading.end() : total.end()] if heading and total else ""
    digits = re.findall(r"\d\.(\d+)(?:[ED]([-+]?\d+))?", block)
    return max((10.0 ** (int(power or 0) - len(decimals)) for decimals, power in digits), default=0.0)


def _stress(lines: Sequence[str]) -> np.ndarray | None:
    units = {line.strip(): found[1] for line in lines if (found := re.fullmatch(STRESS, line.strip()))}
    start = _start(lines, *units)
    if start is None:
        return None
    unit = units[lines[start].strip()]
    if unit not in STRESS_UNITS_GPA:
        raise OutputError(f"stress: unit {unit}: must be one of {', '.join(STRESS_UNITS_GPA)}")
    rows = [line.split() for line in lines[start + 2 : start + 6]]
    if [row[:2] for row in rows[:3]] != [["STRESS|", axis] for axis in "xyz"] or len(rows) < 4:
        raise OutputError("stress: the block is truncated")
    tensor = np.array([numbers(row[2:5]) for row in rows[:3] if len(row) == 5])
    if tensor.shape != (3, 3) or rows[3][:3] != ["STRESS|", "1/3", "Trace"] or len(rows[3]) != 4:
        raise OutputError("stress: must be a 3x3 tensor followed by its trace")
    scale = max(1.0, float(np.abs(tensor).max()))
    if np.abs(tensor - tensor.T).max() > 1e-6 * scale:
        raise OutputError("stress: the tensor is not symmetric")
    if abs(np.trace(tensor) / 3 - number(rows[3][3])) > 1e-6 * scale:
        raise OutputError("stress: its trace differs from the printed one")
    return -tensor * (STRESS_UNITS_GPA[unit] / GPA_PER_EV_A3)


def _mulliken(lines: Sequence[str], layout: Layout, elements: Sequence[str]):
    """Charges (e) and moments (µB), the latter None where spins are paired.

    Rows are ``index element kind alpha beta charge spin``, or ``index element kind population charge``; the sums
    of the populations follow.
    """
    start = _start(lines, *layout.mulliken)
    if start is None:
        return None, None
    polarized = "Spin moment" in " ".join(lines[start : start + 4])
    rows, after = _rows(lines, start, elements, 7 if polarized else 5, 1, "Mulliken")
    values = np.array([numbers(row[3:]) for row in rows])
    populations = 2 if polarized else 1
    total = re.split("spin|charge", lines[after])[-1].split() if after < len(lines) else []
    if len(total) < populations:
        raise OutputError("Mulliken: the block is truncated")
    sums = np.array(numbers(total[:populations]))
    _agree(values[:, :populations].sum(axis=0), sums, 1e-6 * (len(elements) + 1), "Mulliken: the sum")
    if not polarized:
        return values[:, 1], None
    _agree(values[:, 0] - values[:, 1], values[:, 3], 3e-6, "Mulliken: alpha - beta")
    return values[:, 2], values[:, 3]


def _hirshfeld(lines: Sequence[str], layout: Layout, elements: Sequence[str]):
    """Charges (e) and moments (µB), the latter None where spins are paired.

    Rows are ``index element kind reference alpha beta spin charge`` (spin before charge here), or
    ``index element kind reference population charge``.
    """
    start = _start(lines, layout.hirshfeld)
    if start is None:
        return None, None
    polarized = "Spin moment" in " ".join(lines[start : start + 4])
    rows, _ = _rows(lines, start, elements, 8 if polarized else 6, 1, "Hirshfeld")
    values = np.array([numbers(row[3:]) for row in rows])
    population = values[:, 1]
    if polarized:
        _agree(values[:, 1] - values[:, 2], values[:, 3], 2.1e-3, "Hirshfeld: alpha - beta")
        population = values[:, 1] + values[:, 2]
    # rounded populations and a rounded charge: also distinguishes spin from charge
    _agree(values[:, 0] - population, values[:, -1], 2.1e-3, "Hirshfeld: reference - population")
    return values[:, -1], values[:, 3] if polarized else None


def _agree(computed: np.ndarray, printed: np.ndarray, tolerance: float, what: str) -> None:
    worst = float(np.abs(computed - printed).max())
    if not worst <= tolerance:
        raise OutputError(f"{what} differs from the printed value by {worst:.2g}")


def _s_squared(text: str) -> tuple[float, float] | None:
    pattern = rf"^  Ideal and single determinant S\*\*2 :\s+({NUMBER})\s+({NUMBER})\s*$"
    found = re.findall(pattern, text, re.MULTILINE)
    return (number(found[-1][0]), number(found[-1][1])) if found else None
