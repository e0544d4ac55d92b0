"""How the cells of stage `interface` begin: their settings, structures, potential, and the variables of the script."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..chemistry import ions as chemistry
from ..chemistry import potentials
from ..config.interfaces import RELEASE_PS
from ..files import link_files, write_bytes, write_json
from ..glass import protocols
from . import interface_seeds
from .base import Job

if TYPE_CHECKING:
    import numpy as np
    from ase import Atoms

    from ..interface.crystal import Crystal
    from ..interface.joining import Interface as Made
    from ..interface.slabs import Slab
    from ..interface.terminations import Termination

#: Roles: the crystal with the cell of the last temperature, and with that of its file, where another one is cut.
COOLED, FILE = "cooled", "file"
#: Files by role.
Inputs = Mapping[str, Path]
CONTRACTION = "contraction.lmp"
_DEFORM = "fix contraction all deform 1"
FINAL, START, CRYSTAL, FACTS = "final.dump", "start.extxyz", "crystal.extxyz", "facts.json"
#: Kinds of bulk cells.
OF_GLASS, OF_CRYSTAL = "glass", "crystal"


@dataclass(frozen=True)
class Settings:
    """What decides an interface: the slab or `grain`, the composition of the glass, and how that is made.

    With `bulk`, the cell is one of glass or crystal alone, for an interface of the same settings.
    """

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
    bulk: str | None = None
    grain: interface_seeds.Grain | None = None

    @property
    def timestep_ps(self) -> float:
        return self.timestep_fs / 1000.0

    @property
    def shape(self) -> str:
        return "slab" if self.grain is None else self.grain["shape"]

    @property
    def planned_ps(self) -> float:
        fall = (self.melt_temperature_K - self.final_temperature_K) / self.quench_rate_K_per_ps
        return protocols.SOFT_PS + self.melt_ps + fall + RELEASE_PS + self.hold_ps

    @property
    def history(self) -> str:
        """The thermal history of the glass, or of a crystal alone, in words."""
        # without commas, which the plain reader of extended XYZ leaves to ASE
        ends = f"to {self.final_temperature_K:g} K free {interface_seeds.FREE[self.shape]}"
        rate = f"at {self.quench_rate_K_per_ps:g} K/ps"
        if self.bulk == OF_CRYSTAL:
            return f"released at {self.release_K:g} K and cooled {rate} {ends}"
        if self.route == "join":
            return f"annealed at {self.release_K:g} K for {self.melt_ps:g} ps at fixed volume and cooled {rate} {ends}"
        melted = f"melted at {self.melt_temperature_K:g} K for {self.melt_ps:g} ps and quenched {rate}"
        return f"{melted} to {self.release_K:g} K at fixed volume and on {ends}"


def build(inputs: Inputs, settings: Settings) -> "tuple[Made, Atoms]":
    """The start of an interface, and the bulk crystal of its slab. Raises InputError where they do not fit."""
    from ..dataset.frames import read_frames
    from ..interface.bulks import bulk_crystal
    from ..interface.joining import join, melt_against

    glass = inputs.get("glass")
    if settings.grain is not None:
        made_of = (settings.composition, settings.density_g_cm3, settings.seed)
        return interface_seeds.build(inputs["crystal"], glass, settings.grain, *made_of)
    slab = _slab(inputs, settings)
    bulk = bulk_crystal(slab, seed=settings.seed)
    if glass is not None:
        return join(slab, read_frames(glass)[0], glass_A=settings.glass_A, gap_A=settings.gap_A), bulk
    made = melt_against(
        slab, settings.composition, settings.density_g_cm3, glass_A=settings.glass_A, seed=settings.seed
    )
    return made, bulk


def build_bulk(inputs: Inputs, settings: Settings) -> "Atoms":
    """The start of a cell of crystal or glass alone. Raises InputError for a glass that has none."""
    from ..dataset.frames import read_frames
    from ..interface import bulks, slabs

    if settings.bulk == OF_CRYSTAL:
        return bulks.bulk_crystal(_slab(inputs, settings), seed=settings.seed)
    given, cut = _cut(inputs, settings)
    lateral = slabs.lateral_cell(given, cut, thickness_A=settings.crystal_A, lateral_A=settings.lateral_A)
    if "glass" in inputs:
        return bulks.bulk_glass(lateral, read_frames(inputs["glass"])[0], glass_A=settings.glass_A)
    return bulks.bulk_melt(
        lateral, settings.composition, settings.density_g_cm3, glass_A=settings.glass_A, seed=settings.seed
    )


def _cut(inputs: Inputs, settings: Settings) -> "tuple[Crystal, Termination]":
    """The crystal, and its cut: that of the file, so that it is the one that was asked for in whatever cell."""
    from ..interface.crystal import read_crystal
    from ..interface.slabs import named, recut

    crystal = read_crystal(inputs["crystal"])
    if FILE not in inputs:
        return crystal, named(crystal, settings.hkl, settings.termination)
    given = read_crystal(inputs[FILE])
    return crystal, recut(crystal, given, named(given, settings.hkl, settings.termination))


def _vectors(cell: "np.ndarray", inputs: Inputs, settings: Settings) -> "np.ndarray":
    """The vectors of the cell of a slab, or of its bulk crystal, in those of the crystal."""
    from ..interface import lattice, slabs

    crystal, cut = _cut(inputs, settings)
    turns = slabs.lateral_turns(crystal, cut, thickness_A=settings.crystal_A, lateral_A=settings.lateral_A)
    return lattice.lattice_vectors(cell, crystal, cut.hkl, turns)


def _slab(inputs: Inputs, settings: Settings) -> "Slab":
    from ..interface import slabs

    given, cut = _cut(inputs, settings)
    return slabs.slab(given, cut, thickness_A=settings.crystal_A, lateral_A=settings.lateral_A, seed=settings.seed)


def prepare(job: Job, settings: Settings, *, resumed: bool) -> None:
    """Write cell and potential as files, which also work with ``lmp -in melt_on_crystal.lmp``, or take them over."""
    from ..dataset.frames import write_frames

    if resumed and job.previous is not None:
        own = [] if settings.bulk else [CRYSTAL, FACTS]
        link_files(job.previous, job.folder, ["start.data", "potential.lmp", CONTRACTION, START, *own])
        return
    if settings.bulk:
        atoms = build_bulk(job.task.inputs, settings)
    else:
        made, bulk = build(job.task.inputs, settings)
        atoms, facts = made.atoms, made.facts
        if COOLED in job.task.inputs:
            facts |= _of_file(bulk, job.task.inputs, settings)
        write_frames(job.folder / CRYSTAL, [bulk])
        write_json(job.folder / FACTS, facts)
    write_rigid_ions(job.folder, atoms)
    write_bytes(job.folder / CONTRACTION, f"{_contraction(atoms, job.task.inputs, settings)}\n".encode())


def _of_file(bulk: "Atoms", inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Give the crystal that trajectories are compared with the cell of the file, which models are nearer to than rigid
    ions; returns the vectors of the bulk crystal of a slab in those of the crystal."""
    from ..interface import lattice

    crystal, file = _in_frame(inputs, "crystal"), _in_frame(inputs, FILE)
    if settings.grain is not None:
        recast(bulk, crystal, file)
        return {}
    vectors = _vectors(bulk.cell.array, inputs, settings)
    bulk.set_cell(lattice.spanned(vectors, file), scale_atoms=True)
    return {"lattice_vectors": vectors.round(9).tolist()}


