"""A crystal beside its melt: LAMMPS, fix naglass/crystal, fronts, and the temperature without growth."""

import pytest

from support.lennard_jones import LENNARD_JONES
from support.sodium_chloride import SODIUM_CHLORIDE
from support.two_phases import growth, lattice_constant, make_slab, melting_by_coexistence, melting_by_growth

pytestmark = [pytest.mark.mpi, pytest.mark.slow]

TEMPERATURES = (0.54, 0.58, 0.68, 0.70)


@pytest.fixture(scope="module")
def slab(tmp_path_factory):
    """A slab of 896 atoms between its melt, and the crystal's lattice constant."""
    folder = tmp_path_factory.mktemp("slab")
    lattice = lattice_constant(LENNARD_JONES, folder, 0.617, 4, 800)
    make_slab(LENNARD_JONES, folder, lattice, 4, 14, 0.62, 800)
    return folder, lattice


def test_the_crystal_has_its_density_at_the_triple_point(slab):
    """0.945 of an fcc crystal at zero pressure, where it melts; the potential is the right one."""
    assert 4 / slab[1] ** 3 == pytest.approx(0.945, abs=0.005)


def test_interfaces_stand_still_where_crystal_and_melt_coexist(slab):
    """Of one and the same small cell: from u = 0 at zero pressure, and as the end of a run at constant enthalpy."""
    folder, lattice = slab
    crossing, found = melting_by_growth(LENNARD_JONES, folder, lattice, TEMPERATURES, 3600)
    together = melting_by_coexistence(LENNARD_JONES, folder, (0.60, 0.66), 5000)
    assert crossing.err < 0.02 and together.err < 0.02
    assert abs(crossing.temperature - together.temperature) < 2.5 * (crossing.err**2 + together.err**2) ** 0.5
    assert crossing.slope < 0 < -crossing.slope / crossing.slope_err - 3
    cold, hot = found[TEMPERATURES[0]], found[TEMPERATURES[-1]]
    assert all(front.rate > 0 for front in cold.fronts) and all(front.rate < 0 for front in hot.fronts)
    assert cold.largest[-1] > 1.3 * cold.largest[0] and hot.largest[-1] < 0.8 * hot.largest[0]


def test_half_of_a_salt_melts_and_the_other_half_does_not(tmp_path):
    """320 ions at 1060 K: a melt at 3500 K must not take all of the crystal with it."""
    make_slab(SODIUM_CHLORIDE, tmp_path, 5.9, 2, 10, 1060, 800)
    found = growth(SODIUM_CHLORIDE, tmp_path, 5.9, 1060, 420, every=20)
    assert 0.3 * 320 < found.largest.mean() < 0.65 * 320
