"""What is written of a cell of stage `interface`: its end, the energy that it has there, its stress and its checks."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..chemistry import ions as chemistry
from ..files import write_json
from .base import Job
from .interface_start import CRYSTAL, FACTS, FINAL, START, Settings, build, cooled_seed
from .interface_stress import interior_stress, middle_of

if TYPE_CHECKING:
    from ase import Atoms

MADE, QUENCH = "interface.extxyz", "quench.json"


def write_results(job: Job, settings: Settings, held_from: int) -> dict[str, Any]:
    """Write the cell and the table of its making, and of an interface what it is; returns the last.

    It is held from a step on.
    """
    from ..dataset.frames import read_frames, write_frames
    from ..engines.lammps import segments
    from ..engines.lammps.dump import read_snapshots

    (atoms,) = read_frames(job.folder / START)
    (snapshot,) = read_snapshots([job.folder / FINAL])
    atoms.set_cell(snapshot.cell)
    atoms.positions = snapshot.positions()
    atoms.wrap()
    atoms.info = {
        "name": job.task.name,
        "group": f"{atoms.get_chemical_formula()}-{settings.seed}",
        "history": settings.history,
    }
    write_frames(job.folder / MADE, [atoms])
    series = segments.thermo_series(segments.thermo(job.folder), len(atoms), settings.timestep_ps)
    write_json(job.folder / QUENCH, series)
    found: dict[str, Any] = {}
    if settings.bulk is None:
        found = _of_interface(job, settings, atoms, held_from)
    (job.folder / FINAL).unlink()
    return found | {"atoms": len(atoms), "crystal_atoms": int(atoms.arrays["phase"].sum())}


def _of_interface(job: Job, settings: Settings, atoms: "Atoms", held_from: int) -> dict[str, Any]:
    """The facts of an interface, which are also written."""
    facts = json.loads((job.folder / FACTS).read_text(encoding="utf-8")) | {"checks": checked(atoms, settings.shape)}
    if settings.grain is None:
        height_A = float(atoms.cell.array[2, 2])
        facts |= _stress(job.folder, height_A, facts, held_from, settings.final_temperature_K)
        facts["exchanged"] = _exchanged(job, settings, atoms)
    elif (fault := _fault_of_seed(job, atoms, facts)) is not None:
        facts["checks"]["faults"].append(fault)
    write_json(job.folder / FACTS, facts)
    return facts


def _fault_of_seed(job: Job, atoms: "Atoms", facts: dict[str, Any]) -> str | None:
    from ..analysis.seeded import fault_of_start
    from ..dataset.frames import read_frames

    (crystal,) = read_frames(job.folder / CRYSTAL)
    return fault_of_start(atoms, cooled_seed(crystal, job.task.inputs), facts)


def _stress(folder: Path, height_A: float, facts: dict[str, Any], held_from: int, kelvin: float) -> dict[str, Any]:
    """The stress in the interiors of glass and crystal, or why it is not given."""
    from ..dataset.frames import read_frames

    (start,) = read_frames(folder / START)
    found = interior_stress(folder, start, height_A, facts["crystal_A"], facts["repeats"], held_from, kelvin)
    return {"stress_GPa": found["glass"], "crystal_stress_GPa": found["crystal"]}


# directions in which a crystal ends; its cell is orthogonal in them
_ENDS = {"slab": (2,), "cylinder": (0, 1), "sphere": (0, 1, 2)}


def checked(atoms: "Atoms", shape: str = "slab") -> dict[str, Any]:
    """The checks of `interface.inspection` of the cell that was made."""
    from ..interface.crystal import mean_charges, reduced
    from ..interface.inspection import inspect
    from ..interface.joining import PHASE, Interface
    from ..interface.slabs import counts_of

    together = atoms.copy()
    for axis in _ENDS[shape]:
        height, middle = atoms.cell.array[axis, axis], middle_of(atoms, axis)
        # the crystal in one piece, for its dipole
        together.positions[:, axis] = (atoms.positions[:, axis] - middle + height / 2) % height + middle - height / 2
    crystal, glass = (atoms[atoms.arrays[PHASE] == side] for side in (1, 0))
    formulas = reduced(counts_of(crystal)), reduced(counts_of(glass))
    charges = [mean_charges(chemistry.ions_of(part.arrays["ion"].tolist())) for part in (crystal, glass)]
    return inspect(Interface(together, formulas[0], formulas[1], charges[0], charges[1], {})).facts()


def _exchanged(job: Job, settings: Settings, atoms: "Atoms") -> dict[str, Any]:
    """What slab and glass have exchanged since the cell was built, by element and per area."""
    from ..interface.transfer import transferred

    made, _ = build(job.task.inputs, settings)
    return asdict(transferred(made, atoms))
