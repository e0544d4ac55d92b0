"""Stress in the interiors of the glass and of the crystal of a cell with a slab, while it is held."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chemistry import ions as chemistry

if TYPE_CHECKING:
    from ase import Atoms

# Å: farther than this from where crystal and glass meet, either is its interior
_INTERIOR_A = 5.0
# Å, of some ionic diameters: a stress of less glass is that of a few ions
_LEAST_GLASS_A = 10.0
# of the second half of the hold
_MOST_STRESSES = 50


def interior_stress(
    folder: Path, start: "Atoms", height_A: float, thick_A: float, repeats: int, first: int, temperature_K: float
) -> dict[str, dict[str, Any]]:
    """σ_xx, σ_yy and σ_zz (GPa, tension positive) with errors in time, beyond 5 Å of the surfaces of the slab, in the
    second half of the frames of a task's `folder` from step `first` on; the `reason` where there is too little.

    By ``glass`` and ``crystal``. At the `start` the slab is `thick_A` thick, of so many `repeats` of the crystal. Whole
    ones are taken, as wide as they are in each frame: within one, the stress along the surface is not even. In the end,
    the cell is `height_A` high.
    """
    from ..core import average

    inner, spacing_A = thick_A - 2 * _INTERIOR_A, thick_A / repeats
    margin, half = thick_A / 2 + _INTERIOR_A, max(0, int(inner / spacing_A)) * spacing_A / 2
    interiors = {"glass": (height_A - 2 * margin, _LEAST_GLASS_A), "crystal": (inner, spacing_A)}
    found: dict[str, dict[str, Any]] = {
        side: {"reason": _too_thin(side, inside, least)}
        for side, (inside, least) in interiors.items()
        if inside < least
    }
    series: dict[str, list[np.ndarray]] = {side: [] for side in interiors if side not in found}
    for stresses in _stresses(folder, start, (margin, half), first, temperature_K, list(series)):
        for side, stress in stresses.items():
            series[side].append(stress)
    for side, own in series.items():
        if len(own) < 2:
            found[side] = {"reason": "the hold has fewer than two frames in its second half"}
            continue
        mean = average(np.array(own))
        named = zip(("xx", "yy", "zz"), mean.mean.tolist(), mean.err.tolist(), strict=True)
        found[side] = {axis: {"value": value, "err": err} for axis, value, err in named}
    return found


def _too_thin(side: str, inside_A: float, least_A: float) -> str:
    thick = f"{inside_A:.1f} Å are" if inside_A > 0 else "none is"
    where = {"glass": "the slab", "crystal": "its surfaces"}[side]
    return f"of the {side}, {thick} farther than {_INTERIOR_A:g} Å from {where}; {least_A:.3g} are needed"


def _stresses(
    folder: Path, start: "Atoms", ends: tuple[float, float], first: int, temperature_K: float, sides: list[str]
) -> Iterator[dict[str, np.ndarray]]:
    """Stresses of the sides in each frame; `ends` (Å from the middle of the slab) are those of the glass, and of the
    crystal as it was at the start."""
    from ..engines.lammps import segments
    from ..interface.stress import layer_stress

    if not sides:
        return
    margin, half = ends
    # LAMMPS has put what was outside the cell on its other side
    inside = (start.arrays["phase"] == 1) & (np.abs(start.positions[:, 2] - middle_of(start)) < half)
    labels = start.arrays["ion"].tolist()
    ions = chemistry.ions_of(labels)
    kinds = np.array([[ion.label for ion in ions].index(label) for label in labels])
    held = [snapshot for snapshot in segments.snapshots(folder) if snapshot.step >= first]
    held = held[len(held) // 2 :]
    for snapshot in held[:: -(-len(held) // _MOST_STRESSES) or 1]:
        frame = start.copy()
        frame.set_cell(snapshot.cell)
        frame.positions = snapshot.positions()
        middle, height = middle_of(frame), frame.cell.array[2, 2]
        own = half * _stretch(start.positions[inside, 2], frame.positions[inside, 2])
        layers = {"glass": (middle + margin, middle + height - margin), "crystal": (middle - own, middle + own)}
        yield {side: layer_stress(frame, ions, kinds, *layers[side], temperature_K) for side in sides}


def _stretch(before: np.ndarray, after: np.ndarray) -> float:
    """How much farther apart the planes of a crystal are than before, by the heights of their ions."""
    return float(np.polyfit(before, after, 1)[0]) if len(before) else 1.0


def middle_of(atoms: "Atoms", axis: int = 2) -> float:
    """Where (Å) the middle of the crystal is along an axis, that of its atoms."""
    height = atoms.cell.array[axis, axis]
    turn = np.exp(2j * np.pi * atoms.positions[atoms.arrays["phase"] == 1, axis] / height)
    return float(height * np.angle(turn.mean()) / (2 * np.pi))
