"""Exchange across surfaces: Poisson exchanges return their rates, rattling about a surface is not exchange."""

import numpy as np
import pytest

from naglass_drv.analysis.crossings import crossings
from naglass_drv.errors import InputError

INWARD, OUTWARD = 0.0004, 0.0008  # per frame
FRAMES, IONS, AREA = 4000, 60, 400.0


def telegraph(rng, ions=IONS, frames=FRAMES, flicker=0.0):
    """Distances of ions that change sides as Poisson events, and are on the wrong side for single frames besides."""
    inside = np.empty((frames, ions), dtype=bool)
    inside[0] = rng.random(ions) < INWARD / (INWARD + OUTWARD)
    for frame in range(1, frames):
        changes = rng.random(ions) < np.where(inside[frame - 1], OUTWARD, INWARD)
        inside[frame] = inside[frame - 1] ^ changes
    shown = inside ^ (rng.random(inside.shape) < flicker)
    return np.where(shown, -1.0, 1.0) * rng.uniform(0.1, 3, inside.shape), rng.integers(0, 2, inside.shape)


def test_poisson_exchanges_return_their_rates_and_residences():
    share = INWARD / (INWARD + OUTWARD)
    flux = IONS * share * OUTWARD / (2 * AREA)  # each way, per surface
    off, covered = [], []
    for seed in range(80):
        found = crossings(*telegraph(np.random.default_rng([seed, 2]), flicker=0.01), 1.0, AREA, least_residence_ps=5)
        off.append(
            [
                (found.inward.value - flux) / found.inward.err,
                (found.outward.value - flux) / found.outward.err,
                found.net[0] / found.net[1],
                (found.residence_in_ps[0] - 1 / OUTWARD) / found.residence_in_ps[1],
                (found.residence_out_ps[0] - 1 / INWARD) / found.residence_out_ps[1],
            ]
        )
        covered.append(found.inward.interval[0] < flux < found.inward.interval[1])
    inside = (np.abs(off) < 1).mean(axis=0)
    # an ion that went in has to come out before it can go in again: the net flux scatters less than Poisson events
    assert (inside > 0.58).all() and (inside[[0, 1, 3, 4]] < 0.82).all(), inside
    assert np.mean(covered) > 0.91
    assert (np.abs(np.mean(off, axis=0)) < 0.5).all(), np.mean(off, axis=0)


def test_rattling_about_a_surface_is_not_exchange():
    rng = np.random.default_rng(3)
    distance = 0.3 * rng.normal(size=(2000, 20))
    distance[:, :10] += 2.0
    found = crossings(distance, np.zeros(distance.shape, dtype=int), 0.1, AREA, least_residence_ps=5.0)
    assert found.inward.events == found.outward.events == 0
    assert found.inward.value == found.inward.interval[0] == 0
    assert found.inward.interval[1] == pytest.approx(2.996 / (1901 * 0.1 * 2 * AREA), rel=1e-3)
    assert np.isnan(found.residence_in_ps).all() and found.balanced


def test_crossings_are_counted_where_and_when_they_happen():
    """One ion: outside, 3 frames inside, outside, then inside for good; another leaves by the upper surface."""
    side = np.ones((60, 2))
    side[20:23, 0] = side[35:, 0] = side[:25, 1] = -1
    surface = np.zeros(side.shape, dtype=int)
    surface[25:, 1] = 1
    found = crossings(side, surface, 2.0, 100.0, least_residence_ps=10.0)
    assert found.by_surface.tolist() == [[1, 0], [0, 1]]
    assert found.returning[0] == pytest.approx(1 / 3)
    # certain stays end five frames before the end
    assert found.residence_in_ps[0] == pytest.approx(2.0 * (25 + 56 - 35))
    assert found.residence_out_ps[0] == pytest.approx(2.0 * (35 + 56 - 25))
    assert found.inward.value == pytest.approx(1 / (2.0 * (60 - 9) * 200))


def test_a_short_trajectory_is_refused():
    with pytest.raises(InputError, match="the trajectory of 12 ps is shorter than three of them"):
        crossings(np.ones((12, 1)), np.zeros((12, 1), dtype=int), 1.0, 100.0)
