"""Courses of molecular dynamics with a potential that is asked: what they keep, where they end, and what they show."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

import support.simple_calculators as simple
from naglass_drv.analysis.asked import relaxed
from naglass_drv.analysis.drift import drift
from naglass_drv.analysis.dynamics import (
    Memory,
    at_zero_pressure,
    compressed,
    constant_energy,
    contact_limits,
    langevin,
)
from naglass_drv.analysis.quenching import Quench
from naglass_drv.analysis.replicas import first_peak, structure_of
from naglass_drv.analysis.volumes import volume_curve
from support.mace_models import packing
from support.simple_calculators import dimer, evaluated


def test_heating_follows_the_thermostat_and_is_repeatable():
    runs = [langevin(evaluated(simple.Morse()), dimer(), np.linspace(300, 600, 60), seed=4) for _ in range(2)]
    assert runs[0].steps == 60 and runs[0].sound and runs[0].closest_A > runs[0].limit_A > 0
    assert runs[0].temperature_K == runs[1].temperature_K


def test_an_explosion_ends_the_heating_and_tells_where():
    found = langevin(evaluated(simple.Explodes()), dimer(), np.linspace(300, 3000, 100), seed=1)
    assert not found.sound and found.steps < 100 and f"at step {found.steps}" in found.ended


def test_drift_is_the_slope_and_its_interval_holds_it_in_95_of_100():
    """A swing of 1 meV/atom with a period of 33 fs hides no drift of 2 meV/atom/ps in 2 ps."""
    times, rng, held = 1e-3 * np.arange(1, 2001), np.random.default_rng(5), 0
    for phase in rng.uniform(0, 2 * np.pi, 400):
        swing = np.cos(2 * np.pi * times / 0.033 + phase)
        assert drift(1e-3 * 40 * (2.0 * times + swing), 40, 1.0)[0] == pytest.approx(2.0, abs=0.05)
        value, half = drift(1e-3 * 40 * (2.0 * times + rng.normal(size=len(times))), 40, 1.0)
        held += abs(value - 2.0) < half
    assert 370 <= held <= 392
    assert drift(np.zeros(19), 40, 1.0) is None


def test_constant_energy_keeps_that_of_a_potential_and_not_of_forces_without_one():
    start, _ = relaxed(evaluated(simple.Morse()), dimer(), steps=300)
    warm, found = langevin(evaluated(simple.Morse()), start, np.full(100, 300.0), seed=2), {}
    for name in ("Morse", "Twists"):
        course = constant_energy(evaluated(getattr(simple, name)()), warm.atoms, 300.0, 200, seed=2)
        assert course.steps == 200 and np.ptp(course.volume_A3) == 0
        found[name] = drift(course.energy_eV, len(warm.atoms), 1.0)
    assert abs(found["Morse"][0]) + found["Morse"][1] < 1.0
    assert found["Twists"][0] - found["Twists"][1] > 20.0


def test_a_compression_ends_at_its_density_and_goes_on_where_it_was():
    evaluate, options = evaluated(simple.Morse()), {"density": 1.05, "limits": contact_limits(dimer()), "seed": 2}
    warm = langevin(evaluate, dimer(), np.full(20, 300.0), seed=2).atoms
    saved: list = []
    memory = Memory(lambda: saved[0] if saved else None, lambda state: saved.append(dict(state)))
    whole = compressed(evaluate, warm, 300.0, 600, memory=memory, **options)
    assert whole.atoms.get_volume() == pytest.approx(9.0**3 / 1.05, rel=1e-9) and len(saved) == 2
    again = compressed(evaluate, warm, 300.0, 600, memory=memory, **options)
    assert np.array_equal(again.atoms.positions, whole.atoms.positions) and again.volume_A3 == whole.volume_A3


def test_zero_pressure_finds_the_density_of_least_enthalpy():
    """Copper at 20 K, from a cell that is 2 % too small: 140 GPa let it follow within 0.4 ps."""
    copper = bulk("Cu", cubic=True)
    best = volume_curve(evaluated(EMT()), copper, np.linspace(0.94, 1.06, 9)).volume * copper.get_volume()
    copper.set_cell(copper.cell.array * (0.98 * best / copper.get_volume()) ** (1 / 3), scale_atoms=True)
    found = at_zero_pressure(evaluated(EMT()), copper, np.full(1000, 20.0), seed=1)
    assert np.mean(found.volume_A3[-200:]) == pytest.approx(best, rel=0.003)
    assert found.atoms.cell.angles() == pytest.approx([90.0] * 3)


def test_a_quench_is_at_constant_volume_above_and_at_zero_pressure_below():
    how = Quench(3000.0, 1.0, 1000.0, 300.0, 0.5, free_below_K=1500.0)
    fixed, free = how.parts_K()
    assert len(fixed) == 1000 + 1500 and fixed.min() >= 1500 and free.max() < 1500 and len(free) == 1200 + 500
    assert np.array_equal(how.targets_K(), np.concatenate([fixed, free]))


def test_the_first_peak_of_a_structure_factor():
    q = np.arange(0.1, 12.0, 0.2)
    s = 1 + 0.9 * np.exp(-(((q - 1.83) / 0.3) ** 2)) + 2.0 * np.exp(-(((q - 3.1) / 0.3) ** 2)) - np.exp(-q)
    position, height = first_peak(q, s)
    assert position == pytest.approx(1.83, abs=0.03) and height == pytest.approx(1.74, abs=0.05)
    assert first_peak(q, np.linspace(0, 1, len(q))) is None


def test_relaxing_a_cell_takes_no_logarithm_of_matrices(monkeypatch):
    """That of scipy prints a warning whenever it doubts its last digits, at every step."""

    def warns(*arguments, **options):
        raise AssertionError("logm result may be inaccurate")

    monkeypatch.setattr("scipy.linalg.logm", warns)
    monkeypatch.setattr("ase.filters.logm", warns, raising=False)
    moved, converged = relaxed(evaluated(EMT()), bulk("Cu", a=3.7), steps=100, cell=True)
    assert converged and moved.get_volume() == pytest.approx(11.57, abs=0.05)


def test_one_replica_has_no_error():
    found = structure_of([packing(26, 14.0)])
    assert found["S"]["neutron"]["err"] is None and found["CN_V"]["err"] is None
    both = structure_of([packing(26, 14.0, seed=k) for k in range(3)])
    assert both["CN_V"]["err"] > 0 and set(both["first_peak"]) <= {"neutron", "xray"}


def test_a_course_that_was_stopped_ends_with_the_same_numbers():
    saved: list = []
    memory = Memory(lambda: saved[-1] if saved else None, lambda state: saved.append(dict(state)))
    targets = np.full(1100, 600.0)
    whole = langevin(evaluated(simple.Morse()), dimer(), targets, seed=3, keep_every=100)

    calls = iter(range(800))

    def evaluate(atoms):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return evaluated(simple.Morse())(atoms)

    with pytest.raises(KeyboardInterrupt):
        langevin(evaluate, dimer(), targets, seed=3, keep_every=100, memory=memory)
    assert len(saved) == 1 and len(saved[0]["temperature_K"]) == 500
    again = langevin(evaluated(simple.Morse()), dimer(), targets, seed=3, keep_every=100, memory=memory)
    assert again.temperature_K == whole.temperature_K and len(again.frames) == 11
    assert np.array_equal(again.frames[-1], whole.frames[-1]) and again.closest_A == whole.closest_A


ALONE = """
from mpi4py import MPI
import numpy as np
import simple_calculators as simple
from naglass_drv.analysis.asked import relaxed
from naglass_drv.analysis.dynamics import langevin

if MPI.COMM_WORLD.rank == 1:
    evaluate = simple.evaluated(simple.Morse())
    atoms, _ = relaxed(evaluate, simple.dimer(), steps=3, cell=True)
    print(langevin(evaluate, atoms, np.full(3, 300.0), seed=1).steps, "steps")
"""


@pytest.mark.mpi
def test_one_rank_of_a_job_runs_a_course_alone(tmp_path):
    """ASE's dynamics share random numbers with all ranks, of which the others do something else."""
    (tmp_path / "alone.py").write_text(ALONE)
    path = os.pathsep.join([str(Path(simple.__file__).parent), os.environ.get("PYTHONPATH", "")])
    mpirun = str(Path(sys.executable).with_name("mpirun"))
    command = [mpirun, "-n", "2", sys.executable, str(tmp_path / "alone.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | {"PYTHONPATH": path})
    assert done.stdout.split() == ["3", "steps"], done.stderr
