"""Limits on what the stages can handle: values too long, short, dense or large, though valid by themselves."""

import math
from typing import Any

from ..errors import InputError
from ..files import stem_of
from ..glass import protocols
from . import atom_counts, cost
from .partial import Partial, rule
from .schema import MAX_ATOMS, MAX_TASKS, Analysis
from .source import Document, Where

#: Largest number of steps in a trajectory: two months at 2000 steps per second.
MAX_STEPS = 10**10
#: Limits on the memory of a task and on the disk space of a stage (bytes): more than large machines have.
MAX_MEMORY, MAX_DISK = 4e12, 2e14
# stishovite, the densest silicate: 7.8 Å³ per atom; aerogels: some hundred
_VOLUME_A3 = (7.5, 300.0)


def _check_density(top: Partial, document: Document) -> None:
    """The volume per atom is that of condensed matter; at higher densities the packing finds no room."""
    from ..chemistry.masses import volume

    ions = atom_counts.ions(top)
    own = volume(ions, top.system.density_g_cm3) / sum(ion.count for ion in ions)
    low, high = _VOLUME_A3
    if not low <= own <= high:
        density = top.system.density_g_cm3
        message = (
            f"{density:g} g/cm3 gives each atom of the composition {own:.3g} Å3; "
            f"must be {low:g} to {high:g} Å3, i.e. {density * own / high:.2g} to {density * own / low:.3g} g/cm3"
        )
        document.fault(("system", "density_g_cm3"), message)


def _check_atoms(top: Partial, document: Document) -> None:
    atoms = atom_counts.atoms(top)
    if atoms > MAX_ATOMS:
        where: Where = ("system", "formula_units")
        message = f"{top.system.formula_units}: a cell of {atoms:.4g} atoms; the maximum is {MAX_ATOMS}"
        document.fault(where, message)
    if top.md is not None and top.md.structures == "glass":
        copies = math.prod(top.md.replicate)
        if atoms <= MAX_ATOMS < atoms * copies:
            message = f"{copies} copies of {atoms} atoms are {atoms * copies} atoms; the maximum is {MAX_ATOMS}"
            document.fault(("md", "replicate"), message)


def _check_potential(top: Partial, document: Document) -> None:
    """The melt-quench potential has parameters for every ion of a glass, unless a model makes the whole of it."""
    from ..chemistry import potentials

    if top.glass is None or (top.glass.model is not None and protocols.of(top.glass).first is None):
        return
    ions = atom_counts.ions(top)
    lacking = potentials.lacking(ions)
    for ion in lacking:
        labels = [label for label in top.system.composition if label.rstrip("+-0123456789") == ion.element]
        exact = next((label for label in labels if label == ion.label), labels[0])
        message = f"the glass section has no Pedone parameters for {ion.label}; {potentials.otherwise()}"
        document.fault(("system", "composition", exact), message)
    if not lacking:
        try:
            potentials.check(ions)
        except InputError as error:
            document.fault(("system", "composition"), str(error).removeprefix("composition: "))


def _check_quench(top: Partial, document: Document) -> None:
    glass = top.glass
    if glass is None:
        return
    for key in ("melt_ps", "hold_ps"):
        with rule():
            _check_long_enough(getattr(glass, key), glass.timestep_fs, ("glass", key), document)
    with rule():
        _check_steps(protocols.longest_melt_ps(glass), glass.timestep_fs, ("glass", "melt_ps"), document)
    with rule():
        quench_ps = (glass.melt_temperature_K - glass.final_temperature_K) / glass.quench_rate_K_per_ps
        if 0.0 < 1000.0 * quench_ps < glass.timestep_fs:
            message = f"{glass.quench_rate_K_per_ps:g} K/ps quenches within a single time step"
            document.fault(("glass", "quench_rate_K_per_ps"), message)
        _check_steps(quench_ps, glass.timestep_fs, ("glass", "quench_rate_K_per_ps"), document)


def _check_run(top: Partial, document: Document) -> None:
    """Check the times and temperatures of the MD."""
    md = top.md
    if md is None:
        return
    with rule():
        _check_long_enough(md.time_ps, md.timestep_fs, ("md", "time_ps"), document)
    with rule():
        _check_damping(md, ("md",), document)
    with rule():
        seen: dict[str, float] = {}
        for index, temperature in enumerate(md.temperatures_K):
            # a task is named after its temperature
            label = f"{temperature:g}"
            if label in seen:
                message = f"{temperature!r} K is the same as {seen[label]!r} K to six digits"
                document.fault(("md", "temperatures_K", index), message)
            seen.setdefault(label, temperature)


def _check_sets(top: Partial, document: Document) -> None:
    """Check the times of ab initio MD, and that no two sets share a file or task name."""
    owners: dict[str, int] = {}
    names = [item.known("name") for item in top.reference]
    for index, item in enumerate(top.reference):
        with rule():
            if item.aimd is not None:
                _check_aimd(item.aimd, ("reference", index, "aimd"), document)
        with rule():
            for stem in _stems(top, item):
                other = owners.setdefault(f"{item.name}-{stem}", index)
                if other != index and item.name != top.reference[other].name:
                    message = f"{item.name!r}: its tasks would have the same names as those of reference[{other}]"
                    document.fault(("reference", index, "name"), message)
                    break
        with rule():
            if item.name in {f"{name}-relaxed" for name in names[:index] + names[index + 1 :]}:
                message = f"{item.name!r}: this name is used for the relaxed structures of {item.name[:-8]!r}"
                document.fault(("reference", index, "name"), message)


