"""The figure of a series: quantities against composition."""

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from .style import PALETTE, WIDTH_IN, canvas, to_svg

Point = tuple[float, float, float | None]
"""Abscissa, value, standard error (None: no estimate)."""
# of a panel, and of a further line of its title
_PANEL_IN, _LINE_IN = 1.2, 0.15
# what fits over a panel
_TITLE_CHARACTERS = 26


def against(panels: Mapping[str, Mapping[str, Sequence[Point]]], xlabel: str) -> bytes:
    """Small multiples {quantity: {group: points}}: values with error bars against `xlabel`, one line per group."""
    groups = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    shade = {name: PALETTE[k % len(PALETTE)] for k, name in enumerate(groups)}
    rows = -(-len(panels) // 3)
    titles = [textwrap.fill(title, _TITLE_CHARACTERS, break_on_hyphens=False) for title in panels]
    more = _LINE_IN * max(title.count("\n") for title in titles)
    gap = 0.6 + more
    height = (_PANEL_IN + gap) * rows + 0.5
    with canvas(rows, 3, height=height, width=WIDTH_IN, fitted=False) as (figure, axes):
        figure.subplots_adjust(
            left=0.07, right=0.99, top=1 - gap / height, bottom=0.5 / height, wspace=0.28, hspace=gap / _PANEL_IN
        )
        for axis, title, lines in zip(axes, titles, panels.values(), strict=False):
            for name, points in lines.items():
                x, y = (np.array([point[k] for point in points], float) for k in (0, 1))
                error = np.array([np.nan if point[2] is None else point[2] for point in points])
                axis.errorbar(x, y, error, color=shade[name], marker="o", markersize=3.5, linewidth=0.9)
            axis.set_title(title)
            axis.margins(x=0.06, y=0.15)
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        if len(groups) > 1:
            handles = [plt.Line2D([], [], color=shade[name], marker="o", markersize=3.5, label=name) for name in groups]
            figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.06, 1.0), ncols=4)
        figure.supxlabel(xlabel, fontsize=9, y=0.08 / height)
        return to_svg(figure)
