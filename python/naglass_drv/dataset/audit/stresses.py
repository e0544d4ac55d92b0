"""Checks of stresses: symmetry, unit, sign, and consistency with the energies of strained copies."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..gate import asymmetry, largest_GPa, pressure_GPa
from .outliers import robust_scale

if TYPE_CHECKING:
    from ase import Atoms

# pairs for the work of the stress: strains between these, atoms no further apart (Å, root mean square)
_STRAINS = (1e-4, 0.05)
_APART_A = 0.2
_LOOKED_BACK = 8
_PAIRS = 5
# a ratio within these is an incomplete basis, anharmonicity or chance
_RATIO = (0.5, 2.0)
_LEAST_SCALE_GPa = 1.0
_UNITS = ((1 / 160.2176634, "GPa instead of eV/Å³"), (1 / 1602.176634, "kbar instead of eV/Å³"))


@dataclass(frozen=True)
class WorkRatio:
    """The median of `pairs` ratios, and three standard errors below and above."""

    median: float
    low: float
    high: float
    pairs: int


def findings(frames: Sequence["Atoms"], most_GPa: float, most_z: float) -> Iterator[tuple[int, float, float, str, str]]:
    """Frame, value, limit, unit and message of each outlying stress, the first reason of each frame."""
    present = [k for k, frame in enumerate(frames) if "REF_stress" in frame.info]
    if not present:
        return
    stress = {k: np.asarray(frames[k].info["REF_stress"]) for k in present}
    pressure = np.array([pressure_GPa(stress[k]) for k in present])
    z = (pressure - np.median(pressure)) / max(robust_scale(pressure), _LEAST_SCALE_GPa)
    ratio = work_ratio(frames)
    words = work_fault(ratio)
    for k, own_z in zip(present, z, strict=True):
        if (off := asymmetry(stress[k])) > 0:
            yield k, off, 0.0, "eV/Å³", f"not symmetric: two components that should be equal differ by {off:.3g} eV/Å³"
        elif ratio is not None and words is not None:
            yield k, ratio.median, _RATIO[0], "of the work", words
        elif (largest := largest_GPa(stress[k])) > most_GPa:
            yield k, largest, most_GPa, "GPa", f"a component of {largest:.4g} GPa; the unit must be eV/Å³"
        elif abs(own_z) > most_z:
            text = f"a pressure of {pressure_GPa(stress[k]):.4g} GPa, while the median is {np.median(pressure):.3g} GPa"
            yield k, float(own_z), most_z, "robust z", text


def work_fault(ratio: "WorkRatio | None") -> str | None:
    """What is wrong with stresses whose `work_ratio` is significantly far from 1; None otherwise."""
    if ratio is None or not (ratio.high < _RATIO[0] or ratio.low > _RATIO[1]):
        return None
    unit = next((text for scale, text in _UNITS if 0.5 < abs(ratio.median) / scale < 2.0), "")
    sign = "the sign is that of a pressure or virial" if ratio.median < 0 else ""
    text = (
        f"over {ratio.pairs} pairs of strained copies the energy changes by {ratio.median:.3g} "
        f"({ratio.low:.3g} to {ratio.high:.3g}) of the work of the stress"
    )
    return "; ".join(part for part in (text, unit, sign) if part)


def work_ratio(frames: Sequence["Atoms"]) -> WorkRatio | None:
    """Between two strained copies: the energy change minus the work of the forces, over the work of the stress.

    To second order in strain ε and displacement u it is ΔE + Σ F·u = V σ:ε, with F, V and σ the means of both frames
    and u the displacement in scaled coordinates: the ratio is 1 for a stress in eV/Å³ whose sign is ASE's. Pairs count
    by the work of the stress, at most its median. None for fewer than five pairs.
    """
    alike: dict[tuple, list[int]] = defaultdict(list)
    for k, frame in enumerate(frames):
        if "REF_stress" in frame.info and frame.pbc.all():
            alike[tuple(frame.numbers), frame.info["charge"], frame.info["multiplicity"]].append(k)
    works = []
    for indices in alike.values():
        for place, k in enumerate(indices):
            earlier = indices[max(0, place - _LOOKED_BACK) : place]
            found = [pair for i in earlier if (pair := _work(frames[i], frames[k])) is not None]
            works += [min(found)[1:]] if found else []
    if len(works) < _PAIRS:
        return None
    energy, stress = np.array(works).T
    weight = np.minimum(np.abs(stress), np.median(np.abs(stress)))
    order = np.argsort(energy / stress)
    share = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
    # three standard errors of a median, as ranks
    off = 1.5 / np.sqrt(len(works))
    low, median, high = np.interp([0.5 - off, 0.5, 0.5 + off], share, (energy / stress)[order])
    return WorkRatio(float(median), float(low), float(high), len(works))


def _work(one: "Atoms", other: "Atoms") -> tuple[float, float, float] | None:
    """Distance (Å), ΔE + Σ F·u (eV) and V σ:ε (eV) between two frames; None if they are far apart or not strained."""
    middle = (one.cell.array + other.cell.array) / 2
    strain = np.linalg.solve(middle, other.cell.array - one.cell.array)
    if not _STRAINS[0] <= np.abs(strain).max() <= _STRAINS[1]:
        return None
    first, second = (np.linalg.solve(frame.cell.array.T, frame.positions.T).T for frame in (one, other))
    shift = second - first
    shift -= np.round(shift)
    moved = (shift - shift.mean(axis=0)) @ middle
    apart = float(np.sqrt((moved**2).sum(axis=1).mean()))
    if apart > _APART_A:
        return None
    forces = (one.arrays["REF_forces"] + other.arrays["REF_forces"]) / 2
    stress = (np.asarray(one.info["REF_stress"]) + np.asarray(other.info["REF_stress"])) / 2
    volume = (one.cell.volume + other.cell.volume) / 2
    energy = other.info["REF_energy"] - one.info["REF_energy"] + float((forces * moved).sum())
    work = float(volume * (stress * (strain + strain.T) / 2).sum())
    return (apart, energy, work) if abs(work) > 1e-9 else None
