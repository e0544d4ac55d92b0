"""The lattice of a crystal at temperature: cells as large as a simulation needs, and what their fluctuations say."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, lcm, prod
from typing import TYPE_CHECKING

import numpy as np

from ..chemistry.ions import MOBILE_IONS
from ..core import average
from ..core.unwrap import face_distances
from ..errors import InputError
from .crystal import Crystal
from .occupancy import resolve
from .orient import oriented
from .slabs import ion_labels

if TYPE_CHECKING:
    from ase import Atoms

# Å, within which a site falls on another by an operation of symmetry, as in `orient`
_SAME_PLACE_A = 0.05
#: Strain beyond which a cell is no longer that of the crystal of a file; maricite in rigid ions has 6 % at 900 K.
MOST_CHANGE = 0.08
# strain of edges that are given, beyond which they are of another crystal or in another order; and the relative
# difference of edges that are equal by symmetry, beyond which it is not one of rounding
_MOST_GIVEN, _SAME_EDGE = 0.15, 1e-3
# share of ions that have left their sites so far
_MOST_DISPLACED, _DISPLACED_A = 0.1, 1.0


def rotations(crystal: Crystal) -> np.ndarray:
    """(M, 3, 3) whole numbers: the rotations W of the space group, x' = W x for scaled positions x, of all sites.

    Sites are of one kind if element and occupancy are the same. By spglib (doi:10.1080/27660400.2024.2384822).
    Raises InputError where that finds none.
    """
    import spglib

    atoms = crystal.atoms
    _, kinds = np.unique(
        np.column_stack([atoms.numbers, np.round(1e4 * crystal.occupancy).astype(int)]), axis=0, return_inverse=True
    )
    cell = (atoms.cell.array, atoms.get_scaled_positions(), kinds.ravel() + 1)
    found = spglib.get_symmetry(cell, symprec=_SAME_PLACE_A)
    if found is None:
        raise InputError(f"{crystal.name}: no symmetry is found; sites may lie on each other")
    return np.unique(found["rotations"], axis=0)


def symmetric(cells: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(..., 6) a, b, c (Å), α, β, γ (degrees) of cells (..., 3, 3), rows, with the symmetry of the `group`.

    The metric tensor G is averaged over the rotations, (1/M) Σ Wᵀ G W, which leaves it as it is where it has their
    symmetry.
    """
    metric = _averaged(cells @ np.swapaxes(cells, -1, -2), group)
    lengths = np.sqrt(np.diagonal(metric, axis1=-2, axis2=-1))
    # α is between b and c
    cosines = [metric[..., i, j] / (lengths[..., i] * lengths[..., j]) for i, j in ((1, 2), (0, 2), (0, 1))]
    return np.concatenate([lengths, np.degrees(np.arccos(np.stack(cosines, axis=-1)))], axis=-1)


def _averaged(metric: np.ndarray, group: np.ndarray) -> np.ndarray:
    return np.einsum("mki,...kl,mlj->...ij", group, metric, group) / len(group)


def keeps_right_angles(group: np.ndarray) -> bool:
    """Whether every cell with this symmetry is orthogonal."""
    elementary = np.eye(9).reshape(9, 3, 3)
    allowed = _averaged(elementary + np.swapaxes(elementary, 1, 2), group)
    return bool(np.abs(allowed[:, ~np.eye(3, dtype=bool)]).max() < 1e-9)


def repeats_of(crystal: Crystal, width_A: float) -> tuple[int, int, int]:
    """Cells along a, b, c, so that opposite faces are at least `width_A` (Å) apart and all atoms are whole."""
    repeats = [max(1, ceil(width_A / distance - 1e-6)) for distance in face_distances(crystal.atoms.cell.array)]
    whole = lcm(*(number.denominator for number in crystal.counts.values()))
    while prod(repeats) % whole:
        repeats[int(np.argmin(np.array(repeats) * crystal.atoms.cell.lengths()))] += 1
    a, b, c = repeats
    return a, b, c


def bulk_cell(crystal: Crystal, width_A: float, *, seed: int = 0) -> "Atoms":
    """The crystal in `repeats_of` cells, with an array `ion`.

    Partly occupied sites are resolved as in a slab (`occupancy.resolve`). Raises InputError for a crystal with an
    element in two states, which its sites do not tell apart.
    """
    atoms = resolve(crystal.atoms.repeat(repeats_of(crystal, width_A)), crystal.charges, seed=seed).atoms
    if (labels := ion_labels(atoms, crystal.ions)) is None:
        states = ", ".join(ion.label for ion in crystal.ions)
        raise InputError(f"{crystal.name}: has an element in two states ({states}), which its sites do not tell apart")
    atoms.set_array("ion", np.array(labels))
    return atoms


