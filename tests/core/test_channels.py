"""Free volume and density channels: analytic windows of lattices, an independent oracle, bounds, bad input."""

import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from naglass_drv import core
from naglass_drv.errors import InputError
from support.structures import crystal, rotation


def brute_force_surface(atoms, radii, shape) -> np.ndarray:
    """Distance from every voxel center to the nearest surface, over all images of all atoms."""
    cell = atoms.cell.array
    reach = [range(-3, 4) if p else (0,) for p in atoms.pbc]
    images = np.array(list(itertools.product(*reach))) @ cell
    fractions = [(np.arange(n) + 0.5) / n for n in shape]
    grid = np.stack(np.meshgrid(*fractions, indexing="ij"), axis=-1) @ cell
    inside = (atoms.get_scaled_positions(wrap=True)) @ cell
    nearest = np.full(shape, np.inf)
    for place, symbol in zip(inside, atoms.get_chemical_symbols()):
        for image in images:
            nearest = np.minimum(nearest, np.linalg.norm(grid - place - image, axis=-1) - radii[symbol])
    return nearest


def brute_force_level(values, direction) -> float:
    """Largest value at which a flood over the voxels, unrolled over images, returns to its start shifted along one
    cell vector."""
    shape = values.shape
    for level in np.unique(values)[::-1]:
        open_voxels = [tuple(v) for v in np.argwhere(values >= level)]
        seen = {}
        for start in open_voxels:
            if start in seen:
                continue
            seen[start] = np.zeros(3, dtype=int)
            stack = [start]
            while stack:
                voxel = stack.pop()
                for k, step in itertools.product(range(3), (-1, 1)):
                    moved = list(voxel)
                    moved[k] += step
                    image = seen[voxel].copy()
                    image[k] += moved[k] // shape[k]
                    moved[k] %= shape[k]
                    moved = tuple(moved)
                    if values[moved] < level:
                        continue
                    if moved in seen:
                        if (seen[moved] - image)[direction]:
                            return level
                    else:
                        seen[moved] = image
                        stack.append(moved)
    return np.nan


SIMPLE = Atoms("O", cell=[4.0, 4.0, 4.0], pbc=True)


@pytest.mark.parametrize(
    ("atoms", "window", "hole"),
    [
        (SIMPLE, 4 / np.sqrt(2), 4 * np.sqrt(3) / 2),  # square of four; center of the cube
        (bulk("O", "fcc", a=5.0, cubic=True), 5 / np.sqrt(6), 2.5),  # triangle of nearest neighbors; octahedron
        (bulk("O", "bcc", a=4.0, cubic=True), 0.75 / np.sqrt(2) * 4, np.sqrt(5) / 4 * 4),  # triangle; tetrahedron
    ],
)
@pytest.mark.parametrize("spacing", [0.4, 0.15])
def test_windows_of_lattices(atoms, window, hole, spacing):
    """The narrowest opening of equal spheres is the circle through the atoms around it."""
    for radius, shifted in ((0.0, 0.0), (1.0, 0.37)):
        moved = atoms.copy()
        moved.positions += shifted
        result = core.bottleneck_radius(moved, {"O": radius}, spacing=spacing)
        assert result.error == pytest.approx(np.sqrt(3) / 2 * spacing, rel=0.1)
        assert np.abs(result.radius.by_direction - (window - radius)).max() <= result.error
        assert np.abs(result.radius.by_dimension - (window - radius)).max() <= result.error
        assert abs(result.largest_radius - (hole - radius)) <= result.error


def test_the_error_shrinks_with_the_spacing():
    atoms = bulk("O", "fcc", a=5.0, cubic=True)
    atoms.positions += 0.123
    fine = core.bottleneck_radius(atoms, {"O": 1.0}, spacing=0.05)
    assert fine.error < 0.044
    assert fine.radius.by_direction == pytest.approx(5 / np.sqrt(6) - 1.0, abs=fine.error)


