"""Bulk crystals and glasses in the lateral cell of a slab."""

import numpy as np
import pytest
from ase.io import read

from naglass_drv.core import neighbors
from naglass_drv.errors import InputError
from naglass_drv.interface.bulks import bulk_crystal, bulk_glass, bulk_melt
from naglass_drv.interface.crystal import read_crystal
from naglass_drv.interface.joining import melt_against
from naglass_drv.interface.sizes import sides
from naglass_drv.interface.slabs import listed, slab
from support.structures import DATA

MARICITE = DATA / "NaFePO4_maricite.extxyz"
NASICON = DATA / "crystals" / "NVP_R-3c_Na3_ewald_ordered.cif"


def moments(atoms):
    """Neighbors to 4 Å per atom, and the mean powers of their distances."""
    found = neighbors(atoms, 4.0).distances
    return [len(found) / len(atoms), *(np.mean(found**power) for power in range(-6, 7))]


@pytest.mark.parametrize("file", [MARICITE, NASICON])
@pytest.mark.parametrize("hkl", [(0, 0, 1), (1, 0, 0), (0, 1, 2)])
def test_a_bulk_crystal_is_the_crystal(file, hkl):
    """Also where repeats lie aside of each other, and where the sides of the slab share a layer."""
    crystal = read_crystal(file)
    expected = moments(crystal.atoms)
    cuts = listed(crystal, hkl)
    for cut in (cuts[0], next((cut for cut in cuts if cut.share), cuts[-1])):
        made = slab(crystal, cut, thickness_A=8, lateral_A=8)
        bulk = bulk_crystal(made)
        assert moments(bulk) == pytest.approx(expected, rel=1e-9)
        assert sorted(bulk.symbols) == sorted(made.atoms.symbols)
        assert bulk.cell.array[:2] == pytest.approx(made.atoms.cell.array[:2]) and set(bulk.arrays["phase"]) == {1}
        assert bulk.cell.array[2, 2] == pytest.approx(made.thickness_A)


def test_a_disordered_crystal_keeps_the_arrangement_of_its_slab():
    crystal = read_crystal(DATA / "crystals" / "NVP_R-3c_hex_allNa.cif", {"Na": 3, "V3+": 2, "P": 3, "O": 12})
    cuts = listed(crystal, (1, 0, 0))
    made = slab(crystal, next(cut for cut in cuts if not cut.share), thickness_A=8, lateral_A=8, seed=4)
    assert (bulk_crystal(made).positions == made.atoms.positions).all()
    shared = next(cut for cut in listed(crystal, (0, 0, 1)) if cut.share)
    made = slab(crystal, shared, thickness_A=8, lateral_A=8, seed=4)
    bulk = bulk_crystal(made, seed=4)
    assert sorted(bulk.symbols) == sorted(made.atoms.symbols) and neighbors(bulk, 1.4).distances.size == 0


def test_a_bulk_melt_is_that_of_the_interface():
    made = slab(read_crystal(MARICITE), listed(read_crystal(MARICITE), (1, 0, 0))[0], thickness_A=8, lateral_A=8)
    composition, density = {"Na": 1, "P": 1, "O": 3}, 2.4
    melt = bulk_melt(made.lateral, composition, density, glass_A=10, seed=2)
    beside = melt_against(made, composition, density, glass_A=10, seed=1)
    assert sorted(melt.symbols) == sorted(beside.atoms.symbols[beside.atoms.arrays["phase"] == 0])
    assert melt.cell.array[:2, :2] == pytest.approx(made.lateral)
    assert melt.cell.array[2, 2] == pytest.approx(beside.facts["glass_A"])
    # nothing tells its lower face from its middle
    assert np.histogram(melt.get_scaled_positions()[:, 2], 3, (0, 1))[0].min() > len(melt) / 5
    assert neighbors(melt, 1.1).distances.size == 0
    assert (bulk_melt(made.lateral, composition, density, glass_A=10, seed=2).positions == melt.positions).all()


@pytest.mark.parametrize("file", [MARICITE, NASICON])
@pytest.mark.parametrize("hkl", [(0, 0, 1), (0, 1, 2)])
def test_the_sizes_that_are_foreseen_are_those_that_are_made(file, hkl):
    """Also where the sides of the slab share a layer."""
    crystal, composition = read_crystal(file), {"Na": 8, "V4+": 4, "P": 8, "O": 32}
    cuts = listed(crystal, hkl)
    for cut in (cuts[0], next((cut for cut in cuts if cut.share), cuts[-1])):
        made = melt_against(slab(crystal, cut, thickness_A=8, lateral_A=9), composition, 2.7, glass_A=11)
        foreseen = sides(crystal, cut, composition, 2.7, crystal_A=8, glass_A=11, lateral_A=9)
        assert foreseen == ((made.atoms.arrays["phase"] == 1).sum(), (made.atoms.arrays["phase"] == 0).sum())


def test_a_bulk_glass_is_strained_like_the_one_that_is_joined():
    glass = read(MARICITE)
    edges = np.diag(glass.cell.array)
    bulk = bulk_glass(np.diag(edges[:2] * [2.02, 0.99]), glass, glass_A=8.0)
    assert bulk.cell.lengths() == pytest.approx([2.02 * edges[0], 0.99 * edges[1], 2 * edges[2]])
    assert len(bulk) == 4 * len(glass) and set(bulk.arrays["ion"]) == {"Na+", "Fe2+", "P5+", "O2-"}
    with pytest.raises(InputError, match="no copies of the glass match the slab within 2 %, so that it is cut to it"):
        bulk_glass(np.diag([11.3, 12.1]), glass.repeat((2, 3, 4)), glass_A=8.0)
    with pytest.raises(InputError, match="it is not wide enough to be cut"):
        bulk_glass(np.diag([11.3, 12.1]), glass, glass_A=8.0)
