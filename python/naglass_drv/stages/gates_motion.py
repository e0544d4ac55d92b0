"""The gate of a screening on motion: energy at constant energy, heating, compression."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..analysis.asked import relaxed
from ..analysis.drift import drift
from ..analysis.dynamics import TIMESTEP_FS, Course, compressed, constant_energy, contact_limits, langevin
from ..analysis.gates import outcome
from ..errors import TaskFailed
from ..wording import with_error
from .screening import Material, Preset, Session

if TYPE_CHECKING:
    from ase import Atoms

Result = TypeVar("Result")

CONSERVED_K, CONSERVED_MEV = 600.0, 1.0
_FROM_K, _TO_K = 300.0, 3000.0
_DENSITY = 1.05
_SHOWN = 500


def motion(session: Session, material: Material, preset: Preset, seed: int) -> dict[str, Any]:
    """NVE at 600 K; heating to 3000 K; then, where that went well, compression at 3000 K.

    From relaxed positions: a strained cell would heat itself, which is no fault of the potential.
    """
    limits = contact_limits(material.start)
    start, _ = _within(
        "relaxation before NVE", relaxed, session.evaluate, material.start, steps=preset.relax_steps
    )  # fmt: skip
    targets = np.linspace(_FROM_K, _TO_K, preset.heating_steps + 1)[1:]
    text, conserved = _conserved(session, start, limits, preset, seed)
    heated = langevin(session.evaluate, start, targets, seed=seed, memory=session.memory("G5"))
    told = [
        text,
        f"heating: {heated.steps} of {len(targets)} steps of 1 fs from {_FROM_K:.0f} to {_TO_K:.0f} K, "
        f"{len(start)} atoms{_ends(heated)}",
    ]
    passed, pressed = conserved["kept"] is not False and heated.sound, None
    if heated.sound:
        pressed = _within(
            f"compression at {_TO_K:.0f} K", compressed, session.evaluate, heated.atoms, _TO_K,
            preset.compression_steps, density=_DENSITY, limits=limits, seed=seed + 1, memory=session.memory("G5-dense"),
        )  # fmt: skip
        passed = passed and pressed.sound
        told.append(
            f"compression: {pressed.steps} of {preset.compression_steps} steps to "
            f"{100 * (_DENSITY - 1):+.0f} % density at {_TO_K:.0f} K{_ends(pressed)}"
        )
    return outcome(
        passed, "; ".join(told), ended=heated.ended, steps=heated.steps, target_K=targets[: heated.steps].tolist(),
        temperature_K=heated.temperature_K, **_contact(heated), conserved=conserved,
        compression=None if pressed is None else _compression(pressed, preset.compression_steps),
    )  # fmt: skip


def _conserved(
    session: Session, start: "Atoms", limits: Mapping[str, float], preset: Preset, seed: int
) -> tuple[str, dict[str, Any]]:
    """What is said of the energy at constant energy, and its numbers; ``kept`` is None where the time is too short."""
    where = f"NVE at {CONSERVED_K:.0f} K"
    warmed = _within(
        f"{where}, before it", langevin, session.evaluate, start, np.full(preset.equilibration_steps, CONSERVED_K),
        seed=seed, memory=session.memory("G5-warm"), look=False,
    )  # fmt: skip
    if warmed.ended:
        return f"{where}: ended before it: {warmed.ended}", {"ended": warmed.ended, "steps": 0, "kept": False}
    course = _within(
        where, constant_energy, session.evaluate, warmed.atoms, CONSERVED_K, preset.energy_steps, seed=seed,
        limits=limits, memory=session.memory("G5-NVE"),
    )  # fmt: skip
    every = -(-course.steps // _SHOWN)
    energy = 1e3 * (np.array(course.energy_eV) - course.energy_eV[0]) / len(start)
    found = None if course.ended else drift(course.energy_eV, len(start), TIMESTEP_FS)
    kept = None if found is None else _kept(*found)
    text = f"{where}: {course.steps} of {preset.energy_steps} steps{_ends(course)}"
    if found is not None:
        text += f", drift {with_error(*found)} meV/atom/ps (95 %)"
        text += f", too short to tell whether it is below {CONSERVED_MEV:g}" if kept is None else ""
    return text, {
        "ended": course.ended, "steps": course.steps, "ps": 1e-3 * TIMESTEP_FS * course.steps, "every": every,
        "energy_meV_per_atom": energy[::every].tolist(), "kept": kept if course.sound else False,
        "drift_meV_per_atom_ps": found and found[0], "drift_meV_per_atom_ps_half_95": found and found[1],
        "temperature_K": float(np.mean(course.temperature_K)), **_contact(course),
    }  # fmt: skip


def _kept(value: float, half: float) -> bool | None:
    """Whether a drift (meV/atom/ps) lies below the limit, by its 95 % interval; None if the interval crosses it."""
    if abs(value) + half < CONSERVED_MEV:
        return True
    return False if abs(value) - half >= CONSERVED_MEV else None


def _within(where: str, course: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
    """What the course gives; where the potential fails, its name stands before the step."""
    try:
        return course(*arguments, **options)
    except TaskFailed as error:
        raise TaskFailed(error.failure, f"{where}: {error}", log=error.log) from error


def _ends(course: Course) -> str:
    """What ended it before its end, and the closest contact."""
    ended = f", ended: {course.ended}" if course.ended else ""
    near = (
        f", closest {course.closest} {course.closest_A:.2f} A, limit {course.limit_A:.2f} A" if course.closest else ""
    )
    return ended + near


def _contact(course: Course) -> dict[str, Any]:
    near = course.closest_A if course.closest else None
    return {"closest": course.closest, "limit_A": course.limit_A, "closest_A": near}


def _compression(course: Course, planned: int) -> dict[str, Any]:
    return {
        "ended": course.ended, "steps": course.steps, "planned": planned,
        "density": course.volume_A3[0] / course.atoms.get_volume(), **_contact(course),
    }  # fmt: skip
