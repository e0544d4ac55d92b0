"""Shared by the sections on glasses and trajectories: what was measured by name, and warnings of the gate."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..analysis import quantities as analysis
from ..chemistry.notation import SUPERSCRIPT
from ..core.statistics import Average, average
from ..products import Quantity, read_quantities
from .material import Material
from .numbers import Notice
from .style import run_colors

_END = 0.05
_K_PER_S = 1e12
# quantities that runs of earlier versions did not measure
_ABSENT: dict[str, Any] = {"angles": {}, "density_is_set": False, "exchanged_bonds": {}}
Rows = Mapping[str, Quantity]


def all_measured(material: Material, needed: str | None = None) -> dict[str, Any]:
    """The numbers of every glass and trajectory by name; if `needed` is given, only those that have this entry."""
    found = {
        name: _ABSENT | material.json(f"analysis/{name}/numbers") for name in material.names("analysis", "numbers")
    }
    return {name: numbers for name, numbers in found.items() if needed is None or numbers.get(needed) is not None}


def quantities(material: Material) -> dict[str, Rows]:
    """The quantities of every glass, trajectory and set of labels, their subject: by its name, then by their keys."""
    found = {
        name: read_quantities(material.files[f"analysis/{name}/quantities"])
        for name in material.names("analysis", "quantities")
    }
    # earlier versions wrote no rows
    for name, numbers in all_measured(material).items():
        if name not in found:
            found[name] = analysis.quantities(name, numbers, material.arrays(f"analysis/{name}/curves"))
    for name in material.names("labels", "fingerprints"):
        if name not in found:
            found[name] = analysis.labeled(name, material.json(f"labels/{name}/fingerprints"))
    return {name: {row.key: row.of(name) for row in rows} for name, rows in found.items()}


def below(rows: Rows, key: str) -> dict[str, Quantity]:
    """The rows whose keys begin with `key` and a dot, by the rest of their keys."""
    return {row.key.removeprefix(f"{key}."): row for row in rows.values() if row.key.startswith(f"{key}.")}


def quench_end(series: Mapping[str, list[float]], key: str) -> Average:
    """Mean of a column of a quench over the last 5 % of its rows."""
    return average(np.array(last_part(series[key])))


def last_part(column: list[float]) -> list[float]:
    """The last 5 % of the rows of a quench."""
    return column[-max(2, round(_END * len(column))) :]


def warnings(material: Material) -> list[Notice]:
    """One line for each trajectory that did not pass the stability gate, for the top of a section."""
    return [
        Notice("bad", f"{name} did not pass the stability gate: its numbers below do not describe the material.")
        for name in material.names("md", "gate")
        if not material.json(f"md/{name}/gate")["stable"]
    ]


def same(told: Mapping[str, str]) -> Iterator[Notice]:
    """One note for all that the same is to be said of; nothing where nothing is."""
    for text in dict.fromkeys(told.values()):
        if text:
            yield Notice("note", text, ", ".join(name for name, own in told.items() if own == text))


def shades(material: Material) -> dict[str, str]:
    """The color of every glass and trajectory, the same in all figures of the report."""
    names = [material.names(*role) for role in (("analysis", "numbers"), ("md", "thermo"), ("glass", "quench"))]
    return run_colors(list(dict.fromkeys(name for some in names for name in some)))


def agreements(what: str, of: str, checked: Mapping[str, float | None]) -> list[Notice]:
    """Comparison of results computed during the runs and afterwards, `checked` by run; None means no check."""
    good = [name for name, share in checked.items() if share == 1.0]
    told = [
        Notice("bad", f"{name}: {what} computed on the fly during MD and {what} computed afterwards agree for only "
               f"{100 * share:.6g} % of {of}.")
        for name, share in checked.items() if share is not None and share != 1.0
    ]  # fmt: skip
    if good:
        text = f"{what} computed on the fly during MD and {what} computed afterwards agree for 100 % of {of}."
        told.append(Notice("good", f"{', '.join(good)}: {text}"))
    return told


def error_array(values: list) -> np.ndarray:
    """Standard errors as an array, NaN if there is none."""
    return np.array([np.nan if value is None else value for value in values])


def cooling(input: Mapping[str, Any]) -> str:
    """``, quenched at 4 × 10¹⁴ K/s``: a diffusion coefficient depends on it."""
    if not input.get("glass") or (input.get("md") or {}).get("structures", "glass") != "glass":
        return ""
    return f", quenched at {cooling_rate(input['glass'])}"


def cooling_rate(glass: Mapping[str, Any]) -> str:
    """``4 × 10¹⁴ K/s``."""
    rate = glass["quench_rate_K_per_ps"] * _K_PER_S
    power = int(np.floor(np.log10(rate)))
    return f"{rate / 10**power:.3g} × 10{str(power).translate(SUPERSCRIPT)} K/s"
