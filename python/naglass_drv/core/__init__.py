"""The Python face of the compiled core: ASE atoms and numpy arrays in, small result objects out.

`atoms` is anything with ``positions`` (N, 3) in Å, ``cell`` (3, 3) in Å with vectors as rows, ``pbc`` (3) and
``get_chemical_symbols()``, such as ``ase.Atoms``. Bad input raises `naglass_drv.errors.InputError`, which
names the argument and its value. Lengths are in Å, counts are integers.
"""

from .fingerprint import BOND_VALENCE_TABLE, Confusion, Fingerprint, LengthHistograms, fingerprint
from .graph import BondGraph, Cutoffs, Neighbors, bond_graph, neighbors
from .qn import VANADYL_CUTOFF, OxygenClass, Qn, qn
from .rings import RingMembers, Rings, rings
from .spin import (
    LinkClusters,
    Links,
    MomentAutocorrelation,
    MomentChanges,
    PolaronHops,
    SpinTopology,
    moment_autocorrelation,
    polaron_hops,
    spin_topology,
)

__all__ = [
    "BOND_VALENCE_TABLE",
    "VANADYL_CUTOFF",
    "BondGraph",
    "Confusion",
    "Cutoffs",
    "Fingerprint",
    "LengthHistograms",
    "LinkClusters",
    "Links",
    "MomentAutocorrelation",
    "MomentChanges",
    "Neighbors",
    "OxygenClass",
    "PolaronHops",
    "Qn",
    "RingMembers",
    "Rings",
    "SpinTopology",
    "bond_graph",
    "fingerprint",
    "moment_autocorrelation",
    "neighbors",
    "polaron_hops",
    "qn",
    "rings",
    "spin_topology",
]
