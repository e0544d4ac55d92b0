"""Exchange of ions across the surfaces of a crystal: crossings with a least residence time, and their balance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from ..errors import InputError


@dataclass(frozen=True)
class Rate:
    """Events per time (and area), with the standard error and the 95 % interval of a Poisson process."""

    events: int
    value: float
    err: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Crossings:
    """Exchange between a crystal and what surrounds it; an ion has crossed once it stays for the least residence
    time."""

    inward: Rate  #: into the crystal, 1/(Å² ps)
    outward: Rate  #: out of it
    net: tuple[float, float]  #: inward less outward, and its standard error; vanishes in a steady state
    residence_in_ps: tuple[float, float]  #: mean stay in the crystal and its standard error; NaN where no ion left it
    residence_out_ps: tuple[float, float]  #: and outside
    returning: tuple[float, float]  #: share of the passages that turn back within the least residence, standard error
    by_surface: np.ndarray  #: (2, 2) int, crossings of the lower and the upper surface, inward and outward
    least_residence_ps: float

    @property
    def balanced(self) -> bool:
        """Whether the net flux is compatible with zero, within two standard errors."""
        return abs(self.net[0]) <= 2 * self.net[1]


def crossings(
    distance: np.ndarray, surface: np.ndarray, interval_ps: float, area_A2: float, *, least_residence_ps: float = 5.0
) -> Crossings:
    """Crossings of both surfaces by ions whose `distance` (frames, M) in Å from the nearer surface changes sign.

    `distance` and `surface` (frames, M) are those of `core.surface_distances`, negative within the crystal; `area_A2`
    is the area of one surface. An ion belongs to a side once it has been there for `least_residence_ps` without a
    break, so that rattling about the surface does not count; it crosses when it first belongs to the other side, at the
    moment at which this stay began. Rates are those of a Poisson process; stays that the trajectory cuts off count with
    their time, as in the most likely mean of exponential stays. Stays shorter than the least residence are not seen:
    rates are low, and residences long, by about the ratio of the least to the mean residence. InputError for a
    trajectory of less than three least residences.
    """
    frames, ions = distance.shape
    least = max(1, int(np.ceil(least_residence_ps / interval_ps - 1e-9)))
    if frames < 3 * least:
        raise InputError(
            f"least_residence_ps = {least_residence_ps:g}: the trajectory of {frames * interval_ps:g} ps is shorter "
            "than three of them"
        )
    counts, time, passages = np.zeros((2, 2), dtype=int), np.zeros(2), np.zeros(2, dtype=int)
    for ion in range(ions):
        stays = _stays(distance[:, ion] < 0, least)
        passages += stays.passages
        time += stays.time
        for frame in stays.crossed:
            counts[surface[frame, ion], int(distance[frame, ion] >= 0)] += 1
    inward, outward = counts.sum(axis=0)
    observed = (frames - 2 * least + 1) * interval_ps * 2 * area_A2
    returned, all_passages = int(passages[0]), int(passages.sum())
    share = returned / all_passages if all_passages else float("nan")
    beta = ((returned + 1) * (all_passages - returned + 1)) / ((all_passages + 2) ** 2 * (all_passages + 3))
    return Crossings(
        _rate(int(inward), observed),
        _rate(int(outward), observed),
        (float(inward - outward) / observed, float(np.sqrt(max(inward + outward, 1))) / observed),
        _mean_stay(time[1] * interval_ps, int(outward)),
        _mean_stay(time[0] * interval_ps, int(inward)),
        (share, float(np.sqrt(beta)) if all_passages else float("nan")),
        counts,
        least * interval_ps,
    )


@dataclass(frozen=True)
class _Stays:
    crossed: np.ndarray  # frames at which the ion came to the other side to stay
    time: np.ndarray  # (2,) frames outside and inside, from the first certain stay on
    passages: np.ndarray  # (2,) those that turned back, and those that led to a stay


def _stays(inside: np.ndarray, least: int) -> _Stays:
    begin = np.concatenate([[0], np.flatnonzero(np.diff(inside)) + 1])
    length = np.diff(np.concatenate([begin, [len(inside)]]))
    certain = length >= least
    if not certain.any():
        return _Stays(np.zeros(0, dtype=int), np.zeros(2), np.zeros(2, dtype=int))
    stays = np.flatnonzero(certain)
    side = inside[begin[stays]]
    new = np.flatnonzero(np.diff(side)) + 1
    crossed = begin[stays[new]]
    # Whether an ion that is on the other side at the end will stay there is not known before the least residence.
    end = len(inside) - least + 1
    ends = np.concatenate([[begin[stays[0]]], crossed, [max(end, crossed[-1] if len(crossed) else begin[stays[0]])]])
    time = np.zeros(2)
    np.add.at(time, side[np.concatenate([[0], new])].astype(int), np.diff(ends))
    owner = np.searchsorted(stays, np.arange(len(begin)), side="right") - 1
    known = owner >= 0
    away = known & (inside[begin] != side[np.maximum(owner, 0)]) & ~certain
    away[-1] = False
    return _Stays(crossed, time, np.array([away.sum(), len(crossed)]))


def _rate(events: int, exposure: float) -> Rate:
    low = float(gammaincinv(events, 0.025)) if events else 0.0
    high = float(gammaincinv(events + 1, 0.975 if events else 0.95))
    return Rate(events, events / exposure, max(events, 1) ** 0.5 / exposure, (low / exposure, high / exposure))


def _mean_stay(time: float, ends: int) -> tuple[float, float]:
    return (time / ends, time / ends**1.5) if ends else (float("nan"), float("nan"))
