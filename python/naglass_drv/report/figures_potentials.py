"""The figures of a screening: pair curves, energy against volume, errors, heating, and what each potential costs."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..chemistry.notation import SUPERSCRIPT
from .style import GUIDE, LIMIT, canvas, element_color, log_axis, to_svg

_COLUMNS = 4
_LOW_EV, _HIGH_EV = -8.0, 12.0
_BAR = {"elinewidth": 0.9, "ecolor": GUIDE}


def pair_curves(curves: Mapping[str, Mapping[str, Any]], shade: Mapping[str, str]) -> bytes:
    """Energy of pairs against distance: {pair: {potential: curve}}; curves that are not sound are dashed."""
    rows = -(-len(curves) // _COLUMNS)
    with canvas(rows, min(_COLUMNS, len(curves)), height=0.4 + 1.8 * rows, sharex=True) as (figure, axes):
        for axis, (pair, of_pair) in zip(axes, curves.items(), strict=False):
            for name, curve in of_pair.items():
                line = "-" if curve["sound"] else "--"
                axis.plot(curve["distance_A"], curve["energy_eV"], line, color=shade[name], linewidth=1.1)
            axis.axhline(0, color=GUIDE, linewidth=0.6)
            axis.set_ylim(_LOW_EV, _HIGH_EV)
            axis.set_title(pair.replace("-", "\N{EN DASH}"))
        _trimmed(axes, len(curves))
        _labeled(figure, axes, shade, "distance (Å)", "energy (eV)")
        return to_svg(figure)


def volume_curves(curves: Mapping[str, Mapping[str, Any]], shade: Mapping[str, str]) -> bytes:
    """Energy against relative volume: {crystal: {potential: curve}}, with the volume of the fit."""
    columns = min(3, len(curves))
    rows = -(-len(curves) // columns)
    with canvas(rows, columns, height=0.4 + 2.2 * rows) as (figure, axes):
        for axis, (crystal, of_crystal) in zip(axes, curves.items(), strict=False):
            for name, curve in of_crystal.items():
                energy = 1e3 * np.array(curve["energy_eV_per_atom"])
                axis.plot(curve["relative"], energy, "o-", color=shade[name], markersize=2.5, linewidth=1.0)
                if curve["volume"] is not None:
                    axis.axvline(curve["volume"], color=shade[name], linewidth=0.8, linestyle=":")
            axis.axvline(1, color=GUIDE, linewidth=0.6)
            axis.set_title(crystal)
        _trimmed(axes, len(curves))
        _labeled(figure, axes, shade, "volume, relative to the given one", "energy (meV/atom)")
        return to_svg(figure)


def errors(
    by_kind: Mapping[str, Mapping[str, float]], spread: Mapping[str, Mapping[str, float | None]],
    shade: Mapping[str, str],
) -> bytes:  # fmt: skip
    """Force RMSE (meV/Å) by element, ion or temperature, with standard errors: {potential: {kind: value}}."""
    kinds = list(dict.fromkeys(kind for found in by_kind.values() for kind in found))
    with canvas(height=2.7) as (figure, (axis,)):
        width = 0.8 / len(by_kind)
        for k, (name, found) in enumerate(by_kind.items()):
            places = np.arange(len(kinds)) + (k - (len(by_kind) - 1) / 2) * width
            bars = [spread[name].get(kind) or 0.0 for kind in kinds]
            values = [found.get(kind, 0.0) for kind in kinds]
            axis.bar(places, values, width * 0.92, yerr=bars, error_kw=_BAR, color=shade[name], label=name)
        axis.set_xticks(range(len(kinds)), [_raised(kind) for kind in kinds])
        for tick, kind in zip(axis.get_xticklabels(), kinds, strict=True):
            tick.set_color(element_color(kind))
        axis.grid(axis="x", visible=False)
        axis.set_ylabel("force RMSE (meV/Å)")
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.03))
        return to_svg(figure)


def _raised(kind: str) -> str:
    """An ion as V⁴⁺; other kinds as they are."""
    return re.sub(r"(?<=[A-Za-z])\d*[+-]$", lambda charge: charge[0].translate(SUPERSCRIPT), kind)


def heating(courses: Mapping[str, Mapping[str, Any]], shade: Mapping[str, str]) -> bytes:
    """Temperature against the step of the heating, and what is asked."""
    with canvas(height=2.4) as (figure, (axis,)):
        longest = max(courses.values(), key=lambda found: len(found["target_K"]))
        axis.plot(np.arange(1, len(longest["target_K"]) + 1), longest["target_K"], color=GUIDE, label="asked")
        for name, found in courses.items():
            steps = np.arange(1, len(found["temperature_K"]) + 1)
            axis.plot(steps, found["temperature_K"], color=shade[name], linewidth=1.0, label=name)
            if found["ended"]:
                axis.plot(steps[-1:], found["temperature_K"][-1:], "x", color=LIMIT)
        axis.set_xlabel("step (1 fs)")
        axis.set_ylabel("temperature (K)")
        axis.set_ylim(0, 1.6 * max(longest["target_K"]))
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.03))
        return to_svg(figure)


def structure_factors(curves: Mapping[str, Mapping[str, Any]], shade: Mapping[str, str]) -> bytes:
    """S(Q) of glasses, by neutrons and by X-rays, with bands of one standard error: {potential: {radiation: curve}}."""
    kinds = [kind for kind in ("neutron", "xray") if any(kind in found for found in curves.values())]
    with canvas(1, len(kinds), height=2.6, sharex=True) as (figure, axes):
        for axis, kind in zip(axes, kinds, strict=True):
            for name, found in curves.items():
                if kind in found:
                    q, mean = np.array(found[kind]["q_per_A"]), np.array(found[kind]["mean"])
                    axis.plot(q, mean, color=shade[name], linewidth=1.0)
                    if found[kind]["err"] is not None:
                        err = np.array(found[kind]["err"])
                        axis.fill_between(q, mean - err, mean + err, color=shade[name], alpha=0.2, linewidth=0)
            axis.axhline(1, color=GUIDE, linewidth=0.6)
            axis.set_title({"neutron": "neutrons", "xray": "X-rays"}[kind])
        _labeled(figure, axes, {name: shade[name] for name in curves}, "Q (1/Å)", "S(Q)")
        return to_svg(figure)


def tradeoff(points: Mapping[str, tuple[float, float, float]], front: Sequence[str], shade: Mapping[str, str]) -> bytes:
    """Force RMSE with its 95 % interval (meV/Å) against speed (ns/day); those on the Pareto front are filled."""
    with canvas(height=3.0, width=5.6) as (figure, (axis,)):
        for name, (speed, error, half) in points.items():
            face = shade[name] if name in front else "white"
            axis.errorbar(
                speed, error, half, fmt="o", color=shade[name], markerfacecolor=face, label=name, elinewidth=1.0
            )
        axis.set_xlabel("speed (ns/day)")
        axis.set_ylabel("force RMSE (meV/Å)")
        log_axis(axis, "x")
        axis.set_ylim(0, None)
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.03))
        return to_svg(figure)


def _trimmed(axes: Sequence[Any], used: int) -> None:
    """Hide the axes that nothing is drawn in."""
    for axis in axes[used:]:
        axis.set_visible(False)


def _labeled(figure: Any, axes: Sequence[Any], shade: Mapping[str, str], x: str, y: str) -> None:
    figure.supxlabel(x, fontsize=9)
    figure.supylabel(y, fontsize=9)
    for name, color in shade.items():
        axes[0].plot([], [], color=color, label=name)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=min(4, len(shade)))
