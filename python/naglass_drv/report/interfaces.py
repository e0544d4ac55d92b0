"""The picture of a cell of crystal and glass: a view from the side, and the density along z."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..chemistry.formers import FORMERS
from .style import GUIDE, PALETTE, canvas, to_svg

if TYPE_CHECKING:
    from ase import Atoms

_COLORS = {"crystal": PALETTE[0], "glass": PALETTE[1]}
_SIZE = 4.0


def side_view(
    atoms: "Atoms", crystal: np.ndarray, z_A: np.ndarray, density_g_cm3: Mapping[str, np.ndarray], title: str
) -> bytes:
    """SVG: atoms by y over z, the phases colored, formers larger; below it the density (g/cm³) of both phases.

    `crystal` (N,) says which atoms belong to the crystal; `density_g_cm3` has values at `z_A` (Å) by phase.
    """
    height = float(atoms.cell[2, 2])
    width = float(np.abs(atoms.cell.array[:, 1]).max())
    z, y = atoms.positions[:, 2] % height, atoms.positions[:, 1] % width
    former = np.isin(np.array(atoms.get_chemical_symbols()), FORMERS)
    with canvas(2, 1, height=5.2, gridspec_kw={"height_ratios": (2.2, 1)}, sharex=True) as (figure, (view, profile)):
        for name, own in (("crystal", crystal), ("glass", ~crystal)):
            view.scatter(
                z[own], y[own], s=np.where(former[own], 3 * _SIZE, _SIZE), color=_COLORS[name], linewidths=0,
                alpha=0.75, label=name, rasterized=True,
            )  # fmt: skip
            profile.step(z_A, density_g_cm3[name], where="mid", color=_COLORS[name])
        profile.step(z_A, density_g_cm3["both"], where="mid", color=GUIDE, linewidth=0.8, linestyle=":")
        view.set(ylabel="y (Å)", title=title, ylim=(0, width))
        view.legend(loc="upper right", markerscale=2, ncols=2, frameon=True)
        profile.set(xlabel="z (Å)", ylabel="density (g/cm³)", xlim=(0, height), ylim=(0, None))
        return to_svg(figure)
