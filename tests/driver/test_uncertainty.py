"""Calibration of a committee's deviation: exact quantiles, coverage on new groups, and what is refused."""

import numpy as np
import pytest

from naglass_drv.dataset import uncertainty
from naglass_drv.dataset.uncertainty import SHARE, calibrate, committee, factor


def study(rng, groups: int, spread: float = 0.5, atoms: int = 60):
    """Deviations, errors, elements and groups: each group has a factor of its own, and each element another."""
    parts = []
    for g in range(groups):
        own = np.exp(spread * rng.normal())
        elements = rng.choice(["Na", "P", "O"], atoms)
        deviation = rng.gamma(3.0, 0.05, atoms)
        usual = np.array([{"Na": 0.5, "P": 3.0, "O": 1.5}[element] for element in elements])
        parts.append((deviation, np.abs(rng.normal(size=atoms)) * usual * own * deviation, elements, [f"g{g}"] * atoms))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def test_the_deviation_is_that_of_the_pair_style():
    forces = np.array([[[1.0, 0, 0], [0, 0, 0]], [[3.0, 0, 0], [0, 4, 3]]])
    mean, deviation = committee(forces)
    assert mean.tolist() == [[2, 0, 0], [0, 2, 1.5]]
    assert deviation == pytest.approx([1.0, 2.5])


def test_the_quantile_gives_every_group_the_same_weight():
    # three groups of 1/4 each: 0.683 is reached in the group of many atoms at its (0.683 - 0.5)/0.25 quantile
    ratio, group = np.array([1.0, 2.0, *np.arange(3.0, 103.0)]), np.array([0, 1, *[2] * 100])
    assert factor(ratio, group) == pytest.approx(3 + 73)
    assert factor(ratio[:2], group[:2]) == np.inf, "of two groups, a third one's error is not bounded"


def test_a_new_group_is_covered_as_often_as_stated():
    """Exchangeable groups: the mean coverage of the next group is at least the share, and not much above."""
    rng, found = np.random.default_rng(5), []
    for _ in range(120):
        deviation, error, elements, groups = study(rng, 13)
        new = groups == "g12"
        fitted = calibrate(deviation[~new], error[~new], elements[~new], groups[~new])
        scaled = deviation[new] * [fitted.scale[element] for element in elements[new]]
        found.append((error[new] <= scaled).mean())
    mean, err = np.mean(found), np.std(found) / np.sqrt(len(found))
    assert SHARE - 2.5 * err < mean < SHARE + 0.08


def test_the_stated_coverage_is_that_of_groups_left_out():
    rng = np.random.default_rng(6)
    stated, errors, truth = [], [], []
    for _ in range(40):
        fitted = calibrate(*study(rng, 12))
        deviation, error, elements, _ = study(rng, 40)
        truth.append((error <= deviation * [fitted.scale[element] for element in elements]).mean())
        stated.append(fitted.coverage)
        errors.append(fitted.coverage_err)
    assert abs(np.mean(stated) - np.mean(truth)) < 0.03
    within = np.abs(np.array(stated) - np.array(truth)) < np.array(errors)
    assert 0.5 < within.mean() < 0.85, "one standard error"


def test_elements_of_few_groups_take_the_factor_of_all():
    deviation, error, elements, groups = study(np.random.default_rng(8), 6)
    elements = np.where((elements == "Na") & (groups != "g0"), "O", elements)
    fitted = calibrate(deviation, error, elements, groups)
    assert list(fitted.pooled) == ["Na"] and fitted.groups == 6
    ratio = error / deviation
    assert fitted.scale["Na"] == pytest.approx(factor(ratio, groups))


def test_two_groups_calibrate_nothing():
    deviation, error, elements, groups = study(np.random.default_rng(9), 2)
    fitted = calibrate(deviation, error, elements, groups)
    assert set(fitted.scale.values()) == {0.0} and fitted.coverage is None and not fitted.curve


def test_states_are_told_apart_where_frames_name_them():
    deviation, error, elements, groups = study(np.random.default_rng(10), 8)
    ions = np.where(elements == "P", "V4+", np.where(elements == "Na", "V5+", ""))
    states = calibrate(deviation, error, elements, groups, ions).states
    assert states["V4+"][0] > 3 * states["V5+"][0] and states["V4+"][1] == 8


def test_the_curve_follows_the_diagonal():
    fitted = calibrate(*study(np.random.default_rng(11), 60, spread=0.2))
    assert [level for level, _ in fitted.curve] == list(uncertainty._LEVELS)
    assert np.abs([found - level for level, found in fitted.curve]).max() < 0.05
    assert fitted.coverage == pytest.approx(SHARE, abs=0.05) and fitted.rank_correlation > 0.3