def cooled_seed(crystal: "Atoms", inputs: Inputs) -> "Atoms":
    """The crystal of a seed, given with the cell of its file, with that in which the rigid ions end."""
    found = crystal.copy()
    if COOLED in inputs:
        recast(found, _in_frame(inputs, FILE), _in_frame(inputs, COOLED))
    return found


def _in_frame(inputs: Inputs, role: str) -> "Crystal":
    """A crystal in the orientation of ``inputs["crystal"]``; files have their own."""
    from ..interface.crystal import read_crystal

    cell = read_crystal(inputs[role]).atoms.cell
    return read_crystal(inputs["crystal"]).with_cell(cell.lengths(), cell.angles())


def recast(turned: "Atoms", crystal: "Crystal", other: "Crystal") -> None:
    """Give a crystal that is turned as a seed is, with the cell of `crystal`, that of the other one."""
    import numpy as np

    turn = np.linalg.inv(crystal.atoms.cell.array) @ turned.cell.array
    turned.set_cell(other.atoms.cell.array @ turn, scale_atoms=True)


def write_rigid_ions(folder: Path, atoms: "Atoms") -> None:
    """Write a cell with the array `ion`, as LAMMPS reads it and as atoms, and the potential of its ions."""
    import numpy as np

    from ..dataset.frames import write_frames
    from ..engines.lammps.session import write_data

    ions = chemistry.ions_of(atoms.arrays["ion"].tolist())
    labels = [ion.label for ion in ions]
    types = np.array([labels.index(label) + 1 for label in atoms.arrays["ion"]])
    charges = np.array(potentials.charges(ions))
    write_data(folder / "start.data", atoms, types, charges[types - 1])
    write_bytes(folder / "potential.lmp", ("\n".join(potentials.commands(ions)) + "\n").encode())
    write_frames(folder / START, [atoms])


