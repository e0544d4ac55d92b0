"""Sites and jumps between them: random walks on known lattices, and densities whose barriers are known."""

import numpy as np
import pytest
from scipy.special import iv

from naglass_drv import core
from naglass_drv.core.density import DensityMap
from naglass_drv.errors import InputError
from support.site_lattice import SPACING, walk


def sites_of(made, **options) -> core.Sites:
    return core.find_sites(core.density_map(made.positions, made.cell, 0.3), **options)


def matched(sites: core.Sites, made, edge=4, origin=(0.2, 1.4, 2.9)) -> np.ndarray:
    """(sites,) number of the lattice site of each, which must be within a tenth of the spacing."""
    scaled = (sites.positions - origin) @ np.linalg.inv(made.cell) * edge
    nearest = np.rint(scaled)
    assert np.linalg.norm((scaled - nearest) @ (made.cell / edge), axis=1).max() < 0.1 * SPACING
    return (nearest.astype(int) % edge) @ [edge * edge, edge, 1]


@pytest.mark.parametrize("shear", [0.0, 0.35])
def test_sites_and_jumps_of_a_lattice_are_found_exactly(shear):
    made = walk(1, shear=shear, chance=0.02, ions=16)
    found = sites_of(made, min_occupancy=0.0)
    of = matched(found, made)
    assert sorted(of) == list(range(64)), "every site once"
    true = np.bincount(made.site.ravel(), minlength=64) / len(made.positions)
    assert found.occupancy == pytest.approx(true[of]) and found.occupancy.sum() == pytest.approx(16)
    jumps = core.site_jumps(made.positions, found, 0.1)
    assert len(jumps) == len(made.frame) > 200
    # ordered by ion; a jump is seen with the first sample in the core, which is nearly always the first at the site
    own, true = np.lexsort((jumps.frame, jumps.ion)), np.lexsort((made.frame, made.ion))
    late = jumps.frame[own] - made.frame[true]
    assert late.min() == 0 and late.max() < 5 and late.mean() < 0.1
    before, step = made.site[made.frame - 1, made.ion], made.step @ made.cell / 4
    assert (jumps.ion[own] == made.ion[true]).all() and (of[jumps.origin[own]] == before[true]).all()
    assert (of[jumps.target[own]] == made.site[made.frame, made.ion][true]).all()
    vectors = found.positions[jumps.target] + jumps.image @ made.cell - found.positions[jumps.origin]
    assert vectors[own] == pytest.approx(step[true], abs=0.15)
    assert jumps.length == pytest.approx(np.linalg.norm(vectors, axis=1))
    assert (of[jumps.occupied] == made.site).mean() > 0.998


def test_rates_and_residence_times_cover_the_truth():
    """In runs of five residence times; sites from a long run of the same lattice."""
    chance, interval = 0.004, 0.1
    found = sites_of(walk(0, frames=4000, chance=0.02))
    inside = []
    for seed in range(80):
        made = walk(seed, frames=1250, ions=12, chance=chance)
        jumps = core.site_jumps(made.positions, found, interval)
        rate, stay = jumps.rate(), jumps.residence()
        assert stay.value == pytest.approx(1 / rate.value) and stay.events == len(jumps)
        true = chance / interval
        inside.append([
            abs(rate.value - true) < rate.err,
            rate.interval[0] < true < rate.interval[1],
            stay.interval[0] < 1 / true < stay.interval[1],
        ])  # fmt: skip
    one, *most = np.mean(inside, axis=0)
    assert 0.58 < one < 0.8 and min(most) > 0.89