def test_a_channel_along_one_direction_only():
    """Four rods of overlapping spheres along c leave a channel along c; a wide layer of them closes a and b."""
    places = [[x, y, z] for x in (0, 2) for y in (0, 2) for z in range(6) if (x, y) != (2, 2)]
    atoms = Atoms("O" * len(places), positions=places, cell=[4, 4, 6], pbc=True)
    result = core.bottleneck_radius(atoms, {"O": 1.2}, spacing=0.2)
    along, across = result.radius.by_direction[2], result.radius.by_direction[:2]
    assert along == pytest.approx(2.0 - 1.2, abs=result.error)  # (2, 2) is 2 from the nearest rod
    assert (across < 0).all() and result.radius.by_dimension[1] < 0 < result.radius.by_dimension[0]


def test_volume_of_a_sphere():
    """One sphere of 1.5 Å in 4³ Å³; the rest is free and all of it accessible."""
    result = core.bottleneck_radius(SIMPLE, {"O": 1.5}, spacing=0.05)
    assert result.free_fraction == pytest.approx(1 - 4 / 3 * np.pi * 1.5**3 / 64, abs=2e-3)
    assert result.accessible_fraction == result.free_fraction
    wider = core.bottleneck_radius(SIMPLE, {"O": 1.5}, spacing=0.05, probe_radius=0.4)
    assert wider.free_fraction == pytest.approx(1 - 4 / 3 * np.pi * 1.9**3 / 64, abs=2e-3)
    closed = core.bottleneck_radius(SIMPLE, {"O": 1.5}, spacing=0.05, probe_radius=1.5)
    assert closed.free_fraction > 0 == closed.accessible_fraction


def test_ignored_atoms_do_not_stand_in_the_way():
    atoms = SIMPLE.copy()
    atoms.append("Na")
    atoms.positions[-1] = [2, 2, 0]
    expected = core.bottleneck_radius(SIMPLE, {"O": 1.2})
    assert (core.bottleneck_radius(atoms, {"O": 1.2}).radius.by_direction == expected.radius.by_direction).all()
    blocked = core.bottleneck_radius(atoms, {"O": 1.2, "Na": 1.0}, ignore=())
    assert blocked.radius.by_direction[2] < expected.radius.by_direction[2]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_distances_equal_brute_force(seed):
    random = np.random.default_rng(seed)
    cell = np.diag(random.uniform(3, 6, 3)) + np.tril(random.uniform(-1.5, 1.5, (3, 3)), -1)
    count = random.integers(1, 6)
    atoms = Atoms(
        random.choice(["O", "P"], count), scaled_positions=random.uniform(0, 1, (count, 3)), cell=cell, pbc=True
    )
    radii = {"O": random.uniform(0, 2), "P": random.uniform(0, 1)}
    result = core.bottleneck_radius(atoms, radii, spacing=0.9)
    expected = brute_force_surface(atoms, radii, result.shape)
    assert result.largest_radius == pytest.approx(expected.max(), abs=1e-9)
    assert result.free_fraction == pytest.approx((expected >= 0).mean(), abs=1e-12)
    for k in range(3):
        assert result.radius.by_direction[k] == pytest.approx(brute_force_level(expected, k), abs=1e-9)
    far = atoms.copy()
    far.positions += random.integers(-3, 4, (count, 3)) @ cell
    assert core.bottleneck_radius(far, radii, spacing=0.9).radius.by_direction == pytest.approx(
        result.radius.by_direction, abs=1e-9
    )


def test_a_wide_void_is_measured():
    """One atom in 24 Å: no surface is near most of the voxels."""
    atoms = Atoms("O", positions=[[3, 3, 3]], cell=[24, 24, 24], pbc=True)
    found = core.bottleneck_radius(atoms, {"O": 1.0}, spacing=1.0)
    assert found.largest_radius == pytest.approx(12 * np.sqrt(3) - 1.0, abs=found.error)
    assert found.radius.by_direction == pytest.approx([12 * np.sqrt(2) - 1.0] * 3, abs=found.error)


def test_a_slab_has_no_way_through_its_open_side():
    atoms = Atoms("O", positions=[[2, 2, 5]], cell=[4, 4, 10], pbc=(True, True, False))
    result = core.bottleneck_radius(atoms, {"O": 1.0}, spacing=0.25)
    assert np.isnan(result.radius.by_direction[2]) and np.isnan(result.radius.by_dimension[2])
    # 4 Å between rows of atoms below the surface, and further apart above it
    assert (result.radius.by_direction[:2] > 1.0).all()


