"""Common style of all figures: fonts, sizes, colors distinguishable by color-blind readers, SVG output."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib
import numpy as np

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

# M. Okabe, K. Ito, "Color universal design" (2008); order chosen so that neighbors also differ in lightness
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#7A6A00", "#444444")
ELEMENT_COLORS = {
    "Na": "#E69F00",
    "V": "#0072B2",
    "P": "#009E73",
    "O": "#A0182B",
    "F": "#56B4E9",
    "Fe": "#CC79A7",
    "Mn": "#7A6A00",
    "Ti": "#444444",
}
GUIDE = "#666666"
LIMIT = "#B00020"
_PATH, _DIGITS = re.compile(rb' d="[^"]*"'), re.compile(rb"(\.\d\d)\d+")
WIDTH_IN = 8.4

_RC = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.4,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "errorbar.capsize": 2.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "naglass",
    "figure.constrained_layout.use": True,
    # text from input files is plain text: a dollar sign or backslash in a name must not become a formula
    "text.usetex": False,
    "text.parse_math": False,
}


@contextmanager
def canvas(
    rows: int = 1, columns: int = 1, *, height: float, width: float = WIDTH_IN, fitted: bool = True, **options
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of rows x columns axes (inches) in the common style; axes as a flat list, row by row.

    `fitted` adapts the layout to the labels, which is slow for many axes.
    """
    with plt.rc_context(_RC | {"figure.constrained_layout.use": fitted}):
        figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, **options)
        try:
            yield figure, list(axes.ravel())
        finally:
            plt.close(figure)


def log_axis(axis: Axes, which: str) -> None:
    """Make the "x" or "y" axis logarithmic, with plain numbers at the powers of ten (or at 1, 2, 5 if there
    are few). Without any positive value it stays as it is.
    """
    if not np.isfinite(getattr(axis.dataLim, f"minpos{which}")):
        return
    getattr(axis, f"set_{which}scale")("log")
    scale = getattr(axis, f"{which}axis")
    low, high = getattr(axis, f"get_{which}lim")()
    scale.set_major_locator(LogLocator(subs=(1.0,) if high > 30 * low else (1.0, 2.0, 5.0)))
    scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    scale.set_minor_formatter(NullFormatter())


def to_svg(figure: Figure) -> bytes:
    """The figure as SVG; identical figures give identical bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, dpi=160)
    # hundredths of a point are finer than any screen, and halve the file size
    return _PATH.sub(lambda path: _DIGITS.sub(rb"\1", path[0]), buffer.getvalue())


def element_color(element: str) -> str:
    """The color of an element in every picture."""
    return ELEMENT_COLORS.get(element, PALETTE[7])


def run_colors(names: Sequence[str]) -> dict[str, str]:
    """One color per glass or trajectory, the same in every figure that shows the same runs."""
    return {name: PALETTE[k % len(PALETTE)] for k, name in enumerate(names)}


def colors(names: Sequence[str]) -> dict[str, str]:
    """One color per name; elements keep the same color in every figure."""
    spare = [color for color in PALETTE if color not in {ELEMENT_COLORS.get(name) for name in names}]
    spare = spare or list(PALETTE)
    chosen, used = {}, 0
    for name in names:
        if name in ELEMENT_COLORS:
            chosen[name] = ELEMENT_COLORS[name]
        else:
            chosen[name] = spare[used % len(spare)]
            used += 1
    return chosen
