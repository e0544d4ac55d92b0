"""What export-model says to files that hold no model, hold it in another form, or mean harm: one line, and exit 2."""

import io
import json
import os
import pickle
import subprocess
import sys
import types
import zipfile
from importlib.metadata import version

import ase.io
import numpy as np
import pytest

from naglass_drv import __version__
from naglass_drv.cli.main import main
from naglass_drv.engines.mace.modelfile import default_dtype, import_torch, save_portable
from support.mace_models import build_model, give_moments, packing

pytestmark = pytest.mark.slow

torch = import_torch()
MARKER = "opened"


@pytest.fixture(scope="module")
def model():
    with default_dtype("float64"):
        return build_model("4x0e", layers=1, correlation=1)


class Harm:
    """Unpickles to a call that leaves a file in the working directory."""

    def __reduce__(self):
        return open, (MARKER, "w")


def zipped(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def unzipped(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repacked(path, model, **change):
    """A portable file where entries have another content, or more of them."""
    save_portable(model, path)
    zipped(path, unzipped(path) | change)


def array_of(shape):
    """A .npy file that ends after its header."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def declared(path, size):
    """A zip whose directory says that its config.json is `size` bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.filelist[0].file_size = size


def cut(path, model):
    torch.save(model, path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3])


def truncated_pickle(path, model):
    """A whole zip around half a pickle."""
    torch.save(model, path)
    entries = unzipped(path)
    (pickled,) = (name for name in entries if name.endswith("/data.pkl"))
    zipped(path, entries | {pickled: entries[pickled][:1000]})


def mliap(path, model):
    from mace.calculators.lammps_mliap_mace import LAMMPS_MLIAP_MACE

    torch.save(LAMMPS_MLIAP_MACE(model), path)


def checkpoint(path, model):
    from mace.tools.checkpoint import CheckpointBuilder, CheckpointState

    optimizer = torch.optim.Adam(model.parameters(), amsgrad=True)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    torch.save(CheckpointBuilder.create_checkpoint(CheckpointState(model, optimizer, schedule)), path)


NO_MODEL = "a zip file without a MACE model"
BARE = {"format": "naglass-portable-mace", "format_version": 1}
WEIGHTS = "contains only weights (a state dict or a training checkpoint)"
# name of the file, what makes it (path, model), what the message says
FILES = {
    "absent": ("m.model", lambda p, m: None, "no such file"),
    "folder": ("m.model", lambda p, m: p.mkdir(), "not a file"),
    "pipe": ("m.model", lambda p, m: os.mkfifo(p), "not a file"),
    "empty": ("m.model", lambda p, m: p.touch(), "not a MACE model"),
    "text": ("m.model", lambda p, m: p.write_text("no model\n"), "not a MACE model"),
    "half a zip": ("m.model", lambda p, m: cut(p, m), "a damaged zip file"),
    "half a pickle": ("m.model", truncated_pickle, "a damaged pickle"),
    "pickled": ("m.model", lambda p, m: torch.save(m, p), "repeat with --trust"),
    "harmful": ("m.model", lambda p, m: torch.save(Harm(), p), "repeat with --trust"),
    "harmful, by another name": ("m.mace", lambda p, m: torch.save(Harm(), p), "repeat with --trust"),
    "harmful, bare pickle": ("m.pt", lambda p, m: p.write_bytes(pickle.dumps(Harm())), "repeat with --trust"),
    "harmful among weights": ("m.pt", lambda p, m: torch.save({"x": Harm(), **m.state_dict()}, p), "with --trust"),
    "state dict": ("m.pt", lambda p, m: torch.save(m.state_dict(), p), WEIGHTS),
    "checkpoint": ("m_epoch-3.pt", checkpoint, WEIGHTS),
    "compiled": (
        "m.model-lammps.pt",
        lambda p, m: torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), p),
        "a compiled (TorchScript) model, as mace_create_lammps_model makes; use the .model file",
    ),
    "mliap": ("m.model-mliap_lammps.pt", mliap, "made for pair_style mliap; use the .model file"),
    "exported": ("m.x", lambda p, m: zipped(p, {"metadata.json": '{"format": "naglass-mace"}'}), "already exported"),
    "other zip": ("m.mace", lambda p, m: zipped(p, {"readme": "hello"}), NO_MODEL),
    "nested": ("m.mace", lambda p, m: zipped(p, {"config.json": "[" * 100000}), NO_MODEL),
    "no object": ("m.mace", lambda p, m: zipped(p, {"config.json": "[1]"}), NO_MODEL),
    "no class": ("m.mace", lambda p, m: zipped(p, {"config.json": json.dumps(BARE)}), "damaged ('class')"),
    "bomb": (
        "m.mace",
        lambda p, m: zipped(p, {"config.json": bytes((64 << 20) + 1)}, zipfile.ZIP_DEFLATED),
        "config.json has 67108865 bytes when unpacked",
    ),
    "declared bomb": ("m.mace", lambda p, m: declared(p, 1 << 42), "4398046511104 bytes when unpacked"),
    "terabytes": ("m.mace", lambda p, m: repacked(p, m, **{"state/r_max.npy": array_of((10**12,))}), "damaged"),
    "path escape": ("m.mace", lambda p, m: repacked(p, m, **{"state/../../x.npy": array_of((0,))}), "../../x"),
}


