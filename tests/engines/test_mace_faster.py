"""The cheaper order of evaluation gives the energies, forces, stresses and gradients of mace-torch's own."""

import numpy as np
import pytest
import torch
from ase import Atoms

from naglass_drv.engines.mace.faster import faster
from naglass_drv.engines.mace.fit import graphs, loader
from naglass_drv.engines.mace.modelfile import default_dtype
from naglass_drv.engines.mace.radial import RadialTable
from support.mace_kinds import KINDS
from support.mace_models import MODELS, build_model, packing

pytestmark = pytest.mark.slow
EVERY = MODELS | KINDS


def frames() -> list[Atoms]:
    """A dense cell, a dilute one with few neighbors, and an atom without any."""
    made = [packing(20, 13.0), packing(8, 30.0), Atoms("O", cell=[20.0] * 3, pbc=True)]
    for atoms in made:
        atoms.numbers = np.where(np.arange(len(atoms)) % 3, 8, 15)
    return made


def evaluated(model, chosen):
    """Energies, forces, stresses, and the gradient of their squares with respect to the parameters."""
    (batch,) = loader(graphs(chosen, model.atomic_numbers.tolist(), float(model.r_max), model.heads), len(chosen))
    model.zero_grad()
    output = model(batch.to_dict(), training=True, compute_stress=True)
    sum(output[key].square().sum() for key in ("energy", "forces", "stress")).backward()
    values = {key: output[key].detach() for key in ("energy", "forces", "stress")}
    return values | {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", sorted(EVERY))
def test_numbers_and_gradients_are_those_of_mace(name):
    with default_dtype("float64"):
        model = build_model(**EVERY[name])
        for chosen in (frames(), frames()[2:]):
            expected = evaluated(model, chosen)
            with faster(model):
                found = evaluated(model, chosen)
            assert found.keys() == expected.keys() and len(found) > 10
            for key, value in expected.items():
                most = 1e-11 * max(1e-3, float(value.abs().max()))
                assert (found[key] - value).abs().max() <= most, key


@pytest.mark.parametrize("name", sorted(EVERY))
def test_in_single_precision_they_are_as_near_to_double_as_those_of_mace(name):
    with default_dtype("float64"):
        model = build_model(**EVERY[name])
        expected = [evaluated(model, chosen) for chosen in (frames(), frames()[2:])]
    model.float()
    with default_dtype("float32"):
        for chosen, exact in zip((frames(), frames()[2:]), expected, strict=True):
            theirs = evaluated(model, chosen)
            with faster(model):
                found = evaluated(model, chosen)
            for key, value in exact.items():
                scale = max(1e-3, float(value.abs().max()))
                rounding = float((theirs[key] - value).abs().max())
                assert (found[key] - value).abs().max() <= max(3 * rounding, 5e-6 * scale), key


def test_radial_weights_of_a_table_have_the_slopes_and_curvatures_of_the_network():
    with default_dtype("float64"):
        model = build_model(**MODELS["residual"])
        table, network = RadialTable(model.radial_embedding), model.interactions[1].conv_tp_weights
        lengths = torch.tensor([[0.7], [1.3333], [2.2], [float(model.r_max) - 1e-4]])
        parameters = list(network.parameters())

        def derivatives(weights_at):
            at = lengths.clone().requires_grad_()
            weights = weights_at(at)
            (slope,) = torch.autograd.grad(weights.square().sum(), at, create_graph=True)
            return weights, slope, *torch.autograd.grad(slope.square().sum(), [at, *parameters])

        exact = derivatives(lambda at: network(model.radial_embedding(at, None, None, None)[0]))
        found = derivatives(lambda at: table.weights(network, at))
        for own, value, most in zip(found, exact, (1e-7, 1e-6, 1e-4, *[1e-5] * len(parameters)), strict=True):
            assert (own - value).abs().max() < most * value.abs().max()


def test_within_another_nothing_is_changed_back_too_early():
    with default_dtype("float64"):
        model = build_model(**MODELS["residual"])
    parts = [model.products[0].symmetric_contractions, model.interactions[0]]
    with faster(model):
        with faster(model):
            assert all("forward" in vars(part) for part in parts)
        assert all("forward" in vars(part) for part in parts)
    assert not any("forward" in vars(part) for part in parts)
