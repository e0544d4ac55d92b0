"""Rings of the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from .. import _core
from ..errors import InputError
from .arguments import choice, elements, flag, whole
from .graph import BondGraph, Cutoffs, graph_of, pair, topology

_DEFAULT = _core.RingOptions()


@dataclass(frozen=True)
class RingMembers:
    """The rings themselves, sorted by size; ``members[k]`` gives ring k as (atoms, shifts).

    Atoms are in the order of the ring's bonds. Member q is the image of ``atoms[q]`` displaced by ``shifts[q]`` cell
    vectors; the first member is in cell 0 and has the lowest index.
    """

    offsets: np.ndarray  #: (rings + 1,) int; ring k has members offsets[k] ... offsets[k + 1] - 1
    atoms: np.ndarray  #: (members,) int
    shifts: np.ndarray  #: (members, 3) int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        if not -len(self) <= k < len(self):
            raise IndexError(f"ring {k} of {len(self)}")
        part = slice(*self.offsets[[k % len(self), k % len(self) + 1]])
        return self.atoms[part], self.shifts[part]

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return (self[k] for k in range(len(self)))


@dataclass(frozen=True)
class Rings:
    """Rings up to `max_size`; definitions in docs/observables/rings.md. Every array's index is the size of the ring:
    members of the graph, which are atoms for "full" and formers for "tt".
    """

    counts: np.ndarray  #: (max_size + 1,) int, distinct rings in the cell
    per_node: np.ndarray  #: (N, max_size + 1) int, rings of each size through each atom
    origins: np.ndarray  #: (N, max_size + 1) bool, whether a search from the atom finds a ring of the size
    nodes: np.ndarray  #: (N,) bool, the atoms that are nodes of the graph
    searches: np.ndarray  #: (max_size + 1,) int, king: pairs of neighbors, guttman: directed bonds, by shortest ring
    members: RingMembers | None  #: the rings, where asked for
    criterion: str
    graph_kind: str
    max_size: int  #: the only limit of the search
    king_neighbors: str | None  #: for king only
    select: str
    strong_reach: int | None  #: bonds, for strong only

    @property
    def R_C(self) -> np.ndarray:
        """Rings of each size per cell."""
        return self.counts

    @property
    def R_C_per_node(self) -> np.ndarray:
        """Rings of each size per node."""
        return self._share(self.counts)

    @property
    def P_N(self) -> np.ndarray:
        """Share of the nodes that originate a ring of the size."""
        return self._share(self.origins.sum(axis=0))

    @property
    def P_max(self) -> np.ndarray:
        """Share of the nodes originating a ring of this size for which it is the largest; NaN for none."""
        return self._share_of_origins(self.max_size - self.origins[:, ::-1].argmax(axis=1))

    @property
    def P_min(self) -> np.ndarray:
        """Share of the nodes originating a ring of this size for which it is the smallest; NaN for none."""
        return self._share_of_origins(self.origins.argmax(axis=1))

    @property
    def pair_matrix(self) -> np.ndarray:
        """(max_size + 1, max_size + 1) share of the nodes that originate rings of both sizes; P_N on the diagonal."""
        found = self.origins.astype(float)
        return self._share(found.T @ found)

    def _share(self, numbers: np.ndarray) -> np.ndarray:
        count = self.nodes.sum()
        return numbers / count if count else np.full(numbers.shape, np.nan)

    def _share_of_origins(self, extreme: np.ndarray) -> np.ndarray:
        extremes = np.bincount(extreme[self.origins.any(axis=1)], minlength=self.max_size + 1)
        nodes = self.origins.sum(axis=0)
        return np.divide(extremes, nodes, out=np.full(len(nodes), np.nan), where=nodes > 0)


def rings(
    structure,
    cutoffs: Cutoffs | None = None,
    *,
    criterion: str = _DEFAULT.criterion.name,
    graph_kind: str = "full",
    max_size: int = _DEFAULT.max_size,
    members: bool = _DEFAULT.members,
    king_neighbors: str = _DEFAULT.king_neighbors.name,
    former: str | Iterable[str] = ("P", "V"),
    bridge: str | Iterable[str] = "O",
    select: str = _DEFAULT.selection.name,
    strong_reach: int | None = None,
    threads: int | None = None,
) -> Rings:
    """Rings of the periodic network, each distinct ring once.

    `structure` is a `BondGraph`, or atoms together with `cutoffs`. `graph_kind` "full" has all bonded atoms for
    nodes, "tt" the `former` atoms, two of them joined when they share at least one `bridge`. `criterion` is
    "primitive", "king", "guttman" or "strong". `max_size` counts nodes, so that "full" 16 is "tt" 8 in a network of
    corner-sharing polyhedra.

    king_neighbors: "excluded" keeps King's path off the center's other neighbors, "center" off the center only.
    select: "all"; "abab" keeps rings of two elements in strict alternation, "not_abab" the others, "heteropolar"
        those without a bond between like elements. It acts on the rings that the criterion finds.
    strong_reach: bonds around a ring whose smaller rings may make it up (default: `max_size`).
    threads: of OpenMP (default: all it may use); no result depends on it.

    Raises InputError for an option out of range, or "tt" without formers, or without a cutoff for a former with a
    bridge. Sources in docs/observables/rings.md.
    """
    graph = graph_of(structure, cutoffs)
    options = _core.RingOptions(
        criterion=_choice("criterion", criterion, _core.RingCriterion),
        max_size=whole("max_size", max_size, 3, 10_000),
        king_neighbors=_choice("king_neighbors", king_neighbors, _core.KingNeighbors),
        selection=_choice("select", select, _core.RingSelection),
        members=flag("members", members),
    )
    if strong_reach is not None:
        options.strong_reach = whole("strong_reach", strong_reach, 0, 10_000)
    if threads is not None:
        options.threads = whole("threads", threads, 1, 10_000)
    if graph_kind not in ("full", "tt"):
        raise InputError(f"graph_kind = {graph_kind!r}: must be 'full' or 'tt'")
    formers, bridges = elements("former", former, graph.symbols), elements("bridge", bridge, graph.symbols)
    nodes, searched = _searched(graph, graph_kind, formers, bridges)
    type_of = {symbol: t for t, symbol in enumerate(sorted(set(graph.symbols)))}
    types = np.array([type_of[symbol] for symbol in graph.symbols], dtype=np.int32)
    found = _core.rings(*searched, types, options)
    shape = (len(graph), max_size + 1)
    return Rings(
        counts=found["counts"],
        per_node=found["through"].reshape(shape),
        origins=found["origins"].reshape(shape).astype(bool),
        nodes=nodes,
        searches=found["searches"],
        members=RingMembers(**found["members"]) if members else None,
        criterion=criterion,
        graph_kind=graph_kind,
        max_size=max_size,
        king_neighbors=king_neighbors if criterion == "king" else None,
        select=select,
        strong_reach=(max_size if strong_reach is None else strong_reach) if criterion == "strong" else None,
    )


def _searched(graph: BondGraph, kind: str, formers: tuple[str, ...], bridges: tuple[str, ...]):
    """Which atoms are nodes, and the offsets, targets and shifts of the graph to search."""
    bonds = topology(graph)
    if kind == "full":
        return np.diff(graph.offsets) > 0, bonds
    present = set(graph.symbols)
    if not present & set(formers):
        raise InputError(f"former = {formers!r}: no such atom in the structure")
    if set(formers) & set(bridges):
        raise InputError(f"bridge = {bridges!r}: an element cannot be former and bridge")
    for f in present & set(formers):
        for b in present & set(bridges):
            if pair(f, b) not in graph.cutoffs:
                raise InputError(f"cutoffs: the pair ({f!r}, {b!r}) is missing")
    symbols = np.array(graph.symbols)
    nodes = np.isin(symbols, formers)
    flags = (nodes.astype(np.uint8), np.isin(symbols, bridges).astype(np.uint8))
    return nodes, tuple(_core.former_graph(*bonds, *flags).values())


def _choice(name: str, value: str, options):
    return options.__members__[choice(name, value, options.__members__)]
