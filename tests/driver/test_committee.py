"""Committees in the stages: members of a fit, calibration on held-out frames, exploration, and when a loop may stop."""

import json
from dataclasses import replace

import numpy as np
import pytest

from naglass_drv.cli.checks import Checks
from naglass_drv.config.load import load_study
from naglass_drv.dataset.frames import read_frames, write_frames
from naglass_drv.errors import InputError
from naglass_drv.products import Dataset, Model, Trajectories
from naglass_drv.stages import candidates, committee, decision, md, train
from naglass_drv.stages.base import Done, Run
from naglass_drv.stages.criteria import RoundFacts, criteria
from support.attempts import attempt, study
from support.mace_models import SMALLEST, build_model, fitted
from support.structures import crystal

ELEMENTS = ["Na", "V", "P", "O"]
STOP = {"uncertain_percent": 2.0, "error_change_percent": 5.0, "budget_core_h": None}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return fitted(tmp_path_factory.mktemp("committee"))


def with_heads(folder, count=3):
    """A product of one untrained model with so many heads on its body."""
    from naglass_drv.engines.mace.export import export_model
    from naglass_drv.engines.mace.modelfile import default_dtype, save_portable

    heads = [f"head-{k}" for k in range(count)]
    with default_dtype("float64"):
        save_portable(build_model(**SMALLEST, heads=heads), folder / "heads.mace")
    export_model(folder / "heads.mace", folder / "heads.naglass", head=heads)
    return Model(step="train", files={"archive": folder / "heads.naglass"})


def explored(folder, trained, train=None, **section):
    """A short trajectory of α-NaVOPO4 with the committee, carried out."""
    atoms = crystal("NaVOPO4_alpha_P21c_DLSmodel")
    write_frames(folder / "cell.extxyz", [atoms])
    asked = {"temperatures_K": [300.0], "time_ps": 0.04, "structures": "cell.extxyz", "candidates": 2} | section
    run = study(folder, train={"epochs": 1, "committee": 2} | (train or {}), dataset={"level": "gfn1-xtb"}, md=asked)
    run = replace(run, takes={"train": trained})
    (task,) = md.plan(run)
    job = attempt(task, folder / "attempt-1")
    return run, Done(task, job.folder, md.run(job), {})


def test_every_member_is_a_task_with_a_seed_of_its_own(tmp_path, trained):
    for name in ("train", "test"):
        (tmp_path / name).write_text(name)
    summary = {"E0_eV": dict.fromkeys(ELEMENTS, -1.0), "level": "x", "frames": 9}
    (tmp_path / "summary").write_text(json.dumps(summary | {"train": {"atoms": 200}, "test": None}))
    files = {name: tmp_path / name for name in ("train", "test", "summary")}
    takes = {"dataset": Dataset(step="dataset", files=files)}
    run = study(tmp_path, train={"epochs": 2, "committee": 3}, dataset={"level": "gfn1-xtb"})
    tasks = train.plan(replace(run, takes=takes))
    assert [task.name for task in tasks] == ["model", "member-1", "member-2"]
    assert len({task.settings["seed"] for task in tasks}) == 3
    assert all("committee" not in task.settings["options"] for task in tasks)
    alone = study(tmp_path, train={"epochs": 2}, dataset={"level": "gfn1-xtb"})
    assert train.plan(replace(alone, takes=takes))[0].settings == tasks[0].settings, "the first is the model of one"
    later = train.plan(replace(run, takes=takes | {"start": trained}))
    starts = [task.inputs.get("start_model") for task in later]
    assert starts == [trained.files["portable"], trained.files["member-1/portable"], None], "a new member is new"


