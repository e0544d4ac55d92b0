"""Every kind of MACE model that the export accepts, in LAMMPS and in mace-torch, and those it rejects by name."""

import copy
import importlib
import inspect
import pkgutil

import pytest

from naglass_drv.cli.main import main
from naglass_drv.engines.mace.export import export_module
from naglass_drv.engines.mace.modelfile import default_dtype, import_torch
from naglass_drv.errors import InputError
from support.mace_bench import Bench, assert_close, mace_pair, script
from support.mace_models import build_model, packing

# e3nn's constants can be read only after this
torch = import_torch()

import mace.calculators  # noqa: E402
import mace.modules  # noqa: E402
import mace.tools  # noqa: E402
from e3nn import o3  # noqa: E402
from mace.modules.lora import inject_lora, merge_lora_weights  # noqa: E402
from mace.modules.wrapper_ops import CuEquivarianceConfig, OEQConfig  # noqa: E402

from support import mace_kinds  # noqa: E402
from support.mace_kinds import ARGUMENTS, GATES, HANDLED, HEADS, KINDS, REFUSED, USUAL  # noqa: E402

pytestmark = pytest.mark.mpi

ATOMS = packing(12, 14.0, tilt=True, seed=1)
GATED = [name for name in USUAL if mace_kinds.GATED in KINDS[name].values()]


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    with default_dtype("float64"):
        old = mace_kinds.aged(build_model(max_ell=2, correlation=3))
    with default_dtype("float32"):
        # constants of blocks are rounded when the model is made, and stay so when it is widened
        narrow = build_model("4x0e+4x1o", max_ell=2, distance_transform="Agnesi").double()
    models = {name: KINDS[name] for name in USUAL} | {"old": old, "narrow": narrow}
    return Bench(tmp_path_factory.mktemp("models"), models, {"glass": ATOMS}, HEADS)


@pytest.fixture(scope="module")
def found(bench):
    return bench.run({name: script("glass", mace_pair(name)) for name in bench.models}, 2)


@pytest.fixture(scope="module")
def references(bench):
    return {name: bench.reference(name, ATOMS) for name in bench.models}


def assert_equal(result, expected):
    assert "error" not in result, result["error"]
    assert_close(result["energy"], expected["energy"], 1e-12)
    assert_close(result["f"], expected["f"], 1e-9)
    assert_close(result["stress"], expected["stress"], 1e-9)
    assert_close(result["c_energy"][:, 0], expected["energies"], 1e-12)


@pytest.mark.parametrize("name", [*USUAL, "old", "narrow"])
def test_equals_mace_torch(found, references, name):
    assert_equal(found[name], references[name])


def test_gated_blocks_on_one_rank(bench, references):
    """One rank, with and without exchange."""
    cases = {
        f"{name}|{option}": script("glass", mace_pair(name, options=option))
        for name in GATED
        for option in ("", "single_rank")
    }
    cases = {name: case | {"script": "atom_modify map yes\n" + case["script"]} for name, case in cases.items()}
    for name, result in bench.run(cases).items():
        assert_equal(result, references[name.partition("|")[0]])


def classes() -> dict[str, type]:
    """Every torch module that mace-torch defines, by name."""
    found = {}
    for package in (mace.modules, mace.calculators, mace.tools):
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            for name, kind in vars(importlib.import_module(info.name)).items():
                own = inspect.isclass(kind) and kind.__module__ == info.name != mace_kinds.LOSSES
                if own and issubclass(kind, torch.nn.Module):
                    assert found.setdefault(name, kind) is kind
    return found


def test_every_class_of_mace_torch_is_decided():
    assert set(classes()) - mace_kinds.NO_BLOCKS == set(HANDLED) | REFUSED and not set(HANDLED) & REFUSED
    assert set(mace.modules.interaction_classes) | set(mace.modules.readout_classes) <= set(HANDLED) | REFUSED
    assert set(mace.modules.gate_dict) == set(GATES)
    optional = {
        name
        for kind in (mace.modules.MACE, mace.modules.ScaleShiftMACE)
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is not parameter.empty
    }
    assert optional == set(ARGUMENTS)


def refused(model, folder, match, **options):
    with pytest.raises(InputError, match=match):
        export_module(model, folder / "m.naglass", **options)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_classes_are_named(bench, tmp_path, name):
    """As the model, or anywhere inside one; without constructors, since some need packages that are not installed."""
    kind = classes()[name]
    block = kind.__new__(kind)
    torch.nn.Module.__init__(block)
    refused(block, tmp_path, name)
    model = copy.deepcopy(bench.models["one-layer"])
    model.interactions[0].extra = block
    refused(model, tmp_path, name)