@dataclass(frozen=True)
class MeanCell:
    """A crystal in motion: its mean cell a, b, c (Å), α, β, γ (degrees) with one standard error each in time."""

    crystal: Crystal  #: with this cell, sites as they were given
    cell: np.ndarray  #: (6,)
    err: np.ndarray  #: (6,)
    strain: np.ndarray  #: (3,) principal strains relative to the cell that was given, ascending
    displaced: float  #: share of the ions, mobile ones aside, whose mean place is more than 1 Å off their site

    @property
    def fault(self) -> str | None:
        """Why this is no longer the crystal that was given."""
        if self.displaced > _MOST_DISPLACED:
            return (
                f"{100 * self.displaced:.0f} % of the ions other than mobile ones have left their sites by more than "
                f"{_DISPLACED_A:g} Å: it melts or transforms"
            )
        largest = float(self.strain[np.argmax(np.abs(self.strain))])
        if abs(largest) > MOST_CHANGE:
            limit = f"more than {100 * MOST_CHANGE:g} % is not taken as thermal expansion"
            return f"its cell is strained by {100 * largest:+.1f} % relative to that of the file; {limit}"
        return None


def mean_cell(
    crystal: Crystal, sites: "Atoms", moved: Sequence[tuple[np.ndarray, np.ndarray]], group: np.ndarray
) -> MeanCell:
    """The mean of the cells in which the `sites` of a supercell have `moved`, with the symmetry of `group`.

    Of each frame unwrapped positions (N, 3) and cell (3, 3), rows, Å; frames are at even intervals.
    """
    repeats = np.rint(sites.cell.lengths() / crystal.atoms.cell.lengths())[:, None]
    found = average(symmetric(np.array([cell for _, cell in moved]) / repeats, group))
    made = crystal.with_cell(found.mean[:3], found.mean[3:])
    scaled = np.mean([positions @ np.linalg.inv(cell) for positions, cell in moved], axis=0)
    framework = ~np.isin(sites.symbols, sorted(MOBILE_IONS))
    apart = _apart(scaled - sites.get_scaled_positions(), made.atoms.cell.array * repeats)[framework]
    return MeanCell(
        made, found.mean, found.err, _strain(made.atoms.cell.array, crystal.atoms.cell.array),
        float((apart > _DISPLACED_A).mean()) if len(apart) else 0.0,
    )  # fmt: skip


def _apart(scaled: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """(N,) Å, less what all have moved together."""
    scaled = scaled - np.round(scaled)
    # an ion that has left its site must not carry the others with it
    scaled -= np.median(scaled, axis=0)
    return np.linalg.norm(scaled @ cell, axis=1)


def _strain(cell: np.ndarray, of: np.ndarray) -> np.ndarray:
    """(3,) principal strains of a cell (3, 3), rows, relative to another one, ascending."""
    gradient = np.linalg.inv(of) @ cell
    return np.sqrt(np.linalg.eigvalsh(gradient @ gradient.T)) - 1.0


def check_edges(crystal: Crystal, edges_A: Sequence[float]) -> None:
    """Raise InputError unless edges a, b, c (Å) are those of this crystal at some temperature or in some potential:
    within 15 % of its own by principal strain, and equal where its symmetry wants it so.
    """
    own, cell = crystal.atoms.cell.lengths(), crystal.with_cell(edges_A).atoms.cell.array
    strain = _strain(cell, crystal.atoms.cell.array)
    if np.abs(strain).max() > _MOST_GIVEN:
        change = np.asarray(edges_A) / own - 1.0
        worst = int(np.argmax(np.abs(change)))
        raise InputError(
            f"{'abc'[worst]} = {edges_A[worst]:g} Å: {100 * change[worst]:+.1f} % relative to {own[worst]:.4g} Å of "
            f"{crystal.name}, more than {100 * _MOST_GIVEN:g} %; edges are a, b, c in the order of the file"
        )
    try:
        group = rotations(crystal)
    except InputError:
        # of sites that lie on each other no symmetry is known
        return
    # of a file whose own edges are rounded
    off = (symmetric(each, group)[:3] / np.linalg.norm(each, axis=1) for each in (cell, crystal.atoms.cell.array))
    if np.abs(next(off) - next(off)).max() > _SAME_EDGE:
        stated, known = (
            ", ".join(f"{name} = {length:.5g}" for name, length in zip("abc", edges, strict=True))
            for edges in (edges_A, own)
        )
        raise InputError(f"{stated} Å: breaks the symmetry of {crystal.name}, which has {known} Å")


def stretch(crystal: Crystal, other: Crystal, direction: Sequence[int]) -> float:
    """By how much a lattice direction [uvw] is longer in another cell of the same crystal."""
    lengths = [float(np.linalg.norm(np.array(direction) @ each.atoms.cell.array)) for each in (other, crystal)]
    return lengths[0] / lengths[1]


def lattice_vectors(cell: np.ndarray, crystal: Crystal, hkl: Sequence[int], turns: np.ndarray) -> np.ndarray:
    """(3, 3) the vectors of the `cell` of a slab or its bulk crystal in those of the crystal, a, b, c.

    Its lateral vectors are ``turns`` in those of the lattice plane.
    """
    turned = oriented(crystal, hkl)
    first = (turns @ turned.lateral)[0]
    cosine, sine = first / np.linalg.norm(first)
    # from the frame of the slab to that of the crystal
    back = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]]) @ turned.rotation
    return cell @ back @ np.linalg.inv(crystal.atoms.cell.array)


def spanned(vectors: np.ndarray, crystal: Crystal) -> np.ndarray:
    """(k, k) Å, rows, lower triangular: k `vectors` (k, 3) in a, b, c of the crystal, turned so that the first is along
    x."""
    rows = vectors @ crystal.atoms.cell.array
    return np.linalg.cholesky(rows @ rows.T)