def test_the_calibration_is_of_the_mean_of_the_members_on_the_frames_held_out(tmp_path):
    rng, cells = np.random.default_rng(3), []
    for number in range(12):
        cell = crystal("NaVOPO4_alpha_P21c_DLSmodel")
        cell.info |= {"REF_energy": 0.0, "level": "x", "group": f"g{number // 3}", "charge": 0, "multiplicity": 5}
        cell.info["source"] = "test"
        cell.set_array("REF_forces", rng.normal(size=(len(cell), 3)))
        cells.append(cell)
    write_frames(tmp_path / "test.extxyz", cells)
    labels = np.concatenate([cell.arrays["REF_forces"] for cell in cells])
    shift = rng.normal(size=labels.shape)
    for member, sign in enumerate((1, -1)):
        # the members differ from their mean by 0.2 of the error of the mean
        arrays = {"forces_model_eV_per_A": labels + shift * (1 + 0.2 * sign), "forces_label_eV_per_A": labels}
        np.savez(tmp_path / f"{member}.npz", **arrays)
    found = committee.calibration(tmp_path / "test.extxyz", [tmp_path / f"{member}.npz" for member in range(2)])
    assert found.groups == 4 and found.atoms == len(labels)
    assert found.scale == pytest.approx(dict.fromkeys(ELEMENTS, 5.0), rel=1e-6)
    assert found.rank_correlation == pytest.approx(1.0)


def test_a_committee_explores_on_its_mean_and_says_where_it_is_uncertain(tmp_path, trained):
    run, done = explored(tmp_path, trained, uncertainty={"least_eV_per_A": 1e-4, "most_eV_per_A": 1000})
    assert "pair_coeff * * ${mace} ${member_1} V Na P O" in done.task.settings["commands"]
    verdict = json.loads((done.folder / "uncertainty.json").read_text())
    frames = read_frames(done.folder / "trajectory.extxyz")
    scale = {"Na": 2.0, "V": 1.0, "P": 0.5, "O": 3.0}
    largest = [(f.arrays["deviation"] * [scale[symbol] for symbol in f.symbols]).max() for f in frames]
    assert verdict["calibrated"] and verdict["largest"] == pytest.approx(largest, abs=1e-5) and len(largest) == 5
    assert verdict["environments"] == 5 * len(frames[0])
    selected = read_frames(done.folder / "selected.txt")
    assert [frame.info["max_deviation"] for frame in selected] == pytest.approx(largest, abs=1e-5)
    products = md.collect(run, [done])
    chosen = read_frames(products.files["candidates"])
    peaks = [largest.index(max(largest[round(100 * i) : round(100 * j) + 1])) for i, j in verdict["excursions"]]
    assert peaks and [frame.info["step"] for frame in chosen] == [10 * peak for peak in peaks]
    deviations = [frame.arrays["deviation"].max() for frame in chosen]
    assert deviations == pytest.approx([largest[peak] for peak in peaks], abs=1e-5), "calibrated, for cells around them"
    assert [frame.info["source"] for frame in chosen] == [f"{done.task.name}-step{10 * peak}" for peak in peaks]
    assert {"CN(P-O)", "CN(V-O)", "density", "Q0"} <= verdict["structure"].keys()


def test_a_committee_of_heads_is_one_archive_and_explores_as_any_other(tmp_path):
    uncertainty = {"least_eV_per_A": 1e-4, "most_eV_per_A": 1000}
    asked = {"committee": 3, "committee_of": "heads"}
    _, done = explored(tmp_path, with_heads(tmp_path), asked, uncertainty=uncertainty)
    assert "pair_coeff * * ${mace} V Na P O" in done.task.settings["commands"]
    verdict = json.loads((done.folder / "uncertainty.json").read_text())
    frames = read_frames(done.folder / "trajectory.extxyz")
    largest = [f.arrays["deviation"].max() for f in frames]
    assert min(largest) > 1e-3 and verdict["largest"] == pytest.approx(largest, abs=1e-5)


