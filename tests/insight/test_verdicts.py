"""Verdicts: correction for many tests, blocks that are tied, bounds, and potentials that carry no claim."""

import re
from dataclasses import replace

import numpy as np
import pytest

from naglass_drv.errors import InputError
from naglass_drv.insight.blocks import about_vanadium_bonds, assigned, block_of, is_component
from naglass_drv.insight.checklist import FAILED, PASSED, checklist
from naglass_drv.insight.claims import as_claims, claimed, limits
from naglass_drv.insight.importance import corrected
from naglass_drv.insight.models import fitted
from naglass_drv.insight.study import Settings, study
from naglass_drv.insight.table import Table
from naglass_drv.insight.tries import counted_tries
from naglass_drv.insight.verdicts import (
    IMPORTANT,
    NO_CLAIM,
    NOT_SHOWN,
    correlation,
    hierarchical,
    holm,
    sentence,
    sets_to_test,
)
from support.glass_studies import judged, planted


def test_holm_is_that_of_the_textbook():
    assert list(holm([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert list(holm([0.9, 0.8])) == [1.0, 1.0]


def test_the_hierarchy_of_blocks_is_corrected_as_one():
    """Of four blocks, two of which are also tested as a pair: the pair by 4/2, a block by 4 and not below its pair."""
    sets = {"a": ["a"], "b": ["b"], "c": ["c"], "d": ["d"], "a or b": ["a", "b"]}
    found = hierarchical({"a": 0.01, "b": 0.2, "c": 0.01, "d": 0.5, "a or b": 0.03}, sets)
    assert found == pytest.approx({"a": 0.06, "b": 0.8, "c": 0.04, "d": 1.0, "a or b": 0.06})


def test_the_variance_of_a_mean_over_folds_is_corrected_for_their_overlap():
    """Of N rises left out one by one: 1/N + 1/(N − 1) in place of 1/N."""
    rises = np.random.default_rng(0).normal(1.0, 2.0, 25)
    mean, error, p = corrected(rises, np.arange(25))
    assert mean == pytest.approx(rises.mean())
    assert error == pytest.approx(rises.std(ddof=1) * np.sqrt(1 / 25 + 1 / 24))
    assert 0 < p < 0.5
    assert corrected(np.zeros(25), np.arange(25))[2] == 1.0


def test_blocks_are_tied_by_what_one_predicts_of_the_other():
    glasses = planted(np.random.default_rng(3), 60, collinear=0.98)
    assert correlation(glasses, "free_volume", "medium_range") > 0.9
    assert correlation(glasses, "redox", "medium_range") < 0.5
    tied = {a: {b: 0.8 if {a, b} == {"redox", "short_range"} else 0.1 for b in glasses.blocks} for a in glasses.blocks}
    assert sets_to_test(glasses, tied)["short_range or redox"] == ("short_range", "redox")
    # five blocks, the tied pair, and all of them together
    assert len(sets_to_test(glasses, tied)) == 7 and tuple(glasses.blocks) in sets_to_test(glasses, tied).values()


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("structure.P-O.coordination", "short_range"),
        ("mean V-O bond length", "short_range"),
        ("network.Q2", "medium_range"),
        ("rings.6", "medium_range"),
        ("topology.P-P corner", "medium_range"),
        ("network.oxygen.NBO_P", "medium_range"),
        ("metals.V.valence.4", "redox"),
        ("V4+/V", "redox"),
        ("topology.ion_spacing", "free_volume"),
        ("transport.haven_ratio", "dynamics"),
        ("temperature", "conditions"),
        ("color", "color"),
    ],
)
def test_features_go_to_the_blocks_that_their_names_tell(name, block):
    assert block_of(name) == block


def test_oxides_are_components_and_other_names_are_not():
    assert all(map(is_component, ("Na2O", "P2O5", "NaPO3", "NaF", "Na₂O", "V2O5")))
    assert not any(map(is_component, ("Q2", "CN", "D", "O", "NBO", "V4+/V", "Density")))
    with pytest.raises(InputError, match="block v: Na2O is already in block u|a share of the composition"):
        assigned(["Na2O", "x"], {"v": ["Na2O"]}, ["Na2O"])


def test_rigid_ion_potentials_carry_no_claim_about_vanadium_bonds():
    names = ["structure.V-O.bond_length", "structure.O-V-O.mean", "structure.P-O.peak", "metals.V.baur", "NaV-Ox"]
    assert about_vanadium_bonds(names) == [names[0], names[1], names[3]]
    glasses = planted(np.random.default_rng(0), 24, strength=3.0)
    columns = tuple("structure.V-O.peak" if name == "medium_range-0" else name for name in glasses.columns)
    found = {v.name: v for v in judged(replace(glasses, columns=columns), 0, rigid_ion=True)}
    assert found["medium_range"].state == NO_CLAIM
    assert found["medium_range"].reasons[-1].startswith("rigid-ion potentials order V–O lengths wrongly")


def test_a_claim_whose_size_may_be_zero_says_so():
    """The interval of what a refit loses includes 0, but permuted compositions tell of an effect."""
    found = next(v for v in judged(planted(np.random.default_rng(5), 24), 5) if v.name == "medium_range")
    assert found.state == IMPORTANT and found.interval[0] < 0 < found.interval[1]
    assert re.search(
        r"beyond what the other blocks tell; how strongly is open \(R² lost without it: −0\.\d\d to 0\.\d\d, 95 %\)\.$",
        sentence(found, "D"),
    )
    assert "open" not in sentence(replace(found, interval=(0.01, 0.5)), "D")


def table(seed, size=18, effect=1.0, below=None, **more):
    """Targets of a table with one block that counts; those `below` a value are known to be below it only."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(size, 3))
    target = effect * features[:, 0] + 0.2 * rng.normal(size=size)
    censored = np.zeros(size, int) if below is None else -(target < below).astype(int)
    target = target if below is None else np.maximum(target, below)
    empty, nothing = np.array([""] * size, object), np.full(size, np.nan)
    groups = np.array([f"g{k}" for k in range(size)], object)
    blocks = {name: (name,) for name in "abc"}
    return Table(
        "x", "1", target, nothing, censored, features, tuple("abc"), ("1",) * 3, blocks, groups, empty, empty, nothing,
        np.zeros((size, 0)), (), tuple(map(str, range(size))), **more,
    )  # fmt: skip


RIDGE = Settings(models=("ridge",), scale="linear", permutations=199)


def test_claims_are_tried_with_bounds_further_out():
    found = study(table(1, below=-1.0), RIDGE)
    assert [v.name for v in claimed(found) if v.state == "important"] == ["a"]
    assert found.shaken == ()
    assert any("the claims hold if they lie" in limit for limit in limits(found))


def test_all_blocks_together_lose_the_whole_r2_and_no_more():
    """Without any feature the mean is left, which has R² = 0; no resample loses more than 1."""
    glasses = planted(np.random.default_rng(5), 24)
    found = next(v for v in judged(glasses, 5) if not v.correlations)
    means = (24 * glasses.target.mean() - glasses.target) / 23
    left = [glasses.only(np.delete(np.arange(24), k)) for k in range(24)]
    own = [fitted("ridge", some)(glasses.features[[k]])[0] for k, some in enumerate(left)]
    r2 = 1 - ((glasses.target - own) ** 2).sum() / ((glasses.target - means) ** 2).sum()
    assert found.gain == pytest.approx(r2, abs=1e-6)
    assert found.interval[0] < found.gain < found.interval[1] < 1


@pytest.mark.parametrize(
    ("curve", "answer", "reason"),
    [
        (((7, -0.2, 0.1), (10, -1.5, 0.4)), FAILED, "R² of the others is −1.5 ± 0.4: no better than their mean"),
        (((7, -0.9, 0.1), (10, 0.02, 0.04)), FAILED, "0.02 ± 0.04: no better than their mean"),
        (((7, 0.2, 0.1), (10, 0.5, 0.1)), FAILED, "R² still rises from 7 to 10 compositions"),
        (((7, 0.5, 0.1), (10, 0.55, 0.1)), PASSED, "R² no longer rises from 7 to 10 compositions"),
    ],
)
def test_there_are_enough_compositions_only_where_something_is_learned(curve, answer, reason):
    found = replace(study(table(1), RIDGE), curve=curve)
    item = next(item for item in checklist(found) if "enough compositions" in item.question)
    assert item.answer == answer and item.reason.endswith(reason)


def test_too_many_bounds_and_no_composition_are_told():
    found = study(table(1, below=0.3), RIDGE)
    assert found.verdicts == () and "no trends: 72 % of the 18 values of x are bounds" in found.refusals[0]
    assert "no claims about blocks: 72 % of the 18 values of x are bounds; still possible: which" in found.refusals[1]
    assert "the composition is not among the features, and every block may stand for it" in list(limits(found))


def test_nothing_is_claimed_of_noise():
    found = study(table(2, effect=0.0), RIDGE)
    assert all(verdict.state == NOT_SHOWN for verdict in found.verdicts)
    assert found.refusals == () or "better than the mean" in found.refusals[0]


def test_limits_of_simulated_glasses_stand_with_the_claims():
    found = study(table(1, potential="rigid-ion", quench_rate_K_per_ps=10.0), RIDGE)
    told = " ".join(as_claims(found, {})["limits"])
    assert "quenched at 10 K/ps" in told and "nothing is said about V–O bonds" in told


def test_every_study_of_a_table_is_a_try(tmp_path):
    sources = {"a.csv": "f" * 64}
    assert counted_tries(tmp_path, sources, {"target": "D"}) == 1
    assert counted_tries(tmp_path, sources, {"target": "D"}) == 1
    assert counted_tries(tmp_path, sources, {"target": "Tg"}) == 2
    assert counted_tries(tmp_path, {"a.csv": "0" * 64}, {"target": "Tg"}) == 1
    (tmp_path / "tries.json").write_text("{")
    with pytest.raises(InputError, match="tries.json: damaged"):
        counted_tries(tmp_path, sources, {})
