"""Gates that any potential has to pass, on potentials whose faults are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.units import GPa
from scipy.stats import chi

from naglass_drv.analysis.potentials import pair_curve, sanity
from naglass_drv.dataset.energy_shift import NONE, TRAINING, Shift, fitted_shift, not_determined
from naglass_drv.dataset.potential_errors import TEMPERATURES, errors, temperature_of
from support.labeled import cell
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
    assert found["pressure_bias_GPa_err"] == pytest.approx(0, abs=1e-12)
    assert set(found["forces_rmse_meV_per_A_by_element"]) == {"Na", "V", "P", "O"}


def test_every_error_has_an_error_bar_that_holds_the_truth():
    """Gaussian deviations of known size: the bootstrap's intervals of two standard errors hold it 95 times of 100."""
    rng, exact = np.random.default_rng(5), {
        "forces_mae_meV_per_A": 100 * np.sqrt(2 / np.pi), "forces_95_percent_meV_per_A": 100 * chi(3).ppf(0.95),
        "pressure_bias_GPa": 0.0, "pressure_rmse_GPa": 1.0,
    }  # fmt: skip
    held = dict.fromkeys(exact, 0)
    for _ in range(60):
        frames, results = [], []
        for _ in range(30):
            atoms = packing(26, 14.0, seed=1)
            atoms.info |= {"REF_energy": 0.0, "REF_stress": np.zeros((3, 3))}
            atoms.arrays["REF_forces"] = rng.normal(size=(26, 3))
            stress = np.array([1, 1, 1, 0, 0, 0]) * rng.normal() * GPa
            results.append(result(0.0, atoms.arrays["REF_forces"] + 0.1 * rng.normal(size=(26, 3)), stress))
            frames.append(atoms)
        found = errors(frames, results)
        for key, value in exact.items():
            held[key] += abs(found[key] - value) < 2 * found[f"{key}_err"]
    # 60 draws of 0.95: fewer than 50 would be 4 standard deviations off
    assert all(count >= 50 for count in held.values()) and sum(held.values()) < 60 * len(held), held


def test_the_interval_of_few_groups_holds_the_truth():
    """Four groups whose errors differ: 1.96 standard errors of a bootstrap hold the truth in 4 of 5 cases alone."""
    rng, held, narrow, draws = np.random.default_rng(11), 0, 0, 150
    atoms = Atoms("NaO", positions=[[0, 0, 0], [2.4, 0, 0]])
    atoms.info["REF_energy"], atoms.arrays["REF_forces"] = 0.0, np.ones((2, 3))
    for _ in range(draws):
        frames = [atoms.copy() for _ in range(4)]
        # squares of a group are uniform, so that their mean is known
        sizes = np.sqrt(rng.uniform(0.5, 1.5, size=4))
        found = errors(frames, [result(0.0, np.full((2, 3), 1 + 0.1 * size)) for size in sizes])
        off = abs(found["forces_rmse_meV_per_A"] - 100.0)
        held += off < found["forces_rmse_meV_per_A_half_95"]
        narrow += off < 1.96 * found["forces_rmse_meV_per_A_err"] * (3 / 4) ** 0.5
    assert held >= 0.86 * draws and held - narrow > 0.06 * draws, (held, narrow)


def labeled(formula: str, level_of=lambda frame: 0.0, **info):
    """A frame with the energy and the result of a level that is off by 0.3 eV per Na, -0.7 eV per O, and `level_of`."""
    frame = cell(formula, **info)
    counts = frame.symbols.formula.count()
    off = 0.3 * counts.get("Na", 0) - 0.7 * counts["O"] + level_of(frame)
    return frame, result(frame.info["REF_energy"] + off, 1.1 * frame.arrays["REF_forces"])


