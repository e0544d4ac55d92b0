"""The lattice of the crystal in cells of stage `interface` as `md` begins with them."""

import json
from typing import TYPE_CHECKING

import numpy as np

from ..products import Structures
from .base import Run
from .interface_start import COOLED

if TYPE_CHECKING:
    from ase import Atoms


def strain(run: Run, atoms: "Atoms") -> list[list[float]] | None:
    """(3, 3) by which the vectors of a cell, rows, are multiplied so that what the crystal decides of them is as in its
    file: the area of a slab and of its bulk cells, the length of a cylinder.

    None where that is so already: the cell of the file was kept, or edges were given; and for a sphere, which decides
    nothing.
    """
    from ..interface.crystal import read_crystal
    from ..interface.lattice import spanned, stretch

    cells, section = run.take("crystal", Structures).files, run.input.interface
    if run.input.md.structures != "interface" or COOLED not in cells:
        return None
    file, found = read_crystal(run.source / section.crystal), np.eye(3)
    if section.seed is None:
        (facts, *_) = run.take("interface", Structures).each("facts").values()
        vectors = json.loads(facts.read_text(encoding="utf-8"))["lateral_vectors"]
        found[:2, :2] = np.linalg.inv(atoms.cell.array[:2, :2]) @ spanned(np.array(vectors), file)
    elif section.seed.shape == "cylinder":
        found[2, 2] = stretch(read_crystal(cells[COOLED]), file, section.seed.direction)
    else:
        return None
    return found.tolist()
