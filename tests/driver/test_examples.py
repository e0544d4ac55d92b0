"""The shipped examples are complete and say what the code takes today."""

import json
from pathlib import Path

import pytest
from ase import Atoms

from naglass_drv import stages
from naglass_drv.chemistry import ions as chemistry
from naglass_drv.cli.checks import Checks
from naglass_drv.config.load import load, load_study
from naglass_drv.dataset.frames import read_labeled
from naglass_drv.engines.cp2k.theory.levels import label_of, level, method_in
from naglass_drv.runtime.forecast import Times, forecast
from naglass_drv.stages.base import Run
from naglass_drv.workflow.chain import chain

EXAMPLES = Path(__file__).parents[2] / "examples"
START = EXAMPLES / "quickstart" / "start"


PBE = {"cutoff_Ry": 600.0, "sodium": "q1", "xc_smoothing": "nn10"}


@pytest.mark.parametrize(
    ("name", "of_level", "counts"),
    [
        ("gfn1-xtb", level("gfn1-xtb"), {"glass": 45, "atoms": 4, "reference": 450, "dataset": 1}),
        ("pbe", level("pbe+u+d3", **PBE), {"glass": 12, "atoms": 4, "reference": 32, "dataset": 1}),
    ],
)
def test_inputs_of_the_reference_sets_make_what_is_shipped(name, of_level, counts):
    """By the steps of a run on expected products, and by the seeds of its glasses."""
    folder = EXAMPLES / "reference-set"
    study = load_study(folder / f"{name}.yaml", checks=[Checks()])
    assert {
        label_of(method_in(each.level, folder)) for input in study.systems.values() for each in input.reference
    } == {label_of(of_level)}
    expected = forecast(
        chain(study.by_round, study.systems, study.seed), stages.load, folder, folder / "run", {}, 2, Times()
    )
    assert {stage: row.tasks for stage, row in expected.rows.items()} == counts and not expected.unforeseen
    glasses = set()
    for input in study.systems.values():
        formula = chemistry.formula(chemistry.species(input.system.composition))
        glasses |= {
            f"{formula}-{task.settings['seed']}" for task in stages.load("glass").plan(Run(input, folder, folder))
        }
    frames = read_labeled(folder / f"frames-{name}.extxyz.gz")
    shipped = {frame.info["group"] for frame in frames if len(frame) > 1}
    assert shipped - glasses == ({"NaO5PV-nvpo5"} if name == "pbe" else set())


def test_the_first_inputs_are_good():
    for folder in ("quickstart", "starting-model"):
        assert load(EXAMPLES / folder / "input.yaml").system.composition == {"Na": 4, "V4+": 2, "P": 4, "O": 16}


def test_the_starting_model_takes_four_rounds():
    """Numbers of glasses, frames of each, temperatures and times of every round, and the steps on expected products."""
    folder = EXAMPLES / "starting-model"
    study = load_study(folder / "input.yaml", checks=[Checks()])
    rounds = study.rounds[""]
    assert [(each.glass.replicas, each.md.temperatures_K, each.md.time_ps) for each in rounds] == [
        (14, [600], 0.5), (6, [600, 1200], 0.5), (6, [600, 1200], 1.0), (5, [600, 1200], 1.5),
    ]  # fmt: skip
    assert [(each.train.epochs, each.train.learning_rate) for each in rounds] == [
        (50, 0.01), (25, 0.005), (25, 0.005), (25, 0.004),
    ]  # fmt: skip
    sets = [[(s.structures, s.frames_per_structure, s.melt_frames_per_structure) for s in e.reference] for e in rounds]
    assert sets[:2] == [[("glass", 2, 3)], [("candidates", 2, None), ("glass", 1, 1)]]
    assert sets[2] == sets[3] == [("candidates", 1, None), ("glass", 1, 1)]
    workflow = chain(study.by_round, study.systems, study.seed)
    expected = forecast(workflow, stages.load, folder, folder / "run", {}, 2, Times())
    counts = {stage: row.tasks for stage, row in expected.rows.items()}
    frames = 14 * 5 + (56 * 2 + 12) + (48 + 12) + (48 + 10)
    assert (counts["glass"], counts["dataset"], counts["train"], counts["md"]) == (31, 4, 4, 48)
    # and four isolated atoms in round 0
    assert counts["reference"] == frames + 4 and not expected.unforeseen


def test_the_starting_set_is_of_todays_level():
    frames = read_labeled(START / "frames.extxyz.gz")
    assert len(frames) > 100
    assert {frame.info["level"] for frame in frames} == {label_of(level("gfn1-xtb"))}
    assert sum(path.stat().st_size for path in START.iterdir()) < 5e6


@pytest.mark.parametrize(
    "name, of_level, most", [("gfn1-xtb", level("gfn1-xtb"), 3e-6), ("pbe", level("pbe+u+d3", **PBE), 0.05)]
)
def test_reference_sets_are_what_their_card_says(name, of_level, most):
    folder = EXAMPLES / "reference-set"
    frames = read_labeled(folder / f"frames-{name}.extxyz.gz")
    atoms = [frame for frame in frames if frame.info.get("config_type") == "IsolatedAtom"]
    assert sorted(frame.get_chemical_formula() for frame in atoms) == ["Na", "O", "P", "V"]
    assert {frame.info["level"] for frame in frames} == {label_of(of_level)}
    whole = [frame for frame in frames if len(frame) > 1]
    assert max(frame.info["net_force_eV_per_A"] for frame in whole) <= most
    card = (folder / "README.md").read_text()
    (section,) = (part for part in card.split("\n## ") if f"`frames-{name}.extxyz.gz`" in part)
    assert f": {len(whole)} admitted frames" in section
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| Na")
    ]
    assert len(rows) == len({frame.get_chemical_formula() for frame in whole})
    for formula, size, number, glasses, *_ in rows:
        formula = Atoms(formula.split(",")[0]).get_chemical_formula()
        own = [frame for frame in whole if frame.get_chemical_formula() == formula]
        assert [len(own[0]), len(own), len({frame.info["group"] for frame in own})] == [
            int(size),
            int(number),
            int(glasses),
        ]
    audit = json.loads((folder / f"audit-{name}.json").read_text())
    assert audit["frames"] == len(whole)
    assert sum(path.stat().st_size for path in folder.glob("*.gz")) < 5e6
