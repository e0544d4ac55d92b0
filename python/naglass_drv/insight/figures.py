"""The figures of a study, in the style of the reports."""

import textwrap
from collections.abc import Sequence

import numpy as np

from ..report.style import GUIDE, LIMIT, PALETTE, canvas, to_svg
from .blocks import label
from .models import LABELS
from .shapley import Attributions
from .study import Study
from .trend import Slope
from .units import unit_text
from .verdicts import IMPORTANT, Verdict

_MARKERS = "osD^vP*X"
_NAMED_FAMILIES = 8


def _families(study: Study) -> dict[str, np.ndarray]:
    """Which compositions belong to each family; one without a name if there are none or too many."""
    names = list(dict.fromkeys(study.glasses.families))
    if len(names) < 2 or len(names) > _NAMED_FAMILIES:
        return {"": np.ones(len(study.glasses), bool)}
    families = np.array(study.glasses.families)
    return {name: families == name for name in names}


def _axis_label(study: Study) -> str:
    unit = unit_text(study.table.unit)
    shown = f" ({unit})" if unit else ""
    return f"log₁₀ {study.table.name}{shown}" if study.scale.logarithm else f"{study.table.name}{shown}"


def parity(study: Study) -> bytes:
    """Predicted against measured, each composition by models that have not seen it, with intervals."""
    score, target = study.composition.score(study.best), study.glasses.target
    with canvas(1, 1, height=4.2, width=5.2) as (figure, (axis,)):
        for k, (name, rows) in enumerate(_families(study).items()):
            color = PALETTE[k % len(PALETTE)]
            error = study.glasses.error[rows]
            axis.errorbar(
                target[rows], score.predictions[rows], xerr=error if np.isfinite(error).all() else None,
                marker=_MARKERS[k % len(_MARKERS)], markersize=4, linestyle="none", color=color, label=name or None,
                elinewidth=0.7,
            )  # fmt: skip
            if study.intervals is not None:
                low, high = study.intervals.low[rows], study.intervals.high[rows]
                axis.vlines(target[rows], low, high, color=color, alpha=0.35, linewidth=1.0)
        ends = [min(target.min(), score.predictions.min()), max(target.max(), score.predictions.max())]
        axis.plot(ends, ends, color=GUIDE, linewidth=0.8, linestyle="--")
        axis.set_xlabel(f"measured {_axis_label(study)}")
        axis.set_ylabel(f"predicted {_axis_label(study)}")
        if axis.get_legend_handles_labels()[0]:
            axis.legend()
        return to_svg(figure)


def ladder_figure(study: Study) -> bytes:
    """R² of every model at each split, with bootstrap intervals."""
    with canvas(1, 1, height=2.9, width=6.4) as (figure, (axis,)):
        models = [score.model for score in study.composition.scores if score.model != "mean"]
        width = 0.8 / len(models)
        for k, model in enumerate(models):
            for place, rung in enumerate(study.rungs):
                score = rung.score(model)
                x = place + (k - (len(models) - 1) / 2) * width
                low, high = (max(end, -1.0) for end in score.r2_interval)
                axis.plot([x, x], [low, high], color=PALETTE[k], linewidth=1.2)
                axis.plot(
                    x, max(score.r2, -1.0), "o", markersize=4, color=PALETTE[k], label=None if place else LABELS[model],
                    markerfacecolor=PALETTE[k] if rung.counts else "white",
                )  # fmt: skip
        axis.axhline(0, color=GUIDE, linewidth=0.8)
        axis.set_xticks(range(len(study.rungs)), [_rung_text(rung.name) for rung in study.rungs])
        axis.set_ylabel("R² of what is left out")
        axis.set_ylim(max(-1.05, min(axis.get_ylim()[0], -0.05)), 1.05)
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return to_svg(figure)


def _rung_text(name: str) -> str:
    return {"replica": "replicas\n(no evidence)", "composition": "compositions", "family": "families"}[name]


def importance_figure(study: Study) -> bytes:
    """The gain of each block over its band without an effect, and the R² that a refit without it loses."""
    verdicts = [verdict for verdict in study.verdicts if len(verdict.blocks) == 1]
    places = np.arange(len(verdicts))[::-1]
    with canvas(1, 2, height=0.42 * len(verdicts) + 1.1, width=8.4, sharey=True) as (figure, (left, right)):
        for place, verdict in zip(places, verdicts, strict=True):
            color = PALETTE[0] if verdict.state == IMPORTANT else PALETTE[7]
            band = np.quantile(verdict.null.permuted, [0.025, 0.975])
            left.barh(place, band[1] - band[0], left=band[0], height=0.6, color="#D5DCE2")
            left.plot(verdict.null.gain, place, "o", color=color, markersize=5)
            right.plot(verdict.interval, [place, place], color=color)
            right.plot(verdict.gain, place, "o", color=color, markersize=5)
            for k, gain in enumerate(verdict.gains.values()):
                right.plot(gain, place - 0.22, "|", color=PALETTE[1 + k % 6], markersize=6)
        for axis in (left, right):
            axis.axvline(0, color=GUIDE, linewidth=0.8)
        left.set_yticks(places, [textwrap.fill(label(verdict.name), 26) for verdict in verdicts])
        left.set_xlabel("ln(error without / error with the block)")
        right.set_xlabel("R² lost by a refit without it")
        left.set_title("against permuted compositions (gray: 95 %)")
        right.set_title("refit, 95 % by bootstrap")
        return to_svg(figure)


