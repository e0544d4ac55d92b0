"""Nucleation by seeding: critical size from growth and shrinkage, and classical nucleation theory with its errors.

Spherical crystallite of N atoms: ΔG(N) = -N |Δμ| + γ (36π)^(1/3) (N/ρ)^(2/3), ρ the crystal's number density. At the
maximum γ = (3 N* ρ² |Δμ|³ / 32π)^(1/3), ΔG* = N* |Δμ| / 2 and -ΔG'' = |Δμ| / 3N*, so that
Z = (|Δμ| / 6π kT N*)^(1/2) and J = ρ_melt Z f⁺ exp(-ΔG*/kT). Seeding: Espinosa et al., J. Chem. Phys. 144, 034501
(2016), DOI 10.1063/1.4939641.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.arguments import array, number, positive
from ..core.statistics import student
from ..errors import InputError

#: What a critical size needs: glasses (or melts), and runs with other velocities of each.
LEAST_GLASSES, LEAST_DRAWS = 3, 10
_WIDE = 1.959964


@dataclass(frozen=True)
class Estimate:
    """A number and one standard error."""

    value: float
    err: float


@dataclass(frozen=True)
class CriticalSize:
    """N*, the size of which half of the crystallites grow.

    `err` is one standard error, with the scatter between glasses; `interval` 95 %; `per_glass` the sizes of each glass.
    `zeldovich` is Z from the width of the transition between shrinkage and growth: that of classical theory if the size
    is the whole reaction coordinate, smaller otherwise. `runs` is the number of runs.
    """

    value: float
    err: float
    interval: tuple[float, float]
    per_glass: Mapping[str, Estimate]
    zeldovich: Estimate
    runs: int


def critical_size(sizes, grew, glasses: Sequence[str]) -> CriticalSize:
    """N* from seeded runs (runs,): the size at the start, whether the seed grew, and the glass (or melt) it was in.

    Runs end when the seed is far from its start: those that are shorter make the transition, and 1/Z, too wide.

    On a parabolic barrier the probability to grow is p(N) = [1 + erf(π^(1/2) Z (N - N*))] / 2; N* of each glass and a
    common Z are fitted by maximum likelihood. N* is the mean over glasses with the error of a random-effects model with
    few groups (Hartung & Knapp, Stat. Med. 20, 3875 (2001)), and not less than that of the draws alone.
    Raises InputError for fewer than 3 glasses or 10 runs of one, or a glass in which all seeds grow, or none.
    """
    from scipy.optimize import minimize
    from scipy.special import log_ndtr

    sizes, grew = array("sizes", sizes, ("runs",)), array("grew", grew, ("runs",), kind=bool)
    names = list(dict.fromkeys(glasses))
    if not len(sizes) == len(grew) == len(glasses):
        raise InputError(f"glasses = {len(glasses)} names: there are {len(sizes)} sizes and {len(grew)} outcomes")
    if len(names) < LEAST_GLASSES:
        raise InputError(f"glasses = {names}: needs {LEAST_GLASSES} or more, since growth depends on how one was made")
    place = np.array([names.index(name) for name in glasses])
    for k, name in enumerate(names):
        runs, grown = int((place == k).sum()), int(grew[place == k].sum())
        if runs < LEAST_DRAWS:
            raise InputError(f"glasses: {name!r} has {runs} runs; needs {LEAST_DRAWS} or more with other velocities")
        if grown in (0, runs):
            which = "all" if grown else "none"
            raise InputError(
                f"grew: {which} of the {runs} seeds in {name!r}: add {'smaller' if grown else 'larger'} ones"
            )
    unit = float(sizes.mean())
    sign = np.where(grew, 1.0, -1.0)

    def loss(parameters: np.ndarray) -> float:
        slope, centers = np.exp(parameters[0]), parameters[1:]
        # a weak prior on the slope keeps it finite where the outcomes are separated
        return float(-log_ndtr(sign * slope * (sizes / unit - centers[place])).sum() + 0.005 * (parameters[0] - 1) ** 2)

    start = np.concatenate([[1.0], [sizes[place == k].mean() / unit for k in range(len(names))]])
    best = minimize(loss, start, method="BFGS", options={"gtol": 1e-6}).x
    covariance = np.linalg.inv(_hessian(loss, best))
    centers, own = best[1:] * unit, covariance[1:, 1:] * unit**2
    # erf(x) = 2 Φ(2^(1/2) x) - 1, so the probit slope is (2π)^(1/2) Z
    zeldovich = float(np.exp(best[0]) / unit / np.sqrt(2 * np.pi))
    value, err, wide = _between(centers, own)
    return CriticalSize(
        value,
        err,
        (value - wide, value + wide),
        {name: Estimate(float(c), float(np.sqrt(v))) for name, c, v in zip(names, centers, np.diag(own), strict=True)},
        Estimate(zeldovich, zeldovich * float(np.sqrt(covariance[0, 0]))),
        len(sizes),
    )


def _hessian(function, at: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """Second derivatives by central differences."""
    n = len(at)
    moves, result = step * np.eye(n), np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            corners = [function(at + a * moves[i] + b * moves[j]) for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
            result[i, j] = result[j, i] = (corners[0] - corners[1] - corners[2] + corners[3]) / (4 * step**2)
    return result


def _between(values: np.ndarray, covariance: np.ndarray) -> tuple[float, float, float]:
    """Mean of a few groups, one standard error, and half of the 95 % interval."""
    groups, own = len(values), np.diag(covariance)
    spread = max(0.0, values.var(ddof=1) - own.mean())
    weight = 1 / (own + spread)
    weight /= weight.sum()
    mean = float(weight @ values)
    scatter = float(weight @ (values - mean) ** 2) / (groups - 1)
    alone = float(weight @ covariance @ weight)
    err = max(scatter**0.5 * student(groups - 1, 1.0), alone**0.5)
    return mean, err, max(scatter**0.5 * student(groups - 1, _WIDE), _WIDE * alone**0.5)


def attachment_rate(time, sizes, zeldovich: float) -> Estimate:
    """f⁺ (1/time) of critical crystallites from the spread of their sizes (draws, samples) from one common start.

    On the top of the barrier the variance over draws is (exp(4π Z² f⁺ t) - 1) / 2π Z², which is 2 f⁺ t only for short
    times; this is inverted for each time, and f⁺ is the slope. The variance that thermal flicker of the order parameter
    adds at once is the intercept. The error is that of the jackknife over draws. Choose runs that end before the
    crystallites are far from critical. Raises InputError for fewer than 10 draws or 3 samples.
    """
    time, sizes = array("time", time, ("samples",)), array("sizes", sizes, ("draws", "samples"))
    factor = 2 * np.pi * positive("zeldovich", zeldovich) ** 2
    draws, samples = sizes.shape
    if draws < LEAST_DRAWS or samples < 3 or samples != len(time):
        raise InputError(f"sizes = array of shape {sizes.shape}: needs {LEAST_DRAWS} draws and 3 samples, one per time")
    total, square = sizes.sum(axis=0), (sizes**2).sum(axis=0)

    def rate(sums: np.ndarray, squares: np.ndarray, count: int) -> np.ndarray:
        variance = (squares - sums**2 / count) / (count - 1)
        spread = np.log1p(factor * variance) / (2 * factor)
        offset = time - time.mean()
        return spread @ offset / (offset @ offset)

    found = float(rate(total, square, draws))
    left_out = rate(total - sizes, square - sizes**2, draws - 1)
    err = float(np.sqrt((draws - 1) / draws * ((left_out - left_out.mean()) ** 2).sum()))
    return Estimate(found, student(draws - 1, 1.0) * err)


def driving_force(temperature: float, melting: Estimate, heats: Mapping[float, Estimate]) -> Estimate:
    """|Δμ| at `temperature` per atom, from heats of melting ΔH per atom at one or several temperatures.

    Gibbs-Helmholtz: |Δμ| = T ∫ ΔH/T'² dT' from T to the `melting` temperature, with ΔH a line through the `heats`;
    ΔH (1 - T/T_m) for a single one. In the unit of the heats.
    """
    temperature = positive("temperature", temperature)
    if not heats or not temperature < melting.value:
        raise InputError(f"temperature = {temperature}: must be below melting, {melting.value}, with a heat or more")
    at = np.array(sorted(heats), dtype=float)
    value, err = (np.array([getattr(heats[t], word) for t in sorted(heats)]) for word in ("value", "err"))

    def force(values: np.ndarray, top: float) -> float:
        slope, level = np.polyfit(at, values, 1) if len(at) > 1 else (0.0, values[0])
        return temperature * (level * (1 / temperature - 1 / top) + slope * np.log(top / temperature))

    found = force(value, melting.value)
    moved = [force(value + np.eye(len(at))[k] * err[k], melting.value) - found for k in range(len(at))]
    moved.append(force(value, melting.value + melting.err) - found)
    return Estimate(float(found), float(np.linalg.norm(moved)))


@dataclass(frozen=True)
class Nucleation:
    """Classical nucleation theory from a critical size, at one temperature; kT in the unit of |Δμ|.

    `log10_rate` is log10 of J in 1/(length³ time). Errors are one standard error, of N*, |Δμ| and f⁺ together; the
    theory's own (a sphere, the bulk's Δμ) is not in them.
    """

    temperature: float
    size: Estimate
    force: Estimate
    gamma: Estimate
    barrier: Estimate
    barrier_kT: Estimate
    zeldovich: Estimate
    attachment: Estimate
    log10_rate: Estimate


def classical(
    size: CriticalSize | Estimate,
    force: Estimate,
    attachment: Estimate,
    *,
    temperature: float,
    kT: float,
    crystal_density: float,
    melt_density: float,
) -> Nucleation:
    """γ, ΔG*, Z and J from N*, |Δμ| per atom, and f⁺; densities in atoms per length³. Atoms are those that N* counts.

    Energies in the unit of `force`, with `kT` in the same; γ in that per length². Errors are propagated to first order.
    """
    kT, crystal = positive("kT", kT), positive("crystal_density", crystal_density)
    melt = positive("melt_density", melt_density)
    n, mu, f = (positive(name, e.value) for name, e in (("size", size), ("force", force), ("attachment", attachment)))
    dn, dmu, df = (number("err", e.err, least=0.0) / e.value for e in (size, force, attachment))
    gamma = (3 * n * crystal**2 * mu**3 / (32 * np.pi)) ** (1 / 3)
    barrier, zeldovich = n * mu / 2, (mu / (6 * np.pi * kT * n)) ** 0.5
    x = barrier / kT
    log_rate = np.log(melt * zeldovich * f) - x

    def estimate(value: float, *relative: float) -> Estimate:
        return Estimate(float(value), float(abs(value) * np.linalg.norm(relative)))

    return Nucleation(
        temperature,
        Estimate(n, dn * n),
        Estimate(mu, dmu * mu),
        estimate(gamma, dn / 3, dmu),
        estimate(barrier, dn, dmu),
        estimate(x, dn, dmu),
        estimate(zeldovich, dn / 2, dmu / 2),
        Estimate(f, df * f),
        Estimate(
            float(log_rate / np.log(10)), float(np.linalg.norm([(0.5 + x) * dn, (0.5 - x) * dmu, df]) / np.log(10))
        ),
    )


#: What a threshold of the order parameter changes.
DEPENDENT = ("size", "gamma", "barrier", "barrier_kT", "zeldovich", "log10_rate")


def threshold_effect(lower: Nucleation, higher: Nucleation) -> dict[str, float]:
    """Half the range of each quantity in `DEPENDENT` between a lower and a higher threshold of the order parameter.

    Both from the same runs, with crystalline atoms counted anew; beside the statistical errors, not in them.
    """
    if lower.temperature != higher.temperature:
        raise InputError(f"higher: at {higher.temperature}, but the lower threshold is at {lower.temperature}")
    return {name: abs(getattr(higher, name).value - getattr(lower, name).value) / 2 for name in DEPENDENT}
