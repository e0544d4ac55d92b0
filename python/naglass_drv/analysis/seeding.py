"""The seeds of all glasses at one temperature together: how many grew, and what classical nucleation theory says."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ase.formula import Formula

from ..errors import InputError
from ..wording import counted
from .arrhenius import BOLTZMANN_EV_PER_K
from .crystallite_series import THRESHOLDS
from .nucleation import (
    LEAST_DRAWS,
    CriticalSize,
    Estimate,
    Nucleation,
    attachment_rate,
    classical,
    critical_size,
    driving_force,
    threshold_effect,
)

_LEAST_SAMPLES = 3
_CYLINDERS = "γ, ΔG*, Z and J by classical nucleation theory are those of a sphere, and the seeds are cylinders"
_NO_MELTING = (
    "γ, ΔG*, Z, f⁺ and J need the melting temperature and the heat of melting of the model: interface.seed.melting"
)


@dataclass(frozen=True)
class Seeded:
    """One trajectory of a seed: what `analysis.seeded` found, the cell that it started from, and its sizes in time."""

    name: str
    structure: str  #: runs of one cell differ in their velocities alone
    numbers: Mapping[str, Any]
    time_ps: np.ndarray
    sizes: Mapping[float, np.ndarray]  #: (frames,) by threshold

    @property
    def grew(self) -> bool | None:
        return self.numbers["grew"]

    @property
    def absent(self) -> bool:
        return not self.start(THRESHOLDS[1])

    def start(self, threshold: float) -> float:
        return float(self.numbers["start"][f"{threshold:g}"])


@dataclass(frozen=True)
class Seeding:
    """All seeds at a temperature: outcomes, and the critical size and theory where they are known, with why not."""

    temperature_K: float
    grew: int
    shrank: int
    undecided: int
    absent: int  #: no crystallite was found at the start
    size: CriticalSize | None = None
    found: Nucleation | None = None
    thresholds: Mapping[str, float] | None = None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def seeding(
    runs: Sequence[Seeded],
    temperature_K: float,
    melting_K: Estimate | None = None,
    heat_eV_per_atom: Estimate | None = None,
) -> Seeding:
    """Critical size and classical nucleation theory of seeds in several glasses, from the runs that were decided.

    Only for glasses of the crystal's composition: what grows into others changes them, until it stops, and is driven by
    less than the heat of melting. `runs` in which a seed neither grew nor shrank beyond its error are counted and left
    out, which makes the transition from shrinkage to growth too sharp, but does not move it. At the middle threshold of
    the similarity; the outer two give the effect of the choice, see `threshold_effect`.
    """
    seen = [run for run in runs if not run.absent]
    outcomes = [run.grew for run in seen]
    counts = (outcomes.count(True), outcomes.count(False), outcomes.count(None), len(runs) - len(seen))
    if not seen:
        return Seeding(temperature_K, *counts, reason="no critical size: no seed was there to grow or shrink")
    decided = [run for run in seen if run.grew is not None]
    if (reason := _incongruent(runs)) is not None:
        return Seeding(temperature_K, *counts, reason=reason)
    few, chosen, many = THRESHOLDS
    try:
        sizes = {threshold: _critical(decided, threshold) for threshold in THRESHOLDS}
    except InputError as error:
        return Seeding(temperature_K, *counts, reason=f"no critical size: {error}")
    if any(run.numbers["shape"] == "cylinder" for run in runs):
        return Seeding(temperature_K, *counts, sizes[chosen], reason=_CYLINDERS)
    if melting_K is None or heat_eV_per_atom is None:
        return Seeding(temperature_K, *counts, sizes[chosen], reason=_NO_MELTING)
    try:
        each = {
            threshold: _theory(seen, threshold, size, temperature_K, melting_K, heat_eV_per_atom)
            for threshold, size in sizes.items()
        }
    except InputError as error:
        return Seeding(temperature_K, *counts, sizes[chosen], reason=str(error))
    return Seeding(temperature_K, *counts, sizes[chosen], each[chosen], threshold_effect(each[few], each[many]))


def _incongruent(runs: Sequence[Seeded]) -> str | None:
    """Why the heat of melting does not drive the seeds; None where it does."""
    for run in runs:
        crystal, glass = run.numbers["crystal_formula"], run.numbers["glass_formula"]
        if Formula(crystal).reduce()[0].count() != Formula(glass).reduce()[0].count():
            other = f"the glass, {glass}, has another composition than the crystal, {crystal}"
            return f"no critical size: {other}: the driving force is not the heat of melting"
    return None


def _critical(runs: Sequence[Seeded], threshold: float) -> CriticalSize:
    if not runs:
        raise InputError("no seed grew or shrank beyond its error; run longer")
    glasses = [run.numbers["glass"] for run in runs]
    return critical_size([run.start(threshold) for run in runs], [bool(run.grew) for run in runs], glasses)


def _theory(
    runs: Sequence[Seeded],
    threshold: float,
    size: CriticalSize,
    temperature_K: float,
    melting_K: Estimate,
    heat_eV_per_atom: Estimate,
) -> Nucleation:
    numbers = runs[0].numbers
    per_center = numbers["atoms_per_center"]
    heat = Estimate(per_center * heat_eV_per_atom.value, per_center * heat_eV_per_atom.err)
    return classical(
        size,
        driving_force(temperature_K, melting_K, {melting_K.value: heat}),
        _attachment(runs, threshold, size),
        temperature=temperature_K,
        kT=BOLTZMANN_EV_PER_K * temperature_K,
        crystal_density=1 / numbers["volume_A3"],
        melt_density=numbers["glass_density_per_A3"],
    )


def _attachment(runs: Sequence[Seeded], threshold: float, size: CriticalSize) -> Estimate:
    """f⁺ from the draws of the cell whose seed is nearest to critical, while they are on top of the barrier."""
    cells: dict[str, list[Seeded]] = {}
    for run in runs:
        cells.setdefault(run.structure, []).append(run)
    enough = [own for own in cells.values() if len(own) >= LEAST_DRAWS]
    if not enough:
        most = max(len(own) for own in cells.values())
        raise InputError(f"no attachment rate: {counted(most, 'draw')} of one cell; needs md.draws: {LEAST_DRAWS}")
    own = min(enough, key=lambda group: abs(np.mean([run.start(threshold) for run in group]) - size.value))
    length = min(len(run.time_ps) for run in own)
    sizes = np.array([run.sizes[threshold][:length] for run in own], dtype=float)
    # the top of the barrier is about 1/Z wide
    away = np.flatnonzero(sizes.std(axis=0) > 1 / (np.sqrt(2 * np.pi) * size.zeldovich.value))
    length = int(away[0]) if len(away) else length
    if length < _LEAST_SAMPLES:
        raise InputError(f"no attachment rate: seeds of {own[0].structure} are far from critical after {length} frames")
    return attachment_rate(own[0].time_ps[:length] - own[0].time_ps[0], sizes[:, :length], size.zeldovich.value)
