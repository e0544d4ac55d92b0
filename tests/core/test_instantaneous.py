"""Instantaneous surfaces of a slab whose corrugation is known: heights, roughness, and the profile without it."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv import core
from naglass_drv.errors import InputError
from support.rough_slab import DENSITY, EDGE, HEIGHT, LOWER, UPPER, WIDTH, corrugation, slab


@pytest.mark.parametrize("amplitude", [1.0, 2.0])
def test_heights_follow_the_corrugation_with_the_damping_of_the_gaussians(amplitude):
    atoms, order = slab(np.random.default_rng(1), amplitude)
    found = core.instantaneous_surface(atoms, order)
    assert found.smoothing == pytest.approx(0.7 * DENSITY ** (-1 / 3))
    damped = np.exp(-2 * np.pi**2 * found.smoothing**2 / EDGE**2)
    x, y, _ = atoms.positions.T
    for side, at in enumerate((LOWER, UPPER)):
        off = found.at(atoms)[side] - at - damped * corrugation(x, y, amplitude)
        # the surface is known where centers are: to their resolution
        assert abs(off.mean()) < 0.1 and off.std() < 1.2 * found.resolution[side]
    rough = np.sqrt((found.roughness**2 - found.resolution**2).mean())
    assert rough == pytest.approx(damped * amplitude * np.sqrt(1.5), rel=0.1)
    assert found.position == pytest.approx([LOWER, UPPER], abs=0.1)


def test_a_flat_surface_is_no_rougher_than_its_centers_would_make_a_sharp_one():
    squares = []
    for seed in range(20):
        found = core.instantaneous_surface(*slab(np.random.default_rng([seed, 2]), 0.0))
        squares += (found.roughness**2 - found.resolution**2).tolist()
        assert found.position == pytest.approx(found.flat.position, abs=0.4)
    assert 0.2 < found.resolution.mean() < 0.7 and -0.15 < np.mean(squares) < 0.0 and max(squares) < 0.05


@pytest.fixture(scope="module")
def profiles():
    """Of a corrugated slab that moves by 0.4 Å per frame, through the face of the cell, in an ideal gas of Na: against
    both kinds of surface, and mean widths.
    """
    flat, local, widths = core.Profiler(width=0.5), core.Profiler(width=0.5), []
    for frame in range(24):
        rng = np.random.default_rng([frame, 4])
        atoms, order = slab(rng, 2.0, shift=0.4 * (frame + 40))
        surface = core.instantaneous_surface(atoms, order)
        gas = Atoms(["Na"] * len(atoms), rng.random((len(atoms), 3)) * [EDGE, EDGE, HEIGHT])
        atoms, order = atoms + gas, np.concatenate([order, np.full(len(atoms), np.nan)])
        values = {"order": order}
        widths.append([flat.add(atoms, values, order=order).width.mean(), surface.intrinsic.width.mean()])
        local.add(atoms, values, surfaces=surface)
    return flat.result(), local.result(), np.mean(widths, axis=0)


def test_the_sharp_profile_is_recovered_and_the_flat_one_is_as_broad_as_the_corrugation(profiles):
    flat, local, (broad, sharp) = profiles
    dense, order = slab(np.random.default_rng(9), 2.0, density=3.0, noise=0.0)
    expected = core.gibbs_surfaces(dense, order).width.mean()
    assert expected > 3 * WIDTH and broad == pytest.approx(expected, rel=0.03)
    even = core.instantaneous_surface(*slab(np.random.default_rng(9), 0.0)).intrinsic.width.mean()
    assert sharp == pytest.approx(even, abs=0.35) and sharp < WIDTH + 1.2
    # the mean profiles: 3 Å from the surface both phases are pure against the local surface alone
    for profile, pure in ((local, True), (flat, False)):
        at = {side: np.interp(side, profile.distance, profile["order"].value) for side in (-3.0, 3.0)}
        off = max(abs(at[-3.0] - 0.9), abs(at[3.0] - 0.2))
        assert off < 0.01 if pure else off > 0.1


def test_layers_of_local_distance_have_the_volume_that_atoms_take(profiles):
    """The ideal gas is flat; the centers, between which the surface runs, have a gap there."""
    _, local, _ = profiles
    known = np.abs(local.distance) < 8
    gas, centers = local["density_Na"], local["density_V"]
    assert gas.value[known] == pytest.approx(DENSITY, rel=0.06)
    assert gas.value[known].mean() == pytest.approx(DENSITY, rel=0.005)
    assert gas.denominator[0].sum() == pytest.approx(EDGE**2 * HEIGHT, rel=1e-9)
    assert centers.value[np.abs(local.distance) < 0.5].mean() < 0.8 * DENSITY
    assert centers.value[known].mean() == pytest.approx(DENSITY, rel=0.03)


def test_surfaces_that_move_are_continuous(profiles):
    flat, local, _ = profiles
    assert local.position == pytest.approx(flat.position, abs=0.5)
    steps = np.diff(local.position, axis=0)
    assert steps == pytest.approx(0.4, abs=0.6) and steps.mean() == pytest.approx(0.4, abs=0.02)


def test_neither_the_axis_nor_a_sheared_cell_changes_the_surface():
    atoms, order = slab(np.random.default_rng(5), 1.5, noise=0.0)
    found = core.instantaneous_surface(atoms, order)
    turned = Atoms(atoms.symbols, np.roll(atoms.positions, 1, axis=1), cell=[HEIGHT, EDGE, EDGE], pbc=True)
    same = core.instantaneous_surface(turned, order, axis=0)
    assert same.height == pytest.approx(found.height, abs=1e-9)
    sheared = atoms.copy()
    sheared.cell = [[EDGE, 0, 0], [EDGE, EDGE, 0], [0, 0, HEIGHT]]
    other = core.instantaneous_surface(sheared, order)
    assert other.at(sheared) == pytest.approx(found.at(atoms), abs=0.3)
    assert other.roughness == pytest.approx(found.roughness, rel=0.05)


def test_what_has_no_surface_everywhere_is_refused():
    atoms, order = slab(np.random.default_rng(6), 0.0)
    x = atoms.positions[:, 0]
    with pytest.raises(InputError, match=r"order: \d+ of \d+ lines along the axis do not cross"):
        core.instantaneous_surface(atoms, np.where(x < 0.2 * EDGE, 0.2, order))
    with pytest.raises(InputError, match="smoothing = -1"):
        core.instantaneous_surface(atoms, order, smoothing=-1)
    surface = core.instantaneous_surface(atoms, order)
    with pytest.raises(InputError, match="surfaces: along axis 2, but the layers are along 0"):
        core.Profiler(axis=0).add(atoms, surfaces=surface)