@pytest.mark.parametrize("name", FILES)
def test_refused(model, tmp_path, monkeypatch, capsys, name):
    file, make, message = FILES[name]
    monkeypatch.chdir(tmp_path)
    path = tmp_path / file
    make(path, model)
    before = sorted(tmp_path.rglob("*"))
    assert main(["export-model", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{path}: ") and message in line
    assert sorted(tmp_path.rglob("*")) == before


def test_trust_opens_what_is_pickled(model, tmp_path, monkeypatch, capsys):
    """The harm of the test above is real; with trust, what holds no model is still refused, and a model is taken."""
    monkeypatch.chdir(tmp_path)
    for content, message in (
        (Harm(), "contains a TextIOWrapper, not a complete model"),
        ({"model": model}, "contains a dict, not a complete model"),
    ):
        torch.save(content, "m.model")
        assert main(["export-model", "m.model", "--trust"]) == 2
        assert message in capsys.readouterr().err
    assert os.path.exists(MARKER)
    torch.save(model, "m.model")
    assert main(["export-model", "m.model", "--trust"]) == 0
    assert capsys.readouterr().out == "m.naglass\n"


def test_a_model_that_needs_a_package(tmp_path, monkeypatch, capsys):
    """As one with blocks of cuequivariance does where that is not installed."""
    package = types.ModuleType("cuequivariance_torch")
    package.Linear = type("Linear", (torch.nn.Module,), {"__module__": "cuequivariance_torch"})
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "cuequivariance_torch", package)
        torch.save(package.Linear(), tmp_path / "m.model")
    assert main(["export-model", str(tmp_path / "m.model"), "--trust"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "needs the Python package cuequivariance_torch" in line and "mace_cueq_to_e3nn" in line


def test_unreadable(model, tmp_path, monkeypatch, capsys):
    save_portable(model, tmp_path / "m.mace").chmod(0)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    root = os.geteuid() == 0
    if root:
        # rights do not bind root: become nobody for a moment
        os.seteuid(65534)
    try:
        assert main(["export-model", "m.mace"]) == 2
    finally:
        if root:
            os.seteuid(0)
    assert capsys.readouterr().err == "m.mace: Permission denied\n"


def test_where_the_archive_goes(model, tmp_path, capsys):
    path = save_portable(model, tmp_path / "m.mace")
    content = path.read_bytes()
    places = {path: "is itself an input", tmp_path: "is a folder", path / "m.naglass": "cannot be written"}
    for target, message in places.items():
        assert main(["export-model", str(path), "-o", str(target)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert str(target) in line and message in line
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


def test_heads_at_the_command_line(tmp_path, capsys):
    with default_dtype("float64"):
        path = save_portable(build_model("4x0e", layers=1, correlation=1, heads=["cheap", "full"]), tmp_path / "m.mace")
    command = ["export-model", str(path)]
    assert main(command) == 2
    assert capsys.readouterr().err == f"{path}: the model has several heads; choose from cheap, full\n"
    assert main([*command, "--head", "dear"]) == 2
    assert capsys.readouterr().err == f"{path}: head 'dear': must be one of cheap, full\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.mace"]
    assert main([*command, "--head", "full", "--dtype", "float32"]) == 0
    meta = metadata(tmp_path / "m.naglass")
    assert [head["name"] for head in meta["heads"]] == ["full"]
    assert (meta["dtype"], meta["source"], meta["outputs"]) == ("float32", "m.mace", [])
    assert meta["versions"] == {"naglass": __version__} | {
        name: version(name) for name in ("mace-torch", "torch", "e3nn")
    }


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with a model saved twice, what `export-model` made of it in two processes, and what they printed."""
    folder, printed = tmp_path_factory.mktemp("exported"), []
    with default_dtype("float64"):
        model = build_model("4x0e", layers=1, correlation=1)
    for name in ("m.mace", "again.mace"):
        save_portable(model, folder / name)
    for seed in "12":
        command = [sys.executable, "-m", "naglass_drv", "export-model", "m.mace", f"{seed}.naglass"]
        own = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=own)
        printed.append((done.returncode, done.stdout, done.stderr))
    return folder, printed


def test_a_model_is_exported_without_noise(exported):
    """mace-torch prints and e3nn warns when they are imported, which is no news to who exports."""
    assert exported[1] == [(0, "1.naglass\n", ""), (0, "2.naglass\n", "")]


def test_the_same_model_gives_the_same_bytes(exported):
    """Neither the time nor the order of a set of names, which differs from process to process, is part of a file."""
    folder, _ = exported
    for one, other in (("m.mace", "again.mace"), ("1.naglass", "2.naglass")):
        assert (folder / one).read_bytes() == (folder / other).read_bytes()
    for path in (folder / "m.mace", folder / "1.naglass"):
        with zipfile.ZipFile(path) as archive:
            assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_an_archive_is_named_once(tmp_path, capsys):
    with default_dtype("float64"):
        path = save_portable(build_model("4x0e", layers=1, correlation=1), tmp_path / "m.mace")
    assert main(["export-model", str(path), str(tmp_path / "a.naglass"), "-o", str(tmp_path / "b.naglass")]) == 2
    assert "the archive is given twice" in capsys.readouterr().err
    assert main(["export-model", str(path), str(path)]) == 2
    assert "is itself an input" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.mace"]


def metadata(path):
    return json.loads(unzipped(path)["metadata.json"])


def test_fit_spin_at_the_command_line(model, tmp_path, capsys):
    """The archive carries the output; a model that could not be exported is refused before the fit."""
    frames = [packing(26, 14.0, seed=seed) for seed in range(3)]
    give_moments(model, frames)
    for k, frame in enumerate(frames):
        frame.info["group"] = f"g{k}"
    ase.io.write(tmp_path / "frames.extxyz", frames)
    path = save_portable(model, tmp_path / "m.mace")
    command = ["fit-spin", str(path), str(tmp_path / "frames.extxyz")]
    before = sorted(tmp_path.iterdir())
    assert main([*command, "--head", "dear"]) == 2
    output = capsys.readouterr()
    assert output.err == f"{path}: head 'dear': must be one of Default\n" and not output.out
    assert sorted(tmp_path.iterdir()) == before
    assert main(command) == 0
    assert metadata(tmp_path / "m.naglass")["outputs"] == [
        {"name": "spin", "unit": "muB", "columns": 1, "labels": "hirshfeld"}
    ]
