"""Crystallites in a melt or glass: spheres, and cylinders that run through the cell along a lattice direction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from . import MOST_STRAIN, SHAPES
from .carving import Glass, broken_bonds, carve, formula_text, placed
from .crystal import OCCUPANCY, Crystal, mean_charges, units_of
from .filling import FRACTION, Outside, fill
from .joining import (
    Interface,
    counts_by_element,
    ions_of_glass,
    melt_ions,
    reduced_labels,
    together,
    too_near,
    volume_of_unit,
)
from .occupancy import resolve
from .orient import checked_indices
from .slabs import check_side

if TYPE_CHECKING:
    from ase import Atoms

_EXCHANGES = 200
_SURFACE_A = 1.5
_ROUNDS = 40
_AROUND_A = 12.0
_SAME_A = 1e-6


@dataclass(frozen=True)
class Crystallite:
    """Whole formula units of a crystal around the origin, or around the z axis in a cell that is periodic along it."""

    atoms: "Atoms"  #: not periodic, except along z for a cylinder
    crystal: Crystal
    shape: str
    radius_A: float  #: of the sphere or cylinder that has the volume of these formula units in the crystal
    period_A: float | None  #: length of a cylinder, whole repeats of the lattice direction
    units: int  #: formula units
    rotation: np.ndarray  #: (3, 3): row vectors of the crystal are turned by ``vectors @ rotation.T``
    direction: tuple[int, int, int]  #: along z: the normal of the planes (hkl) of a sphere, [uvw] of a cylinder
    dipole_eA: np.ndarray  #: of formal charges, (3,), or (2,) across a cylinder

    def facts(self) -> dict[str, Any]:
        """What it is, for a table or a file."""
        return {
            "crystal": self.crystal.name,
            "crystal_formula": formula_text(self.crystal.formula),
            "shape": self.shape,
            "radius_A": self.radius_A,
            "length_A": self.period_A,
            "crystal_units": self.units,
            "along_z": {"sphere": "normal of hkl", "cylinder": "uvw"}[self.shape],
            "direction": list(self.direction),
            "rotation": self.rotation.tolist(),
            "seed_dipole_eA": self.dipole_eA.tolist(),
        }


def crystallite(
    crystal: Crystal,
    radius_A: float,
    shape: str = "sphere",
    *,
    direction: Sequence[int] = (0, 0, 1),
    length_A: float = 20.0,
    seed: int = 0,
) -> Crystallite:
    """A sphere, or a cylinder of at least `length_A` (Å), of whole formula units that keep the units of the crystal.

    `direction` along z are the indices of planes (hkl) for a sphere, and of a lattice direction [uvw] for a cylinder.
    As many formula units as fill the volume are taken, of every kind of unit those nearest to the center or axis, which
    is drawn with `seed`: so it is stoichiometric and neutral. Units within 1.5 Å of the surface are exchanged for
    others of their kind as long as that lowers the dipole; then partly occupied sites are resolved by Ewald energy.
    Raises InputError for a radius that holds no formula unit, and for a crystal with a network without end.
    """
    if shape not in SHAPES:
        raise InputError(f"shape {shape!r}: must be one of {', '.join(SHAPES)}")
    if not (np.isfinite(radius_A) and radius_A > 0):
        raise InputError(f"radius {radius_A} Å: must be positive")
    indices = checked_indices("hkl" if shape == "sphere" else "uvw", direction)
    units = units_of(crystal.atoms)
    if units.periods:
        raise InputError(
            f"{crystal.name}: its bonds of P, Si and B to O form a network without end, which a {shape} would break"
        )
    rotation, period = _orientation(crystal, indices, shape, length_A)
    per_unit = abs(crystal.atoms.cell.volume) / float(crystal.formula_units)
    volume = 4 / 3 * np.pi * radius_A**3 if shape == "sphere" else np.pi * radius_A**2 * float(period or 0.0)
    count = round(volume / per_unit)
    if count < 1:
        raise InputError(
            f"radius {radius_A:g} Å: holds no {formula_text(crystal.formula)}, which takes {per_unit:.0f} Å³"
        )
    center = np.random.default_rng(seed).random(3) @ crystal.atoms.cell.array
    places = _Places.around(crystal, units, center, rotation, period, radius_A)
    atoms = _resolved(places.sites(count), crystal, count, period, seed)
    check_side(atoms, crystal.formula, crystal.charges, "the seed")
    charges = np.array([crystal.charges[symbol] for symbol in atoms.symbols])
    filled = count * per_unit
    radius = (3 * filled / (4 * np.pi)) ** (1 / 3) if period is None else (filled / (np.pi * period)) ** 0.5
    dipole = (charges @ atoms.positions)[: 2 if period else 3]
    return Crystallite(atoms, crystal, shape, float(radius), period, count, rotation, indices, dipole)


def _orientation(crystal: Crystal, indices, shape: str, length_A: float) -> tuple[np.ndarray, float | None]:
    """Rotation that lays the direction along z, and the period of a cylinder (Å)."""
    cell = crystal.atoms.cell.array
    period = None
    if shape == "sphere":
        z = np.linalg.inv(cell) @ indices
    else:
        z = np.array(indices) @ cell / np.gcd.reduce(indices)
        length = float(np.linalg.norm(z))
        period = length * max(1, int(np.ceil(length_A / length - 1e-6)))
    z = z / np.linalg.norm(z)
    # x as near as possible to a, or to b where a is along z
    a = next(vector for vector in cell if np.linalg.norm(np.cross(vector, z)) > 0.1 * np.linalg.norm(vector))
    x = a - (a @ z) * z
    x /= np.linalg.norm(x)
    return np.array([x, np.cross(z, x), z]), period


@dataclass(frozen=True)
class _Places:
    """The units of a crystal around a center or axis, turned, with their distances from it."""

    crystal: Crystal
    members: list[np.ndarray]  #: atoms of each unit
    kinds: list[np.ndarray]  #: units of one kind each
    positions: list[np.ndarray]  #: (n, 3) Å, atoms of each unit in the home cell
    shifts: np.ndarray  #: (S, 3) Å, lattice vectors
    distance: np.ndarray  #: (S, units) Å, infinite outside the length of a cylinder
    axes: int  #: 3, or 2 for a cylinder

    @classmethod
    def around(cls, crystal: Crystal, units, center, rotation, period: float | None, radius_A: float) -> "_Places":
        cell = crystal.atoms.cell.array
        members = [np.flatnonzero(units.of_atom == unit) for unit in range(int(units.of_atom.max()) + 1)]
        heads = np.array([units.positions[own][units.heads[own]].mean(axis=0) for own in members])
        home = -np.floor((heads - center) @ np.linalg.inv(cell)) @ cell
        reach = radius_A + _AROUND_A if period is None else float(np.hypot(radius_A + _AROUND_A, period))
        most = np.ceil(reach * np.linalg.norm(np.linalg.inv(cell), axis=0)).astype(int) + 1
        shifts = np.array(list(product(*(range(-n, n + 1) for n in most)))) @ cell @ rotation.T
        turned = (heads + home - center) @ rotation.T + shifts[:, None]
        axes = 3 if period is None else 2
        distance = np.linalg.norm(turned[:, :, :axes], axis=2)
        if period is not None:
            distance[(turned[:, :, 2] < -_SAME_A) | (turned[:, :, 2] >= period - _SAME_A)] = np.inf
        positions = [(units.positions[own] + home[k] - center) @ rotation.T for k, own in enumerate(members)]
        return cls(crystal, members, _kinds(crystal, members), positions, shifts, distance, axes)

    def sites(self, count: int) -> "Atoms":
        """The sites of `count` formula units: of each kind the nearest, exchanged at the surface against the dipole."""
        from ase import Atoms

        taken, spare = [], []
        for kind in self.kinds:
            wanted = int(Fraction(len(kind)) / self.crystal.formula_units * count)
            flat = np.round(self.distance[:, kind].ravel(), 6)
            ranked = np.argsort(flat, kind="stable")
            edge = flat[ranked[wanted - 1]]
            shift, place = np.unravel_index(ranked, (len(self.shifts), len(kind)))
            pairs = np.column_stack([shift, kind[place]])
            inner = int((flat < edge - _SURFACE_A).sum())
            outer = int((flat < edge + _SURFACE_A).sum())
            taken.append((pairs[:wanted], inner))
            spare.append(pairs[wanted:outer])
        chosen = np.concatenate(self._balanced(taken, spare))
        atoms = self.crystal.atoms
        rows = np.concatenate([self.members[unit] for _, unit in chosen])
        found = Atoms(
            atoms.symbols[rows], np.concatenate([self.positions[unit] + self.shifts[shift] for shift, unit in chosen])
        )
        found.set_array(OCCUPANCY, atoms.arrays[OCCUPANCY][rows])
        return found

    def _balanced(self, taken, spare) -> list[np.ndarray]:
        dipoles = [self._dipoles(pairs) for pairs, _ in taken]
        others = [self._dipoles(pairs) for pairs in spare]
        total = sum(each.sum(axis=0) for each in dipoles)
        for _ in range(_EXCHANGES):
            least, exchange = float(np.linalg.norm(total)) - _SAME_A, None
            for kind, (_, inner) in enumerate(taken):
                change = others[kind][None, :] - dipoles[kind][inner:, None]
                if not change.size:
                    continue
                size = np.linalg.norm(total + change, axis=2)
                i, j = np.unravel_index(size.argmin(), size.shape)
                if size[i, j] < least:
                    least, exchange = float(size[i, j]), (kind, inner + int(i), int(j))
            if exchange is None:
                break
            kind, i, j = exchange
            total = total + others[kind][j] - dipoles[kind][i]
            for first, second in ((dipoles[kind], others[kind]), (taken[kind][0], spare[kind])):
                first[i], second[j] = second[j].copy(), first[i].copy()
        return [pairs for pairs, _ in taken]

    def _dipoles(self, pairs: np.ndarray) -> np.ndarray:
        """(n, axes) e Å of units, charges weighted by occupancy."""
        crystal, found = self.crystal, []
        for shift, unit in pairs:
            own = self.members[unit]
            charges = crystal.occupancy[own] * [crystal.charges[symbol] for symbol in crystal.atoms.symbols[own]]
            found.append(charges @ (self.positions[unit] + self.shifts[shift]))
        return np.array(found).reshape(-1, 3)[:, : self.axes]


def _kinds(crystal: Crystal, members: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Units by what they hold and whether they are partly occupied."""
    found: dict[tuple, list[int]] = {}
    for unit, own in enumerate(members):
        partial = bool((crystal.occupancy[own] < 1).any())
        found.setdefault((partial, *sorted(crystal.atoms.numbers[own].tolist())), []).append(unit)
    return [np.array(each) for each in found.values()]


