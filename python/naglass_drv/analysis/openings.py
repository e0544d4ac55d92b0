"""Free volume of the network, and the widest way through it for the mobile ion."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from .. import core
from ..core.statistics import Average, average
from ..core.trajectory import same_elements

#: Effective ionic radii (Å) in usual states and coordinations: R. D. Shannon, Acta Crystallogr. A 32, 751 (1976),
#: doi:10.1107/S0567739476001551 (O2- with three neighbors; transition metals with six, high spin).
RADII_A = {
    "O": 1.36, "F": 1.31, "B": 0.11, "P": 0.17, "Si": 0.26, "Ge": 0.39, "Al": 0.39, "Ti": 0.605, "V": 0.58, "Cr": 0.615,
    "Mn": 0.83, "Fe": 0.645, "Co": 0.745, "Ni": 0.69,
}  # fmt: skip
_SPACING_A = 0.25
# atoms in all frames: about ten seconds; and in one, for the memory of its grid
_MOST_ROWS, _MOST_ATOMS = 20_000, 30_000


@dataclass(frozen=True)
class Openings:
    """`bottleneck` is the radius (Å) of the largest sphere that passes through the network of hard spheres, negative if
    they had to shrink; `free` the share of the volume outside of them. The mobile ions are not in the way.
    """

    bottleneck: Average
    free: Average


def openings(frames: Sequence[Atoms], ion: str, *, independent: bool = False) -> Openings | None:
    """Averages over frames, evenly chosen if they have many atoms; None for elements whose radius is not known and for
    cells of more than 30 000 atoms.
    """
    rest = [element for element in same_elements(frames) if element != ion]
    if any(element not in RADII_A for element in rest) or len(frames[0]) > _MOST_ATOMS:
        return None
    most = max(1, _MOST_ROWS // len(frames[0]))
    radii = {element: RADII_A[element] for element in rest}
    chosen = frames[:: -(-len(frames) // most)]
    found = [core.bottleneck_radius(atoms, radii, ignore=ion, spacing=_SPACING_A) for atoms in chosen]
    widest = np.array([each.radius.by_dimension[0] for each in found])
    free = np.array([each.free_fraction for each in found])
    return Openings(average(widest, independent=independent), average(free, independent=independent))
