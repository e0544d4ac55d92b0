"""The excess energy of interfaces: zero for a crystal joined to itself, a known value for a shifted copy, and
errors."""

import dataclasses
import re

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones

from naglass_drv.analysis.excess_cells import Cell, cell_of_run
from naglass_drv.analysis.excess_energy import ExcessEnergy, excess_energy
from naglass_drv.analysis.excess_temperature import mean_temperatures
from naglass_drv.errors import InputError

EDGE, LAYERS, REACH = 1.6, 4, 3.0
LATERAL = np.array([[3 * EDGE, 0, 0], [0, 3 * EDGE, 0]])
MJ_PER_M2 = 16021.76634


def lattice(layers: int, shift: float = 0.0) -> Atoms:
    """A simple cubic crystal of Ar in the middle of a cell; the upper half of its layers is shifted along x."""
    places = np.array([[i, j, k] for k in range(layers) for j in range(3) for i in range(3)], dtype=float) * EDGE
    places[len(places) // 2 :, 0] += shift
    return Atoms(["Ar"] * len(places), positions=places, cell=[3 * EDGE, 3 * EDGE, layers * EDGE], pbc=True)


def cell_of(atoms: Atoms) -> Cell:
    atoms.calc = LennardJones(sigma=1.0, epsilon=0.1, rc=REACH, smooth=True)
    return Cell(atoms.get_potential_energy(), {"Ar": len(atoms)}, LATERAL, "cut and joined")


def energy_across(shift: float) -> float:
    """Pair energy per area between two half crystals, layer by layer, by a sum over the pairs of one atom."""
    pair = Atoms("Ar2", cell=[50, 50, 50])
    total = 0.0
    reach = range(-4, 5)
    for depth in range(1, 4):
        for i in reach:
            for j in reach:
                separation = np.array([i * EDGE + shift, j * EDGE, depth * EDGE])
                if np.linalg.norm(separation) >= REACH:
                    continue
                pair.positions = [[0, 0, 0], separation]
                pair.calc = LennardJones(sigma=1.0, epsilon=0.1, rc=REACH, smooth=True)
                total += depth * pair.get_potential_energy()  # as many pairs of layers are this far apart
    return total / EDGE**2


def test_a_crystal_joined_to_itself_has_none():
    joined, bulk = cell_of(lattice(2 * LAYERS)), cell_of(lattice(LAYERS))
    found = excess_energy([joined] * 3, bulk.atoms, [bulk], [bulk] * 3)
    assert found.e_excess == pytest.approx(0.0, abs=1e-8) and found.err == pytest.approx(0.0, abs=1e-8)
    assert found.reason is None and found.replicas == (3, 3, 1)


def test_a_shifted_copy_has_the_energy_of_its_planes():
    joined, bulk = cell_of(lattice(2 * LAYERS, shift=0.4 * EDGE)), cell_of(lattice(LAYERS))
    found = excess_energy([joined] * 3, bulk.atoms, [bulk], [bulk] * 3)
    expected = (energy_across(0.4 * EDGE) - energy_across(0.0)) * MJ_PER_M2
    assert found.e_excess == pytest.approx(expected, rel=1e-6) and abs(expected) > 10


COUNTS = {"Na": 100, "P": 100, "O": 300}
CRYSTAL = Cell(-2600.0, {"Na": 10, "P": 10, "O": 30}, LATERAL * 4, "")


def replicas(rng, true: float, scatter_meV: float, n: int = 3) -> tuple[list[Cell], list[Cell]]:
    """Glasses of 500 atoms, and interfaces of 500 atoms of crystal and 500 of glass, that scatter alike."""
    area = Cell(0.0, {}, LATERAL * 4, "").area_A2
    noise = 1e-3 * scatter_meV * 500 * rng.normal(size=(2, n))
    glasses = [Cell(-129000.0 + e, COUNTS, LATERAL * 4, "1 K/ps") for e in noise[0]]
    base = 10 * -2600.0 - 129000.0 + true * 2 * area / MJ_PER_M2
    twice = {element: 2 * count for element, count in COUNTS.items()}
    return [Cell(base + e, twice, LATERAL * 4, "1 K/ps") for e in noise[1]], glasses


def test_errors_cover_the_truth_and_small_values_are_refused():
    within, refused, resolutions, scatters = [], [], [], []
    for seed in range(400):
        interfaces, glasses = replicas(np.random.default_rng(seed), 25.0, 1.5)
        found = excess_energy(interfaces, 500, [CRYSTAL], glasses)
        mean, bulk = (np.mean([cell.energy_eV for cell in cells]) for cells in (interfaces, glasses))
        off = (mean - bulk + 26000.0) * MJ_PER_M2 / 2 / interfaces[0].area_A2 - 25.0
        within.append([abs(off) < found.err, abs(off) < found.resolution])
        refused.append(found.e_excess is None)
        resolutions.append(found.resolution)
        scatters.append(found.glass_scatter_meV)
    one, bound = np.mean(within, axis=0)
    assert 0.63 < one < 0.77 and bound > 0.93
    # 1.5 meV/atom of 500 atoms on 2 × 368 Å²: 16 mJ/m² for one pair of cells, 13 for three
    assert np.mean(scatters) == pytest.approx(1.5 * np.sqrt(np.pi) / 2, rel=0.05)  # of three values
    assert 20 < np.median(resolutions) < 60 and np.mean(refused) > 0.5
    assert "is below the resolution of" in next(
        excess_energy(*given[:1], 500, [CRYSTAL], given[1]).reason
        for seed in range(9)
        if (given := replicas(np.random.default_rng(seed), 0.0, 1.5))
    )


def noisy(rng, energy_eV: float, counts: dict, scatter_meV: float, moving_meV: float) -> Cell:
    """A cell of a run whose energy per atom remembers itself for some rows, beside what its replica differs by."""
    atoms = Atoms([element for element, count in counts.items() for _ in range(count)], cell=np.eye(3) * 19.2, pbc=True)
    noise = rng.normal(size=200)
    for row in range(1, len(noise)):
        noise[row] += 0.6 * noise[row - 1]
    series = energy_eV / len(atoms) + 1e-3 * (scatter_meV * rng.normal() + moving_meV * noise)
    table = {"time_ps": np.arange(200), "potential_energy_eV_per_atom": series, "temperature_K": np.full(200, 300.0)}
    return cell_of_run("cell", atoms, table, 200.0)


@pytest.mark.parametrize("crystals, scatter, moving", [(1, 0.0, 4.0), (1, 1.0, 4.0), (3, 1.0, 4.0)])
def test_the_error_in_time_counts_once(crystals, scatter, moving):
    """It is all that one crystal has; that of replicas is in their scatter. Errors cover the truth, and no more."""
    within, errors, off, in_time = [], [], [], []
    twice = {element: 2 * count for element, count in COUNTS.items()}
    for seed in range(300):
        rng = np.random.default_rng(seed)
        # a crystal of one arrangement has no replicas
        own = 0.0 if crystals == 1 else scatter
        bulk = [noisy(rng, -2600.0, CRYSTAL.counts, own, moving) for _ in range(crystals)]
        glasses = [noisy(rng, -129000.0, COUNTS, scatter, moving) for _ in range(3)]
        interfaces = [noisy(rng, -155000.0 + 500.0, twice, scatter, moving) for _ in range(3)]
        found = excess_energy(interfaces, 500, bulk, glasses)
        assert found.e_excess is not None
        off.append(found.e_excess - 500.0 * MJ_PER_M2 / 2 / interfaces[0].area_A2)
        within.append([abs(off[-1]) < found.err, abs(off[-1]) < found.resolution])
        errors.append(found.err)
        in_time.append(found.time_err)
    one, bound = np.mean(within, axis=0)
    assert 0.62 < one < 0.76 and bound > 0.93
    if scatter == 0.0:
        # nothing but time: both tell the same
        assert np.sqrt(np.mean(np.square(in_time))) == pytest.approx(np.std(off), rel=0.15)
    else:
        assert np.mean(in_time) < np.mean(errors)


@pytest.mark.parametrize("paired", [["glasses"], ["crystals"], ["glasses", "crystals"]])
def test_what_replicas_have_in_common_drops_out(paired):
    """Cells of a replica share what its glass, or its arrangement of sites, differs by: subtracted, it is no error."""
    within, resolutions, apart = [], [], []
    twice = {element: 2 * count for element, count in COUNTS.items()}
    for seed in range(250):
        rng = np.random.default_rng(seed)
        # meV per atom, of which the interface has its own only where it is not paired
        glass, crystal = 20.0 * rng.normal(size=(2, 3))
        shared = glass * ("glasses" in paired) + crystal * ("crystals" in paired)
        if "glasses" not in paired:
            glass, shared = glass / 20, shared + rng.normal(size=3)
        if "crystals" not in paired:
            crystal = crystal[:1] * 0.0
        glasses = [noisy(rng, -129000.0 + 0.5 * e, COUNTS, 0.5, 1.0) for e in glass]
        crystals = [noisy(rng, -2600.0 + 0.05 * e, CRYSTAL.counts, 0.0, 1.0) for e in crystal]
        interfaces = [noisy(rng, -155000.0 + 40.0 + 0.5 * e, twice, 0.5, 1.0) for e in shared]
        found = excess_energy(interfaces, 500, crystals, glasses, paired=paired)
        value = told(found)
        off = abs(value - 40.0 * MJ_PER_M2 / 2 / interfaces[0].area_A2)
        within.append([off < found.err, off < found.resolution])
        resolutions.append(found.resolution)
        apart.append(excess_energy(interfaces, 500, crystals, glasses).resolution)
    one, bound = np.mean(within, axis=0)
    assert 0.62 < one < 0.77 and bound > 0.93
    assert np.median(apart) > 5 * np.median(resolutions)


def told(found: ExcessEnergy) -> float:
    """The value, be it below its resolution."""
    return found.e_excess or float(found.reason.split(" ")[2])


def test_pairs_are_complete():
    interfaces, glasses = replicas(np.random.default_rng(1), 100.0, 1.0)
    with pytest.raises(InputError, match="glasses = 4 cells: 3 are paired, one with each interface"):
        excess_energy(interfaces, 500, [CRYSTAL], [*glasses, glasses[0]], paired=["glasses"])
    with pytest.raises(InputError, match="paired = 'glass'"):
        excess_energy(interfaces, 500, [CRYSTAL], glasses, paired=["glass"])


def test_replicas_may_have_lost_different_formula_units():
    """As glasses do that are joined to a slab: the glass counts by its atoms."""
    interfaces, glasses = replicas(np.random.default_rng(2), 400.0, 0.0)
    unit = {"Na": 1, "P": 1, "O": 3}
    fewer = {element: count - 7 * unit[element] for element, count in interfaces[1].counts.items()}
    lost = 7 * 5 * glasses[0].energy_eV / glasses[0].atoms
    interfaces[1] = dataclasses.replace(interfaces[1], counts=fewer, energy_eV=interfaces[1].energy_eV - lost)
    assert excess_energy(interfaces, 500, [CRYSTAL], glasses).e_excess == pytest.approx(400.0, abs=1e-6)


def test_a_short_series_is_refused():
    atoms = Atoms("Na", cell=np.eye(3), pbc=True)
    series = {"time_ps": np.arange(20) / 10, "potential_energy_eV_per_atom": np.zeros(20), "temperature_K": [300] * 20}
    assert cell_of_run("i0", atoms, series, 0.8).samples >= 1
    with pytest.raises(InputError, match=r"i0 has 6 energies in its last 0.5 ps; 8 are needed"):
        cell_of_run("i0", atoms, series, 0.5)


def warm(cells: list[Cell], kelvin: list[float], samples: float = 20.0) -> list[Cell]:
    return [
        dataclasses.replace(cell, temperature_K=own, temperature_samples=samples)
        for cell, own in zip(cells, kelvin, strict=True)
    ]


def test_cells_that_have_not_come_to_their_temperature_are_refused():
    interfaces, glasses = replicas(np.random.default_rng(1), 100.0, 1.0)
    cold = (warm(interfaces, [387, 433, 388]), 500, warm([CRYSTAL], [368]), warm(glasses, [437, 458, 418]))
    told = r"not come to 500 K: .* 402\.7 ± 1\.7 K of interfaces, 368 ± 13 K of crystals, 437\.7 .*"
    with pytest.raises(InputError, match=told):
        excess_energy(*cold, temperature_K=500)
    # a run that still heats up has few independent samples, which are no excuse
    heating = np.linspace(250, 450, 21)
    atoms = Atoms("O500", cell=np.eye(3) * 19.2, pbc=True)
    table = {"time_ps": np.arange(21) / 100, "potential_energy_eV_per_atom": heating / 1e4, "temperature_K": heating}
    found = cell_of_run("i0", atoms, table, 1.0)
    assert found.temperature_K == pytest.approx(350) and found.temperature_samples < 5
    with pytest.raises(InputError, match="not come to 500 K"):
        mean_temperatures({"interfaces": [found] * 3}, 500.0)


def test_fluctuations_of_the_temperature_are_no_reason():
    """Momenta of N atoms at their temperature, 20 samples of three cells: beyond three errors once in some 370."""
    rng, refused = np.random.default_rng(4), 0
    cell = Cell(0.0, {"O": 40}, LATERAL, "")
    for kelvin in 300 * rng.chisquare(120, size=(4000, 3, 20)).mean(axis=2) / 120:
        try:
            ((_, err),) = mean_temperatures({"interfaces": warm([cell] * 3, kelvin.tolist())}, 300.0).values()
            assert err == pytest.approx(300 * np.sqrt(2 / 120 / 60))
        except InputError:
            refused += 1
    assert 1 <= refused <= 30


def test_harmonic_atoms_at_other_temperatures_show_in_the_shift():
    """Of 3/2 k_B T each, a zero excess becomes the shift that is given; above the resolution, nothing is."""
    area, kelvin = Cell(0.0, {}, LATERAL * 4, "").area_A2, {"i": 303.0, "g": 299.0, "c": 301.0}
    harmonic = {side: 1.5 * 8.617333262e-5 * value for side, value in kelvin.items()}
    interfaces, glasses = replicas(np.random.default_rng(2), 0.0, 0.0)
    crystal = dataclasses.replace(CRYSTAL, energy_eV=CRYSTAL.energy_eV + CRYSTAL.atoms * harmonic["c"], samples=20.0)
    cells = [dataclasses.replace(cell, energy_eV=cell.energy_eV + 1000 * harmonic["i"]) for cell in interfaces]
    bulk = [dataclasses.replace(cell, energy_eV=cell.energy_eV + 500 * harmonic["g"]) for cell in glasses]
    given = (warm(cells, [303.0] * 3), 500, warm([crystal], [301.0]), warm(bulk, [299.0] * 3))
    shift = (1000 * harmonic["i"] - 500 * harmonic["g"] - 500 * harmonic["c"]) * MJ_PER_M2 / 2 / area
    assert excess_energy(*given).e_excess == pytest.approx(shift, rel=1e-6) and shift > 5
    found = excess_energy(*given, temperature_K=300.0)
    assert found.e_excess is None and found.thermal[0] == pytest.approx(shift, rel=1e-6)
    assert re.search(r"differ by what moves e_excess by about 8.* mJ/m² .*, above the resolution of", found.reason)
    assert found.temperatures_K["interfaces"][0] == 303.0


BAD = {
    "few": (dict(interfaces=2), "interfaces = 2 cells: at least 3 replicas"),
    "lateral": (dict(crystal=dataclasses.replace(CRYSTAL, lateral_A=LATERAL * 4.1)), r"crystals\[0\].lateral_A: diff"),
    "history": (dict(history="10 K/ps"), r"glasses\[0\].history = '10 K/ps': the interface has '1 K/ps'"),
    "composition": (
        dict(crystal=dataclasses.replace(CRYSTAL, counts={"Na": 20, "P": 10, "O": 20})),
        r"crystal_atoms = 500: interfaces\[0\] has .* beside the crystal, which is no multiple of the bulk glass",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_compared_is_refused(case):
    options, message = BAD[case]
    interfaces, glasses = replicas(np.random.default_rng(1), 100.0, 1.0)
    if "history" in options:
        glasses = [dataclasses.replace(cell, history=options["history"]) for cell in glasses]
    with pytest.raises(InputError, match=message):
        excess_energy(interfaces[: options.get("interfaces", 3)], 500, [options.get("crystal", CRYSTAL)], glasses)
