"""The melt-quench of a stage `glass` in LAMMPS: its settings, one run of the script, and what is written of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..chemistry import ions as chemistry
from ..files import write_bytes, write_json
from ..glass import protocols
from .base import Job

if TYPE_CHECKING:
    from ase import Atoms

    from ..analysis.melting import Memory
    from ..engines.lammps.dump import Snapshot
    from ..engines.lammps.segments import Checkpoint, Outcome, Sampling, Script

Ions = tuple[chemistry.Species, ...]
GLASS, MELT, QUENCH, MADE = "glass.extxyz", "melt.extxyz", "quench.json", "made.json"
SCRIPT, FINAL = "melt_quench.lmp", "final.dump"
_MELT_FRAMES = 8
_BAROSTAT = "iso 0.0 0.0 1.0"


@dataclass(frozen=True)
class Settings:
    """What decides a glass: `ions` are elements with charge and count, `potential` LAMMPS commands.

    With a `protocol` (its name and version), the melt is quenched once it has forgotten its start, at the latest after
    `longest_melt_ps`. The volume is free below `free_below_K`; the temperature falls in steps of `step_K`. With
    `first`, the melt is that of a glass made by these values before.
    """

    ions: Sequence[tuple[str, int, int]]
    density_g_cm3: float
    potential: Sequence[str]
    replica: int
    seed: int
    melt_temperature_K: float
    melt_ps: float
    quench_rate_K_per_ps: float
    final_temperature_K: float
    hold_ps: float
    timestep_fs: float
    protocol: str | None = None
    longest_melt_ps: float | None = None
    free_below_K: float | None = None
    step_K: float | None = None
    model: str | None = None
    first: Mapping[str, Any] | None = None

    @property
    def timestep_ps(self) -> float:
        return self.timestep_fs / 1000.0

    @property
    def free_K(self) -> float:
        """The temperature below which the volume is free, or the last one."""
        return min(self.free_below_K or self.final_temperature_K, self.melt_temperature_K)

    @property
    def soft_steps(self) -> int:
        """Steps in which a packing loses its overlaps; a glass has none."""
        return 0 if self.first else round(protocols.SOFT_PS / self.timestep_ps)

    def before(self) -> "Settings | None":
        """The settings of the glass that is melted again."""
        if self.first is None:
            return None
        nothing: dict[str, Any] = dict.fromkeys(("first", "model", "free_below_K", "step_K"))
        return replace(self, **nothing | dict(self.first))


def ions_of(settings: Settings) -> Ions:
    unpaired = chemistry.high_spin_unpaired
    return tuple(chemistry.Species(e, q, n, unpaired(e, q)) for e, q, n in settings.ions)


def quench(
    job: Job,
    settings: Settings,
    folder: Path,
    resume: "Checkpoint | None",
    *,
    plugins: Sequence[str] = (),
    note: str = "",
) -> "Outcome":
    """Melt, quench, hold and minimize from ``start.data`` in `folder`, or from where an attempt was stopped.

    `note` comes before the phase where progress is told.
    """
    from ..engines.lammps import segments
    from ..paths import data_file

    dt = settings.timestep_ps
    atoms = sum(count for *_, count in settings.ions)
    script = segments.read_script(data_file("lammps_inputs", SCRIPT))

    def enough(phase: str, steps: int) -> bool:
        if phase != "melt" or settings.longest_melt_ps is None or steps * dt < settings.melt_ps - 0.5 * dt:
            return False
        known = remembered(folder, settings, settings.soft_steps + steps)
        return known is not None and known.lost

    return segments.run_script(
        in_steps(script, settings) if settings.step_K else script,
        sampling(_planned_ps(settings), atoms, dt),
        comm=job.comm,
        folder=folder,
        resume=resume,
        variables=_variables(folder, settings),
        plugins=plugins,
        progress=lambda step, total, phase: job.progress(step * dt, total * dt, "ps", f"{note}{phase}"),
        stopping=job.stopping,
        enough=enough,
    )


def sampling(planned_ps: float, atoms: int, timestep_ps: float) -> "Sampling":
    """How often a melt-quench that is planned to take so long is written."""
    from ..engines.lammps.segments import Sampling

    every = max(1, round(protocols.SAMPLE_PS / timestep_ps))
    thinned = max(1, round(planned_ps / protocols.SAMPLE_PS * atoms / protocols.MOST_ROWS))
    return Sampling(every=every * thinned, thermo_every=every, checkpoint=protocols.CHECKPOINT_STEPS)


def _planned_ps(settings: Settings) -> float:
    fall = settings.melt_temperature_K - settings.final_temperature_K
    return (settings.longest_melt_ps or settings.melt_ps) + fall / settings.quench_rate_K_per_ps + settings.hold_ps


def in_steps(script: "Script", settings: Settings) -> "Script":
    """The script with the quench as holds, each `step_K` below the one before and as long as the rate allows."""
    import numpy as np

    from ..engines.lammps.segments import Phase

    top, end, step = settings.melt_temperature_K, settings.final_temperature_K, settings.step_K or 0.0
    temperatures = [*np.arange(top - step, end + 1e-6, -step), end]
    phases = []
    for number, (above, here) in enumerate(zip((top, *temperatures), temperatures, strict=False)):
        free = settings.free_below_K is not None and here < settings.free_below_K
        ensemble = f"{'npt' if free else 'nvt'} temp {here:g} {here:g} ${{damp_ps}}{f' {_BAROSTAT}' if free else ''}"
        steps = round((above - here) / settings.quench_rate_K_per_ps / settings.timestep_ps)
        phases.append(Phase("release" if free else "quench", (f"fix step_{number} all {ensemble}",), str(steps)))
    head = [phase for phase in script.phases if phase.name in ("soft", "melt")]
    tail = [phase for phase in script.phases if phase.name == "hold"]
    return replace(script, phases=(*head, *phases, *tail))


def _variables(folder: Path, settings: Settings) -> dict[str, object]:
    """Values from the input for the index variables of the script."""
    free = {"ensemble": "npt", "barostat": _BAROSTAT} if settings.free_below_K is not None else {}
    return free | {
        "data": folder / "start.data",
        "potential": folder / "potential.lmp",
        "final": folder / FINAL,
        "mace": folder / "model.naglass",
        "melt_K": settings.melt_temperature_K,
        "final_K": settings.final_temperature_K,
        "free_K": settings.free_K,
        "soft_ps": settings.soft_steps * settings.timestep_ps,
        "melt_ps": settings.longest_melt_ps or settings.melt_ps,
        "hold_ps": settings.hold_ps,
        "rate_K_per_ps": settings.quench_rate_K_per_ps,
        "timestep_ps": settings.timestep_ps,
        "seed": settings.seed,
    }


def write_start(folder: Path, atoms: "Atoms", settings: Settings) -> None:
    """Write the start as a file."""
    import numpy as np

    from ..chemistry import potentials
    from ..engines.lammps.session import write_data

    ions = ions_of(settings)
    counts = [ion.count for ion in ions]
    types = np.repeat(np.arange(1, len(ions) + 1), counts)
    write_data(folder / "start.data", atoms, types, np.repeat(potentials.charges(ions), counts))


def write_potential(folder: Path, settings: Settings) -> None:
    """Write the potential as a file, which also works with ``lmp -in melt_quench.lmp``."""
    write_bytes(folder / "potential.lmp", ("\n".join(settings.potential) + "\n").encode())


def remembered(folder: Path, settings: Settings, last_step: int) -> "Memory | None":
    """What the melt still knows of its start at a step."""
    from ..analysis.melting import memory
    from ..engines.lammps import segments

    elements = [ion.element for ion in ions_of(settings)]
    frames = [
        snapshot.atoms(elements)
        for snapshot in segments.snapshots(folder)
        if settings.soft_steps <= snapshot.step <= last_step
    ]
    return memory(frames) if frames else None


def frame(snapshot: "Snapshot", ions: Ions, info: Mapping[str, Any]) -> "Atoms":
    """A snapshot as ASE atoms with the labels of its ions."""
    import numpy as np

    from ..chemistry.masses import density

    atoms = snapshot.atoms([ion.element for ion in ions])
    labels = np.array([ion.label for ion in ions])
    atoms.set_array("ion", labels[snapshot.columns["type"].astype(int) - 1])
    atoms.info = dict(info) | {"density_g_cm3": density(atoms)}
    return atoms


def final(folder: Path, ions: Ions, info: Mapping[str, Any]) -> "Atoms":
    """The minimized glass."""
    from ..engines.lammps.dump import read_snapshots

    (glass,) = (frame(snapshot, ions, info) for snapshot in read_snapshots([folder / FINAL]))
    glass.wrap()
    return glass


def write_results(job: Job, settings: Settings, outcome: "Outcome") -> tuple["Atoms", dict[str, Any]]:
    """Write the glass, some frames of its melt and quench, and what it is; returns the glass and what it is."""
    from ..analysis import quenched
    from ..dataset.frames import write_frames
    from ..engines.lammps import segments

    ions, dt = ions_of(settings), settings.timestep_ps
    info = {
        "name": job.task.name,
        # the seed distinguishes the replicas of different runs, whose frames may end up in one dataset
        "group": f"{chemistry.formula(ions)}-{settings.seed}",
        "charge": 0,
        "multiplicity": chemistry.multiplicity(ions),
    }
    glass = final(job.folder, ions, info)
    write_frames(job.folder / GLASS, [glass])
    table = segments.thermo(job.folder)
    series = segments.thermo_series(table, len(glass), dt) | {"phase": list(_phases(settings, table["step"], outcome))}
    write_json(job.folder / QUENCH, series)
    temperature = dict(zip(table["step"], table["temp"], strict=True))
    frames = [snapshot for snapshot in segments.snapshots(job.folder) if snapshot.step in temperature]
    # the first part is the artificial start, the last one is the glass itself
    chosen = frames[len(frames) // 10 : -1 : max(1, len(frames) // _MELT_FRAMES)]
    melt = [
        frame(s, ions, info | {"temperature_K": float(temperature[s.step]), "time_ps": s.step * dt}) for s in chosen
    ]
    write_frames(job.folder / MELT, melt)
    hold = [frame(s, ions, {"time_ps": s.step * dt}) for s in frames if s.step >= outcome.ends[-2]]
    (job.folder / FINAL).unlink()
    memory = remembered(job.folder, settings, outcome.ends[1])
    free, kelvin = settings.free_below_K is not None, settings.final_temperature_K
    made = quenched.Made(job.task.name, ions, glass, series, hold, memory, free, kelvin)
    found = {
        "protocol": settings.protocol,
        "potential": potential_text(settings),
        "state": quenched.state(made),
        "melted_ps": (outcome.ends[1] - settings.soft_steps) * dt,
        "melt": memory and memory.as_dict(),
        "flags": quenched.flags(made),
    }
    whole = found | {"curve": quenched.curve(made), "quantities": [row.as_json() for row in quenched.rows(made)]}
    write_json(job.folder / MADE, whole)
    return glass, info | found


def potential_text(settings: Settings) -> str:
    """The potential, or the two of them, in words."""
    if settings.model is None:
        return "rigid-ion potential"
    return f"{'rigid-ion potential, melted again with ' if settings.first else ''}MACE model {settings.model}"


def _phases(settings: Settings, steps: Sequence[float], outcome: "Outcome") -> Iterator[str]:
    """The phase of each step: those of a quench in steps have one name."""
    ends = outcome.ends
    names = ["soft", "melt", *(["quench"] * (len(ends) - 3)), "hold"]
    if not settings.step_K:
        names[2:-1] = ["quench", "release"]
    for step in steps:
        yield next(name for name, end in zip(names, ends, strict=True) if step <= end)
