"""A model file in which bytes are changed, or numbers are missing or not finite, is refused before anything runs."""

import io
import json
import zipfile

import numpy as np
import pytest

from naglass_drv.cli.main import main
from naglass_drv.engines.mace.export import export_model
from naglass_drv.engines.mace.facts import potential_facts, start_energies
from naglass_drv.engines.mace.modelfile import default_dtype, save_portable
from naglass_drv.engines.mace.whole import check_whole
from naglass_drv.errors import InputError
from support.mace_models import SMALLEST, build_model

pytestmark = pytest.mark.slow
WEIGHT = "state/products.0.linear.weight.npy"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A portable model and its archive."""
    folder = tmp_path_factory.mktemp("models")
    with default_dtype("float64"):
        save_portable(build_model(**SMALLEST), folder / "m.mace")
    export_model(folder / "m.mace", folder / "m.naglass")
    return folder


def entries(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def flipped(content, name):
    """One bit in the middle of an entry, in the file as it is stored."""

    def spoil(path):
        written(path, content)
        data = bytearray(path.read_bytes())
        data[data.find(content[name]) + len(content[name]) // 2] ^= 1
        path.write_bytes(data)

    return spoil


def array(values):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def changed(content, **others):
    """`content` with an entry changed; None takes it away."""
    return lambda path: written(path, {k: v for k, v in (content | others).items() if v is not None})


def endless(content):
    """Its configuration with a shift that is no number."""
    head = json.loads(content["config.json"])
    head["config"]["atomic_inter_shift"] = float("nan")
    return {"config.json": json.dumps(head)}


def portable_faults(content):
    weight = np.load(io.BytesIO(content[WEIGHT]))
    name = WEIGHT[6:-4]
    yield flipped(content, WEIGHT), f"damaged: {WEIGHT} is not what was written; copy the model again"
    yield changed(content, **{WEIGHT: None}), f"damaged: {name} is missing"
    yield changed(content, **{WEIGHT: array(weight[:-1])}), f"damaged: {name} is of shape"
    yield changed(content, **{WEIGHT: array(np.full_like(weight, np.inf))}), f"{name} has values that are not finite"
    yield changed(content, **endless(content)), "atomic_inter_shift has values that are not finite"


def archive_faults(content):
    weights = np.frombuffer(content["weights.bin"]).copy()
    yield flipped(content, "weights.bin"), "damaged: weights.bin is not what was written; copy the model again"
    yield changed(content, **{"weights.bin": content["weights.bin"][:-8]}), "damaged: weights.bin ends before"
    weights[-1] = np.nan
    yield changed(content, **{"weights.bin": weights.tobytes()}), "has values that are not finite"


def test_a_portable_model(sound, tmp_path):
    assert potential_facts(sound / "m.mace").elements and start_energies(sound / "m.mace")
    for number, (spoil, says) in enumerate(portable_faults(entries(sound / "m.mace"))):
        path = tmp_path / f"{number}.mace"
        spoil(path)
        for read in (potential_facts, start_energies):
            with pytest.raises(InputError, match=says):
                read(path)


def test_a_file_without_the_list_of_its_arrays_is_taken(sound, tmp_path):
    content = entries(sound / "m.mace")
    head = json.loads(content["config.json"])
    del head["arrays"]
    written(tmp_path / "old.mace", content | {"config.json": json.dumps(head)})
    assert potential_facts(tmp_path / "old.mace") == potential_facts(sound / "m.mace")


def test_an_archive(sound, tmp_path):
    assert potential_facts(sound / "m.naglass").elements
    for number, (spoil, says) in enumerate(archive_faults(entries(sound / "m.naglass"))):
        path = tmp_path / f"{number}.naglass"
        spoil(path)
        with pytest.raises(InputError, match=says):
            potential_facts(path)


def test_a_pickled_model(tmp_path):
    """Of a zip file the checksums hold; a bare pickle, as torch before 1.6 wrote it, has none."""
    import torch

    model = {"weight": torch.ones(100)}
    torch.save(model, tmp_path / "bare.model", _use_new_zipfile_serialization=False)
    torch.save(model, tmp_path / "zip.model")
    for name in ("bare", "zip"):
        check_whole(tmp_path / f"{name}.model")
    data = (tmp_path / "zip.model").read_bytes()
    ones = model["weight"].numpy().tobytes()
    assert data.count(ones) == 1
    (tmp_path / "zip.model").write_bytes(data.replace(ones, b"\0" + ones[1:-1] + b"\0"))
    with pytest.raises(InputError, match="zip/data/0 is not what was written"):
        check_whole(tmp_path / "zip.model")


INPUT = """\
name: one
system: {composition: {Na: 4, V4+: 2, P: 4, O: 16}, density_g_cm3: 2.75}
glass: {model: m.mace}
reference:
  - {name: a, level: {name: mlip, family: mace, model: m.mace}}
dataset: {level: mace-m.mace}
train: {epochs: 5, start_model: m.mace}
md: {model: m.mace, temperatures_K: [600], time_ps: 1}
screen: {potentials: ["mace:m.mace"], labels: dataset}
"""


def test_validate_names_every_place(sound, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.yaml").write_text(INPUT)
    flipped(entries(sound / "m.mace"), WEIGHT)(tmp_path / "m.mace")
    assert main(["validate", "input.yaml"]) == 2
    told = capsys.readouterr().err
    for place in ("glass.model", "reference[0].level.model", "train.start_model", "md.model", "screen.potentials[0]"):
        assert f"{place}: " in told, told
    assert told.count("is not what was written") == 5
