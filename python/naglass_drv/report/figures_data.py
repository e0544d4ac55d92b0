"""The figures of a dataset audit: energies, forces, contacts, moments, and coverage."""

from collections.abc import Mapping, Sequence

import numpy as np

from .style import ELEMENT_COLORS, GUIDE, LIMIT, PALETTE, canvas, colors, log_axis, to_svg

_FARTHEST = 1.5
_MARK = {"s": 13, "linewidth": 0, "alpha": 0.6, "rasterized": True}


def energy_residuals(
    residual: np.ndarray, x: np.ndarray, xlabel: str, limits: tuple[float, float], flagged: np.ndarray
) -> bytes:
    """Energy residual of each frame (eV per atom) against `x`, the `limits`, and the frames beyond them."""
    with canvas(height=2.9, width=6.0) as (figure, (axis,)):
        axis.axhline(0, color=GUIDE, linewidth=0.7)
        axis.scatter(x[~flagged], residual[~flagged], color=PALETTE[0], label="within", **_MARK)
        if flagged.any():
            mark = _MARK | {"s": 24, "alpha": 1, "marker": "D"}
            axis.scatter(x[flagged], residual[flagged], color=LIMIT, label="flagged", **mark)
        for k, limit in enumerate(limits):
            axis.axhline(limit, color=LIMIT, linestyle="--", linewidth=1.1, label="limit" if k == 0 else None)
        axis.set_xlabel(xlabel)
        axis.set_ylabel("deviation of the energy from the fit (eV/atom)")
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return to_svg(figure)


def force_histograms(edges: np.ndarray, counts: Mapping[str, np.ndarray]) -> bytes:
    """Distribution of force magnitudes for each element, in bins of equal width on a logarithmic axis."""
    shade = colors(list(counts))
    with canvas(height=2.9, width=6.0) as (figure, (axis,)):
        for element, values in counts.items():
            axis.stairs(values / values.sum(), edges, color=shade[element], linewidth=1.3, label=element)
        seen = np.flatnonzero(sum(counts.values()))
        axis.set_xlim(edges[max(seen[0] - 1, 0)], edges[min(seen[-1] + 2, len(edges) - 1)])
        log_axis(axis, "x")
        log_axis(axis, "y")
        axis.set_xlabel("|F| (eV/Å)")
        axis.set_ylabel("share of atoms of the element")
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return to_svg(figure)


def contact_fractions(fractions: Mapping[str, np.ndarray], limit: float) -> bytes:
    """Shortest distance of each pair of elements in each frame, as a fraction of the contact distance."""
    names = list(fractions)[::-1]
    with canvas(height=0.8 + 0.27 * len(names), width=6.0) as (figure, (axis,)):
        for row, name in enumerate(names):
            values = fractions[name][np.isfinite(fractions[name])]
            below = values < limit
            for chosen, color, alpha in ((values[~below], PALETTE[0], 0.35), (values[below], LIMIT, 0.8)):
                tick = {"marker": "|", "s": 60, "alpha": alpha, "rasterized": True}
                axis.scatter(chosen, np.full(len(chosen), row), color=color, **tick)
        axis.axvline(limit, color=LIMIT, linestyle="--", linewidth=1.1)
        axis.set_yticks(range(len(names)), [name.replace("-", "\N{EN DASH}") for name in names])
        axis.set_ylim(-0.6, len(names) - 0.4)
        axis.set_xlim(0, _FARTHEST)
        axis.set_xlabel("shortest distance in a frame / contact distance")
        axis.grid(axis="y", visible=False)
        return to_svg(figure)


def moment_histograms(
    edges: np.ndarray, counts: Mapping[str, np.ndarray], states: Mapping[str, Sequence[tuple[str, float]]]
) -> bytes:
    """|moment| (µB) of each transition metal, with the high-spin moments of its `states` as lines."""
    with canvas(len(counts), 1, height=0.5 + 1.9 * len(counts), width=6.0, sharex=True) as (figure, axes):
        for axis, (element, values) in zip(axes, counts.items(), strict=True):
            axis.stairs(values, edges, fill=True, color=ELEMENT_COLORS.get(element, PALETTE[0]))
            for label, moment in states[element]:
                axis.axvline(moment, color=GUIDE, linestyle="--", linewidth=0.9)
                axis.annotate(
                    label,
                    (moment, 1),
                    xycoords=("data", "axes fraction"),
                    xytext=(3, -2),
                    textcoords="offset points",
                    va="top",
                    fontsize=8,
                    color=GUIDE,
                )
            axis.set_title(element)
            axis.set_ylabel("atoms")
            axis.grid(axis="x", visible=False)
        seen = np.flatnonzero(sum(counts.values()))
        highest = max(moment for element in counts for _, moment in states[element])
        axes[-1].set_xlim(-0.1, max(edges[seen[-1] + 1], highest) + 0.5)
        axes[-1].set_xlabel("|moment| (µB)")
        return to_svg(figure)


def coverage(values: Mapping[str, np.ndarray], logarithmic: Sequence[str] = ()) -> bytes:
    """Histograms of quantities of the frames, by axis label; the names in `logarithmic` get logarithmic bins."""
    columns = 2 if len(values) in (2, 4) else min(3, len(values))
    rows = -(-len(values) // columns)
    with canvas(rows, columns, height=0.3 + 1.9 * rows, width=2.4 * max(columns, 2)) as (figure, axes):
        for axis, (label, numbers) in zip(axes, values.items(), strict=False):
            numbers = numbers[np.isfinite(numbers)]
            if label in logarithmic and numbers.max() > 0:
                low = max(numbers[numbers > 0].min(), 1e-8)
                bins = np.geomspace(low, max(numbers.max(), 1.1 * low) * 1.0001, 31)
                axis.hist(np.maximum(numbers, low), bins, color=PALETTE[0])
                log_axis(axis, "x")
            else:
                axis.hist(numbers, 30, color=PALETTE[0])
            axis.set_xlabel(label)
            axis.grid(axis="x", visible=False)
        for axis in axes[len(values) :]:
            axis.set_visible(False)
        for axis in axes[::columns]:
            axis.set_ylabel("frames")
        return to_svg(figure)
