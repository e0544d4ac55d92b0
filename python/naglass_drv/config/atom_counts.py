"""How many atoms the cells of an input have: of glasses, and of what is made of the crystal of an interface."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..chemistry import ions as chemistry
from ..errors import InputError
from .interfaces import CYLINDER_A, has_bulk
from .partial import Partial, Unknown

#: Number of atoms of each structure in a file, or of the ``candidates`` of the round before; of cells that are made of
#: the crystal of an interface (`of_slab`, `of_bulk`).
Counts = Mapping[Path | str, Sequence[int]]
#: For `costs`: no structure file has been read.
NOTHING: Counts = MappingProxyType({})
# Å, edges of supercells that are wider than twice the cutoff of the rigid ions, or of a model
_CRYSTAL_A, _IN_MODEL_A = 20.0, 15.0


def ions(top: Any) -> tuple[chemistry.Species, ...]:
    """The ions of the cell, or of one formula unit if the number of units is not valid."""
    try:
        return chemistry.species(top.system.composition, _units(top.system))
    except InputError:
        raise Unknown from None


def _units(system: Any) -> int:
    return system.known("formula_units") or 1 if isinstance(system, Partial) else system.formula_units


def atoms(top: Any) -> int:
    """The number of atoms of the cell."""
    return top.system.formula_units * sum(top.system.composition.values())


def of_slab(top: Any) -> str:
    """Key of `Counts`: the atoms of a slab, and of the glass against it."""
    asked, system = top.interface, top.system
    sizes = (asked.hkl, asked.termination, asked.cell_A, asked.crystal_A, asked.glass_A, asked.lateral_A)
    return f"slab {asked.crystal} {sizes} {system.composition} {system.density_g_cm3}"


def of_bulk(top: Any) -> str:
    """Key of `Counts`: the atoms of the bulk crystal in the rigid-ion potential, and in the model of `md`."""
    return f"bulk {top.interface.crystal} {top.md.model if top.md is not None else ''}"


def interface_sides(top: Any, counts: Counts = NOTHING) -> tuple[int, int]:
    """About how many atoms a crystal slab and the glass against it have; at the density of the glass, if the crystal is
    not known.
    """
    if known := counts.get(of_slab(top)):
        crystal, glass = known
        return crystal, glass
    per_A2 = atoms_per_A3(top) * top.interface.lateral_A**2
    crystal = round(per_A2 * top.interface.crystal_A)
    return crystal, round(per_A2 * (top.interface.crystal_A + top.interface.glass_A)) - crystal


def interface_atoms(top: Any, counts: Counts = NOTHING) -> int:
    """About how many atoms a cell with a crystal has, a slab or a seed in the glass; Unknown if that is not known."""
    if top.interface is None or top.glass is None:
        raise Unknown
    if top.interface.seed is None:
        return sum(interface_sides(top, counts))
    if top.interface.route == "join":
        return atoms(top)
    seed = top.interface.seed
    height = seed.width_A if seed.shape == "sphere" else CYLINDER_A
    return round(atoms_per_A3(top) * seed.width_A**2 * height)


def atoms_per_A3(top: Any) -> float:
    """How many atoms the glass has in a volume."""
    from ..chemistry.masses import volume

    own = ions(top)
    return sum(ion.count for ion in own) / volume(own, top.system.density_g_cm3)


def interface_cells(top: Any, counts: Counts) -> list[int]:
    """The atoms of each cell of stage `interface`: one for each glass, and radius of a seed; with a slab also bulk
    glasses, and at most as many bulk crystals.
    """
    whole = interface_atoms(top, counts)
    if top.interface.seed is not None:
        return [whole] * (top.glass.replicas * len(top.interface.seed.radius_A))
    crystal, glass = interface_sides(top, counts)
    bulk = [glass, crystal] if has_bulk(top) else []
    return [size for size in (whole, *bulk) for _ in range(top.glass.replicas)]


def bulk_atoms(top: Any, counts: Counts) -> tuple[int, int]:
    """The atoms of `of_bulk`; at the density of the glass, if the crystal is not known."""
    if known := counts.get(of_bulk(top)):
        rigid, model = known
        return rigid, model
    return round(atoms_per_A3(top) * _CRYSTAL_A**3), round(atoms_per_A3(top) * _IN_MODEL_A**3)
