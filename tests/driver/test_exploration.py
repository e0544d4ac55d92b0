"""Excursions of a committee's deviation, on series whose answer is known."""

import numpy as np
import pytest

from naglass_drv.dataset.exploration import excursions

USUAL = dict(least=0.2, most=5.0, excess=0.0, window=400)


def test_each_excursion_is_one_span():
    series = np.array([0.1, 0.1, 0.3, 0.5, 0.4, 0.1, 0.1, 0.25, 0.1])
    found = excursions(series, **USUAL)
    assert found.spans == [(2, 4), (7, 7)]


def test_noise_about_the_threshold_is_one_excursion():
    series = np.array([0.05] * 50 + [0.21, 0.19, 0.21, 0.185, 0.22] + [0.05] * 5)
    assert excursions(series, **USUAL).spans == [(50, 54)]
    deeper = series.copy()
    deeper[51] = 0.17
    assert excursions(deeper, **USUAL).spans == [(50, 50), (52, 54)]


def test_the_threshold_follows_the_mean_of_what_came_before():
    series = np.r_[np.full(10, 1.0), np.full(10, 2.0)]
    found = excursions(series, least=0.2, most=5.0, excess=0.5, window=4)
    assert found.threshold[0] == 0.2 and found.threshold[1:11] == pytest.approx(1.5)
    assert found.threshold[11:15] == pytest.approx([1.875, 2.25, 2.625, 3.0])
    # a new level is an excursion at first, then usual
    assert found.spans == [(0, 0), (10, 11)]


def test_nothing_is_taken_from_the_upper_bound_on():
    series = np.array([0.1, 0.3, 6.0, 0.3, 0.1])
    assert excursions(series, **USUAL).spans == [(1, 1)]
    assert excursions(np.array([7.0, 0.3]), **USUAL).spans == []


def test_a_quiet_trajectory_gives_nothing():
    assert excursions(np.full(100, 0.1), **USUAL).spans == [] and excursions(np.array([]), **USUAL).spans == []
