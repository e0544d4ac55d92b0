"""An archive of a model that others made is loaded with the user's word only."""

import shutil
import zipfile

import pytest

from naglass_drv import paths
from naglass_drv.cli.main import main
from naglass_drv.config.load import load
from naglass_drv.errors import InputError

INPUT = """name: x
system: {composition: {Na: 4, V4+: 2, P: 4, O: 16}, density_g_cm3: 2.75}
glass: {}
md:
  temperatures_K: [300]
  time_ps: 1
"""


def written(folder, more: str):
    with zipfile.ZipFile(folder / "theirs.naglass", "w") as archive:
        archive.writestr("pieces/edge.pt", b"code")
    with zipfile.ZipFile(folder / "numbers.naglass", "w") as archive:
        archive.writestr("model.json", b"{}")
    (folder / "theirs.mace").write_bytes(b"portable")
    (folder / "input.yaml").write_text(INPUT + more)
    return folder / "input.yaml"


def test_an_archive_of_others_needs_trust(tmp_path, capsys):
    path = written(tmp_path, "  model: theirs.naglass\n")
    assert main(["validate", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        "input.yaml:7: md.model: 'theirs.naglass': the archive contains TorchScript" in line and "trust: true" in line
    )
    with pytest.raises(InputError, match="trust: true"):
        load(written(tmp_path, "  model: theirs.naglass\n  trust: false\n"))
    with pytest.raises(InputError, match="md.trust: must be a valid boolean"):
        load(written(tmp_path, "  model: theirs.naglass\n  trust: maybe\n"))


def test_the_users_word_a_portable_model_and_the_runs_own_are_enough(tmp_path):
    assert load(written(tmp_path, "  model: theirs.naglass\n  trust: true\n")).md.trust
    assert not load(written(tmp_path, "  model: theirs.mace\n")).md.trust
    assert not load(written(tmp_path, "  model: numbers.naglass\n")).md.trust
    own = "  model: train\ntrain: {epochs: 1}\ndataset: {level: gfn1-xtb, include: [theirs.mace]}\n"
    assert load(written(tmp_path, own)).md.model == "train"


def test_gpus_are_not_left_idle_by_an_archive_for_cpus(tmp_path):
    with pytest.raises(InputError, match=r"yaml:8: md.gpus: 2: 'numbers.naglass' contains only numbers"):
        load(written(tmp_path, "  model: numbers.naglass\n  gpus: 2\n"))
    assert load(written(tmp_path, "  model: theirs.naglass\n  trust: true\n  gpus: 2\n")).md.gpus == 2
    assert load(written(tmp_path, "  model: theirs.mace\n  gpus: 2\n")).md.gpus == 2


def test_what_lies_inside_the_package_needs_no_word_but_a_link_out_of_it_does(tmp_path, monkeypatch):
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setattr(paths, "_PACKAGE", package)
    path = written(tmp_path, f"  model: {package}/inside.naglass\n")
    shutil.copy(tmp_path / "theirs.naglass", package / "inside.naglass")
    load(path)
    (package / "inside.naglass").unlink()
    (package / "inside.naglass").symlink_to(tmp_path / "theirs.naglass")
    with pytest.raises(InputError, match="trust: true"):
        load(path)
