"""The stability gate: does a trajectory still describe the material it began with?

A force error says little about that: a model can be good on every frame it was shown and still let bonds go,
or atoms collapse, after a picosecond. The gate looks at what such a failure does first. Passing it for t ps
at T says that the run stayed whole for t ps at T, not that it would for longer or hotter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chemistry.formers import ANIONS, oxygen_cutoff_A
from ..chemistry.ions import TRANSITION_METALS, contact_distance
from ..config.schema import Gate
from ..core import neighbors
from .artifacts import forbidden_contacts, share_in_contact

if TYPE_CHECKING:
    from ase import Atoms

WINDOW_PS = 0.5
# an atom whose nearest counter-ion is further than this many contact distances has left the material
_ISOLATED = 1.6
# share of the P atoms that may be outside the limits: a large glass always has a few defects
_P_DEFECTS = 0.05


@dataclass(frozen=True)
class Check:
    """One criterion: its worst value in the run, its limit, and the time (ps) of the first violation."""

    name: str
    worst: float
    limit: float
    unit: str
    passed: bool
    time_ps: float | None


@dataclass(frozen=True)
class Verdict:
    """The checks, and what they were made from: `series` has lists of equal length against ``time_ps``."""

    checks: tuple[Check, ...]
    series: dict[str, list[float]]

    @property
    def stable(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def first_violation_ps(self) -> float | None:
        times = [check.time_ps for check in self.checks if check.time_ps is not None]
        return min(times) if times else None

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "stable": self.stable,
            "first_violation_ps": self.first_violation_ps,
            "window_ps": WINDOW_PS,
            "checks": [asdict(check) for check in self.checks],
            "series": self.series,
        }


def judge(
    frames: Iterable["Atoms"],
    thermo: Mapping[str, Sequence[float]],
    limits: Gate,
    *,
    temperature_K: float,
    planned_ps: float,
) -> Verdict:
    """Judge a run of `planned_ps` at the target `temperature_K`.

    `frames` carry ``info["time_ps"]``, all with the same atoms in the same order; `thermo` has the columns
    ``time_ps`` and ``temperature_K``. Criteria: window means of the temperature; the shortest distance of
    every pair of elements against a fraction of its contact distance; the share of atoms in contacts that an
    oxide glass does not have (see `artifacts`; window means); the coordination of each P by O (window means,
    5 % of the P atoms set aside); the mean coordination of each transition metal by O against the first
    window; atoms without any counter-ion; the length reached. Windows are 0.5 ps.
    """
    times = np.asarray(thermo["time_ps"], dtype=float)
    temperatures = np.asarray(thermo["temperature_K"], dtype=float)
    finite = np.isfinite(temperatures)
    checks = [_temperature(times[finite], temperatures[finite], limits.temperature_factor * temperature_K)]
    geometry = _Geometry()
    for atoms in frames:
        geometry.add(atoms)
    if geometry.times:
        checks += [*geometry.distance_checks(limits.min_distance_fraction), geometry.isolation_check()]
        checks += geometry.contact_checks(limits.max_artifact_fraction)
        checks += geometry.coordination_checks(limits)
    reached = float(times[finite].max()) if finite.any() else 0.0
    whole = reached >= planned_ps * (1 - 1e-6)
    checks.append(Check("length", reached, planned_ps, "ps", whole, None if whole else reached))
    return Verdict(tuple(checks), geometry.series())


def _temperature(times: np.ndarray, temperatures: np.ndarray, limit: float) -> Check:
    starts, means = _window_means(times, temperatures)
    return _check("temperature", starts, means, limit, "K")


def _check(name: str, times: np.ndarray, values: np.ndarray, limit: float, unit: str, *, above: bool = True) -> Check:
    """A series that must not go above (or below) `limit`."""
    if not len(values):
        return Check(name, 0.0, limit, unit, True, None)
    wrong = values > limit if above else values < limit
    worst = values.max() if above else values.min()
    time = float(times[wrong.argmax()]) if wrong.any() else None
    return Check(name, float(worst), float(limit), unit, not wrong.any(), time)


def _window_means(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start times and means (windows, ...); a last window of less than half joins the one before."""
    if not len(times):
        return times, values
    window = np.minimum(
        ((times - times[0]) / WINDOW_PS).astype(int), max(0, round((times[-1] - times[0]) / WINDOW_PS) - 1)
    )
    kinds = np.unique(window)
    means = np.array([values[window == kind].mean(axis=0) for kind in kinds])
    return np.array([times[window == kind][0] for kind in kinds]), means


