"""Melting temperatures by growth and by coexistence, of Lennard-Jones atoms and of NaCl, beside published ones."""

import numpy as np
import pytest

from support import lennard_jones, sodium_chloride

pytestmark = [pytest.mark.long, pytest.mark.mpi]


def same(one: float, err: float, other: float, other_err: float) -> bool:
    return abs(one - other) < 2.5 * np.hypot(err, other_err)


def test_lennard_jones_melts_at_its_triple_point(tmp_path):
    """T* = 0.617 (Davidchack & Laird 2003); 2744 atoms, coexistence from above and from below."""
    lennard_jones.write_potential(tmp_path / "lj.table")
    lattice = lennard_jones.lattice_constant(tmp_path, 0.617, 6, 5000)
    lennard_jones.make_slab(tmp_path, lattice, 7, 14, 0.617, 2500)
    crossing, _ = lennard_jones.melting_by_growth(tmp_path, lattice, (0.56, 0.58, 0.60, 0.64, 0.66, 0.68), 5000)
    together = [lennard_jones.coexistence(tmp_path, start, 15000) for start in (0.59, 0.65)]
    print(crossing, together)
    assert same(*together[0], *together[1])
    for temperature, err in together:
        assert same(crossing.temperature, crossing.err, temperature, err)
        assert temperature == pytest.approx(0.617, abs=0.01)
    assert same(crossing.temperature, crossing.err, 0.617, 0.003)


def test_sodium_chloride_melts_where_free_energies_say(tmp_path):
    """1064 ± 14 K (Anwar, Frenkel & Noro 2003); 864 ions."""
    lattice = sodium_chloride.lattice_constant(tmp_path, 1060, 3000)
    sodium_chloride.make_slab(tmp_path, lattice, 3, 12, 1060, 2500)
    crossing = sodium_chloride.melting_by_growth(tmp_path, lattice, (960, 1010, 1110, 1160), 8000)
    temperature, err = sodium_chloride.coexistence(tmp_path, 1080, 16000)
    print(crossing, temperature, err)
    assert same(crossing.temperature, crossing.err, temperature, err)
    assert same(temperature, err, 1064, 14)
