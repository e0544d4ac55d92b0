"""The gate of a screening on glasses: the same melt-quench for every potential, at zero pressure in the end."""

from typing import Any

import numpy as np

from ..analysis.gates import not_run, outcome, wilson
from ..errors import TaskFailed
from ..wording import with_error
from .screening import Material, Preset, Session


def glasses(session: Session, material: Material, preset: Preset, seed: int) -> dict[str, Any]:
    """Counts over replicas with their intervals, density, and structure; the density with or without D3 beside it."""
    from ..analysis.quenching import cooled, counts, melted, repeated
    from ..analysis.replicas import structure_of

    how = preset.quench
    if how is None:
        return not_run("3 melt-quenches of 300 atoms at 100 K/ps")
    start, melts, ends, densities = repeated(material.start, preset.glass_atoms), [], [], []
    for replica in range(preset.replicas):
        own, memory = seed + 1000 * replica, session.memory
        melt = melted(session.evaluate, start, how, seed=own, memory=memory(f"G6-{replica}-melt"))
        if melt.ended:
            return outcome(False, f"replica {replica} ended in the melt: {melt.ended}")
        glass = cooled(session.evaluate, melt.atoms, how, seed=own + 1, memory=memory(f"G6-{replica}"))
        if glass.ended:
            return outcome(False, f"replica {replica} ended: {glass.ended}")
        melts.append(melt.atoms)
        ends.append(glass.atoms)
        densities.append(how.density_g_cm3(glass))
    found, structure = counts(ends), structure_of(ends)
    low, high = wilson(found["bad"], found["bad_of"])
    share, err = found["bad"] / found["bad_of"], _error(densities)
    told, other = _other_density(session, melts, preset, seed)
    text = (
        f"{len(ends)} replicas of {len(start)} atoms: {found['bad']} atoms in forbidden contacts (share {share:.4f}, "
        f"95 % {low:.4f} to {high:.4f}); {found['P_not_4']} of {found['P_of']} P without 4 O; density at zero pressure "
        f"{_written(float(np.mean(densities)), err, '.3f')} g/cm3{told}{_peaks(structure)}"
    )
    per_v = found["vanadyl"] / found["V_of"] if found["V_of"] else None
    return outcome(
        None, text, artifacts=share, artifacts_interval=[low, high], density_g_cm3=float(np.mean(densities)),
        density_g_cm3_err=err, densities_g_cm3=densities, other_density=other, vanadyl_per_V=per_v,
        structure=structure, **found,
    )  # fmt: skip


def _other_density(session: Session, melts: list[Any], preset: Preset, seed: int) -> tuple[str, dict[str, Any] | None]:
    """What the same potential with D3 instead of without it, or without it instead of with it, makes of the melts."""
    from ..analysis.quenching import cooled

    other, how = session.other, preset.quench
    if other is None or how is None:
        return "", None
    densities: list[float] = []
    try:
        for replica, melt in enumerate(melts):
            own, memory = seed + 1000 * replica + 1, session.memory(f"G6-{replica}-other")
            course = cooled(other.evaluate, melt, how, seed=own, memory=memory)
            if course.ended:
                return f", {other.label}: ended, {course.ended}", {"label": other.label, "ended": course.ended}
            densities.append(how.density_g_cm3(course))
    except TaskFailed as error:
        return f", {other.label}: {error.failure}", {"label": other.label, "ended": f"{error.failure}: {error}"}
    mean, err = float(np.mean(densities)), _error(densities)
    return f", {other.label} {_written(mean, err, '.3f')} g/cm3", {
        "label": other.label, "ended": "", "density_g_cm3": mean, "density_g_cm3_err": err,
        "densities_g_cm3": densities,
    }  # fmt: skip


def _error(values: list[float]) -> float | None:
    """Standard error of a mean over replicas; None for one."""
    return float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else None


def _written(value: float, err: float | None, form: str) -> str:
    return f"{value:{form}}" if err is None else with_error(value, err)


def _peaks(structure: dict[str, Any]) -> str:
    return "".join(
        f"; first peak of S(Q), {radiation}, at {_written(one['q_per_A'], one['q_per_A_err'], '.2f')} 1/A"
        for radiation, one in structure["first_peak"].items()
    )
