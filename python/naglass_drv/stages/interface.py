"""Stage `interface`: a crystal slab and a glass in one cell with two interfaces, or a seed in a glass, made with the
rigid-ion potential; one task per replica of the glass, and radius of a seed.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..chemistry import ions as chemistry
from ..chemistry import potentials
from ..files import keep_only, link_files, write_bytes, write_json
from ..glass import protocols
from ..products import Structures
from . import efforts, interface_seeds
from .base import Done, Job, Run, Task, common, dumped, lammps_seed, read_settings
from .glass_quench import sampling

if TYPE_CHECKING:
    from ase import Atoms

    from ..interface.joining import Interface as Made

name = "interface"
#: Raised when the same settings and files give another result.
revision = 2

SCRIPT, FINAL = "melt_on_crystal.lmp", "final.dump"
START, MADE, BULK, QUENCH, FACTS = "start.extxyz", "interface.extxyz", "crystal.extxyz", "quench.json", "facts.json"
# Å: farther from the slab's planes than this, the glass is its interior
_INTERIOR_A = 5.0
# of the second half of the hold
_MOST_STRESSES = 50
_RELEASE_PS = 0.5


@dataclass(frozen=True)
class Settings:
    """What decides an interface: the slab or `grain`, the composition of the glass, and how that is made."""

    hkl: tuple[int, int, int] | None
    termination: int | str
    route: str
    crystal_A: float
    glass_A: float
    lateral_A: float
    gap_A: float
    release_K: float
    composition: Mapping[str, int]
    density_g_cm3: float
    seed: int
    melt_temperature_K: float
    melt_ps: float
    quench_rate_K_per_ps: float
    final_temperature_K: float
    hold_ps: float
    timestep_fs: float
    grain: Mapping[str, Any] | None = None

    @property
    def timestep_ps(self) -> float:
        return self.timestep_fs / 1000.0

    @property
    def shape(self) -> str:
        return "slab" if self.grain is None else self.grain["shape"]


def plan(run: Run) -> list[Task]:
    """The tasks of each replica of the glass, which differ in packing and velocities, or in the glass that is used."""
    from ..config.cost import interface_atoms

    section, system, made = run.input.interface, run.input.system, run.input.glass
    glasses = list(run.take("glass", Structures).each("structure").values())
    tasks = []
    each = [(i, *cell) for i in range(made.replicas) for cell in interface_seeds.cells(section, i)]
    for i, task, grain in each:
        settings = Settings(
            composition=dict(system.composition),
            density_g_cm3=system.density_g_cm3,
            grain=grain,
            # the section's own seed is a grain
            **common(Settings, section) | common(Settings, made) | {"seed": lammps_seed(f"{run.input.seed} {task}")},
        )
        inputs = {"crystal": run.source / section.crystal}
        if section.route == "join" and i < len(glasses):
            inputs["glass"] = glasses[i]
        effort = efforts.interface(made, interface_atoms(run.input))
        tasks.append(Task(name, task, dumped(settings), inputs, ("lammps",), made.ranks, effort=effort))
    return tasks


def expect(run: Run) -> tuple[list[Task], Structures]:
    """The tasks; their cells are as large as the sizes that are asked for say."""
    from ..config.cost import interface_atoms

    tasks = plan(run)
    # which of them are of the crystal decides no cost
    ions = chemistry.species(run.input.system.composition)
    unit = [ion.element for ion in ions for _ in range(ion.count)]
    symbols = (unit * (interface_atoms(run.input) // len(unit) + 1))[: interface_atoms(run.input)]
    return tasks, Structures(facts={"symbols": {task.name: symbols for task in tasks}})


def run(job: Job) -> Mapping[str, Any] | None:
    """Build the cell, make the glass against the slab, and let both relax; an interrupted task resumes."""
    from ..engines.lammps import segments
    from ..paths import data_file

    earlier = job.comm.bcast(segments.earlier_result(job.previous, job.folder) if job.rank == 0 else None)
    if earlier is not None:
        return earlier
    settings = read_settings(Settings, job.task)
    resume = segments.take_over(job.comm, job.previous, job.folder)
    if job.rank == 0:
        _prepare(job, settings, resumed=resume is not None)
    job.comm.barrier()
    dt = settings.timestep_ps
    atoms = job.comm.bcast(_atoms(job.folder) if job.rank == 0 else 0)
    outcome = segments.run_script(
        segments.read_script(data_file("lammps_inputs", SCRIPT)),
        sampling(_planned_ps(settings), atoms, dt),
        comm=job.comm,
        folder=job.folder,
        resume=resume,
        variables=_variables(job.folder, settings),
        progress=lambda step, total, phase: job.progress(step * dt, total * dt, "ps", phase),
        stopping=job.stopping,
    )
    if job.rank != 0:
        return None
    summary = _write_results(job, settings, outcome.ends[-2]) | {"simulated_ps": outcome.total_steps * dt}
    segments.close_result(job.folder, summary)
    return summary


def build(crystal: Path, glass: Path | None, settings: Settings) -> "tuple[Made, Atoms]":
    """The start of a task, and the bulk crystal in its orientation. Raises InputError where they do not fit."""
    from ..dataset.frames import read_frames
    from ..interface import crystal as crystals
    from ..interface import slabs
    from ..interface.joining import join, melt_against

    if settings.grain is not None:
        made_of = (settings.composition, settings.density_g_cm3, settings.seed)
        return interface_seeds.build(crystal, glass, settings.grain, *made_of)
    given = crystals.read_crystal(crystal)
    cut = slabs.named(given, settings.hkl, settings.termination)
    slab = slabs.slab(given, cut, thickness_A=settings.crystal_A, lateral_A=settings.lateral_A, seed=settings.seed)
    bulk = slab.atoms.copy()
    bulk.cell[2] = [0.0, 0.0, slab.thickness_A]
    if glass is not None:
        return join(slab, read_frames(glass)[0], glass_A=settings.glass_A, gap_A=settings.gap_A), bulk
    made = melt_against(
        slab, settings.composition, settings.density_g_cm3, glass_A=settings.glass_A, seed=settings.seed
    )
    return made, bulk


def _prepare(job: Job, settings: Settings, *, resumed: bool) -> None:
    """Write cell and potential as files, which also work with ``lmp -in melt_on_crystal.lmp``, or take them over."""
    import numpy as np

    from ..dataset.frames import write_frames
    from ..engines.lammps.session import write_data

    if resumed and job.previous is not None:
        link_files(job.previous, job.folder, ["start.data", "potential.lmp", START, BULK, FACTS])
        return
    made, bulk = build(job.task.inputs["crystal"], job.task.inputs.get("glass"), settings)
    ions = chemistry.ions_of(made.atoms.arrays["ion"].tolist())
    labels = [ion.label for ion in ions]
    types = np.array([labels.index(label) + 1 for label in made.atoms.arrays["ion"]])
    charges = np.array(potentials.charges(ions))
    write_data(job.folder / "start.data", made.atoms, types, charges[types - 1])
    write_bytes(job.folder / "potential.lmp", ("\n".join(potentials.commands(ions)) + "\n").encode())
    write_frames(job.folder / START, [made.atoms])
    write_frames(job.folder / BULK, [bulk])
    write_json(job.folder / FACTS, made.facts)


def _variables(folder: Path, settings: Settings) -> dict[str, object]:
    """Values from the input for the index variables of the script; a glass that is joined is annealed, not melted."""
    from ..dataset.frames import read_frames
    from ..interface.joining import PHASE

    melted = settings.route == "melt"
    (start,) = read_frames(folder / START)
    return {
        "data": folder / "start.data",
        "potential": folder / "potential.lmp",
        "final": folder / FINAL,
        "crystal": int(start.arrays[PHASE].sum()),
        "melt_K": settings.melt_temperature_K if melted else settings.release_K,
        "release_K": settings.release_K,
        "final_K": settings.final_temperature_K,
        "soft_ps": protocols.SOFT_PS,
        "melt_ps": settings.melt_ps,
        "release_ps": _RELEASE_PS,
        "hold_ps": settings.hold_ps,
        "rate_K_per_ps": settings.quench_rate_K_per_ps,
        "timestep_ps": settings.timestep_ps,
        "seed": settings.seed,
        "barostat": interface_seeds.barostat(interface_seeds.ALONG[settings.shape], 0.0, 1.0),
    }


def _planned_ps(settings: Settings) -> float:
    fall = (settings.melt_temperature_K - settings.final_temperature_K) / settings.quench_rate_K_per_ps
    return protocols.SOFT_PS + settings.melt_ps + fall + _RELEASE_PS + settings.hold_ps


def _atoms(folder: Path) -> int:
    with open(folder / START, encoding="utf-8") as file:
        return int(file.readline())


def _write_results(job: Job, settings: Settings, held_from: int) -> dict[str, Any]:
    """Write the interface, the table of its making, and what it is; returns the last. It is held from a step on."""
    import json

    from ..dataset.frames import read_frames, write_frames
    from ..engines.lammps import segments
    from ..engines.lammps.dump import read_snapshots

    (atoms,) = read_frames(job.folder / START)
    (snapshot,) = read_snapshots([job.folder / FINAL])
    atoms.set_cell(snapshot.cell)
    atoms.positions = snapshot.positions()
    atoms.wrap()
    facts = json.loads((job.folder / FACTS).read_text(encoding="utf-8"))
    found: dict[str, Any] = {"checks": _checked(atoms, settings.shape)}
    if settings.grain is None:
        stress = _interior_stress(job.folder, atoms, facts["crystal_A"], held_from, settings.final_temperature_K)
        found |= {"stress_GPa": stress, "exchanged": _exchanged(job, settings, atoms)}
    atoms.info = {"name": job.task.name, "group": f"{atoms.get_chemical_formula()}-{settings.seed}"}
    write_frames(job.folder / MADE, [atoms])
    write_json(
        job.folder / QUENCH, segments.thermo_series(segments.thermo(job.folder), len(atoms), settings.timestep_ps)
    )
    (job.folder / FINAL).unlink()
    write_json(job.folder / FACTS, facts | found)
    return facts | found | {"atoms": len(atoms), "crystal_atoms": int(atoms.arrays["phase"].sum())}


def _middle(atoms: "Atoms", axis: int = 2) -> float:
    """Where (Å) the middle of the crystal is along an axis, that of its atoms."""
    import numpy as np

    height = atoms.cell.array[axis, axis]
    turn = np.exp(2j * np.pi * atoms.positions[atoms.arrays["phase"] == 1, axis] / height)
    return float(height * np.angle(turn.mean()) / (2 * np.pi))


def _interior_stress(
    folder: Path, atoms: "Atoms", crystal_A: float, first: int, temperature_K: float
) -> dict[str, Any] | None:
    """σ_xx, σ_yy and σ_zz (GPa, tension positive) with errors in time of the glass beyond 5 Å of the slab, in the
    second half of what follows a step; None where the glass is thinner."""
    import numpy as np

    from ..core import average
    from ..engines.lammps import segments
    from ..interface.stress import layer_stress

    margin = crystal_A / 2 + _INTERIOR_A
    if atoms.cell.array[2, 2] <= 2 * margin:
        return None
    labels = atoms.arrays["ion"].tolist()
    ions = chemistry.ions_of(labels)
    kinds = np.array([[ion.label for ion in ions].index(label) for label in labels])
    held = [snapshot for snapshot in segments.snapshots(folder) if snapshot.step >= first]
    held = held[len(held) // 2 :]
    series = []
    for snapshot in held[:: -(-len(held) // _MOST_STRESSES) or 1]:
        frame = atoms.copy()
        frame.set_cell(snapshot.cell)
        frame.positions = snapshot.positions()
        middle, height = _middle(frame), frame.cell.array[2, 2]
        series.append(layer_stress(frame, ions, kinds, middle + margin, middle + height - margin, temperature_K))
    if len(series) < 2:
        return None
    means = [average(column) for column in np.array(series).T]
    named = zip(("xx", "yy", "zz"), means, strict=True)
    return {name: {"value": float(mean.mean), "err": float(mean.err)} for name, mean in named}


# directions in which a crystal ends; its cell is orthogonal in them
_ENDS = {"slab": (2,), "cylinder": (0, 1), "sphere": (0, 1, 2)}


def _checked(atoms: "Atoms", shape: str = "slab") -> dict[str, Any]:
    """The checks of `interface.inspection` of the cell that was made."""
    from ..interface.crystal import mean_charges, reduced
    from ..interface.inspection import inspect
    from ..interface.joining import PHASE, Interface
    from ..interface.slabs import counts_of

    together = atoms.copy()
    for axis in _ENDS[shape]:
        height, middle = atoms.cell.array[axis, axis], _middle(atoms, axis)
        # the crystal in one piece, for its dipole
        together.positions[:, axis] = (atoms.positions[:, axis] - middle + height / 2) % height + middle - height / 2
    parts = [atoms[atoms.arrays[PHASE] == side] for side in (1, 0)]
    formulas = [reduced(counts_of(part)) for part in parts]
    charges = [mean_charges(chemistry.ions_of(part.arrays["ion"].tolist())) for part in parts]
    return inspect(Interface(together, *formulas, *charges, {})).facts()


def _exchanged(job: Job, settings: Settings, atoms: "Atoms") -> dict[str, Any]:
    """What slab and glass have exchanged since the cell was built, by element and per area."""
    from ..interface.transfer import transferred

    made, _ = build(job.task.inputs["crystal"], job.task.inputs.get("glass"), settings)
    return asdict(transferred(made, atoms))


def collect(run: Run, done: list[Done]) -> Structures:
    """Store each interface with its bulk crystal, its quench and its facts, and remove those not requested any more."""
    folder = run.products / name
    files = {}
    for item in done:
        stem = item.task.name
        for word, source in (("structure", MADE), ("crystal", BULK), ("quench", QUENCH), ("facts", FACTS)):
            target = folder / (f"{stem}{Path(source).suffix}" if word == "structure" else f"{stem}-{source}")
            write_bytes(target, (item.folder / source).read_bytes())
            files[f"{stem}/{word}"] = target
    keep_only(folder, (path.name for path in files.values()))
    return Structures(files=files)