def dipoles(kind, **more):
    """A dipole model, with the arguments its constructor needs instead of energies."""
    more = dict(hidden="4x0e+4x1o+4x2e", kind=kind, MLP_irreps=o3.Irreps("4x0e+4x1o+4x2e")) | more
    return small(**more)


def small(**more):
    return build_model(**(dict(layers=1, correlation=1) | more))


def with_lora():
    model = small()
    inject_lora(model)
    return model


def with_layout():
    model = small()
    for block in (*model.interactions, *model.products):
        block.cueq_config = CuEquivarianceConfig(layout_str="ir_mul")
    return model


EMBEDDING = {"charge": {"type": "continuous", "per": "graph", "in_dim": 1, "emb_dim": 4}}
BUILT = {
    "AtomicDipolesMACE": lambda: dipoles("AtomicDipolesMACE", atomic_energies=None),
    "AtomicDielectricMACE": lambda: dipoles("AtomicDielectricMACE", atomic_energies=None),
    "EnergyDipolesMACE": lambda: dipoles("EnergyDipolesMACE"),
    "RealAgnosticAttResidualInteractionBlock": lambda: small(first="RealAgnosticAttResidualInteractionBlock"),
    "GenericJointEmbedding": lambda: small(embedding_specs=EMBEDDING),
    "embedding_readout": lambda: small(embedding_specs=EMBEDDING, use_embedding_readout=True),
    "LoRAFCLayer, LoRAO3Linear: not supported by the export; merge them by": with_lora,
    "cuequivariance layout: convert the model with mace_cueq_to_e3nn": with_layout,
    "conv_fusion of openequivariance": lambda: small(oeq_config=OEQConfig()),
}


@pytest.mark.parametrize("message", BUILT)
def test_whole_models_are_refused_at_the_command_line(tmp_path, capsys, message):
    with default_dtype("float64"):
        torch.save(BUILT[message](), tmp_path / "m.model")
    assert main(["export-model", str(tmp_path / "m.model"), "--trust"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{tmp_path}/m.model: ") and message in line
    assert [path.name for path in tmp_path.iterdir()] == ["m.model"]


def test_merged_lora_is_an_ordinary_model(tmp_path):
    with default_dtype("float64"):
        export_module(merge_lora_weights(with_lora()), tmp_path / "m.naglass")


def test_foreign_and_altered_blocks(bench, tmp_path):
    """Models that no constructor of mace-torch makes, but that a script may have modified before saving."""

    class ShellCorrection(torch.nn.Module):
        pass

    class LinearReadoutBlock(torch.nn.Module):
        """Of a known name only."""

    def altered(change):
        model = copy.deepcopy(bench.models["old"])
        change(model)
        return model

    refused(altered(lambda m: m.add_module("correction", ShellCorrection())), tmp_path, "ShellCorrection")
    refused(altered(lambda m: m.add_module("more", LinearReadoutBlock())), tmp_path, f"{__name__}.LinearReadoutBlock")
    refused(altered(lambda m: setattr(m.readouts[0], "forward", abs)), tmp_path, "LinearReadoutBlock: its forward")
    refused(altered(lambda m: m.readouts[0].register_forward_hook(print)), tmp_path, "LinearReadoutBlock: .* hooks")
    refused(altered(lambda m: setattr(m, "readouts", torch.nn.ModuleList())), tmp_path, "no readout")
    refused(altered(lambda m: setattr(m.spherical_harmonics, "normalize", False)), tmp_path, "normalize=False")
    refused(altered(lambda m: setattr(m, "r_max", torch.tensor([3.0, 4.0]))), tmp_path, "r_max has 2 values")
    refused(altered(lambda m: m.readouts[0].linear.weight.data.fill_(float("nan"))), tmp_path, "not finite")
    refused(altered(lambda m: delattr(m.products[0], "use_sc")), tmp_path, "use_sc")
    refused(torch.nn.Linear(2, 2), tmp_path, "Linear: not supported by the export")
    refused(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path, "TorchScript")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_known_name_with_other_content(bench, tmp_path, monkeypatch, dtype):
    """A later mace-torch may change what a block does and keep its name: the pieces are compared with the model."""
    block = mace.modules.RealAgnosticResidualInteractionBlock
    plain = block.forward

    def changed(self, **inputs):
        features, sc = plain(self, **inputs)
        return 1.1 * features, sc

    monkeypatch.setattr(block, "forward", changed)
    message = r"m.model: the energy of the model differs from that of its blocks by .*mace-torch 0\.3"
    refused(bench.models["one-layer"], tmp_path, message, source="m.model", dtype=dtype)