def test_heads_are_one_task_that_is_calibrated_from_the_predictions_of_each(tmp_path):
    cells = [crystal("NaVOPO4_alpha_P21c_DLSmodel") for _ in range(4)]
    rng = np.random.default_rng(3)
    for number, cell in enumerate(cells):
        cell.info |= {"REF_energy": 0.0, "level": "x", "group": f"g{number}", "charge": 0, "multiplicity": 5}
        cell.info["source"] = "test"
        cell.set_array("REF_forces", rng.normal(size=(len(cell), 3)))
    files = {name: tmp_path / name for name in ("train", "test", "summary")}
    write_frames(tmp_path / "frames.extxyz", cells)
    for name in ("train", "test"):
        files[name].write_bytes((tmp_path / "frames.extxyz").read_bytes())
    parts = {"train": {"atoms": 3 * len(cells[0])}, "test": {"atoms": len(cells[0])}}
    summary = {"E0_eV": dict.fromkeys(ELEMENTS, -1.0), "level": "x", "frames": 4} | parts
    files["summary"].write_text(json.dumps(summary))
    asked = {"epochs": 2, "committee": 3, "committee_of": "heads"}
    run = study(tmp_path, train=asked, dataset={"level": "gfn1-xtb"})
    run = replace(run, takes={"dataset": Dataset(step="dataset", files=files)})
    (task,) = train.plan(run)
    assert task.name == "model" and task.settings["heads"] == 3
    foreseen = Dataset(facts={"frames": 4, "atoms": 4 * len(cells[0])})
    (expected,), _ = train.expect(replace(run, takes={"dataset": foreseen}))
    alone = train.plan(replace(run, input=study(tmp_path, train={"epochs": 2}, dataset={"level": "gfn1-xtb"}).input))
    assert "heads" not in alone[0].settings and alone[0].effort.size < task.effort.size == expected.effort.size
    labels = np.concatenate([cell.arrays["REF_forces"] for cell in cells])
    folder = tmp_path / "attempt-1"
    folder.mkdir()
    for head, factor in enumerate((0.9, 1.0, 1.4)):
        arrays = {"forces_model_eV_per_A": factor * labels, "forces_label_eV_per_A": labels}
        arrays["energy_model_eV_per_atom"] = np.full(4, 0.01 * head)
        np.savez(folder / f"parity-test-head-{head}.npz", **arrays)
    model = train.collect(run, [Done(task, folder, {}, {})])
    heads = {f"head-{head}/parity-test" for head in range(3)}
    assert heads | {"uncertainty", "mean"} == model.files.keys()
    # the mean is off by 10 %, and by 10 meV/atom, whatever the body's own readouts do
    errors = json.loads(model.files["mean"].read_text())["errors"]["test"]
    assert errors["forces_rmse_meV_per_A"] == pytest.approx(100.0 * np.sqrt((labels**2).mean()))
    assert errors["energy_rmse_meV_per_atom"] == pytest.approx(10.0)
    assert json.loads(model.files["uncertainty"].read_text())["groups"] == 4


def test_a_trajectory_ends_where_the_committee_knows_nothing(tmp_path, trained):
    run, done = explored(tmp_path, trained, uncertainty={"least_eV_per_A": 1e-4, "most_eV_per_A": 2e-3})
    verdict = json.loads((done.folder / "uncertainty.json").read_text())
    assert verdict["reached_most"] and verdict["excursions"] == [] and not done.summary["stable"]
    assert "candidates" not in md.collect(run, [done]).files


def test_a_trajectory_without_a_committee_is_as_before(tmp_path, trained):
    archive = trained.files["archive"]
    asked = {"temperatures_K": [300.0], "time_ps": 0.02, "structures": "cell.extxyz", "model": str(archive)}
    write_frames(tmp_path / "cell.extxyz", [crystal("NaVOPO4_alpha_P21c_DLSmodel")])
    (task,) = md.plan(study(tmp_path, md=asked))
    assert not {"uncertainty", "scale"} & task.settings.keys()
    assert not any("naglass/select" in line for line in task.settings["observables"])


def facts(uncertain=1, environments=1000, rmse=100.0, most=False, **structure):
    """Two replicas at one temperature."""
    one = {"environments": environments, "uncertain_environments": uncertain, "reached_most": most}
    return RoundFacts(
        {
            f"s/g{k}-600K": one | {"temperature_K": 600.0, "structure": {key: v[k] for key, v in structure.items()}}
            for k in range(2)
        },
        {"forces_rmse_meV_per_A": rmse},
    )


