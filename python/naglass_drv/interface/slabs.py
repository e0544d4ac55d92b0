"""Slabs of a crystal along (hkl): whole, neutral, stoichiometric, with every site either full or empty."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ..chemistry import ions as chemistry
from ..errors import InputError
from . import CRYSTAL_A, LATERAL_A
from .crystal import Crystal, former_bonds
from .occupancy import resolve
from .orient import Oriented, oriented, supercell
from .terminations import Termination, cells_for, slab_sites, terminations, upright, with_cleavage

if TYPE_CHECKING:
    from ase import Atoms

# of a repeat
_SAME_PLACE = 0.01


@dataclass(frozen=True)
class Slab:
    """A slab between two cuts; its atoms lie between z = 0 and `thickness_A`, give or take the width of a unit."""

    atoms: "Atoms"  #: periodic, the first lateral vector along x, the third vector along z with vacuum
    crystal: Crystal
    termination: Termination
    thickness_A: float  #: whole repeats times the distance of the planes
    repeats: int
    cells: tuple[tuple[int, ...], ...]  #: (2, 2), lateral vectors in those of the lattice plane
    dipole_eA: float  #: along z, of formal charges
    ewald_eV: float | None  #: Coulomb energy of the arrangement of partly occupied sites; None for an ordered crystal
    tried: int  #: arrangements that were compared

    @property
    def lateral(self) -> np.ndarray:
        """(2, 2) Å, rows, the first along x."""
        return self.atoms.cell.array[:2, :2]

    @property
    def area(self) -> float:
        """Å²"""
        return float(abs(np.linalg.det(self.lateral)))


def check_receptive_field(crystal_A: float, glass_A: float, layers: int | None, r_max_A: float | None) -> float | None:
    """Receptive field (Å) of a model: message-passing layers times cutoff; None where the model is not known.

    Raises InputError where the crystal or the glass is thinner than twice of it: an atom in its middle would feel both
    interfaces.
    """
    if layers is None or r_max_A is None:
        return None
    field = layers * r_max_A
    for name, thickness in (("crystal", crystal_A), ("glass", glass_A)):
        if thickness < 2 * field:
            raise InputError(
                f"{name} {thickness:.1f} Å: thinner than twice the receptive field of the model, 2 × {layers} layers × "
                f"{r_max_A:g} Å = {2 * field:g} Å"
            )
    return field


def listed(
    crystal: Crystal, hkl: Sequence[int], by: str | Callable[["Atoms"], float] = "rigid-ions"
) -> list[Termination]:
    """The terminations of (hkl) with their cleavage energies; see `terminations` and `with_cleavage`.

    No seed decides their numbers, by which inputs name them.
    """
    turned = oriented(crystal, hkl)
    return with_cleavage(turned, terminations(turned), by)


def chosen(cuts: Sequence[Termination], number: int | None = None) -> Termination:
    """The termination of that number, by default the first that is not polar. InputError where there is none."""
    hkl = " ".join(map(str, cuts[0].hkl))
    if number is not None:
        if not 0 <= number < len(cuts):
            raise InputError(f"termination {number}: hkl {hkl} has 0 to {len(cuts) - 1}")
        return cuts[number]
    if cuts[0].polar:
        raise InputError(
            f"hkl {hkl}: all {len(cuts)} terminations are polar, the least with {abs(cuts[0].surface_charge_e):.2g} e "
            "per lateral cell on its surfaces; choose one by its number to take it nevertheless, or another plane"
        )
    return cuts[0]


def named(crystal: Crystal, hkl: Sequence[int], termination: int | str) -> Termination:
    """The cut that an input asks for: its number, or ``least``."""
    return chosen(listed(crystal, hkl), None if termination == "least" else int(termination))


def recut(crystal: Crystal, given: Crystal, cut: Termination) -> Termination:
    """A cut of the crystal in the cell that was `given`, at the same place of the same crystal in another cell.

    Its number stays; its cleavage energy, by rigid ions, is that of the other cell. Raises InputError where the layers
    of the two are not the same.
    """
    turned, at = oriented(crystal, cut.hkl), cut.height_A / oriented(given, cut.hkl).spacing

    def off(other: Termination) -> float:
        return abs((other.height_A / turned.spacing - at + 0.5) % 1.0 - 0.5)

    alike = [each for each in terminations(turned) if (each.share > 0) == (cut.share > 0)]
    same = min(alike, key=off, default=None)
    if same is None or off(same) > _SAME_PLACE:
        hkl = " ".join(map(str, cut.hkl))
        raise InputError(
            f"termination {cut.number} of hkl {hkl}: {crystal.name} in another cell than its own has no such cut"
        )
    (found,) = with_cleavage(turned, [same], "rigid-ions")
    return replace(found, number=cut.number)


def slab(
    crystal: Crystal,
    termination: Termination,
    *,
    thickness_A: float = CRYSTAL_A,
    lateral_A: float = LATERAL_A,
    seed: int = 0,
) -> Slab:
    """A slab at least `thickness_A` thick and `lateral_A` wide (Å) between two cuts of `termination`.

    Partly occupied sites, and a layer that both sides share, are resolved in the slab by its Ewald energy, dipole
    included (`occupancy.resolve`). Raises InputError for sizes that are not positive and for a slab that is not neutral
    and stoichiometric.
    """
    for name, value in (("thickness", thickness_A), ("lateral", lateral_A)):
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} {value} Å: must be positive")
    turned = oriented(crystal, termination.hkl)
    repeats, turns = size_of(turned, termination, thickness_A, lateral_A)
    sites = slab_sites(turned, termination, repeats, turns)
    found = resolve(sites, crystal.charges, seed=seed, slab=True)
    atoms = found.atoms
    check_side(atoms, crystal.formula, crystal.charges, "the slab")
    _check_whole(atoms, crystal)
    charges = np.array([crystal.charges[symbol] for symbol in atoms.symbols])
    return Slab(
        atoms=atoms,
        crystal=crystal,
        termination=termination,
        thickness_A=repeats * turned.spacing,
        repeats=repeats,
        cells=tuple(tuple(row) for row in turns.tolist()),
        dipole_eA=float(charges @ atoms.positions[:, 2]),
        ewald_eV=found.energy_eV,
        tried=found.tried,
    )


def lateral_cell(crystal: Crystal, termination: Termination, *, thickness_A: float, lateral_A: float) -> np.ndarray:
    """(2, 2) Å: `Slab.lateral` of the slab of that size, without making it."""
    turns = lateral_turns(crystal, termination, thickness_A=thickness_A, lateral_A=lateral_A)
    return upright(turns @ oriented(crystal, termination.hkl).lateral, 1.0)[:2, :2]


def lateral_turns(crystal: Crystal, termination: Termination, *, thickness_A: float, lateral_A: float) -> np.ndarray:
    """(2, 2) whole numbers: `Slab.cells` of the slab of that size, without making it."""
    return size_of(oriented(crystal, termination.hkl), termination, thickness_A, lateral_A)[1]


def size_of(crystal: Oriented, cut: Termination, thickness_A: float, lateral_A: float) -> tuple[int, np.ndarray]:
    """Repeats, and lateral vectors in those of the lattice plane."""
    repeats = max(1, int(np.ceil(thickness_A / crystal.spacing - 1e-6)))
    return repeats, _wide_enough(crystal, lateral_A, cells_for(crystal, cut, repeats))


def _wide_enough(crystal: Oriented, width_A: float, cells: int) -> np.ndarray:
    """The supercell of that width that has a multiple of `cells` lattice cells, widened along one vector if need be."""
    turns = supercell(crystal.lateral, width_A)
    size = int(abs(round(np.linalg.det(turns))))
    factor = next(n for n in range(1, cells + 1) if size * n % cells == 0)
    return np.diag([factor, 1]) @ turns


def whole_units(counts: Mapping[str, int], formula: Mapping[str, int]) -> tuple[int, dict[str, int]]:
    """How many whole formula units there are, and the atoms in excess of them by element."""
    units = min(counts.get(element, 0) // number for element, number in formula.items())
    rest = {element: number - units * formula.get(element, 0) for element, number in counts.items()}
    return units, {element: number for element, number in rest.items() if number}


def counts_of(atoms: "Atoms") -> dict[str, int]:
    """Atoms by element."""
    symbols, counts = np.unique(atoms.get_chemical_symbols(), return_counts=True)
    return dict(zip(symbols.tolist(), counts.tolist(), strict=True))


def check_side(atoms: "Atoms", formula: Mapping[str, int], charges: Mapping[str, float], what: str) -> int:
    """Whole formula units of one side of an interface. Raises InputError with the excess where these are not all."""
    units, excess = whole_units(counts_of(atoms), formula)
    if excess:
        named = " and ".join(f"{number} {element}" for element, number in excess.items())
        charge = sum(charges.get(element, 0.0) * number for element, number in excess.items())
        unit = "".join(f"{element}{number if number > 1 else ''}" for element, number in formula.items())
        raise InputError(f"{what} has {units} × {unit} and an excess of {named} ({charge:+g} e)")
    return units


def _check_whole(atoms: "Atoms", crystal: Crystal) -> None:
    """Raise InputError where a former has fewer oxygens in the slab than in the crystal."""
    least = _oxygens(crystal.atoms)
    lacking = {element: number for element, number in _oxygens(atoms).items() if number < least[element]}
    if lacking:
        element, number = next(iter(lacking.items()))
        raise InputError(f"the slab has {element} with {number:g} O, fewer than the {least[element]:g} of the crystal")


def _oxygens(atoms: "Atoms") -> dict[str, int]:
    """The least number of oxygens of each former."""
    if (graph := former_bonds(atoms)) is None:
        return {}
    symbols = np.array(graph.symbols)
    formers = {symbol for pair in graph.cutoffs for symbol in pair if symbol != "O"} & set(graph.symbols)
    return {former: int(graph.coordination("O")[symbols == former].min()) for former in sorted(formers)}


def ion_labels(atoms: "Atoms", ions: Sequence[chemistry.Species]) -> list[str] | None:
    """The ion of each atom; None where an element has two states, which its sites alone do not tell apart."""
    labels: dict[str, str] = {}
    for ion in ions:
        if ion.element in labels:
            return None
        labels[ion.element] = ion.label
    return [labels[symbol] for symbol in atoms.symbols]


def formula_mass_u(formula: Mapping[str, int | Fraction]) -> float:
    """Mass (u) of a formula unit."""
    from ..chemistry.masses import MASSES

    return float(sum(MASSES[element] * number for element, number in formula.items()))
