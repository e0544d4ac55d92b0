"""The Python face of the compiled core: ASE atoms and numpy arrays in, small result objects out.

`atoms` is anything with ``positions`` (N, 3) in Å, ``cell`` (3, 3) in Å with vectors as rows, ``pbc`` (3) and
``get_chemical_symbols()``, such as ``ase.Atoms``. Bad input raises `naglass_drv.errors.InputError`, which
names the argument and its value. Lengths are in Å, counts are integers.
"""

from .fingerprint import BOND_VALENCE_TABLE, Confusion, Fingerprint, LengthHistograms, fingerprint
from .density import DensityMap, density_map
from .diffraction import StructureFactors, structure_factor
from .diffusion import (
    ANGSTROM2_PER_PS_IN_M2_PER_S,
    Conductivity,
    Diffusion,
    HavenRatio,
    conductivity,
    diffusion,
    haven_ratio,
    nernst_einstein,
)
from .graph import BondGraph, Cutoffs, Neighbors, bond_graph, neighbors
from .pairs import PairFunctions, rdf
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
from .statistics import Average, average
from .trajectory import Trajectory, trajectory
from .transport import Correlation, Correlator, Curve, VanHove, alpha2, chi4, msd, van_hove
from .unwrap import Unwrapper, unwrap

__all__ = [
    "ANGSTROM2_PER_PS_IN_M2_PER_S",
    "VANADYL_CUTOFF",
    "Average",
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
    "Conductivity",
    "Correlation",
    "Correlator",
    "Curve",
    "Cutoffs",
    "DensityMap",
    "Diffusion",
    "HavenRatio",
    "Neighbors",
    "OxygenClass",
    "PairFunctions",
    "Qn",
    "StructureFactors",
    "Trajectory",
    "Unwrapper",
    "VanHove",
    "alpha2",
    "average",
    "bond_graph",
    "chi4",
    "conductivity",
    "density_map",
    "diffusion",
    "haven_ratio",
    "msd",
    "neighbors",
    "nernst_einstein",
    "qn",
    "rdf",
    "structure_factor",
    "trajectory",
    "unwrap",
    "van_hove",
]
