"""The test by permuted compositions and the smoothers under it."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from naglass_drv.insight.null import null_test
from naglass_drv.insight.smoothers import _PENALTIES, Smoother, best_fit, least_errors, smoothers
from support.glass_studies import planted


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_leave_one_out_is_that_of_ridge_regression(rng):
    """Every penalty, several targets, without weights: as scikit-learn's RidgeCV, and as fits without each row."""
    features, targets = rng.normal(size=(14, 5)), rng.normal(size=(14, 3))
    ours = Smoother.of(features, np.ones(14)).errors(targets)
    theirs = RidgeCV(_PENALTIES, store_cv_results=True).fit(features, targets).cv_results_.mean(axis=0).T
    np.testing.assert_allclose(ours, theirs, rtol=1e-8)
    left = cross_val_predict(Ridge(_PENALTIES[7]), features, targets[:, 0], cv=LeaveOneOut())
    assert ours[7, 0] == pytest.approx(((targets[:, 0] - left) ** 2).mean(), rel=1e-8)


def test_leave_one_out_with_weights_is_that_of_weighted_fits(rng):
    features, target, weights = rng.normal(size=(9, 3)), rng.normal(size=9), rng.uniform(0.2, 3, 9)
    left = np.empty(9)
    for row in range(9):
        rest = np.arange(9) != row
        model = Ridge(_PENALTIES[6]).fit(features[rest], target[rest], sample_weight=weights[rest])
        left[row] = target[row] - model.predict(features[[row]])[0]
    ours = Smoother.of(features, weights).errors(target[:, None])[6, 0]
    assert ours == pytest.approx((weights * left**2).mean(), rel=1e-6)


def test_a_curved_target_is_followed_by_a_kernel_only(rng):
    features = rng.normal(size=(40, 1))
    models = smoothers(features, {"all": np.array([0])}, np.ones(40))
    target = features[:, 0] ** 2
    assert least_errors(models, target[:, None])[0] < 0.1 * least_errors(models[:1], target[:, None])[0]
    fitted, _, _ = best_fit(models, target)
    assert np.corrcoef(fitted, target)[0, 1] > 0.98


def test_p_of_blocks_without_effect_is_uniform():
    """In studies whose false blocks are collinear with the cause: at every level, no more rejections than stated."""
    values = []
    for seed in range(60):
        glasses = planted(np.random.default_rng(seed), 20)
        rng = np.random.default_rng(seed)
        values += [null_test(glasses, [block], rng, 99).p for block in ("short_range", "redox", "free_volume")]
    assert stats.kstest(values, "uniform", alternative="greater").pvalue > 0.01
    assert np.mean(np.array(values) <= 0.05) <= 0.08


def test_the_cause_is_found_and_its_p_counts_itself(rng):
    glasses = planted(np.random.default_rng(2), 40, strength=2.0)
    test = null_test(glasses, ["medium_range"], rng, 199)
    assert test.p == 1 / 200 and test.gain > test.permuted.max()
