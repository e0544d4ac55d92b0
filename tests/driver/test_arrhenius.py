"""Arrhenius lines: exact data, coverage of their errors and prediction intervals, and everything that is refused."""

import numpy as np
import pytest

from naglass_drv.analysis.arrhenius import (
    BOLTZMANN_EV_PER_K,
    Point,
    arrhenius,
    by_structure_and_state,
    contradicting,
    over_structures,
    weighted_line,
)
from naglass_drv.core.statistics import student
from naglass_drv.errors import InputError

ENERGY, PREFACTOR = 0.62, 3e-7
KELVIN = (500.0, 600.0, 750.0, 900.0)


def true(kelvin, energy=ENERGY):
    return PREFACTOR * np.exp(-energy / (BOLTZMANN_EV_PER_K * np.asarray(kelvin)))


def point(kelvin, value, relative=0.1, **other) -> Point:
    low, high = value * np.exp(-1.959964 * relative), value * np.exp(1.959964 * relative)
    about = {"run": f"g0-{kelvin:g}K", "structure": "g0", "state": "glass", "quench_rate_K_per_s": 1e13} | other
    return Point(temperature_K=kelvin, value=value, err=relative * value, interval=(low, high), **about)


def points(kelvin=KELVIN, relative=0.1, **other) -> list[Point]:
    return [point(each, float(true(each)), relative, **other) for each in kelvin]


def test_points_on_a_line_give_its_energy_and_prefactor():
    found = arrhenius(points())
    assert found.reason is None and found.left_out == {}
    line = found.line
    assert (line.energy_eV, line.prefactor) == pytest.approx((ENERGY, PREFACTOR))
    assert line.chi2 == pytest.approx(0.0, abs=1e-12) and line.freedom == 2 and line.within_K == (500.0, 900.0)
    value, (low, high) = line.at(650.0)
    assert value == pytest.approx(float(true(650.0))) and low < value < high
    # the error of the slope of a line through equal errors s is s/√Σ(x − x̄)²
    x = 1 / (BOLTZMANN_EV_PER_K * np.array(KELVIN))
    assert line.energy_err == pytest.approx(0.1 / np.sqrt(((x - x.mean()) ** 2).sum()))
    assert line.energy_interval[1] - line.energy_eV == pytest.approx(1.959964 * line.energy_err)


def test_a_line_agrees_with_an_independent_least_squares():
    from scipy.optimize import curve_fit

    rng = np.random.default_rng(2)
    err = np.array([0.3, 0.1, 0.05, 0.2])
    value = true(KELVIN) * np.exp(err * rng.normal(size=4))
    line = weighted_line(list(zip(KELVIN, value, err, strict=True)))
    x = 1 / (BOLTZMANN_EV_PER_K * np.array(KELVIN))
    best, covariance = curve_fit(lambda x, a, e: a - e * x, x, np.log(value), (0.0, 0.5), err, absolute_sigma=True)
    assert (line.log_prefactor, line.energy_eV) == pytest.approx(tuple(best), rel=1e-6)
    assert np.array(line.covariance) == pytest.approx(covariance, rel=1e-5)


@pytest.mark.parametrize(("freedom", "least"), [(None, 0.93), (19, 0.93), (7, 0.90)])
def test_errors_and_prediction_intervals_cover_the_truth(freedom, least):
    """For known errors, and for errors that blocks of time estimate with so many degrees of freedom."""
    rng = np.random.default_rng(7)
    sigma, new = np.array([0.25, 0.15, 0.1, 0.08]), 0.2
    inside = []
    for _ in range(1500):
        guess = sigma if freedom is None else sigma * np.sqrt(rng.chisquare(freedom, 4) / freedom)
        wide = 1.959964 if freedom is None else student(freedom, 1.96)
        value = true(KELVIN) * np.exp(sigma * rng.normal(size=4))
        known = [
            Point(f"g0-{t:g}K", "g0", t, "glass", v, g * v, (v * np.exp(-wide * g), v * np.exp(wide * g)))
            for t, v, g in zip(KELVIN, value, guess, strict=True)
        ]
        line = arrhenius(known).line
        if line is None:
            continue
        (_, band), (_, wider) = line.at(300.0), line.at(700.0, new)
        measured = float(true(700.0)) * np.exp(new * rng.normal())
        inside.append([
            abs(line.energy_eV - ENERGY) < line.energy_err,
            line.energy_interval[0] < ENERGY < line.energy_interval[1],
            line.prefactor_interval[0] < PREFACTOR < line.prefactor_interval[1],
            band[0] < float(true(300.0)) < band[1],
            wider[0] < measured < wider[1],
        ])  # fmt: skip
    # 1 % of the sets are refused for their chi²
    assert len(inside) > 0.96 * 1500
    one, *most = np.mean(inside, axis=0)
    assert 0.64 < one < 0.76 and all(least < share < 0.98 for share in most), (one, most)


