"""The audit itself: every check on every frame, the findings, and tables of the coverage of the dataset."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ...chemistry import masses
from ...errors import InputError
from ...wording import counted
from ..assemble import Dataset
from ..gate import pressure_GPa
from ..sites import judge
from . import contacts, copies, moments, outliers, stresses

if TYPE_CHECKING:
    from ase import Atoms

ADVICE = {
    "energy": "check the label's output: a different electronic state, an unconverged SCF, or an unusual structure",
    "forces": "check the structure, since overlapping atoms dominate a fit, or else the output of the label",
    "distance": "remove the frame unless the model is meant to learn such contacts",
    "net_force": "the plane-wave cutoff is too low, or forces on fixed or drifting atoms were removed: relabel it",
    "stress": "convert to a symmetric tensor in eV/Å³ with ASE's sign (negative under compression), or drop it",
    "spin": "unintended electronic state: relabel from different starting moments, or correct the charge",
    "sites": "state does not match the composition: relabel from different starting moments, or remove the frame",
    "near_copy": "keep one of the two; if their groups differ, give both the same group",
}
CHECKS = tuple(ADVICE)
_FORCE_EDGES_eV_PER_A = np.geomspace(1e-2, 1e3, 51)
_MOMENT_EDGES_MUB = np.linspace(0.0, 6.0, 121)


@dataclass(frozen=True)
class Limits:
    """Limits for flagging; z values are in robust standard deviations (see `outliers`), `near_copy_strain` is
    the largest component of the strain between two cells.
    """

    energy_z: float
    forces_z: float
    min_distance_fraction: float
    max_net_force_eV_per_A: float
    max_stress_GPa: float
    stress_z: float
    moment_off_muB: float
    spin_sum_muB: float
    near_copy_A: float
    near_copy_strain: float


@dataclass(frozen=True)
class Finding:
    """A finding: the check, the frame (index and name), the value with its limit and unit, and a description."""

    check: str
    frame: int
    source: str
    value: float
    limit: float
    unit: str
    text: str


class _Measured:
    """What the checks and tables share: numbers per frame."""

    def __init__(self, frames: Sequence["Atoms"], limits: Limits):
        self.frames = frames
        self.limits = limits
        self.energies = outliers.fit_energies(frames)
        self.force_z = outliers.force_z(frames)
        self.force = [np.linalg.norm(frame.arrays["REF_forces"], axis=1) for frame in frames]
        self.net_force = np.array([np.linalg.norm(frame.arrays["REF_forces"].sum(axis=0)) for frame in frames])
        self.contacts = [contacts.closest(frame) for frame in frames]
        self.copies = copies.near_copies(frames, limits.near_copy_A, limits.near_copy_strain)


def audit(
    frames: Sequence["Atoms"], names: Sequence[str], limits: Limits, e0_eV: Mapping[str, float] = MappingProxyType({})
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Audit labeled `frames` of one level, called `names` in the findings, with isolated-atom energies `e0_eV`.

    Returns the JSON-able result (`findings`, worst first in each check, `unchecked`, and tables), and arrays for
    figures. Nothing is dropped or changed.
    """
    measured = _Measured(frames, limits)
    found = [Finding(check, k, names[k], *rest) for check, k, *rest in _findings(measured, names)]
    found.sort(key=lambda f: (CHECKS.index(f.check), -_severity(f), f.frame))
    result = {
        "frames": len(frames),
        "atoms": sum(map(len, frames)),
        "levels": sorted({frame.info["level"] for frame in frames}),
        "groups": len({frame.info["group"] for frame in frames}),
        "limits": asdict(limits),
        "counts": {check: sum(f.check == check for f in found) for check in CHECKS},
        "findings": [asdict(f) for f in found],
        "energy_scale_eV_per_atom": None if measured.energies is None else measured.energies.scale_eV_per_atom,
        "unchecked": list(_unchecked(measured, names)),
        "compositions": _compositions(frames),
        "coverage": _coverage(measured, e0_eV),
        "E0_eV": dict(sorted(e0_eV.items())),
        "forces": _force_table(measured),
        "distances": _distance_table(measured, names),
        "moments": moments.table(frames),
    }
    return result, _arrays(measured)


def audited(
    dataset: Dataset, limits: Limits, drop: bool | Sequence[str]
) -> tuple[Dataset, dict[str, Any], dict[str, np.ndarray]]:
    """The dataset without the frames that one of the checks `drop` found (True: all checks), and what `audit` gives.

    What was dropped is listed in the result (`dropped`). Raises InputError when nothing would be left.
    """
    names = [str(frame.info["source"]) for frame in dataset.frames]
    result, arrays = audit(dataset.frames, names, limits, dataset.e0_eV)
    checks = set(CHECKS if drop is True else drop or ())
    reasons: dict[int, list[str]] = defaultdict(list)
    for finding in result["findings"]:
        if finding["check"] in checks:
            reasons[finding["frame"]].append(finding["check"])
    result["dropped"] = [{"source": names[k], "checks": reasons[k]} for k in sorted(reasons)]
    kept = tuple(frame for k, frame in enumerate(dataset.frames) if k not in reasons)
    if not kept:
        none = f"none of {counted(len(names), 'frame')}"
        raise InputError(f"dataset: drop_outliers leaves {none}; see the limits in dataset.audit")
    return dataset.of(kept), result, arrays