def _resolved(sites: "Atoms", crystal: Crystal, count: int, period: float | None, seed: int) -> "Atoms":
    """Partly occupied sites full or empty, in a box of their own; `count` formula units have so many of an element."""
    span = 2 * float(np.linalg.norm(sites.positions[:, : 2 if period else 3], axis=1).max()) + _AROUND_A
    boxed = sites.copy()
    boxed.set_cell([span, span, period or span])
    boxed.pbc = True
    occupancy, symbols = boxed.arrays[OCCUPANCY], np.array(boxed.get_chemical_symbols())
    for element in dict.fromkeys(symbols[occupancy < 1].tolist()):
        # the nearest sites need not have the mean occupancy of all
        own = (symbols == element) & (occupancy < 1)
        occupancy[own] = (crystal.formula[element] * count - ((symbols == element) & ~own).sum()) / own.sum()
    atoms = resolve(boxed, crystal.charges, seed=seed).atoms
    atoms.pbc = [False, False, period is not None]
    return atoms


def seed_in_melt(
    grain: Crystallite,
    composition: Mapping[str, int],
    density_g_cm3: float,
    *,
    width_A: float,
    seed: int = 0,
    fraction: float = FRACTION,
) -> Interface:
    """The crystallite in the middle of a cell that ions of a melt fill at random, in whole formula units.

    The cell is the nearest to `width_A` (Å) that gives the melt `density_g_cm3`: a cube, or a square over the length of
    a cylinder. Raises InputError for a seed larger than half the cell.
    """
    check_half(grain, width_A)
    labels = reduced_labels(composition)
    unit = melt_ions(labels, 1)
    formula = counts_by_element(labels)
    per_unit = volume_of_unit(formula, density_g_cm3)
    taken = grain.units * abs(grain.crystal.atoms.cell.volume) / float(grain.crystal.formula_units)
    whole = width_A**3 if grain.period_A is None else width_A**2 * grain.period_A
    count = round((whole - taken) / per_unit)
    volume = taken + count * per_unit
    edge = volume ** (1 / 3) if grain.period_A is None else (volume / grain.period_A) ** 0.5
    held = _in_the_middle(grain, [edge, edge, grain.period_A or edge])
    # the surface of the seed is uneven
    region = Outside(held.cell.array, max(grain.radius_A - 1.0, 0.0), grain.period_A is not None)
    melt, reached = fill(held, melt_ions(labels, count), region, seed=seed, fraction=fraction)
    facts = grain.facts() | {
        "route": "seed in melt",
        "glass_formula": formula_text(formula),
        "glass_units": count,
        "glass_density_g_cm3": density_g_cm3,
        "width_A": float(edge),
        "least_distance": reached,
        "seed": seed,
    }
    atoms = together(held, melt, grain.crystal.ions, unit)
    return Interface(atoms, grain.crystal.formula, formula, grain.crystal.charges, mean_charges(unit), facts)


