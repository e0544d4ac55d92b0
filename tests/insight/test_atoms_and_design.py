"""Atoms told apart within glasses; compositions proposed to run next."""

from dataclasses import replace

import numpy as np
import pytest
from ruamel.yaml import YAML

from naglass_drv.cli.proposed import sections_of
from naglass_drv.config.load import load_study
from naglass_drv.errors import InputError
from naglass_drv.insight.atoms import balanced, sites_of, study_atoms
from naglass_drv.insight.design import Wishes, as_input, check, grid, proposals
from naglass_drv.insight.study import Settings, study
from naglass_drv.insight.table import Table
from support.jobs import called


def rows(count, features, target, groups, blocks, **more):
    empty = np.array([""] * count, object)
    names = tuple(name for columns in blocks.values() for name in columns)
    return Table(
        "mobile", "1", target, np.full(count, np.nan), np.zeros(count, int), features, names, ("1",) * len(names),
        blocks, groups, empty, empty, np.full(count, np.nan), np.zeros((count, 0)), (), tuple(map(str, range(count))),
        **more,
    )  # fmt: skip


def atoms(seed, glasses=8, size=120, effect=1.5, offset=3.0):
    """Few atoms are mobile, those where `free` is large; `whole` differs between glasses, as the mobile share does."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.array([f"g{k}" for k in range(glasses)], object), size)
    shift = np.repeat(rng.normal(size=glasses), size)
    free, shell = rng.normal(size=(2, glasses * size)) + offset * shift
    coordination = 0.5 * (free - offset * shift) + rng.normal(size=glasses * size) + offset * shift
    chance = 1 / (1 + np.exp(2.5 - effect * (free - offset * shift) - 0.8 * shift))
    target = (rng.random(glasses * size) < chance).astype(float)
    features = np.column_stack([free, shell, coordination, shift])
    blocks = {"free_volume": ("free",), "shell": ("shell",), "short_range": ("coordination",), "glass": ("whole",)}
    return rows(len(target), features, target, groups, blocks)


@pytest.mark.slow
def test_the_cause_of_mobility_is_found_within_glasses():
    found = study_atoms(sites_of(atoms(0)))
    assert {v.block for v in found.verdicts if v.important} == {"free_volume"}
    # what differs between glasses only is no feature of atoms
    assert "glass" not in found.sites.blocks
    best = found.scores[0]
    assert np.nanmean(best.area) > 0.75
    assert np.nanmean(best.precision) > 1.5 * np.nanmean(best.prevalence)
    # propensities are those of balanced classes: shares follow them
    assert abs(found.curve[:, 1] - found.curve[:, 0]).max() < 0.15
    assert (np.diff(found.curve[:, 0]) > 0).all()


@pytest.mark.slow
def test_no_block_of_atoms_is_claimed_without_effect():
    claimed = sum(
        any(v.important for v in study_atoms(sites_of(atoms(seed, 6, 100, 0.0))).verdicts) for seed in range(6)
    )
    assert claimed <= 1


def test_both_kinds_of_atoms_weigh_the_same_in_every_glass():
    positive = np.array([1, 0, 0, 0, 1, 1, 0, 0], bool)
    groups = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    weights = balanced(positive, groups)
    assert weights[positive & (groups == 0)].sum() == pytest.approx(weights[~positive & (groups == 0)].sum())
    assert weights[groups == 0].sum() == pytest.approx(weights[groups == 1].sum())
    assert weights.mean() == pytest.approx(1.0)


def test_what_atoms_cannot_tell_is_named():
    with pytest.raises(InputError, match="mobile: 3 glasses have at least 2 atoms of both kinds, and 5 are needed"):
        sites_of(atoms(0, glasses=3))
    table = atoms(0)
    with pytest.raises(InputError, match="no feature differs between the atoms of a glass"):
        sites_of(replace(table, columns=("whole",), features=table.features[:, [3]], blocks={"glass": ("whole",)}))
    leak = replace(table, features=np.column_stack([table.features[:, :3], table.target + 0.01 * table.features[:, 1]]))
    with pytest.raises(InputError, match="features: whole tells mobile itself"):
        sites_of(replace(leak, columns=("a", "b", "c", "whole"), blocks={"all": ("a", "b", "c", "whole")}))


@pytest.fixture(scope="module")
def learned():
    """A property with its maximum at 45 mol-% Na2O and 10 mol-% TiO2, of compositions below it."""
    rng = np.random.default_rng(4)
    sodium, titania = rng.uniform(30, 46, 16), rng.uniform(2, 18, 16)
    shares = np.column_stack([sodium, titania, 100 - sodium - titania])
    target = 5 - ((sodium - 45) / 8) ** 2 - ((titania - 10) / 6) ** 2 + 0.05 * rng.normal(size=16)
    names = np.array([f"g{k}" for k in range(16)], object)
    table = rows(16, shares[:, :2], target, names, {"composition": ("Na2O", "TiO2")})
    table = replace(table, name="D", shares=shares, components=("Na2O", "TiO2", "P2O5"))
    return study(table, Settings(models=("ridge", "gp"), permutations=99, scale="linear"))


def test_proposals_lie_where_the_property_is_largest_and_run(learned, tmp_path):
    found = proposals(learned, Wishes("maximum", 3, atoms=100))
    first = found[0].shares
    assert first["Na2O"] == pytest.approx(45, abs=3) and first["TiO2"] == pytest.approx(10, abs=4)
    assert len({tuple(each.shares.values()) for each in found}) == 3
    for each in found:
        assert sum(each.shares.values()) == pytest.approx(100)
        charges = {"Na+": 1, "Ti4+": 4, "P5+": 5, "O2-": -2}
        assert sum(charges[ion] * count for ion, count in each.cell.counts.items()) == 0
    path = tmp_path / "next.yaml"
    path.write_text(as_input(learned, found, "maximum", 2.6, sections_of(learned.table, [])))
    written = YAML(typ="safe").load(path)
    assert [entry["name"] for entry in written["systems"]] == ["p1", "p2", "p3"]
    # the target is a D, for which a glass is held
    assert written["glass"]["hold_ps"] == 50 and written["glass"]["quench_rate_K_per_ps"] == 100
    assert len(load_study(path).systems) == 3
    assert called("validate", "next.yaml", cwd=tmp_path).returncode == 0
    dry = called("run", "next.yaml", "--dry-run", cwd=tmp_path)
    assert dry.returncode == 0 and all(f"p{k}/glass" in dry.stdout for k in (1, 2, 3)), dry.stdout + dry.stderr


def test_information_is_sought_away_from_what_is_known(learned):
    known = learned.table.shares
    apart = [
        min(abs(known - np.array([each.shares.get(n, 0) for n in learned.table.components])).max(axis=1))
        for each in proposals(learned, Wishes("information", 3))
    ]
    assert max(apart) > 2.0


def test_what_is_no_oxide_is_refused_before_anything_is_learned(learned):
    for name, fault in (("P", "P is an element"), ("Na₂O", "'Na₂O': not a formula like"), ("SO3", "no state of S")):
        table = replace(learned.table, components=("Na2O", "TiO2", name))
        with pytest.raises(InputError, match=f"design: the composition must be in columns of oxides, .*{fault}"):
            check(table, Wishes())


def test_a_constant_share_may_stand_anywhere(learned):
    """Al2O3 is 4.7 mol-% in all glasses, off the grid: another share makes up the difference."""
    shares = learned.table.shares * 0.953
    for place in range(4):
        table = replace(
            learned.table, shares=np.insert(shares, place, 4.7, axis=1),
            components=tuple(np.insert(np.array(learned.table.components, object), place, "Al2O3")),
        )  # fmt: skip
        found = grid(table, Wishes())
        assert len(found) > 10 and found[:, place] == pytest.approx(4.7)
        assert found.sum(axis=1) == pytest.approx(100) and (found >= table.shares.min(axis=0) - 1e-9).all()


def test_costs_and_bounds_count(learned):
    dear, free = (
        np.mean([each.shares.get("TiO2", 0.0) for each in proposals(learned, Wishes("information", 3, cost=cost))])
        for cost in ({"TiO2": 500.0}, None)
    )
    assert dear < free - 1.0
    held = proposals(learned, Wishes("maximum", 2, {"Na2O": (30, 35)}))
    assert all(30 <= each.shares["Na2O"] <= 35 for each in held)
    faults = (
        (Wishes(bounds={"K2O": (0, 1)}), "bounds of K2O, which is no component"),
        (Wishes(bounds={"Na2O": (50, 30)}), "bounds of Na2O: 50 to 30; must be an interval"),
        (Wishes(bounds={"Na2O": (0, 1), "TiO2": (0, 1), "P2O5": (0, 1)}), "no composition lies within the bounds"),
        (Wishes(cost={"Na2O": 0.0}), "cost Na2O=0: must be a component and a number above 0"),
        (Wishes(cost={"Na2O": np.inf}), "cost Na2O=inf: must be a component and a number above 0"),
        (
            Wishes(bounds={"Na2O": (40, 40), "TiO2": (10, 10)}),
            "1 composition on a grid of 2.5 mol-% within the bounds, and 4",
        ),
        (Wishes(atoms=200_000), "cells of 200000 atoms; the maximum is 100000"),
    )
    for wishes, fault in faults:
        with pytest.raises(InputError, match=fault):
            proposals(learned, wishes)
        with pytest.raises(InputError, match=fault):
            check(learned.table, wishes)
    with pytest.raises(InputError, match="aim 'best'; known are maximum"):
        Wishes("best")
