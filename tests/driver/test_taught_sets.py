"""Reference sets at a level that is a potential: what is asked for, which frames are labeled, and with what."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones

import support.odd_calculators
from naglass_drv.config import cost
from naglass_drv.dataset.audit.contacts import too_close
from naglass_drv.dataset.frames import level_name, read_frames, read_labeled, write_frames
from naglass_drv.errors import InputError, SetupError, Stopped, TaskFailed
from naglass_drv.products import Dataset, Labels, Trajectories
from naglass_drv.stages import atoms, dataset, reference
from naglass_drv.stages.base import Run
from naglass_drv.stages.reached import Reached
from support import taken
from support.mace_models import SMALLEST, build_model
from support.taught import LJ, TITLE, attempt, job_of, make_run, structures


@pytest.fixture
def odd(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(support.odd_calculators.__file__).parent), prepend=":")


def test_labels_are_those_of_the_potential(tmp_path):
    cells = structures("Na4V2P4O16", "Na2O", "P4O10")
    cells[1].positions[1] = cells[1].positions[0] + [0.0, 0.9, 0.0]
    write_frames(tmp_path / "cells.extxyz", cells)
    run = make_run(tmp_path, {"frames_per_structure": 2, "rattle_A": 0.02})
    (task,) = reference.plan(run)
    done = attempt(run, task)
    labels = reference.collect(run, [done])
    frames = read_labeled(labels.files["a/admitted"])
    assert labels.facts == {"levels": {"a": TITLE}, "taught": ["a"]}
    assert set(labels.files) == {"a/admitted", "a/rejected"}
    assert [frame.info["source"] for frame in frames] == [f"reference/a-cells-{k}-v{n}" for k in (0, 2) for n in (0, 1)]
    for frame in frames:
        direct = Atoms(frame.symbols, frame.positions, cell=frame.cell, pbc=True, calculator=LennardJones())
        assert frame.info["REF_energy"] == pytest.approx(direct.get_potential_energy())
        assert frame.arrays["REF_forces"] == pytest.approx(direct.get_forces(), abs=2e-8)
        assert frame.info["REF_stress"] == pytest.approx(direct.get_stress(voigt=False), abs=1e-10)
        assert frame.info["level"] == done.summary["level"] and level_name(frame.info["level"]) == TITLE
    rejected = json.loads(labels.files["a/rejected"].read_text())
    assert [(each["frame"], each["failure"]) for each in rejected] == [
        (f"a-part0 cells-1-v{n}", "TOO_CLOSE") for n in (0, 1)
    ]
    assert "are 0.90 Å apart" in rejected[0]["message"]


@pytest.mark.parametrize(
    "pair, apart, fault",
    [
        ("OO", 1.15, None),
        ("OO", 0.95, "below 0.99"),
        ("PO", 1.2, None),
        ("PO", 1.0, "below 1.04"),
        ("NaNa", 1.9, "below 1.97"),
    ],
)
def test_labels_reach_down_to_where_zbl_takes_over(pair, apart, fault):
    """0.75 of the sum of covalent radii, where 0.6 of the contact distance is more: an O2 is within it."""
    frame = Atoms(pair, [[0, 0, 0], [apart, 0, 0]], cell=[12, 12, 12], pbc=True)
    found = too_close(frame, 0.6, 0.75)
    assert found is None if fault is None else fault in found


def test_copies_are_those_that_cp2k_would_label(tmp_path):
    """A change of level changes labels, not structures."""
    write_frames(tmp_path / "cells.extxyz", structures("Na4P4O12", "Na3PO4"))
    run = make_run(tmp_path, {"frames_per_structure": 3})
    (task,) = reference.plan(run)
    other = replace(run, input=make_run(tmp_path, {"frames_per_structure": 3, "level": "gfn1-xtb"}).input)
    cp2k = reference._candidates(other, other.input.reference[0])
    assert list(task.settings["frames"]) == [item.name for item in cp2k]
    for item in cp2k:
        assert task.settings["frames"][item.name]["positions_A"] == item.frame.positions.tolist()


def test_candidates_of_a_loop_are_labeled_and_none_if_there_are_none(tmp_path):
    write_frames(tmp_path / "cells.extxyz", structures("Na4P4O12", "Na3PO4"))
    run = make_run(tmp_path, {"structures": "candidates"})
    selected = Trajectories("round-1", "md", {"candidates": tmp_path / "cells.extxyz"})
    (task,) = reference.plan(taken.given(run, candidates=selected))
    assert list(task.settings["frames"]) == ["cells-0-v0", "cells-1-v0"]
    assert reference.plan(run) == [] and json.loads(reference.collect(run, []).files["a/rejected"].read_text()) == []
    foreseen = Trajectories(facts={"candidates": {"g0-600K": (3, ["Na", "O"])}})
    tasks, labels = reference.expect(taken.given(run, candidates=foreseen))
    assert len(tasks) == 1 and tasks[0].effort.size == 6 and labels.facts["frames"] == {"a": 3}


@pytest.mark.mpi
def test_a_mace_model_labels_as_pair_style_mace_does(tmp_path, monkeypatch):
    """The level is that of the model file, wherever it lies, and in every call."""
    from naglass_drv.cli.main import main
    from naglass_drv.engines.mace.modelfile import default_dtype, save_portable
    from naglass_drv.engines.mlip.potential import Potential

    model = tmp_path / "models" / "m.mace"
    model.parent.mkdir()
    with default_dtype("float64"):
        save_portable(build_model(**SMALLEST), model)
    write_frames(tmp_path / "cells.extxyz", structures("Na4V2P4O16", "Na3PO4"))
    run = make_run(tmp_path, {"level": {"name": "mlip", "family": "mace", "model": "models/m.mace"}})
    (task,) = reference.plan(run)
    assert task.inputs == {"model": model}
    done = attempt(run, task)
    frames = read_labeled(reference.collect(run, [done]).files["a/admitted"])
    with Potential.of(f"mace:{model}").open(tmp_path) as worker:
        for frame in frames:
            direct = worker.evaluate(frame)
            assert frame.info["REF_energy"] == pytest.approx(direct.energy, rel=1e-9)
            assert frame.arrays["REF_forces"] == pytest.approx(direct.forces, abs=2e-8)
    monkeypatch.chdir(tmp_path)
    levels = {done.summary["level"]}
    for name in ("one", "two"):
        call = ["relabel", "cells.extxyz", "--potential", "mace:models/m.mace", "-o", f"{name}.extxyz"]
        assert main(call) == 0
        levels |= {frame.info["level"] for frame in read_frames(tmp_path / f"{name}.extxyz")}
    (level,) = levels
    assert level.startswith("mace-m.mace-h")


def test_a_set_is_cut_into_tasks_of_some_atoms(tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "_BATCH_ATOMS", 40)
    write_frames(tmp_path / "cells.extxyz", structures("Na4P4O12", "Na4V2P4O16", "Na3PO4", "Na2O"))
    run = make_run(tmp_path, {"frames_per_structure": 2})
    tasks = reference.plan(run)
    assert [task.name for task in tasks] == ["a-part0", "a-part1", "a-part2", "a-part3"]
    names = [[name.removeprefix("cells-") for name in task.settings["frames"]] for task in tasks]
    assert names == [["0-v0", "0-v1"], ["1-v0"], ["1-v1", "2-v0"], ["2-v1", "3-v0", "3-v1"]]
    foreseen, labels = reference.expect(run)
    assert [task.effort for task in foreseen] == [task.effort for task in tasks] and labels.facts["frames"] == {"a": 8}
    (section,) = run.input.reference
    assert cost.batches([], section) == [] and cost.batches([100, 1], section) == [range(1), range(1, 2)]


def test_a_stopped_task_goes_on_where_it_was(tmp_path, odd):
    write_frames(tmp_path / "cells.extxyz", structures("Na4P4O12", "Na3PO4"))
    odd_level = LJ | {"model": "odd_calculators:Odd"}
    run = make_run(tmp_path, {"frames_per_structure": 4, "level": odd_level, "max_net_force_eV_per_A": 1000})
    (task,) = reference.plan(run)
    with pytest.raises(Stopped, match="after 3 of 8 frames"):
        attempt(run, task, after=3)
    first = run.folder / "tasks" / "a-part0-1"
    # a kill in the middle of a line
    reached = first / "reached.jsonl"
    reached.write_bytes(reached.read_bytes()[:-40])
    # and one while the worker starts
    second = run.folder / "tasks" / "killed"
    second.mkdir()
    Reached(replace(job_of(task, second), previous=first))
    done = attempt(run, task, number=2, previous=second)
    evaluated = [(folder / "ase.log").read_text().count("below Python") for folder in (first, done.folder)]
    assert evaluated == [3, 6] and done.summary["frames"] == 8
    whole = attempt(run, task, number=3)
    assert (whole.folder / "frame.extxyz").read_bytes() == (done.folder / "frame.extxyz").read_bytes()


def test_a_frame_without_numbers_is_rejected_and_a_worker_that_fails_is_named(tmp_path, odd):
    write_frames(tmp_path / "cells.extxyz", structures("Na4P4O12"))
    run = make_run(tmp_path, {"level": LJ | {"model": "odd_calculators:nan"}})
    done = attempt(run, *reference.plan(run))
    assert done.summary["status"] == "rejected" and done.summary["frames"] == 0
    labels = reference.collect(run, [done])
    assert json.loads(labels.files["a/rejected"].read_text())[0]["failure"] == "NOT_FINITE"
    assert "a/admitted" not in labels.files
    run = make_run(tmp_path / "other", {"level": LJ | {"model": "ase.calculators.emt:EMT"}})
    with pytest.raises(TaskFailed, match="cells-v0: ase: NotImplementedError") as raised:
        attempt(run, *reference.plan(replace(run, source=tmp_path)))
    assert raised.value.failure == "WORKER_FAILED" and raised.value.resumable


def test_a_set_that_was_labeled_by_cp2k_leaves_no_atoms_behind(tmp_path):
    write_frames(tmp_path / "cells.extxyz", structures("Na3PO4"))
    run = make_run(tmp_path, {})
    stale = run.products / "reference" / "a-E0.json"
    stale.parent.mkdir(parents=True)
    stale.write_text("{}")
    reference.collect(run, [attempt(run, *reference.plan(run))])
    assert not stale.exists()


def labeled(tmp_path: Path, *sections: dict, cells=("Na3PO4", "Na2O", "P4O10", "Na4P4O12"), **section) -> Run:
    """A run whose sets have been labeled, before its dataset is made."""
    write_frames(tmp_path / "cells.extxyz", structures(*cells))
    run = make_run(tmp_path, *(sections or ({},)), **({"max_force_eV_per_A": 1e4} | section))
    tasks = reference.plan(run)
    return taken.given(run, reference=reference.collect(run, [attempt(run, task) for task in tasks]))


def summary_of(run: Run, number=1) -> dict:
    (task,) = dataset.plan(run)
    done = attempt(run, task, dataset, number)
    # of E0 that are fitted after the audit, it says nothing
    audit = json.loads((done.folder / "audit.json").read_text())
    known = {"kept", "source"} & done.summary["E0"].keys() or done.summary["E0"]["from"] == "isolated_atoms"
    assert audit["E0_eV"] == (done.summary["E0_eV"] if known else {})
    return done.summary


def test_e0_are_those_of_least_squares_over_the_training_frames(tmp_path):
    run = labeled(tmp_path)
    summary = summary_of(run)
    frames = read_frames(run.folder / "tasks" / "dataset-1" / "train.extxyz")
    shares = np.array([[list(f.symbols).count(e) / len(f) for e in ("Na", "O", "P")] for f in frames])
    expected, *_ = np.linalg.lstsq(shares, [f.info["REF_energy"] / len(f) for f in frames], rcond=None)
    assert list(summary["E0_eV"].values()) == pytest.approx(expected) and list(summary["E0_eV"]) == ["Na", "O", "P"]
    assert summary["train"]["frames"] == 3 and summary["test"]["frames"] == 1
    found = summary["E0"]
    assert (found["from"], found["frames"], found["compositions"]) == ("least_squares", 3, 3)
    # neutral cells of Na+, P5+ and O2- never determine three energies
    note = "E0 by least squares over 3 frames for training, of 3 compositions; determined: no, they hold for mixtures"
    assert not found["determined"] and summary["note"].startswith(note)


def test_a_round_keeps_the_e0_of_the_round_before(tmp_path):
    """A model is refined only with the E0 that it has."""
    run = labeled(tmp_path)
    first = summary_of(run)
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(first))
    other = labeled(tmp_path / "next", cells=("Na3PO4", "Na4P2O7"))
    labels = [each.take("reference", Labels) for each in (run, other)]
    both = (labels[0], replace(labels[1], scope="round-1"))
    later = replace(run, takes={"reference": both, "before": Dataset(step="dataset", files={"summary": path})})
    second = summary_of(later, 2)
    assert second["frames"] > first["frames"] and second["E0_eV"] == first["E0_eV"]
    assert second["E0"] == first["E0"] | {"kept": True} and "taken over from an earlier dataset" in second["note"]


def test_e0_that_are_given_come_before_a_fit_unless_it_is_asked_for(tmp_path):
    run = labeled(tmp_path, include=["E0.json"])
    level = read_frames(run.take("reference", Labels).files["a/admitted"])[0].info["level"]
    table = {"level": level, "E0_eV": {"Na": -1.0, "O": -2.0, "P": -3.0}}
    (tmp_path / "E0.json").write_text(json.dumps(table))
    summary = summary_of(run)
    assert summary["E0_eV"] == table["E0_eV"] and summary["E0"] == {"from": "isolated_atoms"}
    assert summary["note"] == "E0 from isolated atoms"
    asked = replace(run, input=make_run(tmp_path, {}, include=["E0.json"], E0="least_squares").input)
    assert summary_of(asked, 2)["E0"]["from"] == "least_squares"
    refused = replace(run, input=make_run(tmp_path, {}, E0="isolated_atoms").input)
    with pytest.raises(InputError, match="no isolated-atom energy for Na, O, P at level ase-.*E0 to least_squares"):
        summary_of(refused, 3)


def test_e0_that_were_fitted_elsewhere_are_not_taken_for_those_of_atoms(tmp_path):
    from naglass_drv.dataset.taught import fitted_atoms

    run = labeled(tmp_path, include=["earlier.json"])
    first = labeled(tmp_path / "first")
    summary = summary_of(first)
    (tmp_path / "earlier.json").write_text(json.dumps(summary))
    again = summary_of(run)
    assert again["E0_eV"] == summary["E0_eV"] and again["E0"] == summary["E0"] | {"kept": True}
    frames = read_frames(run.take("reference", Labels).files["a/admitted"])
    write_frames(tmp_path / "atoms.extxyz", fitted_atoms(frames, {"Na": 2, "P": 4, "O": 3})[0])
    other = replace(run, input=make_run(tmp_path, {}, include=["atoms.extxyz"]).input)
    assert summary_of(other, 2)["note"] == "E0 taken over from included frames: least squares over 4 frames"


def test_an_element_that_no_training_frame_has_is_refused(tmp_path):
    run = labeled(tmp_path, cells=("Na3PO4", "V2O5"), E0="least_squares")
    with pytest.raises(InputError, match="no training frame has .*, whose E0 is to be fitted"):
        summary_of(run)


def test_least_squares_can_be_asked_for_at_a_computed_level(tmp_path):
    """Labels without atoms, as others hand them on."""
    run = labeled(tmp_path)
    frames = read_frames(run.take("reference", Labels).files["a/admitted"])
    for frame in frames:
        frame.info["level"] = "pbe-h1234567"
    write_frames(tmp_path / "pbe.extxyz", frames)
    other = make_run(tmp_path, {"level": "gfn1-xtb"}, level="pbe", include=["pbe.extxyz"], max_force_eV_per_A=1e4)
    with pytest.raises(InputError, match="no isolated-atom energy"):
        summary_of(other, 2)
    asked = make_run(
        tmp_path, {"level": "gfn1-xtb"}, level="pbe", include=["pbe.extxyz"], max_force_eV_per_A=1e4, E0="least_squares"
    )
    assert summary_of(asked, 3)["E0"]["from"] == "least_squares"


def test_no_atoms_are_labeled_for_several_systems(tmp_path):
    write_frames(tmp_path / "cells.extxyz", structures("Na3PO4"))
    run = make_run(tmp_path, {}, test_fraction=0.2)
    assert list(atoms._sets(replace(run, input={"one": run.input, "two": run.input}))) == []


def test_an_environment_that_is_missing_ends_a_run_before_it_labels(tmp_path, monkeypatch):
    monkeypatch.setenv("NAGLASS_ENVIRONMENTS", str(tmp_path))
    write_frames(tmp_path / "cells.extxyz", structures("Na3PO4"))
    run = make_run(tmp_path, {"level": {"name": "mlip", "family": "sevennet", "model": "7net-0"}})
    with pytest.raises(SetupError, match="python -m naglass_drv env make sevennet"):
        reference.plan(run)
