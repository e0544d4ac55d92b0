"""Spin patterns: signs of the ions, and the multiplicity that follows."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from naglass_drv.chemistry import ions as chemistry
from naglass_drv.chemistry.spins import deviation, moments, multiplicity, unpaired
from naglass_drv.errors import InputError

IONS = ["Na+", "V4+", "O2-", "V3+", "V4+", "V5+"]


def test_high_spin_ions_start_parallel():
    known = {"V5+": 0, "V4+": 1, "V3+": 2, "Fe3+": 5, "Mn2+": 5, "Ni2+": 2, "Co2+": 3, "Cr3+": 3, "Na+": 0, "V": 0}
    assert {ion: unpaired(ion) for ion in known} == known
    signed = moments(IONS, "ferromagnetic")
    assert signed.tolist() == [0, 1, 0, 2, 1, 0] and multiplicity(signed) == 5


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("+-+", [0, 1, 0, -2, 1, 0]),
        ("--+", [0, 1, 0, 2, -1, 0]),
        ("-++", [0, -1, 0, 2, 1, 0]),
        ({"V3+": "down"}, [0, 1, 0, -2, 1, 0]),
        ({"V4+": "down", "V3+": "down"}, [0, 1, 0, 2, 1, 0]),
        ({"V4+": "down"}, [0, -1, 0, 2, -1, 0]),
    ],
)
def test_stated_signs_are_kept_up_to_the_sign_of_the_whole(pattern, expected):
    signed = moments(IONS, pattern)
    assert signed.tolist() == expected
    assert signed.sum() >= 0 and multiplicity(signed) == signed.sum() + 1


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("+-", r"'\+-' has 2 signs, but there are 3 magnetic ions"),
        ("up", "'up': must be one of ferromagnetic, antiferromagnetic, sampled, signs"),
        ({"V5+": "up"}, r"V5\+: no such magnetic ion; available: V3\+, V4\+"),
    ],
)
def test_signs_that_fit_nothing(pattern, words):
    with pytest.raises(InputError, match=words):
        moments(IONS, pattern)


@pytest.mark.parametrize(
    "crystal",
    [
        bulk("NaCl", "rocksalt", a=4.2, cubic=True).repeat((2, 2, 2)),
        Atoms("Mn2", [(0, 0, 0), (1.5, 1.5, 1.5)], cell=[3.0] * 3, pbc=True).repeat((2, 3, 2)),
    ],
    ids=["rocksalt", "bcc"],
)
def test_antiferromagnetic_is_the_neel_state_of_two_sublattices(crystal):
    """Both species of rocksalt, and both sites of bcc, are magnetic: every nearest neighbor has the other sign."""
    distances = crystal.get_all_distances(mic=True)
    signed = moments(["Mn2+"] * len(crystal), "antiferromagnetic", distances)
    nearest = distances[distances > 0].min()
    pairs = np.argwhere(np.abs(distances - nearest) < 1e-3)
    assert len(pairs) >= 6 * len(crystal) / 2 and (signed[pairs[:, 0]] == -signed[pairs[:, 1]]).all()
    assert signed.sum() == 0 and multiplicity(signed) == 1


def test_antiferromagnetic_with_one_magnetic_ion_has_nothing_to_order():
    assert moments(["V4+", "O2-"], "antiferromagnetic", np.zeros((2, 2))).tolist() == [1, 0]
    assert moments(["P5+", "O2-"], "antiferromagnetic", np.zeros((2, 2))).tolist() == [0, 0]


def test_sampled_signs_are_drawn_and_never_leave_the_total_negative():
    drawn = np.array([moments(["Fe3+"] * 6, "sampled", seed=seed) for seed in range(400)])
    assert (np.abs(drawn) == 5).all() and (drawn.sum(axis=1) >= 0).all()
    # of 2^6 patterns 20 have as many up as down
    assert (drawn.sum(axis=1) == 0).mean() == pytest.approx(20 / 64, abs=4 * np.sqrt(20 * 44 / 64**2 / 400))


@pytest.mark.parametrize(
    ("composition", "stated", "words"),
    [
        ({"V4+": 2, "O": 4}, 3, ""),
        ({"V4+": 2, "O": 4}, 1, "high spin of 2 V4+ is 3: 2 µB fewer"),
        ({"Fe2+": 2, "O": 2}, 3, "high spin of 2 Fe2+ is 9: 6 µB fewer"),
        ({"Fe2+": 1, "V3+": 2, "O": 4}, 1, "high spin of 1 Fe2+ and 2 V3+ is 9: 8 µB fewer"),
        ({"Na": 1, "P": 1, "O": 3}, 3, "high spin of closed-shell ions is 1: 2 µB more"),
        ({"Na": 1, "P": 1, "O": 3}, 1, ""),
    ],
)
def test_a_deviation_from_high_spin_is_put_in_words(composition, stated, words):
    assert deviation(chemistry.species(composition), stated) == words
