"""What a dataset includes: isolated-atom energies (E0) that come with products of other runs, and what lacks them."""

import json

import numpy as np
import pytest

from naglass_drv.cli.checks import Checks
from naglass_drv.config.load import expanded, load, load_study
from naglass_drv.dataset.frames import write_frames
from naglass_drv.engines.cp2k.theory.levels import label_of, method_in
from naglass_drv.errors import InputError
from naglass_drv.products import Dataset, Labels
from naglass_drv.runtime.keys import Keys
from naglass_drv.runtime.store import Store
from naglass_drv.runtime.task import Task
from naglass_drv.stages import dataset as stage
from naglass_drv.stages.base import Run
from support.attempts import attempt
from support.labeled import cell

LEVEL = "made-h0a1b2c"
INPUT = """\
name: here
system: {composition: {Na: 4, P: 4, O: 12}, density_g_cm3: 2.5}
dataset:
  level: made
  include:
    - {from: ../other, product: PRODUCT}
"""


def keep(folder, step: str, product) -> None:
    store, keys = Store(folder), Keys(lambda tool: "1")
    for ticket in store.plan(step, [Task(step, "task", {})], keys):
        store.complete(ticket, store.claim(ticket, 1), {})
    done = store.finished(step)
    store.keep(step, type(product)(files=product.files, tasks=tuple(item.record for item in done)), "these tasks", keys)


def table(path, level: str = LEVEL, **energies: float):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"level": level, "E0_eV": energies}))
    return path


@pytest.fixture
def folder(tmp_path):
    """That of the input, beside a run with a dataset, and labels whose isolated atoms are a step of their own."""
    other = tmp_path / "other"
    products = other / "products"
    train, labels = products / "dataset" / "train.extxyz", products / "half" / "reference" / "a.extxyz"
    for path in (train, labels):
        write_frames(path, [cell("Na2O", k) for k in range(3)])
    summary = table(products / "dataset" / "dataset.json", Na=-1.0, O=-5.0)
    keep(other, "dataset", Dataset(files={"train": train, "summary": summary}))
    keep(other, "reference", Labels(files={"a/admitted": labels}))
    keep(other, "atoms", Labels(files={"E0": table(products / "atoms" / "E0.json", Na=-1.0, O=-5.0)}))
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


def loaded(folder, text: str):
    (folder / "input.yaml").write_text(text)
    return load_study(folder / "input.yaml", checks=[Checks()])


def refused(folder, text: str) -> list[str]:
    with pytest.raises(InputError) as error:
        loaded(folder, text)
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    ("product", "energies"), [("dataset/train", "dataset/dataset.json"), ("reference/a/admitted", "atoms/E0.json")]
)
def test_frames_of_another_run_bring_their_isolated_atoms(folder, product, energies):
    study = loaded(folder, INPUT.replace("PRODUCT", product))
    (task,) = stage.plan(Run(study.systems[""], folder, folder / "run"))
    assert stage.run(attempt(task, folder / "task"))["E0_eV"] == {"Na": -1.0, "O": -5.0}
    # run.yaml names the files that were found, and is an input like any other
    (folder / "run.yaml").write_text(expanded(study))
    again = load(folder / "run.yaml", checks=[Checks()])
    assert str(again.dataset.include[1]) == f"../other/products/{energies}"


def test_a_table_may_be_named_as_a_product_and_is_refused_where_it_has_changed(folder):
    text = INPUT.replace("PRODUCT", "dataset/train") + "    - {from: ../other, product: atoms/E0}\n"
    assert len(loaded(folder, text).systems[""].dataset.include) == 3
    table(folder.parent / "other" / "products" / "dataset" / "dataset.json", Na=-2.0, O=-5.0)
    (line,) = refused(folder, text)
    assert line.startswith("input.yaml:6: dataset.include[0]: ../other: products/dataset/dataset.json has changed")


def test_energies_at_another_level_are_not_taken(folder):
    write_frames(folder / "frames.extxyz", [cell("Na2O", 1)])
    table(folder / "E0.json", "made-hffffff", Na=-1.0, O=-5.0)
    include = "  include: [frames.extxyz, E0.json]\n"
    (line,) = refused(folder, INPUT.partition("  include")[0] + include)
    assert line.startswith(
        f"input.yaml:5: dataset.include[0]: 'frames.extxyz': no isolated-atom energy (E0) for Na, O at level {LEVEL} "
        "(E0.json is at level made-hffffff); add a reference set of these elements at this level, include the E0.json"
    )
    study = load_study(folder / "input.yaml")
    (task,) = stage.plan(Run(study.systems[""], folder, folder / "run"))
    with pytest.raises(InputError, match="no isolated-atom energy for Na, O"):
        stage.run(attempt(task, folder / "task"))


@pytest.mark.parametrize("among", ["tables", "frames"])
def test_two_energies_of_one_isolated_atom_are_refused(folder, among):
    write_frames(folder / "frames.extxyz", [cell("Na2O", 1)])
    table(folder / "E0.json", Na=-1.0, O=-5.0)
    if among == "tables":
        table(folder / "other.json", Na=-1.5)
    else:
        write_frames(folder / "other.extxyz", [cell("Na", REF_energy=-1.5, config_type="IsolatedAtom")])
    file = "other.json" if among == "tables" else "other.extxyz"
    include = f"  include: [frames.extxyz, E0.json, {file}]\n"
    (line,) = refused(folder, INPUT.partition("  include")[0] + include)
    assert line.startswith("input.yaml:5: dataset.include[2]: ") and "isolated-atom energy of Na is " in line
    assert "-1.500000" in line and "-1.000000 eV" in line and "E0.json" in line


