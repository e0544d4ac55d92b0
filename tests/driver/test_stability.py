"""The stability gate on trajectories of which the fault, and its time, are known."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv.analysis.stability import judge
from naglass_drv.chemistry.ions import contact_distance
from naglass_drv.config.schema import Gate

TIMES = np.round(np.arange(0, 2.0001, 0.01), 6)


def tetrahedron(center: str, length: float, at) -> Atoms:
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    return Atoms([center, *"OOOO"], np.array(at) + np.vstack([np.zeros(3), corners * length]))


def salt(phosphates: int = 2) -> Atoms:
    """PO4 and VO4 tetrahedra in a row, with an Na beside each."""
    atoms = Atoms()
    for i in range(phosphates):
        atoms += tetrahedron("P", 1.53, (3, 3, 3 + 6.0 * i))
    atoms += tetrahedron("V", 1.75, (9, 3, 3))
    # 2.4 Å from the corner (1, 1, 1) of the first PO4
    atoms += Atoms("Na", [np.array([3, 3, 3]) + (1.53 + 2.4) / np.sqrt(3)])
    atoms.set_cell([12, 12, max(12, 6.0 * phosphates)])
    atoms.pbc = True
    return atoms


def trajectory(change=lambda atoms, time: None, *, atoms=None, times=TIMES):
    """Frames in which every atom vibrates by 0.03 Å and `change` does the rest."""
    rng = np.random.default_rng(0)
    for time in times:
        frame = (atoms or salt()).copy()
        frame.positions += rng.normal(0, 0.03, frame.positions.shape)
        change(frame, time)
        frame.info["time_ps"] = float(time)
        yield frame


def thermo(temperature=lambda time: 600.0, times=TIMES):
    return {"time_ps": list(times), "temperature_K": [temperature(time) for time in times]}


def verdict(frames=None, table=None, limits=None, planned=2.0):
    return judge(
        trajectory() if frames is None else frames,
        table or thermo(),
        limits or Gate(),
        temperature_K=600.0,
        planned_ps=planned,
    )


def failed(result):
    return {check.name: check.time_ps for check in result.checks if not check.passed}


def test_a_whole_run_passes():
    result = verdict()
    assert result.stable and result.first_violation_ps is None
    worst = {check.name: check.worst for check in result.checks}
    assert worst["P coordination, lowest"] == worst["P coordination, highest"] == 4.0
    assert worst["V coordination change"] == 0.0
    assert worst["temperature"] == 600.0
    assert 1.3 < worst["distance P-O"] < 1.53
    assert worst["length"] == 2.0
    assert len(result.series["time_ps"]) == len(result.series["P_coordination"]) == 201


def test_the_temperature_runs_away():
    result = verdict(table=thermo(lambda time: 600.0 if time < 1.0 else 3000.0))
    # the window that holds the jump
    assert failed(result) == {"temperature": pytest.approx(1.0, abs=0.51)}


def test_fluctuations_of_the_temperature_pass():
    noise = np.random.default_rng(1).normal(0, 100, len(TIMES))
    assert verdict(table=thermo(lambda time: 600 + noise[round(time * 100)])).stable


def test_a_phosphorus_loses_an_oxygen():
    def lose(atoms, time):
        if time > 0.8:
            atoms.positions[1] += 1.0 * (atoms.positions[1] - atoms.positions[0])

    result = verdict(trajectory(lose))
    assert failed(result)["P coordination, lowest"] == pytest.approx(1.0, abs=0.5)
    assert {check.name: check.worst for check in result.checks}["P coordination, lowest"] == 3.0


def test_one_defect_in_many_is_not_a_failure():
    """Of 40 P one loses an oxygen: the material is still there; 3 of them, and it is going."""

    def lose(count):
        def change(atoms, time):
            for first in range(0, 5 * count, 5):
                atoms.positions[first + 1] += 0.5 * (atoms.positions[first + 1] - atoms.positions[first])

        return change

    times = TIMES[::20]
    for count, stable in ((1, True), (3, False)):
        frames = trajectory(lose(count), atoms=salt(40), times=times)
        assert verdict(frames, thermo(times=times)).stable is stable


def test_an_atom_flies_away():
    def leave(atoms, time):
        if time > 1.5:
            atoms.positions[-1] = [9, 9, 9]

    result = verdict(trajectory(leave))
    assert failed(result) == {"atoms without counter-ion": pytest.approx(1.51)}


@pytest.mark.parametrize(("mover", "target", "pair"), [(1, 2, "O-O"), (-1, 0, "Na-P"), (10, 0, "P-V")])
def test_atoms_collapse(mover, target, pair):
    """An atom put at half of the contact distance is seen in the very frame."""
    symbols = salt().get_chemical_symbols()
    contact = contact_distance(symbols[mover], symbols[target])

    def collapse(atoms, time):
        if time >= 0.9:
            away = atoms.positions[mover] - atoms.positions[target]
            atoms.positions[mover] = atoms.positions[target] + 0.5 * contact * away / np.linalg.norm(away)

    result = verdict(trajectory(collapse))
    checks = {frozenset(check.name.removeprefix("distance ").split("-")): check for check in result.checks}
    check = checks[frozenset(pair.split("-"))]
    assert (check.passed, check.time_ps) == (False, pytest.approx(0.9))
    assert check.worst == pytest.approx(0.5 * contact)
    assert check.limit == pytest.approx(0.6 * contact)


@pytest.mark.parametrize(
    ("pair", "fixed", "mover", "near"), [("V-V", 10, 16, 2.1), ("P-P", 0, 5, 2.2), ("O-O", 1, 9, 1.5)]
)
def test_contacts_that_an_oxide_glass_does_not_have(pair, fixed, mover, near):
    atoms = salt()
    atoms += tetrahedron("V", 1.75, (9, 9, 9))

    def join(frame, time):
        if time >= 1.0:
            frame.positions[mover] = frame.positions[fixed] + (0, 0, near)

    def in_contact(limits):
        return failed(verdict(trajectory(join, atoms=atoms), limits=limits)).get(f"contacts {pair}")

    assert failed(verdict(trajectory(atoms=atoms))) == {}
    assert in_contact(Gate()) == pytest.approx(1.0)
    assert in_contact(Gate(max_artifact_fraction=1.0)) is None


def test_vanadium_changes_its_coordination():
    def strip(atoms, time):
        if time > 1.2:
            atoms.positions[11:13] += 0.6 * (atoms.positions[11:13] - atoms.positions[10])

    result = verdict(trajectory(strip))
    assert failed(result)["V coordination change"] == pytest.approx(1.5, abs=0.01)
    assert verdict(trajectory(strip), limits=Gate(max_coordination_change_TM=2.5)).stable


def test_a_short_run_does_not_pass():
    short = TIMES[:51]
    result = verdict(trajectory(times=short), thermo(times=short))
    assert failed(result) == {"length": pytest.approx(0.5)}


def test_values_that_are_not_finite():
    """What comes after the first temperature that is no number does not count as reached."""
    result = verdict(table=thermo(lambda time: 600.0 if time < 1.0 else float("nan")))
    assert failed(result) == {"length": pytest.approx(0.99)}


def test_nothing_at_all():
    result = verdict([], {"time_ps": [], "temperature_K": []})
    assert not result.stable and failed(result) == {"length": 0.0}


def test_as_json():
    import json

    result = json.loads(json.dumps(verdict().as_dict(), allow_nan=False))
    assert result["stable"] is True
    assert {"name", "worst", "limit", "unit", "passed", "time_ps"} == set(result["checks"][0])
