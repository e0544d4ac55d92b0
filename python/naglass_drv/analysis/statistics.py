"""Error bars of time averages, from the core."""

from ..core.statistics import Average, autocovariance, average, block_means

__all__ = ["Average", "autocovariance", "average", "block_means"]
