"""Slopes in composition: exact for a linear target, and intervals that cover."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from naglass_drv.errors import InputError
from naglass_drv.insight.build import build_table
from naglass_drv.insight.claims import as_claims, sentences
from naglass_drv.insight.composition import molar_mass
from naglass_drv.insight.glasses import Glasses
from naglass_drv.insight.mapping import Map
from naglass_drv.insight.page import insight_page
from naglass_drv.insight.sources import read_frame
from naglass_drv.insight.study import Settings, study
from naglass_drv.insight.table import Table, collapsed, prepared, scale_of
from naglass_drv.insight.trend import no_trend, slopes

EXAMPLE = Path(__file__).parents[2] / "examples" / "insight" / "glasses.csv"
QUICK = Settings(("ridge",), scale="linear", permutations=99)


def glasses(rng, noise, size=20):
    """D rises by 0.3 per 10 mol-% of one oxide and falls by 0.1 for the other; the scatter grows with the first."""
    shares = np.column_stack([rng.uniform(25, 50, size), rng.uniform(5, 20, size)])
    target = 0.03 * shares[:, 0] - 0.01 * shares[:, 1] + noise * shares[:, 0] / 40 * rng.normal(size=size)
    features = np.column_stack([shares, rng.normal(size=size)])
    blocks = {"composition": np.array([0, 1]), "other": np.array([2])}
    names, ones = tuple(f"g{k}" for k in range(size)), np.ones(size, int)
    return Glasses(names, features, target, np.full(size, np.nan), blocks, ("Na2O", "TiO2", "x"), ("",) * size, ones)


def table_of(found, components=("Na2O", "TiO2", "P2O5"), unit="mol%"):
    """The table of glasses whose first features are all components but the last, which makes up the difference."""
    size, width = len(found), len(components) - 1
    shares = found.features[:, :width]
    nothing, empty = np.full(size, np.nan), np.array([""] * size, object)
    units = (*(unit,) * width, *("1",) * (len(found.columns) - width))
    blocks = {block: tuple(found.columns[k] for k in columns) for block, columns in found.blocks.items()}
    return Table(
        "D", "1", found.target, nothing, np.zeros(size, int), found.features, found.columns, units, blocks,
        np.array(found.names, object), empty, empty, nothing,
        np.column_stack([shares, 100 - shares.sum(axis=1)]), components, tuple(map(str, range(size))),
    )  # fmt: skip


def along(shares, target, components):
    """Glasses with the shares of all components but the last as features, and their table."""
    size, width = shares.shape
    blocks = {"composition": np.arange(width)}
    names, ones = tuple(f"g{k}" for k in range(size)), np.ones(size, int)
    found = Glasses(names, shares, target, np.full(size, np.nan), blocks, components[:-1], ("",) * size, ones)
    return found, table_of(found, components)


def of_text(tmp_path, text, **given):
    """The compositions of a table in text with a target D, learned as it is, and the table."""
    (tmp_path / "x.csv").write_text(text)
    table = build_table([read_frame(tmp_path / "x.csv")], Map(target="D", **given))
    return collapsed(prepared(table, scale_of(table, "linear"))), table


def test_slopes_of_a_linear_target():
    found = glasses(np.random.default_rng(0), 0.0)
    first, second = slopes(found, table_of(found))
    assert (first.column, second.column) == ("Na2O", "TiO2") and first.step_text == "10 mol-%"
    assert first.instead == second.instead == ("P2O5",)
    assert first.value == pytest.approx(0.3) and second.value == pytest.approx(-0.1)
    assert first.interval == pytest.approx((0.3, 0.3), abs=1e-6)


def test_intervals_of_slopes_cover_them():
    """Of 400 noisy sets, 95 % within three standard errors of a binomial share, or a little more."""
    inside = np.zeros(2)
    for seed in range(400):
        noisy = glasses(np.random.default_rng(seed), 0.2)
        found = slopes(noisy, table_of(noisy))
        inside += [
            low <= true <= high for (low, high), true in zip((s.interval for s in found), (0.3, -0.1), strict=True)
        ]
    assert (inside / 400 >= 0.92).all() and (inside / 400 <= 0.985).all()


def test_no_slopes_without_compositions_enough():
    few = glasses(np.random.default_rng(0), 0.1, size=5)
    assert slopes(few, table_of(few)) == [] and slopes(few.without(["composition"]), table_of(few)) == []


@pytest.mark.parametrize(
    ("head", "factor"), [("wt%", 0), ("mol%", 1), ("mol-%", 1), ("mol %", 1), ("%", 1), ("1", 0.01)]
)
def test_a_slope_is_per_mol_percent_whatever_the_unit_of_the_head(tmp_path, head, factor):
    """D = 0.03 per mol-% Na2O, in shares, fractions, or wt%."""
    mass = np.array([molar_mass("Na2O"), molar_mass("P2O5")])
    lines = []
    for k in range(10):
        shares = np.array([30 + 2.0 * k, 70 - 2.0 * k])
        written = shares * factor if factor else 100 * shares * mass / (shares @ mass)
        lines.append(f"{written[0]:.12f},{written[1]:.12f},{0.03 * shares[0]:.12f}")
    found, table = of_text(tmp_path, f"Na2O ({head}),P2O5 ({head}),D (1)\n" + "\n".join(lines))
    (slope,) = slopes(found, table)
    assert table.units == ("mol%",) and slope.unit == "mol-%"
    # P2O5 is the larger share, and left out
    assert (slope.column, slope.instead) == ("Na2O", ("P2O5",)) and slope.value == pytest.approx(0.3)


def test_shares_that_move_along_one_line_have_one_slope():
    """Na2O for equal parts of V2O5 and P2O5, to within rounding: D rises by 0.02 per mol-% of it."""
    rng, size = np.random.default_rng(3), 14
    sodium = np.linspace(20, 60, size)
    halves = (100 - sodium) / 2 + rng.choice([-0.05, 0.05], size)
    found, table = along(np.column_stack([halves, 100 - sodium - halves]), 0.02 * sodium, ("V2O5", "P2O5", "Na2O"))
    (slope,) = slopes(found, table)
    assert (slope.column, slope.instead) == ("Na2O", ("V2O5", "P2O5"))
    assert slope.value == pytest.approx(0.2) and slope.along == pytest.approx(sodium)
    assert no_trend(found, table) is None


def test_two_shares_that_rise_together_are_named_together():
    soda = np.linspace(10, 25, 12)
    shares = np.column_stack([soda, soda / 2, 60 - soda])
    found, table = along(shares, 0.1 * soda, ("Na2O", "Al2O3", "SiO2", "P2O5"))
    (slope,) = slopes(found, table)
    # 10 mol-% of both are 6.67 of Na2O
    assert slope.column == "Na2O + Al2O3" and slope.value == pytest.approx(0.1 * 20 / 3)
    assert slope.instead == ("SiO2", "P2O5")


def test_shares_that_are_tied_otherwise_have_no_slope():
    """Four oxides in two independent ways: no share changes without another one that is known to."""
    rng = np.random.default_rng(5)
    soda, titania = rng.uniform(20, 40, 20), rng.uniform(5, 15, 20)
    shares = np.column_stack([soda, titania, soda / 2])
    found, table = along(shares, soda, ("Na2O", "TiO2", "Al2O3", "P2O5"))
    assert slopes(found, table) == []
    assert "the composition (Na2O, TiO2, Al2O3) varies in 2 of 3 independent ways" in no_trend(found, table)


def test_elements_that_neutrality_ties_have_no_slope(tmp_path):
    """Formulas of a phosphate are no components that change alone; those of Ge-Se glasses are, in at-%."""
    rng = np.random.default_rng(6)
    lines = []
    for soda, titania in zip(rng.uniform(30, 50, 14), rng.uniform(5, 15, 14), strict=True):
        phosphate = 100 - soda - titania
        oxygen = soda + 2 * titania + 5 * phosphate
        lines.append(f"Na{2 * soda:.1f}Ti{titania:.1f}P{2 * phosphate:.1f}O{oxygen:.1f},{soda:.3f}")
    given = {"composition": ["composition"], "composition_unit": "formula"}
    found, table = of_text(tmp_path, "composition,D (1)\n" + "\n".join(lines), **given)
    assert slopes(found, table) == [] and set(table.units) == {"at%"}
    assert "no trends: the composition is in elements" in " ".join(study(table, QUICK).refusals)
    lines = [f"Ge{10 + 2 * k}Se{90 - 2 * k},{0.5 * k}" for k in range(10)]
    (slope,) = slopes(*of_text(tmp_path, "composition,D (1)\n" + "\n".join(lines), **given))
    assert slope.step_text == "10 at-%" and slope.value == pytest.approx(2.5) and slope.instead == ("Se",)


def test_what_is_constant_takes_nobodys_place(tmp_path):
    lines = [f"{20 + 2 * k},5,{75 - 2 * k},{0.1 * k}" for k in range(10)]
    (slope,) = slopes(*of_text(tmp_path, "Na2O (mol%),Al2O3 (mol%),P2O5 (mol%),D (1)\n" + "\n".join(lines)))
    assert slope.instead == ("P2O5",)


def test_a_slope_of_a_log_ratio_is_not_called_one_of_mol_percent(tmp_path):
    lines = [f"{20 + 2 * k},{80 - 2 * k},{np.log((20 + 2 * k) / (80 - 2 * k)):.6f}" for k in range(12)]
    _, table = of_text(tmp_path, "Na2O (mol%),P2O5 (mol%),D (1)\n" + "\n".join(lines), log_ratios=True)
    (claim,) = as_claims(study(table, QUICK), {})["claims"]
    assert "per unit (95 %)" in claim["statement"] and claim["effect"]["change_for_1_of_log_ratio"] == pytest.approx(
        1.0
    )
    assert "change_for_10_mol_percent" not in claim["effect"]


def test_trends_are_tried_with_bounds_further_out():
    """A clear slope holds, one that the bounds make does not; both say so where they are quoted alone."""
    rng, size = np.random.default_rng(2), 24
    soda = np.linspace(20, 45, size)
    for bounds, lost in ((-(soda < 24).astype(int), False), ((soda < 25).astype(int) - (soda > 41), True)):
        _, table = along(soda[:, None], 0.05 * soda + 0.4 * rng.normal(size=size), ("Na2O", "P2O5"))
        told = study(replace(table, censored=bounds), QUICK)
        (claim,) = as_claims(told, {})["claims"]
        stated = " ".join(claim["limits"])
        assert ("further out, not found: the trend with Na2O" in stated) == lost and (
            "the claims hold if" in stated
        ) != lost
        assert ("not held up by the bounds: the trend with Na2O" in " ".join(told.refusals)) == lost
        low, _ = claim["effect"]["interval_95_with_bounds_further_out"]
        assert (low > 0) != lost and claim["effect"]["interval_95"][0] > 0


def test_the_linear_model_alone_is_not_called_worse_than_the_mean():
    _, table = along(np.linspace(20, 45, 12)[:, None], np.linspace(1, 2, 12), ("Na2O", "P2O5"))
    other = np.random.default_rng(0).normal(size=12)
    table = replace(
        table, features=np.column_stack([table.features[:, 0], other]), columns=("Na2O", "x"), units=("mol%", "1"),
        blocks={"composition": ("Na2O",), "x": ("x",)},
    )  # fmt: skip
    told = " ".join(study(table, replace(QUICK, models=("linear",))).refusals)
    assert "no model but those that others have to beat was fitted (mean and linear in composition)" in told
    assert "better than the mean" not in told


@pytest.mark.slow
def test_a_trend_is_a_claim_with_its_figure():
    """The made-up table of the examples: D falls with the modifier replaced, and the page shows the points."""
    frame = read_frame(EXAMPLE)
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
    frame = read_frame(EXAMPLE)
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
    frame = read_frame(EXAMPLE)
    table = build_table([frame.rename(columns={"replica": "box"})], Map(target="D", ignore=["series"]))
    assert study(table, Settings(("ridge",), permutations=99)).correlations
