"""Mobile ions at a crystal in a glass: diffusion, charge diffusion and hops by layer, and exchange across surfaces."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from .. import core
from ..config.schema import Analysis
from ..core.slopes import Estimate
from ..errors import InputError
from ..wording import digits
from .crossings import crossings
from .hopping import WINDOW
from .interface_surfaces import Followed, Numbers, finite
from .layers import hop_rates, layer_mobility
from .measure import relative_to_framework

#: Layers by distance from the nearer surface: interior of the crystal, interface, interior of the glass.
LAYERS = ("crystal", "interface", "glass")
HALF_INTERFACE_A = 4.0
_LAGS_PS = (1.0, 4.0)
_RESIDENCE_PS = 5.0


def motion(frames: Sequence[Atoms], followed: Followed, ion: str, wanted: Analysis) -> Numbers:
    """Diffusion and hops by layer, and exchange across the surfaces."""
    mobile = np.array(frames[0].get_chemical_symbols()) == ion
    trajectory = relative_to_framework(frames, ion)
    path = trajectory.positions[:, mobile]
    at_first = followed.distances(frames[0])[0]
    places = ([part[mobile] for part in followed.distances(frame)] for frame in frames)
    distance, surface = (np.array(part) for part in zip(*places, strict=True))
    layer = np.digitize(distance, [-HALF_INTERFACE_A, HALF_INTERFACE_A])
    counts = [float((layer == k).sum(axis=1).mean()) for k in range(len(LAYERS))]
    numbers: Numbers = {"layers": list(LAYERS), "half_interface_A": HALF_INTERFACE_A, "ions_per_layer": counts}
    numbers["D"] = _diffusion(path, layer, trajectory.interval)
    numbers["layer_transport"] = {
        "slide_A": _slide(trajectory, at_first, ~mobile),
        "by_layer": _transport(path, layer, trajectory.interval, _volumes(frames, followed), _temperature(frames)),
    }
    numbers |= _hops(frames, layer, trajectory.interval, ion, wanted)
    numbers["exchange"] = _exchange(frames, distance, surface, trajectory.interval)
    return numbers


def _diffusion(path: np.ndarray, layer: np.ndarray, interval: float) -> Numbers:
    """D along and across the surfaces between two short lags, of ions until they leave their layer."""
    span = interval * len(path)
    try:
        if span <= 2 * _LAGS_PS[1]:
            raise InputError(
                f"the trajectory of {span:.3g} ps is shorter than twice the longer lag, {_LAGS_PS[1]:g} ps"
            )
        found = layer_mobility(path, layer, interval, _LAGS_PS)
    except InputError as error:
        return {"reason": str(error)}
    unit = core.ANGSTROM2_PER_PS_IN_M2_PER_S
    return {
        way: [_value(unit * value, unit * err) for value, err in zip(values, errs, strict=True)]
        for way, values, errs in (
            ("parallel_m2_per_s", found.parallel_passage, found.parallel_passage_err),
            ("perpendicular_m2_per_s", found.perpendicular, found.perpendicular_err),
        )
    } | {"lags_ps": list(_LAGS_PS), "surviving": [finite(value) for value in found.surviving]}


def _transport(
    path: np.ndarray, layer: np.ndarray, interval: float, volumes: Sequence[float], temperature_K: float | None
) -> list[Numbers]:
    """Of each layer what `measure` gives of a whole cell, along the surfaces, under the same keys."""
    found = core.layer_transport(path, layer, interval)
    found += [core.LayerTransport(0.0, None, None, None, None, "no ion is in the layer")] * (len(LAYERS) - len(found))
    return [_of_layer(each, volume, temperature_K) for each, volume in zip(found, volumes, strict=True)]


def _of_layer(found: core.LayerTransport, volume: float, temperature_K: float | None) -> Numbers:
    unit = core.ANGSTROM2_PER_PS_IN_M2_PER_S
    reason = found.reason
    if reason is not None and found.needed is not None:
        reason += f"; it takes at least {digits(found.needed, 2)} ps"
    numbers: Numbers = {
        "ions": found.ions,
        "volume_A3": volume,
        "reason": None if found.tracer else reason,
        "haven_ratio_reason": reason,
        "needed_ps": found.needed,
        "fit_from_ps": found.window[0] if found.window else None,
        "fit_to_ps": found.window[1] if found.window else None,
        **_estimate("D_m2_per_s", found.tracer, unit),
        "D_m2_per_s_upper": None,
        **_estimate("D_charge_m2_per_s", found.charge, unit),
        **_estimate("haven_ratio", found.haven, 1.0),
    }
    if temperature_K is None or volume <= 0:
        missing = "the frames have no temperature" if temperature_K is None else "the crystal or the glass is too thin"
        return numbers | {"conductivity_reason": reason or missing} | _sigmas(None, None, 0.0)
    # 1/Å³ is 1e30/m³
    sigma = core.nernst_einstein(1e30 * found.ions / volume, unit, temperature_K)
    return (
        numbers | {"conductivity_reason": reason} | _sigmas(found.tracer if found.charge else None, found.charge, sigma)
    )


def _sigmas(tracer: Estimate | None, charge: Estimate | None, unit: float) -> Numbers:
    return _estimate("nernst_einstein_S_per_m", tracer, unit) | _estimate("conductivity_S_per_m", charge, unit)


def _estimate(key: str, found: Estimate | None, unit: float) -> Numbers:
    if found is None:
        return {key: None, f"{key}_err": None, f"{key}_interval": None}
    return {
        key: unit * found.value,
        f"{key}_err": unit * found.err,
        f"{key}_interval": [unit * end for end in found.interval],
    }


def _volumes(frames: Sequence[Atoms], followed: Followed) -> list[float]:
    """Mean volume (Å³) of each layer; negative for the interior of a crystal or glass that is all interface."""
    seen = [core.surfaces.along(frame, 2) for frame in frames]
    area, height = (float(np.mean([getattr(each, name) for each in seen])) for name in ("area", "height"))
    crystal = float((followed.position[:, 1] - followed.position[:, 0]).mean())
    wide = 2 * HALF_INTERFACE_A
    return [area * thickness for thickness in (crystal - wide, 2 * wide, height - crystal - wide)]


def _slide(trajectory: core.Trajectory, distance: np.ndarray, framework: np.ndarray) -> float | None:
    """How far (Å) the framework in the glass has moved along the surfaces relative to that in the crystal; None where
    one of them is all interface. Distances are those of the first frame.
    """
    parts = [framework & (distance < -HALF_INTERFACE_A), framework & (distance > HALF_INTERFACE_A)]
    if not all(part.any() for part in parts):
        return None
    moved = trajectory.positions[-1] - trajectory.positions[0]
    assert trajectory.cell is not None
    normal = np.cross(trajectory.cell[0], trajectory.cell[1])
    normal /= np.linalg.norm(normal)
    apart = moved[parts[1]].mean(axis=0) - moved[parts[0]].mean(axis=0)
    return float(np.linalg.norm(apart - (apart @ normal) * normal))


def _temperature(frames: Sequence[Atoms]) -> float | None:
    """Mean temperature (K) of the frames, where all have one."""
    known = [frame.info["temperature_K"] for frame in frames if "temperature_K" in frame.info]
    return float(np.mean(known)) if len(known) == len(frames) else None


def _hops(frames: Sequence[Atoms], layer: np.ndarray, interval: float, ion: str, wanted: Analysis) -> Numbers:
    """Hops per ion and time that start in each layer; nothing where the trajectory is too short for any."""
    stride = max(1, round(wanted.hop_window_ps / WINDOW / interval))
    sampled = frames[::stride]
    if len(sampled) < 4 * WINDOW:
        return {}
    steps = [int(frame.info["step"]) for frame in sampled]
    hops = core.detect_hops(sampled, steps=steps, window=WINDOW, threshold=wanted.hop_threshold_A2, mobile=ion)
    step_ps = stride * interval / (steps[1] - steps[0])
    rates = hop_rates(hops, steps, layer[::stride], step_ps)
    return {
        "hop_rate_per_ps": [_value(rate, err) for rate, err in zip(rates.rate, rates.err, strict=True)],
        "hops": [int(number) for number in rates.hops],
    }


def _exchange(frames: Sequence[Atoms], distance: np.ndarray, surface: np.ndarray, interval: float) -> Numbers:
    span = interval * len(frames)
    try:
        if span < 3 * _RESIDENCE_PS:
            raise InputError(
                f"the trajectory of {span:.3g} ps is shorter than three times the least stay, {_RESIDENCE_PS:g} ps"
            )
        area = core.surfaces.along(frames[0], 2).area
        found = crossings(distance, surface, interval, area, least_residence_ps=_RESIDENCE_PS)
    except InputError as error:
        return {"reason": str(error)}
    # 1/(Å² ps) is 100/(nm² ps)
    return {
        "inward_per_nm2_ps": 100 * found.inward.value,
        "inward_interval": [100 * end for end in found.inward.interval],
        "inward": found.inward.events,
        "outward_per_nm2_ps": 100 * found.outward.value,
        "outward_interval": [100 * end for end in found.outward.interval],
        "outward": found.outward.events,
        "balanced": found.balanced,
        "least_residence_ps": found.least_residence_ps,
    }


def _value(value: float, err: float) -> dict[str, float | None]:
    return {"value": finite(value), "err": finite(err)}