def _severity(finding: Finding) -> float:
    """How far beyond its limit a finding is; small values are the bad ones for distances."""
    if finding.check in ("distance", "near_copy"):
        return -finding.value
    return abs(finding.value)


def _findings(measured: _Measured, names: Sequence[str]) -> Iterator[tuple[str, int, float, float, str, str]]:
    """Check, frame, value, limit, unit, words; at most one of a check for each frame."""
    limits = measured.limits
    if (energies := measured.energies) is not None:
        for k in np.flatnonzero(np.abs(energies.z) > limits.energy_z):
            text = f"E/N is {energies.residual_eV_per_atom[k]:+.3f} eV/atom off a fit to composition and rms force"
            yield "energy", int(k), float(energies.z[k]), limits.energy_z, "robust z", text
    for k, frame in enumerate(measured.frames):
        atom = int(measured.force_z[k].argmax())
        if measured.force_z[k][atom] > limits.forces_z:
            text = f"|F| = {measured.force[k][atom]:.1f} eV/Å on {frame.symbols[atom]} {atom}"
            yield "forces", k, float(measured.force_z[k][atom]), limits.forces_z, "robust z", text
        near = min(measured.contacts[k], key=lambda contact: contact.fraction, default=None)
        if near is not None and near.fraction < limits.min_distance_fraction:
            pair = " and ".join(f"{frame.symbols[i]} {i}" for i in near.atoms)
            text = f"{pair} are {near.distance_A:.2f} Å apart; their contact distance is {near.contact_A:.2f} Å"
            yield "distance", k, near.fraction, limits.min_distance_fraction, "of contact", text
        net = float(measured.net_force[k])
        if net > limits.max_net_force_eV_per_A:
            yield "net_force", k, net, limits.max_net_force_eV_per_A, "eV/Å", f"|ΣF| = {net:.3f} eV/Å"
        yield from _spin_findings(k, frame, limits)
        verdict = judge(frame)
        if verdict is not None and verdict.flag:
            yield "sites", k, float(verdict.sites), 0.0, "sites", f"{verdict.flag}: {verdict.text}"
    for k, *rest in stresses.findings(measured.frames, limits.max_stress_GPa, limits.stress_z):
        yield "stress", k, *rest
    for copy in measured.copies:
        text = f"RMS distance {copy.rms_A:.4f} Å from {names[copy.of]}"
        if measured.frames[copy.frame].info["group"] != measured.frames[copy.of].info["group"]:
            text += ", which is in a different group: a split may separate them"
        yield "near_copy", copy.frame, copy.rms_A, limits.near_copy_A, "Å", text


def _spin_findings(k: int, frame: "Atoms", limits: Limits) -> Iterator[tuple[str, int, float, float, str, str]]:
    off_sum = moments.worst_sum(frame)
    if off_sum is None:
        return
    if off_sum > limits.spin_sum_muB:
        text = f"moments are {off_sum:.2f} µB off the sum for multiplicity {frame.info['multiplicity']}"
        yield "spin", k, off_sum, limits.spin_sum_muB, "µB", text
        return
    off = moments.off_states(frame)
    atom = int(off.argmax())
    if off[atom] > limits.moment_off_muB:
        moment = moments.moments_of(frame)[atom]
        text = f"moment {moment:+.2f} µB of {frame.symbols[atom]} {atom} is {off[atom]:.2f} µB off any high-spin state"
        yield "spin", k, float(off[atom]), limits.moment_off_muB, "µB", text


def _unchecked(measured: _Measured, names: Sequence[str]) -> Iterator[str]:
    """What could not be checked and why, in words."""
    if measured.energies is None:
        yield f"energy: {counted(len(measured.frames), 'frame')}, too few for a fit by composition"
    elif measured.energies.alone.any():
        alone = [names[k] for k in np.flatnonzero(measured.energies.alone)]
        yield f"energy: {counted(len(alone), 'frame')} cannot be checked by any other frame, first: {alone[0]}"
    without = [k for k, frame in enumerate(measured.frames) if moments.moments_of(frame) is None]
    if without:
        yield f"spin: no moments in {len(without)} of {counted(len(measured.frames), 'frame')}"


def _compositions(frames: Sequence["Atoms"]) -> dict[str, dict[str, Any]]:
    """Frames, groups and range of the density of each composition, the most frequent first."""
    alike: dict[str, list[Atoms]] = defaultdict(list)
    for frame in frames:
        alike[frame.get_chemical_formula(empirical=True)].append(frame)
    return {
        formula: {
            "frames": len(own),
            "groups": len({frame.info["group"] for frame in own}),
            "density_g_cm3": _range(list(map(density_g_cm3, own))),
        }
        for formula, own in sorted(alike.items(), key=lambda item: -len(item[1]))
    }


