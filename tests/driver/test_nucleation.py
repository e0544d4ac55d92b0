"""Classical nucleation theory against a chain of births and deaths, whose committor and rate are known exactly."""

import re

import numpy as np
import pytest

from naglass_drv.analysis import growth_rows
from naglass_drv.analysis.nucleation import (
    Estimate,
    attachment_rate,
    classical,
    critical_size,
    driving_force,
    threshold_effect,
)
from naglass_drv.errors import InputError

# |Δμ| and γ' of ΔG(N) = -N |Δμ| + γ' N^(2/3) with its maximum at 120 atoms, kT = 1; births at the rate f
MU, CRITICAL, BIRTHS = 0.25, 120.0, 5.0
N = np.arange(0, 3000.0)
FREE_ENERGY = -N * MU + 1.5 * MU * CRITICAL ** (1 / 3) * N ** (2 / 3)
ZELDOVICH = (MU / (6 * np.pi * CRITICAL)) ** 0.5


def committor() -> np.ndarray:
    """Probability to reach 600 before 10 from each N: the resistances in series are exp(ΔG)."""
    passed = np.cumsum(np.exp(FREE_ENERGY[10:600]))
    return np.concatenate([np.zeros(11), passed / passed[-1], np.ones(len(N) - 601)])


def draws(rng, glasses: int, spread: float, scale: float = 1.0):
    """Sizes, outcomes and glasses of ten draws at each of six sizes; each glass has a critical size of its own."""
    sizes = np.tile(np.repeat([85.0, 100, 115, 130, 145, 160], 10), glasses)
    shift = np.repeat(rng.normal(0, spread, glasses), 60)
    grew = rng.random(len(sizes)) < np.interp(sizes - shift, N, committor())
    return sizes * scale, grew, [f"glass {k}" for k in np.repeat(np.arange(glasses), 60)]


@pytest.mark.parametrize("spread", [0.0, 12.0])
def test_the_critical_size_has_an_honest_error(spread):
    truth = np.interp(0.5, committor()[20:400], N[20:400])
    assert truth == pytest.approx(125.9, abs=0.1), "a barrier of 15 kT is not quite a parabola: 120 is its maximum"
    found = [critical_size(*draws(np.random.default_rng(seed), 3, spread)) for seed in range(120)]
    one = np.mean([abs(c.value - truth) < c.err for c in found])
    wide = np.mean([c.interval[0] <= truth <= c.interval[1] for c in found])
    assert 0.58 <= one <= 0.84 and 0.90 <= wide <= 0.995
    assert np.mean([c.value for c in found]) == pytest.approx(truth, abs=3)
    width = np.mean([c.zeldovich.value for c in found])
    assert width == pytest.approx(ZELDOVICH, rel=0.1), (
        "the transition from shrinkage to growth is as wide as theory says"
    )


def test_the_unit_of_size_does_not_matter():
    small, large = (critical_size(*draws(np.random.default_rng(3), 4, 8.0, scale)) for scale in (1.0, 40.0))
    assert (large.value, large.err) == pytest.approx((40 * small.value, 40 * small.err), rel=1e-3)
    assert large.zeldovich.value == pytest.approx(small.zeldovich.value / 40, rel=1e-3)
    assert list(small.per_glass) == ["glass 0", "glass 1", "glass 2", "glass 3"] and small.runs == 240


def chain(rng, count: int, time: np.ndarray, flicker: float) -> np.ndarray:
    """Sizes (draws, samples) of the chain from N*, in small steps of time, with noise of the counting."""
    deaths = BIRTHS * np.exp(np.diff(FREE_ENERGY, prepend=0.0))
    step = 0.04
    size, found = np.full(count, int(CRITICAL)), []
    for begin, end in zip(np.concatenate([[0.0], time[:-1]]), time, strict=True):
        for _ in range(round((end - begin) / step)):
            size = size + rng.poisson(BIRTHS * step, count) - rng.poisson(deaths[size] * step)
        found.append(size)
    return np.array(found).T + rng.normal(0, flicker, (count, len(time)))


@pytest.mark.parametrize("flicker", [0.0, 3.0])
def test_the_attachment_rate_of_a_chain(flicker):
    """The plain <ΔN²>/2t is too large by the time the crystallites have moved apart."""
    time = np.arange(1, 31) * 2.0
    sizes = chain(np.random.default_rng(1), 400, time, flicker)
    found = attachment_rate(time, sizes, ZELDOVICH)
    assert abs(found.value - BIRTHS) < 2.5 * found.err and found.err < 0.1 * BIRTHS
    assert np.polyfit(time, sizes.var(axis=0, ddof=1), 1)[0] / 2 > BIRTHS + 2 * found.err
    groups = [attachment_rate(time, part, ZELDOVICH) for part in np.split(sizes, 20)]
    inside = np.mean([abs(group.value - BIRTHS) < group.err for group in groups])
    assert 0.4 <= inside <= 0.9
    assert np.std([g.value for g in groups]) == pytest.approx(np.mean([g.err for g in groups]), rel=0.5)


