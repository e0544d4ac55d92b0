"""Neighbors and the periodic graph of bonds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _core
from ..errors import InputError
from .arguments import array, element, pairs, positive, present_element, shown, structure, whole

#: Cutoffs per unordered pair of elements, in Å.
Cutoffs = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Neighbors:
    """Pairs closer than a cutoff, each in both directions, sorted by `i`, then `j`, then shift.

    ``positions[j] - positions[i] + shifts @ cell`` is the vector from i to j.
    """

    i: np.ndarray  #: (pairs,) int
    j: np.ndarray  #: (pairs,) int
    shifts: np.ndarray  #: (pairs, 3) int, cell vectors
    distances: np.ndarray  #: (pairs,) float, Å


@dataclass(frozen=True)
class BondGraph:
    """Bonds of a periodic structure in CSR form: atom i's bonds are entries ``offsets[i]:offsets[i + 1]``.

    Both directions of a bond are present; an atom may be bonded to an image of itself.
    """

    symbols: tuple[str, ...]  #: element per atom
    cutoffs: dict[tuple[str, str], float]  #: Å, per pair in alphabetical order
    offsets: np.ndarray  #: (N + 1,) int
    targets: np.ndarray  #: (bonds,) int
    shifts: np.ndarray  #: (bonds, 3) int, cell vectors from the listed to the bonded image of the target
    lengths: np.ndarray  #: (bonds,) float, Å

    def __len__(self) -> int:
        """Number of atoms."""
        return len(self.symbols)

    def bonded(self, i: int) -> np.ndarray:
        """Atoms bonded to atom i; an atom appears once per bonded image."""
        i = whole("i", i, 0, len(self) - 1)
        return self.targets[self.offsets[i] : self.offsets[i + 1]]

    def coordination(self, element: str | None = None) -> np.ndarray:
        """(N,) number of bonds per atom, only to atoms of one element if it is given."""
        rows = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        if element is not None:
            present_element("element", element, self.symbols)
            rows = rows[np.array(self.symbols)[self.targets] == element]
        return np.bincount(rows, minlength=len(self))


def topology(graph: BondGraph) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A graph in the form that the extension expects if lengths do not matter."""
    return graph.offsets, graph.targets, graph.shifts


def neighbors(atoms, cutoff: float) -> Neighbors:
    """All pairs closer than `cutoff` (Å), periodic images included; the cell may be smaller than the cutoff.

    O(N) at given density. Raises InputError for a cutoff that is not positive, or a cell or positions that
    are not usable.
    """
    positions, cell, pbc = geometry(atoms)
    cutoff = positive("cutoff", cutoff, "Å")
    found = _core.neighbor_list(positions, cell, pbc, cutoff)
    rows = np.repeat(np.arange(len(positions)), np.diff(found["offsets"]))
    return Neighbors(rows, found["targets"], found["shifts"], found["lengths"])


def bond_graph(atoms, cutoffs: Cutoffs) -> BondGraph:
    """The periodic graph of bonds: a pair of elements is bonded below its cutoff (Å), and never without one.

    ``bond_graph(atoms, {("P", "O"): 2.0, ("V", "O"): 2.5})``. Pairs are unordered; a table may
    have more pairs than the structure, but not none of its pairs. Raises InputError for that, for a cutoff that is not
    positive, or a pair that is given twice.
    """
    graph = _bonded(atoms, cutoffs)
    elements = dict.fromkeys(graph.symbols)
    if graph.cutoffs and elements and not any(set(key) <= elements.keys() for key in graph.cutoffs):
        has = ", ".join(elements)
        raise InputError(f"cutoffs = {shown(dict(cutoffs))}: the structure has none of these pairs; it has {has}")
    return graph


def _bonded(atoms, cutoffs: Cutoffs) -> BondGraph:
    """The graph of bonds, which is without any where the structure has none of the pairs."""
    positions, cell, pbc = geometry(atoms)
    symbols = tuple(atoms.get_chemical_symbols())
    unordered = unordered_pairs("cutoffs", cutoffs, symbols)
    type_of = {symbol: t for t, symbol in enumerate(sorted(set(symbols)))}
    present = [
        (type_of[a], type_of[b], length) for (a, b), length in unordered.items() if a in type_of and b in type_of
    ]
    types = np.array([type_of[symbol] for symbol in symbols], dtype=np.int32)
    found = _core.bond_graph(positions, types, cell, pbc, len(type_of), present)
    return BondGraph(symbols, unordered, **found)


def geometry(atoms) -> tuple[np.ndarray, list[list[float]], list[bool]]:
    """Positions (N, 3), cell vectors and periodicity in the form that the extension expects."""
    structure("atoms", atoms)
    cell = array("cell", np.asarray(atoms.cell), (3, 3), unit="Å")
    return np.asarray(atoms.positions, dtype=float), cell.tolist(), [bool(p) for p in atoms.pbc]


def pair(a: str, b: str) -> tuple[str, str]:
    """The key of an unordered pair."""
    return (a, b) if a <= b else (b, a)


def unordered_pairs(name: str, lengths: Cutoffs, symbols: Iterable[str]) -> dict[tuple[str, str], float]:
    """Lengths (Å) per `pair`. InputError unless each is a pair of elements, given once and positive."""
    present = set(symbols)
    for key, length in (checked := pairs(name, lengths)).items():
        for one in key:
            element(f"{name}[{key[0]!r}, {key[1]!r}] = {length}: {one!r}", one, present)
    return {pair(a, b): length for (a, b), length in checked.items()}


def bond_graph_only(name: str, value) -> BondGraph:
    """`value` if it is a graph."""
    if not isinstance(value, BondGraph):
        raise InputError(f"{name} = {shown(value)}: must be a BondGraph, as bond_graph() makes it")
    return value


def graph_of(structure, cutoffs: Cutoffs | None) -> BondGraph:
    """`structure` if it is already a graph, or the graph of its atoms with `cutoffs`."""
    if isinstance(structure, BondGraph):
        if cutoffs is not None:
            raise InputError(f"cutoffs = {shown(cutoffs)}: the BondGraph has its own; give only one of them")
        return structure
    if cutoffs is None:
        raise InputError("cutoffs = None: needed unless a BondGraph is given")
    return _bonded(structure, cutoffs)


def names(given: str | Iterable[str]) -> tuple[str, ...]:
    """One element or several, as a tuple."""
    return (given,) if isinstance(given, str) else tuple(given)


def roles_of(named: Iterable[tuple[Any, str | Iterable[str]]]) -> dict:
    """Role of each element, from (role of the extension, elements); InputError for an element with two."""
    roles: dict = {}
    for role, given in named:
        for one in names(given):
            if one in roles:
                raise InputError(f"{role.name} = {one!r}: already has the role {roles[one].name}")
            roles[one] = role
    return roles
