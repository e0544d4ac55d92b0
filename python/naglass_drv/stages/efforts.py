"""How much work a task is, in a unit to which its time is about proportional: for forecasts, never for results."""

import math
from collections.abc import Iterable
from typing import Any

from ..chemistry.ions import SYMBOLS
from ..config import cost
from ..config.interfaces import RELEASE_PS, lattice_ps, relax_ps
from ..glass import protocols
from ..runtime.task import Effort

_NUMBER = {symbol: number for number, symbol in enumerate(SYMBOLS, start=1)}
# of the time of a fit, for each read-out head fitted after it (benchmarks/committees.py)
_HEAD = 0.1
# of the time per atom of the cells of the small preset, for steps of a large cell in LAMMPS
_STEADY = 0.05
# of a shell that is melted anew around a core, and of the core that is released
_SOFT_SHELL_PS, _FREED_PS = 0.5, 0.2
# the most evaluations before MD (md_mace.lmp), about as many as a crystal takes to its cell of least energy
_MINIMIZED = 200


def quench(section: Any, atoms: int) -> Effort:
    """A melt-quench: atoms times steps at most, without those of a rigid-ion potential before a model."""
    steps = _quench_steps(section)
    return Effort("glass" if section.model is None else "md", atoms * steps, _saved(steps))


def interface(section: Any, atoms: int) -> Effort:
    """A melt-quench with the rigid-ion potential against a slab of a crystal, and its release: atoms times steps."""
    steps = _quench_steps(section) + 1000.0 * RELEASE_PS / section.timestep_fs
    return Effort("glass", atoms * steps, _saved(steps))


def released(section: Any, asked: Any, atoms: int) -> Effort:
    """A crystal alone from its release on, for an interface that is `asked` for: atoms times steps."""
    cooled_ps = (asked.release_K - section.final_temperature_K) / section.quench_rate_K_per_ps
    steps = 1000.0 * (RELEASE_PS + cooled_ps + section.hold_ps) / section.timestep_fs
    return Effort("glass", atoms * steps, _saved(steps))


def _saved(steps: float) -> float:
    return min(1.0, protocols.CHECKPOINT_STEPS / steps)


def relaxed(section: Any, asked: Any, atoms: int) -> Effort:
    """A bulk crystal at the temperature of its release and at the last one, and between: atoms times steps."""
    cooled_ps = (asked.release_K - section.final_temperature_K) / section.quench_rate_K_per_ps
    steps = 1000.0 * (cooled_ps + 2 * relax_ps(section)) / section.timestep_fs
    return Effort("glass", atoms * steps, _saved(steps))


def held(section: Any, atoms: int) -> Effort:
    """A bulk crystal by the model of `md` at one temperature: atoms times steps, with those to its least energy."""
    steps, saved = (1000.0 * ps / section.timestep_fs for ps in (lattice_ps(section), section.checkpoint_ps))
    return Effort("md", atoms * (_MINIMIZED + steps), min(1.0, saved / steps))


def _quench_steps(section: Any) -> float:
    return 1000.0 * (protocols.SOFT_PS + protocols.longest_ps(section)) / section.timestep_fs


def label(section: Any, symbols: Iterable[str], *, moves: bool = True) -> Effort:
    """A label, trajectory or relaxation: SCF runs times the square of the valence electrons, about 6 an atom."""
    symbols = list(symbols)
    if len(symbols) == 1:
        return Effort(f"reference {section.level.name} atom", 1.0)
    runs = 1.0
    if moves and section.aimd is not None:
        runs = sum(map(_segment_ps, section.aimd.segments)) * 1000.0 / section.aimd.timestep_fs
    elif moves and section.relax is not None:
        runs = section.relax.max_steps
    grid = ((section.level.cutoff_Ry or 800.0) / 800.0) ** 1.5
    return Effort(f"reference {section.level.name}", runs * grid * len(symbols) ** 2, min(1.0, 1.0 / runs))


def taught(section: Any, atoms: int) -> Effort:
    """Frames labeled by a potential: atoms in all of them, times the most steps of a relaxation."""
    # each frame is kept
    return Effort(f"reference {section.level.title}", max(atoms, 1) * cost.evaluations(section), 0.0)


def kept(section: Any) -> int:
    """The most frames that a reference set keeps of each of its structures."""
    if section.aimd is not None:
        return 1 + math.ceil(1000.0 * sum(map(_segment_ps, section.aimd.segments)) / section.aimd.every_fs)
    return 1 if section.relax is None else min(section.relax.frames, 1 + section.relax.max_steps)


def _segment_ps(segment: Any) -> float:
    if segment.time_ps is not None:
        return float(segment.time_ps)
    return abs(segment.to_temperature_K - segment.temperature_K) / segment.rate_K_per_ps


def dataset(frames: int) -> Effort:
    """Checking, auditing and splitting of frames."""
    return Effort("dataset", max(frames, 1))


def training(section: Any, atoms: int, *, refined: bool) -> Effort:
    """Epochs times the atoms in all frames, and those of read-out heads; a model of another shape takes another time,
    which is not foreseen.
    """
    heads = _HEAD * section.committee if section.committee_of == "heads" else 0.0
    shape = "refined" if refined else f"{section.channels}x{section.max_L} {section.layers}"
    return Effort(f"fit {shape} {section.dtype}", max(atoms, 1) * section.epochs * (1.0 + heads), 1.0 / section.epochs)


def dynamics(section: Any, atoms: int) -> Effort:
    """Atoms times steps, those of the first minimization included."""
    steps, saved = (_MINIMIZED + 1000.0 * ps / section.timestep_fs for ps in (section.time_ps, section.checkpoint_ps))
    return Effort("md", atoms * math.prod(section.replicate) * steps, min(1.0, saved / steps))


def cells(section: Any, members: int) -> Effort:
    """Cells cut from a frame: atoms times steps times models; how many tries they take is in the measured times."""
    steps = 1000.0 * (_SOFT_SHELL_PS + section.melt_ps + section.quench_ps + _FREED_PS)
    return Effort("cells", section.per_frame * section.max_atoms * steps * members, 1.0 / section.per_frame)


def frames_of(section: Any) -> int:
    """Frames that a trajectory of stage md writes."""
    return 1 + round(1000.0 * section.time_ps / section.sample_every_fs)


def analysis(frames: int, atoms: int) -> Effort:
    """Frames times atoms."""
    return Effort("analysis", max(frames * atoms, 1))


def pages(kind: str, count: int = 1) -> Effort:
    """Pages of a report or a series."""
    return Effort(kind, count)


def screening(family: str, preset: str, crystals: int) -> Effort:
    """The gates of one potential: atoms times evaluations; in production those of quenches and transport above all."""
    steady = _STEADY if family in ("mace", "lammps") else 1.0
    # each gate is kept, and long ones save their state
    return Effort(f"screen {family}", 6000 + 2700 * crystals if preset == "small" else 1.3e8 * steady, 0.0)
