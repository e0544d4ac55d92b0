"""Bulk crystal and bulk glass in the lateral cell of an interface: what its energy is compared with."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from . import GLASS_A, MOST_STRAIN
from .filling import Everywhere, fill
from .joining import PHASE, counts_by_element, fitted, ions_of_glass, melt_ions, melt_size, reduced_labels
from .occupancy import resolve
from .orient import oriented
from .slabs import Slab, ion_labels
from .terminations import slab_sites, stacking, upright

if TYPE_CHECKING:
    from ase import Atoms


class CutGlassError(InputError):
    """A glass that is cut to a slab has no bulk like it."""


def bulk_crystal(slab: Slab, *, seed: int = 0) -> "Atoms":
    """The crystal without surfaces that a slab is cut from, in its lateral cell, as many atoms, `phase` 1.

    Partly occupied sites stay as they are in the slab. A layer that the sides of the slab share is whole; where its
    sites are partly occupied, all of them are resolved anew, for the bulk.
    """
    turned, turns = oriented(slab.crystal, slab.termination.hkl), np.array(slab.cells)
    atoms = slab.atoms
    if slab.termination.share:
        atoms = slab_sites(turned, replace(slab.termination, share=0.0), slab.repeats, turns)
    atoms = atoms.copy()
    atoms.cell[2] = stacking(turned, slab.repeats, turns)
    if slab.termination.share:
        atoms = resolve(atoms, slab.crystal.charges, seed=seed).atoms
    return _labeled(atoms, 1, ion_labels(atoms, slab.crystal.ions))


def bulk_melt(
    lateral: np.ndarray,
    composition: Mapping[str, int],
    density_g_cm3: float,
    *,
    glass_A: float = GLASS_A,
    seed: int = 0,
) -> "Atoms":
    """As much melt as `melt_against` puts beside a slab, packed at random in a cell of its own, `phase` 0.

    `lateral` (2, 2) Å are the lateral vectors of the slab, the first along x. Raises InputError for what does not fit.
    """
    labels = reduced_labels(composition)
    area = float(abs(np.linalg.det(lateral)))
    units, height = melt_size(counts_by_element(labels), density_g_cm3, area, glass_A)
    cell = upright(lateral, height)
    melt, _ = fill(_empty(cell), melt_ions(labels, units), Everywhere(cell), seed=seed)
    return _labeled(melt, 0, melt.arrays["ion"].tolist())


def bulk_glass(
    lateral: np.ndarray, glass: "Atoms", *, glass_A: float = GLASS_A, most_strain: float = MOST_STRAIN
) -> "Atoms":
    """Whole copies of a glass, strained to a lateral cell (2, 2, Å) as `join` strains them, `phase` 0.

    Raises CutGlassError for a glass that `join` would have to cut: there is no bulk with its seams.
    """
    whole, _, cut = fitted(glass, lateral, glass_A, most_strain)
    if cut:
        raise CutGlassError(
            f"no copies of the glass match the slab within {100 * most_strain:g} %, so that it is cut to it; no bulk "
            "glass has its seams"
        )
    labels = whole.arrays["ion"].tolist() if "ion" in whole.arrays else ion_labels(whole, ions_of_glass(glass))
    return _labeled(whole, 0, labels)


def _empty(cell: np.ndarray) -> "Atoms":
    from ase import Atoms

    return Atoms(cell=cell, pbc=True)


def _labeled(atoms: "Atoms", phase: int, labels: list[str] | None) -> "Atoms":
    atoms.set_array(PHASE, np.full(len(atoms), phase))
    if labels is not None:
        atoms.set_array("ion", np.array(labels))
    return atoms
