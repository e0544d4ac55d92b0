"""Models that an input names: what the stages cannot use is refused at its line, with what to do instead."""

import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms

from naglass_drv.cli.checks import Checks
from naglass_drv.config.load import load
from naglass_drv.dataset.frames import write_frames
from naglass_drv.engines.mace.export import export_model
from naglass_drv.engines.mace.modelfile import default_dtype, save_portable
from naglass_drv.engines.mace.pickled import pickled_config
from naglass_drv.errors import InputError
from naglass_drv.stages import md
from naglass_drv.stages.base import Run
from support import taken
from support.attempts import attempt
from support.mace_models import SMALLEST, build_model, packing

INPUT = """\
name: here
system: {composition: {Na: 4, V4+: 2, P: 4, O: 16}, density_g_cm3: 2.75}
glass: {}
reference: [{name: labels, level: gfn1-xtb}]
dataset: {level: gfn1-xtb}
train:
  epochs: 1
md:
  {temperatures_K: [300], time_ps: 0.02, sample_every_fs: 5,
   model: train}
"""
MD, TRAIN = "input.yaml:10: md.model: ", "input.yaml:8: train.start_model: "


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    with default_dtype("float64"):
        one, three = (build_model(**SMALLEST, heads=heads) for heads in (["Default"], ["a", "b", "c"]))
        save_portable(one, folder / "one.mace")
        save_portable(three, folder / "three.mace")
        torch.save(three, folder / "three.model")
    export_model(folder / "one.mace", folder / "single.naglass", dtype="float32")
    export_model(folder / "one.mace", folder / "double.naglass")
    export_model(folder / "three.mace", folder / "committee.naglass", head=["a", "c"])
    # the format of torch.save before 1.6 begins like any pickle
    (folder / "pickled.model").write_bytes(pickle.dumps({}))
    (folder / "pickled.naglass").write_bytes(pickle.dumps({}))
    (folder / "portable.naglass").write_bytes((folder / "one.mace").read_bytes())
    (folder / "weights.pt").write_bytes(b"nothing")
    with zipfile.ZipFile(folder / "older.naglass", "w") as archive:
        facts = {"format": "naglass-mace", "format_version": 4, "elements": ["Na", "V", "P", "O"]}
        archive.writestr("metadata.json", json.dumps(facts))
    return folder


def read(models, *, potential: str = "train", start: str | None = None):
    text = INPUT.replace("model: train", f"model: {potential}")
    text = text.replace("epochs: 1\n", f"epochs: 1\n  start_model: {start}\n" if start else "epochs: 1\n")
    (models / "input.yaml").write_text(text)
    return load(models / "input.yaml", checks=[Checks()])


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("three.mace", "the model has several heads (a, b, c); run 'export-model {path} --head NAME' (several names "
                       "form a committee) and use the .naglass file"),
        ("pickled.model", "a pickled mace-torch model, which can run code when it is loaded; if you trust its author, "
                          "run 'export-model {path} --trust' and use the .naglass file"),
        ("pickled.naglass", "not a model exported for pair_style mace (a pickled mace-torch model, which can run code "
                            "when it is loaded; export it first)"),
        ("portable.naglass", "not a model exported for pair_style mace (a portable model; give its name the suffix "
                             ".mace)"),
        ("older.naglass", "an archive of version 4, but pair_style mace reads version 6; export the model again"),
        ("weights.pt", "not a MACE model; use a mace-torch .model file or a .mace file"),
    ],
)  # fmt: skip
def test_what_md_cannot_use_is_refused_before_a_glass_is_made(models, file, message):
    trust = f"{file}, trust: true"
    with pytest.raises(InputError) as error:
        read(models, potential=trust)
    path = models / file
    assert str(error.value) == f"{MD}{path}: {message.format(path=path)}"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("three.mace", "the model has several heads (a, b, c); name one as train.head"),
        ("pickled.model", "a pickled mace-torch model, which can run code when it is loaded; if you trust its author, "
                          "add 'trust: true' to the section train"),
        ("double.naglass", "already exported; use it in pair_coeff, or as md.model with the suffix .naglass; here, use "
                           "the .model or .mace file that it was made from"),
    ],
)  # fmt: skip
def test_what_cannot_be_refined_is_refused_before_a_label_is_made(models, file, message):
    with pytest.raises(InputError) as error:
        read(models, start=file)
    assert str(error.value) == f"{TRAIN}{models / file}: {message}"


E0 = (
    "a fine-tuned model needs isolated-atom energies; add 'E0: dataset' for those of the dataset's level (its isolated "
    "atoms), or 'E0: start_model' if the dataset is at the level of the start model"
)
NONE = "there is no start_model that this is about; name one, or remove it"