def seed_in_glass(
    grain: Crystallite, glass: "Atoms", *, most_strain: float = MOST_STRAIN, fraction: float = 0.6
) -> Interface:
    """The crystallite in the middle of a glass, from which whole formula units are taken out, the innermost first.

    At least as much volume is taken out as the crystallite has, and every atom nearer to it than `fraction` of a
    contact distance. Copies of the glass along a cylinder are strained by at most `most_strain`. Raises InputError for
    a seed larger than half the cell, and for a length that the glass does not match.
    """
    unit = ions_of_glass(glass)
    if np.abs(glass.cell.array - np.diag(glass.cell.lengths())).max() > 1e-6:
        raise InputError("the glass needs a cell at right angles, with its vectors along x, y and z")
    glass, strain = _along(glass, grain, most_strain)
    check_half(grain, float(glass.cell.lengths()[: 2 if grain.period_A else 3].min()))
    source = Glass.of(glass)
    held = _in_the_middle(grain, glass.cell.lengths())
    distance, _ = Outside(glass.cell.array, 0.0, grain.period_A is not None).distance(glass.positions)
    taken = grain.units * abs(grain.crystal.atoms.cell.volume) / float(grain.crystal.formula_units)
    most = source.units - int(np.ceil(taken / (glass.cell.volume / source.units)))
    forbidden = np.zeros(len(glass), dtype=bool)
    for _ in range(_ROUNDS):
        kept = carve(source, -distance, forbidden, most)
        part = glass[kept]
        part.positions = placed(source, glass.positions, kept)[kept]
        atoms = together(held, part, grain.crystal.ions, unit)
        i, j, _ = too_near(atoms, fraction)
        across = (i < len(held)) & (j >= len(held))
        if not across.any():
            break
        forbidden[kept[j[across] - len(held)]] = True
    else:
        raise InputError(f"contacts of glass and seed remain after {_ROUNDS} rounds of removal")
    units = check_side(part, source.formula, mean_charges(unit), "the glass")
    facts = grain.facts() | {
        "route": "seed in glass",
        "glass_formula": formula_text(source.formula),
        "glass_units": units,
        "units_removed": source.units - units,
        "strain": strain,
        "bonds_cut_in_glass": broken_bonds(source, kept),
        "width_A": float(glass.cell.lengths().min()),
    }
    return Interface(atoms, grain.crystal.formula, source.formula, grain.crystal.charges, mean_charges(unit), facts)