def density_g_cm3(frame: "Atoms") -> float | None:
    """Mass density; None for a frame that is not periodic in three directions."""
    if not frame.pbc.all():
        return None
    return masses.density(frame)


def _coverage(measured: _Measured, e0_eV: Mapping[str, float]) -> dict[str, dict[str, float] | None]:
    frames, energies = measured.frames, measured.energies
    return {
        "atoms": _range([len(frame) for frame in frames]),
        "density_g_cm3": _range(list(map(density_g_cm3, frames))),
        "temperature_K": _range([frame.info.get("temperature_K") for frame in frames]),
        "pressure_GPa": _range(list(map(_pressure_GPa, frames))),
        "net_force_eV_per_A": _range(measured.net_force),
        "largest_force_eV_per_A": _range([norms.max() for norms in measured.force]),
        "energy_residual_eV_per_atom": _range([] if energies is None else energies.residual_eV_per_atom),
        "atomization_energy_eV_per_atom": _range(
            [
                (frame.info["REF_energy"] - sum(e0_eV[element] for element in frame.symbols)) / len(frame)
                for frame in frames
                if e0_eV.keys() >= set(frame.symbols)
            ]
        ),
    }


def _pressure_GPa(frame: "Atoms") -> float | None:
    """The virial's pressure, positive under compression; None without a stress."""
    return pressure_GPa(frame.info["REF_stress"]) if "REF_stress" in frame.info else None


def _range(values: Sequence[float | None] | np.ndarray) -> dict[str, float] | None:
    """Of the values that there are; None without any."""
    array = np.asarray(values, dtype=float)
    array = array[np.isfinite(array)]
    if not len(array):
        return None
    return {
        "frames": len(array),
        "smallest": float(array.min()),
        "median": float(np.median(array)),
        "largest": float(array.max()),
    }


def _force_table(measured: _Measured) -> dict[str, dict[str, float]]:
    norms = np.concatenate(measured.force)
    symbols = np.concatenate([np.array(frame.get_chemical_symbols()) for frame in measured.frames])
    return {
        str(element): {
            "atoms": int((symbols == element).sum()),
            "median_eV_per_A": float(np.median(norms[symbols == element])),
            "p99_eV_per_A": float(np.percentile(norms[symbols == element], 99)),
            "largest_eV_per_A": float(norms[symbols == element].max()),
        }
        for element in np.unique(symbols)
    }


def _distance_table(measured: _Measured, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The closest contact of every pair of elements, where it is, and how many frames are below the limit."""
    table: dict[str, dict[str, Any]] = {}
    for k, found in enumerate(measured.contacts):
        for contact in found:
            entry = table.setdefault(contact.pair, {"contact_A": contact.contact_A, "below": 0, "shortest_A": np.inf})
            entry["below"] += contact.fraction < measured.limits.min_distance_fraction
            if contact.distance_A < entry["shortest_A"]:
                entry |= {"shortest_A": contact.distance_A, "fraction": contact.fraction, "source": names[k]}
    return dict(sorted(table.items()))


def _arrays(measured: _Measured) -> dict[str, np.ndarray]:
    """Numbers per frame (NaN where there is none), and histograms of forces and moments by element."""
    frames, energies = measured.frames, measured.energies
    missing = np.full(len(frames), np.nan)
    arrays = {
        "energy_residual_eV_per_atom": missing if energies is None else energies.residual_eV_per_atom,
        "density_g_cm3": np.array([density_g_cm3(frame) for frame in frames], dtype=float),
        "temperature_K": np.array([frame.info.get("temperature_K") for frame in frames], dtype=float),
        "pressure_GPa": np.array([_pressure_GPa(frame) for frame in frames], dtype=float),
        "net_force_eV_per_A": measured.net_force,
        "force_edges_eV_per_A": _FORCE_EDGES_eV_PER_A,
        "moment_edges_muB": _MOMENT_EDGES_MUB,
    }
    symbols = np.concatenate([np.array(frame.get_chemical_symbols()) for frame in frames])
    norms = np.clip(np.concatenate(measured.force), *_FORCE_EDGES_eV_PER_A[[0, -1]])
    spins = [moments.moments_of(frame) for frame in frames]
    spin = np.concatenate([np.full(len(f), np.nan) if s is None else s for f, s in zip(frames, spins, strict=True)])
    for element in np.unique(symbols):
        own = symbols == element
        arrays[f"forces/{element}"] = np.histogram(norms[own], _FORCE_EDGES_eV_PER_A)[0]
        if element in moments.TRANSITION_METALS and np.isfinite(spin[own]).any():
            arrays[f"moments/{element}"] = np.histogram(np.abs(spin[own]), _MOMENT_EDGES_MUB)[0]
    for pair in sorted({contact.pair for found in measured.contacts for contact in found}):
        values = [{c.pair: c.fraction for c in found}.get(pair, np.nan) for found in measured.contacts]
        arrays[f"distances/{pair}"] = np.array(values)
    return arrays
