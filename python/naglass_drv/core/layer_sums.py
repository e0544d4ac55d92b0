"""Ratios of sums over layers, with errors over time and between the two surfaces of a crystal."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .statistics import average, student

# Bins on either side over which the scatter between the surfaces is averaged: one difference alone says little about
# it.
_NEAR = 4


@dataclass(frozen=True)
class ProfileColumn:
    """A quantity in each layer: the ratio of two sums over all samples and both surfaces.

    `err` is one standard error: the scatter in time, with its autocorrelation, and what the surfaces differ by beyond
    it, as they do where a glass does not relax. The variance of that difference is averaged over nine bins. NaN where
    there are no atoms, or for a single sample.
    """

    value: np.ndarray  #: (bins,)
    err: np.ndarray  #: (bins,)
    by_surface: np.ndarray  #: (surfaces, bins)
    numerator: np.ndarray = field(repr=False)  #: (samples, surfaces, bins)
    denominator: np.ndarray = field(repr=False)  #: (samples, surfaces, bins)


def column(numerator: np.ndarray, denominator: np.ndarray) -> ProfileColumn:
    """Of sums (samples, surfaces, bins)."""
    weight = denominator.sum(axis=0)
    by_surface = _divided(numerator.sum(axis=0), weight)
    value = _divided(numerator.sum(axis=(0, 1)), weight.sum(axis=0))
    deviation = deviations(numerator, denominator, by_surface)
    variance = _squared_error(deviation.sum(axis=1)) / np.where(weight.sum(axis=0) > 0, weight.sum(axis=0), np.nan) ** 2
    if len(weight) == 2:
        of_each = _squared_error(deviation) / np.where(weight > 0, weight, np.nan) ** 2
        beyond = (by_surface[0] - by_surface[1]) ** 2 - of_each.sum(axis=0)
        share = _divided(weight, weight.sum(axis=0))
        variance = variance + np.maximum(_smoothed(beyond), 0.0) / 2 * (share**2).sum(axis=0)
    return ProfileColumn(value, np.sqrt(variance), by_surface, numerator, denominator)


def deviations(numerator: np.ndarray, denominator: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """What each sample's numerator deviates by from the ratio (surfaces, bins); zero where nothing is known."""
    return numerator - np.where(np.isfinite(ratio), ratio, 0.0) * denominator


def combined(values: np.ndarray, deviation: np.ndarray) -> tuple[float, float]:
    """Mean of one value per surface, and its standard error, from deviations (samples, surfaces) with zero mean.

    What the surfaces differ by beyond the scatter in time counts with Student's factor for one difference.
    """
    samples, surfaces = deviation.shape
    variance = float(_squared_error(deviation.sum(axis=1))) / (samples * surfaces) ** 2
    if surfaces == 2:
        of_each = _squared_error(deviation).sum() / samples**2
        beyond = max((values[0] - values[1]) ** 2 - of_each, 0.0) / 4
        variance += student(1, 1.0) ** 2 * beyond
    return float(values.mean()), float(np.sqrt(variance))


def _squared_error(series: np.ndarray) -> np.ndarray:
    """Squared standard error of the sum over samples."""
    return (average(series).err * len(series)) ** 2


def _divided(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator > 0)


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Mean over the known values within `_NEAR` bins; 0 where there is none."""
    known = np.isfinite(values)
    window = np.ones(2 * _NEAR + 1)
    sums, counts = (
        np.convolve(row, window)[_NEAR:-_NEAR] for row in (np.where(known, values, 0.0), known.astype(float))
    )
    return np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
