"""How coordination polyhedra are linked: corners, edges, faces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np

from .. import _core
from ..errors import InputError
from .arguments import element, elements, positive, present_element, shown, structure
from .graph import BondGraph, Cutoffs, Neighbors, graph_of, neighbors, pair, topology, unordered_pairs

#: Å; a pair of elements closer than this is an artifact of a potential, not a bond of an oxide glass.
FORBIDDEN_CONTACTS = {("O", "O"): 1.7, ("P", "P"): 2.4}


class Sharing(NamedTuple):
    """Pairs of polyhedra by the number of shared ligands."""

    corner: int  #: one ligand
    edge: int  #: two
    face: int  #: three or more


@dataclass(frozen=True)
class Linkage:
    """Links of coordination polyhedra; definitions in docs/observables/linkage.md.

    The links are listed in both directions, sorted by `i`, then `j`, then shift, like `Neighbors`.
    """

    counts: dict[tuple[str, str], Sharing]  #: pairs of centers, each once, per pair of elements as in `centers`
    i: np.ndarray  #: (links,) int, center
    j: np.ndarray  #: (links,) int, linked center
    shifts: np.ndarray  #: (links, 3) int, cell vectors from the listed to the linked image of `j`
    shared: np.ndarray  #: (links,) int, ligands in common
    symbols: tuple[str, ...]  #: element per atom

    def degree(self, element: str | None = None) -> np.ndarray:
        """(N,) centers linked to each atom, with images counted separately; only those of one element, if given."""
        rows = self.i
        if element is not None:
            present_element("element", element, self.symbols)
            rows = rows[np.array(self.symbols)[self.j] == element]
        return np.bincount(rows, minlength=len(self.symbols))


def linkage(
    structure,
    cutoffs: Cutoffs | None = None,
    *,
    centers: str | Iterable[str] = ("P", "V"),
    ligand: str | Iterable[str] = "O",
) -> Linkage:
    """Corner, edge and face sharing of the polyhedra around `centers`.

    `structure` is a `BondGraph`, or atoms together with `cutoffs`. Two centers, or images of one, are linked when
    they have bonds to a ligand in common. ``counts["P", "V"].corner`` is a number of pairs. Every center of the
    structure needs a cutoff with every ligand in it; otherwise InputError names the pair. O(bonds).
    """
    graph = graph_of(structure, cutoffs)
    kinds = elements("centers", centers, graph.symbols)
    if not kinds:
        raise InputError("centers = (): at least one element is needed")
    kind_of, ligands = centers_and_ligands(graph, kinds, ligand)
    found = _core.linkage(*topology(graph), kind_of, ligands, len(kinds))
    pairs = combinations_with_replacement(kinds, 2)
    by_pair = {key: Sharing(*map(int, row)) for key, row in zip(pairs, found.pop("counts"), strict=True)}
    return Linkage(by_pair, **found, symbols=graph.symbols)


def centers_and_ligands(
    graph: BondGraph, centers: tuple[str, ...], ligand: str | Iterable[str]
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) place of each atom's element in `centers` or -1, and (N,) whether it is a ligand."""
    ligands = elements("ligand", ligand, graph.symbols)
    for center in centers:
        if centers.count(center) > 1 or center in ligands:
            raise InputError(f"centers = {centers!r}: {center!r} is named twice")
    present = set(graph.symbols)
    for center in present.intersection(centers):
        for around in present.intersection(ligands):
            if pair(center, around) not in graph.cutoffs:
                raise InputError(f"cutoffs: the pair ({center!r}, {around!r}) is missing")
    kind_of = np.array([centers.index(s) if s in centers else -1 for s in graph.symbols], dtype=np.int32)
    return kind_of, np.isin(graph.symbols, ligands)


def in_contact(pairs: Neighbors, symbols: np.ndarray, contact: tuple[str, str], limit: float) -> np.ndarray:
    """(N,) bool: atoms of the two elements of `contact` that have such a neighbor nearer than `limit` (Å).

    `pairs` must reach to `limit`; `symbols` (N,) are the elements.
    """
    if not isinstance(pairs, Neighbors):
        raise InputError(f"pairs = {shown(pairs)}: must be Neighbors, as neighbors() makes them")
    symbols = np.asarray(symbols)
    if symbols.ndim != 1 or len(symbols) <= max(pairs.i.max(initial=-1), pairs.j.max(initial=-1)):
        raise InputError(f"symbols = {shown(symbols)}: must be one element per atom")
    if not isinstance(contact, (tuple, list)) or len(contact) != 2:
        raise InputError(f"contact = {shown(contact)}: must be a pair of elements, as in ('O', 'O')")
    a, b = elements("contact", contact, symbols.tolist())
    limit = positive("limit", limit, "Å")
    first, second = symbols[pairs.i], symbols[pairs.j]
    joined = ((first == a) & (second == b)) | ((first == b) & (second == a))
    touched = np.zeros(len(symbols), dtype=bool)
    touched[pairs.i[joined & (pairs.distances < limit)]] = True
    return touched


@dataclass(frozen=True)
class ArtifactFlags:
    """Atoms in arrangements that do not occur in an oxide glass."""

    contacts: dict[tuple[str, str], np.ndarray]  #: (N,) bool per pair: has a neighbor of the other element too near
    edge_sharing: np.ndarray  #: (N,) bool: a center that shares an edge or a face with another such center

    @property
    def any(self) -> np.ndarray:
        """(N,) bool: atoms with any of the flags."""
        return np.any([self.edge_sharing, *self.contacts.values()], axis=0)


def artifact_flags(
    atoms,
    contacts: Mapping[tuple[str, str], float] = FORBIDDEN_CONTACTS,
    *,
    center: str = "P",
    ligand: str = "O",
    cutoff: float = 2.0,
) -> ArtifactFlags:
    """Signs that a machine-learned potential has left the chemistry of an oxide glass.

    Flagged are pairs of elements nearer than their limit in `contacts` (Å; P–P bonds, peroxide-like O–O), and
    tetrahedra (`center` with bonds to `ligand` below `cutoff`, Å) that share an edge or a face. A flag says where to
    look: real glasses of other chemistry have such arrangements. O(N). Raises InputError for a limit or cutoff that is
    not positive.
    """
    symbols = np.array(structure("atoms", atoms).get_chemical_symbols())
    unordered_pairs("contacts", contacts, symbols.tolist())
    center, ligand = element("center", center, symbols.tolist()), element("ligand", ligand, symbols.tolist())
    cutoff = positive("cutoff", cutoff, "Å")
    flagged = {}
    if contacts:
        near = neighbors(atoms, max(contacts.values()))
        flagged = {contact: in_contact(near, symbols, contact, limit) for contact, limit in contacts.items()}
    links = linkage(atoms, {(center, ligand): cutoff}, centers=center, ligand=ligand)
    sharing = np.zeros(len(symbols), dtype=bool)
    sharing[links.i[links.shared >= 2]] = True
    return ArtifactFlags(flagged, sharing)
