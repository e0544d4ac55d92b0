"""The figures of transport against temperature, of sites and jumps, and of heterogeneous motion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter

from ..wording import with_error
from .style import GUIDE, WIDTH_IN, canvas, log_axis, to_svg

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
        _legend(figure, list(dict.fromkeys(name for some in panels.values() for name in some)), shade)
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
    return with_error(value, None).removeprefix("1 × ")


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


@dataclass(frozen=True)
class SiteMap:
    """Sites of one run: `density` (a, b) projected along c (1/Å²), `cell` (3, 3) and `sites` (S, 3) in Å, their
    `occupancy` (S,), and jumps `start` and `end` (jumps, 3) in Å.
    """

    density: np.ndarray
    cell: np.ndarray
    sites: np.ndarray
    occupancy: np.ndarray
    start: np.ndarray
    end: np.ndarray


def site_maps(maps: Mapping[str, SiteMap]) -> bytes:
    """One panel per run, seen along c: density in gray, sites as circles with an area by occupancy, jumps as lines
    whose width grows with their number.
    """
    columns = min(_COLUMNS, len(maps))
    rows = -(-len(maps) // columns)
    width = WIDTH_IN * max(columns, 1.4) / _COLUMNS
    with canvas(rows, columns, height=2.8 * rows, width=width) as (figure, axes):
        for axis, (name, shown) in zip(axes, maps.items(), strict=False):
            _site_map(axis, shown)
            axis.set_title(name)
        for axis in axes[len(maps) :]:
            axis.set_visible(False)
        return to_svg(figure)


def _site_map(axis, shown: SiteMap) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.transforms import Affine2D

    plane = shown.cell[:2, :2]
    into = Affine2D(np.array([[*plane.T[0], 0.0], [*plane.T[1], 0.0], [0.0, 0.0, 1.0]])) + axis.transData
    axis.imshow(shown.density.T, origin="lower", extent=(0, 1, 0, 1), cmap="Greys", transform=into, aspect="equal")
    inverse = np.linalg.inv(shown.cell)
    start, end, sites = ((each @ inverse)[:, :2] @ plane for each in (shown.start, shown.end, shown.sites))
    lines = np.round(np.stack([start, end], axis=1), 3)
    if len(lines):
        distinct, counts = np.unique(lines, axis=0, return_counts=True)
        widths = 0.3 + 1.5 * np.sqrt(counts / counts.max())
        axis.add_collection(LineCollection(list(distinct), linewidths=widths, colors="#D55E00", alpha=0.6))
    axis.scatter(*sites.T, s=30 * np.minimum(shown.occupancy, 1.5), facecolors="none", edgecolors="#0072B2",
                 linewidths=1.0, zorder=4)  # fmt: skip
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) @ plane
    axis.plot(*corners.T, color="black", linewidth=0.7, linestyle="--")
    margin = 0.05 * np.ptp(corners, axis=0).max()
    axis.set_xlim(corners[:, 0].min() - margin, corners[:, 0].max() + margin)
    axis.set_ylim(corners[:, 1].min() - margin, corners[:, 1].max() + margin)
    axis.set_xlabel("x (Å)")
    axis.set_ylabel("y (Å)")
    axis.grid(False)


def survival(
    runs: Mapping[str, tuple[np.ndarray, np.ndarray]], means: Mapping[str, float], shade: Mapping[str, str]
) -> bytes:
    """Share of stays that last longer than a time (ps) by run, as steps; dashed: exponentials of the `means` (ps)."""
    with canvas(height=2.4, width=0.75 * WIDTH_IN) as (figure, (axis,)):
        for name, (time, share) in runs.items():
            kept = share > 0
            axis.step(time[kept], share[kept], where="post", color=shade[name], label=name)
            if name in means:
                at = np.linspace(0, time[kept][-1], 50)
                axis.plot(at, np.exp(-at / means[name]), color=shade[name], linestyle="--", linewidth=0.9)
        log_axis(axis, "y")
        axis.set_xlabel("time at a site (ps)")
        axis.set_ylabel("share of stays\nthat last longer")
        axis.set_xlim(left=0)
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return to_svg(figure)


def rates(
    panels: Mapping[str, Mapping[str, Mapping[str, tuple[float, float, float]]]], shade: Mapping[str, str]
) -> bytes:
    """Small multiples {what: {run: {class: (rate, low, high) in 1/ps}}} with 95 % intervals, classes as they come."""
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    width = WIDTH_IN * (1.0 if columns > 1 else 0.6)
    with canvas(rows, columns, height=0.3 + 2.1 * rows, width=width) as (figure, axes):
        for axis, (title, runs) in zip(axes, panels.items(), strict=False):
            kinds = list(dict.fromkeys(kind for found in runs.values() for kind in found))
            for k, (name, found) in enumerate(runs.items()):
                at = [kinds.index(kind) + (k - (len(runs) - 1) / 2) * 0.7 / len(runs) for kind in found]
                value, low, high = np.array(list(found.values())).T
                axis.errorbar(at, value, [value - low, high - value], color=shade[name], marker="o", markersize=4,
                              linestyle="none", linewidth=1.0)  # fmt: skip
            axis.set_xticks(range(len(kinds)), kinds)
            axis.set_title(title)
            axis.set_ylabel("jumps per ion\nand time (1/ps)")
            axis.set_ylim(bottom=0)
            axis.grid(axis="x", visible=False)
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        _legend(figure, list(dict.fromkeys(name for runs in panels.values() for name in runs)), shade)
        return to_svg(figure)


def by_lag(
    panels: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]], shade: Mapping[str, str]
) -> bytes:
    """Small multiples {quantity: {run: (lag in ps, value, standard error)}} on a logarithmic axis of time."""
    with canvas(1, len(panels), height=2.5) as (figure, axes):
        for axis, (title, runs) in zip(axes, panels.items(), strict=True):
            for name, (lag, value, err) in runs.items():
                axis.fill_between(lag, value - err, value + err, color=shade[name], alpha=0.25, linewidth=0)
                axis.plot(lag, value, color=shade[name], linewidth=1.1)
            axis.axhline(0, color=GUIDE, linewidth=0.7, zorder=0)
            axis.set_title(title)
            axis.set_xlabel("lag time (ps)")
            log_axis(axis, "x")
        _legend(figure, list(dict.fromkeys(name for runs in panels.values() for name in runs)), shade)
        return to_svg(figure)


def _legend(figure, names: Sequence[str], shade: Mapping[str, str]) -> None:
    handles = [plt.Line2D([], [], color=shade[name], marker="o", markersize=4, label=name) for name in names]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(5, len(names)))