class _Geometry:
    """Distances and coordination of each frame, gathered in one pass over the trajectory."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._elements: list[str] = []
        self._symbols = np.zeros(0, dtype=str)
        self._kinds = np.zeros(0, dtype=int)
        self._contacts = np.zeros((0, 0))
        self._shortest: list[np.ndarray] = []
        self._isolated: list[int] = []
        self._touched: list[list[float]] = []
        self._by_oxygen: list[np.ndarray] = []
        self._bond_cutoffs = np.zeros(0)
        self._forbidden: dict[tuple[str, str], float] = {}

    def add(self, atoms: "Atoms") -> None:
        if not self.times:
            self._learn(atoms)
        n = len(self._elements)
        pairs = neighbors(atoms, self._reach)
        a, b = self._kinds[pairs.i], self._kinds[pairs.j]
        shortest = np.full((n, n), np.inf)
        np.minimum.at(shortest, (a, b), pairs.distances)
        held = (self._anion[a] != self._anion[b]) & (pairs.distances < _ISOLATED * self._contacts[a, b])
        bonded = self._oxygen[b] & (pairs.distances < self._bond_cutoffs[a])
        self.times.append(float(atoms.info["time_ps"]))
        self._shortest.append(shortest)
        self._isolated.append(len(atoms) - len(np.unique(pairs.i[held])))
        self._touched.append([share_in_contact(pairs, self._symbols, *item) for item in self._forbidden.items()])
        self._by_oxygen.append(np.bincount(pairs.i[bonded], minlength=len(atoms)))

    def _learn(self, atoms: "Atoms") -> None:
        """What follows from the elements alone, the same for all frames."""
        symbols = atoms.get_chemical_symbols()
        self._symbols = np.array(symbols)
        self._elements = elements = list(dict.fromkeys(symbols))
        self._forbidden = forbidden_contacts(elements)
        self._kinds = np.array([elements.index(symbol) for symbol in symbols])
        self._contacts = np.array([[contact_distance(a, b) for b in elements] for a in elements])
        self._anion = np.array([element in ANIONS for element in elements])
        self._oxygen = np.array([element == "O" for element in elements])
        self._bond_cutoffs = np.array([self._bond_cutoff(element) for element in elements])
        crossing = self._anion[:, None] != self._anion[None, :]
        # one element alone has no counter-ions; its own contacts then set the reach
        judged = self._contacts[crossing] if crossing.any() else self._contacts
        self._reach = max(_ISOLATED * float(judged.max()), *self._forbidden.values(), 0.0)

    @staticmethod
    def _bond_cutoff(element: str) -> float:
        return oxygen_cutoff_A(element) if element not in ANIONS else 0.0

    def distance_checks(self, fraction: float) -> list[Check]:
        times, shortest = np.array(self.times), np.array(self._shortest)
        checks = []
        for a, first in enumerate(self._elements):
            for b, second in enumerate(self._elements[a:], start=a):
                # a pair that never came within reach has no distance to judge
                if np.isfinite(shortest[:, a, b]).any():
                    name, limit = f"distance {first}-{second}", fraction * self._contacts[a, b]
                    checks.append(_check(name, times, shortest[:, a, b], limit, "Å", above=False))
        return checks

    def isolation_check(self) -> Check:
        return _check("atoms without counter-ion", np.array(self.times), np.array(self._isolated), 0, "atoms")

    def contact_checks(self, limit: float) -> list[Check]:
        times, shares = np.array(self.times), np.array(self._touched)
        return [
            _check("contacts " + "-".join(pair), *_window_means(times, shares[:, k]), limit, "of atoms")
            for k, pair in enumerate(self._forbidden)
        ]

    def coordination_checks(self, limits: Gate) -> list[Check]:
        starts, means = _window_means(np.array(self.times), np.array(self._by_oxygen, dtype=float))
        checks = []
        for kind, element in enumerate(self._elements):
            numbers = means[:, self._kinds == kind]
            if element == "P" and "O" in self._elements:
                ordered = np.sort(numbers, axis=1)
                aside = int(_P_DEFECTS * ordered.shape[1])
                low, high = ordered[:, aside], ordered[:, -1 - aside]
                least, most = limits.min_P_coordination, limits.max_P_coordination
                checks.append(_check("P coordination, lowest", starts, low, least, "O", above=False))
                checks.append(_check("P coordination, highest", starts, high, most, "O"))
            elif element in TRANSITION_METALS and "O" in self._elements:
                change = np.abs(numbers.mean(axis=1) - numbers[0].mean())
                limit = limits.max_coordination_change_TM
                checks.append(_check(f"{element} coordination change", starts, change, limit, "O"))
        return checks

    def series(self) -> dict[str, list[float]]:
        """Per frame: shortest distance in units of contact, mean coordination of P and of metals by O."""
        if not self.times:
            return {"time_ps": []}
        numbers = np.array(self._by_oxygen, dtype=float)
        series = {
            "time_ps": self.times,
            "min_distance_fraction": _rounded((np.array(self._shortest) / self._contacts).min(axis=(1, 2))),
        }
        for kind, element in enumerate(self._elements):
            if element == "P" or element in TRANSITION_METALS:
                series[f"{element}_coordination"] = _rounded(numbers[:, self._kinds == kind].mean(axis=1))
        return series


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]
