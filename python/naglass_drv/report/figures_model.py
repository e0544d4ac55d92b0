"""The figures of the model and the run: parity, training curve, time evolution of MD, time per stage."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..wording import digits
from .style import ELEMENT_COLORS, GUIDE, LIMIT, PALETTE, canvas, log_axis, to_svg

# More points only make the file larger; a fixed random subset of this size is drawn
_MAX_POINTS = 6000


def parity(
    energies: Mapping[str, tuple[np.ndarray, np.ndarray]],
    forces: Mapping[str, tuple[np.ndarray, np.ndarray]],
    forces_of: str,
) -> bytes:
    """Model versus label: energies per atom (eV) by set, force components (eV/Å) by element of the set
    `forces_of`.
    """
    with canvas(1, 2, height=3.3) as (figure, (left, right)):
        marks = {"train": dict(color="#9A9A9A", s=14, zorder=2), "test": dict(color=PALETTE[0], s=22, zorder=3)}
        for name, (label, model) in energies.items():
            left.scatter(label, model, linewidth=0, label=name, **marks.get(name, {"color": PALETTE[2], "s": 16}))
        for element, (label, model) in forces.items():
            keep = _thinned(label.size)
            right.scatter(
                label.ravel()[keep],
                model.ravel()[keep],
                s=6,
                alpha=0.6,
                linewidth=0,
                rasterized=True,
                color=ELEMENT_COLORS.get(element, PALETTE[7]),
                label=element,
            )
        left.set_title("Energy per atom")
        right.set_title(f"Force components, {forces_of} frames")
        for axis, unit in ((left, "eV/atom"), (right, "eV/Å")):
            _diagonal(axis)
            axis.set_xlabel(f"label ({unit})")
            axis.set_ylabel(f"model ({unit})")
            axis.legend(loc="upper left", markerscale=1.6, handletextpad=0.2)
        return to_svg(figure)


def training_curve(series: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]]) -> bytes:
    """Errors during training, one panel per quantity: {(title, unit): (epochs, values)}."""
    with canvas(1, len(series), height=2.4, width=min(7.2, 3.2 * len(series))) as (figure, axes):
        for axis, ((title, unit), (epoch, values)), color in zip(axes, series.items(), PALETTE, strict=False):
            axis.plot(epoch, values, color=color, marker="o" if len(epoch) < 40 else None, markersize=3)
            axis.set_title(title)
            axis.set_ylabel(unit)
            axis.set_xlabel("epoch")
            axis.xaxis.get_major_locator().set_params(integer=True)
            if values.min() > 0 and values.max() > 5 * values.min():
                log_axis(axis, "y")
            else:
                axis.set_ylim(0, 1.1 * values.max())
        return to_svg(figure)


def course(panels: Sequence[Mapping], shade: Mapping[str, str]) -> bytes:
    """Time evolution of quantities during runs, stacked on a common time axis, with the limits of the stability gate.

    A panel has a `label` (with unit), `series` {run: (time in ps, values)}, drawn in the `shade` of the run, and
    `limits`, drawn as dashed lines.
    """
    with canvas(len(panels), 1, height=0.6 + 1.15 * len(panels), sharex=True) as (figure, axes):
        for axis, panel in zip(axes, panels, strict=True):
            for name, (time, values) in panel["series"].items():
                axis.plot(time, values, color=shade[name], linewidth=0.9)
            for limit in panel["limits"]:
                axis.axhline(limit, color=LIMIT, linestyle="--", linewidth=1.1)
            axis.set_ylabel(panel["label"])
            axis.margins(x=0, y=0.12)
        for name in dict.fromkeys(name for panel in panels for name in panel["series"]):
            axes[0].plot([], [], color=shade[name], label=name)
        if any(panel["limits"] for panel in panels):
            axes[0].plot([], [], color=LIMIT, linestyle="--", linewidth=1.1, label="gate limit")
        axes[0].legend(loc="upper left", bbox_to_anchor=(1.0, 1.05))
        axes[-1].set_xlabel("time (ps)")
        figure.align_ylabels()
        return to_svg(figure)


def stage_times(seconds: Mapping[str, float]) -> bytes:
    """Wall time spent in the tasks of each stage."""
    with canvas(height=0.7 + 0.3 * len(seconds), width=5.6) as (figure, (axis,)):
        names = list(seconds)[::-1]
        values = [seconds[name] for name in names]
        axis.barh(names, values, color=PALETTE[0], height=0.65)
        for row, value in enumerate(values):
            axis.annotate(
                f"{digits(value, 3)} s",
                (value, row),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        axis.set_xlabel("total wall time of the tasks (s)")
        axis.set_xlim(0, 1.18 * max(values))
        axis.grid(axis="y", visible=False)
        return to_svg(figure)


def _thinned(size: int) -> np.ndarray:
    if size <= _MAX_POINTS:
        return np.arange(size)
    return np.random.default_rng(0).choice(size, _MAX_POINTS, replace=False)


def _diagonal(axis) -> None:
    low = min(axis.get_xlim()[0], axis.get_ylim()[0])
    high = max(axis.get_xlim()[1], axis.get_ylim()[1])
    axis.plot([low, high], [low, high], color=GUIDE, linewidth=0.8, zorder=1)
    axis.set_xlim(low, high)
    axis.set_ylim(low, high)
    axis.set_aspect("equal", adjustable="box")
