"""Motions whose displacements, transport coefficients and errors are known."""

import numpy as np
import pytest

from core.test_correlators import filled, walk
from naglass_drv import core


def directions(shape, seed) -> np.ndarray:
    v = np.random.default_rng(seed).normal(size=(*shape, 3))
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def test_alpha2_of_fixed_length_jumps_and_of_a_fraction_that_jumped():
    jump = directions((60,), 1) * 2.3
    one = core.alpha2(np.array([np.zeros((60, 3)), jump]), times=1.0)["X"]
    assert one.value[0] == pytest.approx(-0.4) and np.isnan(one.err[0])
    for jumped in (6, 15, 30, 60):
        moved = np.where(np.arange(60)[:, None] < jumped, jump, 0.0)
        found = core.alpha2(np.array([np.zeros((60, 3)), moved]), times=1.0)["X"].value[0]
        assert found == pytest.approx(3 / (5 * jumped / 60) - 1)


def test_alpha2_of_gaussian_motion_vanishes_within_its_error():
    found = core.alpha2(walk(2000, 40, 2), times=1.0)["X"]
    known = np.isfinite(found.err)
    assert known.sum() > 40
    deviation = found.value[known] / found.err[known]
    assert np.abs(found.value[:5]).max() < 0.02 and np.abs(deviation).max() < 5


def test_chi4_of_independent_overlaps_is_the_variance_of_a_coin():
    """Each atom jumps away from its site with probability 0.3 at every other frame, and back."""
    random = np.random.default_rng(4)
    away = random.random((8000, 25)) < 0.3
    away[::2] = False
    positions = np.zeros((8000, 25, 3))
    positions[..., 0] = 5.0 * away
    result = core.Correlator(["Na"] * 25, 1.0, points=2, overlap=1.3, longest=1.0)
    for frame in positions:
        result.add(frame)
    found = result.result()
    assert found.overlap["Na"].value[0] == pytest.approx(0.7, abs=5 * found.overlap["Na"].err[0])
    assert found.chi4["Na"].value[0] == pytest.approx(0.21, abs=5 * found.chi4["Na"].err[0])
    assert 0 < found.chi4["Na"].err[0] < 0.02


def test_haven_ratio_of_rigid_and_of_cancelling_motion():
    drift = walk(40, 1, 7)
    rigid = filled(np.repeat(drift, 8, axis=1), ["Na"] * 8).result()
    assert rigid.haven["Na"].value == pytest.approx(1 / 8)
    # two ions on perpendicular paths: the sum's square is the sum of squares
    straight = np.arange(40)[:, None, None] * np.array([[1.0, 0, 0], [0, 1.0, 0]])
    assert filled(straight, ["Na"] * 2).result().haven["Na"].value == pytest.approx(1.0)


def test_ballistic_motion():
    velocity = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 0.0]])
    positions = np.arange(100)[:, None, None] * velocity * 0.5
    result = filled(positions, ["Na", "Na"]).result()
    mean = (velocity**2).sum(axis=1).mean()
    assert result.msd["Na"].value == pytest.approx(mean * result.time**2)
    known = np.isfinite(result.msd["Na"].err)
    assert known.any() and result.msd["Na"].err[known] == pytest.approx(0.0, abs=1e-9)
    found = core.diffusion(core.trajectory(positions, times=0.5, symbols=["Na", "Na"]))
    assert found.coefficient is None and found.exponent == pytest.approx(2.0)


def test_random_walks_give_diffusion_haven_ratio_and_conductivity_within_their_errors():
    """D = σ²/2Δt; independent ions: H_R = 1; both conductivities agree with n q² D/kT."""
    step, interval, atoms, edge = 0.4, 0.5, 24, 20.0
    true = step**2 / (2 * interval)
    sigma = core.nernst_einstein(atoms / edge**3 * 1e30, true * core.ANGSTROM2_PER_PS_IN_M2_PER_S, 800.0)
    deviations = []
    for seed in range(14):
        path = core.trajectory(
            walk(1000, atoms, seed, step), np.eye(3) * edge, interval, symbols=["Na"] * atoms, wrapped=False
        )
        found = core.diffusion(path)
        if found.coefficient is None:
            continue
        haven, current = core.haven_ratio(path), core.conductivity(path, 800.0, {"Na": 1.0})
        assert haven.window == current.window == found.window
        deviations.append(
            [
                (found.coefficient - true) / found.err,
                (haven.value - 1.0) / haven.err,
                (current.nernst_einstein - sigma) / current.nernst_einstein_err,
                (current.einstein - sigma) / current.einstein_err,
            ]
        )
    deviations = np.array(deviations)
    assert len(deviations) >= 11
    assert (np.abs(np.median(deviations, axis=0)) < 1.0).all()
    assert ((np.abs(deviations) < 1).mean(axis=0) > 0.4).all()
    assert ((np.abs(deviations) < 2.5).mean(axis=0) > 0.8).all()


def test_nernst_einstein_of_the_known_case():
    assert core.nernst_einstein(1e28, 1e-12, 300.0) == pytest.approx(6.20e-2, rel=1e-3)


def test_rattling_and_short_runs_have_no_coefficient():
    rattle = np.random.default_rng(2).normal(size=(600, 8, 3)) * 0.2
    found = core.diffusion(core.trajectory(rattle, times=0.1, symbols=["Na"] * 8))
    assert found.coefficient is None and "is nowhere compatible with [0.95, 1.05] over a factor of 2" in found.reason
    slow = core.diffusion(core.trajectory(walk(2000, 16, 3, 0.02), times=0.1, symbols=["Na"] * 16))
    assert slow.coefficient is None and "ions rattle, few hop" in slow.reason
    short = core.conductivity(core.trajectory(walk(4, 2, 1), np.eye(3) * 9, 1.0, symbols=["Na"] * 2), 300.0)
    assert short.einstein is None and "Na: too short for an error" in short.reason
    still = core.haven_ratio(core.trajectory(np.zeros((200, 2, 3)), times=1.0, symbols=["Na"] * 2))
    assert still.value is None and still.reason == "the ions do not move at all"


def test_errors_cover_the_truth():
    """MSD of 200 random walks: the one-sigma interval contains the true value in about 68 % of cases."""
    inside, wide = [], []
    for seed in range(200):
        found = core.msd(walk(512, 3, seed, 1.0), times=1.0)["X"]
        chosen = [3, 15, 23]
        off = np.abs(found.value - 3 * found.time) / found.err
        inside.append(off[chosen] < 1), wide.append(off[chosen] < 3)
    assert ((np.mean(inside, axis=0) > 0.55) & (np.mean(inside, axis=0) < 0.78)).all()
    assert (np.mean(wide, axis=0) > 0.93).all()
