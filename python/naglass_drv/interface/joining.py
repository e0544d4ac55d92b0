"""Crystal and glass in one cell with two interfaces: a melt packed against a slab, or a glass that is joined to it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chemistry import ions as chemistry
from ..chemistry.masses import volume_of
from ..core import neighbors
from ..errors import InputError
from . import GAP_A, GLASS_A, MOST_STRAIN
from .carving import Glass, broken_bonds, carve, formula_text, placed, quietest_height
from .crystal import mean_charges, reduced
from .filling import FRACTION, Layer, fill
from .slabs import Slab, check_receptive_field, check_side, counts_of, formula_mass_u, ion_labels

if TYPE_CHECKING:
    from ase import Atoms

#: Per-atom array: 1 in the crystal, 0 in the glass.
PHASE = "phase"
_ROUNDS = 400
_MARGIN = 0.05
_MOST_LOSS = 0.25
_MOST_COPIES = 6
_WHOLE = 1.25
_WIDEST_GAP_A = 4.0


@dataclass(frozen=True)
class Interface:
    """A crystal in a glass or melt, periodic, and how it was made."""

    atoms: "Atoms"  #: with the array `phase`, and `ion` where each element has one state
    crystal_formula: dict[str, int]
    glass_formula: dict[str, int]
    charges: dict[str, float]  #: formal charge (e) by element of the crystal
    glass_charges: dict[str, float]  #: the same of the glass
    facts: dict[str, Any]  #: as JSON holds it


def slab_facts(slab: Slab) -> dict[str, Any]:
    """What a slab is, for a table or a file."""
    return {
        "crystal": slab.crystal.name,
        "crystal_formula": formula_text(slab.crystal.formula),
        "termination": asdict(slab.termination),
        "crystal_A": slab.thickness_A,
        "repeats": slab.repeats,
        "lateral_A": slab.lateral.tolist(),
        "area_A2": slab.area,
        "slab_dipole_eA": slab.dipole_eA,
        "ewald_eV": slab.ewald_eV,
        "arrangements_tried": slab.tried,
    }


def melt_ions(composition: Mapping[str, int], units: int) -> tuple[chemistry.Species, ...]:
    """The ions of so many formula units of a neutral glass."""
    return chemistry.species(reduced_labels(composition), units)


def reduced_labels(composition: Mapping[str, int]) -> dict[str, int]:
    """A composition in its smallest whole numbers. Raises InputError for counts that are not positive."""
    for label, number in composition.items():
        if int(number) != number or number < 1:
            raise InputError(f"composition {label}: {number}: must be a whole number of at least 1")
    if not composition:
        raise InputError("composition: names no element")
    return reduced(composition)


def melt_against(
    slab: Slab,
    composition: Mapping[str, int],
    density_g_cm3: float,
    *,
    glass_A: float = GLASS_A,
    seed: int = 0,
    fraction: float = FRACTION,
    model: tuple[int, float] | None = None,
) -> Interface:
    """A slab and, in the space between it and its next image, ions of a melt packed at random.

    The start of a melt-quench against the crystal: `phase` marks the atoms to be frozen first. The melt has whole
    formula units of `composition` (elements or ions, neutral) at `density_g_cm3`, so that its thickness is the nearest
    to `glass_A` (Å). Pairs keep `fraction` of their contact distance where `fill` can. `model` are the layers and the
    cutoff (Å) of a potential whose receptive field has to fit twice into both sides. Raises InputError for what does
    not fit.
    """
    labels = reduced_labels(composition)
    unit = melt_ions(labels, 1)
    formula = counts_by_element(labels)
    units, thickness = melt_size(formula, density_g_cm3, slab.area, glass_A)
    field = check_receptive_field(slab.thickness_A, thickness, *(model or (None, None)))
    held = slab.atoms.copy()
    held.cell[2] = [0.0, 0.0, slab.thickness_A + thickness]
    region = Layer(held.cell.array, slab.thickness_A, slab.thickness_A + thickness)
    melt, reached = fill(held, melt_ions(labels, units), region, seed=seed, fraction=fraction)
    facts = slab_facts(slab) | {
        "route": "melt",
        "glass_formula": formula_text(formula),
        "glass_units": units,
        "glass_A": thickness,
        "glass_density_g_cm3": density_g_cm3,
        "least_distance": reached,
        "receptive_field_A": field,
        "seed": seed,
    }
    atoms = together(held, melt, slab.crystal.ions, unit)
    return Interface(atoms, slab.crystal.formula, formula, slab.crystal.charges, mean_charges(unit), facts)


def melt_size(formula: Mapping[str, int], density_g_cm3: float, area_A2: float, glass_A: float) -> tuple[int, float]:
    """How many formula units fill an area to about a thickness (Å), and the thickness (Å) that they take.

    Raises InputError for less than one.
    """
    volume = volume_of_unit(formula, density_g_cm3)
    units = round(area_A2 * glass_A / volume)
    if units < 1:
        raise InputError(
            f"glass {glass_A:g} Å: one {formula_text(formula)} takes {volume:.0f} Å³, {volume / area_A2:.1f} Å of a "
            f"cell of {area_A2:.0f} Å²"
        )
    return units, units * volume / area_A2


def counts_by_element(labels: Mapping[str, int]) -> dict[str, int]:
    """``{"V4+": 1, "V5+": 1}`` → ``{"V": 2}``, in the smallest whole numbers."""
    counts: dict[str, int] = {}
    for label, number in labels.items():
        element = chemistry.parse_label(label)[0]
        counts[element] = counts.get(element, 0) + number
    return reduced(counts)


def volume_of_unit(formula: Mapping[str, int], density_g_cm3: float) -> float:
    """Volume (Å³) of a formula unit. Raises InputError for a density that is not positive."""
    if not (np.isfinite(density_g_cm3) and density_g_cm3 > 0):
        raise InputError(f"density {density_g_cm3} g/cm³: must be positive")
    return volume_of(formula_mass_u(formula), density_g_cm3)


def together(crystal: "Atoms", glass: "Atoms", ions, glass_ions) -> "Atoms":
    """Crystal atoms, then those of the glass, in the cell of the crystal.

    Where both sides name their ions, with the array `ion`, and in `info` the charge (0) and the high-spin multiplicity.
    """
    from ase import Atoms

    atoms = Atoms(
        [*crystal.symbols, *glass.symbols],
        np.concatenate([crystal.positions, glass.positions]),
        cell=crystal.cell,
        pbc=True,
    )
    atoms.set_array(PHASE, np.repeat([1, 0], [len(crystal), len(glass)]))
    of_crystal = ion_labels(crystal, ions)
    of_glass = glass.arrays["ion"].tolist() if "ion" in glass.arrays else ion_labels(glass, glass_ions)
    if of_crystal is not None and of_glass is not None:
        labels = [*of_crystal, *of_glass]
        atoms.set_array("ion", np.array(labels))
        atoms.info |= {"charge": 0, "multiplicity": chemistry.multiplicity(chemistry.ions_of(labels))}
    return atoms


def join(
    slab: Slab,
    glass: "Atoms",
    *,
    glass_A: float = GLASS_A,
    gap_A: float = GAP_A,
    most_strain: float = MOST_STRAIN,
    fraction: float = 0.6,
    model: tuple[int, float] | None = None,
) -> Interface:
    """A slab and a glass that is strained to its lateral cell, or cut to it where it is wider; to be annealed.

    Whole copies of the glass are strained by at most `most_strain`; a glass wider than the slab that no strain fits is
    cut, with a seam at the lateral faces. Along z it is opened where the fewest bonds of formers to oxygen cross, and
    cut to `glass_A` (Å) where it is more than a quarter thicker. Between the space that the glass takes at its own
    density and that of the crystal, `gap_A` (Å) are left on both sides. Glass atoms nearer than `fraction` of a contact
    distance to the crystal, or to each other across a seam, go with whole formula units, the outer ones first. Raises
    InputError for a glass that does not match, with the least strain, or has no whole formula units to lose.
    """
    if not 0 <= gap_A <= _WIDEST_GAP_A:
        raise InputError(f"gap {gap_A:g} Å: must be from 0 to {_WIDEST_GAP_A:g}")
    unit = ions_of_glass(glass)
    whole, strain, cut = fitted(glass, slab.lateral, glass_A, most_strain)
    source = Glass.of(whole)
    height = float(whole.cell[2, 2])
    opened = quietest_height(source)
    scaled = _from_the_middle(whole, slab.lateral) if cut else whole.positions[:, :2] @ np.linalg.inv(slab.lateral)
    z = (whole.positions[:, 2] - opened) % height
    thickness = height if height <= _WHOLE * glass_A else glass_A
    order = np.abs(z - height / 2) / (thickness / 2)
    if cut:
        order = np.maximum(order, 2 * np.abs(scaled - 0.5).max(axis=1))
    area = abs(np.linalg.det(whole.cell.array[:2, :2]))
    most = int(source.units * (slab.area / area if cut else 1.0) * thickness / height + 1e-6)
    positions = np.column_stack([scaled @ slab.lateral, z])
    return _joined(slab, source, positions, order, most, unit, (gap_A, fraction), model, {
        "strain": strain, "cut": cut, "opened_A": opened, "gap_A": gap_A,
    })  # fmt: skip


def _from_the_middle(glass: "Atoms", lateral: np.ndarray) -> np.ndarray:
    """(N, 2) places of the atoms in a cell `lateral` in the middle of the glass, whose cell is wider; 0 to 1 inside."""
    own = glass.cell.array[:2, :2]
    apart = glass.positions[:, :2] @ np.linalg.inv(own) - 0.5
    return (apart - np.round(apart)) @ own @ np.linalg.inv(lateral) + 0.5


def ions_of_glass(glass: "Atoms") -> tuple[chemistry.Species, ...]:
    """By the array `ion`, else by the composition. Raises InputError for a glass that is not neutral."""
    if "ion" in glass.arrays:
        ions = chemistry.ions_of(glass.arrays["ion"].tolist())
        if total := chemistry.total_charge(ions):
            raise InputError(f"the glass has a charge of {total:+d} e by its array ion")
        return ions
    try:
        return chemistry.species(counts_of(glass))
    except InputError as error:
        raise InputError(f"the glass: {error}") from None


def fitted(glass: "Atoms", lateral: np.ndarray, glass_A: float, most_strain: float) -> tuple["Atoms", float, bool]:
    """Copies of the glass in the lateral cell, their largest strain, and whether they are left to be cut to it.

    Raises InputError for a glass that does not match.
    """
    cell = glass.cell.array
    if np.abs([*cell[:2, 2], *cell[2, :2]]).max() > 1e-6:
        raise InputError("the glass needs a cell whose third vector is along z and whose others are normal to it")
    best: tuple[float, int, int, np.ndarray] | None = None
    for m in range(1, _MOST_COPIES + 1):
        for n in range(1, _MOST_COPIES + 1):
            gradient = np.linalg.inv(np.diag([m, n]) @ cell[:2, :2]) @ lateral
            strain = float(np.abs(np.linalg.svd(gradient)[1] - 1).max())
            if best is None or strain < best[0] - 1e-12:
                best = (strain, m, n, gradient)
    assert best is not None
    strain, m, n, gradient = best
    layers = max(1, int(np.ceil(glass_A / cell[2, 2] - 1e-6)))
    if strain <= most_strain:
        whole = glass.repeat((m, n, layers))
        whole.positions[:, :2] = whole.positions[:, :2] @ gradient
        whole.cell[:2, :2] = lateral
        return whole, strain, False
    if not (np.abs(lateral).sum(axis=0) <= np.diag(cell[:2, :2])).all():
        edges = " × ".join(f"{np.linalg.norm(vector):.2f}" for vector in lateral)
        own = " × ".join(f"{np.linalg.norm(vector):.2f}" for vector in cell[:2, :2])
        raise InputError(
            f"the glass of {own} Å does not match the slab of {edges} Å: the best, {m} × {n} copies, is strained by "
            f"{100 * strain:.1f} % (at most {100 * most_strain:g} %), and it is not wide enough to be cut"
        )
    return glass.repeat((1, 1, layers)), 0.0, True


def _joined(slab, source, positions, order, most, unit, contact, model, facts) -> Interface:
    """The slab and those whole formula units that touch neither it nor each other."""
    gap_A, fraction = contact
    # a little beyond the part that is cut, so that all elements have their numbers
    forbidden = order > 1 + _MARGIN
    # the glass takes the space that it has at its own density, its middle in the middle of it
    thickness = float(most * source.atoms.cell.volume / source.units / slab.area)
    middle = slab.thickness_A + gap_A + thickness / 2
    height = float(source.atoms.cell[2, 2])
    crystal = slab.atoms.copy()
    crystal.cell[2] = [0.0, 0.0, slab.thickness_A + thickness + 2 * gap_A]
    field = check_receptive_field(slab.thickness_A, thickness, *(model or (None, None)))
    known = _bonded_or_near(source, fraction)
    for _ in range(_ROUNDS):
        kept = carve(source, order, forbidden, most)
        part = source.atoms[kept]
        part.positions = placed(source, positions, kept)[kept] + [0.0, 0.0, middle - height / 2]
        atoms = together(crystal, part, slab.crystal.ions, unit)
        touching = _touching(atoms, kept, order, fraction, known)
        if touching is None:
            break
        forbidden[touching] = True
    else:
        raise InputError(f"gap {gap_A:g} Å: contacts remain after {_ROUNDS} rounds of removal; make it wider")
    units = check_side(part, source.formula, mean_charges(unit), "the glass")
    if units < (1 - _MOST_LOSS) * most:
        raise InputError(
            f"the glass would lose {most - units} of {most} formula units to contacts; widen the gap, or take a wider "
            "slab or a glass that needs no cut"
        )
    facts = slab_facts(slab) | facts | {
        "route": "join",
        "glass_formula": formula_text(source.formula),
        "glass_units": units,
        "units_removed": most - units,
        "glass_A": thickness,
        "glass_density_g_cm3": volume_of(units * formula_mass_u(source.formula), slab.area * thickness),
        "bonds_cut_in_glass": broken_bonds(source, kept),
        "receptive_field_A": field,
    }  # fmt: skip
    return Interface(atoms, slab.crystal.formula, source.formula, slab.crystal.charges, mean_charges(unit), facts)


def _bonded_or_near(source: Glass, fraction: float) -> set[tuple[int, int]]:
    """Pairs that are as near in the glass itself."""
    found = neighbors(source.atoms, fraction * _longest_contact(source.symbols))
    return set(zip(found.i.tolist(), found.j.tolist(), strict=True))


def _longest_contact(symbols: np.ndarray) -> float:
    elements = list(dict.fromkeys(symbols.tolist()))
    return max(chemistry.contact_distance(a, b) for a in elements for b in elements)


def _touching(atoms: "Atoms", kept: np.ndarray, order: np.ndarray, fraction: float, known: set) -> int | None:
    """The atom of the glass (its number in `order`) to remove next: of the nearest pair across an interface or a seam.

    One at a time, since a formula unit that goes often takes other contacts with it.
    """
    first, second, ratio = too_near(atoms, fraction)
    crystal = int(atoms.arrays[PHASE].sum())
    for place in np.argsort(ratio, kind="stable"):
        i, j = int(first[place]), int(second[place])
        if i < crystal <= j:
            return int(kept[j - crystal])
        if i >= crystal:
            pair = int(kept[i - crystal]), int(kept[j - crystal])
            if pair not in known:
                return max(pair, key=lambda atom: order[atom])
    return None


def too_near(atoms: "Atoms", fraction: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (i < j) nearer than `fraction` of their contact distance: i, j, and distances over contact distances."""
    symbols = np.array(atoms.get_chemical_symbols())
    elements, kinds = np.unique(symbols, return_inverse=True)
    table = np.array([[chemistry.contact_distance(a, b) for b in elements.tolist()] for a in elements.tolist()])
    found = neighbors(atoms, fraction * float(table.max()))
    ratio = found.distances / table[kinds[found.i], kinds[found.j]]
    own = (ratio < fraction) & ((found.i < found.j) | ((found.i == found.j) & (ratio > 0)))
    return found.i[own], found.j[own], ratio[own]
