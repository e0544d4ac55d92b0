"""Where a crystal can be cut along (hkl) without breaking a bond of P, Si or B to O, and what the cut costs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING

import numpy as np

from ..chemistry.formers import ANIONS, DEFAULT_CUTOFFS_A, oxygen_cutoff_A
from ..chemistry.ions import TRANSITION_METALS, contact_distance
from ..core import neighbors
from ..errors import InputError
from . import RULES
from .crystal import OCCUPANCY, Crystal
from .ewald import coulomb_energy, rigid_ion_energy
from .occupancy import resolve
from .orient import Oriented, translations

if TYPE_CHECKING:
    from ase import Atoms

#: eV/Å² in J/m².
J_M2 = 16.02176634
_LAYER_A = 0.02
#: e per lateral cell: the surface charge that a cut may leave and still count as not polar.
NOT_POLAR_E = 0.1
_THICKNESS_A = 10.0
_VACUUM_A = 15.0
# farther than any bond reaches
_APART_A = 6.0
_SAME = 1e-6
_MOST_CELLS = 6


@dataclass(frozen=True)
class Termination:
    """One way to cut a crystal: a plane between two layers of units, or a layer of ions shared by both sides."""

    hkl: tuple[int, int, int]
    number: int  #: in the list of its plane, from 0
    height_A: float  #: of the cut within the repeat along z
    layer: int  #: layers up to this one, in the order of their heights, are below the cut
    share: float  #: part of the next layer that goes below the cut, 0 for a plane between layers
    below: str  #: what the layer below the cut holds per lateral cell
    above: str  #: what the layer above it holds
    surface_charge_e: float  #: dipole of a repeat over its height, per lateral cell; 0 where the cut is not polar
    cells: int  #: lateral cells that it needs, so that a layer can be shared in whole ions
    symmetric: bool  #: both surfaces of a slab are alike, by the heights of their atoms
    equivalent: int  #: cuts of a repeat that are the same by symmetry
    cut_bonds_nm2: float  #: cation-anion bonds that are cut, per nm²
    cleavage_J_m2: float | None = None  #: unrelaxed energy of both new surfaces over their area

    @property
    def polar(self) -> bool:
        """Whether a slab has a dipole that grows with its thickness."""
        return abs(self.surface_charge_e) > NOT_POLAR_E


def terminations(crystal: Oriented) -> list[Termination]:
    """Every distinct cut of one repeat that leaves the units whole; a slab of whole repeats is then stoichiometric.

    Between all successive layers of units; and where such a cut is polar, with a layer of single ions shared so that
    the dipole vanishes. Cuts whose slabs have the same distances between their atoms, and the same dipole, are one by
    symmetry. Planes that are not polar come first, then shared layers, then polar cuts; of each those that cut fewer
    bonds.
    """
    layers = _layers(crystal.heights)
    found: list[tuple[float, Termination]] = []
    for number in range(len(layers)):
        for share in _shares(crystal, layers, number):
            trial = _termination(crystal, layers, number, share)
            sites = slab_sites(crystal, trial, _repeats(crystal.spacing, _APART_A), _SINGLE, _APART_A)
            mark = _fingerprint(sites)
            same = next((k for k, (other, cut) in enumerate(found) if _alike(trial, cut, mark - other)), None)
            if same is None:
                bonds = float(_cut_bonds(crystal, sites) / (crystal.area / 100))
                found.append((mark, replace(trial, cut_bonds_nm2=bonds, symmetric=_symmetric(sites))))
            else:
                first = found[same][1]
                found[same] = (found[same][0], replace(first, equivalent=first.equivalent + 1))
    listed = sorted(
        (each for _, each in found), key=lambda t: (t.polar, t.share > 0, round(t.cut_bonds_nm2, 6), t.height_A)
    )
    return [replace(each, number=number) for number, each in enumerate(listed)]


_SINGLE = np.eye(2, dtype=int)


def _layers(heights: np.ndarray) -> list[np.ndarray]:
    """Units by layer, from below; units within 0.02 Å of the next are one layer."""
    order = np.argsort(heights, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(heights[order]) > _LAYER_A) + 1)


def _dipole(crystal: Oriented, layers: Sequence[np.ndarray], number: int) -> float:
    """Dipole (e Å along z) per lateral cell of the repeat that begins above layer `number`."""
    raised = np.isin(crystal.unit, np.concatenate(layers[: number + 1]))
    return float(crystal.charges @ (crystal.positions[:, 2] + crystal.spacing * raised))


def _shares(crystal: Oriented, layers: Sequence[np.ndarray], number: int) -> list[float]:
    """0 for the plane above layer `number`, and the part of the next layer below it that takes the dipole away."""
    dipole = _dipole(crystal, layers, number) / crystal.spacing
    following = layers[(number + 1) % len(layers)]
    members = np.flatnonzero(np.isin(crystal.unit, following))
    if abs(dipole) <= NOT_POLAR_E or len(members) > len(following):
        return [0.0]
    share = -dipole / float(crystal.charges[members].sum())
    # all of the layer would be the next plane
    if not 1e-3 < share < 1 - 1e-3:
        return [0.0]
    return [0.0, share] if _cells(crystal, members, share) else [0.0]


def _cells(crystal: Oriented, members: np.ndarray, share: float) -> int:
    """Lateral cells over which a layer can be shared in whole ions; 0 where it would take too many."""
    if (crystal.occupancy[members] < 1).any():
        return 1
    return next((n for n in range(1, _MOST_CELLS + 1) if abs(n * share * len(members) % 1 - 0.5) > 0.45), 0)


def _termination(crystal: Oriented, layers: Sequence[np.ndarray], number: int, share: float) -> Termination:
    following = layers[(number + 1) % len(layers)]
    low = crystal.heights[layers[number]].mean()
    high = crystal.heights[following].mean() + (crystal.spacing if number + 1 == len(layers) else 0.0)
    members = np.flatnonzero(np.isin(crystal.unit, following))
    dipole = _dipole(crystal, layers, number) / crystal.spacing + share * crystal.charges[members].sum()
    return Termination(
        hkl=crystal.hkl,
        number=-1,
        height_A=float(high if share else (low + high) / 2) % crystal.spacing,
        layer=number,
        share=share,
        below=_text(crystal, layers[number]),
        above=_text(crystal, following),
        surface_charge_e=0.0 if abs(dipole) < 1e-9 else float(dipole),
        cells=_cells(crystal, members, share) if share else 1,
        symmetric=False,
        equivalent=1,
        cut_bonds_nm2=0.0,
    )


def _text(crystal: Oriented, units: np.ndarray) -> str:
    own = np.isin(crystal.unit, units)
    sums = {
        element: crystal.occupancy[own & (crystal.symbols == element)].sum()
        for element in dict.fromkeys(crystal.symbols[own].tolist())
    }
    ordered = sorted(sums, key=lambda element: element in ANIONS)
    return " ".join(f"{element}{sums[element]:.3g}" for element in ordered)


def _repeats(spacing: float, thickness_A: float) -> int:
    return max(1, int(np.ceil(thickness_A / spacing - 1e-6)))


def slab_sites(
    crystal: Oriented, cut: Termination, repeats: int, turns: np.ndarray, vacuum_A: float = _VACUUM_A
) -> "Atoms":
    """The sites of `repeats` repeats between two such cuts, with occupancies, in the lateral supercell ``turns``.

    The first lateral vector lies along x, the third along z, `vacuum_A` (Å) longer than the slab is thick. A layer that
    is shared has its ions on either side, with the part that goes there as occupancy.
    """
    from ase import Atoms

    layers = _layers(crystal.heights)
    # what lies below a cut belongs on top of the repeat, unless that is all
    number = (cut.layer + 1) % len(layers)
    raised = np.isin(crystal.unit, [unit for layer in layers[:number] for unit in layer])
    members = np.flatnonzero(np.isin(crystal.unit, layers[number])) if cut.share else np.empty(0, dtype=int)
    steps = np.arange(repeats)
    start = crystal.positions + raised[:, None] * crystal.step
    positions = (start[None] + steps[:, None, None] * crystal.step).reshape(-1, 3)
    occupancy = np.tile(crystal.occupancy, repeats)
    symbols = np.tile(crystal.symbols, repeats)
    unit = (np.arange(repeats)[:, None] * len(crystal.heights) + crystal.unit).ravel()
    if cut.share:
        # of the first repeat, what goes below the lower cut appears on top of the slab
        occupancy[members] *= 1 - cut.share
        positions = np.concatenate([positions, start[members] + repeats * crystal.step])
        occupancy = np.concatenate([occupancy, crystal.occupancy[members] * cut.share])
        symbols = np.concatenate([symbols, crystal.symbols[members]])
        unit = np.concatenate([unit, repeats * len(crystal.heights) + np.arange(len(members))])
    shifts = translations(crystal.lateral, turns)
    lateral = turns @ crystal.lateral
    moves = np.column_stack([shifts, np.zeros(len(shifts))])
    units = int(unit.max()) + 1
    thickness = repeats * crystal.spacing
    atoms = Atoms(
        np.tile(symbols, len(shifts)),
        (positions[None] + moves[:, None]).reshape(-1, 3),
        cell=upright(lateral, thickness + vacuum_A),
        pbc=True,
    )
    atoms.set_array(OCCUPANCY, np.tile(occupancy, len(shifts)))
    atoms.set_array("unit", (np.arange(len(shifts))[:, None] * units + unit).ravel())
    atoms.positions = atoms.positions @ _turn(lateral).T
    # the middle of the slab is that of the crystal between its two cuts
    atoms.positions[:, 2] -= _bottom(crystal, layers, cut)
    return atoms[np.argsort(atoms.arrays["unit"], kind="stable")]


def _bottom(crystal: Oriented, layers: Sequence[np.ndarray], cut: Termination) -> float:
    """Height (Å) of the lower cut in the frame of `slab_sites`."""
    low = crystal.heights[layers[cut.layer]].mean()
    following = crystal.heights[layers[(cut.layer + 1) % len(layers)]].mean()
    if cut.layer + 1 == len(layers):
        low -= crystal.spacing
    return float(following if cut.share else (low + following) / 2)


def _turn(lateral: np.ndarray) -> np.ndarray:
    """Rotation about z that lays the first lateral vector along x."""
    cosine, sine = lateral[0] / np.linalg.norm(lateral[0])
    return np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def upright(lateral: np.ndarray, height: float) -> np.ndarray:
    """(3, 3) Å, a cell whose first vector lies along x and whose third is along z."""
    cell = np.zeros((3, 3))
    cell[:2, :2] = lateral @ _turn(lateral)[:2, :2].T
    cell[0, 1] = 0.0
    cell[2, 2] = height
    return cell


def stacking(crystal: Oriented, repeats: int, turns: np.ndarray) -> np.ndarray:
    """(3,) Å, from a repeat to the one that is `repeats` above it, in the frame of `slab_sites`.

    Repeats lie aside of each other in most planes: the nearest in the lateral supercell ``turns``.
    """
    lateral = turns @ crystal.lateral
    away = repeats * crystal.step
    away[:2] -= np.rint(away[:2] @ np.linalg.inv(lateral)) @ lateral
    return _turn(lateral) @ away


def _symmetric(sites: "Atoms") -> bool:
    """Whether the sites have the same heights from above as from below, element by element."""
    rows = np.column_stack([sites.numbers, sites.arrays[OCCUPANCY], sites.positions[:, 2]])
    upside_down = rows * [1, 1, -1] + [0, 0, rows[:, 2].min() + rows[:, 2].max()]
    first, second = (each[np.lexsort(np.round(each.T, 2)[::-1])] for each in (rows, upside_down))
    return bool(np.abs(first - second).max() < 2 * _LAYER_A)


def _alike(first: Termination, second: Termination, apart: float) -> bool:
    polar = abs(first.surface_charge_e) - abs(second.surface_charge_e)
    return abs(apart) < _SAME and abs(polar) < _SAME


def _fingerprint(sites: "Atoms") -> float:
    """Σ w w' (1 − r/R)² per site over pairs nearer than R: the same for slabs that a rotation or mirror maps on each
    other. w tells elements apart, also those of equal or opposite charge.
    """
    weights = sites.numbers * sites.arrays[OCCUPANCY]
    pairs = neighbors(sites, _APART_A)
    return float(weights[pairs.i] @ (weights[pairs.j] * (1 - pairs.distances / _APART_A) ** 2)) / len(sites)


def bond_cutoffs(elements: Sequence[str]) -> dict[tuple[str, str], float]:
    """How far (Å) a bond between a cation and an anion reaches."""
    anions = [element for element in elements if element in ANIONS]
    found = {}
    for element in elements:
        for anion in anions if element not in ANIONS else ():
            known = anion == "O" and (f"{element}-O" in DEFAULT_CUTOFFS_A or element in TRANSITION_METALS)
            found[element, anion] = oxygen_cutoff_A(element) if known else 1.3 * contact_distance(element, anion)
    return found


def _bonds(atoms: "Atoms", weights: np.ndarray) -> float:
    cutoffs = bond_cutoffs(list(dict.fromkeys(atoms.get_chemical_symbols())))
    symbols = np.array(atoms.get_chemical_symbols())
    if not cutoffs:
        return 0.0
    pairs = neighbors(atoms, max(cutoffs.values()))
    total = 0.0
    for (cation, anion), reach in cutoffs.items():
        own = (symbols[pairs.i] == cation) & (symbols[pairs.j] == anion) & (pairs.distances < reach)
        total += float(weights[pairs.i[own]] @ weights[pairs.j[own]])
    return total


def _cut_bonds(crystal: Oriented, sites: "Atoms") -> float:
    """Bonds per lateral cell that a slab lacks against the crystal, by occupancies; one cut makes its two surfaces."""
    whole = crystal.crystal
    per_cell = _bonds(whole.atoms, whole.occupancy) / whole.occupancy.sum()
    return max(per_cell * sites.arrays[OCCUPANCY].sum() - _bonds(sites, sites.arrays[OCCUPANCY]), 0.0)


def with_cleavage(
    crystal: Oriented,
    cuts: Sequence[Termination],
    by: str | Callable[["Atoms"], float] = "rigid-ions",
    *,
    seed: int = 0,
) -> list[Termination]:
    """The same cuts with their cleavage energies: planes, then shared layers, then what is polar, the least first.

    (E_slab − n E_crystal)/2A of a slab of at least 10 Å in vacuum, atoms where they are in the crystal (not relaxed),
    its partly occupied sites resolved in the slab and in the crystal's own cell. `by` is ``rigid-ions``
    (`chemistry.potentials`), ``coulomb`` (formal charges alone: an order, far above any real energy), or a function
    that returns the energy (eV) of atoms. The energy of a polar cut grows with thickness. Raises InputError for ions
    that the potential lacks.
    """
    if not callable(by) and by not in RULES:
        raise InputError(f"by {by!r}: must be one of {', '.join(RULES)}, or a function of atoms that returns eV")
    charges = crystal.crystal.charges
    copies = lcm(*(number.denominator for number in crystal.crystal.counts.values()))
    whole = resolve(crystal.crystal.atoms.repeat((copies, 1, 1)), charges, seed=seed).atoms
    per_atom = _energy(crystal.crystal, by, slab=False)(whole) / len(whole)
    energy = _energy(crystal.crystal, by, slab=True)
    found = []
    for cut in cuts:
        repeats = _repeats(crystal.spacing, _THICKNESS_A)
        # side by side along the shorter lattice vector
        sites = slab_sites(crystal, cut, repeats, np.diag([cells_for(crystal, cut, repeats), 1]))
        slab = resolve(sites, charges, seed=seed, slab=True).atoms
        area = float(np.linalg.norm(np.cross(slab.cell[0], slab.cell[1])))
        work = float(J_M2 * (energy(slab) - len(slab) * per_atom) / (2 * area))
        found.append(replace(cut, cleavage_J_m2=work))
    listed = sorted(found, key=lambda each: (each.polar, each.share > 0, each.cleavage_J_m2))
    return [replace(each, number=number) for number, each in enumerate(listed)]


def cells_for(crystal: Oriented, cut: Termination, repeats: int) -> int:
    """Lateral cells of which a slab needs a multiple, so that it holds whole atoms."""
    share = Fraction(len(crystal.positions), len(crystal.crystal.atoms)) * repeats
    return lcm(cut.cells, *((number * share).denominator for number in crystal.crystal.counts.values()))


def _energy(crystal: Crystal, by: str | Callable[["Atoms"], float], *, slab: bool) -> Callable[["Atoms"], float]:
    if callable(by):
        return by
    if by == "rigid-ions":
        try:
            return rigid_ion_energy(crystal.ions, slab=slab)
        except InputError as error:
            raise InputError(f"by rigid-ions: {error}; 'coulomb' takes any ion") from None
    return lambda atoms: coulomb_energy(
        atoms, np.array([crystal.charges[symbol] for symbol in atoms.symbols]), slab=slab
    )
