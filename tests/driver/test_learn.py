"""Loops of learning: their inputs and errors, the steps they take, and what they decide."""

import inspect
import json
import pkgutil
import random
import re
from importlib import import_module

import pytest

from naglass_drv import products, workflow
from naglass_drv.cli.checks import Checks
from naglass_drv.config.load import expanded, load_study
from naglass_drv.errors import InputError
from naglass_drv.products import Trajectories
from naglass_drv.report.material import Material
from naglass_drv.report.rounds import rounds
from naglass_drv.runtime.flow import Flow
from naglass_drv.runtime.forecast import Measured, Times, forecast
from naglass_drv.stages import decision, report
from naglass_drv.stages.base import Run, read_settings
from naglass_drv.workflow.chain import ORDER, chain
from support import toy_loop

ONE = """\
name: one
seed: 7
system: {composition: {Na: 4, V4+: 2, P: 4, O: 16}, density_g_cm3: 2.75}
glass: {replicas: 4, melt_ps: 2}
reference:
  - {name: glass, level: gfn1-xtb}
  - {name: hot, level: gfn1-xtb, structures: candidates}
dataset: {level: gfn1-xtb}
train: {epochs: 50}
md:
  temperatures_K: [600]
  time_ps: 0.5
  candidates: 4
learn:
  rounds:
    - glass: {replicas: 2}
      train: {epochs: 25}
    - {}
    - md: {time_ps: 1.5}
      reference:
        - {name: hot, level: gfn1-xtb, structures: candidates}
      train: {start_model: scratch}
"""


def study(tmp_path, text):
    (tmp_path / "input.yaml").write_text(text)
    return load_study(tmp_path / "input.yaml", checks=[Checks()])


def test_an_entry_changes_keys_from_its_round_on(tmp_path):
    found = study(tmp_path, ONE)
    rounds = found.rounds[""]
    assert [input.glass.replicas for input in rounds] == [4, 2, 2, 2]
    assert [input.train.epochs for input in rounds] == [50, 25, 25, 25]
    assert [input.md.time_ps for input in rounds] == [0.5, 0.5, 0.5, 1.5]
    assert all(input.glass.melt_ps == 2 and input.learn is None for input in rounds)
    assert [[item.name for item in input.reference] for input in rounds] == [
        ["glass"], ["glass", "hot"], ["glass", "hot"], ["hot"],
    ]  # fmt: skip
    assert [input.train.start_model for input in rounds] == [None, None, None, "scratch"]
    assert rounds[0].seed == 7 and len({input.seed for input in rounds}) == 4


def test_only_round_0_starts_from_the_model_of_the_input_and_labels_its_files(tmp_path):
    text = ONE.replace("epochs: 50", "epochs: 50, start_model: model.mace")
    text = text.replace("dataset:", "  - {name: file, level: gfn1-xtb, structures: cells.xyz}\ndataset:")
    for name in ("model.mace", "cells.xyz"):
        (tmp_path / name).touch()
    (tmp_path / "input.yaml").write_text(text)
    rounds = load_study(tmp_path / "input.yaml").rounds[""]
    assert [str(input.train.start_model) for input in rounds] == ["model.mace", "None", "None", "scratch"]
    assert ["file" in [item.name for item in input.reference] for input in rounds] == [True, False, False, False]


def test_replay_goes_on_and_what_was_said_of_the_start_model_does_not(tmp_path):
    own = "epochs: 50, start_model: model.mace, trust: true, head: a, E0: dataset, replay: pseudolabels"
    text = ONE.replace("epochs: 50", own).replace("start_model: scratch", "start_model: scratch, replay: null")
    (tmp_path / "model.mace").touch()
    (tmp_path / "input.yaml").write_text(text)
    sections = [input.train for input in load_study(tmp_path / "input.yaml").rounds[""]]
    assert [train.replay is not None for train in sections] == [True, True, True, False]
    assert [(train.trust, train.head, train.E0) for train in sections] == [
        (True, "a", "dataset"),
        *[(False, None, None)] * 3,
    ]
    (tmp_path / "input.yaml").write_text(text.replace(", replay: null", ""))
    with pytest.raises(InputError, match="9: train.replay: in round 3: there is no start_model to keep the knowledge"):
        load_study(tmp_path / "input.yaml")


