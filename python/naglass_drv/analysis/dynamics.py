"""Molecular dynamics with a potential that is asked through a function, in segments that can be taken up again.

Every segment has random numbers of its own, so that a course which was stopped ends with the same numbers.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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
TIMESTEP_FS, _FRICTION_FS = 1.0, 20.0
# of the barostat, and the largest relative change of the volume in a step
_BAROSTAT_FS, _BULK_GPA, _MOST_CHANGE = 1000.0, 50.0, 1e-3
_SEGMENT, _LOOK = 500, 5
# the temperature of N atoms fluctuates by sqrt(2/3N) of it
_FACTOR, _SIGMAS = 1.5, 4.0


@dataclass(frozen=True)
class Memory:
    """Where a course keeps its state as arrays: `load` gives what was saved last, or None."""

    load: Callable[[], Mapping[str, np.ndarray] | None] = lambda: None
    save: Callable[[Mapping[str, np.ndarray]], None] = lambda state: None


@dataclass
class Course:
    """What was seen in so many `steps`: temperatures (K), total energies (eV), volumes (Å³), the closest contact, and
    what ended it before its end.

    `closest` is the pair that came nearest in units of its limit, at `closest_A`, of which `limit_A` is the limit.
    `frames` are positions (Å) at equal intervals if they were asked for; `atoms` are those at the end, with momenta.
    """

    atoms: "Atoms"
    steps: int = 0
    temperature_K: list[float] = field(default_factory=list)
    energy_eV: list[float] = field(default_factory=list)
    volume_A3: list[float] = field(default_factory=list)
    frames: list[np.ndarray] = field(default_factory=list)
    closest: str = ""
    closest_A: float = np.inf
    limit_A: float = 0.0
    ended: str = ""
    seconds: float = 0.0

    def state(self) -> dict[str, np.ndarray]:
        """As arrays, to be taken up again at the end of a segment."""
        return {
            "positions": self.atoms.get_positions(), "momenta": self.atoms.get_momenta(),
            "cell": self.atoms.cell.array.copy(), "temperature_K": np.array(self.temperature_K),
            "energy_eV": np.array(self.energy_eV), "volume_A3": np.array(self.volume_A3),
            "frames": np.array(self.frames),
            "closest": np.array(self.closest), "numbers": np.array([self.closest_A, self.limit_A, self.seconds]),
        }  # fmt: skip

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """The inverse of `state`."""
        self.atoms.set_cell(state["cell"])
        self.atoms.positions = state["positions"]
        self.atoms.set_momenta(state["momenta"], apply_constraint=False)
        self.temperature_K, self.frames = state["temperature_K"].tolist(), list(state["frames"])
        self.energy_eV, self.volume_A3 = state["energy_eV"].tolist(), state["volume_A3"].tolist()
        self.steps, self.closest = len(self.temperature_K), str(state["closest"])
        self.closest_A, self.limit_A, self.seconds = state["numbers"].tolist()

    @property
    def sound(self) -> bool:
        """Ended by itself, without a contact below its limit."""
        return not self.ended and self.closest_A >= self.limit_A


@dataclass(frozen=True)
class _Control:
    """What acts on a course beside the potential: a thermostat, a barostat, a factor by which each step stretches the
    cell; whether velocities are drawn at its start, and whether it ends at what it looks for.
    """

    thermostat: bool = True
    barostat: bool = False
    stretch: float = 1.0
    draw: bool = True
    look: bool = True


def langevin(
    evaluate: Evaluate,
    atoms: "Atoms",
    targets_K: np.ndarray,
    *,
    seed: int,
    keep_every: int = 0,
    memory: Memory | None = None,
    look: bool = True,
) -> Course:
    """Steps of 1 fs with a thermostat of 20 fs at the temperatures `targets_K`, one for each; velocities at the first.

    With `look`, ends where the temperature is more than 1.5 times what is asked and four of its standard deviations, or
    at a contact below half its limit. Where the potential fails, TaskFailed names step and temperature.
    """
    control = _Control(look=look)
    return _course(evaluate, atoms, targets_K, control, contact_limits(atoms), seed, keep_every, memory)


def constant_energy(
    evaluate: Evaluate, atoms: "Atoms", kelvin: float, steps: int, *, seed: int,
    limits: Mapping[str, float] | None = None, memory: Memory | None = None,
) -> Course:  # fmt: skip
    """Steps of 1 fs at constant energy (velocity Verlet), from the momenta of `atoms`, which are those of `kelvin`."""
    control = _Control(thermostat=False, draw=False)
    return _course(evaluate, atoms, np.full(steps, kelvin), control, limits or contact_limits(atoms), seed, 0, memory)


def compressed(
    evaluate: Evaluate, atoms: "Atoms", kelvin: float, steps: int, *, density: float, limits: Mapping[str, float],
    seed: int, memory: Memory | None = None,
) -> Course:  # fmt: skip
    """As `langevin` from the momenta of `atoms`, with a cell that ends at `density` times its density at the start."""
    control = _Control(stretch=density ** (-1 / (3 * steps)), draw=False)
    return _course(evaluate, atoms, np.full(steps, kelvin), control, limits, seed, 0, memory)


def at_zero_pressure(
    evaluate: Evaluate, atoms: "Atoms", targets_K: np.ndarray, *, seed: int, memory: Memory | None = None
) -> Course:
    """As `langevin` from the momenta of `atoms`, without looking at contacts, in a cell of constant shape whose volume
    follows the pressure: Berendsen's barostat of 1 ps for a bulk modulus of 50 GPa, which tells the mean of the density
    and not its fluctuation. Ends where the volume has doubled.
    """
    control = _Control(barostat=True, draw=False, look=False)
    return _course(evaluate, atoms, targets_K, control, {}, seed, 0, memory)


def _course(
    evaluate: Evaluate, atoms: "Atoms", targets_K: np.ndarray, control: _Control, limits: Mapping[str, float],
    seed: int, keep_every: int, memory: Memory | None,
) -> Course:  # fmt: skip
    from ase import units
    from ase.constraints import FixCom

    memory, began = memory or Memory(), time.monotonic()
    moved = atoms.copy()
    moved.calc = Asked(evaluate)
    moved.set_constraint(FixCom())
    course = Course(moved)
    if (state := memory.load()) is not None:
        course.restore(state)
    elif control.draw:
        spread = np.sqrt(moved.get_masses() * units.kB * targets_K[0])
        moved.set_momenta(np.random.default_rng(seed).normal(size=moved.positions.shape) * spread[:, None])
    spent = course.seconds
    while course.steps < len(targets_K) and not course.ended:
        segment = np.random.default_rng([seed, 1 + course.steps // _SEGMENT])
        _segment(course, targets_K, limits, segment, keep_every, control)
        course.seconds = spent + time.monotonic() - began
        memory.save(course.state())
    moved.calc = None
    moved.set_constraint()
    return course


def _segment(
    course: Course, targets_K: np.ndarray, limits: Mapping[str, float], rng: Any, keep_every: int, control: _Control
) -> None:
    """The steps up to the end of a segment, or of the course."""
    atoms, total = course.atoms, len(targets_K)
    dynamics = _integrator(atoms, control, rng)
    # at constant energy a structure that relaxes gets hotter, rightly
    most = max(_FACTOR, 1 + _SIGMAS * (2 / (3 * len(atoms))) ** 0.5) if control.thermostat else np.inf
    for step in range(course.steps + 1, min(total, _SEGMENT * (course.steps // _SEGMENT + 1)) + 1):
        target = targets_K[step - 1]
        if control.thermostat:
            dynamics.set_temperature(temperature_K=target)
        try:
            dynamics.run(1)
        except TaskFailed as error:
            where = f"step {step} of {total}, {target:.0f} K"
            raise TaskFailed(error.failure, f"{where}: {error}", log=error.log) from error
        course.steps = step
        course.temperature_K.append(float(atoms.get_temperature()))
        course.energy_eV.append(float(atoms.get_total_energy()))
        course.volume_A3.append(float(atoms.get_volume()))
        if keep_every and step % keep_every == 0:
            course.frames.append(atoms.positions.copy())
        if not np.isfinite(course.temperature_K[-1]) or (control.look and course.temperature_K[-1] > most * target):
            course.ended = f"{course.temperature_K[-1]:.3g} K at step {step}, where {target:.0f} K is asked"
        if control.look and (step % _LOOK == 0 or step == total or course.ended):
            _look(course, limits)
        if control.barostat and course.volume_A3[-1] > 2 * course.volume_A3[0]:
            course.ended = course.ended or f"the volume has doubled at step {step}, {target:.0f} K"
        if course.ended:
            return
        factor = _pressed(atoms) if control.barostat else control.stretch
        if factor != 1.0:
            atoms.set_cell(atoms.cell.array * factor, scale_atoms=True)


def _pressed(atoms: "Atoms") -> float:
    """The factor by which a barostat of zero pressure stretches the cell in a step."""
    from ase import units

    pressure = -float(atoms.get_stress(include_ideal_gas=True)[:3].mean()) / units.GPa
    change = TIMESTEP_FS / _BAROSTAT_FS * pressure / _BULK_GPA
    return (1 + float(np.clip(change, -_MOST_CHANGE, _MOST_CHANGE))) ** (1 / 3)


def _integrator(atoms: "Atoms", control: _Control, rng: Any) -> Any:
    from ase import units
    from ase.md.langevin import Langevin
    from ase.md.verlet import VelocityVerlet
    from ase.parallel import DummyMPI

    step = TIMESTEP_FS * units.fs
    if not control.thermostat:
        return VelocityVerlet(atoms, step)
    # one rank of a job runs a course alone; ASE would wait for the others
    friction = 1 / (_FRICTION_FS * units.fs)
    return Langevin(atoms, step, temperature_K=0.0, friction=friction, rng=rng, fixcm=False, comm=DummyMPI())


def _look(course: Course, limits: Mapping[str, float]) -> None:
    """Note the closest contact in units of its limit, if it is the closest so far."""
    if not np.isfinite(course.atoms.positions).all():
        course.ended = course.ended or f"positions that are not finite at step {course.steps}"
        return
    found = _distances(course.atoms)
    pair = min(found, key=lambda each: found[each] / limits[each], default="")
    if not pair:
        return
    distance, limit = found[pair], limits[pair]
    if not course.closest or distance / limit < course.closest_A / course.limit_A:
        course.closest, course.closest_A, course.limit_A = pair, distance, limit
    if distance < 0.5 * limit:
        course.ended = course.ended or f"{pair} at {distance:.2f} A at step {course.steps}"


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


def contact_limits(atoms: "Atoms") -> dict[str, float]:
    """The shortest allowed distance (Å) of every pair: V=O is short from the start."""
    start, symbols = _distances(atoms), sorted(set(atoms.symbols))
    return {
        f"{a}-{b}": min(CONTACT * contact_distance(a, b), OF_START * start.get(f"{a}-{b}", np.inf))
        for k, a in enumerate(symbols)
        for b in symbols[k:]
    }
