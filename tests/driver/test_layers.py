"""Mobility by layer: random walks in layers of different diffusion coefficients, hop rates, and errors that cover
them."""

import numpy as np
import pytest

from naglass_drv import core
from naglass_drv.analysis.layers import hop_rates, layer_mobility
from naglass_drv.errors import InputError

CHANCE = np.array([0.20, 0.05])  # of a hop to either side along each axis and frame, by layer
HOP, SITES = 0.7, 12  # Å; lattice planes per layer
TRUTH = CHANCE * HOP**2  # Å² per frame: variance 2 p a² along each axis
REPLICAS, IONS, FRAMES = 100, 40, 1000


def walk(rng, ions, frames, *, together=False):
    """Sites (frames, ions, 3): each axis hops by itself with the chance of the layer that the ion is in, from a steady
    state. `together`: a hop goes along one of the axes only, with a third of that chance.
    """
    site = rng.integers(0, SITES, (ions, 3))
    site[:, 2] += SITES * (rng.random(ions) < CHANCE[0] / CHANCE.sum())
    out = np.empty((frames, ions, 3), dtype=np.int32)
    for frame in range(frames):
        out[frame] = site
        chance = CHANCE[(site[:, 2] // SITES) % 2][:, None]
        if together:
            way = rng.random((ions, 1)) // (chance / 3)
            step = (way == [[0, 2, 4]]).astype(int) - (way == [[1, 3, 5]])
        else:
            drawn = rng.random((ions, 3))
            step = (drawn < chance).astype(int) - (drawn > 1 - chance)
        site = site + step
    return out


def layers_of(sites):
    return (sites[..., 2] // SITES) % 2


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(31)
    sites = walk(rng, REPLICAS * IONS, FRAMES)
    rattled = HOP * sites + 0.2 * rng.normal(size=sites.shape)
    layer = layers_of(sites)
    each = np.split(np.arange(REPLICAS * IONS), REPLICAS)
    return [layer_mobility(rattled[:, ions], layer[:, ions], 1.0, (5, 30)) for ions in each]


@pytest.mark.parametrize("kind", ["parallel", "parallel_passage", "perpendicular"])
def test_errors_cover_the_truth_in_both_layers(found, kind):
    value = np.array([getattr(one, kind) for one in found])
    err = np.array([getattr(one, f"{kind}_err") for one in found])
    off = (value - TRUTH) / err
    assert np.abs(off.mean(axis=0)).max() < 4 / np.sqrt(REPLICAS), value.mean(axis=0) / TRUTH
    assert ((np.abs(off) < 1).mean(axis=0) > 0.56).all() and ((np.abs(off) < 1).mean(axis=0) < 0.80).all()
    assert ((np.abs(off) < 2).mean(axis=0) > 0.85).all()
    assert (err / value).mean() < 0.15


def test_first_passage_and_survival_of_a_layer_of_sites():
    """From each of n planes, a walk leaves after j(n + 1 − j)/2p frames on average."""
    sites = walk(np.random.default_rng(4), 2000, 1200)
    # across the layers is the Cartesian direction (0, 3, 4)/5
    turned = HOP * sites @ np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
    result = layer_mobility(turned, layers_of(sites), 1.0, (5, 580), normal=(0, 3, 4))
    planes = np.arange(1, SITES + 1)
    assert result.first_passage_ps[0] == pytest.approx((planes * (SITES + 1 - planes)).mean() / 0.4, rel=0.06)
    assert result.surviving[0] < 0.03 < result.surviving[1]


def test_hops_that_are_long_for_the_layer():
    """Hops of 3 Å in any direction, layers of 10 Å: ions that stay have hopped less than others."""
    rng = np.random.default_rng(3)
    ions, frames, chance, length = 1500, 400, 0.1, 3.0
    ways = rng.normal(size=(frames, ions, 3))
    ways *= length / np.linalg.norm(ways, axis=2, keepdims=True) * (rng.random((frames, ions, 1)) < chance)
    positions = rng.uniform(0, 20, (ions, 3)) + np.cumsum(ways, axis=0)
    layer = (positions[..., 2] // 10).astype(int) % 2
    result = layer_mobility(positions, layer, 1.0, (10, 40))
    truth = chance * length**2 / 6
    assert result.parallel_passage == pytest.approx(truth, rel=0.03)
    assert result.perpendicular == pytest.approx(truth, rel=0.03)
    assert result.parallel == pytest.approx(0.94 * truth, rel=0.03)


def test_hops_along_one_axis_at_a_time():
    """An ion that stays has hopped less across, which makes it more likely that it hopped along: a few percent."""
    sites = walk(np.random.default_rng(5), 2000, 500, together=True)
    result = layer_mobility(HOP * sites, layers_of(sites), 1.0, (5, 30))
    assert result.perpendicular == pytest.approx(TRUTH / 3, rel=0.05)
    assert result.parallel == pytest.approx(TRUTH / 3, rel=0.05)


def test_lags_that_do_not_fit_are_refused():
    sites = walk(np.random.default_rng(6), 3, 100)
    with pytest.raises(InputError, match=r"lags_ps = \(5, 60\): must be two increasing lags"):
        layer_mobility(HOP * sites, layers_of(sites), 1.0, (5, 60))


def test_an_empty_layer_has_no_number():
    sites = walk(np.random.default_rng(7), 5, 200)
    result = layer_mobility(HOP * sites, np.full(sites.shape[:2], 1), 1.0, (5, 20))
    assert np.isnan(result.parallel[0]) and np.isnan(result.perpendicular_err[0]) and result.parallel[1] > 0


def hopping(rng, ions, frames, rates, *, edge=6.0):
    """Ions that hop along x in a layer each, with Poisson times."""
    layer = np.arange(ions) % 2
    times = rng.random((frames, ions)) < np.array(rates)[layer]
    positions = np.zeros((frames, ions, 3))
    positions[..., 0] = np.cumsum(times * edge, axis=0)
    return positions + 0.1 * rng.normal(size=positions.shape), np.broadcast_to(layer, (frames, ions))


def test_hop_rates_cover_the_truth_by_layer():
    rates, off = np.array([1 / 200, 1 / 60]), []
    for seed in range(60):
        positions, layer = hopping(np.random.default_rng([seed, 9]), 16, 1000, rates)
        hops = core.detect_hops(positions, window=2)
        found = hop_rates(hops, range(1000), layer, 1.0)
        assert found.hops.sum() == len(hops)
        off.append((found.rate - rates) / found.err)
    inside = np.mean(np.abs(off) < 1, axis=0)
    assert (inside > 0.56).all() and (inside < 0.82).all(), inside
    assert (np.mean(np.abs(off) < 2, axis=0) > 0.85).all()


def test_a_layer_without_hops_has_a_bound():
    positions, layer = hopping(np.random.default_rng(1), 4, 300, (0.0, 0.02))
    found = hop_rates(core.detect_hops(positions, window=2), range(300), layer, 0.5)
    assert found.rate[0] == 0 and found.hops[0] == 0
    assert found.err[0] == pytest.approx(1 / (2 * 0.5 * 297), rel=0.02)
