"""The cheaper order of evaluation gives the energies, forces, stresses and gradients of mace-torch's own."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv.engines.mace.faster import faster
from naglass_drv.engines.mace.fit import graphs, loader
from naglass_drv.engines.mace.modelfile import default_dtype
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


def test_within_another_nothing_is_changed_back_too_early():
    with default_dtype("float64"):
        model = build_model(**MODELS["residual"])
    parts = [model.products[0].symmetric_contractions, model.interactions[0]]
    with faster(model):
        with faster(model):
            assert all("forward" in vars(part) for part in parts)
        assert all("forward" in vars(part) for part in parts)
    assert not any("forward" in vars(part) for part in parts)