def test_what_has_no_value_is_left_out_by_name():
    bound = Point("g0-450K", "g0", 450.0, "glass", None, upper=1e-12, reason="the ions rattle")
    nothing = Point("g0-440K", "g0", 440.0, "glass", 0.0, 1e-13)
    bare = Point("g0-430K", "g0", 430.0, "glass", 1e-12)
    found = arrhenius([*points(), bound, nothing, bare])
    assert found.line.energy_eV == pytest.approx(ENERGY) and found.line.freedom == 2
    assert found.left_out == {"g0-450K": "the ions rattle", "g0-440K": "the value is 0", "g0-430K": "no error"}


def test_a_bound_below_the_line_is_named():
    line = arrhenius(points()).line
    at = float(true(450.0))
    bounds = [Point(name, "g0", 450.0, "glass", None, upper=u) for name, u in (("low", at / 10), ("high", 10 * at))]
    assert list(contradicting(line, bounds)) == ["low"]


def test_a_line_never_crosses_the_glass_transition():
    melt = points((1100.0, 1300.0, 1500.0), state="supercooled melt")
    both = arrhenius([*points(), *melt])
    assert both.line is None and "points of different states: glass, supercooled melt" in both.reason
    found = by_structure_and_state([*points(), *melt])
    assert set(found) == {("g0", "glass"), ("g0", "supercooled melt")}
    glass, liquid = found["g0", "glass"].line, found["g0", "supercooled melt"].line
    assert (glass.above_K, glass.below_K, liquid.above_K, liquid.below_K) == (0.0, 1100.0, 900.0, None)
    with pytest.raises(InputError, match="temperature_K = 1200: must be above 0 K and below 1100 K"):
        glass.at(1200.0)
    with pytest.raises(InputError, match="temperature_K = 300: must be above 900 K"):
        liquid.at(300.0)
    assert glass.at(300.0)[0] == pytest.approx(float(true(300.0)))
    inside = by_structure_and_state([*points(), point(700.0, 1e-10, state="supercooled melt")])
    assert inside["g0", "glass"].reason == "another state within the range: supercooled melt at 700 K"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([], "0 of the 3 temperatures"),
        (points(KELVIN[:2]), "2 of the 3 temperatures"),
        ([*points(KELVIN[:2]), point(601.0, 1e-12)], "2 of the 3 temperatures"),
        (points((600.0, 650.0, 700.0)), "600 to 700 K is less than a factor of 1.2 in temperature"),
        (points((600.0, 650.0, 730.0), 0.9), "the errors are too large: E = 0.6 ± 0.4 eV"),
        ([*points(KELVIN[1:]), point(500.0, 3 * float(true(500.0)))], "the points are not on one line: χ² ="),
        ([*points(KELVIN[1:]), *points(KELVIN[:1], structure="g1")], "points of different structures: g0, g1"),
        ([*points(KELVIN[1:]), *points(KELVIN[:1], quench_rate_K_per_s=1e14)],
         r"points of different quench rates: 1e\+13 K/s, 1e\+14 K/s"),
        ([*points(KELVIN[1:]), *points(KELVIN[:1], quench_rate_K_per_s=None)], "quench rates: 1e.13 K/s, none"),
    ],
)  # fmt: skip
def test_what_carries_no_line_is_refused_with_its_reason(given, reason):
    import re

    found = arrhenius(given)
    assert found.line is None and re.search(reason, found.reason), found.reason


def test_the_mean_over_glasses_has_the_error_of_their_spread():
    lines = [arrhenius([point(t, float(true(t, energy))) for t in KELVIN]).line for energy in (0.58, 0.62, 0.66)]
    mean, err, (low, high) = over_structures(lines)
    assert mean == pytest.approx(0.62) and err == pytest.approx(student(2, 1.0) * 0.04 / np.sqrt(3))
    # Student's t with two degrees of freedom: 4.303
    assert high - low == pytest.approx(2 * 4.303 * 0.04 / np.sqrt(3), rel=1e-3)
    assert over_structures(lines[:1]) is None