@pytest.mark.parametrize(
    ("keys", "messages"),
    [
        ("start_model: pickled.model, trust: true", [f"start_model: 'pickled.model': {E0}"]),
        ("start_model: pickled.model, trust: true, E0: dataset", []),
        ("start_model: three.model, trust: true, head: b, E0: dataset", []),
        ("start_model: three.model, trust: true, E0: dataset",
         ["start_model: {path}/three.model: the model has several heads (a, b, c); name one as train.head"]),
        ("start_model: three.mace, head: b", [f"head: 'b': {E0}"]),
        ("start_model: three.mace, head: b, E0: dataset", []),
        ("start_model: three.mace, head: d, E0: dataset", ["start_model: head 'd': {path}/three.mace has a, b, c"]),
        ("start_model: one.mace, replay: pseudolabels", [f"replay: {E0}"]),
        ("start_model: one.mace, replay: pseudolabels, E0: dataset", []),
        ("start_model: one.mace, replay: {file: frames.extxyz, weight: 2}, E0: dataset", []),
        ("start_model: one.mace, replay: {file: no.extxyz}, E0: dataset",
         ["replay.file: 'no.extxyz': no such file (looked for {path}/no.extxyz)"]),
        ("start_model: one.mace, replay: {file: iron.extxyz}, E0: dataset",
         ["replay.file: iron.extxyz: no frame has only Na, O, P, V, the elements of the dataset"]),
        ("start_model: one.mace, replay: {file: frames.extxyz, level: pbe}, E0: dataset",
         ["replay.file: {path}/frames.extxyz: frame 0: charge is None; must be an integer"]),
        ("start_model: one.mace, replay: {level: pbe}, E0: dataset",
         ["replay.level: 'pbe': the start model labels the frames of the dataset; name a file with labels"]),
        ("replay: pseudolabels, E0: dataset, trust: true",
         [f"trust: {NONE}", f"E0: {NONE}",
          "replay: there is no start_model to keep the knowledge of; name one, or remove it"]),
        ("start_model: one.mace, replay: labels, E0: dataset",
         ["replay: must be a mapping of keys and values, not \"labels\""]),
        ("start_model: one.mace, replay: {weight: 0}, E0: dataset", ["replay.weight: must be greater than 0, not 0"]),
    ],
)  # fmt: skip
def test_what_is_said_of_a_start_model_is_checked_before_a_label_is_made(models, keys, messages):
    write_frames(models / "frames.extxyz", [packing(26, 14.0)])
    iron = packing(26, 14.0)
    iron.numbers[0] = 26
    write_frames(models / "iron.extxyz", [iron])
    text = INPUT.replace("train:\n  epochs: 1\n", f"train: {{epochs: 1, {keys}}}\n")
    (models / "input.yaml").write_text(text)
    found = []
    try:
        load(models / "input.yaml", checks=[Checks()])
    except InputError as error:
        found = str(error).splitlines()
    assert sorted(found) == sorted(
        f"input.yaml:6: train.{message}".replace("{path}", str(models)) for message in messages
    )


def test_what_a_pickle_would_run_is_not_run_when_its_content_is_read(models, tmp_path):
    """A model that was tampered with: something else than a model stands where its heads should be."""

    class Hostile:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    three = torch.load(models / "three.model", weights_only=False)
    three.heads = ["a", Hostile(), "c"]
    torch.save(three, tmp_path / "hostile.model")
    config = pickled_config(tmp_path / "hostile.model")
    assert config["atomic_numbers"] == [8, 11, 15, 23] and len(config["heads"]) == 3
    assert len(config["atomic_energies"]) == 3 and not (tmp_path / "ran").exists()
    with zipfile.ZipFile(tmp_path / "other.model", "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps(OSError("no model")))
    assert pickled_config(tmp_path / "other.model") is None


def test_a_pickle_that_asks_for_much_memory_does_not_get_it(tmp_path):
    """It numbers one object as the 100 000 000th: the unpickler in C would make room for all of them."""
    with zipfile.ZipFile(tmp_path / "huge.model", "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02K\x01r\x00\xe1\xf5\x05.")
    code = (
        "import re, sys; from pathlib import Path; from naglass_drv.engines.mace.pickled import pickled_config; "
        "assert pickled_config(Path(sys.argv[1])) is None; "
        "assert int(re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1]) < 500_000"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "huge.model")], check=True, timeout=60)


def test_e0_of_another_level_are_seen_before_a_label_is_made(models):
    atoms = [Atoms(element, info={"config_type": "IsolatedAtom", "REF_energy": -1.0, "charge": 0, "multiplicity": 2,
                                  "level": "pbe-1", "group": element, "source": "here"},
                   positions=[[0, 0, 0]]) for element in ("Na", "V")]  # fmt: skip
    for atom in atoms:
        atom.set_array("REF_forces", np.zeros((1, 3)))
    write_frames(models / "atoms.extxyz", atoms)
    text = INPUT.replace("level: gfn1-xtb}\ntrain", "level: pbe, include: [atoms.extxyz]}\ntrain")
    (models / "input.yaml").write_text(text.replace("epochs: 1\n", "epochs: 1\n  start_model: one.mace\n"))
    with pytest.raises(InputError, match=r"8: train.start_model: .*E0 of Na is -0.0749 eV .* and -1.0000 eV"):
        load(models / "input.yaml", checks=[Checks()])


def test_an_archive_in_single_precision_runs_in_it(models, tmp_path):
    """By the real pair style; an archive of two heads needs no choice."""
    for file, style in (("single", "pair_style mace dtype float32"), ("double", "pair_style mace"),
                        ("committee", "pair_style mace")):  # fmt: skip
        input = read(models, potential=f"{file}.naglass", start="one.mace")
        run = Run(input, models, tmp_path)
        write_frames(run.products / "glass" / "g0.extxyz", [packing(26, 14.0)])
        (task,) = md.plan(taken.given(run, glass=taken.glasses(run, "g0")))
        assert task.settings["commands"][0] == style
        assert md.run(attempt(task, tmp_path / file))["reached_ps"] == pytest.approx(0.02)
