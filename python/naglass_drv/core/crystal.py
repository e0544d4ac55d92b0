"""Order parameters of crystallization: similarity to a crystal, lanterns, Steinhardt's q_l."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from .. import _core
from ..errors import InputError
from .arguments import (
    array,
    element,
    elements,
    flag,
    number,
    positive,
    present_element,
    read_text,
    shown,
    structure,
    whole,
    write_text,
)
from .graph import Cutoffs, geometry, graph_of, topology
from .linkage import centers_and_ligands

_DEFAULT = _core.SimilarityOptions()


@dataclass(frozen=True)
class Environments:
    """The distinct environments of one kind of atom in a reference crystal."""

    center: str  #: element of the centers
    elements: tuple[str, ...]  #: elements of the neighbors
    members: tuple[tuple[tuple[str, ...], np.ndarray], ...]  #: per environment elements (n,) and vectors (n, 3), Å
    compiled: list = field(repr=False)  #: the same in the form that the extension expects

    def __len__(self) -> int:
        return len(self.members)

    def write(self, path: str | Path) -> None:
        """Write the file that ``compute naglass/crystal/atom`` and `read_environments` read."""
        write_text(path, _text(self))

    def turned(self, rotation) -> Environments:
        """Those of the crystal turned by a rotation (3, 3), as `Orientation.rotation`."""
        turn = array("rotation", rotation, (3, 3))
        moved = replace(self, members=tuple((symbols, vectors @ turn.T) for symbols, vectors in self.members))
        return _parsed(_text(moved), "rotation")


def _text(reference: Environments) -> str:
    lines = [f"center {reference.center}"]
    for symbols, vectors in reference.members:
        lines.append("environment")
        lines += [f"{s} {x:.17g} {y:.17g} {z:.17g}" for s, (x, y, z) in zip(symbols, vectors, strict=True)]
    return "\n".join(lines) + "\n"


def environments(
    crystal,
    center: str,
    neighbors: str | Iterable[str],
    cutoff: float,
    *,
    any_rotation: bool = False,
    tolerance: float = 0.05,
) -> Environments:
    """The distinct environments of `center` in a crystal: vectors to its `neighbors` within `cutoff` (Å).

    Two environments are the same if their neighbors coincide within `tolerance` (Å), as they are or, with
    `any_rotation`, after a rotation. Raises InputError if an environment is empty.
    """
    symbols = structure("crystal", crystal).get_chemical_symbols()
    center = element("center", center, symbols)
    kinds = elements("neighbors", neighbors, symbols)
    cutoff, tolerance = positive("cutoff", cutoff, "Å"), positive("tolerance", tolerance, "Å")
    any_rotation = flag("any_rotation", any_rotation)
    rows, offsets, types, vectors = neighborhoods(crystal, center, kinds, cutoff)
    if not len(rows) or not np.diff(offsets).all():
        raise InputError(f"cutoff = {cutoff}: a {center!r} of the crystal has no neighbor among {kinds} within it")
    every = _core.environments(offsets, types, vectors)
    return _named(center, kinds, _core.distinct_environments(every, tolerance, any_rotation))


def read_environments(path: str | Path) -> Environments:
    """Read the file written by `Environments.write`. Raises InputError with the line number of an invalid line."""
    return _parsed(read_text(path), str(path))


def _parsed(text: str, name: str) -> Environments:
    center, kinds, compiled = _core.parse_environments(text, name)
    return _named(center, tuple(kinds), compiled)


def crystal_similarity(
    atoms,
    reference: Environments,
    *,
    sigma: float = _DEFAULT.sigma,
    sharpness: float = _DEFAULT.sharpness,
    reach: float = _DEFAULT.reach,
    any_rotation: bool = _DEFAULT.any_rotation,
) -> np.ndarray:
    """(N,) similarity of each center to a reference crystal; NaN for atoms that are not centers.

    The kernel of PLUMED's ENVIRONMENTSIMILARITY with elements matched: near 1 in the crystal as the reference is
    oriented, with `sigma` (Å) the width of the Gaussians, `sharpness` λ the choice between several environments, and
    neighbors counted up to `reach` · sigma beyond a reference's farthest one. With `any_rotation` each environment is
    turned by the best proper rotation and the largest kernel is taken, at some 500 times the cost.
    Piaggi & Parrinello, J. Chem. Phys. 150, 244119 (2019), DOI 10.1063/1.5102104.
    """
    structure("atoms", atoms)
    if not isinstance(reference, Environments):
        raise InputError(f"reference = {shown(reference)}: must be Environments, as environments() makes them")
    options = _core.SimilarityOptions(
        sigma=positive("sigma", sigma, "Å"),
        sharpness=positive("sharpness", sharpness),
        reach=positive("reach", reach),
        any_rotation=flag("any_rotation", any_rotation),
    )
    cutoff = _core.similarity_cutoff(reference.compiled, options)
    rows, *around = neighborhoods(atoms, reference.center, reference.elements, cutoff)
    similarity = np.full(len(atoms), np.nan)
    similarity[rows] = _core.crystal_similarity(*around, reference.compiled, options)
    return similarity


def lanterns(
    structure,
    cutoffs: Cutoffs | None = None,
    *,
    center: str = "V",
    bridge: str = "P",
    ligand: str | Iterable[str] = "O",
) -> np.ndarray:
    """(N,) lanterns of each `center`: others that share exactly three `bridge` neighbors with it; -1 elsewhere.

    `structure` is a `BondGraph`, or atoms together with `cutoffs`. A bridge is a neighbor when both are bonded to a
    ligand in common. In a lantern the three bridges share one ligand, a corner, with each of the two centers, and the
    centers share none with each other: polyhedra of centers that share a corner, an edge or a face are not a lantern.
    Every V of NASICON Na3V2(PO4)3 has one lantern partner. O(bonds). Raises InputError if there is no `center`.
    """
    graph = graph_of(structure, cutoffs)
    center = present_element("center", center, graph.symbols)
    bridge = element("bridge", bridge, graph.symbols)
    kinds, ligands = centers_and_ligands(graph, (center, bridge), ligand)
    return _core.lanterns(*topology(graph), kinds, ligands)


@dataclass(frozen=True)
class Steinhardt:
    """Bond-orientational order; definitions in docs/observables/crystal.md."""

    l: tuple[int, ...]  #: orders of `q`
    q: np.ndarray  #: (N, orders) q_l per atom; NaN for atoms that are not centers or have no neighbor
    bond_l: int  #: order of the bonds
    i: np.ndarray  #: (bonds,) int, center
    j: np.ndarray  #: (bonds,) int, neighbor that is a center too
    correlation: np.ndarray  #: (bonds,) q_l(i) · q_l(j), from -1 to 1

    def ordered_bonds(self, threshold: float = 0.5) -> np.ndarray:
        """(N,) bonds of each atom whose correlation is above `threshold`."""
        threshold = number("threshold", threshold)
        return np.bincount(self.i[self.correlation > threshold], minlength=len(self.q))


def steinhardt(
    atoms,
    cutoff: float,
    *,
    l: Iterable[int] = (4, 6),
    centers: str | Iterable[str] = "V",
    neighbors: str | Iterable[str] = "V",
    bond_l: int = 6,
) -> Steinhardt:
    """Steinhardt's q_l of `centers` by their `neighbors` within `cutoff` (Å), and q_l · q_l of neighboring centers.

    Use a cation sublattice: in an oxide, the shell of all atoms hides the order. Steinhardt, Nelson & Ronchetti,
    Phys. Rev. B 28, 784 (1983); bonds: ten Wolde, Ruiz-Montero & Frenkel, J. Chem. Phys. 104, 9932 (1996).
    """
    symbols = structure("atoms", atoms).get_chemical_symbols()
    if isinstance(l, (str, bytes)) or not isinstance(l, Iterable):
        raise InputError(f"l = {shown(l)}: must be several whole numbers, as in (4, 6)")
    orders = tuple(whole("l", order, 0, 20) for order in l)
    bond_l, cutoff = whole("bond_l", bond_l, 0, 20), positive("cutoff", cutoff, "Å")
    centers, around = elements("centers", centers, symbols), elements("neighbors", neighbors, symbols)
    if not set(centers) & set(symbols):
        raise InputError(f"centers = {centers!r}: the structure has no such atom")
    rows, offsets, _, vectors, partners = _bonds(atoms, centers, around, cutoff)
    q = np.full((len(atoms), len(orders)), np.nan)
    occupied = np.diff(offsets) > 0
    for column, order in enumerate(orders):
        q[rows[occupied], column] = _norm(_core.bond_harmonics(offsets, vectors, order))[occupied]

    harmonics = _core.bond_harmonics(offsets, vectors, bond_l)
    row_of = np.full(len(atoms), -1)
    row_of[rows] = np.arange(len(rows))
    first, second = np.repeat(np.arange(len(rows)), np.diff(offsets)), row_of[partners]
    both = second >= 0
    first, second = first[both], second[both]
    correlation = _product(harmonics[first], harmonics[second])
    size = np.sqrt(_product(harmonics, harmonics))
    norm = size[first] * size[second]
    correlation = np.divide(correlation, norm, out=np.zeros_like(correlation), where=norm > 0)
    return Steinhardt(orders, q, bond_l, rows[first], rows[second], correlation)


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ_m a_m b*_m over all m, from the columns m = 0 ... l."""
    weights = np.full(a.shape[1], 2.0)
    weights[0] = 1.0
    return (a * b.conj()).real @ weights


