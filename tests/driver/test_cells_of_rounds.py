"""Cells cut from the candidates of a loop: input and errors, steps, tasks that go on, product, and the page."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from naglass_drv.cli.checks import Checks
from naglass_drv.config import cost
from naglass_drv.config.load import load_study
from naglass_drv.dataset.frames import read_frames, write_frames
from naglass_drv.errors import InputError, Stopped
from naglass_drv.products import Structures, Trajectories
from naglass_drv.report import cells as shown
from naglass_drv.report.material import Material
from naglass_drv.runtime.flow import Flow
from naglass_drv.stages import cells, reference
from naglass_drv.stages.base import Done
from naglass_drv.workflow.chain import chain, stages_of
from support.attempts import attempt, study
from support.mace_models import fitted
from support.structures import DATA

INPUT = """\
name: one
system: {composition: {Na: 4, V4+: 2, P: 4, O: 16}, formula_units: 30, density_g_cm3: 2.75}
glass: {replicas: 2}
reference:
  - {name: a, level: gfn1-xtb}
  - {name: b, level: gfn1-xtb, structures: candidates}
dataset: {level: gfn1-xtb}
train: {epochs: 5, committee: 2}
md: {temperatures_K: [600], time_ps: 1, candidates: 3, cells: {max_atoms: 150, per_frame: 2}}
learn: {rounds: [{}, {}]}
"""


def loaded(folder, text=INPUT):
    (folder / "input.yaml").write_text(text)
    return load_study(folder / "input.yaml", checks=[Checks()])


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (", committee: 2", "", "9: md.cells: there is no committee to be uncertain; set train.committee to 2 or more"),
        ("candidates: 3,", "", "9: md.cells: md.candidates is 0: there is nothing to cut cells from"),
        ("  - {name: b, level: gfn1-xtb, structures: candidates}\n", "", "8: md.cells: no reference set labels cells"),
        ("learn: {rounds: [{}, {}]}\n", "", "9: md.cells: there is no learn section"),
        ("max_atoms: 150", "max_atoms: 40",
         "9: md.cells.max_atoms: 40 atoms make a cell of 8.1 Å at the density of the glass, and cores of 4.5 Å "
         "(train.r_max_A) need more than 9 Å: raise max_atoms above 55, or lower radius_A"),
        ("max_atoms: 150", "radius_A: 7", "9: md.cells.radius_A: 200 atoms make a cell of 13.9 Å"),
        ("formula_units: 30", "formula_units: 8",
         "9: md.cells.max_atoms: 208 atoms are 14.0 Å wide, and a core of 4.5 Å with whole polyhedra needs 15 Å: "
         "enlarge the structure, or label it as it is with max_atoms 208"),
        ("max_atoms: 150", "max_atoms: 5", "9: md.cells.max_atoms: "),
        ("max_atoms: 150", "most_atoms: 150", "9: md.cells.most_atoms: not a known key"),
        ("structures: candidates", "structures: candidates, charge: 1", "6: reference[1].charge: in round 1: 1: cells"),
        ("structures: candidates", "structures: candidates, multiplicity: 5",
         "6: reference[1].multiplicity: in round 1: 5: cells differ in their ions"),
        ("structures: candidates", "structures: candidates, spin: ++--", "6: reference[1].spin: in round 1: ++--: "),
    ],
)  # fmt: skip
def test_bad_input(tmp_path, old, new, line):
    assert old in INPUT
    with pytest.raises(InputError) as error:
        loaded(tmp_path, INPUT.replace(old, new))
    assert any(f"input.yaml:{line}" in each for each in str(error.value).splitlines()), str(error.value)


@pytest.mark.parametrize("change", [("formula_units: 30", "formula_units: 4"), ("replicas: 2", "replicas: 1")])
def test_a_small_glass_is_no_error(tmp_path, change):
    assert loaded(tmp_path, INPUT.replace(*change)).rounds[""][0].cells.max_atoms == 150


@pytest.mark.parametrize(
    ("copies", "ion", "message"),
    [
        (3, True, None),
        (3, False, "frame 1 of 'big.extxyz': an element has two states, and an array 'ion' has to say which atom has"),
        (2, True, "frame 1 of 'big.extxyz': 208 atoms are 14.0 Å wide, and a core of 4.5 Å"),
    ],
)
def test_structures_of_a_file_are_looked_at_before_anything_is_run(tmp_path, copies, ion, message):
    small = read_frames(DATA / "glasses" / "Na4V2P4O16_quench.extxyz")[0]
    large = small.repeat(copies)
    if not ion:
        del large[np.flatnonzero(large.symbols == "Na")[:2]]
        del large.arrays["ion"]
    write_frames(tmp_path / "big.extxyz", [small, large])
    text = INPUT.replace("md: {", "md: {structures: big.extxyz, ")
    if message is None:
        loaded(tmp_path, text)
        return
    with pytest.raises(InputError) as error:
        loaded(tmp_path, text)
    assert f"input.yaml:9: md.structures: {message}" in str(error.value)


def test_each_round_that_labels_candidates_cuts_those_of_the_round_before(tmp_path):
    found = loaded(tmp_path)
    assert stages_of(found.by_round)[:2] == ("glass", "cells")
    asked = {}

    def begin(step, answer):
        asked[step.label] = step
        kind = {"md": Trajectories, "cells": Structures}.get(step.stage, Structures)
        answer(kind(step.scope, step.stage))

    Flow(chain(found.by_round, found.systems, found.seed), begin).advance()
    assert [label for label in asked if "cells" in label] == ["round-1/cells", "round-2/cells"]
    step = asked["round-2/cells"]
    assert {role: product.scope for role, product in step.takes.items()} == {
        "candidates": "round-1", "train": "round-1",
    }  # fmt: skip
    assert step.input.seed == found.rounds[""][1].seed
    assert asked["round-2/reference"].takes["candidates"].step == "cells"
    assert asked["round-1/reference"].takes["candidates"].scope == "round-1"


def test_what_cells_cost_is_known_before_anything_is_run(tmp_path):
    found = loaded(tmp_path)
    costs = {".".join(map(str, item.where)): item for item in cost.of_rounds(found.rounds[""])}
    assert costs["round-1.cells"].tasks == 6 and "round-3.cells" not in costs
    assert str(costs["round-1.cells"]).startswith(
        "6 frames of up to 780 atoms, 2 cells of up to 150 atoms from each, 30.7 ps (30700 steps) in up to 5 tries; "
    )
    assert costs["round-1.reference.1"].tasks == 12
    assert "up to 150 atoms" in costs["round-1.reference.1"].text
    run = replace(study(tmp_path), input=found.rounds[""][0])
    chosen = {"g0-600K": (3, ["Na", "O"] * 390), "small": (2, ["Na"] * 150)}
    run = replace(run, takes={"candidates": Trajectories(facts={"candidates": chosen})})
    tasks, product = cells.expect(run)
    assert [task.name for task in tasks] == ["g0-600K-0", "g0-600K-1", "g0-600K-2"]
    assert {name: (count, len(symbols)) for name, (count, symbols) in product.facts["candidates"].items()} == {
        "g0-600K": (6, 150), "small": (2, 150),
    }  # fmt: skip
    later = found.rounds[""][1]
    sets = [item for item in later.reference if item.structures == "candidates"]
    takes = {"candidates": product}
    labeled = reference.expect(replace(run, input=later.model_copy(update={"reference": sets}), takes=takes))[1]
    assert labeled.facts["frames"] == {"b": 8}


def candidates(folder) -> Path:
    """A small and a large frame as the MD writes them, with two uncertain places in the large one."""
    small = read_frames(DATA / "glasses" / "NaPO3_fast_quench.extxyz")[0]
    large = small.repeat(2)
    first, second = (int(np.flatnonzero(large.symbols == "P")[k]) for k in (0, 70))
    near = np.min([large.get_distances(atom, range(len(large)), mic=True) for atom in (first, second)], axis=0)
    large.set_array("deviation", np.where(near < 2.0, 1.0 - 0.1 * near, 0.1))
    small.set_array("deviation", np.full(len(small), 1.0))
    for frame, name in ((small, "small"), (large, "large")):
        frame.info = {"group": name, "source": f"{name}-600K-step10", "step": 10}
    write_frames(folder / "candidates.extxyz", [small, large])
    return folder / "candidates.extxyz"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A run with candidates, its one task, and a finished attempt at it."""
    folder = tmp_path_factory.mktemp("cells")
    asked = {"max_atoms": 60, "per_frame": 2, "radius_A": 2.6, "melt_ps": 0.02, "quench_ps": 0.02, "tries": 1}
    md = {"temperatures_K": [600.0], "time_ps": 1.0, "candidates": 1, "cells": asked}
    run = study(folder, train={"epochs": 1, "committee": 2}, dataset={"level": "gfn1-xtb"}, md=md)
    chosen = Trajectories(step="md", files={"candidates": candidates(folder)})
    run = replace(run, takes={"candidates": chosen, "train": fitted(folder)}, scope="round-1")
    (task,) = cells.plan(run)
    return run, task, finished(task, folder / "attempt-1")


