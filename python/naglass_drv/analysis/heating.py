"""A structure heated with a potential: contacts, temperature, and what ended it."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..chemistry.ions import contact_distance
from ..core import neighbors
from ..errors import TaskFailed
from .asked import Asked
from .potentials import Evaluate

if TYPE_CHECKING:
    from ase import Atoms

#: Shortest distance in contact distances; a pair that is closer from the start may come this near to that.
CONTACT, OF_START = 0.75, 0.85
_TIMESTEP_FS, _FRICTION_FS = 1.0, 20.0
# the temperature of N atoms fluctuates by sqrt(2/3N) of it
_FACTOR, _SIGMAS = 1.5, 4.0


@dataclass(frozen=True)
class Heating:
    """Temperatures (K) against the step, and what was seen: `steps` done of those `planned`.

    `ended` tells in words what ended it, or is empty. `closest` is the pair that came nearest in units of its limit,
    `closest_A` its distance and `limit_A` that limit. `seconds` is wall time of the steps.
    """

    atoms: int
    planned: int
    steps: int
    target_K: np.ndarray
    temperature_K: np.ndarray
    closest: str
    closest_A: float
    limit_A: float
    ended: str
    seconds: float

    @property
    def sound(self) -> bool:
        """All steps done, without a contact below its limit and with the temperature under control."""
        return not self.ended and self.closest_A >= self.limit_A


def heat(
    evaluate: Evaluate, atoms: "Atoms", *, steps: int, from_K: float, to_K: float, seed: int, every: int = 5
) -> Heating:
    """Langevin dynamics (1 fs, 20 fs) from one temperature to the other; distances are looked at `every` steps.

    Ends where the temperature is more than 1.5 times what is asked, and four of its standard deviations; at a contact
    below half its limit; or where the potential fails, which is raised as TaskFailed with step and temperature.
    """
    from ase import units
    from ase.constraints import FixCom
    from ase.md.langevin import Langevin

    rng = np.random.default_rng(seed)
    moved = atoms.copy()
    moved.calc = Asked(evaluate)
    spread = np.sqrt(moved.get_masses() * units.kB * from_K)
    moved.set_momenta(rng.normal(size=moved.positions.shape) * spread[:, None])
    moved.set_constraint(FixCom())
    friction = 1 / (_FRICTION_FS * units.fs)
    dynamics = Langevin(moved, _TIMESTEP_FS * units.fs, temperature_K=from_K, friction=friction, rng=rng, fixcm=False)
    limits, most = _limits(atoms), max(_FACTOR, 1 + _SIGMAS * (2 / (3 * len(atoms))) ** 0.5)
    targets, found, worst = np.linspace(from_K, to_K, steps + 1)[1:], [], ("", np.inf, 0.0)
    began, ended = time.monotonic(), ""
    for step, target in enumerate(targets, start=1):
        dynamics.set_temperature(temperature_K=target)
        try:
            dynamics.run(1)
        except TaskFailed as error:
            where = f"step {step} of {steps}, {target:.0f} K"
            raise TaskFailed(error.failure, f"{where}: {error}", log=error.log) from error
        found.append(moved.get_temperature())
        if not np.isfinite(found[-1]) or found[-1] > most * target:
            ended = f"{found[-1]:.3g} K at step {step}, where {target:.0f} K is asked"
        if step % every == 0 or step == steps or ended:
            pair = _closest(moved, limits)
            worst = min(worst, pair, key=lambda each: each[1] / each[2] if each[2] else np.inf)
            if pair[1] < 0.5 * pair[2]:
                ended = ended or f"{pair[0]} at {pair[1]:.2f} A at step {step}"
        if ended:
            break
    return Heating(len(atoms), steps, len(found), targets[: len(found)], np.array(found), *worst, ended,
                   time.monotonic() - began)  # fmt: skip


def _distances(atoms: "Atoms") -> dict[str, float]:
    """The shortest distance (Å) of every pair of elements within the longest contact distance."""
    symbols = sorted(set(atoms.symbols))
    pairs = neighbors(atoms, max(contact_distance(a, b) for a in symbols for b in symbols))
    kind = np.array([symbols.index(symbol) for symbol in atoms.symbols])
    first, second = np.minimum(kind[pairs.i], kind[pairs.j]), np.maximum(kind[pairs.i], kind[pairs.j])
    return {
        f"{a}-{b}": float(pairs.distances[chosen].min())
        for k, a in enumerate(symbols)
        for m, b in enumerate(symbols)
        if k <= m and (chosen := (first == k) & (second == m)).any()
    }


def _limits(atoms: "Atoms") -> dict[str, float]:
    """The shortest allowed distance (Å) of every pair: V=O is short from the start."""
    start, symbols = _distances(atoms), sorted(set(atoms.symbols))
    return {
        f"{a}-{b}": min(CONTACT * contact_distance(a, b), OF_START * start.get(f"{a}-{b}", np.inf))
        for k, a in enumerate(symbols)
        for b in symbols[k:]
    }


def _closest(atoms: "Atoms", limits: dict[str, float]) -> tuple[str, float, float]:
    """The pair, distance and limit (Å) of the closest contact in units of its limit."""
    if not np.isfinite(atoms.positions).all():
        return next(iter(limits)), 0.0, next(iter(limits.values()))
    found = _distances(atoms)
    pair = min(found, key=lambda each: found[each] / limits[each], default="")
    return (pair, found[pair], limits[pair]) if pair else ("", np.inf, 0.0)