def _norm(harmonics: np.ndarray) -> np.ndarray:
    return np.sqrt(4.0 * np.pi / (2 * harmonics.shape[1] - 1) * _product(harmonics, harmonics))


def _named(center: str, elements: tuple[str, ...], compiled: list) -> Environments:
    members = []
    for environment in compiled:
        types, vectors = environment.arrays()
        members.append((tuple(elements[t] for t in types), vectors))
    return Environments(center, elements, tuple(members), compiled)


def neighborhoods(
    atoms, center: str, elements: tuple[str, ...], cutoff: float, among: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Centers `among` (N,) atoms, and their neighbors as offsets, types (places in `elements`) and vectors."""
    rows, offsets, types, vectors, _ = _bonds(atoms, (center,), elements, cutoff, among)
    return rows, offsets, types, vectors


def _bonds(atoms, centers: tuple[str, ...], elements: tuple[str, ...], cutoff: float, among: np.ndarray | None = None):
    """As `neighborhoods`, and the neighbors' indices; only centers are searched around."""
    positions, cell, pbc = geometry(atoms)
    symbols = np.array(atoms.get_chemical_symbols())
    kind = np.full(len(symbols), -1, dtype=np.int32)
    for k, symbol in reversed(list(enumerate(elements))):
        kind[symbols == symbol] = k
    is_center = np.isin(symbols, centers) & (True if among is None else among)
    rows, others = np.flatnonzero(is_center), np.flatnonzero((kind >= 0) & ~is_center)
    searched = np.concatenate([others, rows])
    found = _core.neighbor_list(positions[searched], cell, pbc, cutoff, len(others))
    row = np.repeat(np.arange(len(rows)), np.diff(found["offsets"][len(others) :]))
    partners, shifts = searched[found["targets"]], found["shifts"]
    kept = kind[partners] >= 0
    row, partners, shifts = row[kept], partners[kept], shifts[kept]
    vectors = positions[partners] - positions[rows[row]] + shifts @ np.array(cell)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(rows)))])
    return rows, offsets, kind[partners], vectors, partners
