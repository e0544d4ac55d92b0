"""When a loop of learning may stop: four criteria on a round and the one before it.

They are those of active learning in use: few environments left to select, an error that no longer changes, a structure
that no longer changes, and no frame beyond the upper bound.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, variance
from typing import Any

from ..wording import digits, with_error

_FEWEST = 2


@dataclass(frozen=True)
class RoundFacts:
    """What a round has shown: `uncertainties` of its trajectories by label, and the `errors` of its model on frames
    that were held out, or of the mean of a committee (None if there were none).
    """

    uncertainties: Mapping[str, Mapping[str, Any]]
    errors: Mapping[str, Any] | None

    @property
    def uncertain_percent(self) -> float:
        """Share of all environments that the trajectories met whose calibrated deviation is above the least one."""
        met = sum(each["environments"] for each in self.uncertainties.values())
        return 100.0 * sum(each["uncertain_environments"] for each in self.uncertainties.values()) / max(met, 1)


def criteria(now: RoundFacts, before: RoundFacts, stop: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each criterion: ``name``, whether it is ``met``, and the numbers in ``words``."""
    found = [
        _uncertain(now, before, stop["uncertain_percent"]),
        _error(now, before, stop["error_change_percent"]),
        _structure(now, before),
        _bounded(now),
    ]
    return [{"name": name, "met": met, "words": words} for name, met, words in found]


def _uncertain(now: RoundFacts, before: RoundFacts, limit: float) -> tuple[str, bool, str]:
    name, values = "uncertain environments", [now.uncertain_percent]
    if before.uncertainties:
        values.insert(0, before.uncertain_percent)
    shown = " and then ".join(f"{digits(value, 2)} %" for value in values)
    met = len(values) == 2 and max(values) < limit
    return name, met, f"{shown} of the environments uncertain, {limit:g} % allowed in two rounds"


def _error(now: RoundFacts, before: RoundFacts, limit: float) -> tuple[str, bool, str]:
    name, key = "held-out error", "forces_rmse_meV_per_A"
    if now.errors is None or before.errors is None:
        return name, False, "no held-out force error of two rounds to compare"
    old, new = before.errors[key], now.errors[key]
    change = 100.0 * (new - old) / old
    shown = " and then ".join(_with_error(each, key) for each in (before.errors, now.errors))
    words = f"held-out force error {shown} meV/Å ({change:+.0f} %), {limit:g} % allowed"
    return name, abs(change) < limit, words


def _with_error(errors: Mapping[str, Any], key: str) -> str:
    err = errors.get(f"{key}_err")
    return f"{errors[key]:.0f}" if err is None else with_error(errors[key], err)


def _structure(now: RoundFacts, before: RoundFacts) -> tuple[str, bool, str]:
    """No mean over replicas at one temperature differs by more than twice its standard error, one in twenty aside."""
    name, compared = "structure", []
    old = _replicas(before)
    for key, values in _replicas(now).items():
        if len(values) >= _FEWEST and len(old.get(key, ())) >= _FEWEST:
            compared.append((key, _differ(values, old[key])))
    if not compared:
        return name, False, f"no quantity from {_FEWEST} replicas in two rounds to compare"
    changed = sorted({key.rpartition("/")[2] for key, differs in compared if differs})
    allowed = len(compared) // 20
    met = sum(differs for _, differs in compared) <= allowed
    what = f"{', '.join(changed)} changed" if changed else "none changed"
    return name, met, f"of {len(compared)} structural quantities {what} by more than two standard errors"


def _replicas(facts: RoundFacts) -> dict[str, list[float]]:
    """The values of every structural quantity over trajectories of one system at one temperature."""
    found: dict[str, list[float]] = {}
    for label, each in facts.uncertainties.items():
        system = label.rpartition("/")[0]
        for quantity, value in each.get("structure", {}).items():
            found.setdefault(f"{system}/{each['temperature_K']:g} K/{quantity}", []).append(value)
    return found


def _differ(first: Sequence[float], second: Sequence[float]) -> bool:
    error = math.sqrt(variance(first) / len(first) + variance(second) / len(second))
    return abs(mean(first) - mean(second)) > 2 * error + 1e-9


def _bounded(now: RoundFacts) -> tuple[str, bool, str]:
    reached = [label for label, each in now.uncertainties.items() if each["reached_most"]]
    count = len(now.uncertainties)
    words = f"{len(reached)} of {count} trajectories reached the upper bound of the deviation"
    return "upper bound", bool(count) and not reached, words