def test_rotation_and_replication_change_nothing_beyond_the_grid():
    atoms = crystal("VOPO4_alphaII_P4n")
    radii = {"O": 1.36, "P": 0.17, "V": 0.6}
    once = core.bottleneck_radius(atoms, radii, spacing=0.15)
    twice = core.bottleneck_radius(atoms.repeat(2), radii, spacing=0.15)
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ rotation(3), scale_atoms=True)
    for other in (twice, core.bottleneck_radius(turned, radii, spacing=0.15)):
        assert np.abs(other.radius.by_direction - once.radius.by_direction).max() <= 2 * once.error
    assert once.radius.by_direction[2] < once.radius.by_direction[0] < once.largest_radius


def channel_map():
    """A bent channel of density 3 that wraps along b only, blocked by one voxel of density 2, in a background of 1."""
    density = np.ones((6, 8, 5))
    density[2, :4, 2] = density[2:5, 3, 2] = density[4, 3:, 2] = density[2:5, 7, 2] = 3.0
    density[3, 7, 2] = 2.0
    return density


def test_a_channel_of_known_density():
    density = channel_map()
    result = core.density_percolation(density)
    assert result.threshold.by_direction.tolist() == [1.0, 2.0, 1.0]
    assert result.threshold.by_dimension.tolist() == [2.0, 1.0, 1.0]
    assert result.volume_fraction.by_direction[1] == (density >= 2).mean()
    assert result.volume_fraction.by_direction[0] == 1.0


def test_no_boundary_no_channel():
    result = core.density_percolation(channel_map(), pbc=(True, False, True))
    assert result.threshold.by_direction[0] == 1.0 and np.isnan(result.threshold.by_direction[1])
    assert np.isnan(result.volume_fraction.by_direction[1])


def test_empty_voxels_do_not_carry_a_channel():
    density = channel_map()
    density[density == 1.0] = 0.0
    result = core.density_percolation(density)
    assert np.isnan(result.threshold.by_dimension[1]) and result.threshold.by_dimension[0] == 2.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_thresholds_equal_a_flood(seed):
    random = np.random.default_rng(seed)
    density = random.integers(1, 9, size=random.integers(1, 6, 3)).astype(float)
    result = core.density_percolation(density)
    for k in range(3):
        assert result.threshold.by_direction[k] == brute_force_level(density, k)
    rolled = np.roll(density, random.integers(0, 5, 3), axis=(0, 1, 2))
    assert core.density_percolation(rolled).threshold.by_dimension.tolist() == result.threshold.by_dimension.tolist()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: core.bottleneck_radius(SIMPLE, {}), "radii: 'O' is missing"),
        (lambda: core.bottleneck_radius(SIMPLE, {"O": -1.0}), r"radii\['O'\] = -1.0: must be"),
        (lambda: core.bottleneck_radius(SIMPLE, {"O": float("nan")}), r"radii\['O'\] = nan: must be"),
        (lambda: core.bottleneck_radius(SIMPLE, {"O": 1.0}, spacing=0.0), "spacing = 0.0: must be"),
        (lambda: core.bottleneck_radius(SIMPLE, {"O": 1.0}, spacing=1e-4), "spacing = 0.0001: more than"),
        (lambda: core.bottleneck_radius(SIMPLE, {"O": 1.0}, probe_radius=float("nan")), "probe_radius = nan"),
        (lambda: core.bottleneck_radius(SIMPLE, {}, ignore="O"), "positions = 0 atoms: free volume needs"),
        (lambda: core.bottleneck_radius(Atoms("O"), {"O": 1.0}), "a grid needs three cell vectors"),
        (lambda: core.density_percolation(np.ones((2, 2))), "density = array of shape \\(2, 2\\): must have"),
        (lambda: core.density_percolation(np.full((2, 2, 2), np.nan)), r"density\[0,0,0\] = nan"),
        (lambda: core.density_percolation(-np.ones((2, 2, 2))), "density = -1.0: must not be negative"),
        (lambda: core.density_percolation(np.ones((2, 0, 2))), "density = .*2, 0, 2.*: there are no voxels"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
