"""Relaxations with a potential: of positions and of cells, as labels of a set, and what a stopped one goes on from."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from scipy.optimize import minimize

import support.odd_calculators
from naglass_drv.analysis.asked import relaxation
from naglass_drv.config import cost
from naglass_drv.dataset.frames import read_frames, read_labeled, write_frames
from naglass_drv.errors import Stopped
from naglass_drv.stages import reference
from support.odd_calculators import argon
from support.simple_calculators import evaluated
from support.taught import LJ, attempt, make_run

ARGON = LJ | {"model": "odd_calculators:argon"}
BAR = 6.241509e-7
RELAX = {"max_steps": 60, "max_force_eV_per_A": 0.01, "frames": 3}


@pytest.fixture
def odd(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(support.odd_calculators.__file__).parent), prepend=":")
    monkeypatch.setattr(cost, "_BATCH_ATOMS", 10**6)


def crystal(a=5.3, rattle=0.1, seed=1, oblique=False):
    """A disturbed crystal near the one that the potential has."""
    atoms = bulk("Ar", "fcc", a=a, cubic=not oblique).repeat(3 if oblique else 2)
    atoms.rattle(rattle, seed=seed)
    return atoms


def test_a_relaxation_of_positions_ends_at_the_minimum_of_another_minimizer():
    atoms = crystal()
    steps = list(relaxation(evaluated(argon()), atoms, steps=200, max_force_eV_per_A=1e-4))
    assert steps[-1].relaxed and not any(step.relaxed for step in steps[:-1])
    assert np.array_equal(steps[0].atoms.positions, atoms.positions)
    assert np.abs(steps[-1].found.forces).max() <= 1e-4
    assert all(step.atoms.calc is None and np.array_equal(step.atoms.cell, atoms.cell) for step in steps)

    def energy(flat):
        moved = atoms.copy()
        moved.positions = flat.reshape(-1, 3)
        found = evaluated(argon())(moved)
        return found.energy, -found.forces.ravel()

    other = minimize(energy, atoms.positions.ravel(), jac=True, method="CG", options={"gtol": 1e-5})
    assert steps[-1].found.energy == pytest.approx(other.fun, abs=1e-6)


@pytest.mark.parametrize("pressure_bar", [0.0, 50_000.0])
def test_the_lengths_of_an_oblique_cell_find_the_pressure_and_its_angles_stay(pressure_bar):
    atoms = crystal(a=5.5, oblique=True)
    atoms.set_cell(atoms.cell.array @ np.array([[1.0, 0.05, 0.0], [0.0, 1.03, 0.02], [0.0, 0.0, 0.97]]), True)
    found = list(
        relaxation(
            evaluated(argon()), atoms, steps=400, lengths=True, max_force_eV_per_A=1e-4, pressure_bar=pressure_bar
        )
    )
    end = found[-1]
    assert end.relaxed
    for step in found:
        assert step.atoms.cell.angles() == pytest.approx(atoms.cell.angles(), abs=1e-9)

    def enthalpy(lengths):
        moved = end.atoms.copy()
        moved.set_cell(np.diag(lengths) @ moved.cell.array, scale_atoms=True)
        return evaluated(argon())(moved).energy + pressure_bar * BAR * moved.get_volume()

    # the slope along each length, by differences of energies alone, is zero within the tolerance of 100 bar
    volume, h = end.atoms.get_volume(), 1e-4
    for axis in range(3):
        up, down = np.ones(3), np.ones(3)
        up[axis], down[axis] = 1 + h, 1 - h
        slope = (enthalpy(up) - enthalpy(down)) / (2 * h) / volume / BAR
        assert abs(slope) < 110.0


def run_of(folder, level, move, **more):
    """A run that relaxes two crystals and a copy of each; nothing tells the spin of argon but the multiplicity."""
    folder.mkdir(exist_ok=True)
    cells = [crystal(seed=1), crystal(seed=2, a=5.1)]
    write_frames(folder / "cells.extxyz", cells)
    section = {"level": level, "relax": RELAX | {"move": move, **more}, "multiplicity": 1}
    return make_run(folder, section | {"strain_percent": [0, 0], "frames_per_structure": 2, "rattle_A": 0.02})


@pytest.mark.parametrize("move", ["positions", "cell"])
def test_every_structure_is_relaxed_before_it_is_labeled(tmp_path, odd, move):
    run = run_of(tmp_path, ARGON, move)
    (task,) = reference.plan(run)
    done = attempt(run, task)
    labels = reference.collect(run, [done])
    frames = read_labeled(labels.files["a/admitted"])
    relaxed = read_frames(labels.files["a/relaxed"])
    assert len(frames) == 4 * 3 and done.summary["frames"] == 12 and len(relaxed) == 4
    assert json.loads(labels.files["a/rejected"].read_text()) == []
    for number, end in enumerate(relaxed):
        start = task.settings["frames"][f"cells-{number // 2}-v{number % 2}"]
        assert end.info["step"] > 5 and end.info["group"] == start["info"]["group"]
        assert end.info["source"] == f"reference/a-cells-{number // 2}-v{number % 2}:{end.info['step']}"
        direct = evaluated(argon())(end)
        assert end.info["REF_energy"] == pytest.approx(direct.energy)
        assert np.abs(direct.forces).max() <= 0.01 + 1e-6
        moved = not np.allclose(end.cell.lengths(), np.diag(start["cell_A"]), atol=1e-3)
        assert moved == (move == "cell")
        if moved:
            assert np.abs(direct.stress[:3]).max() < 101 * BAR


def test_one_that_does_not_come_to_rest_is_listed_and_its_steps_are_kept(tmp_path, odd):
    run = run_of(tmp_path, ARGON, "positions", max_steps=2)
    labels = reference.collect(run, [attempt(run, task) for task in reference.plan(run)])
    assert "a/relaxed" not in labels.files and len(read_labeled(labels.files["a/admitted"])) == 12
    rejected = json.loads(labels.files["a/rejected"].read_text())
    assert [each["failure"] for each in rejected] == ["NOT_RELAXED"] * 4
    assert rejected[0]["frame"] == "a-part0 cells-0-v0 end" and "after 2 steps" in rejected[0]["message"]


def test_what_cannot_be_relaxed_is_rejected_with_the_reason(tmp_path, odd):
    """A cell by a potential that gives no stress of it, and a structure with two atoms on top of each other."""
    run = run_of(tmp_path, ARGON, "cell")
    slab, close = crystal(), crystal()
    slab.pbc = [True, True, False]
    close.positions[1] = close.positions[0] + [0.0, 0.0, 0.5]
    write_frames(tmp_path / "cells.extxyz", [slab, close])
    labels = reference.collect(run, [attempt(run, task) for task in reference.plan(run)])
    rejected = json.loads(labels.files["a/rejected"].read_text())
    assert [each["failure"] for each in rejected] == ["NO_STRESS"] * 2 + ["TOO_CLOSE"] * 2
    assert "gives no stress to relax the cell by" in rejected[0]["message"] and "a/admitted" not in labels.files


def test_a_stopped_relaxation_goes_on_where_it_was_and_ends_with_the_same_numbers(tmp_path, odd):
    run = run_of(tmp_path, ARGON, "cell")
    (task,) = reference.plan(run)
    whole = attempt(run, task, number=1)
    evaluated_in_all = (whole.folder / "ase.log").read_text().count("asked")
    with pytest.raises(Stopped, match="of the relaxation of cells-1-v0"):
        attempt(run, task, number=2, after=_reports_up_to_the_middle_of_the_third(whole))
    first = run.folder / "tasks" / "a-part0-2"
    relaxing = first / "relaxing.jsonl"
    relaxing.write_bytes(relaxing.read_bytes()[:-40])
    done = attempt(run, task, number=3, previous=first)
    assert (done.folder / "frame.extxyz").read_bytes() == (whole.folder / "frame.extxyz").read_bytes()
    again = sum((folder / "ase.log").read_text().count("asked") for folder in (first, done.folder))
    # the line that was cut is the only one asked for twice
    assert again == evaluated_in_all + 1 and not (done.folder / "relaxing.jsonl").exists()


def _reports_up_to_the_middle_of_the_third(whole):
    """Reports are one for each structure on the way, and one at the end of each relaxation."""
    lines = [json.loads(line) for line in (whole.folder / "reached.jsonl").read_text().splitlines()[1:3]]
    steps = [max(map(int, re.findall(r"\bstep=(\d+)", line["text"]))) for line in lines]
    return sum(step + 2 for step in steps) + 5


def test_the_forecast_counts_the_steps_and_cuts_the_tasks_by_them(tmp_path, odd, monkeypatch):
    run = run_of(tmp_path, ARGON, "positions")
    monkeypatch.setattr(cost, "_BATCH_ATOMS", 61 * 64)
    tasks = reference.plan(run)
    assert [list(task.settings["frames"]) for task in tasks] == [
        ["cells-0-v0", "cells-0-v1"], ["cells-1-v0", "cells-1-v1"]
    ]  # fmt: skip
    foreseen, labels = reference.expect(run)
    assert [task.effort for task in foreseen] == [task.effort for task in tasks]
    assert tasks[0].effort.size == 2 * 32 * 61 and labels.facts["frames"] == {"a": 12}
    still = replace(run, input=make_run(tmp_path, {"level": ARGON, "multiplicity": 1}).input)
    assert "relax" not in reference.plan(still)[0].settings
