"""Section on temperature: Arrhenius lines of D and of the conductivity, and the Haven ratio."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..analysis.arrhenius import Line, Point
from ..analysis.layer_temperatures import of_layer
from ..analysis.phase import MELT
from ..analysis.temperatures import COEFFICIENTS, REPLICAS, lines_of, points_of
from ..products import Quantity
from . import figures_motion
from .figures_motion import Lines
from .material import Material
from .measured import all_measured, below, cooling, quantities
from .motion import bound_text
from .numbers import Figure, Fold, Notice, Section, Table
from .style import run_colors

_PANELS = {"D": "D (m²/s)", "nernst_einstein": "σT, Nernst–Einstein (S K/m)", "conductivity": "σT, Einstein (S K/m)"}
_HAVEN = "Haven ratio"
_STEPS = 40
Found = Mapping[str, Any]


def arrhenius(material: Material) -> Section | None:
    """D, σT and the Haven ratio of every structure against temperature, with a line where the runs carry one."""
    files = {name: material.json(f"analysis/{name}/arrhenius") for name in material.names("analysis", "arrhenius")}
    structures = {found["structure"]: found for found in files.values()}
    measured = all_measured(material, "transport")
    if not structures or not any(_has_several(found) for found in structures.values()):
        return None
    section = Section("Transport against temperature", "arrhenius")
    section.add(*_verdicts(structures, cooling(material.input)))
    shade = run_colors(list(structures))
    panels = {title: _lines(structures, word) for word, title in _PANELS.items()}
    panels |= {_HAVEN: _haven(structures, measured)}
    shown = {title: some for title, some in panels.items() if any(each.points or each.bounds for each in some.values())}
    if shown:
        caption = (
            "Bars: 95 % confidence intervals; open triangles: upper bounds (95 %) where the motion is not diffusive; "
            "open circles: supercooled melt. Lines: weighted fits of ln D and ln σT to 1/kT, with 95 % bands, within "
            "the temperatures of the fit."
        )
        section.add(Figure("arrhenius", figures_motion.arrhenius(shown, shade, [_HAVEN]), caption))
    rows = quantities(material)
    names = [*files, *(name for name in (f"{REPLICAS}-arrhenius",) if name in rows)]
    table = _table({name: list(rows.get(name, {}).values()) for name in names}, cooling(material.input))
    section.add(*table, Fold("Points of the lines", [_points_table(structures, cooling(material.input))]))
    return section


def _has_several(found: Found) -> bool:
    return len({round(point.temperature_K) for point in points_of(found, "D")}) > 1


def _lines(structures: Mapping[str, Found], word: str) -> dict[str, Lines]:
    panel = {}
    for name, found in structures.items():
        points = points_of(found, word)
        panel[name] = Lines(
            [
                (point.temperature_K, point.value, *_ends(point), point.state == MELT)
                for point in points
                if point.value is not None and point.value > 0
            ],
            [(point.temperature_K, point.upper) for point in points if point.upper is not None],
            [_curve(line) for line in lines_of(found, word).values()],
        )
    return panel


def _ends(point: Point) -> tuple[float, float]:
    return point.interval if point.interval is not None else (point.value or 0.0, point.value or 0.0)


def _curve(line: Line) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    kelvin = 1 / np.linspace(*(1 / np.array(line.within_K)), _STEPS)
    values = [line.at(float(each)) for each in kelvin]
    return (kelvin, np.array([value for value, _ in values]), *np.array([ends for _, ends in values]).T)


def _haven(structures: Mapping[str, Found], measured: Mapping[str, Found]) -> dict[str, Lines]:
    panel = {}
    for name, found in structures.items():
        own = [(point, _moved(found, measured[point.run])) for point in points_of(found, "D") if point.run in measured]
        panel[name] = Lines(
            [
                (point.temperature_K, moved["haven_ratio"], *moved["haven_ratio_interval"], point.state == MELT)
                for point, moved in own
                if moved.get("haven_ratio") is not None and moved.get("haven_ratio_interval") is not None
            ]
        )
    return panel


def _moved(found: Found, numbers: Found) -> Found:
    """The motion in one run of what the points are of: the whole cell, or a layer of it."""
    moved = of_layer(numbers, found["layer"]) if "layer" in found else None
    return numbers["transport"] if moved is None else moved


def _verdicts(structures: Mapping[str, Found], quenched: str) -> Iterator[Notice]:
    """What has a line, why the others have none, and the bounds that lie below a line."""
    good, lacking, below_line = [], [], []
    for name, found in structures.items():
        for state, fit in found["lines"]["D"]["states"].items():
            if fit["line"] is None:
                left = f" (none: {', '.join(fit['left_out'])})" if fit["left_out"] else ""
                lacking.append(f"{name}, {state}: {fit['reason']}{left}")
                continue
            low, high = fit["line"]["within_K"]
            without = f", without {', '.join(fit['left_out'])}" if fit["left_out"] else ""
            good.append(f"{name}, {state}: {low:.0f} to {high:.0f} K{without}")
            below_line += fit["bounds_below_the_line"]
    ion = next(iter(structures.values()))["ion"]
    if good:
        yield Notice("good", f"{'; '.join(good)}.", f"Arrhenius line of D of {ion}{quenched}.")
    if lacking:
        yield Notice("note", f"{'; '.join(lacking)}.", f"No Arrhenius line of D of {ion}{quenched}.")
    if below_line:
        text = "D is below what the line gives there: the line holds only for the runs that it was fitted to."
        yield Notice("note", text, f"{', '.join(below_line)}.")


def _table(rows: Mapping[str, list[Quantity]], quenched: str) -> Iterator[Table]:
    """One row per line: its structure, energy, prefactor, χ², and the value at 300 K."""
    found = []
    for own in rows.values():
        by_key = {row.key: row for row in own}
        for key in dict.fromkeys(row.key.rpartition(".")[0] for row in own):
            head, state, word = key.rsplit(".", 2)
            entries, structure = below(by_key, key), head.removeprefix("arrhenius.")
            cells = [entries.get(entry, "–") for entry in ("E_a", "prefactor", "chi2", "at_300K")]
            found.append([structure, state, COEFFICIENTS[word][0], *cells])
    if found:
        head = ("structure", "state", f"coefficient{quenched}", "activation energy", "prefactor", "χ²",
                "at 300 K, by the line")  # fmt: skip
        caption = (
            "± one standard error; 95 %: confidence interval. Errors are those of the runs, which are not scaled by "
            "the scatter about the line; the mean over glasses has that of their spread. A value at 300 K is an "
            "extrapolation: its interval holds if the line does."
        )
        yield Table(head, found, caption)


def _points_table(structures: Mapping[str, Found], quenched: str) -> Table:
    rows = []
    for found in structures.values():
        for point in points_of(found, "D"):
            run, key = point.run, f"arrhenius.point.{point.run}"
            if "layer" in found:
                run, key = f"{run}, {found['layer']}", f"{key}.{found['layer']}"
            if point.value is not None:
                label = f"D of {found['ion']}{quenched}, {run}"
                cell: Quantity | str = Quantity(
                    f"{key}.D", label, point.value, "m²/s", point.err, interval=point.interval
                )
            else:
                cell = f"{point.reason}{bound_text({'D_m2_per_s_upper': point.upper})}"
            rows.append([run, f"{point.temperature_K:.1f} K", point.state, cell])
    return Table(("run", "mean temperature", "state", f"D{quenched}"), rows)