def _along(glass: "Atoms", grain: Crystallite, most_strain: float) -> tuple["Atoms", float]:
    """Copies of the glass that are as long as a cylinder, and their strain."""
    if grain.period_A is None:
        return glass, 0.0
    copies = max(1, round(grain.period_A / glass.cell[2, 2]))
    strain = grain.period_A / (copies * glass.cell[2, 2]) - 1
    if abs(strain) > most_strain:
        raise InputError(
            f"the glass is {glass.cell[2, 2]:.2f} Å long and the cylinder {grain.period_A:.2f} Å: {copies} copies are "
            f"strained by {100 * strain:+.1f} % (at most {100 * most_strain:g} %)"
        )
    long = glass.repeat((1, 1, copies))
    long.set_cell([*long.cell.lengths()[:2], grain.period_A], scale_atoms=True)
    return long, float(abs(strain))


def check_half(grain: Crystallite, width_A: float) -> None:
    """Raises InputError for a seed whose diameter is more than half of a cell's width."""
    if 4 * grain.radius_A > width_A:
        least = np.ceil(40 * grain.radius_A) / 10
        raise InputError(
            f"the seed is {2 * grain.radius_A:.1f} Å in diameter (radius {grain.radius_A:.2f} Å in whole formula "
            f"units), more than half of the cell, which is {width_A:.1f} Å wide; it takes a cell, or a glass, that "
            f"is at least {least:.1f} Å wide (width_A of an input, --width or --glass of the verb)"
        )


def _in_the_middle(grain: Crystallite, edges) -> "Atoms":
    held = grain.atoms.copy()
    held.set_cell(edges)
    held.pbc = True
    held.positions += np.asarray(edges) / 2 * ([1, 1, 0] if grain.period_A else [1, 1, 1])
    return held
