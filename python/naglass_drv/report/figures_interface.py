"""Profiles about the surfaces of a crystal."""

from collections.abc import Mapping

import numpy as np

from ..analysis.interface_surfaces import FLAT, INSTANTANEOUS
from .style import GUIDE, WIDTH_IN, canvas, colors, to_svg

# panels: title, the columns by what their names begin with, unit
_PANELS = (
    ("similarity to the crystal", ("similarity",), ""),
    ("number density", ("density_",), "1/Å³"),
    ("mass density", ("mass_density",), "g/cm³"),
    ("coordination of metals by O", ("CN_",), ""),
    ("n of Qⁿ", ("n_",), ""),
    ("share with V=O", ("vanadyl_",), ""),
    ("oxidation state by moment", ("redox_",), ""),
    ("oxidation state by bond valence", ("state_",), ""),
    ("|moment|", ("moment_",), "µB"),
    ("rings through a center", ("rings_",), ""),
    ("share of oxygens", ("O_",), ""),
)
_COLUMNS = 3
# what the curves against each kind of surface are called
_PREFIX = {FLAT: "profile", INSTANTANEOUS: INSTANTANEOUS}


def profiles(curves: Mapping[str, np.ndarray], used: str = FLAT, moment: str = "moment") -> bytes:
    """Small multiples of what `analysis.interfaces` found about the dividing surfaces (dashed): against the kind that
    is `used`, with error bands, and dotted against the other, where it is there. `moment` is the word for what the
    model predicts.
    """
    kinds = [_PREFIX[used], *(prefix for kind, prefix in _PREFIX.items() if kind != used)]
    names = [name.removeprefix("profile/") for name in curves if name.startswith("profile/")]
    panels = [
        (title, unit, own)
        for title, begins, unit in _PANELS
        if (own := [name for name in names if name.startswith(begins)])
    ]
    rows = -(-len(panels) // _COLUMNS)
    distance = curves["distance_A"]
    with canvas(rows, _COLUMNS, height=0.3 + 2.3 * rows, width=WIDTH_IN, sharex=True) as (figure, axes):
        for axis, (title, unit, own) in zip(axes, panels, strict=False):
            labels = [name.partition("_")[2] or name for name in own]
            shade = colors(labels)
            for name, label in zip(own, labels, strict=True):
                value, err = curves[f"{kinds[0]}/{name}"], np.nan_to_num(curves[f"{kinds[0]}_err/{name}"])
                axis.fill_between(distance, value - err, value + err, color=shade[label], alpha=0.2, linewidth=0)
                axis.plot(distance, value, color=shade[label], label=label, linewidth=1.1)
                if (other := curves.get(f"{kinds[1]}/{name}")) is not None:
                    axis.plot(distance, other, color=shade[label], linewidth=0.8, linestyle=":")
            axis.axvline(0.0, color=GUIDE, linestyle="--", linewidth=0.8)
            named = title.replace("moment", moment)
            axis.set_title(f"{named} ({unit})" if unit else named)
            if len(own) > 1:
                axis.legend(loc="best", ncols=2)
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        for axis in axes[max(0, len(panels) - _COLUMNS) : len(panels)]:
            axis.set_xlabel("distance from the surface (Å)")
            axis.tick_params(labelbottom=True)
        return to_svg(figure)
