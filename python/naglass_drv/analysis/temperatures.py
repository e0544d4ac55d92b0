"""Transport of one structure at all its temperatures: what is put on Arrhenius lines, and the lines as rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from ..products import Quantity
from .arrhenius import Arrhenius, Line, Point, by_structure_and_state, contradicting, over_structures
from .phase import MELT, phase

#: What has a line: the word of its keys, then its name and unit; conductivities enter as σT.
COEFFICIENTS = {
    "D": ("self-diffusion", "m²/s"),
    "nernst_einstein": ("conductivity without correlations (Nernst–Einstein)", "S K/m"),
    "conductivity": ("conductivity with correlations (Einstein)", "S K/m"),
}
#: What lines of several glasses that were made alike are called.
REPLICAS = "replicas"
_SHOWN_AT_K = 300.0
_SOLID = "solid"
Runs = Mapping[str, Mapping[str, Any]]


def temperatures(structure: str, runs: Runs, quench_rate_K_per_s: float | None) -> dict[str, Any] | None:
    """Points and lines of each coefficient of one structure, from what `measure` found in its runs, by their names.

    The result is of JSON types. A structure that was not quenched here is not called a glass. None without a run whose
    transport was measured.
    """
    moved = {
        run: numbers
        for run, numbers in runs.items()
        if numbers.get("transport") is not None and "temperature_K" in numbers
    }
    if not moved:
        return None
    found: dict[str, Any] = {"structure": structure, "quench_rate_K_per_s": quench_rate_K_per_s, "lines": {}}
    found["ion"] = next(iter(moved.values()))["transport"]["ion"]
    for word in COEFFICIENTS:
        points = [_point(word, structure, run, numbers, quench_rate_K_per_s) for run, numbers in moved.items()]
        fits = by_structure_and_state(points)
        found["lines"][word] = {
            "points": [asdict(point) for point in points],
            "states": {state: _as_json(fit, points) for (_, state), fit in fits.items()},
        }
    return found


def points_of(found: Mapping[str, Any], word: str) -> list[Point]:
    """The points of a coefficient, from what `temperatures` gives."""
    return [Point(**point) for point in found["lines"][word]["points"]]


def lines_of(found: Mapping[str, Any], word: str) -> dict[str, Line]:
    """The lines of a coefficient by state, from what `temperatures` gives."""
    states = found["lines"][word]["states"]
    return {state: Line(**fit["line"]) for state, fit in states.items() if fit["line"] is not None}


def rows(found: Mapping[str, Any]) -> Iterator[Quantity]:
    """The lines of a structure as rows: energy, prefactor, χ², and the value that they give at 300 K."""
    structure, rate = found["structure"], found["quench_rate_K_per_s"]
    conditions = {} if rate is None else {"quench_rate_K_per_s": rate}
    for word, (name, unit) in COEFFICIENTS.items():
        for state, line in lines_of(found, word).items():
            key, of = f"arrhenius.{structure}.{_word(state)}.{word}", f"{name} of {found['ion']}, {state}"
            for row in _of_line(key, of, unit, line):
                yield replace(row, conditions={**conditions, **row.conditions})


def _of_line(key: str, of: str, unit: str, line: Line) -> Iterator[Quantity]:
    yield _energy(f"{key}.E_a", of, line.energy_eV, line.energy_err, line.energy_interval)
    err = line.covariance[0][0] ** 0.5 * line.prefactor
    yield Quantity(f"{key}.prefactor", f"prefactor of the {of}", line.prefactor, unit, err,
                   interval=list(line.prefactor_interval))  # fmt: skip
    yield Quantity(f"{key}.chi2", f"χ² of the {of}", line.chi2, "1", note=f"{line.freedom} degrees of freedom")
    if line.allows(_SHOWN_AT_K):
        value, interval = line.at(_SHOWN_AT_K)
        label, why = f"{of}, at {_SHOWN_AT_K:g} K by its line", "only as an interval"
        yield Quantity(f"{key}.at_{_SHOWN_AT_K:g}K", label, value, unit, note=why, interval=list(interval),
                       conditions={"temperature_K": _SHOWN_AT_K})  # fmt: skip


def mean_rows(all_found: Sequence[Mapping[str, Any]]) -> Iterator[Quantity]:
    """Mean energies over glasses of one quench rate, with the errors of their spread; nothing for fewer than two."""
    quenched = [found for found in all_found if found["quench_rate_K_per_s"] is not None]
    if not quenched:
        return
    conditions = {"quench_rate_K_per_s": quenched[0]["quench_rate_K_per_s"]}
    for word, (name, _) in COEFFICIENTS.items():
        lines = [lines_of(found, word) for found in quenched]
        for state in dict.fromkeys(state for each in lines for state in each):
            own = [each[state] for each in lines if state in each]
            if (mean := over_structures(own)) is not None:
                of = f"{name} of {quenched[0]['ion']}, {state}, mean over {len(own)} glasses"
                key = f"arrhenius.{REPLICAS}.{_word(state)}.{word}.E_a"
                yield replace(_energy(key, of, *mean), conditions=conditions)


def _energy(key: str, of: str, value: float, err: float, interval: tuple[float, float]) -> Quantity:
    return Quantity(key, f"activation energy of the {of}", value, "eV", err, interval=list(interval))


def _point(word: str, structure: str, run: str, numbers: Mapping[str, Any], rate: float | None) -> Point:
    moved, kelvin = numbers["transport"], numbers["temperature_K"]
    state = phase(numbers)
    if rate is None and state != MELT:
        state = _SOLID
    key, factor, reason = (
        ("D_m2_per_s", 1.0, moved["reason"])
        if word == "D"
        else (f"{word}_S_per_m", kelvin, moved.get("conductivity_reason") or moved["reason"])
    )
    value, err, interval = (moved.get(each) for each in (key, f"{key}_err", f"{key}_interval"))
    return Point(
        run, structure, kelvin, state,
        None if value is None else factor * value,
        None if err is None else factor * err,
        None if interval is None else (factor * interval[0], factor * interval[1]),
        moved.get(f"{key}_upper"), reason, rate,
    )  # fmt: skip


def _as_json(fit: Arrhenius, points: Sequence[Point]) -> dict[str, Any]:
    below = [] if fit.line is None else list(contradicting(fit.line, points))
    line = None if fit.line is None else asdict(fit.line)
    return {"line": line, "reason": fit.reason, "left_out": dict(fit.left_out), "bounds_below_the_line": below}


def _word(state: str) -> str:
    """In a key: ``melt`` for the supercooled melt."""
    return state.rpartition(" ")[2]
