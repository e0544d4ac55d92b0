"""Reads the output of one CP2K single point; what is not surely there is None, what contradicts itself is an error.

Every block carries a redundancy (sums, traces, alpha − beta, two prints of the energy), which is checked, so that a
cut, repeated or damaged file never passes as a label. The layout is chosen by the ` CP2K| version string:` line.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# CODATA 2018 (10.1103/RevModPhys.93.025010)
HARTREE_EV = 27.211386245988
BOHR_A = 0.529177210903
GPA_PER_EV_A3 = 160.2176634
_FORCE = HARTREE_EV / BOHR_A

_MAX_BYTES = 64 * 2**20
_NUMBER = r"[-+]?\d+\.\d*(?:[ED][-+]?\d+)?"
_ENDING = "PROGRAM ENDED AT"
_BOX = re.compile(r"^ \*[^\n]*\[ABORT\][^\n]*$(.*?)^ \*{60,}$", re.MULTILINE | re.DOTALL)


class OutputError(Exception):
    """The file is no output of a single point that can be trusted; the message says what is wrong."""


@dataclass(frozen=True)
class Layout:
    """Where one family of CP2K versions prints what (regular expressions and headings)."""

    energy: str
    forces: str
    force_sum: str
    stress: str
    mulliken: tuple[str, ...]
    hirshfeld: str


_CLASSIC = Layout(
    energy=rf"^ ENERGY\| Total FORCE_EVAL \( QS \) energy \[a\.u\.\]:\s+({_NUMBER})\s*$",
    forces="ATOMIC FORCES in [a.u.]",
    force_sum=r"^ SUM OF ATOMIC FORCES\s+(.*)$",
    stress="STRESS| Analytical stress tensor [GPa]",
    mulliken=("Mulliken Population Analysis", "MULLIKEN POPULATION ANALYSIS"),
    hirshfeld="Hirshfeld Charges",
)
# later versions print other headings and units: to be added with real outputs as their tests
_LAYOUTS = {"2022.1": _CLASSIC, "2022.2": _CLASSIC, "2023.1": _CLASSIC, "2023.2": _CLASSIC}


@dataclass(frozen=True)
class Output:
    """What a single point printed, in eV, Å, µB and seconds.

    `ended` tells a normal end; `abort` is the text of CP2K's [ABORT] box; `scf_converged` is None when no SCF was
    finished. `stress_eV_per_A3` is 3×3, virial only, with ASE's sign (a compressed cell is negative). Spins have
    length N, forces N×3. `net_force_eV_per_A` is |Σ F|. `s_squared` is (ideal, found).
    """

    version: str
    processes: int | None
    ended: bool
    out_of_time: bool
    abort: str | None
    scf_converged: bool | None
    scf_steps: int | None
    energy_eV: float | None
    forces_eV_per_A: np.ndarray | None
    net_force_eV_per_A: float | None
    stress_eV_per_A3: np.ndarray | None
    spin_mulliken: np.ndarray | None
    spin_hirshfeld: np.ndarray | None
    s_squared: tuple[float, float] | None
    wall_s: float | None
    warnings: tuple[str, ...]


def read(path: Path, elements: Sequence[str]) -> Output:
    """Parse the output file `path` of a single point of atoms `elements`.

    Raises OutputError when it is no CP2K output of a known version, holds more than one calculation, is of other
    atoms, or contradicts itself.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise OutputError(f"cannot be read: {error.strerror or error}") from error
    if len(data) > _MAX_BYTES:
        raise OutputError(f"larger than {_MAX_BYTES >> 20} MiB: no output of a single point")
    return parse(data.decode("utf-8", errors="replace"), elements)


def parse(text: str, elements: Sequence[str]) -> Output:
    """As `read`, from the text itself."""
    version = _version(text)
    layout = _LAYOUTS[version]
    lines = text.splitlines()
    converged = _converged(text)
    forces, net = _forces(text, lines, layout, elements)
    processes = _one(r"^ GLOBAL\| Total number of message passing processes\s+(\d+)\s*$", text)
    return Output(
        version=version,
        processes=int(processes) if processes else None,
        ended=_ENDING in text,
        out_of_time="exceeded requested execution time" in text,
        abort=_abort(text),
        scf_converged=converged,
        scf_steps=_scf_steps(text),
        energy_eV=_energy(text, layout, bool(converged)),
        forces_eV_per_A=forces,
        net_force_eV_per_A=net,
        stress_eV_per_A3=_stress(lines, layout),
        spin_mulliken=_mulliken(lines, layout, elements),
        spin_hirshfeld=_hirshfeld(lines, layout, elements),
        s_squared=_s_squared(text),
        wall_s=_wall(text),
        warnings=tuple(dict.fromkeys(re.findall(r"^ \*\*\* WARNING in (.*?)(?: \*\*\*)?$", text, re.MULTILINE))),
    )


