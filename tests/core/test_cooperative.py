"""Clusters of fast ions: planted ones, random ones, and a case that can be counted."""

import numpy as np
import pytest

from naglass_drv import core
from naglass_drv.errors import InputError


def lattice(edge=6, spacing=3.0):
    return spacing * np.array([[i, j, k] for i in range(edge) for j in range(edge) for k in range(edge)], dtype=float)


def path(fast, frames=41, seed=0) -> core.Trajectory:
    """Ions on a lattice that rattle; those that are `fast` (frames - 1, ions) step away by 0.05 Å in that frame."""
    rng, places = np.random.default_rng(seed), lattice()
    steps = 0.05 * fast[..., None] * np.array([1.0, 0, 0])
    moved = np.concatenate([np.zeros((1, len(places), 3)), np.cumsum(steps, axis=0)])
    positions = places + moved + 0.001 * rng.normal(size=moved.shape)
    return core.Trajectory(positions, 0.1, ("Na",) * len(places), 18.0 * np.eye(3), False)


def block(corner) -> np.ndarray:
    """The 27 ions of a cube of the lattice, across the border of the cell."""
    place = np.rint(lattice() / 3.0).astype(int)
    return (((place - corner) % 6) < 3).all(axis=1)


def test_a_moving_block_is_one_cluster():
    fast = np.array([block(np.array([t // 10, 4, 5])) for t in range(40)])
    found = core.fast_clusters(path(fast), lag=0.1, cutoff=4.0, share=27 / 216, origins=40)
    assert (found.size, found.chosen, found.ions) == (27.0, 27, 216)
    assert found.random < 6 and found.chance == 1 / 401 and found.random_range[1] < 27


def test_pairs_at_random_are_as_large_as_counted():
    """Three of 216 ions with six neighbors each: the chance that two of them touch is 6/215."""
    rng = np.random.default_rng(3)
    fast = np.zeros((300, 216))
    for row in fast:
        row[rng.choice(216, 3, replace=False)] = 1
    found = core.fast_clusters(path(fast, 301), lag=0.1, cutoff=4.0, share=3 / 216, origins=300, draws=300)
    # an ion's cluster holds itself, and to first order each of two others with that chance; chains of three add more
    p = 6 / 215
    assert found.random == pytest.approx(1 + 2 * p + 2 * p * p, abs=0.006)
    assert abs(found.size - found.random) < 4 * found.err and found.chance > 0.01


def test_ions_that_stay_fast_at_random_places_are_not_called_cooperative():
    """Without the same exchange at all origins, the null would be far too narrow."""
    chances = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        fast = np.tile(np.isin(np.arange(216), rng.choice(216, 20, replace=False)), (20, 1))
        chances.append(core.fast_clusters(path(fast, 21, seed), lag=0.1, cutoff=4.0, draws=60, seed=seed).chance)
    assert 0.3 < np.mean(chances) < 0.7 and np.mean(np.array(chances) <= 0.1) < 0.25


def test_bad_arguments():
    made = path(np.zeros((40, 216)))
    for how, message in (
        ({"lag": 100.0}, "lag = 100: must be at least a frame"), ({"share": 0.001}, "0 of 216 Na; at least 3"),
        ({"share": 1.0}, "216 of 216"), ({"cutoff": 0.0}, "cutoff = 0.0"), ({"draws": 0}, "draws = 0"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            core.fast_clusters(made, **({"cutoff": 4.0, "lag": 0.1} | how))
    with pytest.raises(InputError, match="must be a Trajectory with a cell"):
        core.fast_clusters(core.trajectory(made.positions, times=0.1), lag=0.1, cutoff=4.0)
