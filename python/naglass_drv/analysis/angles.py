"""Bond angles: distributions at cations (O–P–O) and at oxygen (P–O–V)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms

from ..chemistry.ions import MOBILE_IONS
from ..core import bond_graph
from ..core.graph import BondGraph
from ..core.statistics import Average, average
from ..core.trajectory import same_elements


@dataclass(frozen=True)
class Angles:
    """One kind of angle A–B–C. `density` is per degree over the bins of the set and integrates to one over 0 to 180°,
    not divided by sin θ; `mean` and `spread` (standard deviation) are in degrees. `per_frame` is the mean number.
    """

    density: Average
    mean: Average
    spread: float
    per_frame: float


@dataclass(frozen=True)
class _Frame:
    """Angles of one kind in one frame: counts per bin, number, mean and variance (degrees)."""

    counts: np.ndarray
    number: int
    mean: float
    variance: float


def bond_angles(
    frames: Sequence[Atoms], cutoffs: Mapping[str, float], *, width: float = 2.0, independent: bool = False
) -> tuple[np.ndarray, dict[str, Angles]]:
    """Bin edges (degrees), and the angles between bonds by kind, "O-P-O" or "P-O-V".

    `cutoffs` (Å) per pair "P-O"; every such pair is bonded below its own. Angles at a cation are between two of its
    oxygens; at an oxygen, between two cations that are not mobile ions. Every unordered pair of bonds of an atom counts
    once, bonds to different images of one atom apart. Kinds that never occur are left out; frames without any angle of
    a kind do not count for it. O(bonds).
    """
    elements = same_elements(frames)
    edges = np.linspace(0.0, 180.0, round(180.0 / width) + 1)
    bonds = {tuple(pair.split("-")): length for pair, length in cutoffs.items() if pair.endswith("-O")}
    bonds = {pair: length for pair, length in bonds.items() if pair[0] in elements and pair[0] != "O"}
    found: dict[str, list[_Frame]] = defaultdict(list)
    for atoms in frames if bonds else []:
        vectors = bond_vectors(atoms, graph := bond_graph(atoms, bonds))
        for kind, degrees in _by_kind(graph, vectors, [pair[0] for pair in bonds]):
            if len(degrees):
                # an angle of exactly 180° can come out a rounding above it
                counts = np.histogram(np.minimum(degrees, 180.0), edges)[0]
                found[kind].append(_Frame(counts, len(degrees), float(degrees.mean()), float(degrees.var())))
    return edges, {kind: _angles(series, edges[1], len(frames), independent) for kind, series in found.items()}


def bond_vectors(atoms: Atoms, graph: BondGraph) -> np.ndarray:
    """(bonds, 3) unit vectors from each atom to its neighbors."""
    rows = np.repeat(np.arange(len(graph)), np.diff(graph.offsets))
    apart = atoms.positions[graph.targets] - atoms.positions[rows] + graph.shifts @ atoms.cell.array
    return apart / graph.lengths[:, None]


def _by_kind(graph: BondGraph, vectors: np.ndarray, cations: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Kinds of angle with their values in degrees, of one frame."""
    symbols = np.array(graph.symbols)
    for cation in cations:
        first, second = pairs_of_bonds(graph.offsets, symbols == cation)
        yield f"O-{cation}-O", degrees_between(vectors, first, second)
    still = [cation for cation in cations if cation not in MOBILE_IONS]
    first, second = pairs_of_bonds(graph.offsets, symbols == "O")
    ends = symbols[graph.targets[first]], symbols[graph.targets[second]]
    for a, b in combinations_with_replacement(still, 2):
        own = ((ends[0] == a) & (ends[1] == b)) | ((ends[0] == b) & (ends[1] == a))
        yield f"{a}-O-{b}", degrees_between(vectors, first[own], second[own])


def pairs_of_bonds(offsets: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all unordered pairs of bonds of the atoms `centers` (mask)."""
    degree = np.diff(offsets)
    pairs = [(np.empty(0, dtype=int), np.empty(0, dtype=int))]
    for size in np.unique(degree[centers]):
        a, b = np.triu_indices(size, 1)
        starts = offsets[:-1][centers & (degree == size)][:, None]
        pairs.append(((starts + a).ravel(), (starts + b).ravel()))
    first, second = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return first, second


def degrees_between(vectors: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angles between unit vectors, from chord and sum: exact at 0° and 180° too, where the arc cosine is not."""
    a, b = vectors[first], vectors[second]
    return np.degrees(2 * np.arctan2(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1)))


def _angles(series: Sequence[_Frame], width: float, frames: int, independent: bool) -> Angles:
    counts = np.array([frame.counts for frame in series], dtype=float)
    density = counts / counts.sum(axis=1, keepdims=True) / width
    weights, means, variances = (
        np.array([getattr(frame, name) for frame in series]) for name in ("number", "mean", "variance")
    )
    overall = np.average(means, weights=weights)
    return Angles(
        average(density, independent=independent),
        average(means, independent=independent),
        float(np.sqrt(np.average(variances + (means - overall) ** 2, weights=weights))),
        float(weights.sum() / frames),
    )