def _stems(top: Partial, item: Partial) -> list[str]:
    """Names of the structures of a set in its tasks."""
    if item.structures == "candidates":
        return ["candidates"]
    if item.structures != "glass":
        return [stem_of(item.structures)]
    return [f"g{number}" for number in range(top.glass.replicas if top.glass is not None else 1)]


def _check_aimd(aimd: Any, where: Where, document: Document) -> None:
    _check_damping(aimd, where, document)
    total_ps = 0.0
    for number, segment in enumerate(aimd.segments):
        there = (*where, "segments", number)
        time_ps, target = segment.time_ps, segment.to_temperature_K
        if target is not None and target == segment.temperature_K and segment.rate_K_per_ps is not None:
            document.fault((*there, "rate_K_per_ps"), f"a ramp from {target:g} K to {target:g} K takes no time")
        elif time_ps is None and target is not None and segment.rate_K_per_ps is not None:
            time_ps = abs(target - segment.temperature_K) / segment.rate_K_per_ps
        if time_ps is None:
            continue
        if 1000.0 * time_ps < aimd.every_fs * (1 - 1e-9):
            document.fault(there, f"{time_ps:g} ps is shorter than every_fs, {aimd.every_fs:g} fs")
        total_ps += time_ps
    _check_steps(total_ps, aimd.timestep_fs, (*where, "segments"), document)


def _check_measurements(top: Partial, document: Document) -> None:
    """The trajectories are long enough for what is measured."""
    analysis, md = top.analysis, top.md
    if analysis is None:
        return
    _check_pairs_once(analysis, document)
    with rule():
        if top.glass is not None:
            _check_wave_vectors(top, document)
    if md is None:
        return
    with rule():
        if analysis.skip_ps >= md.time_ps:
            message = f"{analysis.skip_ps:g} ps leaves nothing of md.time_ps, {md.time_ps:g} ps"
            document.fault(("analysis", "skip_ps"), message)
    with rule():
        window, left = analysis.hop_window_ps, md.time_ps - analysis.skip_ps
        # the default may be too long for a short test, and run.yaml states it; another value has to be possible
        if window != Analysis.model_fields["hop_window_ps"].default and left > 0:
            if 4.0 * window > left * (1 + 1e-9):
                message = f"{window:g} ps: hops need four windows, but there are only {left:g} ps of trajectory"
                document.fault(("analysis", "hop_window_ps"), message)
            elif 100.0 * window < md.timestep_fs * (1 - 1e-9):
                message = f"{window:g} ps: ten samples of a window are closer than timestep_fs, {md.timestep_fs:g} fs"
                document.fault(("analysis", "hop_window_ps"), message)


def _check_wave_vectors(top: Partial, document: Document) -> None:
    """A glass cell has at least one wave vector below the limit."""
    from ..chemistry.masses import volume

    q_max, length = top.analysis.q_max_per_A, volume(atom_counts.ions(top), top.system.density_g_cm3) ** (1 / 3)
    if q_max * length < 2.2 * math.pi and atom_counts.atoms(top):
        message = (
            f"{q_max:g} 1/Å is below the smallest wave vector, {2 * math.pi / length:.3g} 1/Å, of a {length:.3g} Å cell"
        )
        document.fault(("analysis", "q_max_per_A"), message)


def _check_pairs_once(analysis: Partial, document: Document) -> None:
    with rule():
        seen: dict[frozenset[str], str] = {}
        for pair in analysis.cutoffs_A:
            first = seen.setdefault(frozenset(pair.split("-")), pair)
            if first != pair:
                document.fault(("analysis", "cutoffs_A", pair), f"is the same pair as {first}; keep one of them")


def check_costs(top: Partial, document: Document, counts: atom_counts.Counts = atom_counts.NOTHING) -> None:
    """Reject what no machine could do; `counts` has the number of atoms of each structure in a file."""
    for item in cost.costs(top, counts):
        if item.tasks > MAX_TASKS:
            document.fault(item.where, f"{item.tasks} tasks; the maximum per stage is {MAX_TASKS}")
        for value, limit, what in ((item.memory, MAX_MEMORY, "memory for one task"), (item.disk, MAX_DISK, "disk")):
            if value > limit:
                message = f"about {cost.shown(value)} of {what} would be needed; the maximum is {cost.shown(limit)}"
                document.fault(item.where, message)


def _check_damping(section: Any, where: Where, document: Document) -> None:
    """The thermostat damping time is not shorter than the time step."""
    if section.thermostat_fs < section.timestep_fs:
        message = f"{section.thermostat_fs:g} fs is shorter than timestep_fs, {section.timestep_fs:g} fs"
        document.fault((*where, "thermostat_fs"), message)


def _check_long_enough(time_ps: float, timestep_fs: float, where: Where, document: Document) -> None:
    if 1000.0 * time_ps < timestep_fs * (1 - 1e-9):
        document.fault(where, f"{time_ps:g} ps is shorter than timestep_fs, {timestep_fs:g} fs")
    _check_steps(time_ps, timestep_fs, where, document)


def _check_steps(time_ps: float, timestep_fs: float, where: Where, document: Document) -> None:
    steps = 1000.0 * time_ps / timestep_fs
    if steps > MAX_STEPS:
        document.fault(where, f"{steps:.3g} time steps; the maximum is {MAX_STEPS:.0e}")


RULES = (
    _check_density, _check_atoms, _check_potential, _check_quench, _check_run, _check_sets, _check_measurements,
    check_costs,
)  # fmt: skip
