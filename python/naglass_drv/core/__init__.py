"""The Python interface of the compiled core: ASE atoms and numpy arrays in, small result objects out.

`atoms` is anything with ``positions`` (N, 3) in Å, ``cell`` (3, 3) in Å with vectors as rows, ``pbc`` (3) and
``get_chemical_symbols()``, for example ``ase.Atoms``. Bad input raises `naglass_drv.errors.InputError`, which
names the argument and its value. Lengths are in Å, counts are integers.
"""

from .channels import Bottleneck, DensityPercolation, bottleneck_radius, density_percolation
from .clusters import Clusters, Percolation, clusters, percolation_cutoff
from .cooperative import FastClusters, fast_clusters
from .crystal import Environments, Steinhardt, crystal_similarity, environments, lanterns, read_environments, steinhardt
from .crystallites import Crystallites, Embryo, Orientation, crystallites, embryo, orientation
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
from .distinct import DistinctVanHove
from .fingerprint import BOND_VALENCE_TABLE, Confusion, Fingerprint, LengthHistograms, fingerprint
from .graph import BondGraph, Cutoffs, Neighbors, bond_graph, neighbors
from .hop_events import Hops, read_hops
from .hops import HopDetector, detect_hops
from .instantaneous import InstantaneousSurface, instantaneous_surface
from .layer_current import LayerTransport, layer_transport
from .layer_sums import ProfileColumn
from .linkage import FORBIDDEN_CONTACTS, ArtifactFlags, Linkage, Sharing, artifact_flags, in_contact, linkage
from .misorientation import misorientation, symmetry_rotations
from .pairs import PairFunctions, rdf
from .profile import Excess, Profile, Profiler, excess_per_area, profile, read_profile
from .qn import VANADYL_CUTOFF, OxygenClass, Qn, qn
from .rings import RingMembers, Rings, rings
from .site_jumps import SiteJumps, site_jumps
from .sites import Sites, find_sites
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
from .statistics import Average, EventRate, average, event_rate
from .surfaces import Surfaces, gibbs_surfaces, surface_distances
from .tables import read_table
from .trajectory import Trajectory, trajectory
from .transport import Correlation, Correlator, Curve, VanHove, alpha2, chi4, msd, van_hove
from .unwrap import Unwrapper, unwrap

__all__ = [
    "ANGSTROM2_PER_PS_IN_M2_PER_S",
    "BOND_VALENCE_TABLE",
    "FORBIDDEN_CONTACTS",
    "VANADYL_CUTOFF",
    "ArtifactFlags",
    "Average",
    "BondGraph",
    "Bottleneck",
    "Clusters",
    "Conductivity",
    "Confusion",
    "Correlation",
    "Correlator",
    "Crystallites",
    "Curve",
    "Cutoffs",
    "DensityMap",
    "DensityPercolation",
    "Diffusion",
    "DistinctVanHove",
    "Embryo",
    "Environments",
    "EventRate",
    "Excess",
    "FastClusters",
    "Fingerprint",
    "HavenRatio",
    "HopDetector",
    "Hops",
    "InstantaneousSurface",
    "LayerTransport",
    "LengthHistograms",
    "LinkClusters",
    "Linkage",
    "Links",
    "MomentAutocorrelation",
    "MomentChanges",
    "Neighbors",
    "Orientation",
    "OxygenClass",
    "PairFunctions",
    "Percolation",
    "PolaronHops",
    "Profile",
    "ProfileColumn",
    "Profiler",
    "Qn",
    "RingMembers",
    "Rings",
    "Sharing",
    "SiteJumps",
    "Sites",
    "SpinTopology",
    "Steinhardt",
    "StructureFactors",
    "Surfaces",
    "Trajectory",
    "Unwrapper",
    "VanHove",
    "alpha2",
    "artifact_flags",
    "average",
    "bond_graph",
    "bottleneck_radius",
    "chi4",
    "clusters",
    "conductivity",
    "crystal_similarity",
    "crystallites",
    "density_map",
    "density_percolation",
    "detect_hops",
    "diffusion",
    "embryo",
    "environments",
    "event_rate",
    "excess_per_area",
    "fast_clusters",
    "find_sites",
    "fingerprint",
    "gibbs_surfaces",
    "haven_ratio",
    "in_contact",
    "instantaneous_surface",
    "lanterns",
    "layer_transport",
    "linkage",
    "misorientation",
    "moment_autocorrelation",
    "msd",
    "neighbors",
    "nernst_einstein",
    "orientation",
    "percolation_cutoff",
    "polaron_hops",
    "profile",
    "qn",
    "rdf",
    "read_environments",
    "read_hops",
    "read_profile",
    "read_table",
    "rings",
    "site_jumps",
    "spin_topology",
    "steinhardt",
    "structure_factor",
    "surface_distances",
    "symmetry_rotations",
    "trajectory",
    "unwrap",
    "van_hove",
]
