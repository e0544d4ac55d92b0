"""Crystallites: clusters of crystalline atoms, their shape, orientation and composition."""

import ase.build
import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.transform import Rotation

from naglass_drv import core
from naglass_drv.errors import InputError
from support.structures import crystal

NVP = crystal("NVP_R-3c_Na3_ewald_ordered")


def balls(*centers, radius=6.0, cell=40.0) -> Atoms:
    """Balls of fcc argon, each with an atom at its center, wrapped into a periodic cell."""
    block = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True) * (5, 5, 5)
    around = block.positions - block.positions[np.argmin(np.linalg.norm(block.positions - 13.25, axis=1))]
    around = around[np.linalg.norm(around, axis=1) < radius]
    atoms = Atoms(
        f"Ar{len(around) * len(centers)}", np.vstack([around + c for c in centers]), cell=[cell] * 3, pbc=True
    )
    atoms.wrap()
    return atoms


def test_two_crystallites_one_across_the_boundary():
    large, small = balls([0, 0, 39]), balls([20, 20, 15], radius=4.0)
    both = small + large
    found = core.crystallites(both, np.ones(len(both), dtype=bool), 4.2)
    assert found.sizes.tolist() == [len(large), len(small)] and found.largest == len(large)
    assert found.members(0).tolist() == [False] * len(small) + [True] * len(large)
    apart = found.centers - [[0, 0, 39], [20, 20, 15]]
    assert apart - 40 * np.rint(apart / 40) == pytest.approx(0.0, abs=1e-9)
    around = (large.positions - [0, 0, 39] + 20) % 40 - 20
    assert found.gyration[0] == pytest.approx(np.sqrt((around**2).sum(axis=1).mean()))
    assert (found.dimensions == 0).all()


def test_atoms_that_are_not_crystalline_part_two():
    atoms = Atoms("Ar5", [[3.0 * k, 0, 0] for k in range(5)], cell=[40, 10, 10], pbc=True)
    found = core.crystallites(atoms, np.array([True, True, False, True, True]), 3.5)
    assert found.labels.tolist() == [0, 0, -1, 1, 1]
    assert len(core.crystallites(atoms, np.zeros(5, dtype=bool), 3.5)) == 0
    assert core.crystallites(atoms, np.zeros(5, dtype=bool), 3.5).largest == 0


def test_a_slab_extends_and_has_no_center():
    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True) * (3, 3, 6)
    found = core.crystallites(atoms, atoms.positions[:, 2] < 12, 4.2)
    assert found.dimensions.tolist() == [2] and np.isnan(found.gyration).all() and np.isnan(found.centers).all()


def turned_seed(turn: Rotation, rattle: float = 0.0) -> Atoms:
    """A ball of NASICON with 24 V or so, turned about its middle, in vacuum."""
    block = NVP * (4, 4, 2)
    middle = block.positions.mean(axis=0)
    block = block[np.linalg.norm(block.positions - middle, axis=1) < 13]
    block.positions = turn.apply(block.positions - middle) + 40
    block.set_cell([80] * 3)
    block.rattle(rattle, seed=4)
    return block


def test_a_seed_that_turns_is_followed_beyond_the_symmetry():
    """By 15 degrees per frame up to 150; the crystal has a threefold axis, so one frame alone cannot tell."""
    reference = core.environments(NVP, "V", ("O", "P"), 3.8)
    axis = np.array([1.0, 2.0, 0.5]) / np.linalg.norm([1.0, 2.0, 0.5])
    last = first = None
    for step in range(11):
        turn = Rotation.from_rotvec(np.radians(15 * step) * axis)
        atoms = turned_seed(turn, rattle=0.05)
        inside = np.linalg.norm(atoms.positions - 40, axis=1) < 9
        found = core.orientation(atoms, inside, reference, last=last)
        assert np.degrees((Rotation.from_matrix(found.rotation) * turn.inv()).magnitude()) < 1.0
        assert found.similarity > 0.95
        first = first or found
        assert found.angle_from(first) == pytest.approx(15 * step, abs=1.0)
        last = found


def test_an_unknown_orientation_is_found_up_to_the_symmetry():
    reference = core.environments(NVP, "V", ("O", "P"), 3.8)
    for turn in Rotation.random(3, random_state=5):
        atoms = turned_seed(turn)
        inside = np.linalg.norm(atoms.positions - 40, axis=1) < 9
        found = core.orientation(atoms, inside, reference)
        assert found.similarity > 0.99 and np.linalg.det(found.rotation) == pytest.approx(1.0)
        # what is left over carries the crystal onto itself
        left = turn.inv() * Rotation.from_matrix(found.rotation)
        unturned = turned_seed(left)
        core_atoms = np.linalg.norm(unturned.positions - 40, axis=1) < 7
        shown = core.crystal_similarity(unturned, reference)[core_atoms]
        assert np.nanmin(shown) > 0.97


def test_what_an_embryo_is_made_of_and_expels():
    """Inside 1 Na of 3 atoms, in the shell 3 Na of 3, elsewhere 2 of 4: half an atom left out, 1.5 expelled."""
    distances = {"V": [0.0], "O": [1.5, 20.0, 24.0], "Na": [2.0, 4.0, 4.5, 5.0, 16.0, 28.0]}
    symbols = [element for element, places in distances.items() for _ in places]
    positions = [[x, 0, 0] for places in distances.values() for x in places]
    atoms = Atoms(symbols, positions, cell=[60, 30, 30], pbc=True)
    members = np.array(symbols) == "V"
    found = core.embryo(atoms, members, reach=3.0, shell=3.0)
    assert found.elements == ("V", "O", "Na")
    assert found.inside.tolist() == [1, 1, 1] and found.shell.tolist() == [0, 0, 3] and found.rest.tolist() == [0, 2, 2]
    assert found.expelled.tolist() == [0.0, -1.5, 1.5]
    assert found.taken_in.tolist() == [1.0, -0.5, -0.5]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: core.crystallites(a, np.ones(3), 4.0), r"crystalline = array of float64 of shape \(3,\)"),
        (lambda a: core.crystallites(a, np.ones(len(a), dtype=bool), -1.0), "cutoff = -1.0: must be a positive"),
        (
            lambda a: core.orientation(a, np.zeros(len(a), dtype=bool), core.environments(a, "V", "O", 2.5)),
            "members: none of them is V",
        ),
        (
            lambda a: core.embryo(a, np.ones(len(a), dtype=bool), reach=0, shell=1),
            "reach = 0: must be a positive number",
        ),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call(NVP)
