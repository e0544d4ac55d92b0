"""The figures of transport against temperature, of sites and jumps, and of heterogeneous motion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter

from .numbers import quantity
from .style import WIDTH_IN, canvas, log_axis, to_svg

_COLUMNS = 3


@dataclass(frozen=True)
class Lines:
    """What a panel of `arrhenius` shows of one structure: `points` (T in K, value, low, high, open symbol?), `bounds`
    from above (T, value), and `lines` with their 95 % bands (T, value, low, high), each an array over T.
    """

    points: Sequence[tuple[float, float, float, float, bool]] = ()
    bounds: Sequence[tuple[float, float]] = ()
    lines: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = ()


def arrhenius(panels: Mapping[str, Mapping[str, Lines]], shade: Mapping[str, str], linear: Sequence[str] = ()) -> bytes:
    """Small multiples {quantity: {structure: what is known}} against 1000/T, with T on the upper axis.

    Bars and bands are of 95 %; upper bounds are arrows. The panels in `linear` have a linear axis.
    """
    columns = 2 if len(panels) in (2, 4) else min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    width = WIDTH_IN * max(columns, 1.4) / _COLUMNS
    with canvas(rows, columns, height=0.3 + 2.7 * rows, width=width) as (figure, axes):
        for axis, (title, structures) in zip(axes, panels.items(), strict=False):
            for name, known in structures.items():
                _draw(axis, known, shade[name])
            axis.set_title(title)
            axis.set_xlabel("1000/T (1/K)")
            if title not in linear:
                log_axis(axis, "y")
                axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
            axis.margins(x=0.06)
            upper = axis.secondary_xaxis("top", functions=(_inverse, _inverse))
            upper.set_xlabel("T (K)")
            seen = [entry[0] for known in structures.values() for entry in (*known.points, *known.bounds)]
            upper.set_xticks(_ticks(sorted(seen)))
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        named = list(dict.fromkeys(name for structures in panels.values() for name in structures))
        handles = [plt.Line2D([], [], color=shade[name], marker="o", markersize=4, label=name) for name in named]
        figure.legend(handles=handles, loc="outside upper left", ncols=min(6, len(named)))
        return to_svg(figure)


def _draw(axis, known: Lines, color: str) -> None:
    for kelvin, value, low, high in known.lines:
        axis.fill_between(1000 / kelvin, low, high, color=color, alpha=0.18, linewidth=0)
        axis.plot(1000 / kelvin, value, color=color, linewidth=1.1)
    for kelvin, value, low, high, hollow in known.points:
        face = "white" if hollow else color
        axis.errorbar([1000 / kelvin], [value], [[value - low], [high - value]], color=color, marker="o",
                      markersize=4.5, markerfacecolor=face, linewidth=1.0)  # fmt: skip
    for kelvin, value in known.bounds:
        axis.plot([1000 / kelvin], [value], color=color, marker="v", markersize=5, markerfacecolor="white")


def _power(value: float) -> str:
    """``10⁻¹¹`` and ``2 × 10⁻¹¹``."""
    return quantity(value, None).removeprefix("1 × ")


def _inverse(x: np.ndarray) -> np.ndarray:
    """1000/x in both directions; 0 where matplotlib asks for what is not on the axis."""
    x = np.asarray(x, dtype=float)
    return np.divide(1000.0, x, out=np.zeros_like(x), where=x > 0)


def _ticks(kelvin: Sequence[float]) -> list[float]:
    """Round temperatures of the runs, not closer than their labels are wide."""
    shown: list[float] = []
    for value in sorted({float(f"{each:.2g}") for each in kelvin}, reverse=True):
        if not shown or 1000 / value - 1000 / shown[-1] > 0.12 * (1000 / kelvin[0] - 1000 / kelvin[-1] + 1e-9):
            shown.append(value)
    return shown