def test_rounds_come_after_the_overrides_of_a_system(tmp_path):
    text = toy_loop.SYSTEMS.replace("density_g_cm3: 2.5}", "density_g_cm3: 2.5, glass: {replicas: 5, melt_ps: 3}}")
    found = study(tmp_path, text + toy_loop.REST + "learn: {rounds: [{}, {glass: {replicas: 1}}]}\n")
    assert [input.glass.replicas for input in found.rounds["none"]] == [5, 5, 1]
    assert [input.glass.melt_ps for input in found.rounds["none"]] == [3, 3, 3]
    assert [input.glass.replicas for input in found.rounds["half"]] == [1, 1, 1]


@pytest.mark.parametrize("text", [ONE, toy_loop.TWO + "learn: {rounds: [{}, {glass: {replicas: 1}}]}\n"])
def test_the_expanded_input_gives_the_same_rounds(tmp_path, text):
    first = study(tmp_path, text)
    again = study(tmp_path, expanded(first))
    assert again.rounds == first.rounds and again.systems == first.systems


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("    - {}\n", "    - {analysis: {}}\n", "18: learn.rounds[1].analysis: not a known key; known keys: glass, "),
        ("    - {}\n", "    - {glas: {}}\n", "18: learn.rounds[1].glas: not a known key; did you mean 'glass'?"),
        ("replicas: 2}", "replics: 2}", "16: learn.rounds[0].glass.replics: not a known key; did you mean 'replicas'"),
        ("replicas: 2}", "replicas: 0}", "16: learn.rounds[0].glass.replicas: "),
        ("epochs: 25", "epochs: fast", "17: learn.rounds[0].train.epochs: "),
        ("epochs: 50", "epochs: fast", "9: train.epochs: "),
        ("time_ps: 1.5", "time_ps: 0.005", "19: learn.rounds[2].md.time_ps: 0.005 ps is shorter than sample_every_fs"),
        ("rounds:\n    - glass", "rounds: []\n  is:\n    - glass", "15: learn.rounds: must not be empty"),
        ("train: {epochs: 50}\n", "", "13: learn: there is no train section"),
        ("  candidates: 4\n", "", "7: reference[1].structures: in round 1: md.candidates of round 0 is 0"),
        ("learn:", "lern:", "7: reference[1].structures: there is no learn section"),
        ("      train: {epochs: 25}", "      reference: [{name: a, level: gfn1-xtb}]",
         "7: reference[1].structures: has no effect: round 0 has no candidates, and learn.rounds[0] replaces"),
        ("  rounds:", "  stop_when_stable: 1\n  rounds:", "15: learn.stop_when_stable: "),
        ("    - {}\n", "    - glass:\n", "18: learn.rounds[1].glass: "),
        ("    - {}\n", "    - again\n", "18: learn.rounds[1]: "),
        ("    - {}\n", "    - {glass: {melt_temperature_K: 250}}\n", "4: glass.final_temperature_K: in round 2: 300 K"),
    ],
)  # fmt: skip
def test_errors_are_reported_at_their_place_in_the_file(tmp_path, old, new, line):
    assert old in ONE
    with pytest.raises(InputError) as error:
        study(tmp_path, ONE.replace(old, new))
    found = str(error.value).splitlines()
    assert any(f"input.yaml:{line}" in each for each in found), found
    assert len(set(found)) == len(found)


def test_a_loop_without_md_has_nothing_that_could_be_stable(tmp_path):
    text = re.sub(r"md:\n.*\n.*\n.*\n", "", ONE).replace("    - md: {time_ps: 1.5}\n", "    -\n")
    text = text.replace("learn:\n", "learn:\n  stop_when_stable: true\n")
    with pytest.raises(InputError) as error:
        study(tmp_path, text)
    found = str(error.value)
    assert "input.yaml:11: learn.stop_when_stable: there is no md section whose trajectories could be stable" in found
    assert "reference[1].structures: in round 1: there is no md section that selects candidates" in found


