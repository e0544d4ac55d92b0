"""Error bars of time averages: every uncertainty in the analysis comes from here."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# Window of the summed autocorrelation in units of its integral (Sokal 1997, doi:10.1007/978-1-4899-0319-8_6)
_WINDOW = 5.0


@dataclass(frozen=True)
class Average:
    """Means along the first axis of a series, with one standard error each.

    `mean`, `err` and `inefficiency` have the shape of one sample. `inefficiency` (dimensionless, >= 1) is the
    number of successive samples that count as one; `samples` the length of the series. `err` is NaN for a
    single sample.
    """

    mean: np.ndarray
    err: np.ndarray
    inefficiency: np.ndarray
    samples: int

    @property
    def effective_samples(self) -> np.ndarray:
        return self.samples / self.inefficiency


def average(series: np.ndarray, *, independent: bool = False) -> Average:
    """Mean and standard error of a series (samples first, any shape behind), allowing for autocorrelation.

    The error is sqrt(g var / n) with the statistical inefficiency g = 1 + 2 sum_t rho(t), the sum cut at the
    first window of five times its value (Sokal) and corrected for the bias of the subtracted mean (Wolff,
    2004, doi:10.1016/S0010-4655(03)00467-3). With `independent`, g = 1: replicas instead of time
    steps. Raises ValueError for an empty series or one that is not finite.
    """
    series = np.asarray(series, dtype=float)
    if series.ndim == 0 or len(series) == 0:
        raise ValueError("average: a series with at least one sample is needed")
    if not np.isfinite(series).all():
        raise ValueError("average: the series contains values that are not finite")
    samples, shape = len(series), series.shape[1:]
    mean = series.mean(axis=0)
    if samples == 1:
        return Average(mean, np.full(shape, np.nan), np.ones(shape), 1)
    deviation = (series - mean).reshape(samples, -1)
    # rounding is not a fluctuation: a constant has no error
    deviation[:, (np.abs(deviation) <= 1e-12 * np.abs(mean.ravel())).all(axis=0)] = 0.0
    variance = (deviation**2).sum(axis=0) / (samples - 1)
    factor = np.ones_like(variance) if independent else _inefficiency(deviation)
    err = np.sqrt(factor * variance / samples)
    return Average(mean, err.reshape(shape), factor.reshape(shape), samples)


def autocovariance(deviation: np.ndarray) -> np.ndarray:
    """Autocovariance of columns with zero mean (samples, k) at every lag, each divided by its own count."""
    samples = len(deviation)
    spectrum = np.fft.rfft(deviation, 2 * samples, axis=0)
    summed = np.fft.irfft(np.abs(spectrum) ** 2, 2 * samples, axis=0)[:samples]
    return summed / np.arange(samples, 0, -1)[:, None]


def _inefficiency(deviation: np.ndarray) -> np.ndarray:
    samples, columns = deviation.shape
    covariance = autocovariance(deviation)
    moving = covariance[0] > 0
    factor = np.ones(columns)
    if not moving.any():
        return factor
    rho = covariance[:, moving] / covariance[0, moving]
    running = 2 * np.cumsum(rho, axis=0) - 1  # 1 + 2 sum over lags 1..W, at each W
    lags = np.arange(samples)[:, None]
    inside = lags < _WINDOW * np.maximum(running, 1.0) / 2
    # a window that never closes means that the series is shorter than its memory: use half of it
    window = np.where(inside.all(axis=0), samples // 2, np.argmin(inside, axis=0))
    window = np.minimum(window, samples // 2)
    chosen = np.take_along_axis(running, window[None], axis=0)[0]
    factor[moving] = np.maximum(chosen * (1 + (2 * window + 1) / samples), 1.0)
    return factor


@lru_cache
def student(freedom: float, errors: float) -> float:
    """Standard errors that cover as much of Student's t with `freedom` degrees as `errors` of them cover of a Gaussian.

    1 for 68.3 %, 1.96 for 95 %; 1.11 and 2.57 with five degrees of freedom.
    """
    from scipy.special import ndtr, stdtrit

    return float(stdtrit(freedom, ndtr(errors)))


def clustered(deviations: np.ndarray) -> tuple[float, float]:
    """Variance of the sum of deviations (ions, blocks of time) from their mean, and its degrees of freedom.

    From the sums per block of time, which include correlation between ions; from the sums per ion where these scatter
    significantly more (97.5 % of an F test), as those of ions in lasting fast and slow surroundings do.
    """
    from scipy.special import fdtri

    ions, blocks = deviations.shape
    in_time = blocks / (blocks - 1) * (deviations.sum(axis=0) ** 2).sum()
    if ions > 1:
        between = ions / (ions - 1) * (deviations.sum(axis=1) ** 2).sum()
        if between > fdtri(ions - 1, blocks - 1, 0.975) * in_time:
            return float(between), ions - 1
    return float(in_time), blocks - 1


@dataclass(frozen=True)
class EventRate:
    """Events per time, or the mean time per event, with one standard error and the 95 % confidence interval.

    `events` were counted in the total `time` at risk. Without events the rate is 0 and its interval reaches to three
    events; the mean time is then infinite.
    """

    value: float
    err: float
    interval: tuple[float, float]
    events: float
    time: float

    def inverse(self) -> "EventRate":
        """The mean time per event for a rate, and back."""
        low, high = self.interval
        value = 1 / self.value if self.value else float("inf")
        err = self.err * value**2 if self.value else float("nan")
        ends = 1 / high if high else float("inf"), 1 / low if low else float("inf")
        return EventRate(value, err, ends, self.events, self.time)


_FEW_EVENTS = 20


def event_rate(events: np.ndarray, time: np.ndarray) -> EventRate:
    """Rate from (ions, blocks of time) counts and times at risk, any of which may be zero.

    The error is the scatter of the sums, as in `clustered`, with Student's factor; fewer than twenty events are
    independent. Raises ValueError without time at risk.
    """
    from scipy.special import gammaincinv

    total, exposed = float(events.sum()), float(time.sum())
    if not exposed > 0:
        raise ValueError("event_rate: no time at risk")
    value = total / exposed
    if total < _FEW_EVENTS:
        low = float(gammaincinv(total, 0.025)) if total else 0.0
        high = float(gammaincinv(total + 1, 0.975 if total else 0.95))
        return EventRate(value, max(total, 1.0) ** 0.5 / exposed, (low / exposed, high / exposed), total, exposed)
    variance, freedom = clustered(events - value * time)
    relative = np.sqrt(variance) / total
    factor = float(np.exp(student(freedom, 1.96) * relative))
    err = float(student(freedom, 1.0) * relative * value)
    return EventRate(value, err, (value / factor, value * factor), total, exposed)
