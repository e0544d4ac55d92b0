"""What is written of a cell of stage `interface`: its end, the energy that it has there, its stress and its checks."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..chemistry import ions as chemistry
from ..files import write_json
from .base import Job
from .interface_start import CRYSTAL, FACTS, FINAL, START, Settings, build

if TYPE_CHECKING:
    from ase import Atoms

MADE, QUENCH = "interface.extxyz", "quench.json"
# Å: farther from the slab's planes than this, the glass is its interior
_INTERIOR_A = 5.0
# Å, of some ionic diameters: a stress of less is that of a few ions
_LEAST_INTERIOR_A = 10.0
# of the second half of the hold
_MOST_STRESSES = 50


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
        stress = _interior_stress(job.folder, atoms, facts["crystal_A"], held_from, settings.final_temperature_K)
        facts |= {"stress_GPa": stress, "exchanged": _exchanged(job, settings, atoms)}
    elif (fault := _fault_of_seed(job.folder, atoms, facts)) is not None:
        facts["checks"]["faults"].append(fault)
    write_json(job.folder / FACTS, facts)
    return facts


def _fault_of_seed(folder: Path, atoms: "Atoms", facts: dict[str, Any]) -> str | None:
    from ..analysis.seeded import fault_of_start
    from ..dataset.frames import read_frames

    (crystal,) = read_frames(folder / CRYSTAL)
    return fault_of_start(atoms, crystal, facts)


def _middle(atoms: "Atoms", axis: int = 2) -> float:
    """Where (Å) the middle of the crystal is along an axis, that of its atoms."""
    import numpy as np

    height = atoms.cell.array[axis, axis]
    turn = np.exp(2j * np.pi * atoms.positions[atoms.arrays["phase"] == 1, axis] / height)
    return float(height * np.angle(turn.mean()) / (2 * np.pi))


def _interior_stress(
    folder: Path, atoms: "Atoms", crystal_A: float, first: int, temperature_K: float
) -> dict[str, Any]:
    """σ_xx, σ_yy and σ_zz (GPa, tension positive) with errors in time of the glass beyond 5 Å of the slab, in the
    second half of what follows a step; the `reason` where less than 10 Å are beyond."""
    import numpy as np

    from ..core import average
    from ..engines.lammps import segments
    from ..interface.stress import layer_stress

    margin = crystal_A / 2 + _INTERIOR_A
    interior = float(atoms.cell.array[2, 2]) - 2 * margin
    if interior < _LEAST_INTERIOR_A:
        thick = f"{interior:.1f}" if interior > 0 else "none"
        beyond = f"of the glass, {thick} Å are farther than {_INTERIOR_A:g} Å from the slab".replace(
            "none Å are", "none is"
        )
        return {"reason": f"{beyond}; {_LEAST_INTERIOR_A:g} are needed"}
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
        return {"reason": "the hold has fewer than two frames in its second half"}
    means = [average(column) for column in np.array(series).T]
    named = zip(("xx", "yy", "zz"), means, strict=True)
    return {name: {"value": float(mean.mean), "err": float(mean.err)} for name, mean in named}


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
        height, middle = atoms.cell.array[axis, axis], _middle(atoms, axis)
        # the crystal in one piece, for its dipole
        together.positions[:, axis] = (atoms.positions[:, axis] - middle + height / 2) % height + middle - height / 2
    crystal, glass = (atoms[atoms.arrays[PHASE] == side] for side in (1, 0))
    formulas = reduced(counts_of(crystal)), reduced(counts_of(glass))
    charges = [mean_charges(chemistry.ions_of(part.arrays["ion"].tolist())) for part in (crystal, glass)]
    return inspect(Interface(together, formulas[0], formulas[1], charges[0], charges[1], {})).facts()


def _exchanged(job: Job, settings: Settings, atoms: "Atoms") -> dict[str, Any]:
    """What slab and glass have exchanged since the cell was built, by element and per area."""
    from ..interface.transfer import transferred

    made, _ = build(job.task.inputs["crystal"], job.task.inputs.get("glass"), settings)
    return asdict(transferred(made, atoms))
