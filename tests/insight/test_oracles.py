"""Where our own code does what MAPIE and hidimstat do, it finds the same: tests/support/insight_oracles.py."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from naglass_drv.errors import InputError
from naglass_drv.insight.glasses import Glasses
from naglass_drv.insight.importance import importance
from naglass_drv.insight.intervals import check_groups, groups_needed, jackknife_plus

ORACLES = json.loads((Path(__file__).parents[1] / "data" / "insight" / "oracles.json").read_text())


def glasses(features, target, blocks):
    size = len(target)
    return Glasses(
        tuple(map(str, range(size))),
        features,
        target,
        np.full(size, np.nan),
        {name: np.array(columns) for name, columns in blocks.items()},
        tuple(f"x{k}" for k in range(features.shape[1])),
        ("",) * size,
        np.ones(size, int),
        np.zeros(size, int),
    )


def test_jackknife_plus_is_that_of_mapie():
    known = {key: np.array(value) for key, value in ORACLES["mapie 1.6.0"].items()}
    left, residuals = [], []
    for row in range(len(known["target"])):
        rest = np.arange(len(known["target"])) != row
        model = LinearRegression().fit(known["features"][rest], known["target"][rest])
        residuals.append(abs(known["target"][row] - model.predict(known["features"][[row]])[0]))
        left.append(model.predict(known["asked"]))
    low, high = jackknife_plus(np.array(left), np.array(residuals), 0.9)
    np.testing.assert_allclose(low, known["low"], rtol=1e-9)
    np.testing.assert_allclose(high, known["high"], rtol=1e-9)


def test_too_few_groups_have_no_interval():
    assert (groups_needed(0.9), groups_needed(0.95)) == (9, 19)
    with pytest.raises(InputError, match="95% takes at least 19 compositions, and there are 18; 95% is the most"):
        check_groups(18, 0.95)
    check_groups(19, 0.95)
    # with exactly as many as needed, the largest residual counts
    low, high = jackknife_plus(np.zeros((9, 1)), np.arange(1.0, 10), 0.9)
    assert (low[0], high[0]) == (-9.0, 9.0)


@pytest.fixture(scope="module")
def halves():
    """Importance by ridge regression with half of the rows left out, and what hidimstat finds for the same half.

    Columns of a block of two weigh less in our scaling: as single columns, the regression is the same.
    """
    known = ORACLES["hidimstat 0.4.0"]
    features, target = np.array(known["features"]), np.array(known["target"])
    singles = {str(k): [k] for k in range(features.shape[1])}
    sets = {name: [str(k) for k in columns] for name, columns in known["groups"].items()}
    folds = np.repeat([0, 1], len(target) // 2)
    return importance(glasses(features, target, singles), "ridge", folds, sets), folds == 1, known


def test_refits_without_a_block_are_loco_of_hidimstat(halves):
    found, test, known = halves
    ours = [found.rises[name]["dropped"][test].mean() for name in known["groups"]]
    np.testing.assert_allclose(ours, known["loco"], rtol=1e-6, atol=1e-9)


def test_conditional_importance_is_that_of_hidimstat(halves):
    """Theirs permutes residuals within the test set, ours takes those of the training set: equal within the scatter of
    240 rows; theirs is for a single fit, ours for the same one.
    """
    found, test, known = halves
    ours = [found.rises[name]["conditional"][test].mean() for name in known["groups"]]
    np.testing.assert_allclose(ours, known["cfi"], rtol=0.2, atol=0.02)