def test_names_that_the_loop_needs_are_no_names_of_systems(tmp_path):
    text = toy_loop.TWO.replace("name: half", "name: round-1") + "learn: {rounds: [{}]}\n"
    with pytest.raises(InputError, match="systems\\[0\\].name: 'round-1' is a name that a loop of learning uses"):
        study(tmp_path, text)


def taken(steps_of, answer):
    """The steps of a workflow in the order in which they are asked for, with the labels of what they take."""
    found = {}

    def begin(step, answered):
        takes = {role: each if isinstance(each, tuple) else (each,) for role, each in step.takes.items()}
        found[step.label] = {role: [f"{p.scope}/{p.step}".strip("/") for p in each] for role, each in takes.items()}
        answer(step, answered)

    flow = Flow(steps_of, begin)
    flow.advance()
    return flow, found


def made(step, converged_in="round-2"):
    """What a step would make: empty, but for its kind and labels."""
    kind = decision.Decision if step.stage == "decision" else toy_loop.KINDS[step.stage]
    files = {"g0/gate": None} if step.stage == "md" else {}
    return kind(step.scope, step.stage, files, facts={"converged": step.scope == converged_in})


def workflow_of(found):
    return chain(found.by_round, found.systems, found.seed, found.conditions())


def test_what_the_steps_of_a_loop_take(tmp_path):
    found = study(tmp_path, ONE + "analysis: {}\nreport: {}\n")
    _, steps = taken(workflow_of(found), lambda step, answer: answer(made(step)))
    first = ["glass", "reference", "dataset", "train", "md", "decision"]
    assert list(steps) == [*first, *(f"round-{n}/{s}" for n in (1, 2) for s in first), "analysis", "report"]
    assert steps["reference"] == {"glass": ["glass"]}
    assert steps["round-1/reference"] == {"candidates": ["md"], "glass": ["round-1/glass"]}
    assert steps["round-2/reference"]["candidates"] == ["round-1/md"]
    assert steps["round-2/dataset"] == {
        "reference": ["reference", "round-1/reference", "round-2/reference"], "before": ["round-1/dataset"],
    }  # fmt: skip
    assert steps["train"] == {"dataset": ["dataset"]}
    assert steps["round-2/train"] == {"dataset": ["round-2/dataset"], "start": ["round-1/train"]}
    assert steps["round-2/md"]["train"] == ["round-2/train"] and steps["round-2/md"]["glass"] == ["round-2/glass"]
    assert steps["round-2/decision"] == {"md": ["round-2/md"]}
    shown = steps["report"]
    asked = [role for role in ORDER if role not in ("crystal", "interface", "lattice", "screen", "report")]
    assert {role: shown[role] for role in asked} == {
        role: [role if role == "analysis" else f"round-2/{role}"] for role in asked
    }
    assert shown["earlier"] == [f"{at}{s}" for at in ("", "round-1/") for s in first]
    assert shown["decision"] == ["round-2/decision"]


