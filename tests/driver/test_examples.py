"""The shipped examples are complete and say what the code takes today."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from ase import Atoms
from ruamel.yaml import YAML

from naglass_drv import stages
from naglass_drv.chemistry import ions as chemistry
from naglass_drv.cli.checks import Checks
from naglass_drv.config.load import load, load_study
from naglass_drv.dataset.frames import is_isolated_atom, read_labeled
from naglass_drv.engines.cp2k.theory.levels import label_of, level, method_in
from naglass_drv.engines.mace.facts import potential_facts
from naglass_drv.runtime.forecast import Times, forecast, known_times
from naglass_drv.stages.base import Run
from naglass_drv.stages.sets import included_e0
from naglass_drv.workflow.chain import chain
from support.jobs import called

EXAMPLES = Path(__file__).parents[2] / "examples"
START = EXAMPLES / "quickstart" / "start"
# sets of frames that were chosen from trajectories
CHOSEN = ("melts", "phosphates")

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


def test_the_quickstart_is_a_glass_of_two_hundred_atoms():
    """It brings the starting model to the level of the shipped frames, whose isolated atoms it does not compute."""
    input = load(EXAMPLES / "quickstart" / "input.yaml")
    assert sum(input.system.composition.values()) * input.system.formula_units >= 200
    (own,) = (each for each in input.reference if each.level.title == input.dataset.level)
    assert label_of(method_in(own.level, EXAMPLES)) == label_of(level("pbe+u+d3", **PBE))
    elements = {"Na", "V", "P", "O"}
    assert included_e0(input, EXAMPLES / "quickstart") >= {(label_of(level("pbe+u+d3", **PBE)), e) for e in elements}
    said = called("validate", "input.yaml", cwd=EXAMPLES / "quickstart").stdout
    assert "isolated atoms besides where no included file gives them" in said


def test_the_frames_of_the_starting_model_take_four_rounds():
    """Glasses, temperatures and epochs of every round, and the tasks of its steps on expected products."""
    folder = EXAMPLES / "starting-model"
    study = load_study(folder / "explore.yaml")
    rounds = next(iter(study.rounds.values()))
    assert [each.glass.replicas for each in rounds] == [3, 1, 1, 1]
    assert max(temperature for each in rounds for temperature in each.md.temperatures_K) == 3000
    workflow = chain(study.by_round, study.systems, study.seed)
    expected = forecast(workflow, stages.load, folder, folder / "run", {}, 2, Times())
    counts = {stage: row.tasks for stage, row in expected.rows.items()}
    assert (counts["glass"], counts["dataset"], counts["train"]) == (16 * 6, 4, 4)
    assert not expected.unforeseen


def test_the_starting_model_never_saw_what_it_is_judged_by():
    seen, more, vanadium, walls, crowd, unseen = (
        {
            chemistry.formula(chemistry.species(each["composition"]))
            for each in YAML(typ="safe").load((EXAMPLES / "starting-model" / name).read_text())["systems"]
        }
        for name in ("explore.yaml", "more.yaml", "vanadium.yaml", "walls.yaml", "crowd.yaml", "held-out.yaml")
    )
    assert [len(more), len(vanadium), len(unseen)] == [25, 24, 7]
    assert not (seen | more | vanadium) & unseen and not (seen | more) & vanadium
    assert (walls, crowd) == (more, vanadium)


@pytest.mark.parametrize("name, labeled", [("fit", 1), ("small", 3), ("standard", 4)])
def test_a_starting_model_is_fitted_to_the_frames_that_are_made_for_it(name, labeled):
    """Its input names products of those runs, so that it can be loaded only where there are some."""
    text = (EXAMPLES / "starting-model" / f"{name}.yaml").read_text()
    explored, more, *files = YAML(typ="safe").load(text)["dataset"]["include"]
    commands = (EXAMPLES / "starting-model" / "make.sh").read_text()
    assert all(f"explore.yaml --folder {each['from']}" in commands for each in (explored, more))
    assert len(files) == labeled and all(f"label {file} run/" in commands for file in files)


@pytest.mark.parametrize(
    "model, held_out, most_bytes, most_meV_per_A",
    [
        (START / "model.mace", "held-out.json", 2e6, (200, 350)),
        (EXAMPLES / "starting-model" / "standard.mace", "held-out-standard.json", 8e6, (150, 280)),
    ],
)
def test_the_shipped_models_are_what_their_card_says(model, held_out, most_bytes, most_meV_per_A):
    facts = potential_facts(model)
    assert set(facts.elements) == {"O", "Na", "P", "V", "Fe"}
    assert model.stat().st_size < most_bytes
    card = (EXAMPLES / "starting-model" / "README.md").read_text()
    assert hashlib.sha256(model.read_bytes()).hexdigest()[:12] in card
    found = json.loads((EXAMPLES / "starting-model" / held_out).read_text())
    forces, energy = "forces_rmse_meV_per_A", "energy_rmse_meV_per_atom"
    for part, most in zip(("up to 1000 K", "above 1000 K"), most_meV_per_A, strict=True):
        assert found[part][forces][0] < most and found[part][energy][0] < 10
        for key in (forces, energy):
            assert f"{found[part][key][0]:.0f} ± {found[part][key][1]:.0f}" in card


def test_the_fine_tuned_model_beats_its_teacher_as_its_card_says():
    folder = EXAMPLES / "starting-model"
    found = json.loads((folder / "fine-tuned.json").read_text())
    card = (folder / "README.md").read_text()
    every = found.pop("all")
    assert every["frames"] == sum(row["frames"] for row in found.values()) >= 60
    for row in (every, *found.values()):
        values = [row[which] for which in ("fine-tuned", "before", "teacher")]
        cells = [f"{each[0]:.0f} ± {each[1]:.0f}" if isinstance(each, list) else f"{each:.0f}" for each in values]
        assert f"| {row['frames']} | {' | '.join(cells)} |" in card
    assert all(row["fine-tuned"] < row["teacher"] for row in found.values())


@pytest.mark.parametrize(
    "name, of_level, most",
    [
        ("gfn1-xtb", level("gfn1-xtb"), 3e-6),
        ("pbe", level("pbe+u+d3", **PBE), 0.05),
        ("melts", level("pbe+u+d3", **PBE), 0.1),
        ("phosphates", level("pbe+u+d3", **PBE), 0.1),
    ],
)
def test_reference_sets_are_what_their_card_says(name, of_level, most):
    folder = EXAMPLES / "reference-set"
    frames = read_labeled(folder / f"frames-{name}.extxyz.gz")
    atoms = [frame for frame in frames if is_isolated_atom(frame)]
    own = [] if name in CHOSEN else ["Na", "O", "P", "V"]
    assert sorted(frame.get_chemical_formula() for frame in atoms) == own
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


@pytest.mark.parametrize("name", CHOSEN)
def test_frames_of_trajectories_are_in_large_cells(name):
    """Their input labels the same structures, without the isolated atoms that the other set has."""
    folder = EXAMPLES / "reference-set"
    frames = read_labeled(folder / f"frames-{name}.extxyz.gz")
    assert len(frames) >= 15 and min(frame.cell.lengths().min() for frame in frames) >= 8.0 - 1e-6
    study = load_study(folder / f"{name}.yaml", checks=[Checks()])
    expected = forecast(
        chain(study.by_round, study.systems, study.seed), stages.load, folder, folder / "run", {}, 2, Times()
    )
    assert {stage: row.tasks for stage, row in expected.rows.items()} == {"reference": len(frames), "dataset": 1}


def test_the_frames_of_melts_are_hot():
    frames = read_labeled(EXAMPLES / "reference-set" / "frames-melts.extxyz.gz")
    assert min(frame.info["temperature_K"] for frame in frames) >= 1500


def test_the_quickstart_is_fine_tuned_to_sixty_frames():
    input = load(EXAMPLES / "quickstart" / "input.yaml")
    labeled = [frame for path in input.dataset.include for frame in read_labeled(EXAMPLES / "quickstart" / path)]
    assert sum(not is_isolated_atom(frame) for frame in labeled) >= 60


def test_the_glass_on_a_crystal_is_of_a_thousand_atoms_in_less_than_an_hour():
    folder = EXAMPLES / "glass-ceramic"
    study = load_study(folder / "input.yaml", checks=[Checks()])
    expected = forecast(
        chain(study.by_round, study.systems, study.seed), stages.load, folder, folder / "run", {}, 2, known_times()
    )
    assert {stage: row.tasks for stage, row in expected.rows.items()} == {
        "glass": 1, "crystal": 1, "interface": 1, "lattice": 1, "md": 1, "analysis": 2, "report": 1
    }  # fmt: skip
    assert expected.wall_s < 3600


def test_validate_tells_how_large_the_cells_on_a_crystal_will_be():
    """A run of it made 1080 and 974 atoms; the second with the crystal 2 % wider than in its file."""
    made = called("validate", "input.yaml", cwd=EXAMPLES / "glass-ceramic")
    assert made.returncode == 0, made.stderr
    assert "1 bulk crystal of about 1080 atoms" in made.stdout
    whole = int(re.search(r"against a crystal of about (\d+) atoms", made.stdout)[1])
    assert whole == pytest.approx(974, rel=0.02)
    assert f"1 trajectory of up to about {whole} atoms" in made.stdout


def test_the_production_of_the_glass_ceramic_costs_what_its_page_says():
    folder = EXAMPLES / "glass-ceramic"
    study = load_study(folder / "production.yaml", checks=[Checks()])
    expected = forecast(
        chain(study.by_round, study.systems, study.seed), stages.load, folder, folder / "run", {}, 32, Times()
    )
    assert {stage: row.tasks for stage, row in expected.rows.items()} == {
        "glass": 3, "crystal": 1, "interface": 7, "lattice": 3, "md": 21, "analysis": 13, "report": 1,
    }  # fmt: skip
    # frames of a night have to fit into memory and disk
    assert study.systems[""].md.time_ps * 1000 / study.systems[""].md.sample_every_fs <= 5000


def test_the_series_for_insight_is_24_glasses_quenched_twice():
    """Within the temperatures and ions of the rigid-ion potential; one study of all of them."""
    folder = EXAMPLES / "insight-series"
    study = load_study(folder / "input.yaml", checks=[Checks()])
    expected = forecast(
        chain(study.by_round, study.systems, study.seed), stages.load, folder, folder / "run", {}, 2, known_times()
    )
    assert {stage: row.tasks for stage, row in expected.rows.items()} == {"glass": 48, "analysis": 24, "insight": 1}
    assert not expected.unforeseen
    for input in study.systems.values():
        ions = chemistry.species(input.system.composition, input.system.formula_units)
        assert {ion.label for ion in ions} == {"Na+", "Ti4+", "P5+", "O2-"}
        assert 120 <= sum(ion.count for ion in ions) <= 160
