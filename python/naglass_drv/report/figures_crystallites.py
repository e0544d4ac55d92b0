"""The largest crystallite along trajectories: its size, and the angle by which it is turned."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from .material import Material
from .measured import shades
from .numbers import Figure
from .style import canvas, to_svg

#: So many trajectories are named in a figure, and stand open in a table.
FEW = 12
_CAPTION = (
    "The largest crystallite along {}: its size, by the middle threshold and (thin) the outer two, and the angle by "
    "which it is turned against the crystal that was put in, up to rotations of the crystal onto itself."
)


def figure(material: Material, names: Sequence[str], title: str) -> Iterator[Figure]:
    """One figure for all these trajectories; nothing where their analysis is of an earlier version."""
    curves = {name: material.arrays(f"analysis/{name}/curves") for name in names}
    known = {name: own for name, own in curves.items() if "crystallite_time_ps" in own}
    if known:
        along = ", ".join(known) if len(known) <= FEW else f"{len(known)} trajectories"
        yield Figure(title, crystallites(known, shades(material)), _CAPTION.format(along))


def crystallites(curves: Mapping[str, Mapping[str, np.ndarray]], shade: Mapping[str, str]) -> bytes:
    """SVG: size (crystalline centers) and angle (degrees) over time (ps), by trajectory."""
    with canvas(2, 1, height=4.6, sharex=True) as (drawn, (size, angle)):
        for name, own in curves.items():
            time, color = own["crystallite_time_ps"], shade.get(name)
            sizes = sorted(key for key in own if key.startswith("crystallite_size/"))
            for key in sizes:
                middle = key == sizes[len(sizes) // 2]
                size.plot(time, own[key], color=color, linewidth=1.2 if middle else 0.4, label=name if middle else None)
            angle.plot(time, own["crystallite_angle_deg"], color=color)
        size.set(ylabel="crystalline centers", ylim=(0, None))
        if len(curves) <= FEW:
            size.legend(loc="best", ncols=2)
        angle.set(ylabel="angle (°)", xlabel="time (ps)", ylim=(0, None))
        return to_svg(drawn)