def test_the_page_of_a_loop_has_a_row_for_each_round(tmp_path):
    """Of the system's own trajectories and of the dataset and model of all, as their products say."""
    given = study(tmp_path, toy_loop.TWO + "learn: {rounds: [{}]}\nreport: {}\n").systems["half"]

    def file(name, content):
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return path

    def of_round(number, held, error, stable):
        at, own = (f"round-{number}", f"half/round-{number}") if number else ("", "half")
        summary = file(f"d{number}", {"train": {"frames": 10 + number}, "test": {"frames": held} if held else None})
        errors = {"forces_rmse_meV_per_A": error, "forces_rmse_meV_per_A_err": 2.0, "energy_rmse_meV_per_atom": 4.0}
        trained = file(f"m{number}", {"errors": {"train": errors, "test": errors if held else None}})
        gates = {f"g{k}/gate": file(f"g{number}{k}", {"stable": good}) for k, good in enumerate(stable)}
        return {
            "dataset": products.Dataset(at, "dataset", {"summary": summary}),
            "train": products.Model(at, "train", {"summary": trained}),
            "md": products.Trajectories(own, "md", gates),
            "decision": decision.Decision(at, "decision", facts={"reason": f"reason {number}"}),
        }

    takes = of_round(1, 3, 40.0, [True, True]) | {"earlier": tuple(of_round(0, 0, 90.0, [True, False]).values())}
    (task,) = report.plan(Run(given, tmp_path, tmp_path, takes, {}, "half"))
    settings = read_settings(report.Settings, task)
    section = rounds(Material(settings.input, settings.tasks, task.inputs, settings.decisions))
    told = [[getattr(cell, "value", cell) for cell in row] for row in section.blocks[0].rows]
    assert told == [
        ["0", 10, "none", 4.0, 90.0, "1 of 2", "reason 0"], ["1", 11, 3, 4.0, 40.0, "2 of 2", "reason 1"],
    ]  # fmt: skip
    labels = {number.key: number.label for number in section.numbers}
    assert labels["rounds.0.train.forces_rmse_meV_per_A"] == "force RMSE of round 0 (training frames)"
    assert "rounds.1.test.forces_rmse_meV_per_A" in labels
    (alone,) = report.plan(Run(given.model_copy(update={"learn": None}), tmp_path, tmp_path, takes, {}, "half"))
    assert rounds(Material({}, [], alone.inputs)) is None and "decisions" not in alone.settings


def test_a_round_from_scratch_starts_from_no_model_but_keeps_what_was_held_out(tmp_path):
    found = study(tmp_path, ONE)
    _, steps = taken(workflow_of(found), lambda step, answer: answer(made(step, converged_in="never")))
    assert steps["round-3/train"] == {"dataset": ["round-3/dataset"]}
    assert steps["round-3/dataset"]["before"] == ["round-2/dataset"]


def test_a_dataset_of_several_systems_has_the_labels_of_all_in_all_rounds(tmp_path):
    found = study(tmp_path, toy_loop.TWO + "learn: {rounds: [{}]}\nanalysis: {}\nreport: {}\n")
    _, steps = taken(workflow_of(found), lambda step, answer: answer(made(step)))
    labels = [f"{system}/{at}reference" for at in ("", "round-1/") for system in ("half", "none")]
    assert steps["round-1/dataset"]["reference"] == labels
    assert steps["atoms"] == {} and steps["dataset"]["atoms"] == steps["round-1/dataset"]["atoms"] == ["atoms"]
    assert steps["none/round-1/reference"]["candidates"] == ["none/md"]
    assert steps["round-1/decision"] == {"md": ["half/round-1/md", "none/round-1/md"]}
    assert steps["half/report"]["md"] == ["half/round-1/md"] and steps["half/report"]["train"] == ["round-1/train"]
    assert steps["series"]["report"] == ["half/report", "none/report"]


SHIPPED = {
    "chain": ONE.split("learn:")[0].replace("  - {name: hot, level: gfn1-xtb, structures: candidates}\n", ""),
    "side by side": toy_loop.SYSTEMS + "name: many\nglass: {}\nanalysis: {}\nreport: {}\n",
    "one model": toy_loop.TWO.replace("  - {name: b, level: gfn1-xtb, structures: candidates}\n", "")
    + "analysis: {}\nreport: {}\n",
    "loop": ONE + "analysis: {}\nreport: {}\n",
    "loop with cells": toy_loop.CUT + "learn: {rounds: [{}, {}]}\nanalysis: {}\nreport: {}\n",
    "loop of several systems": toy_loop.TWO + "learn: {rounds: [{}, {}, {}]}\nanalysis: {}\nreport: {}\n",
}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_workflow_is_replayed_alike(tmp_path, name):
    """Whatever order the answers come in, as in a run, or at once, as on resuming: the same steps on the same products,
    and the same end.
    """
    found = study(tmp_path, SHIPPED[name])
    flow, alone = taken(workflow_of(found), lambda step, answer: answer(made(step)))
    assert flow.ended and len(alone) > 4
    for seed in range(5):
        chance, waiting = random.Random(seed), []
        other, steps = taken(workflow_of(found), lambda step, answer: waiting.append((step, answer)))
        while waiting:
            step, answer = waiting.pop(chance.randrange(len(waiting)))
            answer(made(step))
            other.advance()
        assert other.ended and steps == alone