def test_theory_gives_the_rate_of_the_chain():
    """J of the chain in its steady state is 1 / Σ 1/(f C_N), C_N the equilibrium concentrations."""
    density, melt = 0.05, 0.045
    found = classical(
        Estimate(CRITICAL, 4.0),
        Estimate(MU, 0.01),
        Estimate(BIRTHS, 0.3),
        temperature=900.0,
        kT=1.0,
        crystal_density=density,
        melt_density=melt,
    )
    exact = 1 / (np.exp(FREE_ENERGY[1:800]) / (BIRTHS * melt)).sum()
    assert found.log10_rate.value == pytest.approx(np.log10(exact), abs=0.03)
    assert found.barrier_kT.value == pytest.approx(FREE_ENERGY.max(), rel=1e-6) == MU * CRITICAL / 2
    # γ' N^(2/3) is γ times the area of a sphere of N atoms
    area = (36 * np.pi) ** (1 / 3) * (CRITICAL / density) ** (2 / 3)
    assert found.gamma.value * area == pytest.approx(1.5 * MU * CRITICAL, rel=1e-12)
    curvature = -np.diff(FREE_ENERGY, 2)[int(CRITICAL) - 1]
    assert found.zeldovich.value == pytest.approx((curvature / (2 * np.pi)) ** 0.5, rel=1e-3)


def test_errors_are_propagated_as_a_sample_of_inputs_spreads():
    inputs = (Estimate(CRITICAL, 4.0), Estimate(MU, 0.005), Estimate(BIRTHS, 0.3))
    fixed = dict(temperature=900.0, kT=1.0, crystal_density=0.05, melt_density=0.045)
    found = classical(*inputs, **fixed)
    rng = np.random.default_rng(2)
    sample = [classical(*(Estimate(rng.normal(e.value, e.err), e.err) for e in inputs), **fixed) for _ in range(2000)]
    for name in ("gamma", "barrier", "barrier_kT", "zeldovich", "log10_rate"):
        spread = np.std([getattr(one, name).value for one in sample])
        assert getattr(found, name).err == pytest.approx(spread, rel=0.06), name


def test_the_driving_force_of_a_constant_heat_and_of_a_line():
    melting = Estimate(1200.0, 10.0)
    alone = driving_force(900.0, melting, {1200.0: Estimate(0.2, 0.01)})
    assert alone.value == pytest.approx(0.2 * (1 - 900 / 1200))
    assert alone.err == pytest.approx(np.hypot(0.05 * 0.05, 0.2 * 900 / 1200**2 * 10), rel=0.02)
    temperatures = np.linspace(900, 1200, 4)
    heats = {t: Estimate(0.05 + 1e-4 * t, 0.001) for t in temperatures}
    fine = np.linspace(900, 1200, 20001)
    exact = 900 * np.trapezoid((0.05 + 1e-4 * fine) / fine**2, fine)
    assert driving_force(900.0, melting, heats).value == pytest.approx(exact, rel=1e-6)


def test_rows_tell_the_effect_of_the_threshold():
    fixed = dict(temperature=900.0, kT=1.0, crystal_density=0.05, melt_density=0.045)
    low, mid, high = (
        classical(Estimate(n, 4.0), Estimate(MU, 0.005), Estimate(5.0, 0.3), **fixed) for n in (130, 120, 112)
    )
    effect = threshold_effect(low, high)
    assert effect["size"] == 9 and effect["barrier"] == pytest.approx(9 * MU / 2)
    assert effect["log10_rate"] == pytest.approx((high.log10_rate.value - low.log10_rate.value) / 2)
    rows = {row.key: row for row in growth_rows.nucleation("NVP", critical_size(*GOOD), mid, effect)}
    assert rows["nucleation.NVP.gamma"].unit == "eV/Å²" and rows["nucleation.NVP.gamma"].error > 0
    assert (
        rows["nucleation.NVP.size.threshold"].value == 9
        and "two thresholds" in rows["nucleation.NVP.size.threshold"].note
    )
    assert len(rows) == 7 + 6


GOOD = draws(np.random.default_rng(5), 3, 0.0)
BAD = {
    "two glasses": (lambda s, g, n: (s[:120], g[:120], n[:120]), r"glasses = \['glass 0', 'glass 1'\]: needs 3"),
    "few draws": (lambda s, g, n: (s[:128], g[:128], n[:128]), "'glass 2' has 8 runs; needs 10"),
    "all grow": (lambda s, g, n: (s, np.ones_like(g), n), "all of the 60 seeds in 'glass 0': add smaller ones"),
    "none grows": (lambda s, g, n: (s, g & (np.array(n) != "glass 1"), n), "none of the 60 .* 'glass 1': add larger"),
    "lengths": (lambda s, g, n: (s, g, n[:-1]), "glasses = 179 names: there are 180 sizes"),
}


@pytest.mark.parametrize("case", BAD)
def test_too_little_for_a_critical_size_is_refused(case):
    spoil, message = BAD[case]
    with pytest.raises(InputError, match=message):
        critical_size(*spoil(*GOOD))


def test_a_temperature_above_melting_has_no_driving_force():
    with pytest.raises(InputError, match=re.escape("temperature = 1300.0: must be below melting, 1200.0")):
        driving_force(1300.0, Estimate(1200.0, 10.0), {1200.0: Estimate(0.2, 0.01)})
