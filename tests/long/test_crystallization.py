"""Melting temperatures by growth and by coexistence, of Lennard-Jones atoms and of NaCl, beside published ones."""

import numpy as np
import pytest

from naglass_drv.analysis.nucleation import (
    Estimate,
    Nucleation,
    attachment_rate,
    classical,
    critical_size,
    driving_force,
    threshold_effect,
)
from support import lennard_jones_seeds as seeds
from support.lennard_jones import LENNARD_JONES
from support.sodium_chloride import SODIUM_CHLORIDE
from support.two_phases import lattice_constant, make_slab, melting_by_coexistence, melting_by_growth

pytestmark = [pytest.mark.long, pytest.mark.mpi]


def same(one: float, err: float, other: float, other_err: float) -> bool:
    return abs(one - other) < 2.5 * np.hypot(err, other_err)


def test_lennard_jones_melts_where_crystal_and_melt_are_known_to_coexist(tmp_path):
    """1400 atoms; the published pressure of -0.02 is taken to zero by Clausius and Clapeyron's equation."""
    lattice = lattice_constant(LENNARD_JONES, tmp_path, 0.617, 5, 5000)
    make_slab(LENNARD_JONES, tmp_path, lattice, 5, 14, 0.617, 2500)
    together = melting_by_coexistence(LENNARD_JONES, tmp_path, (0.59, 0.65), 40000)
    crossing, _ = melting_by_growth(LENNARD_JONES, tmp_path, lattice, (0.57, 0.595, 0.645, 0.67), 6000)
    heat, density = seeds.heat_per_atom(tmp_path, 0.617, lattice, 5, 6000)
    slope = 0.617 * (1 / density["melt"] - 1 / density["crystal"]) / heat.value
    print(crossing, together, heat, density, slope)
    assert together.relaxed and crossing.err < 0.012 and together.err < 0.006
    assert same(crossing.temperature, crossing.err, together.temperature, together.err)
    assert same(together.temperature, together.err, 0.617 + 0.02 * slope, 0.002)


def test_sodium_chloride_melts_where_free_energies_say(tmp_path):
    """1064 ± 14 K (Anwar, Frenkel & Noro 2003); 864 ions."""
    lattice = lattice_constant(SODIUM_CHLORIDE, tmp_path, 1060, 3, 3000)
    make_slab(SODIUM_CHLORIDE, tmp_path, lattice, 3, 12, 1060, 2500)
    crossing, _ = melting_by_growth(SODIUM_CHLORIDE, tmp_path, lattice, (960, 1010, 1110, 1160), 8000, every=50)
    together = melting_by_coexistence(SODIUM_CHLORIDE, tmp_path, (1030, 1100), 30000)
    print(crossing, together)
    assert together.relaxed and crossing.err < 30 and together.err < 20
    assert same(crossing.temperature, crossing.err, together.temperature, together.err)
    assert same(together.temperature, together.err, 1064, 14)


COLD, LATTICE = 0.45, 1.59
RADII = (3.0, 3.4, 3.8, 4.2)


def test_seeds_of_lennard_jones_atoms(tmp_path):
    """120 runs at T* = 0.45, counted at three thresholds: the interface energy, and Z by the width of the transition.

    Not the published interface energies: these are of flat interfaces at T* = 0.617.
    """
    heats, density = {}, {}
    for temperature in (COLD, 0.617):
        heats[temperature], density[temperature] = seeds.heat_per_atom(tmp_path, temperature, LATTICE, 6, 6000)
    force = driving_force(COLD, Estimate(0.617, 0.003), heats)
    found, melts = {}, []
    for melt in ("a", "b", "c"):
        seeds.make_melt(tmp_path, melt, COLD, LATTICE, 9, 10 + ord(melt))
        for radius in RADII:
            seeds.put_seed(tmp_path, melt, "seed", COLD, LATTICE, radius)
            found[melt, radius] = [seeds.draw(tmp_path, "seed", COLD, 4000, 100 + k) for k in range(10)]
            melts += [melt] * 10
    runs = [one for group in found.values() for one in group]
    by_threshold: dict[int, Nucleation] = {}
    for connections in seeds.THRESHOLDS:
        starts = [one.start(connections) for one in runs]
        size = critical_size(starts, [one.grew for one in runs], melts)
        group = min(found.values(), key=lambda g: abs(np.mean([one.start(connections) for one in g]) - size.value))
        sizes = np.array([one.sizes[connections][2:26] for one in group], dtype=float)
        rate = attachment_rate(seeds.times(24), sizes, size.zeldovich.value)
        by_threshold[connections] = classical(
            size,
            force,
            rate,
            temperature=COLD,
            kT=COLD,
            crystal_density=density[COLD]["crystal"],
            melt_density=density[COLD]["melt"],
        )
        print(connections, size, by_threshold[connections])
        predicted = by_threshold[connections].zeldovich.value
        assert predicted / 3 < size.zeldovich.value < 3 * predicted
    few, chosen, many = (by_threshold[n] for n in seeds.THRESHOLDS)
    assert few.size.value > chosen.size.value > many.size.value
    effect = threshold_effect(few, many)
    print(effect)
    assert effect["gamma"] < 0.2 * chosen.gamma.value, "γ goes with the cube root of N*"
    assert chosen.gamma.err < 0.1 * chosen.gamma.value
