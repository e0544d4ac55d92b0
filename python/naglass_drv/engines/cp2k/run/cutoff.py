"""Single points of one structure at several plane-wave cutoffs: the cost of each, and which forces sum to zero."""

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....chemistry.level import Level
from ....errors import InputError, TaskFailed
from ....runtime.launch import run_child
from ..theory import levels
from .label import Program, label

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Point:
    """One cutoff: energy (eV), forces (N×3, eV/Å), moments (N, µB), seconds; or why there are none."""

    cutoff_Ry: float
    cpu_s: float
    wall_s: float
    energy_eV: float = np.nan
    forces_eV_per_A: np.ndarray | None = None
    moments_muB: np.ndarray | None = None
    failure: str = ""

    @property
    def net_force_eV_per_A(self) -> float:
        """|Σ F|; infinite for a failed point."""
        return np.inf if self.forces_eV_per_A is None else float(np.linalg.norm(self.forces_eV_per_A.sum(axis=0)))


def scan(
    atoms: "Atoms",
    level: Level,
    cutoffs_Ry: Sequence[float],
    folder: Path,
    program: Program,
    report: Callable[[str], None],
) -> list[Point]:
    """One point per cutoff, the smallest first, each from scratch in its own folder below `folder`.

    `atoms` (N, periodic) carries `charge` and `multiplicity` in its info; `level` is taken with each of
    `cutoffs_Ry`. A point with a known failure is kept with it. Raises InputError for a level without cutoff,
    or where a point's folder exists.
    """
    chosen = {cutoff: levels.method(level.changed(cutoff_Ry=cutoff)) for cutoff in sorted(set(cutoffs_Ry))}
    folders = {cutoff: folder / f"{cutoff:g}Ry" for cutoff in chosen}
    for place in folders.values():
        if place.exists():
            raise InputError(f"{place}: already exists and is not overwritten; choose another --folder")
    points = []
    for number, (cutoff, method) in enumerate(chosen.items(), start=1):
        report(f"{number} of {len(chosen)}: {cutoff:g} Ry")
        points.append(_point(atoms, method, cutoff, folders[cutoff], program))
        said = points[-1].failure or f"|sum F| {points[-1].net_force_eV_per_A:.4f} eV/A"
        report(f"  {said}, {points[-1].cpu_s:.0f} CPU s, {points[-1].wall_s:.0f} s")
    return points


def _point(atoms: "Atoms", method: levels.Method, cutoff_Ry: float, folder: Path, program: Program) -> Point:
    folder.mkdir(parents=True)
    used, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    frame, failure = None, ""
    try:
        frame = label(
            atoms,
            method,
            folder,
            program=program,
            charge=atoms.info["charge"],
            multiplicity=atoms.info["multiplicity"],
            child=run_child,
            max_net_force_eV_per_A=np.inf,
        )
    except TaskFailed as error:
        failure = f"{error.failure}: {error}"
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = now.ru_utime - used.ru_utime + now.ru_stime - used.ru_stime
    wall_s = time.monotonic() - started
    if frame is None:
        return Point(cutoff_Ry, cpu_s, wall_s, failure=failure)
    arrays = frame.arrays
    return Point(cutoff_Ry, cpu_s, wall_s, frame.info["REF_energy"], arrays["REF_forces"], arrays["REF_spin"])


def pick(points: Sequence[Point], max_net_force_eV_per_A: float) -> Point:
    """The smallest cutoff whose net force passes. Raises TaskFailed (NET_FORCE) if none does."""
    passing = [point for point in points if point.net_force_eV_per_A <= max_net_force_eV_per_A]
    if not passing:
        least = min(points, key=lambda point: point.net_force_eV_per_A)
        best = least.failure or f"the smallest is {least.net_force_eV_per_A:.4f} at {least.cutoff_Ry:g} Ry"
        remedy = "try larger cutoffs or other grid options (docs/level-of-theory.md)"
        raise TaskFailed(
            "NET_FORCE", f"no cutoff brings |sum F| below {max_net_force_eV_per_A:g} eV/A: {best}; {remedy}"
        )
    return min(passing, key=lambda point: point.cutoff_Ry)


def rows(points: Sequence[Point]) -> list[dict[str, Any]]:
    """What there is to say of each point; differences are to the largest cutoff that gave a result.

    Different moments mean that two points are in different states, whose energies and forces cannot be compared.
    """
    good = [point for point in points if not point.failure]
    found = []
    for point in points:
        row: dict[str, Any] = {"cutoff_Ry": point.cutoff_Ry}
        row |= {"cpu_s": round(point.cpu_s, 1), "wall_s": round(point.wall_s, 1)}
        if point.forces_eV_per_A is None or point.moments_muB is None:
            found.append(row | {"failure": point.failure})
            continue
        change = 1000 * np.linalg.norm(point.forces_eV_per_A - good[-1].forces_eV_per_A, axis=1)
        found.append(
            row
            | {
                "net_force_eV_per_A": point.net_force_eV_per_A,
                "energy_difference_meV_per_atom": 1000 * (point.energy_eV - good[-1].energy_eV) / len(change),
                "force_difference_rms_meV_per_A": float(np.sqrt((change**2).mean())),
                "force_difference_largest_meV_per_A": float(change.max()),
                "moment_difference_largest_muB": float(np.abs(point.moments_muB - good[-1].moments_muB).max()),
            }
        )
    return found


def table_of(found: Sequence[Mapping[str, Any]]) -> str:
    """`rows` as text."""
    lines = [
        f"{'cutoff':>7} {'|sum F|':>9} {'dE':>10} {'dF rms':>9} {'dF max':>9} {'dm max':>7} {'CPU':>8}",
        f"{'Ry':>7} {'eV/A':>9} {'meV/atom':>10} {'meV/A':>9} {'meV/A':>9} {'muB':>7} {'s':>8}",
    ]
    for row in found:
        if "failure" in row:
            lines.append(f"{row['cutoff_Ry']:7g} {row['failure']}")
            continue
        lines.append(
            f"{row['cutoff_Ry']:7g} {row['net_force_eV_per_A']:9.4f} {row['energy_difference_meV_per_atom']:10.2f} "
            f"{row['force_difference_rms_meV_per_A']:9.1f} {row['force_difference_largest_meV_per_A']:9.1f} "
            f"{row['moment_difference_largest_muB']:7.3f} {row['cpu_s']:8.0f}"
        )
    return "\n".join(lines)
