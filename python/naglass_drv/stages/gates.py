"""The gates of a screening for one potential, each kept as soon as it is done; its failures are outcomes."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.gates import FAILURE, GATES, NOT_RUN, not_run, outcome
from ..analysis.quenching import Quench
from ..errors import TaskFailed
from ..wording import counted, with_error
from . import gates_long
from .gates_glass import glasses
from .gates_motion import motion
from .screening import PRESETS, Material, Preset, Session

if TYPE_CHECKING:
    from ase import Atoms

# what finite differences of energies in single precision can tell
_SANITY_EV_PER_A, _SANITY_EV_PER_A3 = 1e-3, 1e-4
_PAIRS = ("Na-Na", "Na-O", "P-P", "P-O", "O-O", "V-V", "V-O", "V-P")
_STATES = 0.05
# steps whose time is taken
_TIMED = 5
# a label counts as V4+ by its ion; a moment beyond this (µB) does
_MOMENT_V4 = 0.5


def screened(
    session: Session,
    material: Material,
    preset: Preset,
    *,
    seed: int,
    known: Mapping[str, Any] | None = None,
    keep: Callable[[str, Any], None] = lambda gate, found: None,
) -> dict[str, Any]:
    """Outcomes by gate; those in `known` are taken over, and `keep` is called with each new one."""
    outcomes: dict[str, Any] = dict(known or {})
    for gate, run in _RUN.items():
        if gate in outcomes:
            continue
        began = time.monotonic()
        try:
            found = run(session, material, preset, seed)
        except TaskFailed as error:
            found = {"state": FAILURE, "failure": error.failure, "text": str(error)}
        found["seconds"] = time.monotonic() - began
        outcomes[gate] = found
        keep(gate, found)
    measured = outcomes["G3"]
    for gate, found in outcomes.items():
        speed = measured.get("step_ms_per_atom" if gate in _STEPS else "ms_per_atom", measured.get("ms_per_atom"))
        if found["state"] == NOT_RUN and gate in _COST and speed is not None:
            found["forecast_s"] = 1e-3 * speed * _COST[gate](material)
    return {gate: outcomes[gate] for gate in GATES}


def _sanity(session: Session, material: Material, preset: Preset, seed: int) -> dict[str, Any]:
    from ..analysis.potentials import sanity

    smallest = min(material.frames, key=len)
    found = asdict(sanity(session.evaluate, smallest, seed))
    differences, left = _variants(session, smallest)
    found |= differences
    forces = max(value for key, value in found.items() if key.endswith("eV_per_A"))
    passed = forces < _SANITY_EV_PER_A and found["stress_eV_per_A3"] < _SANITY_EV_PER_A3
    text = (
        f"largest difference of a force from the slope of the energy {1e3 * found['force_eV_per_A']:.2g} meV/A, of a "
        f"stress {found['stress_eV_per_A3']:.2g} eV/A^3"
    )
    for key, value in differences.items():
        text += f"; of a force {key.removesuffix('_eV_per_A').replace('_', ' ')} {1e3 * value:.2g} meV/A"
    return outcome(passed, "; ".join([text, *left]), **found)


def _variants(session: Session, atoms: "Atoms") -> tuple[dict[str, float], list[str]]:
    """The largest difference of a force (eV/Å) by what must not matter, and what could not be compared, with why."""
    found, left = {}, []
    for name, opened in session.variants.items():
        session.watch()
        try:
            with opened() as worker:
                forces = worker.evaluate(atoms).forces
        except TaskFailed as error:
            # some pair styles have no newton off, some machines no second rank: neither is the potential's fault
            if error.failure != "WORKER_STARTED_NOT" and "newton" not in str(error):
                raise
            left.append(f"not compared with {name.replace('_', ' ')}: {error}")
            continue
        found[f"{name}_eV_per_A"] = float(np.abs(forces - session.evaluate(atoms).forces).max())
    return found, left


def _pair_curves(session: Session, material: Material, preset: Preset, seed: int) -> dict[str, Any]:
    from ..analysis.potentials import pair_curve

    if session.start().facts.get("charges"):
        return not_run("fixed charges: a pair of ions is not neutral")
    elements = {symbol for frame in material.frames for symbol in frame.symbols}
    pairs = [tuple(pair.split("-")) for pair in _PAIRS if set(pair.split("-")) <= elements]
    curves = [pair_curve(session.evaluate, (a, b), np.linspace(0.6, 6.0, 100)) for a, b in pairs]
    unsound = [pair for pair, curve in zip(map("-".join, pairs), curves, strict=True) if not curve.sound]
    text = f"not sound for {', '.join(unsound)}" if unsound else f"{len(curves)} pairs"
    return outcome(not unsound, text, pairs={"-".join(curve.elements): _listed(curve) for curve in curves})


def _listed(curve: Any) -> dict[str, Any]:
    """The fields of a curve, and whether it is sound, as JSON."""
    values = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in vars(curve).items()}
    return values | ({"sound": curve.sound} if hasattr(curve, "sound") else {})


def _stretches(session: Session, material: Material, preset: Preset, seed: int) -> dict[str, Any]:
    from ..analysis.asked import relaxed
    from ..analysis.stretches import bonds, stretches

    found: dict[str, Any] = {}
    for name, crystal in material.crystals.items():
        if bonds(crystal):
            start, _ = relaxed(session.evaluate, crystal, steps=preset.relax_steps)
            found |= {f"{each.bond} in {name}": _listed(each) for each in stretches(session.evaluate, start)}
    if not found:
        return not_run("no crystal with a V=O or P-O bond is given")
    unsound = [name for name, each in found.items() if not each["sound"]]
    text = f"not sound: {', '.join(unsound)}" if unsound else f"{len(found)} bonds"
    return outcome(not unsound, text, bonds=found)


def _errors(session: Session, material: Material, preset: Preset, seed: int) -> dict[str, Any]:
    from ..dataset.energy_shift import NONE, SAME, TRAINING, Shift, fitted_shift, not_determined
    from ..dataset.potential_errors import errors

    frames = spread(material.frames, preset.frames)
    began = time.monotonic()
    results = [session.evaluate(frame) for frame in frames]
    seconds, atoms = time.monotonic() - began, sum(map(len, frames))
    others = spread(material.shift, preset.frames)
    if session.same_level:
        shift = Shift({}, NONE)
    elif reason := not_determined(others, frames):
        shift = fitted_shift(frames, results, SAME, reason)
    else:
        shift = fitted_shift(others, [session.evaluate(frame) for frame in others], TRAINING)
    found = errors(frames, results, shift)
    text = (
        f"forces {_with_error(found, 'forces_rmse_meV_per_A', '.0f')} meV/A RMSE, "
        f"{100 * found['forces_share']:.0f} % of their spread; slope {_with_error(found, 'forces_slope', '.3f')}; "
        f"energy {_with_error(found, 'energy_rmse_meV_per_atom', '.0f')} meV/atom ({shift.told()}); "
        f"{counted_frames(len(frames), len(material.frames))} in {counted(found['groups'], 'group')}"
    )
    found |= {"ms_per_atom": 1e3 * seconds / atoms, "atoms_per_frame": atoms / len(frames)}
    return outcome(None, text, **found, **(_step_time(session, material, seed) if session.by_lammps else {}))


def _step_time(session: Session, material: Material, seed: int) -> dict[str, float]:
    """The time per atom of a step of dynamics of the size that G6 and G7 have; nothing where the potential fails."""
    from ..analysis.dynamics import langevin
    from ..analysis.quenching import repeated

    start = repeated(material.start, _LONG.glass_atoms)
    try:
        session.evaluate(start)
        course = langevin(session.evaluate, start, np.full(_TIMED, 300.0), seed=seed, look=False)
    except TaskFailed:
        return {}
    # one more evaluation than steps
    return {"step_ms_per_atom": 1e3 * course.seconds / (_TIMED + 1) / len(start)}


def _with_error(found: Mapping[str, Any], key: str, form: str) -> str:
    """The number with its error, if it has one."""
    err = found[f"{key}_err"]
    return f"{found[key]:{form}}" if err is None else with_error(found[key], err)


def counted_frames(used: int, known: int) -> str:
    """How many frames an error is of: ``13 of 26 frames``."""
    return f"{used} of {known} frames" if used < known else f"{used} frames"


def spread(frames: Sequence["Atoms"], most: int | None) -> list["Atoms"]:
    """At most `most` of the frames, at equal distances in their order."""
    if most is None or len(frames) <= most:
        return list(frames)
    return [frames[i] for i in np.linspace(0, len(frames) - 1, most).round().astype(int)]


def _states(frames: Sequence["Atoms"], moments: Sequence[np.ndarray]) -> dict[str, int] | None:
    """V atoms, those that are V4+ by their labels and by the moments, and those of which both say the same."""
    counts = {"V": 0, "labels": 0, "moments": 0, "same": 0}
    for frame, moment in zip(frames, moments, strict=True):
        if "ion" not in frame.arrays:
            return None
        metal = np.array(frame.symbols) == "V"
        labeled = np.array([str(ion) == "V4+" for ion in frame.arrays["ion"][metal]], dtype=bool)
        told = np.abs(moment[metal]) > _MOMENT_V4
        counts["V"] += int(metal.sum())
        counts["labels"] += int(labeled.sum())
        counts["moments"] += int(told.sum())
        counts["same"] += int((labeled == told).sum())
    return counts


def _volumes(session: Session, material: Material, preset: Preset, seed: int) -> dict[str, Any]:
    from ..analysis.volumes import volume_curve

    if not material.crystals:
        return not_run("no crystals are given")
    found = {
        name: _listed(volume_curve(session.evaluate, crystal, np.array(preset.volumes), preset.volume_relax))
        for name, crystal in material.crystals.items()
    }
    off = {name: None if each["volume"] is None else each["volume"] - 1 for name, each in found.items()}
    told = [f"{name} {'no minimum' if x is None else f'{100 * x:+.1f} %'}" for name, x in off.items()]
    passed: bool | None = all(x is not None and abs(x) <= gates_long.VOLUME for x in off.values())
    if not preset.volume_relax and None not in off.values():
        # with positions at rest, the volume tells of the repulsion rather than of the crystal
        passed = None
    held = "positions relaxed" if preset.volume_relax else "positions scaled with the cell"
    text = f"volume off by: {', '.join(told)} ({held})"
    return outcome(passed, text, crystals=found, relaxed=bool(preset.volume_relax))


def _redox(session: Session, material: Material, preset: Preset, seed: int) -> dict[str, Any]:
    """From the moments on the labeled frames: a second opinion on states, not a measurement of them."""
    frames = [frame for frame in spread(material.frames, preset.frames) if "V" in frame.symbols]
    if not frames:
        return not_run("no labeled frame has V")
    first = session.evaluate(frames[0])
    if first.moments is None:
        return not_run("this potential gives no moments")
    moments = [first.moments, *(session.evaluate(frame).moments for frame in frames[1:])]
    found = _states(frames, moments)
    if found is None:
        return not_run("the labeled frames do not name the ions (per-atom array 'ion')")
    text = (
        f"V4+ by moments {found['moments']}, by labels {found['labels']} of {found['V']} V; same state at "
        f"{found['same']} (a second opinion on the states, not a measurement)"
    )
    passed = abs(found["moments"] - found["labels"]) <= _STATES * max(found["labels"], 1)
    return outcome(passed, text, **found)


_RUN: dict[str, Callable[[Session, Material, Preset, int], dict[str, Any]]] = {
    "G0": _sanity, "G1": _pair_curves, "G2": _stretches, "G3": _errors, "G4-EV": _volumes,
    "G4-cell": gates_long.relaxed_cells, "G4-phonons": gates_long.phonons, "G5": motion, "G6": glasses,
    "G7": gates_long.transport, "G8": _redox,
}  # fmt: skip
_LONG = PRESETS["production"]
# gates of dynamics of a large cell
_STEPS = ("G6", "G7")
# atoms times evaluations in production of what is not run
_COST: dict[str, Callable[[Material], float]] = {
    "G4-cell": lambda material: sum(900 * len(crystal) for crystal in material.crystals.values()),
    "G4-phonons": lambda material: sum(8 * len(crystal) * 6 * len(crystal) for crystal in material.crystals.values()),
    "G6": lambda material: _LONG.replicas * _LONG.glass_atoms * len(Quench().targets_K()),
    "G7": lambda material: len(_LONG.transport_K) * _LONG.glass_atoms * 1000 * _LONG.transport_ps,
}
