"""Velocities of interfaces, on series whose drift is known."""

import numpy as np
import pytest
from ase import Atoms
from scipy.signal import lfilter

from naglass_drv.analysis import growth_rows
from naglass_drv.analysis.fronts import (
    coexistence,
    front_positions,
    front_velocities,
    growing,
    nucleus_velocity,
    steady_rate,
    verdict,
    zero_velocity,
)
from naglass_drv.errors import InputError

VELOCITY = 0.01


def series(seed, diffusion: float, noise: float, memory: float, velocity=VELOCITY, length=480) -> np.ndarray:
    """A front that drifts and diffuses, and fluctuates with a memory."""
    rng = np.random.default_rng([*np.atleast_1d(seed), 3])
    kept = np.exp(-1 / memory)
    fluctuation = lfilter([1], [1, -kept], rng.normal(size=length) * noise * np.sqrt(1 - kept**2))
    return velocity * np.arange(length) + np.cumsum(rng.normal(size=length)) * np.sqrt(2 * diffusion) + fluctuation


# diffusion, amplitude and memory of the fluctuation; whether the error is allowed to be too large
KINDS = {
    "walk": (0.05, 0.0, 1.0, False),
    "walk and fluctuation": (0.02, 1.0, 8.0, False),
    "slow walk": (0.002, 0.3, 5.0, False),
    "fluctuation": (0.0, 1.0, 8.0, True),
}


@pytest.mark.parametrize("kind", KINDS)
def test_errors_of_a_rate_hold_the_truth(kind):
    *what, generous = KINDS[kind]
    found = [steady_rate(np.arange(480.0), series(seed, *what)) for seed in range(100)]
    one = np.mean([abs(d.rate - VELOCITY) < d.err for d in found])
    wide = np.mean([d.interval[0] <= VELOCITY <= d.interval[1] for d in found])
    upper = np.mean([d.upper >= VELOCITY for d in found])
    assert one >= 0.55 and wide >= 0.90 and upper >= 0.88
    assert generous or one <= 0.80
    assert abs(np.mean([d.rate for d in found]) - VELOCITY) < 4 * np.std([d.rate for d in found]) / 10


@pytest.mark.parametrize("memory, way", [(5.0, 0.0), (60.0, 0.0), (60.0, 90.0), (5.0, 150.0)])
def test_errors_of_a_coexistence_hold_the_truth(memory, way):
    """Runs of 600 samples that relax to 1 from both sides in a time `way`, with fluctuations of a long memory."""
    found, left = [], np.exp(-np.arange(600) / way) if way else np.zeros(600)
    for seed in range(200):
        below, above = (series([seed, side], 0.0, 0.02, memory, velocity=0.0, length=600) for side in (0, 1))
        found.append(coexistence(1 + below - 0.1 * left, 1 + above + 0.1 * left))
    one, two = (np.mean([abs(each.temperature - 1) < n * each.err for each in found]) for n in (1, 2))
    assert one >= 0.62 and two >= 0.90
    assert way or np.mean([each.relaxed for each in found]) > 0.7


def test_a_coexistence_needs_samples():
    with pytest.raises(InputError, match="above = 9 samples"):
        coexistence(np.zeros(20), np.zeros(9))


def test_a_rate_has_the_units_of_its_series():
    one = steady_rate(np.arange(480.0), series(1, 0.02, 1.0, 8.0))
    other = steady_rate(0.5 * np.arange(480.0) + 7, 3 * series(1, 0.02, 1.0, 8.0) - 2)
    assert (other.rate, other.err, other.upper) == pytest.approx((6 * one.rate, 6 * one.err, 6 * one.upper), rel=1e-6)


def test_what_never_moves_has_an_upper_bound():
    """Three attachments are expected in 100 ps at the bound, so that none is seen with a chance of 5 %."""
    still = steady_rate(np.arange(100.0), np.full(100, 12.0), blocks=10, quantum=0.5)
    assert still.rate == 0 and still.upper == pytest.approx(-np.log(0.05) * 0.5 / 100, rel=1e-3) and not still.moves
    assert verdict(still) == "no growth observed, u < 0.015 Å/ps (95 %)"
    assert verdict(steady_rate(np.arange(480.0), series(1, 1e-4, 0.1, 1.0, velocity=0.5))).startswith(
        "growth, 0.5008 ± 0.0006 Å/ps"
    )
    assert verdict(steady_rate(np.arange(480.0), series(1, 1e-4, 0.1, 1.0, velocity=-0.5))).startswith(
        "melting, −0.499"
    )


def test_rows_of_velocities_and_bounds():
    moving, still = steady_rate(np.arange(480.0), series(1, 1e-4, 0.1, 1.0)), steady_rate(np.arange(99.0), np.ones(99))
    rows = list(growth_rows.growth("NVP", {"lower": moving, "upper": still}, 900.0))
    assert [row.key for row in rows] == ["growth.NVP.lower.u", "growth.NVP.upper.u_upper"]
    assert rows[0].error == moving.err and rows[0].conditions == {"temperature_K": 900.0}
    assert rows[1].note == "no growth observed" and rows[1].error is None
    (row,) = growth_rows.melting("NVP", zero_velocity(TEMPERATURES, 2e-3 * (900 - TEMPERATURES), np.full(5, 1e-3)))
    assert (row.value, row.unit) == (pytest.approx(900), "K") and row.error > 0


