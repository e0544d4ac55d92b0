"""A trajectory of a crystal against a glass: surfaces, profiles about them, mobility by layer, exchange."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms

from .. import core
from ..chemistry.formers import FORMERS, oxygen_cutoff_A
from ..chemistry.ions import MOBILE_IONS, TRANSITION_METALS
from ..config.schema import Analysis
from ..errors import InputError
from .crossings import crossings
from .crystallite_series import connection_A, environments_of, followed
from .fronts import BLOCKS, steady_rate
from .hopping import WINDOW
from .joining import joining, surroundings
from .layer_values import layer_values
from .layers import hop_rates, layer_mobility
from .measure import evenly, relative_to_framework

Numbers = dict[str, Any]
Curves = dict[str, np.ndarray]

#: Layers by distance from the nearer surface: interior of the crystal, interface, interior of the glass.
LAYERS = ("crystal", "interface", "glass")
_HALF_INTERFACE_A = 4.0
_LEAST_INTERIOR_A = 5.0
# a new cell relaxes for as long, which moves its surfaces, too
_RELAXING_PS = 20.0
_BIN_A = 1.0
_PROFILED = 100
_LAGS_PS = (1.0, 4.0)
_RESIDENCE_PS = 5.0
_E_EXCESS = (
    "e_excess not given: {replicas}; it needs at least three replicas of the interface and three of the bulk glass "
    "with the same thermal history and lateral strain"
)


def interface(
    frames: Sequence[Atoms], crystal: Atoms, wanted: Analysis, *, name: str, replicas: int
) -> tuple[Numbers, Curves]:
    """What there is to say of a `crystal`, given as its bulk in the same orientation, against a glass.

    `name` is that of the trajectory. `frames` have ``info["time_ps"]``, evenly spaced, and ``info["step"]``. Surfaces
    are those of the similarity to the crystal (`core.crystal_similarity`), by `core.gibbs_surfaces`; frames that have
    none are left out, and where these are more than half, the numbers say why and nothing more. Keys carry their units.
    """
    numbers: Numbers = {"replicas": replicas, "e_excess": _e_excess(replicas)}
    try:
        reference = _reference(crystal, frames[0])
    except InputError as error:
        return numbers | {"reason": str(error)}, {}
    looked_at = evenly(frames, _PROFILED)
    cutoffs = {f"{s}-O": oxygen_cutoff_A(s) for s in dict.fromkeys(frames[0].symbols) if s != "O"} | wanted.cutoffs_A
    profiler, order, shown, without = core.Profiler(width=_BIN_A), [], [], ""
    for frame in looked_at:
        try:
            values = layer_values(frame, cutoffs, reference=reference)
            profiler.add(frame, values, order=values["similarity"])
        except InputError as error:
            without = without or f"no two surfaces at {frame.info['time_ps']:g} ps: {error}"
            continue
        order.append(values["similarity"])
        shown.append(frame)
    numbers |= {"looked_at": len(looked_at), "without_surfaces": len(looked_at) - len(shown)}
    if 2 * len(shown) < len(looked_at):
        few = f"{numbers['without_surfaces']} of {len(looked_at)} frames have no two surfaces"
        return numbers | {"reason": f"{few} ({without})"}, {}
    profile = profiler.result()
    numbers |= _surfaces(profile, shown)
    numbers["joining"] = _joining(name, shown, np.array(order), profile, reference.center, cutoffs)
    curves = {"distance_A": profile.distance}
    for label, column in profile.columns.items():
        curves |= {f"profile/{label}": column.value, f"profile_err/{label}": column.err}
    time = np.array([f.info["time_ps"] for f in shown])
    curves |= {"surface_A": profile.position, "surface_time_ps": time}
    turned = followed(shown, reference, connection_A(crystal, reference.center))
    numbers["angle_deg"] = turned.angle_at_the_end()
    curves |= turned.curves(time)
    ion = next((element for element in MOBILE_IONS if element in frames[0].symbols), None)
    if ion is not None:
        heights = np.array([frame.cell.volume / core.surfaces.along(frame, 2).area for frame in shown])
        numbers["excess"] = _excess(profile, ion, heights)
        numbers |= _mobile(frames, shown, profile, ion, wanted)
    return numbers, curves


def _e_excess(replicas: int) -> str:
    return _E_EXCESS.format(replicas="one replica" if replicas == 1 else f"{replicas} replicas without bulk references")


def _reference(crystal: Atoms, frame: Atoms) -> core.Environments:
    """The environments of the crystal's metal, or else of its former, with the cations and oxygens around it.

    Of an element that the glass has, too: without centers in it, a fit puts the surfaces anywhere beyond the last of
    the crystal. Raises InputError where there is none.
    """
    symbols = dict.fromkeys(crystal.get_chemical_symbols())
    areas = [core.surfaces.along(atoms, 2).area for atoms in (frame, crystal)]
    own, all_of = Counter(crystal.get_chemical_symbols()), Counter(frame.get_chemical_symbols())
    shared = [s for s in symbols if all_of[s] > round(areas[0] / areas[1]) * own[s]]
    center = next((s for group in (TRANSITION_METALS, FORMERS) for s in shared if s in group), None)
    if center is None:
        raise InputError(f"the glass has no metal or former of the crystal, {', '.join(symbols)}")
    return environments_of(crystal, center)


def _surfaces(profile: core.Profile, frames: Sequence[Atoms]) -> Numbers:
    """Thickness of the crystal and width of its surfaces, and how fast each surface moves."""
    position, width = profile.position, profile.surface_width
    assert position is not None and width is not None
    thickness = core.average(position[:, 1] - position[:, 0])
    widths = core.average(np.nanmean(width, axis=1))
    found: Numbers = {
        "frames": profile.samples,
        "crystal_A": float(thickness.mean),
        "crystal_A_err": _finite(thickness.err),
        "width_10_90_A": _finite(widths.mean),
        "width_10_90_A_err": _finite(widths.err),
    }
    time = np.array([frame.info["time_ps"] for frame in frames])
    if time[-1] - time[0] < _RELAXING_PS:
        found["no_velocity"] = f"{time[-1] - time[0]:.3g} ps are too short to tell growth from the cell's relaxation"
        return found
    # frames without surfaces leave holes
    even = np.linspace(time[0], time[-1], 1 + round((time[-1] - time[0]) / np.diff(time).min()))
    growth = np.interp(even, time, (position[:, 1] - position[:, 0]) / 2)
    if len(even) < BLOCKS:
        return found | {"no_velocity": f"{len(even)} frames are fewer than the {BLOCKS} that tell its error"}
    rate = steady_rate(even, growth)
    # 1 Å/ps is 100 m/s
    found |= {"u_m_per_s": 100 * rate.rate, "u_m_per_s_err": 100 * rate.err}
    return found if rate.moves else found | {"u_upper_m_per_s": 100 * rate.upper}


def _joining(
    name: str,
    frames: Sequence[Atoms],
    order: np.ndarray,
    profile: core.Profile,
    center: str,
    cutoffs: Mapping[str, float],
) -> Numbers:
    """What surrounded each center before, and whether and when it joined the crystal; why not, if too few did.

    A center is crystalline where it is more similar to the crystal than halfway between crystal and glass.
    """
    similarity = profile["similarity"].value
    inside, outside = (np.nanmean(similarity[side]) for side in (profile.distance < 0, profile.distance > 0))
    centers = np.isfinite(order[0])
    flags = np.nan_to_num(order) > (inside + outside) / 2
    bonds = {
        (pair.split("-")[0], "O"): cutoff for pair, cutoff in cutoffs.items() if pair.split("-")[0] not in MOBILE_IONS
    }
    metals = [s for s in dict.fromkeys(frames[0].symbols) if s in TRANSITION_METALS]
    try:
        before = surroundings(frames[0], center, bonds, crystalline=flags[0], metals=metals)
        found = joining([frame.info["time_ps"] for frame in frames], flags, centers, before)
    except InputError as error:
        return {"reason": str(error)}
    return {"events": int(found.joined.sum()), "rows": [row.as_json() for row in found.quantities(name)]}


def _excess(profile: core.Profile, ion: str, heights: np.ndarray) -> Numbers:
    """Gibbs' excess of the mobile ion per area, and the same that no choice of the dividing surface changes."""
    assert profile.position is not None
    thickness = profile.position[:, 1] - profile.position[:, 0]
    inside, outside = (float(np.floor(part.min() / 2)) for part in (thickness, heights - thickness))
    inner = _HALF_INTERFACE_A + 1.0
    if min(inside, outside) < inner + _LEAST_INTERIOR_A:
        return {
            "reason": f"the thinner phase has {min(inside, outside):g} Å from its surface to its middle, less "
            f"than {inner + _LEAST_INTERIOR_A:g}"
        }
    ranges = {"crystal": (-inside, -inner), "outside": (inner, outside)}
    try:
        own = core.excess_per_area(profile, ion, **ranges)
        relative = core.excess_per_area(profile, ion, relative_to="O", **ranges)
    except InputError as error:
        return {"reason": str(error)}
    # 1/Å² is 100/nm²
    return {
        "ion": ion,
        "per_nm2": 100 * own.value,
        "per_nm2_err": _finite(100 * own.err),
        "relative_to_O_per_nm2": 100 * relative.value,
        "relative_to_O_per_nm2_err": _finite(100 * relative.err),
    }


