"""Isolated atoms of a run of several systems: each element once for all, in a step of their own."""

import json
import stat
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from naglass_drv.chemistry.level import Level
from naglass_drv.config.load import load_study
from naglass_drv.dataset.frames import read_frames, write_frames
from naglass_drv.errors import InputError, SetupError
from naglass_drv.products import Labels, Product
from naglass_drv.runtime.flow import Failed, Flow
from naglass_drv.stages import atoms, dataset, labeling, reference
from naglass_drv.stages.base import Done, Job, Run, dumped
from naglass_drv.workflow.chain import chain, stages_of
from support.jobs import called
from support.labeled import ENERGY_eV, cell

INPUT = """\
name: two
systems:
  - {name: soda, composition: {Na: 2, O: 1}, density_g_cm3: 2.3, reference: [{name: a, level: gfn1-xtb}]}
  - {name: meta, composition: {Na: 1, P: 1, O: 3}, density_g_cm3: 2.5}
glass: {}
reference: [{name: b, level: gfn1-xtb}, {name: c, level: pbe}]
dataset: {level: gfn1-xtb}
"""


def study(folder: Path, text: str = INPUT):
    (folder / "input.yaml").write_text(text)
    return load_study(folder / "input.yaml")


def stand_in(folder: Path) -> dict:
    """A site whose CP2K accepts every input."""
    path = folder / "cp2k"
    path.write_text("#!/bin/sh\n[ $1 = --version ] && echo ' CP2K version 2023.1' || echo SUCCESS\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"cp2k": str(path), "cp2k_data": "/usr/share/cp2k", "launcher": None, "threads": 1}


def planned(folder: Path, text: str = INPUT) -> dict:
    run = Run(study(folder, text).systems, folder, folder / "run", {}, stand_in(folder))
    return {task.name: task for task in atoms.plan(run)}


@pytest.mark.cp2k
def test_each_element_is_labeled_once_whatever_the_systems(tmp_path):
    tasks = planned(tmp_path)
    assert list(tasks) == ["Na", "O", "P"], "and none at the level that is not the dataset's"
    assert tasks["P"].settings["frame"]["info"]["multiplicity"] == 4
    other = "  - {name: iron, composition: {Na: 3, Fe3+: 1, O: 3}, density_g_cm3: 3}\nglass:"
    more = planned(tmp_path, INPUT.replace("glass:", other, 1))
    assert list(more) == ["Fe", "Na", "O", "P"]
    assert {name: task.settings for name, task in more.items() if name in tasks} == {
        name: task.settings for name, task in tasks.items()
    }, "what was there before is recognized"


@pytest.mark.cp2k
def test_one_element_at_two_levels_is_refused_before_anything_is_labeled(tmp_path):
    text = INPUT.replace("dataset: {level: gfn1-xtb}", "dataset: {level: pbe}")
    text = text.replace("level: gfn1-xtb}]}", "level: pbe, cutoff_Ry: 600}]}")
    with pytest.raises(InputError, match="meta: reference c: Na at pbe-h.* in soda: reference a"):
        planned(tmp_path, text)
    with pytest.raises(SetupError, match="no CP2K executable"):
        atoms.plan(Run(study(tmp_path).systems, tmp_path, tmp_path / "run", {}, {"cp2k": None, "cp2k_data": None}))


def test_atoms_wait_for_no_system_and_only_the_dataset_waits_for_them(tmp_path):
    found = study(tmp_path)
    assert stages_of(found.by_round) == ("glass", "atoms", "reference", "dataset")
    steps, answers = {}, {}

    def begin(step, answer):
        steps[step.label], answers[step.label] = step, answer

    flow = Flow(chain(found.by_round, found.systems, found.seed), begin)
    flow.advance()
    assert set(steps) == {"soda/glass", "meta/glass", "atoms"}
    for label in ("soda/glass", "meta/glass", "soda/reference", "meta/reference"):
        answers.pop(label)(Labels(scope=label.partition("/")[0]) if "reference" in label else Product())
        flow.advance()
    assert "dataset" not in steps
    energies = Labels(files={"E0": tmp_path / "E0.json"})
    answers.pop("atoms")(energies)
    flow.advance()
    assert steps["dataset"].takes["atoms"] is energies and len(steps["dataset"].takes["reference"]) == 2


def test_without_its_atoms_there_is_no_dataset(tmp_path):
    found = study(tmp_path)
    lost, begun = Failed("atoms", "P failed"), []

    def begin(step, answer):
        begun.append(step.label)
        answer(lost if step.label == "atoms" else Labels(scope=step.scope))

    flow = Flow(chain(found.by_round, found.systems, found.seed), begin)
    flow.advance()
    assert flow.result is lost and "dataset" not in begun and "meta/reference" in begun


@pytest.mark.cp2k
def test_the_sets_of_a_system_leave_the_atoms_to_the_run(tmp_path):
    input = study(tmp_path).systems["meta"].model_copy(update={"glass": None})
    frame = '1\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3 pbc="T T T"\nP 0 0 0\n'
    (tmp_path / "p.extxyz").write_text(frame)
    section = input.reference[0].model_copy(update={"structures": Path("p.extxyz"), "multiplicity": 4})
    input = input.model_copy(update={"reference": [section]})

    def names(scope: str) -> list[str]:
        return [task.name for task in reference.plan(Run(input, tmp_path, tmp_path, {}, stand_in(tmp_path), scope))]

    assert names("meta") == ["b-p-v0"]
    assert names("") == ["b-p-v0", "b-atom-P"], "the one system of a run has them where they were"


def test_the_dataset_takes_their_energies_and_names_the_system_of_each_frame(tmp_path):
    input = study(tmp_path).systems["soda"]
    tasks, _ = atoms.expect(Run({"soda": input}, tmp_path, tmp_path))
    settings = dumped(labeling.Settings(Level.of("gfn1-xtb"), "gfn1-xtb-h1", {}, 0.05, 60.0))
    done = [Done(replace(task, settings=settings), tmp_path, {"energy_eV": ENERGY_eV[task.name]}) for task in tasks]
    made = atoms.collect(Run({}, tmp_path, tmp_path / "run"), done)
    table = json.loads(made.files["E0"].read_text())
    assert table == {"level": "gfn1-xtb-h1", "E0_eV": {"Na": ENERGY_eV["Na"], "O": ENERGY_eV["O"]}}
    labels = []
    for seed, scope in enumerate(("soda", "more")):
        path = tmp_path / f"{scope}.extxyz"
        write_frames(path, [cell("Na2O", seed, level="gfn1-xtb-h1", source="reference/a-g0-v0")])
        labels.append(Labels(scope=scope, files={"a/admitted": path}, facts={"levels": {"a": "gfn1-xtb"}}))
    (task,) = dataset.plan(Run(input, tmp_path, tmp_path, {"reference": tuple(labels), "atoms": made}))
    assert list(task.inputs) == ["admitted/soda/a", "admitted/more/a", "E0"]
    one_rank = SimpleNamespace(Get_rank=lambda: 0)
    summary = dataset.run(Job(task, tmp_path, None, one_rank, None, None, None, {}))
    assert summary["E0_eV"] == table["E0_eV"]
    frames = [frame for part in ("train", "test") for frame in read_frames(tmp_path / f"{part}.extxyz")]
    assert {frame.info["source"] for frame in frames} == {"soda/reference/a-g0-v0", "more/reference/a-g0-v0"}


CELLS = {
    "soda": "3\nLattice=\"6 0 0 0 6 0 0 0 6\" Properties=species:S:1:pos:R:3 pbc=\"T T T\"\n"
    "Na 0 0 2.1\nO 0 0 0\nNa 0 2.1 0\n",
    "meta": "5\nLattice=\"6 0 0 0 6 0 0 0 6\" Properties=species:S:1:pos:R:3 pbc=\"T T T\"\n"
    "P 0 0 0\nO 1.5 0 0\nO -0.75 1.3 0\nO -0.75 -1.3 0\nNa 0 0 2.6\n",
}  # fmt: skip
SMALL = """\
name: small
reference: [{name: s, level: gfn1-xtb, structures: soda.extxyz}]
dataset: {level: gfn1-xtb}
systems:
  - {name: soda, composition: {Na: 2, O: 1}, density_g_cm3: 2.3}
"""
MORE = """\
  - name: meta
    composition: {Na: 1, P: 1, O: 3}
    density_g_cm3: 2.5
    reference: {s: {structures: meta.extxyz}}
"""


@pytest.mark.long
@pytest.mark.cp2k
def test_a_run_labels_the_atoms_once_and_an_added_system_those_that_are_new(tmp_path):
    for name, text in CELLS.items():
        (tmp_path / f"{name}.extxyz").write_text(text)
    for text, count in ((SMALL, 2), (SMALL + MORE, 3)):
        (tmp_path / "input.yaml").write_text(text)
        done = called("run", "input.yaml", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        table = json.loads((tmp_path / "run" / "products" / "atoms" / "E0.json").read_text())
        assert len(table["E0_eV"]) == count
    assert "atoms: 3 tasks, 2 already done" in done.stdout and "soda/reference: 1 task, 1 already done" in done.stdout
    tasks = {path.parent.relative_to(tmp_path / "run" / "tasks") for path in tmp_path.glob("run/tasks/**/task.json")}
    assert {str(task) for task in tasks} == {
        "atoms/Na", "atoms/O", "atoms/P", "soda/reference/s-soda-v0", "meta/reference/s-meta-v0", "dataset/dataset",
    }  # fmt: skip
    summary = json.loads((tmp_path / "run" / "products" / "dataset" / "dataset.json").read_text())
    assert summary["frames"] == 2 and summary["E0_eV"] == table["E0_eV"]


@pytest.mark.cp2k
def test_an_energy_that_an_included_file_gives_is_not_computed_again(tmp_path):
    """A table or a frame at the same level and settings; one at others does not count."""
    label = planned(tmp_path)["P"].settings["label"]
    (tmp_path / "E0.json").write_text(json.dumps({"level": label, "E0_eV": {"P": -1.0}}))
    (tmp_path / "other.json").write_text(json.dumps({"level": "gfn1-xtb-h0000000", "E0_eV": {"Na": -1.0}}))
    atom = cell("O", level=label)
    atom.info |= {"config_type": "IsolatedAtom", "multiplicity": 3}
    write_frames(tmp_path / "atom.extxyz", [atom])
    text = INPUT.replace("{level: gfn1-xtb}\n", "{level: gfn1-xtb, include: [E0.json, other.json, atom.extxyz]}\n")
    assert list(planned(tmp_path, text)) == ["Na"]
    run = Run(study(tmp_path, text).systems, tmp_path, tmp_path / "run", {}, stand_in(tmp_path))
    assert [task.name for task in atoms.expect(run)[0]] == ["Na"]


@pytest.mark.cp2k
def test_all_energies_are_given(tmp_path):
    label = planned(tmp_path)["P"].settings["label"]
    (tmp_path / "E0.json").write_text(json.dumps({"level": label, "E0_eV": dict.fromkeys(("Na", "P", "O"), -1.0)}))
    text = INPUT.replace("{level: gfn1-xtb}\n", "{level: gfn1-xtb, include: [E0.json]}\n")
    assert planned(tmp_path, text) == {}
    run = Run(study(tmp_path, text).systems, tmp_path, tmp_path / "run", {}, stand_in(tmp_path))
    assert not atoms.collect(run, []).files
