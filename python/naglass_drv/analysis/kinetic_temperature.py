"""Whether atoms had the temperature that was asked for, within what so many degrees of freedom fluctuate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.statistics import average

# standard errors, and the share that a thermostat and its time step may be off by
_ERRORS, _SHARE = 3.0, 0.02
# of a center of mass that is at rest
_CONSTRAINTS = 3


@dataclass(frozen=True)
class Kinetic:
    """A mean kinetic temperature (K), and its standard error (K) by the canonical fluctuations of `freedom` degrees."""

    mean_K: float
    err_K: float
    asked_K: float
    freedom: float

    @property
    def errors(self) -> float:
        """Standard errors between the mean and what was asked for."""
        return abs(self.mean_K - self.asked_K) / self.err_K

    @property
    def reached(self) -> bool:
        """No more than three standard errors off, or than 2 %."""
        return abs(self.mean_K - self.asked_K) <= max(_ERRORS * self.err_K, _SHARE * self.asked_K)


def canonical_error(asked_K: float, freedom: float, samples: float) -> float:
    """Standard error (K) of a mean over independent samples: the variance of one is 2T²/f with f degrees of freedom.

    That of Gaussian momenta. The scatter of a series itself is not used: it would excuse a run that is still heated up.
    """
    return float(asked_K * np.sqrt(2 / (freedom * samples)))


def kinetic(series: Sequence[float], asked_K: float, atoms: int) -> Kinetic:
    """The mean of a series of temperatures (K) in time, with as many independent samples as its memory leaves."""
    found, freedom = average(np.array(series)), 3 * atoms - _CONSTRAINTS
    return Kinetic(
        float(found.mean), canonical_error(asked_K, freedom, max(float(found.effective_samples), 1.0)), asked_K, freedom
    )
