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
from naglass_drv.errors import InputError
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
    expected = forecast(chain(study.systems, study.seed), stages.load, folder, folder / "run", {}, 2, Times())
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
    for path in (EXAMPLES / "quickstart" / "input.yaml", EXAMPLES / "starting-model" / "round-0.yaml"):
        assert load(path).system.composition == {"Na": 4, "V4+": 2, "P": 4, "O": 16}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_later_round_lacks_only_the_products_of_the_one_before(number):
    with pytest.raises(InputError) as caught:
        load(EXAMPLES / "starting-model" / f"round-{number}.yaml")
    faults = str(caught.value).splitlines()
    assert len(faults) == 4
    assert all("no such file" in fault and f"run/round-{number - 1}/products" in fault for fault in faults)


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
