"""Random packings: density, distances, seeds, and densities that leave no room."""

import numpy as np
import pytest

from naglass_drv.chemistry.ions import contact_distance, species
from naglass_drv.chemistry.masses import density
from naglass_drv.errors import InputError
from naglass_drv.glass.packing import pack

SMALL = species({"Na": 4, "V4+": 2, "P": 4, "O": 16})
LARGE = species({"Na": 4, "V": 3, "P": 4, "O": 19}, 12)


@pytest.mark.parametrize("ions", [SMALL, LARGE])
def test_no_pair_is_closer_than_its_limit(ions):
    atoms = pack(ions, 2.75, seed=3)
    assert density(atoms) == pytest.approx(2.75, rel=1e-9)
    assert list(atoms.get_array("ion")) == [ion.label for ion in ions for _ in range(ion.count)]
    symbols = atoms.get_chemical_symbols()
    limits = np.array([[0.7 * contact_distance(a, b) for b in symbols] for a in symbols])
    distances = atoms.get_all_distances(mic=True)
    np.fill_diagonal(distances, np.inf)
    assert (distances > limits - 1e-9).all()


def test_the_seed_decides():
    first, again, other = (pack(SMALL, 2.75, seed).positions for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() > 0.5


def test_too_dense_is_refused():
    with pytest.raises(InputError, match=r"density_g_cm3: 40: Na4V2P4O16 cannot be packed .* 2\.88 Å"):
        pack(SMALL, 40, seed=1)


def test_contact_distances_are_those_of_oxides():
    """Within 15 % of the shortest distances of Na3V2(PO4)3 (P-O 1.52, V-O 1.98, Na-O 2.40 Å) and of O2- contacts."""
    assert contact_distance("P", "O") == pytest.approx(1.52, rel=0.15)
    assert contact_distance("V", "O") == pytest.approx(1.98, rel=0.15)
    assert contact_distance("Na", "O") == pytest.approx(2.40, rel=0.15)
    assert contact_distance("O", "O") == 2.8
    assert contact_distance("V", "P") == contact_distance("P", "V")
