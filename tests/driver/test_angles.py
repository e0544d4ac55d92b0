"""Bond angles: crystals and clusters of which they are known, and the norm of the distribution."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from naglass_drv.analysis.angles import bond_angles
from support.structures import crystal

TETRAHEDRAL = np.degrees(np.arccos(-1 / 3))


def perovskite() -> Atoms:
    """VNaO3 with V on the corners: an ideal octahedron of its own images, V-O-V straight."""
    places = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.5)]
    return Atoms("VNaO3", scaled_positions=places, cell=[3.8] * 3, pbc=True)


def cristobalite() -> Atoms:
    """Ideal beta-cristobalite: Si of diamond, O in the middle of every bond."""
    silicon = bulk("Si", "diamond", a=7.16, cubic=True)
    middle = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 7.16 / 8
    oxygen = [p + m for p in silicon.positions[::2] for m in middle]
    atoms = silicon + Atoms("O16", positions=oxygen)
    atoms.wrap()
    return atoms


def values(atoms, cutoffs, kind):
    edges, found = bond_angles([atoms], cutoffs, width=1.0)
    return edges, found[kind]


def test_an_octahedron_has_twelve_right_angles_and_three_straight_ones():
    _, found = bond_angles([perovskite()], {"V-O": 2.5, "Na-O": 3.0}, width=1.0)
    octahedron = found["O-V-O"]
    assert octahedron.per_frame == 15
    assert octahedron.mean.mean == pytest.approx((12 * 90 + 3 * 180) / 15)
    assert octahedron.spread == pytest.approx(90 * np.sqrt(0.8 * 0.2))
    filled = np.flatnonzero(octahedron.density.mean)
    # 90 is an edge of the bins, and rounding may take it to either side
    assert set(filled) <= {89, 90, 179} and octahedron.density.mean[179] == pytest.approx(0.2)
    # each of three O bridges two images of the one V; Na, which moves, makes no bridge
    assert found["V-O-V"].per_frame == 3 and found["V-O-V"].mean.mean == pytest.approx(180.0)
    assert set(found) == {"O-V-O", "O-Na-O", "V-O-V"}


def test_cuboctahedron_of_sodium():
    _, sodium = values(perovskite(), {"V-O": 2.5, "Na-O": 3.0}, "O-Na-O")
    # 12 corners: each sees 4 at 60, 2 at 90, 4 at 120 and 1 at 180 degrees
    assert sodium.per_frame == 66
    assert sodium.mean.mean == pytest.approx((4 * 60 + 2 * 90 + 4 * 120 + 180) / 11)


def test_tetrahedra_and_straight_bridges_of_cristobalite():
    atoms = cristobalite()
    _, inside = values(atoms, {"Si-O": 2.0}, "O-Si-O")
    assert inside.per_frame == 8 * 6 and inside.mean.mean == pytest.approx(TETRAHEDRAL)
    assert inside.spread == pytest.approx(0.0, abs=1e-5)
    _, bridge = values(atoms, {"Si-O": 2.0}, "Si-O-Si")
    assert bridge.per_frame == 16 and bridge.mean.mean == pytest.approx(180.0)


def test_quartz_as_measured_and_in_a_sheared_cell():
    quartz = crystal("SiO2_alpha_quartz_ringfixture")
    _, bridge = values(quartz, {"Si-O": 2.0}, "Si-O-Si")
    # Kihara (1990), Eur. J. Mineral. 2, 63: 143.6 degrees at room temperature
    assert bridge.mean.mean == pytest.approx(143.6, abs=0.5)
    skewed = quartz.copy()
    skewed.set_cell(np.array([[1, 0, 0], [1, 1, 0], [0, 2, 1]]) @ quartz.cell.array, scale_atoms=False)
    skewed.wrap()
    assert values(skewed, {"Si-O": 2.0}, "Si-O-Si")[1].mean.mean == pytest.approx(float(bridge.mean.mean))


@pytest.mark.parametrize("width", [0.7, 2.0, 5.0, 50.0])
def test_distributions_integrate_to_one(width):
    rng = np.random.default_rng(1)
    frames = []
    for _ in range(5):
        atoms = crystal("NVP_R-3c_hex_allNa")
        atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
        frames.append(atoms)
    edges, found = bond_angles(frames, {"P-O": 2.0, "V-O": 2.5, "Na-O": 3.1}, width=width, independent=True)
    assert edges[0] == 0.0 and edges[-1] == 180.0
    assert {"O-P-O", "O-V-O", "O-Na-O", "P-O-V"} <= set(found)
    for angles in found.values():
        assert (angles.density.mean * np.diff(edges)).sum() == pytest.approx(1.0)
        assert np.isfinite(angles.density.err).all()
    tetrahedron = found["O-P-O"]
    assert tetrahedron.mean.mean == pytest.approx(109.3, abs=1.0) and tetrahedron.mean.err > 0


def test_means_agree_with_the_angles_of_ase():
    atoms = crystal("NaVOPO4_alpha_P21c_DLSmodel")
    _, found = bond_angles([atoms], {"P-O": 2.0, "V-O": 2.5})
    oxygen = [i for i, s in enumerate(atoms.symbols) if s == "O"]
    (first,) = [i for i, s in enumerate(atoms.symbols) if s == "P"][:1]
    near = [i for i in oxygen if atoms.get_distance(first, i, mic=True) < 2.0]
    own = [atoms.get_angle(a, first, b, mic=True) for k, a in enumerate(near) for b in near[k + 1 :]]
    formers = sum(symbol == "P" for symbol in atoms.symbols)
    assert found["O-P-O"].per_frame == 6 * formers == len(own) * formers
    # all P of this crystal are equivalent
    assert found["O-P-O"].mean.mean == pytest.approx(np.mean(own))
    assert found["O-P-O"].spread == pytest.approx(np.std(own))


@pytest.mark.parametrize("cutoffs", [{}, {"Fe-O": 2.5}, {"V-V": 3.5}, {"P-O": 0.5}])
def test_nothing_bonded_gives_no_angles(cutoffs):
    _, found = bond_angles([crystal("NVP_R-3c_hex_allNa")], cutoffs)
    assert found == {}
