"""The Python face of the compiled core: ASE atoms and numpy arrays in, small result objects out.

`atoms` is anything with ``positions`` (N, 3) in Å, ``cell`` (3, 3) in Å with vectors as rows, ``pbc`` (3) and
``get_chemical_symbols()``, such as ``ase.Atoms``. Bad input raises `naglass_drv.errors.InputError`, which
names the argument and its value. Lengths are in Å, counts are integers.
"""

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
from .fingerprint import BOND_VALENCE_TABLE, Confusion, Fingerprint, LengthHistograms, fingerprint
from .graph import BondGraph, Cutoffs, Neighbors, bond_graph, neighbors
from .pairs import PairFunctions, rdf
from .channels import Bottleneck, DensityPercolation, bottleneck_radius, density_percolation
from .clusters import Clusters, Percolation, clusters, percolation_cutoff
from .crystal import (
    Environments,
    Steinhardt,
    crystal_similarity,
    environments,
    lanterns,
    read_environments,
    steinhardt,
)
from .graph import BondGraph, Cutoffs, Neighbors, bond_graph, neighbors
from .linkage import FORBIDDEN_CONTACTS, ArtefactFlags, Linkage, Sharing, artefact_flags, in_contact, linkage
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
from .statistics import Average, average
from .trajectory import Trajectory, trajectory
from .transport import Correlation, Correlator, Curve, VanHove, alpha2, chi4, msd, van_hove
from .unwrap import Unwrapper, unwrap

__all__ = [
    "ANGSTROM2_PER_PS_IN_M2_PER_S",
    "BOND_VALENCE_TABLE",
    "VANADYL_CUTOFF",
    "Average",
    "BondGraph",
    "Conductivity",
    "Confusion",
    "Correlation",
    "Correlator",
    "Curve",
    "Cutoffs",
    "DensityMap",
    "Diffusion",
    "Fingerprint",
    "HavenRatio",
    "LengthHistograms",
    "LinkClusters",
    "Links",
    "MomentAutocorrelation",
    "MomentChanges",
    "Neighbors",
    "OxygenClass",
    "PairFunctions",
    "PolaronHops",
    "Qn",
    "RingMembers",
    "Rings",
    "SpinTopology",
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
    "fingerprint",
    "haven_ratio",
    "moment_autocorrelation",
    "msd",
    "neighbors",
    "nernst_einstein",
    "polaron_hops",
    "qn",
    "rdf",
    "rings",
    "spin_topology",
    "structure_factor",
    "trajectory",
    "unwrap",
    "van_hove",
    "FORBIDDEN_CONTACTS",
    "VANADYL_CUTOFF",
    "ArtefactFlags",
    "BondGraph",
    "Bottleneck",
    "Clusters",
    "Cutoffs",
    "DensityPercolation",
    "Environments",
    "Linkage",
    "Neighbors",
    "OxygenClass",
    "Percolation",
    "Qn",
    "Sharing",
    "Steinhardt",
    "artefact_flags",
    "bond_graph",
    "bottleneck_radius",
    "clusters",
    "crystal_similarity",
    "density_percolation",
    "environments",
    "lanterns",
    "in_contact",
    "linkage",
    "neighbors",
    "percolation_cutoff",
    "qn",
    "read_environments",
    "steinhardt",
]