def finished(task, folder, previous=None) -> Done:
    return Done(task, folder, cells.run(attempt(task, folder, previous=previous)), None)


@pytest.mark.slow
def test_one_task_for_each_large_candidate(prepared):
    run, task, _ = prepared
    assert task.name == "large-600K-step10" and task.settings["frame"] == 1
    assert set(task.inputs) == {"candidates", "model", "member-1", "portable"}
    assert task.settings["least_eV_per_A"] == 0.3
    longer = run.input.md.model_copy(update={"time_ps": 2.0})
    (same,) = cells.plan(replace(run, input=run.input.model_copy(update={"md": longer})))
    assert same.settings == task.settings
    assert cells.plan(replace(run, takes=run.takes | {"candidates": Trajectories()})) == []


@pytest.mark.slow
def test_every_center_has_an_outcome(prepared):
    run, _, done = prepared
    outcomes = json.loads((done.folder / "cells.json").read_text())
    assert done.summary["centers"] == len(outcomes) == 2
    large = read_frames(run.take("candidates", Trajectories).files["candidates"])[1]
    for outcome in outcomes:
        assert large.arrays["deviation"][outcome["center"]] > 0.3 and outcome["tries"] == 1
        assert outcome["accepted"] or outcome["reason"].startswith("no cell accepted in 1 try: ")
    assert "mace" in (next(done.folder.glob("atom*/try-0/potential.lmp"))).read_text()


