"""Crystals as they come from a file: sites that may be partly occupied, charges, and units whose bonds stay whole."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from math import gcd, lcm
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..chemistry import ions as chemistry
from ..chemistry.formers import FORMERS, oxygen_cutoff_A
from ..core import BondGraph, bond_graph
from ..errors import InputError
from ..files import read_bounded

if TYPE_CHECKING:
    from ase import Atoms

#: Per-atom array of a crystal: the part of the time that a site is occupied.
OCCUPANCY = "occupancy"
_MOST_BYTES = 16 << 20
# borates have no entry of their own, and 2.2 Å is beyond every bond of a former to oxygen
_LONGEST_FORMER_BOND_A = 2.2
_DENOMINATOR = 6
_FULL = 1.0 - 1e-6


@dataclass(frozen=True)
class Units:
    """What a cut leaves whole: formers with their oxygens, as far as these are connected; every other atom alone."""

    of_atom: np.ndarray  #: (N,) int, unit of each atom
    positions: np.ndarray  #: (N, 3) Å, atoms of a unit together
    heads: np.ndarray  #: (N,) bool, atoms whose mean position is the place of their unit: formers, or the only atom
    periods: tuple[tuple[int, int, int], ...]  #: cell vectors by which a unit is bonded to its own image


@dataclass(frozen=True)
class Crystal:
    """A crystal with the composition and formal charges that its cell stands for."""

    atoms: "Atoms"  #: every site, occupied or not, with the array `occupancy`
    counts: dict[str, Fraction]  #: atoms per cell by element
    ions: tuple[chemistry.Species, ...]  #: in whole numbers, of one or a few cells
    charges: dict[str, float]  #: formal charge (e) by element, the mean where an element has two states
    name: str

    @property
    def occupancy(self) -> np.ndarray:
        """(N,) part of the time that each site is occupied."""
        return self.atoms.arrays[OCCUPANCY]

    @property
    def disordered(self) -> bool:
        """Whether a site is partly occupied."""
        return bool((self.occupancy < _FULL).any())

    @property
    def formula(self) -> dict[str, int]:
        """The smallest whole numbers of the composition."""
        return reduced(self.counts)

    @property
    def formula_units(self) -> Fraction:
        """Formula units per cell."""
        element, number = next(iter(self.formula.items()))
        return self.counts[element] / number

    def with_cell(self, lengths_A: Sequence[float], angles: Sequence[float] | None = None) -> "Crystal":
        """The same crystal with the cell edges a, b, c (Å), as at the temperature of a run; sites keep their scaled
        positions, and without α, β, γ (degrees) the angles stay."""
        lengths = np.asarray(lengths_A, dtype=float)
        if lengths.shape != (3,) or not np.isfinite(lengths).all() or (lengths <= 0).any():
            raise InputError(f"cell {np.ravel(lengths).tolist()}: must be three edges in Å, all positive")
        atoms = self.atoms.copy()
        atoms.set_cell([*lengths, *(atoms.cell.angles() if angles is None else angles)], scale_atoms=True)
        return replace(self, atoms=atoms)


def reduced(counts: Mapping[str, Fraction | int]) -> dict[str, int]:
    """The smallest whole numbers in the same proportions."""
    fractions = {element: Fraction(number) for element, number in counts.items() if number}
    scale = reduce(lcm, (number.denominator for number in fractions.values()), 1)
    whole = {element: int(number * scale) for element, number in fractions.items()}
    divisor = reduce(gcd, whole.values(), 0)
    return {element: number // divisor for element, number in whole.items()}


def read_crystal(path: Path, composition: Mapping[str, int] | None = None) -> Crystal:
    """A crystal from a CIF file (occupancies included) or an extended-XYZ frame; `composition` as in `crystal_of`."""
    if path.suffix.lower() == ".cif":
        atoms = _read_cif(path)
    else:
        from ..dataset.frames import read_frames

        atoms = read_frames(path)[0]
    try:
        return crystal_of(atoms, composition, path.stem)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _read_cif(path: Path) -> "Atoms":
    from ase.io.cif import parse_cif

    data = read_bounded(path, _MOST_BYTES)
    try:
        atoms = next(block for block in parse_cif(io.BytesIO(data)) if block.has_structure()).get_atoms()
    except StopIteration:
        raise InputError(f"{path}: contains no structure") from None
    # ASE raises almost anything on a damaged file
    except Exception as error:
        raise InputError(f"{path}: not a CIF file that ASE reads ({type(error).__name__}: {error})") from error
    occupancy = np.ones(len(atoms))
    stated = atoms.info.pop("occupancy", {})
    for site, kind in enumerate(atoms.arrays.get("spacegroup_kinds", np.zeros(len(atoms), dtype=int))):
        elements = stated.get(str(kind), {})
        if len(elements) > 1:
            shares = ", ".join(f"{element} {share:g}" for element, share in elements.items())
            raise InputError(f"{path}: site {site + 1} has several elements ({shares}); put one of them on each site")
        occupancy[site] = next(iter(elements.values()), 1.0)
    atoms.arrays = {name: atoms.arrays[name] for name in ("numbers", "positions")}
    atoms.info, atoms.calc = {}, None
    atoms.set_array(OCCUPANCY, occupancy)
    return atoms


def crystal_of(atoms: "Atoms", composition: Mapping[str, int] | None = None, name: str = "crystal") -> Crystal:
    """The crystal of `atoms`, periodic in all directions, with an array `occupancy` where sites are partly occupied.

    `composition` (elements or ions such as V3+, in any multiple) says how many atoms there are where a file states all
    sites as full, and which charges they have; without it they follow from the occupancies and from neutrality.
    Raises InputError for sites that do not make up the composition, and for one that is not neutral.
    """
    if not atoms.pbc.all() or abs(atoms.cell.volume) < 1e-6:
        raise InputError("the crystal is not periodic in all directions")
    if not len(atoms):
        raise InputError("the crystal has no atoms")
    occupancy = np.array(atoms.arrays.get(OCCUPANCY, np.ones(len(atoms))), dtype=float)
    if not ((occupancy > 0) & (occupancy <= 1)).all():
        bad = int(np.flatnonzero(~((occupancy > 0) & (occupancy <= 1)))[0])
        raise InputError(f"site {bad + 1}: an occupancy of {occupancy[bad]:g} is not in 0 to 1")
    symbols = np.array(atoms.get_chemical_symbols())
    if composition is None:
        counts = {
            str(element): Fraction(float(occupancy[symbols == element].sum())).limit_denominator(_DENOMINATOR)
            for element in dict.fromkeys(symbols)
        }
        labels: dict[str, Fraction] = dict(counts)
    else:
        counts, labels = _as_stated(composition, symbols)
    ions = _neutral(labels)
    for element, number in counts.items():
        occupancy[symbols == element] = _filled(occupancy[symbols == element], float(number), element)
    whole = atoms.copy()
    whole.info, whole.calc = {}, None
    whole.arrays = {key: whole.arrays[key] for key in ("numbers", "positions")}
    whole.set_array(OCCUPANCY, occupancy)
    _check_units(whole)
    return Crystal(whole, counts, ions, mean_charges(ions), name)


def _as_stated(composition: Mapping[str, int], symbols: np.ndarray) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """Atoms per cell by element and by label: as many formula units as the scarcest element has sites for."""
    per_unit: dict[str, int] = {}
    for label, number in composition.items():
        element = chemistry.parse_label(label)[0]
        per_unit[element] = per_unit.get(element, 0) + number
    present = set(symbols.tolist())
    if present != per_unit.keys():
        raise InputError(
            f"composition {''.join(f'{k}{v}' for k, v in composition.items())}: has {', '.join(sorted(per_unit))}, "
            f"but the crystal has {', '.join(sorted(present))}"
        )
    units = min(Fraction(int((symbols == element).sum()), number) for element, number in per_unit.items())
    return (
        {element: units * number for element, number in per_unit.items()},
        {label: units * number for label, number in composition.items()},
    )


def _neutral(labels: Mapping[str, Fraction]) -> tuple[chemistry.Species, ...]:
    scale = reduce(lcm, (number.denominator for number in labels.values()), 1)
    return chemistry.species({label: int(number * scale) for label, number in labels.items()})


def mean_charges(ions: Sequence[chemistry.Species]) -> dict[str, float]:
    """Formal charge (e) by element, the mean over its ions."""
    total: dict[str, list[int]] = {}
    for ion in ions:
        sums = total.setdefault(ion.element, [0, 0])
        sums[0] += ion.charge * ion.count
        sums[1] += ion.count
    return {element: charge / count for element, (charge, count) in total.items()}


def _filled(occupancy: np.ndarray, number: float, element: str) -> np.ndarray:
    """Occupancies that add up to `number`: those of the partly occupied sites change, or all if none is."""
    if abs(occupancy.sum() - number) < 1e-9:
        return occupancy
    partial = occupancy < _FULL
    if not partial.any():
        partial[:] = True
    rest = number - occupancy[~partial].sum()
    scaled = occupancy[partial] * (rest / occupancy[partial].sum())
    if rest <= 0 or scaled.max() > 1:
        # equal shares where the stated ones would overfill a site
        scaled = np.full(int(partial.sum()), rest / partial.sum())
    if not (scaled.min() > 0 and scaled.max() <= 1 + 1e-9):
        raise InputError(f"{element}: {len(occupancy)} sites cannot hold {number:g} atoms")
    found = occupancy.copy()
    found[partial] = np.minimum(scaled, 1.0)
    return found


def former_bonds(atoms: "Atoms") -> BondGraph | None:
    """The bonds of network formers to oxygen; None where there are none."""
    present = set(atoms.get_chemical_symbols())
    formers = [former for former in FORMERS if former in present]
    if not formers or "O" not in present:
        return None
    return bond_graph(
        atoms, {(former, "O"): min(oxygen_cutoff_A(former), _LONGEST_FORMER_BOND_A) for former in formers}
    )


def units_of(atoms: "Atoms") -> Units:
    """The units of a periodic structure, by the bonds of P, Si and B to O (2.0, 2.2 and 2.2 Å)."""
    count = len(atoms)
    of_atom = np.full(count, -1)
    cells = np.zeros((count, 3), dtype=int)
    periods: set[tuple[int, int, int]] = set()
    graph = former_bonds(atoms)
    for start in range(count):
        if of_atom[start] >= 0:
            continue
        of_atom[start], stack = start, [start]
        while stack and graph is not None:
            here = stack.pop()
            for bond in range(graph.offsets[here], graph.offsets[here + 1]):
                other, cell = graph.targets[bond], cells[here] + graph.shifts[bond]
                if of_atom[other] < 0:
                    of_atom[other], cells[other] = start, cell
                    stack.append(int(other))
                elif (cells[other] != cell).any():
                    periods.add(tuple((cell - cells[other]).tolist()))
    symbols = np.array(atoms.get_chemical_symbols())
    _, of_atom = np.unique(of_atom, return_inverse=True)
    alone = np.bincount(of_atom)[of_atom] == 1
    heads = alone | np.isin(symbols, FORMERS)
    return Units(of_atom, atoms.positions + cells @ atoms.cell.array, heads, tuple(sorted(periods)))


def _check_units(atoms: "Atoms") -> None:
    """Raise InputError where an atom of a PO4 or SiO4 group is partly occupied."""
    units = units_of(atoms)
    bonded = np.bincount(units.of_atom)[units.of_atom] > 1
    loose = np.flatnonzero(bonded & (atoms.arrays[OCCUPANCY] < _FULL))
    if len(loose):
        site = loose[0]
        raise InputError(
            f"site {site + 1} ({atoms.symbols[site]}): bonded to a network former, but occupied to "
            f"{atoms.arrays[OCCUPANCY][site]:.3g}; order these groups first"
        )
