"""The kinds of MACE model that the short tests leave out: other combinations of the same blocks and options."""

import pytest

from support.mace_bench import Bench, assert_close, mace_pair, script
from support.mace_kinds import HEADS, KINDS, USUAL
from support.mace_models import packing

pytestmark = pytest.mark.mpi

OTHERS = {name: kind for name, kind in KINDS.items() if name not in USUAL}
ATOMS = packing(12, 14.0, tilt=True, seed=1)


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("models"), OTHERS, {"glass": ATOMS}, HEADS)


@pytest.fixture(scope="module")
def found(bench):
    return bench.run({name: script("glass", mace_pair(name)) for name in OTHERS}, 2)


@pytest.mark.parametrize("name", OTHERS)
def test_equals_mace_torch(bench, found, name):
    result, expected = found[name], bench.reference(name, ATOMS)
    assert "error" not in result, result["error"]
    assert_close(result["energy"], expected["energy"], 1e-12)
    assert_close(result["f"], expected["f"], 1e-9)
    assert_close(result["stress"], expected["stress"], 1e-9)
    assert_close(result["c_energy"][:, 0], expected["energies"], 1e-12)
