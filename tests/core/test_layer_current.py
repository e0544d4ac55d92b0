"""Charge diffusion and Haven ratio by layer: walks whose truth is known, whether ions stay in their layer or not."""

import numpy as np
import pytest

from naglass_drv import core
from naglass_drv.errors import InputError

CHANCE = np.array([0.20, 0.05])  # of a hop to either side along each axis and frame, by layer
HOP, PLANES = 1.0, 8  # Å; lattice planes per layer
TRUTH = CHANCE * HOP**2  # Å² per frame


def walk(rng, ions, frames, chances=CHANCE):
    """Positions (frames, ions, 3) with rattling, and layers, of ions that hop by the chance of the layer they are in,
    from a steady state, in which they cross from one layer into the other all the time.
    """
    site = rng.integers(0, PLANES, (ions, 3))
    site[:, 2] += PLANES * (rng.random(ions) < 0.5)
    sites = np.empty((frames, ions, 3))
    for frame in range(frames):
        sites[frame] = site
        chance = chances[(site[:, 2] // PLANES) % 2][:, None]
        drawn = rng.random((ions, 3))
        site = site + (drawn < chance) - (drawn > 1 - chance)
    layer = ((sites[..., 2] // PLANES) % 2).astype(int)
    return HOP * sites + 0.2 * rng.normal(size=sites.shape), layer


@pytest.fixture(scope="module")
def found():
    """Two layers of 80 runs each."""
    return [core.layer_transport(*walk(np.random.default_rng(seed), 16, 1500), 1.0) for seed in range(80)]


@pytest.mark.parametrize(("kind", "truth"), [("tracer", TRUTH), ("charge", TRUTH), ("haven", np.ones(2))])
def test_independent_ions_have_a_haven_ratio_of_one_in_both_layers(found, kind, truth):
    """Although ions leave their layer within the lag: two errors and the interval cover the truth as stated."""
    given = [(getattr(one[k], kind), truth[k]) for one in found for k in (0, 1) if getattr(one[k], kind) is not None]
    assert len(given) > 0.97 * 2 * len(found)
    off = np.array([(value.value - true) / value.err for value, true in given])
    assert 0.52 < (np.abs(off) < 1).mean() < 0.78 and (np.abs(off) < 2).mean() > 0.9
    assert np.mean([value.interval[0] < true < value.interval[1] for value, true in given]) > 0.9
    mean = np.mean([value.value / true for value, true in given])
    assert mean == pytest.approx(1.0, abs=0.04)


def test_rigid_pairs_have_a_haven_ratio_of_one_half_also_across_the_border():
    """The partner of an ion in one layer may be in the other: it moves with it all the same."""
    off = []
    for seed in range(20):
        rng = np.random.default_rng([seed, 5])
        positions, _ = walk(rng, 12, 1500)
        both = np.concatenate([positions, positions + [0.0, 0.0, 3.0]], axis=1)
        layer = ((both[..., 2] // (PLANES * HOP)) % 2).astype(int)
        off += [(one.haven.value - 0.5) / one.haven.err for one in core.layer_transport(both, layer, 1.0) if one.haven]
    assert len(off) > 30 and abs(np.mean(off)) < 3 / np.sqrt(len(off)) and (np.abs(off) < 2).mean() > 0.85


def test_one_layer_is_the_whole_cell_seen_along_the_layers():
    """The oracle is `haven_ratio` of the same motion without its part across the layers, in which D is 2/3 as large."""
    positions, layer = walk(np.random.default_rng(3), 10, 1500)
    (one,) = core.layer_transport(positions, np.zeros_like(layer), 0.5)
    flat = core.trajectory(positions * [1.0, 1.0, 0.0], times=0.5, symbols=["Na"] * 10)
    whole, moved = core.haven_ratio(flat, min_msd=5 / 3), core.diffusion(flat, min_msd=5 / 3)
    assert one.ions == 10 and one.window == pytest.approx(whole.window)
    assert (one.haven.value, one.haven.err) == pytest.approx((whole.value, whole.err))
    assert (one.tracer.value, one.tracer.err) == pytest.approx((1.5 * moved.coefficient, 1.5 * moved.err))
    tilted, unit = np.roll(positions, 1, axis=2), (1.0, 0.0, 0.0)
    (same,) = core.layer_transport(tilted, np.zeros_like(layer), 0.5, normal=unit)
    assert same.charge.value == pytest.approx(one.charge.value)


def test_the_currents_of_all_layers_add_up_to_that_of_the_cell():
    """Between the same lags, up to how the numbers of ions are evened out."""
    same = 0
    for seed in range(8):
        positions, layer = walk(np.random.default_rng([seed, 6]), 16, 1200, np.full(2, 0.1))
        (whole,) = core.layer_transport(positions, np.zeros_like(layer), 1.0)
        parts = core.layer_transport(positions, layer, 1.0)
        if all(one.window == whole.window for one in parts):
            same += 1
            for kind in ("charge", "tracer"):
                added = sum(one.ions * getattr(one, kind).value for one in parts)
                assert added == pytest.approx(whole.ions * getattr(whole, kind).value, rel=0.02)
    assert same > 1


def test_ions_in_a_cage_are_refused_also_on_the_border():
    """An ion that rattles across the border adds up the parts of its motion on one side, which do not come back; with
    all that it moves they do not correlate, so that no motion is seen.
    """
    rng = np.random.default_rng(8)
    positions = rng.uniform(0, 8, (10, 3)) + 0.3 * rng.normal(size=(3000, 10, 3))
    positions[..., 2] -= positions[..., 2].mean(axis=0)
    for one in core.layer_transport(positions, (positions[..., 2] > 0).astype(int), 1.0):
        assert (one.tracer, one.charge, one.haven) == (None, None, None) and one.reason


def test_a_run_that_is_too_short_says_how_long_it_has_to_be():
    """The slow layer reaches the MSD after 8 ps or so, of which 12 are asked for; later on, errors are too large."""
    early = core.layer_transport(*walk(np.random.default_rng(0), 16, 60), 1.0)[1]
    assert early.tracer is None and "is not 12 times longer" in early.reason and 60 < early.needed < 12 * 10
    late = core.layer_transport(*walk(np.random.default_rng(2), 16, 200), 1.0)[1]
    assert late.tracer is not None and late.haven is None and "too short: D_σ" in late.reason and late.needed > 400
    (still,) = core.layer_transport(np.zeros((200, 4, 3)), np.zeros((200, 4), dtype=int), 1.0)
    assert still.reason == "the ions do not move at all" and still.needed is None


def test_layers_have_to_fit_the_positions():
    positions, layer = walk(np.random.default_rng(4), 4, 50)
    with pytest.raises(InputError, match=r"layer = array of shape \(49, 4\)"):
        core.layer_transport(positions, layer[1:], 1.0)
    empty = core.layer_transport(positions, np.full_like(layer, 1), 1.0)[0]
    assert empty.ions == 0 and empty.reason == "no ion is in the layer"