def _version(text: str) -> str:
    found = re.findall(r"^ CP2K\| version string:\s+CP2K version (\S+)", text, re.MULTILINE)
    if not found:
        raise OutputError("no CP2K version line: CP2K did not start, or this is not its output")
    if len(found) > 1:
        raise OutputError(f"{len(found)} runs in one file: which one is meant is not known")
    if found[0] not in _LAYOUTS:
        raise OutputError(f"CP2K {found[0]}: layout not known; known are {', '.join(_LAYOUTS)}")
    return found[0]


def _one(pattern: str, text: str) -> str | None:
    """The group of the only match of `pattern`; None without one. Several contradict a single point."""
    found = re.findall(pattern, text, re.MULTILINE)
    if len(found) > 1:
        raise OutputError(f"{len(found)} lines like {str(found[0])[:40]!r} where a single point has one")
    return found[0] if found else None


def _number(text: str) -> float:
    """A finite number of Fortran; OutputError for overflow stars, NaN and anything else."""
    if not re.fullmatch(rf"{_NUMBER}|[-+]?\d+", text):
        raise OutputError(f"{text[:30]!r} where a number is expected")
    return float(text.replace("D", "E"))


def _numbers(words: Sequence[str]) -> list[float]:
    return [_number(word) for word in words]


def _abort(text: str) -> str | None:
    if "[ABORT]" not in text:
        return None
    box = _BOX.search(text)
    # the drawing of a man fills the left of the box, its text the right
    rows = [re.sub(r"^ \*.{10}|\*\s*$", "", row).strip() for row in box[1].splitlines()] if box else []
    return " ".join(row for row in rows if row) or "CP2K printed [ABORT] without a reason"


def _converged(text: str) -> bool | None:
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


def _energy(text: str, layout: Layout, converged: bool) -> float | None:
    """The energy (eV); that of a converged SCF is compared with the SCF's own last total."""
    found = _one(layout.energy, text)
    if found is None:
        return None
    energy = _number(found)
    totals = re.findall(rf"^  Total energy:\s+({_NUMBER})\s*$", text, re.MULTILINE)
    if converged and (not totals or abs(_number(totals[-1]) - energy) > 1e-4):
        raise OutputError(f"the energy {energy:.6f} Ha is not the last total energy of the SCF ({totals[-1:]})")
    return energy * HARTREE_EV


def _start(lines: Sequence[str], *headings: str) -> int | None:
    """Index of the only line with one of `headings`."""
    found = [index for index, line in enumerate(lines) if line.strip() in headings]
    if len(found) > 1:
        raise OutputError(f"{len(found)} blocks {lines[found[0]].strip()!r} where a single point has one")
    return found[0] if found else None


def _rows(lines: Sequence[str], start: int, elements: Sequence[str], width: int, element_column: int, what: str):
    """The per-atom rows after line `start`, split; their number, order and elements are checked."""
    first = next((i for i in range(start + 1, min(start + 5, len(lines))) if lines[i].split()[:1] == ["1"]), None)
    if first is None or first + len(elements) > len(lines):
        raise OutputError(f"{what}: the block is cut")
    rows = [line.split() for line in lines[first : first + len(elements)]]
    for index, (row, element) in enumerate(zip(rows, elements, strict=True)):
        if len(row) != width or row[0] != str(index + 1) or row[element_column] != element:
            raise OutputError(f"{what}: row {index + 1} is {' '.join(row)[:60]!r}, not one of {element}")
    after = lines[first + len(elements)].split() if first + len(elements) < len(lines) else []
    if after[:1] == [str(len(elements) + 1)]:
        raise OutputError(f"{what}: more than {len(elements)} atoms")
    return rows, first + len(elements)


