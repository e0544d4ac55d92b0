"""What mace-torch ships, by name: what pair_style mace handles, shown by a model here, and what the export refuses.

A class, a registry's entry or a constructor's argument that is in neither table fails tests/lammps/test_mace_models.py:
somebody has to decide.
"""

import copy

import torch
from e3nn import o3
from mace import modules

PLAIN = "RealAgnosticInteractionBlock"
DENSITY = "RealAgnosticDensityInteractionBlock"
DENSITY_RESIDUAL = "RealAgnosticDensityResidualInteractionBlock"
GATED = "RealAgnosticResidualNonLinearInteractionBlock"
# what MODELS of mace_models leaves out of mace-torch's arguments, several at a time
KINDS = {
    "one-layer": dict(layers=1, hidden="4x0e+4x1o", max_ell=2, correlation=3, lammps_mliap=True),
    "last-readout": dict(layers=3, hidden="4x0e+4x1o", use_last_readout_only=True, gate=torch.abs),
    "correlations": dict(correlation=[4, 1], radial_type="gaussian", gate=torch.tanh),
    "parity": dict(hidden="4x0e+4x0o+4x1o+4x1e", keep_last_layer_irreps=True),
    "so3": dict(hidden="4x0e+4x1e", max_ell=2, use_so3=True, use_agnostic_product=True, distance_transform="Soft"),
    "edges": dict(
        hidden="4x0e+4x1o",
        edge_irreps=o3.Irreps("2x0e+2x1o"),
        use_edge_irreps_first=True,
        pair_repulsion=True,
        heads=["cheap", "full"],
        readout_cls=modules.NonLinearBiasReadoutBlock,
    ),
    "plain": dict(
        hidden="4x1o+4x0e",
        first=PLAIN,
        other=PLAIN,
        kind="MACE",
        heads=["cheap", "full"],
        pair_repulsion=True,
        apply_cutoff=False,
    ),
    "density": dict(first=DENSITY_RESIDUAL, other=DENSITY, radial_MLP=(8,), use_reduced_cg=False, gate=None),
    "high": dict(
        max_ell=4,
        correlation=1,
        first=DENSITY,
        other=DENSITY_RESIDUAL,
        radial_type="chebyshev",
        distance_transform="Agnesi",
    ),
    "gated": dict(hidden="4x0e+4x1o", max_ell=2, first=GATED, other=GATED),
    "gated-heads": dict(
        hidden="4x0e+4x1o",
        max_ell=2,
        first=DENSITY,
        other=GATED,
        heads=["cheap", "full"],
        apply_cutoff=False,
        edge_irreps=o3.Irreps("2x0e+2x1o"),
        use_agnostic_product=True,
        use_last_readout_only=True,
        pair_repulsion=True,
        readout_cls=modules.NonLinearBiasReadoutBlock,
    ),
}
# in the short tests; tests/long takes the others, too
USUAL = ("one-layer", "last-readout", "so3", "edges", "gated")
HEADS = {"plain": "cheap", "edges": "full", "gated-heads": "full"}

# every class of mace.modules that the export takes, and a kind of model that has it
HANDLED = {
    "MACE": "plain",
    "ScaleShiftMACE": "one-layer",
    "LinearNodeEmbeddingBlock": "one-layer",
    "RadialEmbeddingBlock": "one-layer",
    "BesselBasis": "one-layer",
    "GaussianBasis": "correlations",
    "ChebychevBasis": "high",
    "PolynomialCutoff": "one-layer",
    "AgnesiTransform": "high",
    "SoftTransform": "so3",
    "ZBLBasis": "edges",
    "RadialMLP": "gated",
    "AtomicEnergiesBlock": "one-layer",
    "RealAgnosticInteractionBlock": "plain",
    "RealAgnosticResidualInteractionBlock": "one-layer",
    "RealAgnosticDensityInteractionBlock": "high",
    "RealAgnosticDensityResidualInteractionBlock": "high",
    "RealAgnosticResidualNonLinearInteractionBlock": "gated",
    "GatedEquivariantBlock": "gated",
    "EquivariantProductBasisBlock": "one-layer",
    "SymmetricContraction": "one-layer",
    "Contraction": "one-layer",
    "reshape_irreps": "one-layer",
    "LinearReadoutBlock": "one-layer",
    "NonLinearReadoutBlock": "last-readout",
    "NonLinearBiasReadoutBlock": "edges",
    "ScaleShiftBlock": "one-layer",
}
REFUSED = {
    # other models, and wrappers around models
    "AtomicDipolesMACE",
    "AtomicDielectricMACE",
    "EnergyDipolesMACE",
    "MACELES",
    "PolarMACE",
    "LAMMPS_MACE",
    "MACEEdgeForcesWrapper",
    "MaceTorchSimModel",
    # the base of all interactions, and the one whose radial weights depend on features of both ends
    "InteractionBlock",
    "RealAgnosticAttResidualInteractionBlock",
    # readouts of dipoles, polarisabilities and other tensors
    "LinearDipoleReadoutBlock",
    "NonLinearDipoleReadoutBlock",
    "LinearDipolePolarReadoutBlock",
    "NonLinearDipolePolarReadoutBlock",
    "GeneralNonLinearBiasReadoutBlock",
    # charges, spins and fields as input
    "GenericJointEmbedding",
    "MultiLayerFeatureMixer",
    "EnvironmentDependentSpinSourceBlock",
    "PotentialEmbeddingBlock",
    "AgnosticChargeBiasedLinearPotentialEmbedding",
    "NoNonLinearity",
    "MLPNonLinearity",
    "FieldUpdateBlock",
    "SparseUvuTensorProduct",
    "AgnosticEmbeddedOneBodyVariableUpdate",
    "PostScfReadout",
    "OneBodyMLPFieldReadout",
    # to be merged first
    "LoRAO3Linear",
    "LoRADenseLinear",
    "LoRAFCLayer",
}
# modules by their base class, but never part of a model: losses, a metric, the stand-in for a package's base class
LOSSES = "mace.modules.loss"
NO_BLOCKS = {"MACELoss", "ModelInterface"}

# the optional arguments of MACE and ScaleShiftMACE: a kind of model that sets it otherwise, or None where refused
ARGUMENTS = {
    "pair_repulsion": "edges",
    "apply_cutoff": "plain",
    "use_reduced_cg": "density",
    "use_so3": "so3",
    "use_agnostic_product": "so3",
    "use_last_readout_only": "last-readout",
    "use_embedding_readout": None,
    "distance_transform": "so3",
    "edge_irreps": "edges",
    "use_edge_irreps_first": "edges",
    "radial_MLP": "density",
    "radial_type": "correlations",
    "heads": "edges",
    "cueq_config": None,
    "embedding_specs": None,
    "oeq_config": None,
    "lammps_mliap": "one-layer",
    "readout_cls": "edges",
    "keep_last_layer_irreps": "parity",
}
GATES = {"abs": "last-readout", "tanh": "correlations", "silu": "one-layer", "None": "density"}


def aged(model):
    """As an early mace-torch pickled it: without the attributes that came later."""
    model = copy.deepcopy(model)
    del model.heads, model.apply_cutoff, model.use_agnostic_product, model.radial_embedding.apply_cutoff
    for block in (*model.interactions, *model.products):
        del block.cueq_config
    for block in model.products:
        del block.use_agnostic_product
    for block in model.interactions:
        del block.reshape.cueq_config, block.oeq_config
    del model.readouts[-1].num_heads
    return model
