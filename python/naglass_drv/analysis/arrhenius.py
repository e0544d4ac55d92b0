"""Arrhenius lines of transport coefficients with the full errors of these, or the reason why there is none.

ln y = ln y₀ − E/kT, weighted with the errors of ln y; definitions and limits in docs/observables/transport.md.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..core.statistics import student
from ..errors import InputError
from ..wording import with_error

BOLTZMANN_EV_PER_K = 8.617333262e-5
Interval = tuple[float, float]

_95 = 1.959964
_FEWEST = 3
# Temperatures that are closer than this count as one, and the range that a line needs at least.
_SAME_TEMPERATURE, _RANGE = 1.01, 1.2
# An energy with a larger relative error than this is not given; nor is a line that the points miss by chance in fewer
# cases than this.
_WORST_RELATIVE_ERR, _LEAST_CHANCE = 0.5, 0.01


@dataclass(frozen=True)
class Point:
    """A coefficient of one run: `value` with its standard error and 95 % `interval` in a unit of the caller's choice.

    Without a value, `reason` says why, and `upper` may bound it from above (95 %). `state` is ``glass``, ``supercooled
    melt`` or another word for the phase, `structure` the glass or crystal that was simulated; `quench_rate_K_per_s`
    that of a glass, None for a structure of another origin.
    """

    run: str
    structure: str
    temperature_K: float
    state: str
    value: float | None
    err: float | None = None
    interval: Interval | None = None
    upper: float | None = None
    reason: str | None = None
    quench_rate_K_per_s: float | None = None

    @property
    def log_err(self) -> float:
        """Error of ln y, of which 1.96 reach to the end of the 95 % interval; NaN where there is none."""
        if not self.value or not self.value > 0:
            return math.nan
        if self.interval is not None and 0 < self.interval[0] < self.interval[1]:
            return math.log(self.interval[1] / self.interval[0]) / (2 * _95)
        return self.err / self.value if self.err else math.nan


@dataclass(frozen=True)
class Line:
    """ln y = `log_prefactor` − `energy_eV`/kT with the `covariance` (2, 2) of the two, from temperatures `within_K`.

    `chi2` has `freedom` degrees of freedom, and is larger by chance with the probability `chance`. `above_K` and
    `below_K` are the nearest temperatures at which another state was seen; between them the line may be used.
    """

    log_prefactor: float
    energy_eV: float
    covariance: Sequence[Sequence[float]]
    chi2: float
    freedom: int
    within_K: Interval
    above_K: float = 0.0
    below_K: float | None = None

    @property
    def prefactor(self) -> float:
        """y₀, in the unit of y."""
        return math.exp(self.log_prefactor)

    @property
    def prefactor_interval(self) -> Interval:
        """95 % confidence interval of y₀."""
        return _spread(self.log_prefactor, math.sqrt(self.covariance[0][0]))

    @property
    def energy_err(self) -> float:
        """One standard error (eV)."""
        return math.sqrt(self.covariance[1][1])

    @property
    def energy_interval(self) -> Interval:
        """95 % confidence interval (eV)."""
        return self.energy_eV - _95 * self.energy_err, self.energy_eV + _95 * self.energy_err

    @property
    def chance(self) -> float:
        """Probability of a larger chi²."""
        from scipy.special import gammaincc

        return float(gammaincc(self.freedom / 2, self.chi2 / 2))

    def allows(self, temperature_K: float) -> bool:
        """Whether no other state was seen between the temperatures of the line and this one (K)."""
        return self.above_K < temperature_K < (math.inf if self.below_K is None else self.below_K)

    def at(self, temperature_K: float, relative_err: float = 0.0) -> tuple[float, Interval]:
        """y at a temperature (K) and its 95 % interval: of the line, or with a `relative_err` the prediction interval,
        in which a new measurement with this standard error lies.

        Raises InputError for a temperature at which another state was seen, or beyond one.
        """
        if not self.allows(temperature_K):
            upper = "" if self.below_K is None else f" and below {self.below_K:g} K"
            raise InputError(
                f"temperature_K = {temperature_K:g}: must be above {self.above_K:g} K{upper}, where the structure is "
                "in the state that the line was fitted in"
            )
        row = np.array([1.0, -1.0 / (BOLTZMANN_EV_PER_K * temperature_K)])
        center = float(row @ [self.log_prefactor, self.energy_eV])
        err = math.sqrt(float(row @ np.array(self.covariance) @ row) + relative_err**2)
        return math.exp(center), _spread(center, err)


@dataclass(frozen=True)
class Arrhenius:
    """The line of some points, or None and the `reason`; `left_out` says by run why a point is not in it."""

    line: Line | None
    reason: str | None
    left_out: Mapping[str, str] = field(default_factory=dict)


def arrhenius(points: Sequence[Point]) -> Arrhenius:
    """The Arrhenius line of the points that have a value with an error.

    Refused, with a reason, for points of several structures, quench rates or states (a line never crosses the glass
    transition), fewer than three temperatures, a range of less than a factor of 1.2 in T, an energy with an error of
    more than half of it, and points that scatter about the line more than their errors explain (p < 0.01).
    """
    known = [point for point in points if math.isfinite(point.log_err) and point.log_err > 0]
    left_out = {point.run: _why_left_out(point) for point in points if point not in known}
    if (mixed := _mixed(known)) is not None:
        return Arrhenius(None, mixed, left_out)
    kelvin = np.array(sorted(point.temperature_K for point in known))
    distinct = int((kelvin[1:] > _SAME_TEMPERATURE * kelvin[:-1]).sum()) + min(len(kelvin), 1)
    if distinct < _FEWEST:
        return Arrhenius(None, f"{distinct} of the {_FEWEST} temperatures that a line needs have a value", left_out)
    if kelvin[-1] < _RANGE * kelvin[0]:
        reason = f"{kelvin[0]:.0f} to {kelvin[-1]:.0f} K is less than a factor of {_RANGE:g} in temperature"
        return Arrhenius(None, reason, left_out)
    line = weighted_line([(point.temperature_K, point.value, point.log_err) for point in known])
    if not line.energy_err <= _WORST_RELATIVE_ERR * line.energy_eV:
        reason = f"the errors are too large: E = {with_error(line.energy_eV, line.energy_err)} eV"
        return Arrhenius(None, reason, left_out)
    if line.chance < _LEAST_CHANCE:
        reason = (
            f"the points are not on one line: χ² = {line.chi2:.3g} with {line.freedom} degrees of freedom "
            f"(p = {line.chance:.1g})"
        )
        return Arrhenius(None, reason, left_out)
    return Arrhenius(line, None, left_out)


def weighted_line(points: Sequence[tuple[float, float, float]]) -> Line:
    """Generalized least squares through (temperature in K, value, error of its logarithm); at least two temperatures.

    The errors are taken as they are: they are not scaled by the scatter about the line.
    """
    kelvin, value, err = np.array(points, dtype=float).T
    design = np.stack([np.ones(len(kelvin)), -1.0 / (BOLTZMANN_EV_PER_K * kelvin)], axis=1) / err[:, None]
    covariance = np.linalg.inv(design.T @ design)
    found = covariance @ design.T @ (np.log(value) / err)
    chi2 = float(((np.log(value) / err - design @ found) ** 2).sum())
    within = float(kelvin.min()), float(kelvin.max())
    return Line(float(found[0]), float(found[1]), covariance.tolist(), chi2, len(kelvin) - 2, within)


def by_structure_and_state(points: Sequence[Point]) -> dict[tuple[str, str], Arrhenius]:
    """A line for each structure in each of its states, which may be used up to where another state was seen."""
    found = {}
    for structure in dict.fromkeys(point.structure for point in points):
        own = [point for point in points if point.structure == structure]
        for state in dict.fromkeys(point.state for point in own):
            same = [point for point in own if point.state == state]
            fitted = arrhenius(same)
            others = [point for point in own if point.state != state]
            found[structure, state] = fitted if fitted.line is None else _bounded(fitted, fitted.line, others)
    return found


def over_structures(lines: Sequence[Line]) -> tuple[float, float, Interval] | None:
    """Mean energy (eV) of several glasses made alike, its standard error and 95 % interval from their spread; None for
    fewer than two.
    """
    if len(lines) < 2:
        return None
    energies = np.array([line.energy_eV for line in lines])
    freedom = len(lines) - 1
    mean, err = float(energies.mean()), float(energies.std(ddof=1) / math.sqrt(len(lines)))
    half = student(freedom, _95) * err
    return mean, student(freedom, 1.0) * err, (mean - half, mean + half)


def _bounded(fitted: Arrhenius, line: Line, others: Sequence[Point]) -> Arrhenius:
    """The line with the temperatures at which the `others` were seen as its bounds; none if they are within it."""
    low, high = line.within_K
    inside = [f"{point.state} at {point.temperature_K:.0f} K" for point in others if low <= point.temperature_K <= high]
    if inside:
        return Arrhenius(None, f"another state within the range: {', '.join(inside)}", fitted.left_out)
    above = max((point.temperature_K for point in others if point.temperature_K < low), default=0.0)
    below = min((point.temperature_K for point in others if point.temperature_K > high), default=None)
    return Arrhenius(replace(line, above_K=above, below_K=below), None, fitted.left_out)


def _mixed(points: Sequence[Point]) -> str | None:
    """What the points differ in besides the temperature, in words."""
    for of, values in (
        ("states", [point.state for point in points]),
        ("structures", [point.structure for point in points]),
        ("quench rates", [_rate(point) for point in points]),
    ):
        if len(set(values)) > 1:
            crossing = "; a line does not cross the glass transition" if of == "states" else ""
            return f"points of different {of}: {', '.join(dict.fromkeys(values))}{crossing}"
    return None


def _rate(point: Point) -> str:
    return "none" if point.quench_rate_K_per_s is None else f"{point.quench_rate_K_per_s:.3g} K/s"


def _why_left_out(point: Point) -> str:
    if point.value is not None and not point.value > 0:
        return f"the value is {point.value:g}"
    return point.reason or ("no error" if point.value is not None else "no value")


def _spread(center: float, err: float) -> Interval:
    return math.exp(center - _95 * err), math.exp(center + _95 * err)


def contradicting(line: Line, points: Sequence[Point]) -> Iterator[str]:
    """The runs without a value whose upper bound lies below the 95 % interval of the line."""
    for point in points:
        if point.upper is not None and line.allows(point.temperature_K):
            low, _ = line.at(point.temperature_K)[1]
            if point.upper < low:
                yield point.run