def _forces(text: str, lines: Sequence[str], layout: Layout, elements: Sequence[str]):
    """Forces and |Σ F|, both None when the block is absent."""
    start = _start(lines, layout.forces)
    if start is None:
        return None, None
    rows, _ = _rows(lines, start, elements, 6, 2, "forces")
    forces = np.array([_numbers(row[3:]) for row in rows])
    total = _one(layout.force_sum, text)
    if total is None:
        raise OutputError("forces: no sum of the forces")
    printed = np.array(_numbers(total.split()))
    rounding = 1e-8 * (len(elements) + 1)
    if printed.shape != (4,) or np.abs(forces.sum(axis=0) - printed[:3]).max() > rounding:
        raise OutputError(f"forces: they add up to {forces.sum(axis=0).round(6).tolist()}, not to {total.strip()!r}")
    return forces * _FORCE, float(np.linalg.norm(printed[:3])) * _FORCE


def _stress(lines: Sequence[str], layout: Layout) -> np.ndarray | None:
    start = _start(lines, layout.stress)
    if start is None:
        return None
    rows = [line.split() for line in lines[start + 2 : start + 6]]
    if [row[:2] for row in rows[:3]] != [["STRESS|", axis] for axis in "xyz"] or len(rows) < 4:
        raise OutputError("stress: the block is cut")
    tensor = np.array([_numbers(row[2:5]) for row in rows[:3] if len(row) == 5])
    if tensor.shape != (3, 3) or rows[3][:3] != ["STRESS|", "1/3", "Trace"]:
        raise OutputError("stress: not a 3x3 tensor with its trace")
    scale = max(1.0, float(np.abs(tensor).max()))
    if np.abs(tensor - tensor.T).max() > 1e-6 * scale:
        raise OutputError("stress: the tensor is not symmetric")
    if abs(np.trace(tensor) / 3 - _number(rows[3][3])) > 1e-6 * scale:
        raise OutputError("stress: its trace is not the printed one")
    return -tensor / GPA_PER_EV_A3


def _mulliken(lines: Sequence[str], layout: Layout, elements: Sequence[str]) -> np.ndarray | None:
    """Moments (µB): rows are ``index element kind alpha beta charge spin``, with the sums of alpha and beta below."""
    start = _start(lines, *layout.mulliken)
    if start is None:
        return None
    rows, after = _rows(lines, start, elements, 7, 1, "Mulliken")
    values = np.array([_numbers(row[3:]) for row in rows])
    _agree(values[:, 0] - values[:, 1], values[:, 3], 3e-6, "Mulliken: alpha - beta")
    total = lines[after].split("spin", 1)[-1].split() if after < len(lines) else []
    if len(total) < 2:
        raise OutputError("Mulliken: the block is cut")
    _agree(values[:, :2].sum(axis=0), np.array(_numbers(total[:2])), 1e-6 * (len(elements) + 1), "Mulliken: the sum")
    return values[:, 3]


def _hirshfeld(lines: Sequence[str], layout: Layout, elements: Sequence[str]) -> np.ndarray | None:
    """Moments (µB): rows are ``index element kind reference alpha beta spin charge`` (spin before charge here)."""
    start = _start(lines, layout.hirshfeld)
    if start is None:
        return None
    rows, _ = _rows(lines, start, elements, 8, 1, "Hirshfeld")
    values = np.array([_numbers(row[3:]) for row in rows])
    _agree(values[:, 1] - values[:, 2], values[:, 3], 2.1e-3, "Hirshfeld: alpha - beta")
    # two rounded populations and a rounded charge: also tells spin and charge apart
    _agree(values[:, 0] - values[:, 1] - values[:, 2], values[:, 4], 2.1e-3, "Hirshfeld: reference - population")
    return values[:, 3]


def _agree(computed: np.ndarray, printed: np.ndarray, tolerance: float, what: str) -> None:
    worst = float(np.abs(computed - printed).max())
    if not worst <= tolerance:
        raise OutputError(f"{what} differs from the printed value by {worst:.2g}")


def _s_squared(text: str) -> tuple[float, float] | None:
    pattern = rf"^  Ideal and single determinant S\*\*2 :\s+({_NUMBER})\s+({_NUMBER})\s*$"
    found = re.findall(pattern, text, re.MULTILINE)
    return (_number(found[-1][0]), _number(found[-1][1])) if found else None


def _wall(text: str) -> float | None:
    """Seconds by CP2K's own timing table: the last column of its row ``CP2K``."""
    found = re.findall(rf"^ CP2K\s+1\s+1\.0(?:\s+{_NUMBER}){{3}}\s+({_NUMBER})\s*$", text, re.MULTILINE)
    seconds = _number(found[-1]) if found else math.nan
    return seconds if math.isfinite(seconds) else None
