"""Every kind of MACE model that the export takes, in LAMMPS and in mace-torch, and those it refuses by name."""

import copy
import subprocess
import sys

import numpy as np
import pytest
from support.mace_bench import Bench, assert_close, mace_pair, script
from support.mace_models import build_model, packing

from naglass_drv.engines.mace.export import export_module
from naglass_drv.engines.mace.modelfile import default_dtype, import_torch, load_model, load_portable, save_portable
from naglass_drv.errors import InputError

# e3nn's constants can be read only after this
torch = import_torch()

from e3nn import o3  # noqa: E402
from mace import modules  # noqa: E402

PLAIN = "RealAgnosticInteractionBlock"
DENSITY = "RealAgnosticDensityInteractionBlock"
DENSITY_RESIDUAL = "RealAgnosticDensityResidualInteractionBlock"
# what MODELS of mace_models leaves out of mace-torch's arguments, several at a time
MODELS = {
    "one layer": dict(layers=1, hidden="4x0e+4x1o", max_ell=2, correlation=3),
    "last readout": dict(layers=3, hidden="4x0e+4x1o+4x2e", max_ell=2, use_last_readout_only=True),
    "correlations": dict(correlation=[4, 1], radial_type="gaussian", gate=torch.tanh),
    "parity": dict(hidden="4x0e+4x0o+4x1o+4x1e", max_ell=2, keep_last_layer_irreps=True),
    "so3": dict(hidden="4x0e+4x1e", max_ell=2, use_so3=True, use_agnostic_product=True, distance_transform="Soft"),
    "edges": dict(
        hidden="4x0e+4x1o",
        edge_irreps=o3.Irreps("2x0e+2x1o"),
        use_edge_irreps_first=True,
        pair_repulsion=True,
        heads=["cheap", "full"],
        readout_cls=modules.NonLinearBiasReadoutBlock,
    ),
    "plain": dict(hidden="4x1o+4x0e", first=PLAIN, other=PLAIN, kind="MACE", pair_repulsion=True),
    "density": dict(layers=4, first=DENSITY_RESIDUAL, other=DENSITY, radial_MLP=(8,), use_reduced_cg=False),
    "high": dict(max_ell=4, correlation=1, first=DENSITY, other=DENSITY_RESIDUAL),
}
HEADS = {"edges": "full"}
ATOMS = packing(12, 14.0, tilt=True, seed=1)


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


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    with default_dtype("float64"):
        old = aged(build_model(max_ell=2, correlation=3))
    with default_dtype("float32"):
        # constants of blocks are rounded when the model is made, and stay so when it is widened
        narrow = build_model("4x0e+4x1o", max_ell=2, distance_transform="Agnesi").double()
    models = MODELS | {"old": old, "narrow": narrow}
    return Bench(tmp_path_factory.mktemp("models"), models, {"glass": ATOMS}, HEADS)


@pytest.fixture(scope="module")
def found(bench):
    return bench.run({name: script("glass", mace_pair(f'"{name}"')) for name in bench.models}, 2)
