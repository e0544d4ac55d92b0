"""All measurements on one trajectory, or on the replicas of one glass: numbers with units, and curves."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from .. import core
from ..chemistry import masses
from ..chemistry.ions import MOBILE_IONS
from ..config.schema import Analysis
from ..core.statistics import Average, average
from ..core.trajectory import same_elements
from ..core.transport import correlator
from ..errors import InputError
from .angles import bond_angles
from .artifacts import artifacts
from .exchange import exchanged_bonds
from .fingerprints import fingerprints
from .first_peak import first_sharp_peak
from .heterogeneity import heterogeneity
from .hopping import hopping
from .jumps import jumps
from .network import network
from .openings import openings
from .phase import flows
from .redox import Readout, by_moment, how_told, moment_word
from .structure import Shell, first_minimum, first_shells, shell_cutoffs
from .topology import topology
from .transport import displacement, log_lags, unwrapped, without_drift

# Consecutive frames are correlated: this many, evenly spaced, are enough for structural averages
_STRUCTURE_FRAMES = 400
_DIFFRACTION_FRAMES = 100
_TOPOLOGY_FRAMES = 100
_TRANSPORT_FRAMES = 20
# Below this, wider bins: a single small glass fills narrow ones with noise
_FEW_FRAMES = 20
# relative; rounding of a cell read from a file, not a fluctuation
_SAME_DENSITY = 1e-6

Curves = dict[str, np.ndarray]
Numbers = dict[str, Any]


def measure(
    frames: Sequence[Atoms],
    wanted: Analysis,
    *,
    replicas: bool = False,
    stable: bool = True,
    progress: Callable[[float, str], None] = lambda *_: None,
    on_the_fly: Path | None = None,
    readout: Readout | None = None,
) -> tuple[Numbers, Curves]:
    """Measure what the section `wanted` asks for; keys of the result carry their units.

    `frames` are a trajectory, in time order with info `time_ps`, or independent `replicas` of a glass. Transport is
    measured on trajectories that are `stable` and long enough. A key `X_err` is
    one standard error of `X`, None where none can be given (a single structure). `on_the_fly` is the file of hops that
    was written during the run, `readout` what is known of the moments that the frames have.
    """
    kept = list(frames) if replicas else after(frames, wanted.skip_ps)
    elements = same_elements(kept)
    numbers: Numbers = _general(kept, elements, replicas)
    progress(0.0, "pair functions")
    chosen = evenly(kept, _STRUCTURE_FRAMES)
    few = len(chosen) < _FEW_FRAMES
    pairs = core.rdf(chosen, wanted.r_max_A, width=0.1 if few else 0.05, independent=replicas)
    cutoffs = shell_cutoffs(pairs, elements, wanted.cutoffs_A)
    shells = first_shells(chosen, cutoffs, independent=replicas)
    numbers |= {
        "structure_frames": len(chosen),
        "half_cell_width_A": pairs.half_width,
        "first_peak": {pair: _peak(pairs.r, g.mean) for pair, g in pairs.g.items()},
        "coordination": {pair: _shell_numbers(shell) for pair, shell in shells.items()},
        "network": _network_numbers(chosen, cutoffs, replicas),
        "artifacts": {
            pair: {"cutoff_A": limit} | _with_error("share", share)
            for pair, (limit, share) in artifacts(chosen, independent=replicas).items()
        },
    }
    few_frames = evenly(kept, _TOPOLOGY_FRAMES)
    numbers |= {
        "topology": _topology_numbers(few_frames, cutoffs, wanted.ring_max_formers, replicas),
        "fingerprints": fingerprints(few_frames, cutoffs, independent=replicas),
    }
    curves: Curves = {"r_A": pairs.r, "edge_A": pairs.edges}
    curves |= _named("g", pairs.g) | _named("running", pairs.running)
    edges, angles = bond_angles(few_frames, cutoffs, width=5.0 if few else 2.0, independent=replicas)
    numbers["angles"] = {
        kind: _with_error("mean_deg", found.mean) | {"spread_deg": found.spread, "per_frame": found.per_frame}
        for kind, found in angles.items()
    }
    curves |= {"angle_edge_deg": edges} | _named("angle", {kind: found.density for kind, found in angles.items()})
    progress(0.4, "structure factors")
    chosen = evenly(kept, _DIFFRACTION_FRAMES)
    factors = core.structure_factor(chosen, wanted.q_max_per_A, width=0.2 if few else 0.1, independent=replicas)
    curves |= {"q_per_A": factors.q, "q_vectors": factors.vectors} | _named("S", factors.partial)
    totals = {"neutron": factors.neutron, "xray": factors.xray}
    curves |= _named("S", {name: total for name, total in totals.items() if total is not None})
    numbers |= {
        "diffraction_frames": len(chosen),
        "lowest_q_per_A": float(factors.q[0]),
        "first_sharp_peak": {
            name: vars(peak)
            for name, total in totals.items()
            if total is not None and (peak := first_sharp_peak(factors.q, total.mean, total.err)) is not None
        },
        "openings": _openings_numbers(few_frames, replicas),
        "ions": _ions(kept[0]),
    }
    progress(0.8, "transport")
    numbers |= {"transport": None, "hops": None, "sites": None, "heterogeneity": None, "exchanged_bonds": {}}
    if not replicas and len(kept) > 1:
        numbers["exchanged_bonds"] = {
            pair: {"bonds": bonds, "exchanged": count}
            for pair, (bonds, count) in exchanged_bonds(kept, cutoffs).items()
        }
    if not replicas and stable and len(kept) >= _TRANSPORT_FRAMES:
        numbers["metal_states"] = told = how_told(kept, readout)
        ion = _mobile(elements)
        if ion is not None:
            path = relative_to_framework(kept, ion)
            shell = first_minimum(pairs.r, pairs.g[f"{ion}-{ion}"].mean) if f"{ion}-{ion}" in pairs.g else None
            numbers["transport"], numbers["heterogeneity"], moved = _transport(path, kept, ion, shell)
            temperature = numbers.get("temperature_K")
            numbers["sites"], jumped = jumps(path, kept, ion, cutoffs, temperature, flows(numbers), by_moment(told))
            curves |= moved | jumped
        numbers["hops"], hopped = _hops(kept, elements, cutoffs, wanted, on_the_fly, told)
        curves |= hopped
    return numbers, curves


def after(frames: Sequence[Atoms], skip_ps: float) -> list[Atoms]:
    """Frames from `skip_ps` on; InputError when times are missing or not evenly spaced, or none is left."""
    missing = [number for number, atoms in enumerate(frames) if "time_ps" not in atoms.info]
    if missing:
        raise InputError(f"trajectory: frame {missing[0]} has no time_ps")
    time = np.array([atoms.info["time_ps"] for atoms in frames], dtype=float)
    step = np.diff(time)
    if len(step) and (step.min() <= 0 or np.ptp(step) > 1e-3 * step.mean() + 1e-9):
        raise InputError(f"trajectory: time_ps is not evenly spaced (steps from {step.min():g} to {step.max():g} ps)")
    kept = [atoms for atoms, at in zip(frames, time, strict=True) if at >= skip_ps]
    if not kept:
        raise InputError(f"analysis.skip_ps: {skip_ps:g} ps leaves nothing of a trajectory of {time[-1]:g} ps")
    return kept


def evenly(frames: Sequence[Atoms], most: int) -> list[Atoms]:
    """At most `most` of the frames, evenly spaced."""
    return list(frames[:: -(-len(frames) // most)])


def _general(frames: Sequence[Atoms], elements: Sequence[str], replicas: bool) -> Numbers:
    density = [masses.density(atoms) for atoms in frames]
    symbols = np.array(frames[0].get_chemical_symbols())
    numbers: Numbers = {
        "kind": "glass" if replicas else "trajectory",
        "frames": len(frames),
        "atoms": len(symbols),
        "composition": {element: int((symbols == element).sum()) for element in elements},
        "errors_from": "none" if len(frames) == 1 else "replicas" if replicas else "autocorrelation",
        # a cell that never changes was set, not measured: its density has no error
        "density_is_set": bool(np.ptp(density) <= _SAME_DENSITY * density[0]),
    } | _with_error("density_g_cm3", average(density, independent=replicas))
    if numbers["density_is_set"]:
        numbers["density_g_cm3_err"] = None
    if not replicas:
        time = [atoms.info["time_ps"] for atoms in frames]
        numbers |= {"start_ps": float(time[0]), "duration_ps": float(time[-1] - time[0])}
        if (series := _temperatures(frames)) is not None:
            numbers |= _with_error("temperature_K", average(series))
    return numbers


def _temperatures(frames: Sequence[Atoms]) -> list[float] | None:
    if not all("temperature_K" in atoms.info for atoms in frames):
        return None
    return [float(atoms.info["temperature_K"]) for atoms in frames]


def _mobile(elements: Sequence[str]) -> str | None:
    """The ion whose motion is analyzed, if there are other atoms to measure it against."""
    return next((element for element in MOBILE_IONS if element in elements and len(elements) > 1), None)


def _topology_numbers(
    frames: Sequence[Atoms], cutoffs: Mapping[str, float], ring_size: int, replicas: bool
) -> Numbers | None:
    elements = same_elements(frames)
    found = topology(frames, cutoffs, _mobile(elements), ring_size=ring_size, independent=replicas)
    if found is None:
        return None
    return {
        "formers": list(found.formers),
        "ring_max_formers": ring_size,
        "rings_per_former": {str(n): float(found.rings.mean[n]) for n in range(3, ring_size + 1)},
        "rings_per_former_err": {str(n): _known(found.rings.err[n]) for n in range(3, ring_size + 1)},
        "ring_size": _with_error("mean", found.ring_size) if found.ring_size is not None else None,
        "linkage": {name: _with_error("per_former", value) for name, value in found.linkage.items()},
        "lanterns": _with_error("share", found.lanterns) if found.lanterns is not None else None,
        "ion_spacing": _with_error("percolates_A", found.ion_spacing) if found.ion_spacing is not None else None,
    }


def _openings_numbers(frames: Sequence[Atoms], replicas: bool) -> Numbers | None:
    ion = _mobile(same_elements(frames))
    found = openings(frames, ion, independent=replicas) if ion is not None else None
    if found is None:
        return None
    return {"ion": ion} | _with_error("bottleneck_A", found.bottleneck) | _with_error("free_share", found.free)


def _ions(atoms: Atoms) -> dict[str, int]:
    """Number of each ion, where the structure tells which atom is which."""
    return dict(Counter(atoms.arrays["ion"].tolist())) if "ion" in atoms.arrays else {}


def _hops(
    frames: Sequence[Atoms],
    elements: Sequence[str],
    cutoffs: Mapping[str, float],
    wanted: Analysis,
    on_the_fly: Path | None,
    told: Mapping[str, Mapping[str, str]],
) -> tuple[Numbers | None, Curves]:
    ion, of_moment = _mobile(elements), by_moment(told)
    options = {
        "window_ps": wanted.hop_window_ps,
        "threshold_A2": wanted.hop_threshold_A2,
        "return_ps": wanted.hop_return_ps,
    }
    found = (
        hopping(frames, ion, cutoffs, **options, on_the_fly=on_the_fly, of_moment=of_moment)
        if ion is not None
        else None
    )
    if found is None:
        return None, {}
    rate, returned, length = found.rate_per_ps, found.returned or (None, None), found.mean_length or (None, None)
    nearest, states = found.columns["hop_nearest_metal"], found.columns["hop_metal_state"]
    beside = [
        f"{frames[0].symbols[metal]}{state}+"
        for metal, state in zip(nearest, states, strict=True)
        if metal >= 0 and state
    ]
    words = {metal: moment_word(told[metal]["moments"]) for metal in sorted(of_moment)}
    unknown = int(((nearest >= 0) & (states == 0)).sum())
    numbers = {
        "ion": ion, "beside": dict(Counter(beside)), "beside_undetermined": unknown, "by_moment": words,
        "count": found.count,
        "window_ps": found.window_ps, "threshold_A2": wanted.hop_threshold_A2,
        "return_within_ps": found.return_ps,
        "per_ion_per_ps": rate[0], "per_ion_per_ps_err": rate[1],
        "per_ion_per_ps_interval": found.rate_interval_per_ps, "returned_share_interval": found.returned_interval,
        "returned_share": returned[0], "returned_share_err": returned[1],
        "changed_cage_share": found.changed_cage, "agreement_with_on_the_fly": found.agreement,
        "length_A": length[0], "length_A_err": _known(length[1]) if length[1] is not None else None,
    }  # fmt: skip
    return numbers, found.columns


def relative_to_framework(frames: Sequence[Atoms], mobile: str) -> core.Trajectory:
    """Unwrapped, in the mean cell, relative to the center of mass of all atoms but the mobile ones."""
    symbols = np.array(frames[0].get_chemical_symbols())
    interval = (frames[-1].info["time_ps"] - frames[0].info["time_ps"]) / (len(frames) - 1)
    cells = np.array([atoms.cell.array for atoms in frames])
    positions, wrapped = unwrapped(np.array([atoms.positions for atoms in frames]), cells)
    positions = without_drift(positions, frames[0].get_masses(), symbols != mobile)
    return core.Trajectory(positions, interval, tuple(symbols), cells.mean(axis=0), wrapped)


def _transport(
    path: core.Trajectory, frames: Sequence[Atoms], mobile: str, shell_A: float | None
) -> tuple[Numbers, Numbers, Curves]:
    """Displacements and coefficients, how unequal the motion is, and the curves of both."""
    symbols, elements = np.array(path.symbols), same_elements(frames)
    curves: Curves = {}
    for element in elements:
        moved = displacement(path.positions[:, symbols == element], path.interval)
        shown = np.concatenate([[0], log_lags(len(moved.time) - 1)])
        curves |= {
            "lag_ps": moved.time[shown],
            f"msd_A2_{element}": moved.msd[shown],
            f"msd_A2_{element}_err": moved.err[shown],
        }
    filled = correlator(path)
    result = core.diffusion(filled, mobile)
    numbers: Numbers = {
        "ion": mobile,
        "ions": int((symbols == mobile).sum()),
        "trajectory_was_wrapped": path.wrapped,
        "diffusive": result.coefficient is not None,
        "reason": result.reason,
        "exponent": _known(result.exponent),
        "exponent_err": _known(result.exponent_err),
        "fit_from_ps": result.window[0] if result.window else None,
        "fit_to_ps": result.window[1] if result.window else None,
        "D_m2_per_s": _in_m2_per_s(result.coefficient),
        "D_m2_per_s_err": _in_m2_per_s(result.err),
        "D_m2_per_s_interval": [_in_m2_per_s(end) for end in result.interval] if result.interval else None,
        "D_m2_per_s_upper": _in_m2_per_s(result.upper),
        "longest_lag_ps": float(curves["lag_ps"][-1]),
        "msd_at_longest_lag_A2": {element: float(curves[f"msd_A2_{element}"][-1]) for element in elements},
    }
    together, shapes = _correlations(filled, mobile, _temperatures(frames))
    return numbers | together, heterogeneity(path, filled.result(), mobile, shell_A), curves | shapes


def _in_m2_per_s(coefficient: float | None) -> float | None:
    return None if coefficient is None else coefficient * core.ANGSTROM2_PER_PS_IN_M2_PER_S


def _correlations(filled: core.Correlator, mobile: str, temperatures: list[float] | None) -> tuple[Numbers, Curves]:
    """What single displacements do not show: their distribution, and how ions move together."""
    result = filled.result()
    curves: Curves = {"correlation_lag_ps": result.time}
    for name in ("alpha2", "chi4", "haven"):
        curve = getattr(result, name)[mobile]
        curves |= {f"{name}_{mobile}": curve.value, f"{name}_{mobile}_err": curve.err}
    haven = core.haven_ratio(filled, mobile)
    numbers: Numbers = {
        "haven_ratio": haven.value,
        "haven_ratio_err": haven.err,
        "haven_ratio_interval": haven.interval,
        "haven_ratio_reason": haven.reason,
    }
    if temperatures is not None:
        mean = float(np.mean(temperatures))
        sigma = core.conductivity(filled, mean, {mobile: 1.0})
        numbers |= {
            "nernst_einstein_S_per_m": sigma.nernst_einstein,
            "nernst_einstein_S_per_m_err": sigma.nernst_einstein_err,
            "nernst_einstein_S_per_m_interval": sigma.nernst_einstein_interval,
            "conductivity_S_per_m": sigma.einstein,
            "conductivity_S_per_m_err": sigma.einstein_err,
            "conductivity_S_per_m_interval": sigma.einstein_interval,
            "conductivity_reason": sigma.reason,
        }
    return numbers, curves


def _network_numbers(frames: Sequence[Atoms], cutoffs: Mapping[str, float], replicas: bool) -> Numbers | None:
    result = network(frames, cutoffs, independent=replicas)
    if result is None:
        return None
    return {
        "former": result.former,
        "metals": list(result.metals),
        "qn_share": {str(n): float(value) for n, value in enumerate(result.qn.mean)},
        "qn_share_err": {str(n): _known(value) for n, value in enumerate(result.qn.err)},
        "oxygen_share": dict(zip(result.oxygen_names, map(float, result.oxygen.mean), strict=True)),
        "oxygen_share_err": dict(zip(result.oxygen_names, map(_known, result.oxygen.err), strict=True)),
        "agreement_with_on_the_fly": result.agreement,
    } | _with_error("mean_n", result.mean_n)


def _shell_numbers(shell: Shell) -> Numbers:
    numbers = {
        "cutoff_A": shell.cutoff,
        "share": [float(value) for value in shell.share.mean],
        "share_err": [_known(value) for value in shell.share.err],
    } | _with_error("number", shell.number)
    return numbers | (_with_error("bond_length_A", shell.length) if shell.length is not None else {})


def _peak(r: np.ndarray, g: np.ndarray) -> Numbers:
    top = int(np.argmax(g))
    return {"position_A": float(r[top]), "height": float(g[top])}


def _with_error(key: str, value: Average) -> Numbers:
    return {key: float(value.mean), f"{key}_err": _known(float(value.err))}


def _known(err: float) -> float | None:
    """An error that can be given: none from one sample, none of what never changed."""
    return float(err) if np.isfinite(err) and err > 0 else None


def _named(prefix: str, averages: Mapping[str, Average]) -> Curves:
    means = {f"{prefix}_{name}": value.mean for name, value in averages.items()}
    return means | {f"{prefix}_{name}_err": value.err for name, value in averages.items()}
