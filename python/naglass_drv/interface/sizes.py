"""How many atoms a slab and the glass beside it will have, before either is made."""

from collections.abc import Mapping

import numpy as np

from .crystal import Crystal
from .joining import counts_by_element, melt_size, reduced_labels
from .orient import oriented
from .slabs import size_of
from .terminations import Termination


def sides(
    crystal: Crystal,
    cut: Termination,
    composition: Mapping[str, int],
    density_g_cm3: float,
    *,
    crystal_A: float,
    glass_A: float,
    lateral_A: float,
) -> tuple[int, int]:
    """Atoms of the slab of at least that thickness and width (Å), as `slab` makes it, and of a melt of about `glass_A`.

    `composition` (elements or ions) at `density_g_cm3` is that of the melt, of which `melt_against` makes as much; a
    glass that is joined loses some of it. Raises InputError for what does not fit.
    """
    turned = oriented(crystal, cut.hkl)
    repeats, turns = size_of(turned, cut, crystal_A, lateral_A)
    area = float(abs(np.linalg.det(turns @ turned.lateral)))
    per_A3 = float(crystal.occupancy.sum()) / abs(crystal.atoms.cell.volume)
    formula = counts_by_element(reduced_labels(composition))
    units, _ = melt_size(formula, density_g_cm3, area, glass_A)
    return round(per_A3 * area * repeats * turned.spacing), units * sum(formula.values())