def test_every_workflow_of_the_package_is_among_these():
    """A new module with a workflow needs its replay here."""
    modules = {module.name for module in pkgutil.iter_modules(workflow.__path__)}
    assert modules == {"chain", "learn", "parts"}


def test_a_failed_system_is_left_out_of_later_rounds_and_its_labels_stay(tmp_path):
    from naglass_drv.runtime.flow import Failed

    found = study(tmp_path, toy_loop.TWO + "learn: {rounds: [{}, {}]}\n")

    def answer(step, answered):
        lost = step.label == "half/round-1/glass"
        answered(Failed(step.label, "broken") if lost else made(step))

    _, steps = taken(workflow_of(found), answer)
    assert "half/round-1/reference" not in steps and "half/round-2/glass" not in steps
    assert steps["round-2/dataset"]["reference"] == [
        "half/reference", "none/reference", "none/round-1/reference", "none/round-2/reference",
    ]  # fmt: skip


def test_a_forecast_has_all_rounds(tmp_path):
    found = study(tmp_path, toy_loop.TWO + "learn: {rounds: [{}, {}], stop_when_stable: true}\n")
    times = Times([Measured(stage, 1.0, 1, 1.0) for stage in ORDER])
    foreseen = forecast(workflow_of(found), toy_loop.stages(), tmp_path, tmp_path, {}, 1, times)
    assert {name: row.tasks for name, row in foreseen.rows.items() if name in ("dataset", "train")} == {
        "dataset": 3, "train": 3,
    }  # fmt: skip
    assert "decision" not in foreseen.rows


def test_estimate_says_that_it_is_an_upper_bound(tmp_path, capsys):
    from naglass_drv.cli.main import main

    (tmp_path / "input.yaml").write_text(ONE)
    assert main(["estimate", str(tmp_path / "input.yaml")]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split() for line in lines}
    # 4 + 3 x 2 glasses; labels of each and of two of its melt, E0 of 4 elements, 4 candidates of each trajectory
    assert rows["glass"][1] == "10" and rows["md"][1] == "10"
    assert rows["reference"][1] == str((12 + 4) + (6 + 16) + (6 + 8) + 8)
    assert any(line.startswith("an upper bound: all 4 rounds") for line in lines)
    assert main(["validate", str(tmp_path / "input.yaml")]) == 0
    out = capsys.readouterr().out
    assert "up to 4 rounds" in out and "round-2.reference[1] 8 labels" in out


def decide(tmp_path, stop, **stable):
    files = {}
    for name, verdict in stable.items():
        files[f"{name}/gate"] = tmp_path / f"{name}.json"
        files[f"{name}/gate"].write_text(json.dumps({"stable": verdict}))
    takes = {"md": (Trajectories("", "md", files), Trajectories("half/round-1", "md", dict(list(files.items())[:1])))}
    return decision.collect(Run({"stop_when_stable": stop}, tmp_path, tmp_path, takes), [])


def test_a_loop_has_converged_if_all_trajectories_passed_the_gate_and_it_may_stop(tmp_path):
    assert decide(tmp_path, True, a=True, b=True).facts["converged"] is True
    assert decide(tmp_path, False, a=True, b=True).facts["converged"] is False
    lost = decide(tmp_path, True, a=False, b=True)
    assert lost.facts["converged"] is False and lost.facts["unstable"] == ["a", "half/round-1/a"]
    assert lost.facts["reason"] == "not converged: 1 of 3 trajectories passed the stability gate"
    assert decide(tmp_path, True).facts["converged"] is False, "without trajectories nothing is known"


def test_collect_reads_only_the_section_of_its_stage():
    """A product is taken from its manifest when that section and the tasks are the same (runtime/keys.py)."""
    for name in (*ORDER, "series", "decision"):
        source = inspect.getsource(import_module(f"naglass_drv.stages.{name}").collect)
        assert set(re.findall(r"run\.input\.(\w+)", source)) <= {name}
        assert "run.input" not in source.replace(f"run.input.{name}", "") or name == "decision"
