"""What a slab and the glass beside it have exchanged since the cell was built."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..chemistry.formers import FORMERS
from ..errors import InputError
from .joining import PHASE, Interface

if TYPE_CHECKING:
    from ase import Atoms

#: How far (Å) beyond a surface an ion has to be to count.
MARGIN_A = 1.0


@dataclass(frozen=True)
class Transfer:
    """Atoms by element that have crossed the surfaces of the slab, and how much of the slab's charge that is."""

    left: dict[str, int]  #: of the crystal, now in the glass
    entered: dict[str, int]  #: of the glass, now in the crystal
    charge_e: float  #: formal charge that the space of the crystal has gained
    per_nm2: dict[str, float]  #: net gain of the crystal per area of both surfaces
    drift_A: float  #: of the formers of the crystal along z, from which the surfaces are counted


def transferred(made: Interface, now: "Atoms", margin_A: float = MARGIN_A) -> Transfer:
    """Compare the atoms `now`, in the order of `made`, with the surfaces of the slab as it was built.

    The surfaces move with the mean of the crystal's formers, of all its atoms where it has none. An ion of the crystal
    has left when it is more than `margin_A` (Å) outside, one of the glass has entered when it is more than that inside;
    one that was on the other side from the start, as an oxygen of PO4 at the surface, has to go as far from its place.
    Raises InputError for other atoms, or a cell without a slab.
    """
    thickness = made.facts.get("crystal_A")
    if thickness is None:
        raise InputError("only a slab has surfaces across which atoms are counted")
    if list(now.symbols) != list(made.atoms.symbols):
        raise InputError(f"{now.get_chemical_formula()}: not the atoms of the cell as it was built, in their order")
    crystal = made.atoms.arrays[PHASE] == 1
    height = float(now.cell[2, 2])
    start = made.atoms.positions[:, 2]
    moved = now.positions[:, 2] - start
    moved -= height * np.round(moved / height)
    formers = crystal & np.isin(np.array(now.get_chemical_symbols()), FORMERS)
    drift = float(moved[formers if formers.any() else crystal].mean())
    at_start = _depths(start, thickness, float(made.atoms.cell[2, 2]))
    depth = _depths(now.positions[:, 2] - drift, thickness, height)
    left = crystal & (depth < np.minimum(at_start, 0) - margin_A)
    entered = ~crystal & (depth > np.maximum(at_start, 0) + margin_A)
    symbols = np.array(now.get_chemical_symbols())
    gain = {
        element: int((entered & (symbols == element)).sum() - (left & (symbols == element)).sum())
        for element in dict.fromkeys(symbols.tolist())
    }
    charge = sum(made.glass_charges[symbol] for symbol in symbols[entered])
    charge -= sum(made.charges[symbol] for symbol in symbols[left])
    area = 2 * float(np.linalg.norm(np.cross(now.cell[0], now.cell[1]))) / 100
    return Transfer(
        left=_counted(symbols[left]),
        entered=_counted(symbols[entered]),
        charge_e=float(charge),
        per_nm2={element: number / area for element, number in gain.items() if number},
        drift_A=drift,
    )


def _depths(z: np.ndarray, thickness: float, height: float) -> np.ndarray:
    """How far (Å) inside a slab between 0 and `thickness` heights are, by the nearest image; negative outside."""
    from_middle = z - thickness / 2
    from_middle -= height * np.round(from_middle / height)
    return thickness / 2 - np.abs(from_middle)


def _counted(symbols: np.ndarray) -> dict[str, int]:
    elements, counts = np.unique(symbols, return_counts=True)
    return dict(zip(elements.tolist(), counts.tolist(), strict=True))
