"""Models cut to fewer elements and other heads give the energies and forces of the model that they come from."""

import numpy as np
import pytest
import torch
from mace import data, tools
from mace.tools import torch_geometric

from naglass_drv.engines.mace.body import adapted, heads_of
from naglass_drv.engines.mace.modelfile import default_dtype
from support.mace_kinds import KINDS
from support.mace_models import MODELS, build_model, packing

pytestmark = pytest.mark.slow
EVERY = {name: kind for name, kind in (MODELS | KINDS).items() if kind.get("kind", "ScaleShiftMACE") != "MACE"}
# what a portable model cannot describe
UNDESCRIBED = {"correlations", "high"}


def evaluated(model, atoms, head: int):
    table = tools.AtomicNumberTable(model.atomic_numbers.tolist())
    heads = heads_of(model)
    config = data.config_from_atoms(atoms, head_name=heads[head])
    item = data.AtomicData.from_config(config, z_table=table, cutoff=float(model.r_max), heads=heads)
    output = model(torch_geometric.Batch.from_data_list([item]).to_dict(), compute_force=True)
    return output["energy"].item(), output["forces"].numpy()


@pytest.mark.parametrize("name", sorted(EVERY.keys() - UNDESCRIBED))
def test_every_head_of_the_smaller_model_gives_what_it_was_copied_from(name):
    atoms = packing(20, 14.0)
    atoms.numbers = np.where(np.arange(20) % 3, 8, 15)
    with default_dtype("float64"):
        model = build_model(**EVERY[name])
        names = heads_of(model)
        heads = [("pt_head", names[-1]), ("new", names[0]), ("third", names[-1])]
        for chosen in (heads, heads[:1]):
            new = adapted(model, [15, 8], chosen)
            assert new.atomic_numbers.tolist() == [8, 15] and heads_of(new) == [head for head, _ in chosen]
            for k, (_, source) in enumerate(chosen):
                energy, forces = evaluated(new, atoms, k)
                expected, expected_forces = evaluated(model, atoms, names.index(source))
                assert energy == pytest.approx(expected, abs=1e-9)
                np.testing.assert_allclose(forces, expected_forces, atol=1e-9)
    assert torch.get_default_dtype() == torch.float32
