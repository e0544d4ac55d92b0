"""The gates of a screening: what each asks, how an outcome is told, and what follows from several."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

#: Each gate by its key: what is done, and what passes.
GATES = {
    "G0": ("sanity", "forces within 1 meV/Å, stresses within 10⁻⁴ eV/Å³ of invariance and the slope of the energy"),
    "G1": ("pair curves", "one minimum or none, repulsion from 0.8 of its distance inward, no jump"),
    "G2": ("stretched bonds", "one minimum, stiffness without a kink of 0.5 eV/Å² or more"),
    "G3": ("errors on labels", "reported"),
    "G4-EV": ("energy against volume", "a minimum; volume within 3 % of the given one where positions relax"),
    "G4-cell": ("relaxed cells, moduli", "volume within 3 % of the given one, bond families of V kept"),
    "G4-phonons": ("phonons", "no imaginary mode below −1 THz"),
    "G5": ("motion", "energy kept to 1 meV/atom/ps, no contact below its limit, temperature under control, no failure"),
    "G6": ("the same melt-quench", "reported: artifacts, Qⁿ, coordination"),
    "G7": ("motion of Na", "reported: mean square displacement, D"),
    "G8": ("redox states by moments", "number of V⁴⁺ within 5 %"),
}
PASSED, FAILED, REPORTED, FAILURE, NOT_RUN = "passed", "failed", "reported", "failure", "not run"
_95 = 1.959964


def outcome(passed: bool | None, text: str, **numbers: Any) -> dict[str, Any]:
    """The outcome of a gate that was run; `passed` is None where nothing is decided."""
    return {"state": REPORTED if passed is None else PASSED if passed else FAILED, "text": text} | numbers


def not_run(reason: str, forecast_s: float | None = None) -> dict[str, Any]:
    """The outcome of a gate that was not run, with its forecast (s) if it could be."""
    return {"state": NOT_RUN, "text": reason} | ({} if forecast_s is None else {"forecast_s": forecast_s})


def wilson(count: int, total: int) -> tuple[float, float]:
    """95 % confidence interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953), for zero counts too."""
    if not total:
        return 0.0, 1.0
    share, z2 = count / total, _95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _95 * (share * (1 - share) / total + z2 / (4 * total**2)) ** 0.5 / (1 + z2 / total)
    low, high = middle - half, middle + half
    return (0.0 if count == 0 else low), (1.0 if count == total else high)


def not_dominated(rows: Mapping[str, Sequence[float]]) -> list[str]:
    """The names on the Pareto front: no other is at least as small in every column and smaller in one."""
    values = {name: np.asarray(row, dtype=float) for name, row in rows.items()}
    return [
        name
        for name, own in values.items()
        if not any((other <= own).all() and (other < own).any() for other in values.values())
    ]


def leader(intervals: Mapping[str, tuple[float, float]]) -> str | None:
    """The name whose 95 % interval lies below all others; None where any overlaps, or there is nothing to compare."""
    if len(intervals) < 2:
        return None
    best = min(intervals, key=lambda name: intervals[name][1])
    apart = all(intervals[best][1] < low for name, (low, _) in intervals.items() if name != best)
    return best if apart else None
