"""Rotations of crystals onto themselves, and angles between orientations beyond them."""

import ase.build
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from naglass_drv import core
from naglass_drv.errors import InputError
from support.structures import crystal

FCC = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True)
HCP = ase.build.bulk("Mg", "hcp", a=3.2, c=5.2)
ROCKSALT = ase.build.bulk("NaCl", "rocksalt", a=5.6, cubic=True)
NASICON = crystal("NVP_R-3c_Na3_ewald_ordered")
# atoms, center, neighbors, cutoff (Å), and the proper rotations of the point groups m-3m, 6/mmm and -3m
GROUPS = {
    "fcc": (FCC, "Ar", "Ar", 4.2, 24),
    "rock salt": (ROCKSALT, "Na", "Cl", 3.2, 24),
    "hcp": (HCP, "Mg", "Mg", 3.4, 12),
    "NASICON": (NASICON, "V", ("O", "P"), 3.8, 6),
}


@pytest.mark.parametrize("name", GROUPS)
def test_a_crystal_has_the_rotations_of_its_point_group(name):
    atoms, center, neighbors, cutoff, order = GROUPS[name]
    turns = core.symmetry_rotations(core.environments(atoms, center, neighbors, cutoff))
    assert len(turns) == order and np.allclose(turns[0], np.eye(3))
    assert np.linalg.det(turns) == pytest.approx(np.ones(order))
    # a group: products are members
    products = np.einsum("aij,bjk->abik", turns, turns).reshape(-1, 3, 3)
    assert np.abs(products[:, None] - turns).max(axis=(2, 3)).min(axis=1).max() < 0.05


@pytest.mark.parametrize("degrees", [0.0, 12.0, 30.0, 44.0])
def test_an_angle_is_the_smallest_of_those_that_look_alike(degrees):
    turns = core.symmetry_rotations(core.environments(FCC, "Ar", "Ar", 4.2))
    turn = Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    for symmetry in turns:
        assert core.misorientation(turn @ symmetry, turns) == pytest.approx(degrees, abs=1e-4)
    assert core.misorientation(
        Rotation.from_euler("z", 90 - degrees, degrees=True).as_matrix(), turns
    ) == pytest.approx(degrees, abs=1e-4)


def test_turned_environments_are_those_of_the_turned_crystal():
    turn = Rotation.from_rotvec([0.3, -0.2, 0.5]).as_matrix()
    reference = core.environments(NASICON, "V", ("O", "P"), 3.8)
    moved = NASICON.copy()
    moved.set_cell(moved.cell.array @ turn.T, scale_atoms=True)
    similarity = core.crystal_similarity(moved, reference.turned(turn))
    assert np.nanmin(similarity) > 0.98 > 0.8 > np.nanmax(core.crystal_similarity(moved, reference))


def test_neighbors_on_a_line_tell_no_rotation():
    chain = ase.Atoms("ArXe", [[0, 0, 0], [2, 0, 0]], cell=[4, 20, 20], pbc=True)
    with pytest.raises(InputError, match="lie on one line"):
        core.symmetry_rotations(core.environments(chain, "Ar", "Xe", 2.5))
