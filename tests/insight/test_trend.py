"""Slopes in composition: exact for a linear target, and intervals that cover."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from naglass_drv.errors import InputError
from naglass_drv.insight.build import build_table
from naglass_drv.insight.claims import as_claims, sentences
from naglass_drv.insight.glasses import Glasses
from naglass_drv.insight.mapping import Map
from naglass_drv.insight.page import insight_page
from naglass_drv.insight.sources import read_frame
from naglass_drv.insight.study import Settings, study
from naglass_drv.insight.trend import slopes

UNITS = ("mol%", "mol%", "1")


def glasses(rng, noise, size=20):
    """D rises by 0.3 for 10 mol-% of one oxide and falls by 0.1 for the other; the scatter grows with the first."""
    shares = np.column_stack([rng.uniform(25, 50, size), rng.uniform(5, 20, size)])
    target = 0.03 * shares[:, 0] - 0.01 * shares[:, 1] + noise * shares[:, 0] / 40 * rng.normal(size=size)
    features = np.column_stack([shares, rng.normal(size=size)])
    blocks = {"composition": np.array([0, 1]), "other": np.array([2])}
    names, ones = tuple(f"g{k}" for k in range(size)), np.ones(size, int)
    return Glasses(names, features, target, np.full(size, np.nan), blocks, ("Na2O", "TiO2", "x"), ("",) * size, ones)


def test_slopes_of_a_linear_target():
    first, second = slopes(glasses(np.random.default_rng(0), 0.0), UNITS)
    assert (first.column, second.column) == ("Na2O", "TiO2")
    assert first.value == pytest.approx(0.3) and second.value == pytest.approx(-0.1)
    assert first.interval == pytest.approx((0.3, 0.3), abs=1e-6)


def test_intervals_of_slopes_cover_them():
    """Of 400 noisy sets, 95 % within three standard errors of a binomial share, or a little more."""
    inside = np.zeros(2)
    for seed in range(400):
        found = slopes(glasses(np.random.default_rng(seed), 0.2), UNITS)
        inside += [
            low <= true <= high for (low, high), true in zip((s.interval for s in found), (0.3, -0.1), strict=True)
        ]
    assert (inside / 400 >= 0.92).all() and (inside / 400 <= 0.985).all()


def test_no_slopes_without_compositions_enough():
    few = glasses(np.random.default_rng(0), 0.1, size=5)
    assert slopes(few, UNITS) == [] and slopes(few.without(["composition"]), UNITS[2:]) == []


@pytest.mark.slow
def test_a_trend_is_a_claim_with_its_figure():
    """The made-up table of the examples: D falls with the modifier replaced, and the page shows the points."""
    frame = read_frame(Path(__file__).parents[2] / "examples" / "insight" / "glasses.csv")
    given = Map(target="D", group="glass", replica="replica", ignore=["series"])
    found = study(build_table([frame], given), Settings(("ridge",), permutations=99))
    first, second = (claim for claim in as_claims(found, {})["claims"] if claim["verdict"] == "trend")
    assert (first["share"], second["share"]) == ("V2O5", "P2O5")
    # rounded to three digits each
    assert first["p"]["corrected"] == pytest.approx(2 * first["p"]["slope"], rel=0.01)
    for claim in (first, second):
        low, high = claim["effect"]["interval_95"]
        assert low < claim["effect"]["change_for_10_mol_percent"] < high < 0
    assert sentences(found)[0].startswith("D falls with V2O5 in place of Na2O: −0.4")
    page, figures = insight_page(found)
    assert "trends" in figures and "more in place of Na2O" in page and "^2" not in page
    assert "other variables not held fixed" in sentences(found)[0]
    few = replace(found, settings=replace(found.settings, tries=10_000))
    assert not [claim for claim in as_claims(few, {})["claims"] if claim["verdict"] == "trend"], "too many tries"


@pytest.mark.slow
def test_bounds_are_no_trend():
    """D of holds that are too short for diffusion: half of them bounds tell no order of the glasses, all nothing."""
    frame = read_frame(Path(__file__).parents[2] / "examples" / "insight" / "glasses.csv")
    table = build_table([frame], Map(target="D", group="glass", ignore=["series"]))
    half = replace(table, censored=-(np.arange(len(table)) % 2), temperature=np.full(len(table), 300.0))
    found = study(half, Settings(("ridge",), permutations=99))
    assert not as_claims(found, {})["claims"]
    assert any(text.startswith("no trends: 50 % of the 48 values of D are bounds, at 300 K") for text in found.refusals)
    page, figures = insight_page(found)
    assert "trends" not in figures and "Of the values, 24 upper bounds" in page
    with pytest.raises(InputError, match="target: 100 % of the 48 values of D are bounds, and none a value"):
        study(replace(table, censored=np.full(len(table), -1)), Settings(("ridge",)))


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_nothing_is_averaged_over_no_values():
    """Without roles, what numbers the replicas would be a block without a feature."""
    frame = read_frame(Path(__file__).parents[2] / "examples" / "insight" / "glasses.csv")
    table = build_table([frame.rename(columns={"replica": "box"})], Map(target="D", ignore=["series"]))
    assert study(table, Settings(("ridge",), permutations=99)).correlations