def test_sites_of_two_kinds_have_their_own_rates():
    chance = np.where(np.arange(64) % 2, 0.02, 0.004)
    made = walk(3, frames=6000, ions=24, chance=chance)
    jumps = core.site_jumps(made.positions, sites_of(made), 0.1)
    odd = matched(jumps.sites, made)[jumps.occupied] % 2 == 1
    for chosen, true in ((odd, 0.2), (~odd, 0.04)):
        rate = jumps.rate(chosen)
        assert abs(rate.value - true) < 3 * rate.err and rate.err < 0.1 * true
    total, time = jumps.by_site()
    assert total.sum() == len(jumps) and time.sum() == pytest.approx(24 * 5999 * 0.1)
    assert jumps.dispersion() > 5
    alike = walk(4, frames=6000, ions=24, chance=0.01)
    # a variance of 2/64 for 64 sites of Poisson counts
    assert abs(core.site_jumps(alike.positions, sites_of(alike), 0.1).dispersion() - 1) < 4 * np.sqrt(2 / 64)


def test_stays_that_outlast_the_run_are_censored():
    """Without censoring, stays in runs of one residence time would seem to be far shorter."""
    found = sites_of(walk(0, frames=4000, chance=0.02))
    made = walk(5, frames=400, ions=400, chance=0.005)
    jumps = core.site_jumps(made.positions, found, 0.1)
    time, share = jumps.survival()
    assert time[0] == 0.0 and share[0] == 1.0 and (np.diff(share) < 0).all()
    for at in (5.0, 10.0, 20.0):
        true = 0.995 ** (at / 0.1)
        assert share[np.searchsorted(time, at, side="right") - 1] == pytest.approx(true, abs=0.05)


def test_an_ion_at_the_border_of_two_sites_does_not_jump():
    found = sites_of(walk(0, frames=4000, chance=0.02, rattle=0.3))
    assert len(found) == 64
    site = found.positions[0]
    at = site + np.outer([0.0, *([0.4, 0.6] * 20), 0.0], [SPACING, 0, 0])
    assert (found.locate(at[1:3])[0][0] != found.locate(at[1:3])[0][1]) and not found.locate(at[1:-1])[2].any()
    assert len(core.site_jumps(at[:, None], found, 0.1)) == 0
    crossed = core.site_jumps(np.vstack([at, site + [SPACING, 0, 0]])[:, None], found, 0.1)
    assert crossed.frame.tolist() == [len(at)]


def test_jumps_back_are_counted_with_their_images():
    made = walk(6, chance=0.02, back=0.5, ions=24)
    jumps = core.site_jumps(made.positions, sites_of(made), 0.1)
    share, count = jumps.back_share()
    # half of them are made to lead back, and one in six of the others does
    assert abs(share - (0.5 + 0.5 / 6)) < 4 * np.sqrt(0.25 / count)
    # once around a small cell is not back
    around = walk(7, edge=2, chance=0.05, steps=np.array([[1, 0, 0]]), ions=4)
    assert core.site_jumps(around.positions, sites_of(around), 0.1).back_share()[0] == 0.0


@pytest.mark.parametrize(("steps", "dimension"), [([[1, 0, 0], [0, 1, 0], [0, 0, 1]], 3), ([[0, 0, 1]], 1)])
def test_jumps_connect_the_sites(steps, dimension):
    made = walk(8, chance=0.05, steps=np.array(steps), ions=24)
    found = core.site_jumps(made.positions, sites_of(made), 0.1).network()
    assert (found.dimensions == dimension).all()
    assert set(found.sizes) == {64 if dimension == 3 else 4}


def test_the_percolation_barrier_of_a_periodic_potential():
    """Ions in U = −(A/2) Σ cos(2πx/a): the barrier is A, less what smoothing takes from it."""
    height, edge, spacing = 4.0, 2, 4.0
    rng = np.random.default_rng(9)
    inside = rng.vonmises(0.0, height / 2, size=(1000, 800, 3)) / (2 * np.pi) * spacing
    positions = inside + spacing * rng.integers(edge, size=(1000, 800, 3)) + 1.3
    mapped = core.density_map(positions, edge * spacing * np.eye(3), 0.2)
    for smoothing in (0.2, 0.4):
        found = core.find_sites(mapped, smoothing=smoothing)
        assert len(found) == edge**3
        order = np.arange(1, 30)
        damped = np.exp(-((2 * np.pi * order / spacing * smoothing) ** 2) / 2)
        waves = iv(order, height / 2) / iv(0, height / 2) * damped
        true = np.log((1 + 2 * waves.sum()) / (1 + 2 * (waves * (-1) ** order).sum()))
        barriers = found.barriers()
        assert barriers.by_dimension == pytest.approx(true, abs=0.12) and true < height
        assert barriers.by_direction == pytest.approx(true, abs=0.12)
        # the part of the cell with a density above that of a saddle, which is at half a period in one direction
        g = 1 + 2 * np.cos(2 * np.pi * np.outer(np.arange(60) / 60, order)) @ waves
        inside = (g[:, None, None] * g[:, None] * g >= g[0] ** 2 * g[30]).mean()
        assert found.channels().volume_fraction.by_dimension[0] == pytest.approx(inside, abs=0.03)


