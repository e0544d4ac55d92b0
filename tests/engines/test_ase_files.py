"""Frames in trajectories and databases of ASE: their numbers, and what is refused instead of being run or changed."""

import pickle
import sqlite3

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.db import connect
from ase.io.trajectory import TrajectoryWriter

from naglass_drv.cli.main import main
from naglass_drv.dataset.frames import read_labeled
from naglass_drv.foreign.sources import read_source

STRESS = np.array([0.01, 0.02, 0.03, 0.004, 0.003, 0.002])


def frame(energy: float) -> Atoms:
    atoms = Atoms("Na2O", [[0, 0, 0], [2.2, 0.1, 0], [4.4, 0, 0.3]], cell=[6, 7, 8], pbc=True)
    # fixed atoms have labels, too
    atoms.set_constraint(FixAtoms([0]))
    forces = np.array([[0.1, 0.2, 0.3], [0.0, -0.1, 0.0], [-0.1, -0.1, -0.3]])
    atoms.calc = SinglePointCalculator(atoms, energy=energy, free_energy=energy - 0.1, forces=forces, stress=STRESS)
    return atoms


@pytest.fixture
def trajectory(tmp_path):
    path = tmp_path / "run.traj"
    with TrajectoryWriter(str(path)) as writer:
        for k in range(3):
            writer.write(frame(-12.5 - k))
    return path


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "set.db"
    with connect(str(path)) as db:
        for k in range(3):
            db.write(frame(-12.5 - k), multiplicity=1, iteration=k, data={"dft": np.zeros((3, 3))})
    return path


@pytest.mark.parametrize("kind", ["trajectory", "database"])
def test_frames_keep_their_numbers(kind, request, tmp_path):
    path = request.getfixturevalue(kind)
    out = tmp_path / "taken.extxyz"
    words = ["import-frames", str(path), "-o", str(out), "--level-name", "x", "--settings", "s", "--multiplicity", "1"]
    assert main(words) == 0
    taken = read_labeled(out)
    assert [one.info["REF_energy"] for one in taken] == [-12.5, -13.5, -14.5]
    np.testing.assert_allclose(taken[0].positions, frame(0).positions)
    np.testing.assert_allclose(taken[0].arrays["REF_forces"], frame(0).calc.results["forces"])
    expected = [[0.01, 0.002, 0.003], [0.002, 0.02, 0.004], [0.003, 0.004, 0.03]]
    np.testing.assert_allclose(taken[2].info["REF_stress"], expected)


def test_entries_of_a_row_are_told_and_can_be_named(database, tmp_path):
    first = read_source(database, {"forces": "dft"}).found[1]
    assert first.multiplicity == 1 and first.told["iteration"] == 1
    assert not first.frame.arrays["REF_forces"].any()
    words = ["import-frames", str(database), "-o", str(tmp_path / "o.extxyz"), "--level-name", "x", "--settings", "s"]
    assert main([*words, "--group", "run-{iteration}"]) == 0
    assert [one.info["group"] for one in read_labeled(tmp_path / "o.extxyz")] == ["run-0", "run-1", "run-2"]


def test_one_bad_row_does_not_refuse_the_good_ones(database):
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE systems SET positions = x'0011' WHERE id = 2")
    connection.close()
    found = read_source(database, {}).found
    assert [one.refusal is None for one in found] == [True, False, True]
    assert "frame 1" in str(found[1].refusal)


class Runs:
    def __reduce__(self):
        return (open, ("ran-by-pickle", "w"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PickleTrajectory" + pickle.dumps(Runs()), "pickled trajectory"),
        (pickle.dumps(Runs()), "cannot be read"),
        (b"- of UlmASE-Trajectory", "damaged"),
        (b"SQLite format 3\0" + b"\1" * 200, "damaged database"),
    ],
)
def test_pickles_and_damaged_files_are_refused_and_nothing_runs(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.traj"
    path.write_bytes(content)
    (record,) = read_source(path, {}).refused
    assert record["failure"] == "UNREADABLE" and message in record["message"]
    assert [one.name for one in tmp_path.iterdir()] == ["x.traj"]


@pytest.mark.parametrize("statement", ["CREATE TABLE other (id)", "CREATE VIEW systems AS SELECT 1 AS id"])
def test_a_database_of_others_is_refused_and_stays_as_it_is(tmp_path, statement):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    before = path.read_bytes()
    (record,) = read_source(path, {}).refused
    assert "an SQLite database, but not one of ASE" in record["message"] and path.read_bytes() == before