def dependence(study: Study, verdict: Verdict) -> bytes:
    """What the model adds for the columns of a block, on compositions left out, against each of the columns."""
    from .models import fitted

    glasses = study.glasses
    columns = [k for block in verdict.blocks for k in glasses.blocks[block]][:6]
    rows = -(-len(columns) // 3)
    with canvas(rows, min(3, len(columns)), height=2.4 * rows, width=8.4, sharey=True) as (figure, axes):
        for axis, column in zip(axes, columns, strict=False):
            values = glasses.features[:, column]
            grid = np.quantile(values, np.linspace(0.02, 0.98, 15))
            curves = []
            for family in _left_out(study):
                train = glasses.only(np.flatnonzero(~family))
                predict = fitted(study.best, train, study.settings.seed)
                points = np.repeat(glasses.features[family], len(grid), axis=0)
                points[:, column] = np.tile(grid, int(family.sum()))
                curves.append(predict(points).reshape(-1, len(grid)).mean(axis=0))
            for curve in curves:
                axis.plot(grid, curve - np.mean(curve), color=PALETTE[0], alpha=0.35, linewidth=0.9)
            axis.plot(grid, np.mean([c - np.mean(c) for c in curves], axis=0), color=PALETTE[0])
            axis.plot(
                values, np.zeros(len(values)), "|", color=GUIDE, markersize=5, transform=axis.get_xaxis_transform()
            )
            axis.set_xlabel(textwrap.fill(_column_label(study, column), 34))
        axes[0].set_ylabel(f"change of {_axis_label(study)}")
        for axis in axes[len(columns) :]:
            axis.set_visible(False)
        return to_svg(figure)


def trend_figure(study: Study, found: Sequence[Slope]) -> bytes:
    """Partial residuals against each share, with the line and the interval of its slope."""
    glasses, weights = study.glasses, study.glasses.weights()
    moved = [slope.along - np.average(slope.along, weights=weights) for slope in found]
    parts = [slope.value / slope.step * values for slope, values in zip(found, moved, strict=True)]
    rest = glasses.target - np.sum(parts, axis=0)
    middle = float(np.average(glasses.target, weights=weights))
    with canvas(1, len(found), height=2.8, width=4.2 * len(found), sharey=True) as (figure, axes):
        for axis, slope, values, part in zip(axes, found, moved, parts, strict=True):
            x = slope.along
            error = glasses.error if np.isfinite(glasses.error).all() else None
            axis.errorbar(x, rest + part, error, fmt="o", markersize=4, color=PALETTE[0], elinewidth=0.7)
            away = np.array([values.min(), 0.0, values.max()])
            ends = x[0] - values[0] + away
            axis.plot(ends, middle + slope.value / slope.step * away, color=PALETTE[1])
            low, high = (middle + end / slope.step * away for end in slope.interval)
            axis.fill_between(
                ends, np.minimum(low, high), np.maximum(low, high), color=PALETTE[1], alpha=0.2, linewidth=0
            )
            axis.set_xlabel(f"{slope.column} ({slope.unit})" if slope.unit else slope.column)
        axes[0].set_ylabel(_axis_label(study))
        return to_svg(figure)


def attribution_figure(study: Study, found: Attributions) -> bytes:
    """Shapley values of each block for every composition, in the color of its family; the widest block on top."""
    order = np.argsort(abs(found.values).mean(axis=0))
    spread = np.random.default_rng(0).uniform(-0.2, 0.2, len(study.glasses))
    with canvas(1, 1, height=0.42 * len(order) + 1.1, width=6.4) as (figure, (axis,)):
        for k, (name, rows) in enumerate(_families(study).items()):
            for place, block in enumerate(order):
                axis.plot(
                    found.values[rows, block], place + spread[rows], _MARKERS[k % len(_MARKERS)], markersize=3.5,
                    color=PALETTE[k % len(PALETTE)], alpha=0.7, label=None if place else name or None,
                )  # fmt: skip
        axis.axvline(0, color=GUIDE, linewidth=0.8)
        axis.set_yticks(range(len(order)), [textwrap.fill(label(found.blocks[block]), 26) for block in order])
        axis.set_xlabel(f"share in the prediction of {_axis_label(study)}")
        if axis.get_legend_handles_labels()[0]:
            axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return to_svg(figure)


def left_out(study: Study) -> np.ndarray:
    """(N,) number of the set that each composition is left out with, see the dependence plots."""
    return np.argmax(np.array(_left_out(study)), axis=0)


def _left_out(study: Study) -> Sequence[np.ndarray]:
    """Sets of compositions to leave out: families, or a tenth of the compositions at a time."""
    families = _families(study)
    if len(families) > 2:
        return list(families.values())
    number = np.arange(len(study.glasses)) % min(10, len(study.glasses))
    return [number == k for k in np.unique(number)]


def _column_label(study: Study, column: int) -> str:
    unit = unit_text(study.table.units[column])
    name = study.table.called(study.glasses.columns[column])
    return f"{name} ({unit})" if unit else name


def curve_figure(study: Study) -> bytes:
    """R² on compositions left out against the number of compositions learned from."""
    counts, values, errors = (np.array(each) for each in zip(*study.curve, strict=True))
    with canvas(1, 1, height=2.6, width=4.6) as (figure, (axis,)):
        axis.errorbar(counts, values, errors, marker="o", markersize=4, color=PALETTE[0])
        axis.axhline(0, color=LIMIT, linewidth=0.8, linestyle="--")
        axis.set_xlabel("compositions learned from")
        axis.set_ylabel("R² of the others")
        return to_svg(figure)