@pytest.mark.parametrize(
    ("now", "before", "open_"),
    [
        (dict(), dict(), []),
        (dict(uncertain=30), dict(), ["uncertain environments"]),
        (dict(), dict(uncertain=30), ["uncertain environments"]),
        (dict(rmse=94.0), dict(), ["held-out error"]),
        (dict(rmse=96.0), dict(), []),
        (dict(Q1=(0.50, 0.52)), dict(), ["structure"]),
        (dict(Q1=(0.30, 0.48)), dict(), []),
        (dict(most=True), dict(), ["upper bound"]),
    ],
)
def test_a_loop_may_stop_if_four_criteria_hold(now, before, open_):
    usual = dict(Q1=(0.38, 0.42), density=(2.75, 2.75))
    found = criteria(facts(**usual | now), facts(**usual | before), STOP)
    assert [each["name"] for each in found if not each["met"]] == open_
    assert len(found) == 4 and all(each["words"] for each in found)


def test_the_first_round_never_stops():
    found = criteria(facts(Q1=(0.38, 0.42)), RoundFacts({}, None), STOP)
    assert [each["met"] for each in found] == [False, False, False, True]


def decided(folder, budget=None, spent=1.0, uncertain=1, means=()):
    """A decision after two rounds, whose models have these force errors of their mean, if any."""
    takes = {}
    for role, rmse, scope in (("", 100.0, "s/round-2"), ("_before", 101.0, "s/round-1")):
        told = facts(uncertain, rmse=rmse, Q1=(0.38, 0.42))
        files = {}
        for label, each in told.uncertainties.items():
            name = label.rpartition("/")[2]
            for word, content in (("uncertainty", each), ("gate", {"stable": True})):
                path = folder / f"{name}{word}{role}.json"
                path.write_text(json.dumps(content))
                files[f"{name}/{word}"] = path
        summary = folder / f"summary{role}.json"
        summary.write_text(json.dumps({"errors": {"test": told.errors}}))
        model = {"summary": summary}
        if role in means:
            model["mean"] = folder / f"mean{role}.json"
            model["mean"].write_text(json.dumps({"errors": {"test": {"forces_rmse_meV_per_A": means[role]}}}))
        takes |= {f"md{role}": (Trajectories(scope, "md", files),), f"train{role}": Model(files=model)}
    content = {"stop_when_stable": False, "stop": STOP | {"budget_core_h": budget}, "spent_core_h": spent}
    return decision.collect(Run(content, folder, folder, takes), []).facts


def test_the_decision_says_which_criteria_ended_the_loop_or_are_open(tmp_path):
    ended = decided(tmp_path)
    assert ended["converged"] and ended["reason"].startswith("converged: 0.1 % and then 0.1 % of the environments")
    going = decided(tmp_path, uncertain=50)
    assert not going["converged"] and not going["over_budget"]
    assert going["reason"] == (
        "not converged: 5 % and then 5 % of the environments uncertain, 2 % allowed in two rounds"
    )
    over = decided(tmp_path, budget=2.0, spent=2.5, uncertain=50)
    assert over["over_budget"] and not over["converged"]
    assert over["reason"].startswith("budget of 2 core hours used (2.5), not converged: 5 %")


def test_the_held_out_error_is_that_of_the_mean_where_both_rounds_have_it(tmp_path):
    worse = decided(tmp_path, means={"": 80.0, "_before": 60.0})
    assert not worse["converged"] and "error 60 and then 80 meV/Å (+33 %)" in worse["reason"]
    alone = decided(tmp_path, means={"": 80.0})
    assert alone["converged"] and "error 101 and then 100 meV/Å" in alone["reason"]


