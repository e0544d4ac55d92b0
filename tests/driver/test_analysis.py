"""Averages, pair structure, diffraction and network against exact answers and independent sums."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers
from ase.io import read
from ase.neighborlist import neighbor_list
from ase.utils.xrdebye import waasmaier

from naglass_drv.analysis.measure import measure
from naglass_drv.analysis.network import network
from naglass_drv.analysis.structure import first_minimum, first_shells, shell_cutoffs
from naglass_drv.config.schema import Analysis
from naglass_drv.core import rdf as pair_functions
from naglass_drv.core import structure_factor as structure_factors
from naglass_drv.core.diffraction import densities, wave_vectors
from naglass_drv.core.scattering import NEUTRON_LENGTH_FM, form_factor, weights
from naglass_drv.core.statistics import average
from naglass_drv.core.trajectory import element_order
from naglass_drv.errors import InputError
from support.structures import crystal

DATA = Path(__file__).parents[1] / "data"
WANTED = Analysis(r_max_A=6.0, q_max_per_A=8.0)


def small_triclinic(seed: int = 3) -> Atoms:
    rng = np.random.default_rng(seed)
    cell = np.array([[4.1, 0, 0], [1.3, 3.7, 0], [-0.8, 1.1, 4.4]])
    return Atoms("NaP2O4", rng.random((7, 3)) @ cell, cell=cell, pbc=True)


def gas(count: int, seed: int) -> list[Atoms]:
    rng = np.random.default_rng(seed)
    return [Atoms("Na30O20", rng.random((50, 3)) * 9.0, cell=[9.0] * 3, pbc=True) for _ in range(count)]


def autoregressive(phi: float, length: int, columns: int) -> np.ndarray:
    noise = np.random.default_rng(11).normal(size=(length + 200, columns))
    for t in range(1, len(noise)):
        noise[t] += phi * noise[t - 1]
    return noise[200:]


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_error_bars_cover_the_true_mean_of_correlated_series(phi):
    result = average(autoregressive(phi, 2000, 1500))
    inside = (np.abs(result.mean) < result.err).mean()
    # 68.3 % within one standard error; 1500 columns settle this to 1.2 % (one standard deviation)
    assert abs(inside - 0.683) < 0.04
    assert result.inefficiency.mean() == pytest.approx((1 + phi) / (1 - phi), rel=0.08)


def test_average_of_replicas_constants_and_single_samples():
    values = np.array([1.0, 4.0, 7.0])
    replicas = average(values, independent=True)
    assert (float(replicas.mean), float(replicas.err)) == pytest.approx((4.0, 3.0 / np.sqrt(3)))
    assert np.isnan(average(np.array([2.0])).err)
    assert float(average(np.full(50, 0.1)).err) == 0.0
    with pytest.raises(ValueError, match="not finite"):
        average(np.array([1.0, np.nan]))


def test_ideal_gas_has_flat_pair_functions():
    pairs = pair_functions(gas(300, 1), 4.4, width=0.2, independent=True)
    far = pairs.r > 1.0
    for name, expected in (("Na-O", 1.0), ("Na-Na", 29 / 30), ("O-O", 19 / 20)):
        deviation = (pairs.g[name].mean[far] - expected) / pairs.g[name].err[far]
        assert np.abs(deviation.mean()) < 4 / np.sqrt(far.sum())
        assert deviation.std() < 1.6


def test_pair_functions_of_a_cell_smaller_than_r_max_count_every_image():
    atoms, r_max, width = small_triclinic(), 7.0, 0.1
    pairs = pair_functions([atoms], r_max, width=width)
    symbols = np.array(atoms.get_chemical_symbols())
    images = np.array(list(product(range(-4, 5), repeat=3))) @ atoms.cell.array
    delta = atoms.positions[None, :, None] - atoms.positions[:, None, None] + images
    distance = np.linalg.norm(delta, axis=-1)
    edges = np.linspace(0, r_max, 71)
    shell = 4 / 3 * np.pi * np.diff(edges**3)
    for name in ("Na-Na", "Na-O", "P-O", "O-O"):
        a, b = name.split("-")
        chosen = distance[np.ix_(symbols == a, symbols == b)]
        counts = np.histogram(chosen[chosen > 1e-9], edges)[0]
        ideal = (symbols == a).sum() * (symbols == b).sum() * shell / atoms.get_volume()
        assert pairs.g[name].mean == pytest.approx(counts / ideal, abs=1e-12)
        assert pairs.running[name].mean == pytest.approx(np.cumsum(counts) / (symbols == a).sum())


def test_pair_functions_of_a_glass_agree_with_another_neighbor_list():
    import gzip

    with gzip.open(DATA / "glasses" / "NS3_3k.xyz.gz", "rt") as file:
        atoms = read(file, format="extxyz")
    pairs = pair_functions([atoms], 5.0, width=0.1)
    symbols = np.array(atoms.get_chemical_symbols())
    i, j, distance = neighbor_list("ijd", atoms, 5.0)
    counts = np.histogram(distance[(symbols[i] == "Si") & (symbols[j] == "O")], np.linspace(0, 5, 51))[0]
    assert pairs.running["Si-O"].mean == pytest.approx(np.cumsum(counts) / (symbols == "Si").sum())


@pytest.mark.parametrize(
    ("name", "pair", "number", "length"),
    [
        ("NVP_R-3c_hex_allNa", "P-O", 4, (1.518 + 1.533) / 2),
        ("NVP_R-3c_hex_allNa", "V-O", 6, (1.978 + 2.031) / 2),
        ("SiO2_alpha_quartz_ringfixture", "Si-O", 4, None),
        ("VOPO4_alphaII_P4n", "P-O", 4, 1.539),
        ("VOPO4_alphaII_P4n", "V-O", 5, (1.58 + 4 * 1.859) / 5),
    ],
)
def test_first_shells_of_crystals(name, pair, number, length):
    atoms = crystal(name)
    shell = first_shells(
        [atoms], shell_cutoffs(pair_functions([atoms], 5.0), element_order(atoms.get_chemical_symbols()), {})
    )[pair]
    assert shell.share.mean[number] == 1.0
    assert float(shell.number.mean) == number
    assert np.isnan(shell.number.err)
    if length is not None:
        assert float(shell.length.mean) == pytest.approx(length, abs=2e-3)


def test_cutoffs_chosen_given_and_measured():
    atoms = crystal("NVPF_P42mnm_allNa")
    pairs = pair_functions([atoms], 6.0)
    cutoffs = shell_cutoffs(pairs, element_order(atoms.get_chemical_symbols()), {"O-P": 1.9})
    assert cutoffs["P-O"] == 1.9 and cutoffs["V-O"] == 2.5
    # V-F is not in the table: the cutoff lies in the gap behind the bonds of 1.919 and 1.982 Å
    assert float(first_shells([atoms], cutoffs)["V-F"].number.mean) == 2.0
    assert float(first_shells([atoms], cutoffs)["V-F"].length.mean) == pytest.approx((1.919 + 1.982) / 2, abs=2e-3)
    with pytest.raises(InputError, match="Fe-O: not a pair of the elements Na, V, P, O, F"):
        shell_cutoffs(pairs, element_order(atoms.get_chemical_symbols()), {"Fe-O": 2.0})


def test_first_minimum_of_a_known_curve():
    r = np.arange(0.025, 8, 0.05)
    g = 1 + 4 * np.exp(-((r - 2) ** 2) / 0.02) + np.exp(-((r - 4) ** 2) / 0.1) - 0.9 * np.exp(-((r - 3) ** 2) / 0.1)
    assert first_minimum(r, g) == pytest.approx(3.0, abs=0.06)
    assert first_minimum(r, np.full_like(r, 0.5)) is None


def test_frames_must_hold_the_same_atoms():
    with pytest.raises(InputError, match="frame 1: its atoms or their order differ"):
        pair_functions([Atoms("NaO", cell=[4] * 3, pbc=True), Atoms("ONa", cell=[4] * 3, pbc=True)], 3.0)


def test_perfect_crystal_scatters_only_at_bragg_vectors():
    atoms = bulk("Po", "sc", a=3.0).repeat(3)
    hkl = wave_vectors(atoms.cell.array, 6.0, 0.1, 10**9)
    intensity = np.abs(densities(atoms.get_scaled_positions(), [np.arange(27)], hkl)[0]) ** 2
    bragg = (hkl % 3 == 0).all(axis=1)
    assert bragg.any() and intensity[bragg] == pytest.approx(27.0**2)
    assert intensity[~bragg] == pytest.approx(0.0, abs=1e-9)


def test_structure_factors_equal_a_plain_sum_over_atoms():
    atoms = small_triclinic()
    q_max, width = 6.0, 0.5
    result = structure_factors([atoms], q_max, width=width, per_shell=10**9)
    reciprocal = 2 * np.pi * np.linalg.inv(atoms.cell.array).T
    vectors = np.array([h for h in product(range(-6, 7), repeat=3) if any(h)]) @ reciprocal
    size = np.linalg.norm(vectors, axis=1)
    vectors, size = vectors[size < q_max], size[size < q_max]
    wave = np.exp(1j * vectors @ atoms.positions.T)
    symbols = np.array(atoms.get_chemical_symbols())
    length = np.array([NEUTRON_LENGTH_FM[symbol] for symbol in symbols])
    shells = np.unique((size / width).astype(int))
    assert 2 * result.vectors.sum() == len(vectors)
    for k, shell in enumerate(shells):
        inside = (size / width).astype(int) == shell
        assert result.q[k] == pytest.approx(size[inside].mean())
        for name in ("P-P", "Na-O"):
            a, b = (wave[inside][:, symbols == element].sum(axis=1) for element in name.split("-"))
            c, d = ((symbols == element).mean() for element in name.split("-"))
            own = c if len(set(name.split("-"))) == 1 else 0
            expected = 1 + ((a * b.conj()).real.mean() / len(atoms) - own) / (c * d)
            assert result.partial[name].mean[k] == pytest.approx(expected)
        coherent = (np.abs(wave[inside] @ length) ** 2).mean() / len(atoms)
        spread = (length**2).mean() - length.mean() ** 2
        assert result.neutron.mean[k] == pytest.approx((coherent - spread) / length.mean() ** 2)


def test_a_lone_pair_follows_the_debye_formula():
    length = 1.5
    positions = np.array([[10.0, 10.0, 10.0], [10.0, 10.9, 11.2]])
    atoms = Atoms("PO", positions, cell=[30.0] * 3, pbc=True)
    result = structure_factors([atoms], 10.0, width=0.5, per_shell=4000)
    far = result.q > 1
    debye = 1 + 2 * np.sinc(result.q * length / np.pi)
    assert result.partial["P-O"].mean[far] == pytest.approx(debye[far], abs=0.06)


def test_ideal_gas_scatters_evenly():
    result = structure_factors(gas(60, 5), 8.0, independent=True)
    for partial in (*result.partial.values(), result.neutron, result.xray):
        deviation = (partial.mean - 1) / partial.err
        assert abs(deviation.mean()) < 5 / np.sqrt(len(deviation))
        assert 0.8 < deviation.std() < 1.25


@pytest.mark.parametrize("element", sorted(NEUTRON_LENGTH_FM))
def test_form_factors_begin_at_the_number_of_electrons(element):
    number = atomic_numbers[element]
    assert form_factor(element, np.array([0.0]))[0] == pytest.approx(number, rel=1e-3)


@pytest.mark.parametrize("element", ["P", "S", "Ni"])
def test_form_factors_agree_with_the_table_of_ase(element):
    q = np.linspace(0, 25, 40)
    *pairs, constant = waasmaier[element]
    other = constant + sum(
        a * np.exp(-b * (q / (4 * np.pi)) ** 2) for a, b in zip(pairs[::2], pairs[1::2], strict=True)
    )
    assert form_factor(element, q) == pytest.approx(other, abs=1e-4)


def test_totals_are_left_out_for_an_element_without_weights():
    assert weights(["Na", "Xe"], np.array([1.0]), "neutron") is None
    result = structure_factors([Atoms("NaXe", [[0, 0, 0], [2, 2, 2]], cell=[5] * 3, pbc=True)], 4.0)
    assert result.xray is None and set(result.partial) == {"Na-Na", "Na-Xe", "Xe-Xe"}


def test_network_of_crystals():
    atoms = crystal("NVP_R-3c_hex_allNa")
    result = network([atoms], {"P-O": 2.0, "V-O": 2.5})
    assert result.qn.mean[0] == 1.0 and float(result.mean_n.mean) == 0.0
    assert result.oxygen_names == ("BO_PV",) and result.oxygen.mean == pytest.approx([1.0])
    assert result.agreement is None
    assert network([crystal("V2O5_alpha_Pmmn")], {"V-O": 2.5}) is None
    with pytest.raises(InputError, match="no cutoff for V-O"):
        network([atoms], {"P-O": 2.0})


def test_network_compares_with_the_column_of_the_trajectory():
    atoms = crystal("NVP_R-3c_hex_allNa")
    formers = np.flatnonzero(atoms.symbols == "P")
    atoms.set_array("qn", np.where(atoms.symbols == "P", 0, -1))
    assert network([atoms], {"P-O": 2.0, "V-O": 2.5}).agreement == 1.0
    atoms.arrays["qn"][formers[0]] = 2
    assert network([atoms], {"P-O": 2.0, "V-O": 2.5}).agreement == pytest.approx(1 - 1 / len(formers))


def rattled(frames: int, step_ps: float = 0.02) -> list[Atoms]:
    atoms = crystal("NVP_R-3c_hex_allNa")
    result = []
    for k in range(frames):
        frame = atoms.copy()
        frame.rattle(0.05, seed=k)
        frame.info = {"time_ps": k * step_ps, "temperature_K": 300.0 + k % 3}
        result.append(frame)
    return result


def test_measure_a_trajectory():
    numbers, curves = measure(rattled(30), WANTED)
    assert numbers["coordination"]["V-O"]["share"][6] == pytest.approx(1.0)
    assert numbers["network"]["qn_share"]["0"] == 1.0
    assert numbers["temperature_K"] == pytest.approx(301.0)
    assert numbers["transport"]["diffusive"] is False and numbers["transport"]["ion"] == "Na"
    # rattling by s per axis is a displacement of 6 s² between any two frames
    assert numbers["transport"]["msd_at_longest_lag_A2"]["Na"] == pytest.approx(6 * 0.05**2, rel=0.1)
    # a rattle is Gaussian, and each ion's own
    first = curves["correlation_lag_ps"] < 0.1
    assert np.abs(curves["alpha2_Na"][first]).max() < 0.2
    assert curves["haven_Na"][first] == pytest.approx(1.0, abs=0.5)
    assert numbers["transport"]["haven_ratio"] is None and numbers["transport"]["conductivity_S_per_m"] is None
    assert curves["g_P-O"].shape == curves["r_A"].shape == curves["g_P-O_err"].shape
    assert curves["S_neutron"].shape == curves["q_per_A"].shape


def test_measure_replicas_of_a_glass_and_a_lone_one():
    numbers, curves = measure(rattled(3), WANTED, replicas=True)
    assert numbers["errors_from"] == "replicas" and numbers["transport"] is None
    assert numbers["coordination"]["P-O"]["bond_length_A_err"] > 0
    numbers, curves = measure(rattled(1), WANTED, replicas=True)
    assert numbers["errors_from"] == "none" and numbers["coordination"]["P-O"]["bond_length_A_err"] is None
    assert np.isnan(curves["g_P-O_err"]).all()


def test_measure_refuses_times_that_make_no_sense():
    frames = rattled(6)
    with pytest.raises(InputError, match="skip_ps: 5 ps leaves nothing"):
        measure(frames, WANTED.model_copy(update={"skip_ps": 5.0}))
    frames[3].info["time_ps"] = 0.055
    with pytest.raises(InputError, match="not evenly spaced"):
        measure(frames, WANTED)
    del frames[2].info["time_ps"]
    with pytest.raises(InputError, match="frame 2 has no time_ps"):
        measure(frames, WANTED)


def test_artifacts_are_counted_by_atom():
    """Two V at 2.2 Å and one alone, O apart but for a peroxide; the pairs that are fine are not named."""
    from naglass_drv.analysis.artifacts import artifacts

    atoms = Atoms(
        "V3O4P2",
        [[1, 1, 1], [3.2, 1, 1], [6, 6, 6], [1, 4, 1], [1, 5.5, 1], [9, 1, 4], [9, 5, 8], [1, 8, 8], [1, 8, 0.3]],
        cell=[10, 10, 10],
        pbc=True,
    )
    found = artifacts([atoms, atoms], independent=True)
    assert {pair: (limit, float(share.mean)) for pair, (limit, share) in found.items()} == {
        "V-V": (2.5, pytest.approx(2 / 3)),
        "O-O": (1.7, 0.5),
        "P-P": (2.4, 1.0),
    }
    atoms.positions[1, 0] = 3.6
    assert "V-V" not in artifacts([atoms])