@pytest.mark.slow
def test_an_attempt_goes_on_with_the_tries_that_were_made(prepared, tmp_path):
    _, task, done = prepared
    first = tmp_path / "attempt-1"
    first.mkdir()
    lines = (done.folder / "reached.jsonl").read_bytes()
    # a kill in the middle of the line of the second center
    (first / "reached.jsonl").write_bytes(lines[:-20])
    again = finished(task, tmp_path / "attempt-2", previous=first)
    assert len(list(again.folder.glob("atom*"))) == 1
    for name in ("cells.json", "reached.jsonl"):
        assert (again.folder / name).read_bytes() == (done.folder / name).read_bytes()
    whole = finished(task, tmp_path / "attempt-3", previous=again.folder)
    assert not list(whole.folder.glob("atom*")) and whole.summary == done.summary


@pytest.mark.slow
def test_a_task_ends_soon_once_the_job_is_to_stop(prepared, tmp_path):
    _, task, _ = prepared
    with pytest.raises(Stopped):
        cells.run(attempt(task, tmp_path / "attempt-1", polls=1))
    assert len((tmp_path / "attempt-1" / "reached.jsonl").read_text().splitlines()) == 1


@pytest.mark.slow
def test_small_candidates_stay_and_cells_take_the_place_of_large_ones(prepared):
    """Whatever the model of this test makes of them: one cell is taken as accepted."""
    run, task, done = prepared
    (done.folder / "cells.extxyz").write_bytes(Path(run.takes["candidates"].files["candidates"]).read_bytes())
    good = {"accepted": True, "tries": 2, "center": 7, "element": "P", "embed_core": 0.5, "embed_distance": 0.2}
    bad = {"accepted": False, "tries": 5, "center": 9, "element": "O", "reason": "no cell accepted in 5 tries: 1.2"}
    outcomes = [{"frame": task.name} | each for each in (good | {"embed_median": 0.4}, bad)]
    folder = done.folder.parent / "collected"
    folder.mkdir()
    for name, content in (("cells.extxyz", (done.folder / "cells.extxyz").read_bytes()),
                          ("cells.json", json.dumps(outcomes).encode())):  # fmt: skip
        (folder / name).write_bytes(content)
    product = cells.collect(run, [replace(done, folder=folder)])
    assert product.facts == {
        "tried": 2, "accepted": 1, "tries": 7, "distance_of_median": {f"{task.name}-atom7": 0.5},
        "rejected": {f"{task.name}-atom9": "no cell accepted in 5 tries: 1.2"},
    }  # fmt: skip
    names = [frame.info["source"] for frame in read_frames(product.files["candidates"])]
    assert names == ["small-600K-step10", "small-600K-step10", "large-600K-step10"]
    material = Material({}, [], {"rounds/1/cells": product.files["outcomes"]})
    told = shown.table(material).rows
    assert [getattr(cell, "value", cell) for cell in told[0]] == ["1", task.name, "P 7", "2", 0.5, 0.5, "accepted"]
    assert told[1][-1] == "no cell accepted in 5 tries: 1.2"
    assert shown.accepted(material, "1").value == 1 and shown.accepted(material, "2") == "–"


@pytest.mark.slow
def test_a_candidate_of_which_no_cell_can_be_cut_is_a_result(prepared, tmp_path):
    _, task, _ = prepared
    settings = dict(task.settings) | {"radius_A": 7.0}
    done = finished(replace(task, settings=settings), tmp_path / "attempt-1")
    (outcome,) = json.loads((done.folder / "cells.json").read_text())
    assert not outcome["accepted"] and "does not fit into a glass that is 18.7 Å wide" in outcome["reason"]