INPUT = """\
name: one
system: {composition: {Na: 4, V4+: 2, P: 4, O: 16}, density_g_cm3: 2.75}
glass: {replicas: 2}
reference: [{name: a, level: gfn1-xtb}, {name: b, level: gfn1-xtb, structures: candidates}]
dataset: {level: gfn1-xtb}
train: {epochs: 5, committee: 2}
md: {temperatures_K: [600], time_ps: 1, candidates: 2, uncertainty: {least_eV_per_A: 0.2}}
learn: {rounds: [{}], stop: {uncertain_percent: 3}}
"""


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (", committee: 2", "", "7: md.uncertainty: there is no committee to be uncertain; set train.committee to 2"),
        (", committee: 2", "", "8: learn.stop: there is no committee to be uncertain; set train.committee to 2"),
        ("{replicas: 2}", "{}", "8: learn.stop: cannot be met: the structure of two rounds is compared by replicas"),
        (
            "b, level: gfn1-xtb",
            "b, level: pbe+u+d3",
            "4: reference[1].level: in round 1: pbe+u+d3 is not dataset.level",
        ),
        (
            ", {name: b, level: gfn1-xtb, structures: candidates}",
            "",
            "7: md.candidates: in round 1: selects frames that no set",
        ),
        ("committee: 2", "committee: 0", "6: train.committee: "),
        ("committee: 2", "committee: 2, start_model: a.mace", "6: train.committee: 2: the members of a committee"),
        (", committee: 2", ", committee_of: heads", "6: train.committee_of: heads: there is no committee"),
        ("committee: 2", "committee: 2, committee_of: head", "6: train.committee_of: "),
        ("0.2}", "4}", "7: md.uncertainty.least_eV_per_A: 4 is not below most_eV_per_A, 3 eV/Å"),
        ("candidates: 2,", "candidates: 2, gpus: 1,", "7: md.gpus: 1: a committee that this run trains"),
        ("percent: 3", "percents: 3", "8: learn.stop.uncertain_percents: not a known key; did you mean"),
    ],
)
def test_bad_input(tmp_path, old, new, line):
    assert old in INPUT
    (tmp_path / "a.mace").touch()
    (tmp_path / "input.yaml").write_text(INPUT.replace(old, new))
    with pytest.raises(InputError) as error:
        load_study(tmp_path / "input.yaml", checks=[Checks()])
    assert any(f"input.yaml:{line}" in each for each in str(error.value).splitlines()), str(error.value)


def test_heads_may_have_a_start_model(tmp_path):
    (tmp_path / "a.mace").touch()
    (tmp_path / "input.yaml").write_text(
        INPUT.replace("committee: 2", "committee: 2, start_model: a.mace, committee_of: heads")
    )
    with pytest.raises(InputError) as error:
        load_study(tmp_path / "input.yaml", checks=[Checks()])
    assert "committee" not in str(error.value)


def test_good_input(tmp_path):
    (tmp_path / "input.yaml").write_text(INPUT)
    rounds = load_study(tmp_path / "input.yaml", checks=[Checks()]).rounds[""]
    assert [input.train.committee for input in rounds] == [2, 2]


def test_peaks_of_the_candidates_are_the_most_different(tmp_path, trained):
    _, done = explored(tmp_path, trained, uncertainty={"least_eV_per_A": 1e-4, "most_eV_per_A": 1000})
    verdict = json.loads((done.folder / "uncertainty.json").read_text())
    each = verdict | {"excursions": [[time, time] for time in verdict["time_ps"]]}
    found = [frame.info["time_ps"] for frame in candidates.of_trajectory(done, 2, each)]
    assert len(found) == 2 and found == sorted(found) and {0.0, verdict["time_ps"][-1]} & set(found)
    # nothing is taken from where two atoms overlap on
    gate = {"checks": [{"name": "distance O-O", "time_ps": 0.015}, {"name": "temperature", "time_ps": 0.0}]}
    (done.folder / "gate.json").write_text(json.dumps(gate))
    assert [frame.info["time_ps"] for frame in candidates.of_trajectory(done, 9, each)] == [0.0, 0.01]
