"""Gates that any potential has to pass, on potentials whose faults are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from naglass_drv.analysis.potentials import pair_curve, sanity
from naglass_drv.dataset.potential_errors import errors
from support.mace_models import packing

ATOMS = packing(26, 20.0, tilt=True)
ATOMS.symbols[:] = "Cu"
DISTANCES = np.linspace(0.8, 6.0, 100)


def result(energy, forces, stress=None) -> SimpleNamespace:
    return SimpleNamespace(energy=float(energy), forces=np.asarray(forces), stress=stress)


def lennard_jones(atoms):
    atoms = atoms.copy()
    atoms.calc = LennardJones(sigma=2.2, epsilon=0.05, rc=6.0, smooth=True)
    return result(atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress())


def test_a_good_potential_is_sane():
    found = sanity(lennard_jones, ATOMS)
    assert max(found.rotation_eV_per_A, found.permutation_eV_per_A, found.shift_eV_per_A) < 1e-9
    assert found.force_eV_per_A < 1e-3 and found.stress_eV_per_A3 < 1e-4


FAULTS = {
    "rotation_eV_per_A": lambda atoms, good: result(good.energy, good.forces + [0.01, 0, 0], good.stress),
    "permutation_eV_per_A": lambda atoms, good: result(
        good.energy, good.forces + 0.01 * np.arange(len(atoms))[:, None], good.stress
    ),
    "shift_eV_per_A": lambda atoms, good: result(good.energy, good.forces + 0.01 * atoms.positions, good.stress),
    "force_eV_per_A": lambda atoms, good: result(good.energy, 1.01 * good.forces, good.stress),
    "stress_eV_per_A3": lambda atoms, good: result(good.energy, good.forces, good.stress + 0.001),
}


@pytest.mark.parametrize("what", FAULTS)
def test_each_violation_is_seen(what):
    good = getattr(sanity(lennard_jones, ATOMS), what)
    found = getattr(sanity(lambda atoms: FAULTS[what](atoms, lennard_jones(atoms)), ATOMS), what)
    assert found > 20 * good + 1e-4


def pair(energy, slope):
    def evaluate(atoms):
        r = atoms.get_distance(0, 1)
        return result(energy(r), [[slope(r), 0, 0], [-slope(r), 0, 0]])

    return evaluate


def bumpy(r):
    """Repulsion with a hole inside 1.2 Å."""
    return np.exp(3 * (1.5 - r)) - 3 * np.exp(-(((r - 1.0) / 0.1) ** 2))


def slope_of(energy):
    return lambda r: (energy(r + 1e-5) - energy(r - 1e-5)) / 2e-5


CURVES = {
    "repulsive": (lambda r: 14.4 / r, 0, True),
    "bound": (lambda r: 4 * ((2 / r) ** 12 - (2 / r) ** 6), 1, True),
    "hole": (bumpy, 1, False),
    "two minima": (lambda r: 4 * ((2 / r) ** 12 - (2 / r) ** 6) - np.exp(-(((r - 4) / 0.3) ** 2)), 2, False),
    "attractive to the end": (lambda r: -14.4 / r, 0, False),
    "jump": (lambda r: 14.4 / r + (0.5 if r < 3 else 0.0), 0, False),
}


@pytest.mark.parametrize("name", CURVES)
def test_pair_curves(name):
    energy, minima, sound = CURVES[name]
    slope = (lambda r: -14.4 / r**2) if name == "jump" else slope_of(energy)
    found = pair_curve(pair(energy, slope), ("Na", "O"), DISTANCES)
    assert (found.minima, found.sound) == (minima, sound), found
    assert found.energy_eV[-1] == 0 and (found.jump_eV > 0.4) == (name == "jump")


def test_errors_are_those_that_were_put_in():
    """A model that is too soft, and off by a shift for each element and by noise."""
    rng = np.random.default_rng(3)
    frames, results = [], []
    for k in range(40):
        atoms = packing(26, 14.0, seed=k)
        forces = rng.normal(size=(26, 3))
        numbers = {symbol: list(atoms.symbols).count(symbol) for symbol in ("Na", "V", "P", "O")}
        atoms.info["REF_energy"], atoms.arrays["REF_forces"] = -100.0 + rng.normal(), forces
        atoms.info["REF_stress"] = np.diag([0.01, 0.02, 0.03])
        noise = 0.002 * rng.normal() * 26
        shift = 0.3 * numbers["Na"] - 0.7 * numbers["O"]
        stress = np.array([0.01, 0.02, 0.03, 0, 0, 0]) - 0.001
        results.append(result(atoms.info["REF_energy"] + shift + noise, 0.9 * forces, stress))
        frames.append(atoms)
    found = errors(frames, results)
    rms = np.sqrt(np.mean([(frame.arrays["REF_forces"] ** 2).mean() for frame in frames]))
    assert found["forces_rmse_meV_per_A"] == pytest.approx(100 * rms)
    assert found["forces_slope"] == pytest.approx(0.9) and found["forces_share"] == pytest.approx(0.1)
    assert found["energy_rmse_meV_per_atom"] == pytest.approx(2.0, rel=0.4)
    assert found["pressure_bias_GPa"] == pytest.approx(0.160218, rel=1e-4)
    assert set(found["forces_rmse_meV_per_A_by_element"]) == {"Na", "V", "P", "O"}


def test_emt_is_sane_too():
    def evaluate(atoms):
        atoms = atoms.copy()
        atoms.calc = EMT()
        return result(atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress())

    assert sanity(evaluate, ATOMS).rotation_eV_per_A < 1e-9
