"""The lattice of the crystal with which `md` begins, in cells of stage `interface`, and with which it is compared."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..products import Structures
from . import lattice
from .base import Run
from .interface_start import COOLED, recast

if TYPE_CHECKING:
    from ase import Atoms

    from ..interface.crystal import Crystal


def strain(run: Run, atoms: "Atoms", kelvin: float) -> list[list[float]] | None:
    """(3, 3) by which the vectors of a cell, rows, are multiplied so that what the crystal decides of them is as in the
    model at a temperature (K), or as in its file where that is not looked for: the area of a slab and of its bulk
    cells, the length of a cylinder.

    None where that is so already: the cell of the file was kept, or edges were given; and for a sphere, which decides
    nothing.
    """
    from ..interface.crystal import read_crystal
    from ..interface.joining import PHASE
    from ..interface.lattice import spanned, stretch

    cells, section = run.take("crystal", Structures).files, run.input.interface
    if run.input.md.structures != "interface" or COOLED not in cells:
        return None
    wanted, found = read_crystal(_wanted(run, kelvin)), np.eye(3)
    if section.seed is None:
        own, rows = atoms.cell.array, spanned(_vectors(run), wanted)
        found[:2, :2] = np.linalg.inv(own[:2, :2]) @ rows[:2, :2]
        if atoms.arrays[PHASE].all():
            # repeats of the bulk crystal lie as far aside of each other as the lattice says, however high they are
            found[2, :2] = (rows[2, :2] - own[2, :2] @ found[:2, :2]) / own[2, 2]
    elif section.seed.shape == "cylinder":
        found[2, 2] = stretch(read_crystal(cells[COOLED]), wanted, section.seed.direction)
    else:
        return None
    return found.tolist()


def compared(run: Run, crystal: Path, kelvin: float) -> list[list[float]] | None:
    """(3, 3) Å, rows, the cell in the model at a temperature (K) of a `crystal` that trajectories are compared with;
    None where it keeps the one that it has.
    """
    from ..dataset.frames import read_frames
    from ..interface.crystal import read_crystal
    from ..interface.lattice import spanned

    if (found := lattice.cell_at(run, kelvin)) is None:
        return None
    if run.input.interface.seed is None:
        return spanned(_vectors(run), read_crystal(found)).tolist()
    (turned,) = read_frames(crystal)
    recast(turned, _upright(run.source / run.input.interface.crystal), _upright(found))
    return turned.cell.array.tolist()


def _wanted(run: Run, kelvin: float) -> Path:
    """The file of the crystal with the cell that `md` begins with."""
    return lattice.cell_at(run, kelvin) or run.source / run.input.interface.crystal


def _vectors(run: Run) -> np.ndarray:
    """(3, 3) the vectors of the bulk crystal of a slab, the same in all cells, in those of the crystal."""
    (facts, *_) = run.take("interface", Structures).each("facts").values()
    return np.array(json.loads(facts.read_text(encoding="utf-8"))["lattice_vectors"])


def _upright(path: Path) -> "Crystal":
    """A crystal with a along x and b in the xy plane; files have it as they like."""
    from ..interface.crystal import read_crystal

    crystal = read_crystal(path)
    return crystal.with_cell(crystal.atoms.cell.lengths(), crystal.atoms.cell.angles())
