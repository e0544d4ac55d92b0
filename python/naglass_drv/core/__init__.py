"""The Python face of the compiled core: ASE atoms and numpy arrays in, small result objects out.

`atoms` is anything with ``positions`` (N, 3) in Å, ``cell`` (3, 3) in Å with vectors as rows, ``pbc`` (3) and
``get_chemical_symbols()``, such as ``ase.Atoms``. Bad input raises `naglass_drv.errors.InputError`, which
names the argument and its value. Lengths are in Å, counts are integers.
"""

from .graph import BondGraph, Cutoffs, Neighbors, bond_graph, neighbors
from .qn import VANADYL_CUTOFF, OxygenClass, Qn, qn
from .rings import RingMembers, Rings, rings

__all__ = [
    "VANADYL_CUTOFF",
    "BondGraph",
    "Cutoffs",
    "Neighbors",
    "OxygenClass",
    "Qn",
    "RingMembers",
    "Rings",
    "bond_graph",
    "neighbors",
    "qn",
    "rings",
]