def variables(folder: Path, settings: Settings) -> dict[str, object]:
    """Values from the input for the index variables of the script; a glass that is joined is annealed, not melted, and
    a crystal alone begins with its release."""
    from ..dataset.frames import read_frames
    from ..interface.joining import PHASE

    melted = settings.route == "melt" and settings.bulk != OF_CRYSTAL
    before_ps = 0.0 if settings.bulk == OF_CRYSTAL else 1.0
    (start,) = read_frames(folder / START)
    barostat = interface_seeds.barostat(interface_seeds.ALONG[settings.shape], 0.0, 1.0)
    if settings.bulk == OF_CRYSTAL:
        # repeats lie as far aside of each other as the lattice says, however high they are
        barostat += " scalexz no scaleyz no"
    return {
        "data": folder / "start.data",
        "potential": folder / "potential.lmp",
        "final": folder / FINAL,
        "crystal": int(start.arrays[PHASE].sum()),
        "melt_K": settings.melt_temperature_K if melted else settings.release_K,
        "release_K": settings.release_K,
        "final_K": settings.final_temperature_K,
        "soft_ps": before_ps * protocols.SOFT_PS,
        "melt_ps": before_ps * settings.melt_ps,
        "release_ps": RELEASE_PS,
        "hold_ps": settings.hold_ps,
        "rate_K_per_ps": settings.quench_rate_K_per_ps,
        "timestep_ps": settings.timestep_ps,
        "seed": settings.seed,
        "barostat": barostat,
        "contraction": folder / CONTRACTION,
    }


def _contraction(start: "Atoms", inputs: Inputs, settings: Settings) -> str:
    """The command by which the cell follows the lattice of the cooled crystal; a comment where none does.

    No lattice decides the cell of a sphere.
    """
    from ase.calculators.lammps import Prism

    from ..interface import lattice
    from ..interface.crystal import read_crystal

    if COOLED not in inputs or settings.shape == "sphere":
        return "# the lattice stays as it is"
    cold = read_crystal(inputs[COOLED])
    if settings.grain is not None:
        factor = lattice.stretch(read_crystal(inputs["crystal"]), cold, settings.grain["direction"])
        return f"{_DEFORM} z scale {factor:.12g}"
    cell, own = start.cell.array, lattice.spanned(_vectors(start.cell.array, inputs, settings), cold)
    words = [f"x scale {own[0, 0] / cell[0, 0]:.12g} y scale {own[1, 1] / cell[1, 1]:.12g}"]
    if Prism(cell).is_skewed():
        words.append(f"xy final {own[1, 0]:.12g}")
        if settings.bulk == OF_CRYSTAL:
            # repeats that lie aside of each other move with the lattice as well
            words.append(f"xz final {own[2, 0]:.12g} yz final {own[2, 1]:.12g}")
    return " ".join([_DEFORM, *words, "flip no"])


def atoms_of(folder: Path) -> int:
    """How many atoms the cell has."""
    with open(folder / START, encoding="utf-8") as file:
        return int(file.readline())
