"""The figures of structure and motion. Each function takes plain arrays and gives one SVG."""

from collections.abc import Mapping, Sequence

import numpy as np

from .style import ELEMENT_COLOURS, GUIDE, PALETTE, canvas, colours, log_axis, to_svg

Curve = tuple[np.ndarray, np.ndarray]
"""Mean and standard error; the error may hold NaN, and is then not drawn."""


def partial_grid(
    x: np.ndarray,
    curves: Mapping[str, Curve],
    *,
    xlabel: str,
    ylabel: str,
    limit: float | None = None,
    limit_label: str = "",
) -> bytes:
    """Small multiples, one panel per pair of elements, with error bands and a line at 1.

    Beyond the abscissa `limit`, which is shaded, the cell's own periodicity shows; from twice `limit` on
    atoms see their own images, whose peaks do not set the scale.
    """
    limited = limit is not None and limit < x[-1]
    columns = 3
    rows = -(-len(curves) // columns)
    height = 0.6 + 1.45 * rows
    with canvas(rows, columns, height=height, fitted=False, sharex=True) as (figure, axes):
        figure.subplots_adjust(
            left=0.09, right=0.99, top=1 - 0.25 / height, bottom=0.6 / height, wspace=0.22, hspace=0.42
        )
        for axis, (name, (mean, err)) in zip(axes, curves.items(), strict=False):
            colour = ELEMENT_COLOURS.get(name.split("-")[0], PALETTE[0])
            axis.axhline(1, color=GUIDE, linewidth=0.7)
            _band(axis, x, mean, err, colour)
            axis.plot(x, mean, color=colour, linewidth=1.2)
            axis.set_title(name.replace("-", "\N{EN DASH}"))
            axis.margins(x=0)
            if limited:
                axis.axvspan(limit, x[-1], color="#EDEDED", linewidth=0, zorder=0)
                axis.set_ylim(0, 1.12 * max(mean[x < 1.95 * limit].max(), 1.2))
        for axis in axes[len(curves) :]:
            axis.set_visible(False)
        for axis in axes[max(0, len(curves) - columns) : len(curves)]:
            axis.tick_params(labelbottom=True)
        note = f"   ({limit_label})" if limited else ""
        figure.supxlabel(xlabel + note, fontsize=9, y=0.08 / height)
        figure.supylabel(ylabel, fontsize=9, x=0.005)
        return to_svg(figure)


def total_structure_factors(q: np.ndarray, totals: Mapping[str, Curve]) -> bytes:
    """Weighted total structure factors, one above the other."""
    with canvas(len(totals), 1, height=0.5 + 1.7 * len(totals), sharex=True) as (figure, axes):
        for axis, (name, (mean, err)), colour in zip(axes, totals.items(), PALETTE, strict=False):
            axis.axhline(1, color=GUIDE, linewidth=0.7)
            _band(axis, q, mean, err, colour)
            axis.plot(q, mean, color=colour, marker=".", markersize=2.5, linewidth=1.0)
            axis.set_title(name)
            axis.set_ylabel("S(Q)")
            axis.set_xlim(0, q[-1])
        axes[-1].set_xlabel("Q (1/Å)")
        return to_svg(figure)


def coordination(shells: Mapping[str, Curve], labels: Mapping[str, str]) -> bytes:
    """Distribution of coordination numbers, one panel per pair; `shells` holds shares from 0 up."""
    columns = min(3, len(shells))
    rows = -(-len(shells) // columns)
    with canvas(rows, columns, height=0.4 + 1.9 * rows, width=2.4 * columns, sharey=True) as (figure, axes):
        for axis, (pair, (share, err)) in zip(axes, shells.items(), strict=False):
            seen = np.flatnonzero(share > 0)
            low, high = max(0, seen.min() - 1), seen.max() + 1
            numbers = np.arange(low, high + 1)
            padded = np.zeros(high + 1)
            padded[: min(len(share), high + 1)] = share[: high + 1]
            spread = np.full(high + 1, np.nan)
            spread[: min(len(err), high + 1)] = err[: high + 1]
            spread[padded == 0] = np.nan
            axis.bar(
                numbers,
                padded[low:],
                yerr=_shown(spread[low:]),
                width=0.8,
                color=ELEMENT_COLOURS.get(pair.split("-")[0], PALETTE[0]),
                ecolor="black",
            )
            axis.set_title(labels[pair])
            axis.set_xlabel("neighbours")
            axis.set_xticks(numbers)
            axis.grid(axis="x", visible=False)
            axis.set_ylim(0, 1.05)
        for axis in axes[len(shells) :]:
            axis.set_visible(False)
        for axis in axes[::columns]:
            axis.set_ylabel("share of centres")
        return to_svg(figure)


def grouped_bars(
    categories: Sequence[str], groups: Mapping[str, Curve], *, ylabel: str, xlabel: str = "", tilt: float = 0
) -> bytes:
    """Shares per category, one bar per group (a structure or a trajectory), with error bars."""
    with canvas(height=2.7 if not tilt else 3.3) as (figure, (axis,)):
        width = 0.8 / len(groups)
        for k, ((name, (share, err)), colour) in enumerate(zip(groups.items(), PALETTE * 9, strict=False)):
            at = np.arange(len(categories)) + (k - (len(groups) - 1) / 2) * width
            axis.bar(at, share, yerr=_shown(err), width=0.92 * width, color=colour, ecolor="black", label=name)
        axis.set_xticks(np.arange(len(categories)), categories, rotation=tilt, ha="right" if tilt else "center")
        axis.set_ylabel(ylabel)
        axis.set_xlabel(xlabel)
        axis.set_ylim(bottom=0)
        axis.grid(axis="x", visible=False)
        if len(groups) > 1:
            axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return to_svg(figure)


def mean_square_displacement(
    time: np.ndarray, groups: Mapping[str, Curve], window: tuple[float, float] | None
) -> bytes:
    """MSD against lag on logarithmic axes, with guides of slope 2 and 1; D was fitted in `window` (ps)."""
    shade = colours(list(groups))
    with canvas(height=3.4, width=5.4) as (figure, (axis,)):
        lags = time > 0
        for name, (mean, err) in groups.items():
            lower = np.maximum(mean - err, 1e-3 * mean)
            axis.fill_between(
                time[lags],
                lower[lags],
                (mean + err)[lags],
                color=shade[name],
                alpha=0.25,
                linewidth=0,
                where=np.isfinite(err[lags]),
            )
            axis.plot(time[lags], mean[lags], color=shade[name], label=name)
        if window is not None:
            axis.axvspan(*window, color="#DDDDDD", alpha=0.6, linewidth=0, label="fit of D")
        _slope_guides(axis, time[lags], max((mean[lags] for mean, _ in groups.values()), key=lambda y: y[-1]))
        log_axis(axis, "x")
        log_axis(axis, "y")
        axis.set_xlabel("lag time (ps)")
        axis.set_ylabel("mean square displacement (Å²)")
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return to_svg(figure)


def hops(time: np.ndarray, length: np.ndarray, returned: np.ndarray) -> bytes:
    """Length (Å) of each hop against its time (ps); hops that lead back to a former site are open circles."""
    with canvas(height=2.6, width=5.4) as (figure, (axis,)):
        for back, face, label in ((False, PALETTE[0], "to a new site"), (True, "none", "back")):
            chosen = returned == back
            axis.scatter(time[chosen], length[chosen], s=18, facecolors=face, edgecolors=PALETTE[0], label=label)
        axis.set_xlabel("time (ps)")
        axis.set_ylabel("length (Å)")
        axis.set_ylim(bottom=0)
        axis.legend()
        return to_svg(figure)


def structure_view(
    positions: np.ndarray, symbols: Sequence[str], polyhedra: Sequence[tuple[str, np.ndarray]], cell: np.ndarray
) -> bytes:
    """The cell seen along z: atoms as discs, coordination polyhedra as tinted hulls; the deeper, the paler.

    `positions` (N, 3) and `cell` (3, 3) in Å; `polyhedra` are (element of the centre, corners (n, 3) in Å).
    """
    top, depth = positions[:, 2].max(), np.ptp(positions[:, 2]) or 1.0
    with canvas(height=4.2, width=4.6) as (figure, (axis,)):
        for element, corners in polyhedra:
            _draw_hull(axis, corners, _colour(element))
        atoms = list(zip(positions, symbols, strict=True))
        for at, symbol in atoms + [(corner, "O") for _, corners in polyhedra for corner in corners]:
            paler = min(max(0.6 * (top - at[2]) / depth, 0.0), 0.75)
            _draw_atom(axis, at, symbol, paler)
        outline = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) @ cell[:2, :2]
        axis.plot(*outline.T, color="black", linewidth=0.8, linestyle="--", zorder=top + 10)
        for symbol in dict.fromkeys(symbols):
            style = {"color": _colour(symbol), "edgecolor": "black", "linewidth": 0.4, "s": 40}
            axis.scatter([], [], label=symbol, **style)
        axis.autoscale_view()
        axis.set_aspect("equal")
        axis.set_xlabel("x (Å)")
        axis.set_ylabel("y (Å)")
        axis.grid(False)
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return to_svg(figure)


def _draw_hull(axis, corners: np.ndarray, colour: str) -> None:
    from matplotlib.patches import Polygon
    from scipy.spatial import ConvexHull

    flat = corners[:, :2]
    style = {"facecolor": colour, "edgecolor": colour, "linewidth": 0.7, "alpha": 0.35}
    axis.add_patch(Polygon(flat[ConvexHull(flat).vertices], zorder=corners[:, 2].mean(), **style))


def _draw_atom(axis, at: np.ndarray, symbol: str, paler: float) -> None:
    from matplotlib.patches import Circle

    style = {"facecolor": _faded(_colour(symbol), paler), "edgecolor": "black", "linewidth": 0.35}
    axis.add_patch(Circle(at[:2], _RADIUS_A.get(symbol, 0.32), zorder=at[2], **style))


_RADIUS_A = {"O": 0.2, "P": 0.26, "Na": 0.5}


def _colour(element: str) -> str:
    return ELEMENT_COLOURS.get(element, PALETTE[7])


def _faded(colour: str, amount: float) -> tuple[float, ...]:
    from matplotlib.colors import to_rgb

    return tuple(value + (1 - value) * amount for value in to_rgb(colour))


def _slope_guides(axis, time: np.ndarray, highest: np.ndarray) -> None:
    if len(time) < 20:
        return
    for start, stop, slope in ((time[0], 4 * time[0], 2), (time[-1] / 6, time[-1], 1)):
        span = np.array([start, stop])
        line = 2.0 * np.interp(start, time, highest) * (span / start) ** slope
        axis.plot(span, line, color=GUIDE, linestyle="--", linewidth=0.9)
        axis.annotate(
            f"slope {slope}",
            (span[1], line[1]),
            xytext=(0, 3),
            textcoords="offset points",
            color=GUIDE,
            fontsize=8,
            ha="right" if slope == 1 else "center",
        )


def _band(axis, x: np.ndarray, mean: np.ndarray, err: np.ndarray, colour: str) -> None:
    if np.isfinite(err).any():
        axis.fill_between(x, mean - err, mean + err, color=colour, alpha=0.3, linewidth=0)


def _shown(err: np.ndarray) -> np.ndarray | None:
    return np.nan_to_num(err) if np.isfinite(err).any() else None
