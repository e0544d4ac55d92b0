"""Products of one run in the input of another: found by their manifests, and refused if they are not what these say."""

import json
import os
import shutil
import zipfile

import pytest

from naglass_drv.cli.checks import Checks
from naglass_drv.cli.main import main
from naglass_drv.config.load import load, load_study
from naglass_drv.dataset.frames import write_frames
from naglass_drv.errors import InputError
from naglass_drv.files import write_bytes
from naglass_drv.products import Dataset, Model, Structures
from naglass_drv.runtime.keys import Keys
from naglass_drv.runtime.store import Store
from naglass_drv.runtime.task import Task
from support.labeled import cell

INPUT = """\
name: here
system: {composition: {Na: 4, P: 4, O: 12}, density_g_cm3: 2.5}
reference:
  - name: a
    level: gfn1-xtb
    structures: {from: ../other, product: half/glass/g0/structure}
dataset:
  level: made
  include:
    - {from: ../other, product: dataset/train}
"""
TRAIN = "products/dataset/train.extxyz"
SUMMARY = "products/dataset/dataset.json"
E0 = {"level": "made-h0a1b2c", "E0_eV": {"Na": -1.0, "O": -5.0}}
MODEL = "products/train/model/model.nmace"


def keep(store: Store, step: str, product, settings: dict) -> None:
    """The product of a step with one task that is done."""
    keys = Keys(lambda tool: "1")
    for ticket in store.plan(step, [Task(step.rpartition("/")[2], "task", settings)], keys):
        store.complete(ticket, store.claim(ticket, 1), {})
    done = store.finished(step)
    store.keep(step, type(product)(files=product.files, tasks=tuple(item.record for item in done)), "these tasks", keys)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a run with a glass of one system and a dataset."""
    folder = tmp_path_factory.mktemp("made") / "other"
    store = Store(folder)
    glass, train = folder / "products" / "half" / "glass" / "g0.extxyz", folder / TRAIN
    write_frames(glass, [cell("Na4P4O12")])
    write_frames(train, [cell("Na2O", k) for k in range(3)])
    keep(store, "half/glass", Structures(files={"g0/structure": glass}), {"a": 1})
    summary = folder / SUMMARY
    write_bytes(summary, json.dumps(E0).encode())
    keep(store, "dataset", Dataset(files={"train": train, "summary": summary}), {"a": 1})
    portable, table = folder / MODEL, folder / "products/train/model/train.json"
    write_bytes(portable, b"model")
    write_bytes(table, b"{}")
    keep(store, "train", Model(files={"portable": portable, "summary": table}), {"a": 1})
    return folder


@pytest.fixture
def other(made, tmp_path):
    """A copy of it, to be spoiled, beside the folder `here` of the input."""
    (tmp_path / "here").mkdir()
    return shutil.copytree(made, tmp_path / "other")


def write(other, text: str = INPUT):
    path = other.parent / "here" / "input.yaml"
    path.write_text(text)
    return path


def refused(other, text: str = INPUT) -> str:
    with pytest.raises(InputError) as error:
        load(write(other, text), checks=[Checks()])
    return str(error.value)


def test_a_product_stands_for_its_file(other, capsys):
    path = write(other)
    input = load(path, checks=[Checks()])
    assert [str(file) for file in input.dataset.include] == [f"../other/{TRAIN}", f"../other/{SUMMARY}"]
    assert str(input.reference[0].structures) == "../other/products/half/glass/g0.extxyz"
    assert main(["validate", str(path)]) == 0
    assert "1 label gfn1-xtb, up to 20 atoms" in capsys.readouterr().out
    assert main(["estimate", str(path)]) == 0, capsys.readouterr().err


def test_a_copied_run_is_as_good_as_the_first_one(other):
    """The manifest has no absolute paths, and times of files do not count."""
    (other / TRAIN).touch()
    load(write(other))


@pytest.mark.parametrize("key", ["train.start_model", "md.model", "md.structures"])
def test_models_and_structures_may_be_products_too(other, key):
    section, _, name = key.partition(".")
    required = {"train": "epochs: 1", "md": "temperatures_K: [300], time_ps: 1"}[section]
    product, file = ("dataset/train", TRAIN) if name == "structures" else ("train/portable", MODEL)
    value = f"{{from: ../other, product: {product}}}"
    text = INPUT + f"{section}: {{{required}, {name}: {value}}}\n"
    text += "train: {epochs: 1}\nglass: {}\n" if section == "md" else ""
    assert str(getattr(getattr(load(write(other, text)), section), name)) == f"../other/{file}"


def test_the_frames_of_a_replay_may_be_a_product(other):
    text = INPUT + "train: {epochs: 1, start_model: {from: ../other, product: train/portable}, E0: dataset,"
    text += " replay: {file: {from: ../other, product: dataset/train}}}\n"
    assert str(load(write(other, text)).train.replay.file) == f"../other/{TRAIN}"


def test_a_system_may_override_with_a_product(other):
    text = INPUT.replace("system: {comp", "systems:\n  - {name: s, reference: {a: {structures: PRODUCT}}, comp")
    text = text.replace("{from: ../other, product: half/glass/g0/structure}", "absent.extxyz")
    good = text.replace("PRODUCT", "{from: ../other, product: half/glass/g0/structure}")
    study = load_study(write(other, good))
    assert str(study.systems["s"].reference[0].structures) == "../other/products/half/glass/g0.extxyz"
    assert refused(other, text.replace("PRODUCT", "{from: ../other, product: half/glass/g1/structure}")) == (
        "input.yaml:3: systems[0].reference.a.structures: ../other: has no half/glass/g1/structure; the product of "
        "half/glass has half/glass/g0/structure"
    )


def edit(path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def spoil_file(other):
    with open(other / TRAIN, "a") as stream:
        stream.write("\n")


def spoil_size_kept(other):
    text = (other / TRAIN).read_text()
    (other / TRAIN).write_text(text[:-2] + ("1" if text[-2] != "1" else "2") + text[-1])


def lead_out_by_link(other):
    (other / TRAIN).rename(other.parent / "train.extxyz")
    (other / TRAIN).symlink_to(other.parent / "train.extxyz")


def manifest(other):
    return other / "products" / "dataset" / "manifest.json"


def plan_anew(other):
    Store(other).plan("dataset", [Task("dataset", "task", {"a": 2})], Keys(lambda tool: "1"))


def replaced_by_a_pipe(other):
    path = next((other / "products" / "dataset").glob("train*"))
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_file, "train.extxyz has changed since it was made: SHA-256 "),
        (spoil_size_kept, "train.extxyz has changed since it was made: SHA-256 "),
        (lambda other: (other / TRAIN).unlink(), "train.extxyz: No such file or directory"),
        (lead_out_by_link, "train.extxyz leads out of the run folder"),
        (
            lambda other: edit(manifest(other), lambda c: c["files"]["train"].update(path="../../secret")),
            "manifest.json is damaged",
        ),
        (lambda other: manifest(other).write_text("{"), "manifest.json is damaged"),
        (replaced_by_a_pipe, "is not a regular file"),
        (lambda other: manifest(other).unlink(), "dataset is not finished: there is no products/dataset/manifest.json"),
        (plan_anew, "dataset is not finished: its tasks have changed since products/dataset/manifest.json"),
        (lambda other: shutil.rmtree(other), "not the folder of a run"),
        (lambda other: shutil.rmtree(other / "tasks"), "not the folder of a run"),
    ],
)
def test_what_is_not_as_its_manifest_says_is_refused(other, spoil, message):
    spoil(other)
    lines = [line for line in refused(other).splitlines() if "dataset.include" in line]
    assert len(lines) == 1 and lines[0].startswith("input.yaml:10: dataset.include[0]: ") and message in lines[0]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "from: ../other, product: dataset/tran",
            ": ../other: has no dataset/tran; the product of dataset has dataset/train, dataset/summary",
        ),
        (
            "from: ../other, product: model/train",
            ": ../other: model/train: no file of a product; give step and role, the steps are "
            "half/glass, dataset, train",
        ),
        ("from: ../other, product: ../../etc/passwd", ".product: must be names with a / between"),
        ("from: ../other, product: /etc/passwd", ".product: must be names with a / between"),
        ("from: ../other, product: dataset", ".product: must be names with a / between"),
        ("from: ../other, form: dataset/train", ".form: not a known key; did you mean 'from'?"),
        ("product: dataset/train", ": key 'from' is missing"),
        ("from: 1, product: dataset/train", ".from: must be"),
        ("from: ../here, product: dataset/train", ": ../here: not the folder of a run (looked for {folder}/here)"),
        ("from: ../none, product: dataset/train", ": ../none: not the folder of a run (looked for {folder}/none)"),
        ("from: ../here/input.yaml, product: dataset/train", ": ../here/input.yaml: not the folder of a run"),
    ],
)
def test_an_entry_that_names_no_product_is_refused_at_its_place(other, entry, message):
    found = refused(other, INPUT.replace("from: ../other, product: dataset/train", entry)).splitlines()
    message = message.format(folder=other.parent / "here" / "..")
    assert any(each.startswith(f"input.yaml:10: dataset.include[0]{message}") for each in found), found


START = "train: {epochs: 1, start_model: {from: ../other, product: dataset/train}}"
DYNAMICS = "glass: {}\nmd: {temperatures_K: [300], time_ps: 1, model: {from: ../other, product: train/summary}}"


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("half/glass/g0/structure", "dataset/summary", "6: reference[0].structures",
         "../other: dataset/summary is not a file of structures; the product of dataset has dataset/train"),
        ("dataset/train", "half/glass/g0/structure", "10: dataset.include[0]",
         "../other: half/glass/g0/structure is not a file of labeled frames; the product of half/glass has none"),
        ("name: here", f"name: here\n{START}", "2: train.start_model",
         "../other: dataset/train is not a portable model; the product of dataset has none"),
        ("name: here", f"name: here\n{DYNAMICS}", "3: md.model",
         "../other: train/summary is not a model; the product of train has train/portable"),
        ("{from: ../other, product: half/glass/g0/structure}", "[{from: ../other, product: half/glass/g0/structure}]",
         "6: reference[0].structures", "takes one file, not a list of 1"),
        ("- {from: ../other, product: dataset/train}", "{from: ../other, product: dataset/train}",
         "9: dataset.include", "takes a list of files; begin the entry with '- '"),
    ],
)  # fmt: skip
def test_a_product_of_the_wrong_kind_or_form_is_one_error(other, old, new, place, message):
    assert refused(other, INPUT.replace(old, new)) == f"input.yaml:{place}: {message}"


def test_an_entry_that_is_wrong_does_not_hide_the_errors_of_others(other):
    text = INPUT.replace("dataset/train}", "dataset/tran}").replace("level: gfn1-xtb", "level: gfn2")
    text += (
        "    - absent.extxyz\n    - {product: dataset/train}\n    - {from: ../other, product: model/train, form: 1}\n"
    )
    expected = (
        (5, '"gfn2"'),
        (10, "has no dataset/tran"),
        (11, "absent.extxyz"),
        (12, "key 'from' is missing"),
        (13, "form: not a known key"),
        (13, "model/train: no file of a product"),
    )
    for line, (number, words) in zip(refused(other, text).splitlines(), expected, strict=True):
        assert line.startswith(f"input.yaml:{number}: ") and words in line, line


def test_other_keys_take_no_products(other):
    found = refused(other, INPUT.replace("level: made", "level: {from: ../other, product: dataset/train}"))
    assert found.startswith("input.yaml:8: dataset.level: must be a valid string")


def test_the_archive_of_another_run_needs_trust_as_any_other(other):
    archive = other / "products" / "model" / "model.naglass"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("pieces/edge.pt", b"code")
        opened.writestr("metadata.json", json.dumps({"elements": ["Na", "P", "O"]}))
    keep(Store(other), "train", Model(files={"archive": archive}), {})
    md = "md: {temperatures_K: [300], time_ps: 1, model: {from: ../other, product: train/archive}}\nglass: {}\n"
    assert "input.yaml:11: md.model: '../other/products/model/model.naglass': the archive" in refused(other, INPUT + md)
    assert load(write(other, INPUT + md.replace("time_ps: 1", "time_ps: 1, trust: true"))).md.trust


def test_a_task_has_the_content_of_the_product_in_its_key(other):
    """A product made anew, as good as it may be, makes the tasks that use it anew."""
    from naglass_drv.stages import dataset
    from naglass_drv.stages.base import Run

    path = write(other)
    keys = Keys(lambda tool: "1")

    def hashes() -> list[str]:
        (task,) = dataset.plan(Run(load(path), path.parent, path.parent / "run"))
        return [keys.hash(file) for file in task.inputs.values()]

    before = hashes()
    write_frames(other / TRAIN, [cell("Na2O", 7)])
    keep(Store(other), "dataset", Dataset(files={"train": other / TRAIN}), {"a": 3})
    assert hashes() != before


def test_the_schema_for_editors_knows_products():
    from naglass_drv.cli.editors import schema

    include = schema()["$defs"]["Dataset"]["properties"]["include"]["items"]["anyOf"]
    assert include[1]["required"] == ["from", "product"]