def test_a_shift_fitted_to_other_frames_hides_no_error_of_the_frames_that_are_compared():
    """What depends on the composition in another way than by a shift, fitted away in the frames that are compared."""

    def curved(frame):
        return 0.5 * len(frame) * (frame.symbols.formula.count().get("P", 0) / len(frame)) ** 2

    others = [labeled(formula, curved) for formula in ("Na2O", "P2O5", "Na5P3O10")]
    compared = [labeled("Na3P3O9", curved, seed=k) for k in range(4)]
    frames, results = zip(*compared, strict=True)
    same = errors(frames, results)
    shift = fitted_shift(*zip(*others, strict=True), TRAINING)
    apart = errors(frames, results, shift)
    assert same["energy_rmse_meV_per_atom"] < 1e-6 and same["shift"]["from"] == "same"
    assert apart["energy_rmse_meV_per_atom"] > 1.0
    assert apart["shift"]["text"] == "one shift per element, fitted to 3 frames of 3 compositions for training"
    without = errors(frames, results, Shift({}, NONE))
    off = np.mean([(one.energy - frame.info["REF_energy"]) / len(frame) for frame, one in compared])
    assert without["energy_rmse_meV_per_atom"] == pytest.approx(1e3 * abs(off)) and without["shift"]["frames"] == 0


def test_compositions_that_determine_no_shift_are_named():
    known, compared = [cell("NaPO3"), cell("Na2P2O6", 1)], [cell("Na4P2O7")]
    assert not_determined(known, compared) == "the frames for the shift are of 1 composition, too few for these"
    assert not_determined([*known, cell("Na2O")], compared) == ""
    assert not_determined([cell("Na2O")], compared) == "no frame for the shift has P"
    assert not_determined([], compared) == "there are no others"


def test_errors_by_temperature_and_their_bootstrap_over_groups():
    rng, frames, results = np.random.default_rng(2), [], []
    for group in range(12):
        scale, kelvin = 1.0 + 0.2 * rng.normal(), (300, 1000, 3000)[group % 3]
        for k in range(8):
            frame, one = labeled("NaPO3", seed=100 * group + k, group=f"g{group}", temperature_K=kelvin)
            one.forces = frame.arrays["REF_forces"] + 0.1 * (1 + group % 3) * scale
            frames.append(frame)
            results.append(one)
    found = errors(frames, results)
    by, err = (found[f"forces_rmse_meV_per_A_by_temperature{suffix}"] for suffix in ("", "_err"))
    assert list(by) == ["up to 700 K", "700 to 1500 K", "above 1500 K"] and found["groups"] == 12
    assert by["up to 700 K"] < by["700 to 1500 K"] < by["above 1500 K"] and min(err.values()) > 5.0
    assert set(found["energy_rmse_meV_per_atom_by_temperature"]) == set(by)
    for frame in frames:
        frame.info.pop("group")
    alone = errors(frames, results)
    assert alone["forces_rmse_meV_per_A_err"] < 0.6 * found["forces_rmse_meV_per_A_err"], "frames of a group are alike"
    one_group = errors(frames[:1], results[:1])
    assert one_group["forces_rmse_meV_per_A_err"] is None and one_group["forces_slope_err"] is None


@pytest.mark.parametrize(
    ("info", "kind"),
    [({"temperature_K": 700}, 0), ({"temperature_K": 701.0, "group": "melt"}, 1), ({"group": "NaPO3-melt-2"}, 2),
     ({"group": "crystal/NaVOPO4"}, 0), ({"group": "quench-1"}, 1), ({"group": "smelter"}, None), ({}, None)],
)  # fmt: skip
def test_the_temperature_of_a_frame_is_told_by_itself_or_by_its_group(info, kind):
    frame = Atoms("H", info=info)
    assert temperature_of(frame) == ("" if kind is None else TEMPERATURES[kind][1])


def test_emt_is_sane_too():
    def evaluate(atoms):
        atoms = atoms.copy()
        atoms.calc = EMT()
        return result(atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress())

    assert sanity(evaluate, ATOMS).rotation_eV_per_A < 1e-9