@pytest.mark.parametrize(
    ("energies", "message"),
    [
        ({"level": LEVEL, "E0_eV": {"Xx": -1.0}}, "E0_eV has 'Xx', which is no element"),
        ({"level": LEVEL, "E0_eV": {"Na": "low"}}, "E0_eV of Na must be a finite number, not 'low'"),
        ({"E0_eV": {"Na": 1.0}}, "not a table of isolated-atom energies; it needs the keys level and E0_eV"),
        ([1], "not an index of shards"),
    ],
)
def test_a_file_that_is_no_table_is_refused(folder, energies, message):
    (folder / "E0.json").write_text(json.dumps(energies))
    (line,) = refused(folder, INPUT.partition("  include")[0] + "  include: [E0.json]\n")
    assert line.startswith("input.yaml:5: dataset.include[0]: ") and message in line


SETS = """\
name: here
systems:
  - {name: a, composition: {Na: 4, P: 4, O: 12}, density_g_cm3: 2.5}
  - {name: b, composition: {Na: 4, V5+: 2, O: 7}, density_g_cm3: 2.5}
glass: {}
reference:
  - {name: labels, level: gfn1-xtb}
dataset:
  level: gfn1-xtb
  include:
    - frames.extxyz
train: {epochs: 1}
"""


def at_gfn1(formula: str):
    from naglass_drv.chemistry.level import Level

    return cell(formula, 1, level=label_of(method_in(Level.of("gfn1-xtb"), None)))


def test_isolated_atoms_of_the_sets_of_any_system_serve_all_frames(folder):
    write_frames(folder / "frames.extxyz", [at_gfn1("NaV2PO4")])
    loaded(folder, SETS)
    write_frames(folder / "frames.extxyz", [at_gfn1("NaFe2PO4")])
    (line,) = refused(folder, SETS)
    assert line.startswith(
        "input.yaml:11: dataset.include[0]: 'frames.extxyz': no isolated-atom energy (E0) for Fe at level gfn1-xtb-h"
    )


def test_files_at_another_hash_of_the_level_than_the_sets_are_refused_before_a_label_is_made(folder):
    write_frames(folder / "frames.extxyz", [cell("NaPO3", 1, level="gfn1-xtb-h0a1b2c")])
    (line,) = refused(folder, SETS)
    assert line.startswith(
        "input.yaml:11: dataset.include[0]: 'frames.extxyz': level gfn1-xtb-h0a1b2c cannot be mixed with level gfn1-xtb"
    )


def test_a_set_of_a_later_round_has_no_isolated_atoms_of_its_own(folder):
    write_frames(folder / "frames.extxyz", [at_gfn1("NaPO3")])
    write_frames(folder / "iron.extxyz", [cell("NaFePO4", 1)])
    loop = SETS + "learn:\n  rounds:\n    - reference: [{name: iron, level: gfn1-xtb, structures: iron.extxyz}]\n"
    (line,) = refused(folder, loop)
    assert line.startswith(
        "input.yaml:15: learn.rounds[0].reference[0]: set iron: no isolated-atom energy (E0) for Fe at level gfn1-xtb-h"
    )


def test_candidates_of_later_rounds_need_energies_from_elsewhere(folder):
    text = SETS.replace("{name: labels, level: gfn1-xtb}", "{name: hot, level: gfn1-xtb, structures: candidates}")
    text += "md: {temperatures_K: [600], time_ps: 1, candidates: 2}\nlearn: {rounds: [{}]}\n"
    frames = [at_gfn1("NaV2PO4")]
    write_frames(folder / "frames.extxyz", frames)
    assert any("dataset.include[0]: 'frames.extxyz': no isolated-atom" in line for line in refused(folder, text))
    table(folder / "E0.json", frames[0].info["level"], Na=-1.0, V=-2.0, P=-3.0, O=-5.0)
    loaded(folder, text.replace("frames.extxyz\n", "frames.extxyz\n    - E0.json\n"))


def test_frames_without_stress_are_named_where_stress_is_asked_for(folder):
    """By default they do not count in the loss; a weight in the input says that there is something to train on."""
    with_stress = [cell("Na2O", k, REF_stress=np.zeros((3, 3))) for k in range(2)]
    write_frames(folder / "frames.extxyz", [*with_stress, cell("Na2O", 5)])
    table(folder / "E0.json", Na=-1.0, O=-5.0)
    text = (
        INPUT.partition("  include")[0]
        + "  include: [frames.extxyz, E0.json]\ntrain: {epochs: 1, stress_weight: 100}\n"
    )
    (line,) = refused(folder, text)
    assert line.startswith(
        "input.yaml:5: dataset.include[0]: frames.extxyz: frame 2 has no REF_stress (1 of 3 frames); leave out"
    )
    atom = cell("O", config_type="IsolatedAtom", multiplicity=3, REF_energy=-5.0)
    write_frames(folder / "frames.extxyz", [atom, *with_stress, cell("Na2O", 5)])
    (line,) = refused(folder, text)
    assert "frame 3 has no REF_stress (1 of 3 frames)" in line, "numbers are those of the file"
    for train in ("{epochs: 1}", "{epochs: 1, stress_weight: 0}"):
        assert loaded(folder, text.replace("{epochs: 1, stress_weight: 100}", train))
