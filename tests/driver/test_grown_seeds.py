"""Seeds of many crystals, grown by hand: they are one crystallite, and the velocity of their surface is known."""

import numpy as np
import pytest
from ase import Atoms
from ase.io import read
from ase.neighborlist import neighbor_list
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from naglass_drv.analysis.crystallite_series import center_of, connection_A
from naglass_drv.analysis.seeded import seeded
from naglass_drv.errors import InputError
from support.structures import DATA

MARICITE = DATA / "NaFePO4_maricite.extxyz"
CRYSTALS = {path.stem: path for path in [MARICITE, *sorted((DATA / "crystals").glob("*.cif"))]}


@pytest.fixture(params=list(CRYSTALS), scope="module")
def crystal(request):
    return read(CRYSTALS[request.param])


def test_a_perfect_crystal_is_one_network(crystal):
    """Four periods of it, by ASE and SciPy."""
    center = center_of(crystal, crystal.symbols)
    copies = crystal[crystal.symbols == center].repeat(4)
    i, j = neighbor_list("ij", copies, connection_A(crystal, center))
    network = coo_matrix((np.ones(len(i)), (i, j)), shape=(len(copies), len(copies)))
    assert connected_components(network)[0] == 1


def test_the_connection_is_in_a_gap_above_the_distance_that_connects():
    """Fe of maricite: 3.43 Å in a chain, 5.05 and 5.16 Å between chains, 6.10 Å beyond; V of NASICON: 4.5 to 6.4 Å in
    the first shell, 8.7 Å beyond."""
    assert connection_A(read(MARICITE), "Fe") == pytest.approx((5.155 + 6.104) / 2, abs=0.002)
    assert connection_A(read(CRYSTALS["NVP_R-3c_hex_allNa"]), "V") == pytest.approx((6.412 + 8.738) / 2, abs=0.002)


@pytest.mark.parametrize("cell", [[4, 4, 13], [13, 13, 13]])
def test_what_no_distance_connects_is_refused(cell):
    with pytest.raises(InputError, match="no distance up to 12 Å connects the V of the crystal in three directions"):
        connection_A(Atoms("V", cell=cell, pbc=True), "V")


def test_two_nets_through_one_another_are_not_one():
    """Two cubic frames of edges of three steps of 4 Å, one in the middle of the other, in their common primitive cell:
    6.63 Å leads from one to the other."""
    steps = [np.zeros(3), *(np.eye(3)[axis] * third / 3 for axis in range(3) for third in (1, 2))]
    primitive = 6.0 * (np.ones((3, 3)) - 2 * np.eye(3))
    nets = Atoms("V7", cell=primitive, positions=12.0 * np.array(steps), pbc=True)
    assert connection_A(nets, "V") > 6.63


def grown(crystal, radius, velocity, *, axes=3, sides=(30.0, 30.0, 30.0), frames=30):
    """A sphere, or a cylinder along z, whose radius (Å) changes by `velocity` (Å/ps), of atoms that vibrate; around it
    4 Å and more of atoms at random."""
    rng = np.random.default_rng(4)
    block = crystal.repeat([int(n) for n in np.ceil(sides * crystal.cell.areas() / crystal.cell.volume)])
    away = np.linalg.norm((block.positions - block.cell.sum(axis=0) / 2)[:, :axes], axis=1)
    times = np.arange(float(frames))
    kept = away < radius + max(velocity * times[-1], 0) + 4
    block, away = block[kept], away[kept]
    melt = block.positions + rng.normal(0, 1.3, block.positions.shape)
    made = []
    for time in times:
        frame = block.copy()
        frame.positions = np.where((away < radius + velocity * time)[:, None], block.positions, melt)
        frame.positions += rng.normal(0, 0.06, melt.shape)
        frame.info = {"time_ps": time, "step": int(100 * time)}
        made.append(frame)
    return made


def facts(crystal):
    formula = str(crystal.symbols)
    return {"shape": "sphere", "crystal_formula": formula, "crystal_units": 1, "glass_formula": formula}


def test_a_seed_grows_as_fast_as_it_was_made_to(crystal):
    """By 0.12 Å/ps, which are 12 m/s, from 9 to 12.5 Å: the interval of 95 % contains it."""
    numbers, _ = seeded(grown(crystal, 9.0, 0.12), crystal, facts(crystal), name="s0-r9-900K", glass="s0")
    assert numbers["grew"] is True and numbers["verdict"].startswith("growth")
    assert abs(numbers["u_m_per_s"] - 12) < 2 * numbers["u_m_per_s_err"] < 10
    # a surface atom is below the threshold, so that a layer is lost
    center = numbers["center"]
    within = 4 / 3 * np.pi * np.array([6.0, 9.5]) ** 3 / numbers["volume_A3"]
    assert center_of(crystal, crystal.symbols) == center and within[0] < numbers["start"]["0.6"] < within[1]


@pytest.mark.parametrize("velocity", [0.2, -0.2])
def test_the_surface_of_a_cylinder_has_the_velocity_it_was_given(velocity):
    """20 m/s between 8 and 14 Å, 8.7 Å long: the radius of a sphere of as many atoms would change half as fast."""
    crystal = read(CRYSTALS["V2O5_alpha_Pmmn"])
    frames = grown(crystal, 10.9 - 14.5 * velocity, velocity, axes=2, sides=(34.0, 34.0, 8.0))
    found, _ = seeded(frames, crystal, facts(crystal) | {"shape": "cylinder"}, name="s0-r9-900K", glass="s0")
    assert abs(found["u_m_per_s"] - 100 * velocity) < 2 * found["u_m_per_s_err"] < 9
    assert found["grew"] is (velocity > 0)


def test_a_glass_without_the_metal_is_followed_by_the_former_that_both_have():
    """And the density is that of the P of the glass in its own volume: 0.01 of them in each Å³."""
    crystal = read(MARICITE)
    frames = grown(crystal, 9.0, 0.0, frames=3)
    own = frames[0].symbols == "P"
    volume = crystal.cell.volume / 4
    units = int(own.sum()) - 60
    for frame in frames:
        frame.set_cell(np.cbrt([units * volume + 6_000] * 3))
        frame.pbc = True
    made = {"shape": "sphere", "crystal_formula": "NaFePO4", "crystal_units": units, "glass_formula": "NaPO3"}
    found, _ = seeded(frames, crystal, made, name="s0-r9-900K", glass="s0")
    assert found["center"] == "P" and found["glass_density_per_A3"] == pytest.approx(0.01)
    made["glass_formula"] = "Na2B4O7"
    refused, _ = seeded(frames, crystal, made, name="s0-r9-900K", glass="s0")
    assert refused["reason"] == "the glass has no metal or former of the crystal, Fe, Na, P, O"