def _mobile(
    frames: Sequence[Atoms], shown: Sequence[Atoms], profile: core.Profile, ion: str, wanted: Analysis
) -> Numbers:
    """Diffusion and hops by layer, and exchange across the surfaces."""
    mobile = np.array(frames[0].get_chemical_symbols()) == ion
    trajectory = relative_to_framework(frames, ion)
    path, interval = trajectory.positions[:, mobile], trajectory.interval
    distance, surface = _distances(frames, shown, profile, mobile)
    layer = np.digitize(distance, [-_HALF_INTERFACE_A, _HALF_INTERFACE_A])
    counts = [float((layer == k).sum(axis=1).mean()) for k in range(len(LAYERS))]
    numbers: Numbers = {"layers": list(LAYERS), "half_interface_A": _HALF_INTERFACE_A, "ions_per_layer": counts}
    span = interval * len(frames)
    try:
        if span <= 2 * _LAGS_PS[1]:
            raise InputError(
                f"the trajectory of {span:.3g} ps is shorter than twice the longer lag, {_LAGS_PS[1]:g} ps"
            )
        found = layer_mobility(path, layer, interval, _LAGS_PS)
        # 1 Å²/ps is 1e-8 m²/s
        numbers["D"] = {
            way: [_value(1e-8 * value, 1e-8 * err) for value, err in zip(values, errs, strict=True)]
            for way, values, errs in (
                ("parallel_m2_per_s", found.parallel_passage, found.parallel_passage_err),
                ("perpendicular_m2_per_s", found.perpendicular, found.perpendicular_err),
            )
        } | {"lags_ps": list(_LAGS_PS), "surviving": [_finite(value) for value in found.surviving]}
    except InputError as error:
        numbers["D"] = {"reason": str(error)}
    numbers |= _hops(frames, layer, interval, ion, wanted)
    try:
        if span < 3 * _RESIDENCE_PS:
            raise InputError(
                f"the trajectory of {span:.3g} ps is shorter than three times the least stay, {_RESIDENCE_PS:g} ps"
            )
        area = core.surfaces.along(frames[0], 2).area
        crossed = crossings(distance, surface, interval, area, least_residence_ps=_RESIDENCE_PS)
        numbers["exchange"] = _exchange(crossed)
    except InputError as error:
        numbers["exchange"] = {"reason": str(error)}
    return numbers


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


def _distances(
    frames: Sequence[Atoms], shown: Sequence[Atoms], profile: core.Profile, mobile: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(frames, M) distance of each ion from the nearer surface, and which one; surfaces between those of `shown`."""
    assert profile.position is not None
    known = np.array([frame.info["time_ps"] for frame in shown])
    time = np.array([frame.info["time_ps"] for frame in frames])
    ends = np.stack([np.interp(time, known, profile.position[:, side]) for side in (0, 1)], axis=1)
    pairs = [core.surface_distances(frame, end) for frame, end in zip(frames, ends, strict=True)]
    distance, surface = (np.array(part)[:, mobile] for part in zip(*pairs, strict=True))
    return distance, surface


def _exchange(found: Any) -> Numbers:
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
    return {"value": _finite(value), "err": _finite(err)}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
