"""Shapley values of blocks against exact answers and their axioms."""

import numpy as np
import pytest

from naglass_drv.insight.glasses import Glasses
from naglass_drv.insight.models import fitted
from naglass_drv.insight.shapley import MOST_BLOCKS, attributions
from support.glass_studies import planted

SIZE = 18
FOLDS = np.arange(SIZE) % 6


def glasses(target, features, blocks):
    names = tuple(f"g{k}" for k in range(SIZE))
    columns = tuple(f"f{k}" for k in range(features.shape[1]))
    ones = np.ones(SIZE, int)
    return Glasses(names, features, target, np.full(SIZE, np.nan), blocks, columns, ("",) * SIZE, ones)


@pytest.fixture
def linear():
    """Independent features; the last block has no effect."""
    features = np.random.default_rng(3).normal(size=(SIZE, 5))
    blocks = {"a": np.array([0, 1]), "b": np.array([2]), "c": np.array([3, 4])}
    return glasses(3.0 + features @ [1.0, -2.0, 0.5, 0.0, 0.0], features, blocks)


def test_a_linear_model_has_its_slopes_times_the_distance_from_the_mean(linear):
    """φ of a block is Σ β (x − ⟨x⟩) over its columns, with β and ⟨x⟩ of the training set."""
    found = attributions(linear, "ridge", FOLDS)
    for fold in range(6):
        train, test = linear.only(np.flatnonzero(fold != FOLDS)), np.flatnonzero(fold == FOLDS)
        predict = fitted("ridge", train)
        slopes = predict(np.eye(5)) - predict(np.zeros((1, 5)))
        moved = slopes * (linear.features[test] - train.features.mean(axis=0))
        for k, columns in enumerate(linear.blocks.values()):
            assert found.values[test, k] == pytest.approx(moved[:, columns].sum(axis=1), abs=1e-10)
    block, share = found.first(FOLDS)
    assert block == "a" and share == 1.0


@pytest.mark.parametrize("model", ["ridge", "forest", "boosting"])
def test_base_and_values_add_up_to_the_prediction(model):
    """Efficiency, whatever the model."""
    some = planted(np.random.default_rng(5), SIZE)
    found = attributions(some, model, FOLDS)
    assert found.base + found.values.sum(axis=1) == pytest.approx(found.predictions, abs=1e-9)


def test_blocks_that_the_model_treats_alike_have_equal_shares():
    """Symmetry: two copies of one feature share its effect, and what no tree can use has none."""
    x = np.random.default_rng(1).normal(size=SIZE)
    features = np.column_stack([x, x, np.ones(SIZE)])
    some = glasses(2.0 * x, features, {"one": np.array([0]), "twin": np.array([1]), "none": np.array([2])})
    found = attributions(some, "ridge", FOLDS)
    assert found.values[:, 0] == pytest.approx(found.values[:, 1], abs=1e-9) and abs(found.values[:, 0]).max() > 0.1
    assert found.values[:, 2] == pytest.approx(0.0, abs=1e-12)
    assert attributions(some, "forest", FOLDS).values[:, 2] == pytest.approx(0.0, abs=1e-12)


def test_too_many_blocks_are_not_gone_through():
    features = np.random.default_rng(1).normal(size=(SIZE, MOST_BLOCKS + 1))
    blocks = {f"b{k}": np.array([k]) for k in range(MOST_BLOCKS + 1)}
    assert attributions(glasses(features[:, 0], features, blocks), "ridge", FOLDS) is None
