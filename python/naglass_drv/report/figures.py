"""The figures of structure and motion. Each function takes plain arrays and returns one SVG."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from .style import GUIDE, WIDTH_IN, canvas, element_color, log_axis, to_svg

Curve = tuple[np.ndarray, np.ndarray]
"""Mean and standard error; where the error is NaN it is not drawn."""
Overlays = Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]]
"""Abscissa, mean and standard error by panel and run."""


def overlays(
    panels: Overlays,
    shade: Mapping[str, str],
    *,
    xlabel: str,
    ylabel: str,
    guide: float | None = None,
    limit: float | None = None,
    limit_label: str = "",
    top: float | None = None,
    logarithmic: bool = False,
) -> bytes:
    """Small multiples, {panel: {run: (x, mean, standard error)}}: one line per run in its `shade`, with error bands.

    `guide` is drawn as a horizontal line; `top` limits the y axis. The range above `limit` is shaded because it shows
    the periodicity of the cell; above twice `limit` atoms see their own images, and these peaks do not set the scale.
    """
    runs = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    columns = min(4 if len(panels) % 4 == 0 else 3, len(panels))
    rows = -(-len(panels) // columns)
    height = 0.95 + 1.4 * rows
    with canvas(rows, columns, height=height, fitted=False) as (figure, axes):
        figure.subplots_adjust(
            left=0.09, right=0.98, top=1 - 0.52 / height, bottom=0.55 / height, wspace=0.24, hspace=0.5
        )
        for axis, (title, lines) in zip(axes, panels.items(), strict=False):
            for name, (x, mean, err) in lines.items():
                shown = x > 0 if logarithmic else np.ones(len(x), dtype=bool)
                _band(axis, x[shown], mean[shown], err[shown], shade[name])
                axis.plot(x[shown], mean[shown], color=shade[name], linewidth=1.1)
            axis.set_title(title.replace("-", "\N{EN DASH}"))
            axis.margins(x=0)
            if guide is not None:
                axis.axhline(guide, color=GUIDE, linewidth=0.7, zorder=0)
            if logarithmic:
                log_axis(axis, "x")
                log_axis(axis, "y")
            elif top is not None:
                axis.set_ylim(0, min(top, axis.get_ylim()[1]))
            if limit is not None and limit < axis.get_xlim()[1]:
                axis.axvspan(limit, axis.get_xlim()[1], color="#EDEDED", linewidth=0, zorder=0)
                highest = [mean[x < 1.95 * limit].max(initial=1.2) for x, mean, _ in lines.values()]
                axis.set_ylim(0, 1.12 * max(highest))
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        handles = [plt.Line2D([], [], color=shade[name], label=name) for name in runs]
        if len(runs) > 1:
            figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.08, 1.0), ncols=min(5, len(runs)))
        note = f"   ({limit_label})" if limit is not None else ""
        figure.supxlabel(xlabel + note, fontsize=9, y=0.06 / height)
        figure.supylabel(ylabel, fontsize=9, x=0.005)
        return to_svg(figure)


def coordination(
    shells: Mapping[str, Mapping[str, Curve]], labels: Mapping[str, str], shade: Mapping[str, str]
) -> bytes:
    """Distribution of coordination numbers, {pair: {run: shares from 0 up}}: one panel per pair, one bar per run."""
    runs = list(dict.fromkeys(name for groups in shells.values() for name in groups))
    columns = min(3, len(shells))
    rows = -(-len(shells) // columns)
    with canvas(rows, columns, height=0.7 + 1.7 * rows, width=WIDTH_IN * columns / 3, sharey=True) as (figure, axes):
        for axis, (pair, groups) in zip(axes, shells.items(), strict=False):
            seen = np.concatenate([np.flatnonzero(share > 0) for share, _ in groups.values()])
            numbers = np.arange(max(0, seen.min() - 1), seen.max() + 2)
            for k, (name, (share, err)) in enumerate(groups.items()):
                heights, spread = (_on_grid(values, numbers) for values in (share, err))
                at = numbers + (k - (len(groups) - 1) / 2) * 0.8 / len(groups)
                axis.bar(at, np.nan_to_num(heights), yerr=_shown(spread), width=0.75 / len(groups), color=shade[name],
                         ecolor="black", error_kw={"elinewidth": 0.8})  # fmt: skip
            axis.set_title(labels[pair])
            axis.set_xlabel("neighbors")
            axis.set_xticks(numbers)
            axis.grid(axis="x", visible=False)
            axis.set_ylim(0, 1.05)
        for axis in axes[len(shells) :]:
            axis.set_visible(False)
        for axis in axes[::columns]:
            axis.set_ylabel("share of centers")
        if len(runs) > 1:
            handles = [plt.Rectangle((0, 0), 1, 1, color=shade[name], label=name) for name in runs]
            figure.legend(handles=handles, loc="outside upper left", ncols=min(5, len(runs)))
        return to_svg(figure)


def _on_grid(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Values by coordination number, NaN if there is none."""
    padded = np.full(max(len(values), numbers[-1] + 1), np.nan)
    padded[: len(values)] = values
    return padded[numbers]


