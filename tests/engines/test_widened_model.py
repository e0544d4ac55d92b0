"""The start of the larger model: vectors beside the scalars of the small one, and its energies."""

from pathlib import Path

import numpy as np
import pytest
import torch

from naglass_drv.engines.mace.fit import graphs, loader
from naglass_drv.engines.mace.modelfile import default_dtype, describe, load_portable
from support.mace_models import packing
from support.tools import script

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def models():
    widen = script(EXAMPLES / "starting-model" / "widen.py")
    small = load_portable(EXAMPLES / "quickstart" / "start" / "model.mace", "float64")
    return small, widen.widened(small), widen


def evaluated(model):
    atoms = packing(24, 14.0)
    atoms.numbers = np.array([8, 11, 15, 23, 26])[np.arange(24) % 5]
    with default_dtype("float64"):
        (batch,) = loader(graphs([atoms], model.atomic_numbers.tolist(), float(model.r_max), model.heads), 1)
        return model(batch.to_dict(), training=True, compute_stress=True)


def test_vectors_change_nothing_at_first(models):
    small, wide, _ = models
    assert describe(wide)["hidden_irreps"] == "64x0e+64x1o"
    expected, found = evaluated(small), evaluated(wide)
    for key, tolerance in (("energy", 1e-9), ("forces", 1e-10), ("stress", 1e-12)):
        np.testing.assert_allclose(found[key].detach(), expected[key].detach(), rtol=0, atol=tolerance)


def test_vectors_learn(models):
    """Weights of the messages that begin at vectors have a gradient though they are zero."""
    _, wide, _ = models
    mixing = wide.interactions[1].linear
    wide.zero_grad()
    evaluated(wide)["forces"].square().sum().backward()
    per_path = mixing.weight.grad.unflatten(0, (len(mixing.instructions), -1)).abs().amax(dim=1)
    still = mixing.weight.unflatten(0, (len(mixing.instructions), -1)).abs().amax(dim=1) == 0
    assert still.sum() == 6 and (per_path > 1e-6 * per_path.max()).all()


def test_a_model_with_vectors_is_not_widened(models):
    with pytest.raises(SystemExit, match=r"64x0e\+64x1o: must be scalars alone"):
        models[2].widened(models[1])
    assert torch.get_default_dtype() == torch.float32