def slab(below: int, above: int, shift: float) -> tuple[Atoms, np.ndarray]:
    """A column of 40 planes of 4 atoms, 2.5 Å apart, crystalline around the plane 20, moved along z."""
    planes = np.repeat(np.arange(40), 4)
    x, y = np.tile([0.0, 0.0, 4.0, 4.0], 40), np.tile([0.0, 4.0, 0.0, 4.0], 40)
    atoms = Atoms("V160", np.column_stack([x, y, 2.5 * planes + shift]), cell=[8.0, 8.0, 100.0], pbc=True)
    return atoms, (planes >= 20 - below) & (planes < 20 + above)


def test_fronts_by_counting_of_a_slab_that_drifts_through_the_boundary():
    grown = [(4 + k // 4, 4 + k // 2, 17.0 * k) for k in range(24)]
    frames, flags = zip(*(slab(*one) for one in grown), strict=True)
    volume = 8.0 * 8.0 * 2.5 / 4
    fronts = front_positions(frames, np.array(flags), volume)
    assert fronts.area == pytest.approx(64.0)
    expected = np.array([[2.5 * below, 2.5 * above] for below, above, _ in grown])
    # where the middle is does not matter, as long as it stays there in the crystal
    assert np.diff(fronts.positions, axis=0) == pytest.approx(np.diff(expected, axis=0))
    assert fronts.positions.sum(axis=1) == pytest.approx(expected.sum(axis=1))
    lower, upper = front_velocities(np.arange(24.0), fronts, volume, blocks=12)
    assert lower.rate == pytest.approx(2.5 / 4, rel=0.1) and upper.rate == pytest.approx(2.5 / 2, rel=0.1)


def test_a_slab_that_does_not_last_has_no_middle():
    atoms, flag = slab(4, 4, 0.0)
    with pytest.raises(InputError, match="no atom is crystalline in most frames"):
        front_positions([atoms, atoms], np.array([flag, ~flag]), 40.0)


TEMPERATURES = np.array([820.0, 860, 880, 930, 960])


def test_the_temperature_without_growth_has_an_honest_error():
    """u = 2e-3 (900 - T), with errors from 5 to 50 % of the largest velocity."""
    errors = np.array([0.02, 0.008, 0.02, 0.02, 0.04])
    inside = wide = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        found = zero_velocity(TEMPERATURES, 2e-3 * (900 - TEMPERATURES) + rng.normal(size=5) * errors, errors)
        inside += abs(found.temperature - 900) < found.err
        wide += found.interval[0] <= 900 <= found.interval[1]
    assert 0.66 <= inside / 400 <= 0.82 and 0.94 <= wide / 400 <= 0.99


def test_a_line_through_exact_velocities():
    found = zero_velocity(TEMPERATURES, 2e-3 * (900 - TEMPERATURES), np.full(5, 1e-3))
    assert found.temperature == pytest.approx(900) and found.slope == pytest.approx(-2e-3)
    assert found.chi2_probability == pytest.approx(1.0)
    bent = zero_velocity(TEMPERATURES, 2e-3 * (900 - TEMPERATURES) + 1e-5 * (900 - TEMPERATURES) ** 2, np.full(5, 1e-3))
    assert bent.chi2_probability < 1e-6 and bent.err > 5 * found.err


@pytest.mark.parametrize(
    ("velocities", "errors", "message"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5], [0.1] * 5, "do not bracket zero"),
        ([0.1, -0.1, 0.1, -0.1, 0.0], [0.1] * 5, "does not tell where zero is"),
        ([0.1, 0.1, 0.0, -0.1, -0.1], [0.1, 0.1, 0.0, 0.1, 0.1], "errors = .*: must be positive"),
    ],
)
def test_velocities_that_show_no_melting_temperature_are_refused(velocities, errors, message):
    with pytest.raises(InputError, match=message):
        zero_velocity(TEMPERATURES, velocities, errors)


def test_a_nucleus_grows_only_once_it_has_three_critical_sizes():
    time = np.arange(600.0)
    radius = 8 + 0.02 * time
    sizes = 4 * np.pi / 3 * radius**3 / 20
    part = growing(sizes, 100.0)
    assert sizes[part][0] >= 300 > sizes[part.start - 1]
    assert nucleus_velocity(time, sizes, 20.0, 100.0).rate == pytest.approx(0.02, rel=1e-3)
    with pytest.raises(InputError, match="not steady below two"):
        growing(sizes, 100.0, times=1.5)
    with pytest.raises(InputError, match="end at 1670.49 atoms, below 3 times the critical 600; no growth velocity"):
        growing(sizes, 600.0)