def grouped_bars(
    categories: Sequence[str], groups: Mapping[str, Curve], shade: Mapping[str, str], *, ylabel: str, xlabel: str = ""
) -> bytes:
    """Shares per category, one bar per group (a structure or a trajectory), with error bars."""
    with canvas(height=2.4) as (figure, (axis,)):
        width = 0.8 / len(groups)
        for k, (name, (share, err)) in enumerate(groups.items()):
            at = np.arange(len(categories)) + (k - (len(groups) - 1) / 2) * width
            axis.bar(at, share, yerr=_shown(err), width=0.92 * width, color=shade[name], ecolor="black", label=name)
        axis.set_xticks(np.arange(len(categories)), categories)
        axis.set_ylabel(ylabel)
        axis.set_xlabel(xlabel)
        axis.set_ylim(bottom=0)
        axis.grid(axis="x", visible=False)
        if len(groups) > 1:
            axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return to_svg(figure)


def hops(
    runs: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], spans: Sequence[tuple[float, float]],
    shade: Mapping[str, str],
) -> bytes:  # fmt: skip
    """Hops of each run, (time in ps, length in Å, returned); the axis covers the `spans` (ps) of the trajectories.

    Hops back to a previous site are open circles.
    """
    with canvas(height=2.3) as (figure, (axis,)):
        for name, (time, length, returned) in runs.items():
            faces = [("none" if back else shade[name]) for back in returned]
            axis.scatter(time, length, s=18, facecolors=faces, edgecolors=shade[name])
            axis.scatter([], [], s=18, color=shade[name], label=f"{name}: {len(time)}")
        axis.scatter([], [], s=18, facecolors="none", edgecolors="black", label="back to a previous site")
        axis.set_xlabel("time (ps)")
        axis.set_ylabel("length (Å)")
        axis.set_xlim(min(start for start, _ in spans), max(end for _, end in spans))
        axis.set_ylim(0, 1.15 * max(length.max(initial=1.0) for _, length, _ in runs.values()))
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return to_svg(figure)


def structure_view(
    positions: np.ndarray, symbols: Sequence[str], polyhedra: Sequence[tuple[str, np.ndarray]], cell: np.ndarray
) -> bytes:
    """The cell viewed along z: atoms as discs, coordination polyhedra as tinted hulls, fading with depth.

    `positions` (N, 3) and `cell` (3, 3) in Å; `polyhedra` are (element of the center, corners (n, 3) in Å).
    """
    top, depth = positions[:, 2].max(), np.ptp(positions[:, 2]) or 1.0
    with canvas(height=4.2, width=4.6) as (figure, (axis,)):
        for element, corners in polyhedra:
            _draw_hull(axis, corners, element_color(element))
        atoms = list(zip(positions, symbols, strict=True))
        for at, symbol in atoms + [(corner, "O") for _, corners in polyhedra for corner in corners]:
            paler = min(max(0.6 * (top - at[2]) / depth, 0.0), 0.75)
            _draw_atom(axis, at, symbol, paler)
        outline = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) @ cell[:2, :2]
        axis.plot(*outline.T, color="black", linewidth=0.8, linestyle="--", zorder=top + 10)
        for symbol in dict.fromkeys(symbols):
            style = {"color": element_color(symbol), "edgecolor": "black", "linewidth": 0.4, "s": 40}
            axis.scatter([], [], label=symbol, **style)
        axis.autoscale_view()
        axis.set_aspect("equal")
        axis.set_xlabel("x (Å)")
        axis.set_ylabel("y (Å)")
        axis.grid(False)
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return to_svg(figure)


def _draw_hull(axis, corners: np.ndarray, color: str) -> None:
    from matplotlib.patches import Polygon
    from scipy.spatial import ConvexHull

    flat = corners[:, :2]
    style = {"facecolor": color, "edgecolor": color, "linewidth": 0.7, "alpha": 0.35}
    axis.add_patch(Polygon(flat[ConvexHull(flat).vertices], zorder=corners[:, 2].mean(), **style))


def _draw_atom(axis, at: np.ndarray, symbol: str, paler: float) -> None:
    from matplotlib.patches import Circle

    style = {"facecolor": _faded(element_color(symbol), paler), "edgecolor": "black", "linewidth": 0.35}
    axis.add_patch(Circle(at[:2], _RADIUS_A.get(symbol, 0.32), zorder=at[2], **style))


_RADIUS_A = {"O": 0.2, "P": 0.26, "Na": 0.5}


def _faded(color: str, amount: float) -> tuple[float, ...]:
    from matplotlib.colors import to_rgb

    return tuple(value + (1 - value) * amount for value in to_rgb(color))


def _band(axis, x: np.ndarray, mean: np.ndarray, err: np.ndarray, color: str) -> None:
    if np.isfinite(err).any():
        axis.fill_between(x, mean - err, mean + err, color=color, alpha=0.3, linewidth=0)


def _shown(err: np.ndarray) -> np.ndarray | None:
    return np.nan_to_num(err) if np.isfinite(err).any() else None
