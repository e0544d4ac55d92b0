"""What became of a crystallite in a glass: its size, growth or shrinkage, orientation, and what it expels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.formula import Formula

from .. import core
from ..errors import InputError
from .crystallite_series import THRESHOLDS, Followed, center_of, connection_A, environments_of, followed, mean_of
from .fronts import BLOCKS, RELAXING_PS, Rate, steady_rate, verdict
from .measure import evenly

Numbers = dict[str, Any]
Curves = dict[str, np.ndarray]

_LOOKED_AT = 240
# shares of the frames that make the start and the end
_START, _END = 0.1, 0.25
# a seed that has lost so much of its atoms is gone, one that has gained so much has grown, whatever the drift tells
_GONE, _GROWN = 0.25, 2.0
# Å around the members that complete their environments, and the shell beyond
_INSIDE_A, _SHELL_A = 4.0, 3.0


def seeded(
    frames: Sequence[Atoms], crystal: Atoms, made: Mapping[str, Any], *, name: str, glass: str
) -> tuple[Numbers, Curves]:
    """What there is to say of a seed of `crystal`, given as its cell in the orientation of the seed.

    `frames` have ``info["time_ps"]``, evenly spaced; `made` are the facts of the seed and its glass, of
    `interface.seeds.seed_in_melt`: a cylinder is along z. `glass` names the cell that the seed is in, without its
    radius. Keys carry their units; sizes are counts of the metal, or else former, that crystal and glass share.
    """
    kinds = ("shape", "crystal_formula", "glass_formula")
    numbers: Numbers = {"glass": glass} | {word: made[word] for word in kinds}
    try:
        center = center_of(crystal, Formula(made["glass_formula"]).count())
        reference, connect = environments_of(crystal, center), connection_A(crystal, center)
    except InputError as error:
        return numbers | {"reason": str(error)}, {}
    shown = evenly(frames, _LOOKED_AT)
    time = np.array([frame.info["time_ps"] for frame in shown])
    found = followed(shown, reference, connect)
    sizes = found.sizes[THRESHOLDS[1]].astype(float)
    symbols = np.array(crystal.get_chemical_symbols())
    occupancy = crystal.arrays.get("occupancy", np.ones(len(crystal)))
    centers = float(occupancy[symbols == center].sum())
    volume = float(crystal.cell.volume) / centers
    numbers |= {
        "center": center,
        "connect_A": connect,
        "volume_A3": volume,
        "atoms_per_center": float(occupancy.sum()) / centers,
        "glass_density_per_A3": _density_of_glass(frames[0], center, made, volume),
        "start": {f"{t:g}": float(_part(each, _START).mean()) for t, each in found.sizes.items()},
        "end": {f"{t:g}": mean_of(_part(each.astype(float), -_END)) for t, each in found.sizes.items()},
        "angle_deg": found.angle_at_the_end(),
        "composition": _composition(shown, found),
    }
    length = float(np.mean([frame.cell[2, 2] for frame in shown])) if made["shape"] == "cylinder" else None
    numbers |= _moves(time, sizes, volume, length)
    return numbers, found.curves(time)


def fault_of_start(atoms: Atoms, crystal: Atoms, made: Mapping[str, Any]) -> str | None:
    """Why the seed in a cell that was made cannot be followed: most of it is not counted; None where it is."""
    try:
        center = center_of(crystal, Formula(made["glass_formula"]).count())
        found = followed([atoms], environments_of(crystal, center), connection_A(crystal, center))
    except InputError as error:
        return str(error)
    counts, of_seed = found.sizes[THRESHOLDS[1]], _put_in(center, made)
    if 2 * counts[0] >= of_seed:
        return None
    least = f"the threshold of similarity to the crystal, {THRESHOLDS[1]:g}"
    return (
        f"{counts[0]} of {of_seed} {center} of the seed are in a crystallite above {least}: the others are not counted"
    )


def _put_in(center: str, made: Mapping[str, Any]) -> int:
    """Centers of the crystal that was put in."""
    return int(made["crystal_units"] * Formula(made["crystal_formula"]).count()[center])


def _density_of_glass(frame: Atoms, center: str, made: Mapping[str, Any], volume: float) -> float:
    """Centers per volume (1/Å³) of the glass: those of the cell but for the seed that was put in, `volume` each."""
    of_seed = _put_in(center, made)
    of_glass = int((frame.symbols == center).sum()) - of_seed
    return float(of_glass / (frame.cell.volume - of_seed * volume))


def _part(values: np.ndarray, share: float) -> np.ndarray:
    """The first, or with a negative share the last, of the values."""
    count = max(1, round(abs(share) * len(values)))
    return values[:count] if share > 0 else values[-count:]


def _moves(time: np.ndarray, sizes: np.ndarray, volume: float, length: float | None) -> Numbers:
    """Whether a sphere, or a cylinder of a `length`, grew: True, False, or None with the upper bound of the velocity of
    its surface."""
    start, end = _part(sizes, _START).mean(), _part(sizes, -_END).mean()
    if start == 0:
        return {"grew": None, "verdict": "dissolved, or below the threshold, before the first frame"}
    if end < _GONE * start:
        gone = float(time[np.flatnonzero(sizes < _GONE * start)[0]])
        return {"grew": False, "verdict": f"shrank to less than a quarter within {gone:.3g} ps"}
    if time[-1] - time[0] < RELAXING_PS or len(time) < BLOCKS:
        short = f"{len(time)} frames in {time[-1] - time[0]:.3g} ps"
        why = f"{short} are too few to tell growth from the cell's relaxation"
        return {"grew": True if end > _GROWN * start else None, "verdict": f"not decided: {why}"}
    if length is None:
        radius = np.cbrt(3 * volume * sizes / (4 * np.pi))
        surface = 4 * np.pi * float(np.square(radius).mean())
    else:
        radius = np.sqrt(volume * sizes / (np.pi * length))
        surface = 2 * np.pi * length * float(radius.mean())
    rate = _in_m_per_s(steady_rate(time, radius, quantum=volume / surface))
    numbers: Numbers = {"verdict": verdict(rate, "m/s"), "u_m_per_s": rate.rate, "u_m_per_s_err": rate.err}
    if not rate.moves:
        numbers["u_upper_m_per_s"] = rate.upper
    grew: bool | None = rate.rate > 0 if rate.moves else None
    return numbers | {"grew": True if end > _GROWN * start else grew}


def _in_m_per_s(rate: Rate) -> Rate:
    """From Å/ps; 1 Å/ps is 100 m/s."""
    low, high = rate.interval
    return Rate(100 * rate.rate, 100 * rate.err, (100 * low, 100 * high), 100 * rate.upper, rate.blocks)


def _composition(frames: Sequence[Atoms], found: Followed) -> Mapping[str, Any]:
    """What the crystallite consists of, and what it has pushed out into the shell around it, in the last frames."""
    kept = [k for k in _part(np.arange(len(frames)), -_END) if found.members[k].any()]
    if not kept:
        return {}
    each = [core.embryo(frames[k], found.members[k], reach=_INSIDE_A, shell=_SHELL_A) for k in kept]
    columns = {
        "inside": np.array([one.inside for one in each], dtype=float),
        "expelled": np.array([one.expelled for one in each]),
        "taken_in": np.array([one.taken_in for one in each]),
    }
    return {
        word: {e: mean_of(values[:, k]) for k, e in enumerate(each[0].elements)} for word, values in columns.items()
    }
