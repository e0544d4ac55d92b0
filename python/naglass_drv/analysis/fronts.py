"""Crystal growth: where interfaces are, how fast they move, where they stand still, and what "no growth" excludes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.arguments import array, positive, whole
from ..core.statistics import average
from ..errors import InputError
from ..wording import with_error

#: Blocks of time that a series is averaged into before a drift is fitted to it.
BLOCKS = 24
#: A new cell, or one at another temperature, relaxes for so long (ps), which moves its surfaces, too.
RELAXING_PS = 20.0
_LEAST_BLOCKS = 6
# Share of the frames in which an atom is crystalline that marks the middle of a slab
_LASTING = 0.75
_LEAST_SAMPLES = 16
# Attachments compatible with none observed, at 95 %: -ln 0.05
_NONE_SEEN = 2.996


@dataclass(frozen=True)
class Rate:
    """The constant rate at which something fluctuating moves, in units of the series per unit of time.

    `err` is one standard error (half of the interval of 68 %); `interval` the 95 % confidence interval; `upper`
    the one-sided upper bound (95 %) of a rate that is not negative. `moves` tells whether 0 is outside `interval`.
    """

    rate: float
    err: float
    interval: tuple[float, float]
    upper: float
    blocks: int

    @property
    def moves(self) -> bool:
        return not self.interval[0] <= 0.0 <= self.interval[1]


def steady_rate(time, series, *, blocks: int = BLOCKS, quantum: float = 0.0) -> Rate:
    """The drift of a series (samples,) in even `time` steps that both diffuses and fluctuates.

    An interface in equilibrium does a random walk, and its position fluctuates about it. The means of `blocks` of time
    are modeled as drift + random walk + white noise, in unknown proportion: their differences have a tridiagonal
    Toeplitz covariance, whose eigenvectors are sines. Blocks should be longer than the memory of the fluctuation. If
    nothing ever changed, the bound is that of no event where three of size `quantum` are expected.
    Raises InputError for less than six blocks, or time that does not increase evenly.
    """
    time, series = array("time", time, ("samples",)), array("series", series, ("samples",))
    blocks = whole("blocks", blocks, _LEAST_BLOCKS)
    if len(time) != len(series):
        raise InputError(f"time = array of shape {time.shape}: the series has {len(series)} samples")
    length = len(series) // blocks
    if length < 1:
        raise InputError(f"series = {len(series)} samples: at least {blocks} are needed for {blocks} blocks")
    spacing = np.diff(time)
    if not (spacing > 0).all() or np.ptp(spacing) > 1e-3 * spacing.mean():
        raise InputError("time: must increase evenly")
    # the first samples, which equilibration touches most, are left out if they do not fill a block
    means = series[len(series) - blocks * length :].reshape(blocks, length).mean(axis=1)
    span = length * float(spacing.mean())
    steps = np.diff(means)
    if not np.ptp(means):
        bound = _NONE_SEEN * quantum / (blocks * span)
        return Rate(0.0, bound / 2, (-bound, bound), bound, blocks)
    quantiles = _walk_with_noise(steps) / span
    low, minus, rate, plus, one_sided, high = (float(value) for value in quantiles)
    return Rate(rate, (plus - minus) / 2, (low, high), max(one_sided, 0.0), blocks)


#: Probabilities of `Rate`: the ends of 95 %, one standard error around the median, the one-sided bound.
_QUANTILES = (0.025, 0.158655, 0.5, 0.841345, 0.95, 0.975)
#: Variance of white noise over that of the walk's steps; log-uniform prior.
_RATIOS = np.logspace(-2, 1, 13)


def _walk_with_noise(steps: np.ndarray) -> np.ndarray:
    """Quantiles of the drift per block from the differences of block means.

    For each ratio of noise to walk the drift has a Student distribution (scale integrated out with Jeffreys' prior);
    they are weighted by the marginal likelihood of the ratio.
    """
    from scipy.fft import dst
    from scipy.optimize import brentq
    from scipy.special import stdtr, stdtrit

    n = len(steps)
    angle = np.pi * np.arange(1, n + 1) / (n + 1)
    norm = 1 / np.sqrt(2 * (n + 1))
    data, ones = norm * dst(steps, type=1), norm * dst(np.ones(n), type=1)
    # differences of block means: c0 = 2/3 and c1 = 1/6 for a random walk, c0 = 2 and c1 = -1 for white noise
    walk, noise = 2 / 3 + np.cos(angle) / 3, 2 - 2 * np.cos(angle)
    weight = 1 / (walk + _RATIOS[:, None] * noise)
    information = weight @ ones**2
    mean = weight @ (data * ones) / information
    scale = (weight * (data - mean[:, None] * ones) ** 2).sum(axis=1) / (n - 1)
    log_evidence = (np.log(weight).sum(axis=1) - np.log(information) - (n - 1) * np.log(scale)) / 2
    evidence = np.exp(log_evidence - log_evidence.max())
    evidence /= evidence.sum()
    width = np.sqrt(scale / information)

    far = float((np.abs(mean - mean.mean()) + width * stdtrit(n - 1, 0.999)).max())
    return np.array(
        [
            brentq(lambda x, p=p: evidence @ stdtr(n - 1, (x - mean) / width) - p, mean.mean() - far, mean.mean() + far)
            for p in _QUANTILES
        ]
    )


@dataclass(frozen=True)
class Fronts:
    """Two interfaces of a slab: `positions` (frames, 2) their distances from its middle (Å), below and above.

    `area` (frames,) is the cross-section (Å²).
    """

    positions: np.ndarray
    area: np.ndarray


def front_positions(frames: Sequence, crystalline, volume: float, *, axis: int = 2) -> Fronts:
    """Where the two interfaces of a crystalline slab are, by counting: z = n volume / area on each side.

    `frames` are atoms, `crystalline` (frames, N) flags, `volume` that of the crystal per atom that can be crystalline
    (Å³), `axis` the cell vector along the slab's normal. The middle moves with the atoms that are crystalline in three
    quarters of the frames. Unlike a fitted profile, a count needs no model of the interface; false positives in the
    melt shift z by a constant. Raises InputError if there are none.
    """
    flags = np.asarray(crystalline)
    volume, axis = positive("volume", volume, "Å³"), whole("axis", axis, 0, 2)
    if flags.dtype != bool or flags.ndim != 2 or len(flags) != len(frames):
        raise InputError(f"crystalline = array of shape {flags.shape}: must be flags of shape ({len(frames)}, N)")
    core = flags.mean(axis=0) >= _LASTING
    if not core.any():
        raise InputError("crystalline: no atom is crystalline in most frames; the slab has no lasting middle")
    positions, area = np.empty((len(frames), 2)), np.empty(len(frames))
    for row, (atoms, flag) in enumerate(zip(frames, flags, strict=True)):
        along = atoms.get_scaled_positions(wrap=False)[:, axis]
        middle = np.angle(np.exp(2j * np.pi * along[core]).mean()) / (2 * np.pi)
        offset = (along[flag] - middle + 0.5) % 1.0 - 0.5
        cell = np.asarray(atoms.cell)
        area[row] = np.linalg.norm(np.cross(cell[axis - 2], cell[axis - 1]))
        positions[row] = [(offset < 0).sum(), (offset >= 0).sum()]
        positions[row] *= volume / area[row]
    return Fronts(positions, area)


def front_velocities(time, fronts: Fronts, volume: float, *, blocks: int = BLOCKS) -> tuple[Rate, Rate]:
    """Velocity of each interface (Å per unit of `time`), positive for growth; see `steady_rate`."""
    quantum = positive("volume", volume, "Å³") / float(fronts.area.mean())
    below, above = (steady_rate(time, column, blocks=blocks, quantum=quantum) for column in fronts.positions.T)
    return below, above


@dataclass(frozen=True)
class Crossing:
    """Where a velocity that depends on temperature is zero: the melting temperature.

    `err` is one standard error, `interval` Fieller's 95 % interval, `slope` du/dT there, `chi2_probability` that of
    deviations from the line at least as large as those seen, NaN for two temperatures.
    """

    temperature: float
    err: float
    interval: tuple[float, float]
    slope: float
    slope_err: float
    chi2_probability: float


def zero_velocity(temperatures, velocities, errors) -> Crossing:
    """The temperature at which u = 0, by a weighted line through velocities on both sides of it.

    All (points,), `errors` one standard error each. Where the points scatter about the line by more than their errors,
    these are scaled up. E. C. Fieller, J. R. Stat. Soc. B 16, 175 (1954). Raises InputError if the velocities do not
    bracket zero, or the slope is not known to 95 %.
    """
    from scipy.special import gammaincc

    temperatures, velocities = array("temperatures", temperatures, ("n",)), array("velocities", velocities, ("n",))
    errors = array("errors", errors, ("n",))
    if not len(temperatures) == len(velocities) == len(errors) or len(np.unique(temperatures)) < 2:
        raise InputError(f"temperatures = {temperatures.tolist()}: must be two or more, with a velocity and error each")
    if not (errors > 0).all():
        raise InputError(f"errors = {errors.tolist()}: must be positive")
    if not velocities.min() < 0 < velocities.max():
        raise InputError(f"velocities = {velocities.tolist()}: do not bracket zero; add temperatures")
    weight = errors**-2
    center = (weight * temperatures).sum() / weight.sum()
    offset = temperatures - center
    slope = (weight * offset * velocities).sum() / (weight * offset**2).sum()
    level = (weight * velocities).sum() / weight.sum()
    freedom = len(temperatures) - 2
    chi2 = (weight * (velocities - level - slope * offset) ** 2).sum()
    probability = float(gammaincc(freedom / 2, chi2 / 2)) if freedom else float("nan")
    scale = max(1.0, chi2 / freedom) if freedom else 1.0
    level_var, slope_var = scale / weight.sum(), scale / (weight * offset**2).sum()

    def ends(errors_wide: float) -> tuple[float, float]:
        g = errors_wide**2 * slope_var / slope**2
        if g >= 1:
            raise InputError(
                f"velocities = {velocities.tolist()}: their slope {with_error(slope, slope_var**0.5)} does not tell "
                "where zero is; run longer or further apart"
            )
        middle = -level / slope / (1 - g)
        half = errors_wide / abs(slope) / (1 - g) * np.sqrt((1 - g) * level_var + (level / slope) ** 2 * slope_var)
        return float(center + middle - half), float(center + middle + half)

    low, high = ends(1.0)
    return Crossing(
        float(center - level / slope),
        (high - low) / 2,
        ends(1.959964),
        float(slope),
        float(slope_var**0.5),
        probability,
    )


@dataclass(frozen=True)
class Coexistence:
    """The temperature at which crystal and melt stand beside each other, and one standard error.

    `apart` is by how much the runs from below and from above still differ, and one standard error of that.
    """

    temperature: float
    err: float
    apart: float
    apart_err: float

    @property
    def relaxed(self) -> bool:
        """Whether the two runs have met, within two standard errors."""
        return abs(self.apart) <= 2.0 * self.apart_err


def coexistence(below, above) -> Coexistence:
    """The melting temperature from two runs at constant enthalpy, which start below it and above it (samples,).

    The heat of melting takes each to the melting temperature, but never quite there: the mean of the last halves has an
    error from their fluctuations in time, and another of half their difference, what is left of the way. Raises
    InputError for fewer than 16 samples of one.
    """
    means = []
    for name, values in (("below", below), ("above", above)):
        series = array(name, values, ("samples",))
        if len(series) < _LEAST_SAMPLES:
            raise InputError(f"{name} = {len(series)} samples: needs {_LEAST_SAMPLES} or more")
        means.append(average(series[len(series) // 2 :]))
    low, high = means
    apart, apart_err = float(high.mean - low.mean), float(np.hypot(low.err, high.err))
    return Coexistence(float(low.mean + high.mean) / 2, float(np.hypot(apart, apart_err)) / 2, apart, apart_err)


def growing(sizes, critical: float, *, times: float = 3.0) -> slice:
    """The part of a series of cluster sizes (samples,) after it last was smaller than `times` critical sizes.

    Growth is steady only once a nucleus has 2 to 3 times the critical size (Mokshin & Galimzyanov, arXiv:1703.09449).
    Raises InputError for fewer than two critical sizes, or if the series does not stay above.
    """
    sizes, critical = array("sizes", sizes, ("samples",)), positive("critical", critical)
    if not times >= 2:
        raise InputError(f"times = {times!r}: growth is not steady below two critical sizes")
    below = np.flatnonzero(sizes < times * critical)
    first = int(below[-1]) + 1 if len(below) else 0
    if first == len(sizes):
        raise InputError(
            f"sizes: end at {sizes[-1]:g} atoms, below {times:g} times the critical {critical:g}; no growth velocity"
        )
    return slice(first, len(sizes))


def nucleus_velocity(time, sizes, volume: float, critical: float, *, times: float = 3.0, blocks: int = BLOCKS) -> Rate:
    """Growth velocity dR/dt of a compact crystallite, R = (3 N volume / 4π)^(1/3), in Å per unit of `time`.

    Of the part of the series that `growing` selects; `sizes` (samples,) atoms, `volume` per atom (Å³).
    """
    part = growing(sizes, critical, times=times)
    volume = positive("volume", volume, "Å³")
    radius = np.cbrt(3 * volume * np.asarray(sizes, dtype=float)[part] / (4 * np.pi))
    quantum = volume / (4 * np.pi * float(radius.mean()) ** 2)
    return steady_rate(np.asarray(time, dtype=float)[part], radius, blocks=blocks, quantum=quantum)


def verdict(velocity: Rate, unit: str = "Å/ps") -> str:
    """One line for a reader: the velocity, or "no growth observed" with its upper bound."""
    if velocity.moves:
        word = "growth" if velocity.rate > 0 else "melting"
        return f"{word}, {with_error(velocity.rate, velocity.err)} {unit}"
    return f"no growth observed, u < {velocity.upper:.2g} {unit} (95 %)"
