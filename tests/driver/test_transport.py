"""Displacements and diffusion against motions whose answer is known."""

import numpy as np
import pytest

from naglass_drv import core
from naglass_drv.analysis.transport import displacement, unwrapped, without_drift
from naglass_drv.errors import InputError


def walk(frames: int, atoms: int, coefficient: float, interval: float, seed: int) -> np.ndarray:
    """Brownian motion with D in Å²/ps."""
    steps = np.random.default_rng(seed).normal(size=(frames, atoms, 3)) * np.sqrt(2 * coefficient * interval)
    return np.cumsum(steps, axis=0)


def diffusion(positions: np.ndarray, interval: float, **options) -> core.Diffusion:
    return core.diffusion(core.trajectory(positions, times=interval), "X", **options)


def cells(frames: int, *edges: float) -> np.ndarray:
    return np.tile(np.diag(edges), (frames, 1, 1)).astype(float)


def test_ballistic_motion_gives_the_squared_distance():
    velocity = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 0.0]])
    positions = np.arange(200)[:, None, None] * 0.01 * velocity + 5.0
    moved = displacement(positions, 0.01)
    expected = (velocity**2).sum(axis=1)[:, None] * moved.time**2
    assert moved.per_atom == pytest.approx(expected, abs=1e-10)
    result = diffusion(positions, 0.01, min_msd=0.0)
    assert result.coefficient is None and result.exponent == pytest.approx(2.0)


def test_displacement_equals_the_sum_over_all_origins():
    # far from the origin, where single precision would lose the displacement altogether
    positions = walk(150, 3, 0.4, 0.02, seed=1) + np.array([1e4, -2e4, 5e3])
    moved = displacement(positions, 0.02)
    for lag in (1, 2, 17, 75):
        direct = ((positions[lag:] - positions[:-lag]) ** 2).sum(axis=2).mean(axis=0)
        assert moved.per_atom[:, lag] == pytest.approx(direct, rel=1e-10)
    assert moved.err[17] == pytest.approx(moved.per_atom[:, 17].std(ddof=1) / np.sqrt(3))


def test_random_walk_gives_its_coefficient_within_the_error():
    true = 0.5
    results = [diffusion(walk(1000, 16, true, 0.01, seed), 0.01, min_msd=0.2) for seed in range(200)]
    known = [result for result in results if result.coefficient is not None]
    assert len(known) >= 198
    deviation = np.array([(result.coefficient - true) / result.err for result in known])
    assert abs(deviation.mean()) < 4 / np.sqrt(len(known))
    assert 0.61 < (np.abs(deviation) < 1).mean() < 0.75
    assert 0.91 < (np.abs(deviation) < 2).mean() < 0.98


def test_rattling_in_a_cage_is_not_called_diffusion():
    positions = np.random.default_rng(2).normal(size=(500, 8, 3)) * 0.2
    result = diffusion(positions, 0.01)
    assert result.coefficient is None and "is nowhere compatible with [0.95, 1.05] over a factor of 2" in result.reason
    assert result.exponent == pytest.approx(0.0, abs=0.05)


def test_a_slow_walk_that_never_leaves_its_place_has_no_coefficient():
    result = diffusion(walk(1000, 16, 0.01, 0.01, seed=3), 0.01)
    assert result.coefficient is None and "ions rattle, few hop" in result.reason


def test_ions_at_rest():
    result = diffusion(np.zeros((100, 4, 3)), 0.01)
    assert result.coefficient is None and result.reason == "the ions do not move at all"


def test_wrapped_positions_are_recognized_and_unwrapped():
    true = walk(400, 5, 0.8, 0.01, seed=4) + 3.0
    box = np.array([6.0, 7.0, 8.0])
    positions, was_wrapped = unwrapped(true % box, cells(400, *box))
    assert was_wrapped
    assert positions - positions[0] == pytest.approx(true - true[0], abs=1e-9)
    positions, was_wrapped = unwrapped(true, cells(400, *box))
    assert not was_wrapped and positions == pytest.approx(true)


def test_wrapped_frames_that_are_too_far_apart_are_refused():
    positions = walk(50, 20, 30.0, 0.1, seed=5) % 6.0
    with pytest.raises(InputError, match="too far apart to unwrap"):
        unwrapped(positions, cells(50, 6.0, 6.0, 6.0))


def test_a_breathing_cell_is_no_motion():
    scaled = np.random.default_rng(6).random((4, 3)) + np.array([0, 3, -7])
    box = cells(60, 9.0, 10.0, 11.0) * (1 + 0.03 * np.sin(np.arange(60)))[:, None, None]
    positions, was_wrapped = unwrapped(scaled @ box, box)
    assert not was_wrapped
    assert displacement(positions, 0.01).msd == pytest.approx(0.0, abs=1e-18)


def test_drift_of_the_framework_is_removed_and_motion_of_the_ions_stays():
    frames, masses = 50, np.array([23.0, 23.0, 31.0, 16.0, 16.0])
    host = np.array([False, False, True, True, True])
    time = np.arange(frames)[:, None, None]
    positions = np.random.default_rng(7).random((1, 5, 3)) + 0.1 * time
    positions[:, :2] += 0.05 * time
    relative = without_drift(positions, masses, host)
    assert np.ptp(relative[:, 2:], axis=0) == pytest.approx(0.0, abs=1e-12)
    assert relative[-1, :2] - relative[0, :2] == pytest.approx(0.05 * (frames - 1))
    with pytest.raises(InputError, match="framework = .*: selects no atoms, so the drift is undefined"):
        without_drift(positions, masses, np.zeros(5, dtype=bool))


def test_too_few_frames():
    with pytest.raises(InputError, match="at least 4 frames"):
        displacement(np.zeros((3, 1, 3)), 0.1)
