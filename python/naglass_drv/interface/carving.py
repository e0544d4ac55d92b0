"""Parts of a glass in whole formula units, with the oxygens of its network formers as far as these are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..chemistry.formers import ANIONS, FORMERS
from ..chemistry.ions import MOBILE_IONS
from ..core import BondGraph
from ..errors import InputError
from .crystal import former_bonds, reduced
from .slabs import counts_of, whole_units

if TYPE_CHECKING:
    from ase import Atoms

_TRIES = 60


@dataclass(frozen=True)
class Glass:
    """A periodic glass, its bonds of formers to oxygen, and its formula."""

    atoms: "Atoms"
    symbols: np.ndarray  #: (N,)
    formula: dict[str, int]
    graph: BondGraph | None  #: None where there is no former

    @classmethod
    def of(cls, atoms: "Atoms") -> "Glass":
        """Raises InputError for a glass that is not periodic."""
        if not atoms.pbc.all():
            raise InputError("the glass is not periodic in all directions")
        formula = reduced(counts_of(atoms))
        return cls(atoms, np.array(atoms.get_chemical_symbols()), formula, former_bonds(atoms))

    @property
    def units(self) -> int:
        """Formula units."""
        return whole_units(counts_of(self.atoms), self.formula)[0]

    def owners(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bonds from oxygen to former: oxygen, former, cell vectors between them (B, 3)."""
        if self.graph is None:
            return np.empty(0, int), np.empty(0, int), np.empty((0, 3), int)
        rows = np.repeat(np.arange(len(self.graph)), np.diff(self.graph.offsets))
        own = self.symbols[rows] == "O"
        return rows[own], self.graph.targets[own], self.graph.shifts[own]


def carve(glass: Glass, order: np.ndarray, forbidden: np.ndarray, most: int) -> np.ndarray:
    """Atoms of at most `most` whole formula units: those of lowest `order` (N,), none of the `forbidden` (N,).

    Of the oxygens, those between kept formers stay; of those that lose a former or have none, the lowest as far as the
    formula needs them. The former of a forbidden oxygen, the higher of two, is forbidden, too. Raises InputError, with
    the oxygen in excess or lacking, where no number of formula units does it.
    """
    oxygens, formers, _ = glass.owners()
    barred = forbidden.copy()
    # in ascending order, so that of two formers the last written is the outer one
    bonds_in_order = np.argsort(order[formers], kind="stable")
    outer = np.full(len(order), -1)
    outer[oxygens[bonds_in_order]] = formers[bonds_in_order]
    barred[outer[forbidden & (outer >= 0)]] = True
    ranked = np.argsort(order, kind="stable")
    # each kind of atom but oxygen next to formers, the lowest first
    rows = {
        element: ranked[(glass.symbols[ranked] == element) & ~barred[ranked]]
        for element in glass.formula
        if element != "O" or glass.graph is None
    }
    units = min([most, *(len(rows[element]) // glass.formula[element] for element in rows)])
    need = 0
    for number in range(units, max(units - _TRIES, 0), -1):
        kept = np.zeros(len(order), dtype=bool)
        for element, own in rows.items():
            kept[own[: number * glass.formula[element]]] = True
        if glass.graph is None:
            return np.flatnonzero(kept)
        bonds = np.bincount(oxygens, minlength=len(order))
        held = np.bincount(oxygens[kept[formers]], minlength=len(order))
        of_oxygen = (glass.symbols == "O") & ~forbidden
        inner = of_oxygen & (bonds > 0) & (held == bonds)
        pool = ranked[(of_oxygen & ((bonds == 0) | ((held > 0) & (held < bonds))))[ranked]]
        need = number * glass.formula["O"] - int(inner.sum())
        if 0 <= need <= len(pool):
            kept |= inner
            kept[pool[:need]] = True
            return np.flatnonzero(kept)
    text = formula_text(glass.formula)
    if units < 1:
        raise InputError(f"the glass has {glass.units} × {text}, of which no whole unit remains where it may be")
    excess = f"{-need} O too many" if need < 0 else f"{need} O are lacking"
    raise InputError(f"the glass cannot be cut into whole units of {text}: {excess}")


def placed(glass: Glass, positions: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """(N, 3) Å `positions` in which every kept oxygen stands beside the first of its kept formers."""
    oxygens, formers, shifts = glass.owners()
    inside = np.zeros(len(positions), dtype=bool)
    inside[kept] = True
    own = np.flatnonzero(inside[formers] & inside[oxygens])
    own = own[np.unique(oxygens[own], return_index=True)[1]]
    found = positions.copy()
    i, j = oxygens[own], formers[own]
    vectors = glass.atoms.positions[j] - glass.atoms.positions[i] + shifts[own] @ glass.atoms.cell.array
    found[i] = positions[j] - vectors
    return found


def broken_bonds(glass: Glass, kept: np.ndarray) -> int:
    """Bonds of kept formers to oxygens that are not kept."""
    oxygens, formers, _ = glass.owners()
    inside = np.zeros(len(glass.atoms), dtype=bool)
    inside[kept] = True
    return int((inside[formers] & ~inside[oxygens]).sum())


def quietest_height(glass: Glass) -> float:
    """The height (Å) at which the fewest bonds of formers to oxygen cross, of a cell whose third vector is along z."""
    height = glass.atoms.cell[2, 2]
    edges = np.arange(100) / 100 * height
    oxygens, formers, shifts = glass.owners()
    start = glass.atoms.positions[oxygens, 2]
    end = glass.atoms.positions[formers, 2] + shifts[:, 2] * height
    low, high = np.minimum(start, end), np.maximum(start, end)
    # a bond may cross an image of the plane
    first = np.ceil((low[:, None] - edges) / height)
    crossing = (first * height + edges < high[:, None]).sum(axis=0)
    return float(edges[crossing.argmin()])


def formula_text(formula: Mapping[str, int]) -> str:
    """``NaPO3``."""
    ordered = sorted(formula, key=lambda e: (e in ANIONS, e in FORMERS, e not in MOBILE_IONS))
    return "".join(f"{element}{formula[element] if formula[element] > 1 else ''}" for element in ordered)