def test_maxima_with_a_low_saddle_are_one_site():
    for depth, expected in ((0.7, 1), (0.9, 1), (1.1, 2), (3.0, 2)):
        x = (np.arange(24) + 0.5) / 24
        density = np.exp(depth / 2 * np.cos(4 * np.pi * x))[:, None, None] * np.exp(
            -20 * ((x - 0.5) ** 2)[None, :, None] - 40 * ((x - 0.5) ** 2)[None, None, :]
        )
        found = core.find_sites(DensityMap(density, 8.0 * np.eye(3), 10**9), smoothing=0.0, min_occupancy=0.0)
        # voxel centers miss maximum and saddle by a half: 1 % of the depth
        assert len(found) == expected, depth
        assert found.core.any() and (found.labels >= 0).all()


def test_rare_visits_are_no_sites():
    made = walk(1, chance=0.02)
    once = np.concatenate([made.positions, made.positions[:1] + 1.5])
    mapped = core.density_map(once, made.cell, 0.3)
    assert len(core.find_sites(mapped, min_occupancy=0.0)) > 64
    assert len(core.find_sites(mapped)) == 64


def test_without_jumps_there_is_an_upper_bound():
    made = walk(1, chance=0.0, frames=300)
    jumps = core.site_jumps(made.positions, sites_of(made), 0.1)
    rate, stay = jumps.rate(), jumps.residence()
    assert (len(jumps), rate.value, rate.interval[0]) == (0, 0.0, 0.0)
    # three events in the time of all ions, with 95 %
    assert rate.interval[1] == pytest.approx(2.9957 / (16 * 29.9), rel=1e-3)
    assert stay.value == np.inf and stay.interval[0] == pytest.approx(16 * 29.9 / 2.9957, rel=1e-3)
    assert np.isnan(jumps.dispersion()) and np.isnan(jumps.back_share()[0])
    assert jumps.network().dimensions.max() == 0 and jumps.survival()[0].tolist() == [0.0]


def test_bad_arguments():
    made = walk(1, frames=50)
    found = sites_of(made)
    mapped = core.density_map(made.positions, made.cell, 0.3)
    for wrong, message in (
        (lambda: core.find_sites(np.zeros((3, 3, 3))), "density = .*: must be a DensityMap"),
        (lambda: core.find_sites(DensityMap(np.zeros((3, 3, 3)), np.eye(3), 1)), "density: there are no atoms"),
        (lambda: core.find_sites(mapped, smoothing=-1.0), "smoothing = -1.0"),
        (lambda: core.find_sites(mapped, depth=0.0), "depth = 0.0: must be a positive number"),
        (lambda: core.find_sites(mapped, min_occupancy=None), "min_occupancy = None"),
        (lambda: core.site_jumps(made.positions, None, 0.1), "sites = None: must be Sites"),
        (lambda: core.site_jumps(made.positions[0], found, 0.1), "positions = array of shape"),
        (lambda: core.site_jumps(made.positions, found, -0.1), "interval = -0.1"),
        (lambda: core.site_jumps(made.positions[:1], found, 0.1), "at least 2 frames"),
    ):
        with pytest.raises(InputError, match=message):
            wrong()
