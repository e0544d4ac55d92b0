"""The kinds of MACE model that the short tests leave out, and that all that is called handled is in one of them."""

import inspect

import numpy as np
import pytest

from naglass_drv.engines.mace.modelfile import default_dtype, import_torch
from support.mace_bench import Bench, assert_close, mace_pair, script
from support.mace_models import build_model, packing

# e3nn's constants can be read only after this
torch = import_torch()

import mace.modules  # noqa: E402

from support.mace_kinds import ARGUMENTS, GATES, HANDLED, HEADS, KINDS, USUAL  # noqa: E402

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
    assert_close(result["c_energy"][:, 0], expected["energies"], 1e-12)
    if KINDS[name].get("radial_type") == "chebyshev":
        # PyTorch does not differentiate the basis
        assert np.abs(result["f"] - expected["f"]).max() > 1e-3 * np.abs(expected["f"]).max()
        assert_close(result["f"][0], _slopes(bench, name, 0), 1e-6)
    else:
        assert_close(result["f"], expected["f"], 1e-9)
        assert_close(result["stress"], expected["stress"], 1e-9)


def _slopes(bench: Bench, name: str, atom: int) -> np.ndarray:
    """Force on an atom from energies of mace-torch (eV/Å), by central differences of fourth order."""
    step, slopes = 2e-3, np.zeros(3)
    for axis in range(3):
        for shift, weight in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
            moved = ATOMS.copy()
            moved.positions[atom, axis] += shift * step
            slopes[axis] -= weight * bench.reference(name, moved)["energy"] / (12 * step)
    return slopes


def test_what_is_called_handled_is_in_the_models_that_ran():
    with default_dtype("float64"):
        models = {kind: build_model(**KINDS[kind]) for kind in set(HANDLED.values())}
    for name, kind in HANDLED.items():
        assert name in {type(module).__name__ for module in models[kind].modules()}, name
    defaults = inspect.signature(mace.modules.MACE).parameters
    for name, kind in ARGUMENTS.items():
        assert kind is None or KINDS[kind][name] != defaults[name].default, name
    for name, kind in GATES.items():
        assert KINDS[kind].get("gate", torch.nn.functional.silu) is mace.modules.gate_dict[name]
