"""Pair structure in real space: partial g(r), running coordination, bond lengths and coordination numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms

from ..errors import InputError
from ..glass.chemistry import TRANSITION_METALS
from .statistics import Average, average

ANIONS = ("O", "F", "S", "Cl")

# Covalent and ionic first shells of oxide glasses; anything else is the first minimum of its own g(r).
DEFAULT_CUTOFFS_A = {"P-O": 2.0, "V-O": 2.5, "Na-O": 3.1, "Fe-O": 2.75, "Si-O": 2.2}
# For other transition metals, so that a run and its analysis count the same bonds
METAL_O_CUTOFF_A = 2.5


@dataclass(frozen=True)
class PairFunctions:
    """Partial pair functions on the bin centres `r` (Å), one entry per unordered pair "A-B".

    `g` is g_AB(r) (dimensionless) and tends to 1; `running` holds n_AB(r), the mean number of B within r of
    an A, for both orders of a pair, at the upper bin edges `edges` (Å). `half_width` is half the smallest
    distance between opposite cell faces (Å): beyond it g(r) also describes the periodic images.
    """

    r: np.ndarray
    edges: np.ndarray
    g: dict[str, Average]
    running: dict[str, Average]
    half_width: float


@dataclass(frozen=True)
class Shell:
    """First shell of one pair: coordination of the centre by the neighbour within `cutoff` (Å).

    `number` is the mean coordination number, `share[n]` the fraction of centres with exactly n neighbours,
    `length` the mean bond length (Å), or None when there is no bond at all.
    """

    cutoff: float
    number: Average
    share: Average
    length: Average | None


def element_order(atoms: Atoms) -> list[str]:
    """Elements in order of first appearance, anions last: the order of every table, figure and pair name."""
    found = list(dict.fromkeys(atoms.get_chemical_symbols()))
    return [e for e in found if e not in ANIONS] + [e for e in found if e in ANIONS]


def pair_names(elements: Sequence[str]) -> list[str]:
    """Names "A-B" of all unordered pairs of `elements`, in their order."""
    return [f"{a}-{b}" for a, b in combinations_with_replacement(elements, 2)]


def same_elements(frames: Sequence[Atoms]) -> list[str]:
    """The element order of the frames; InputError unless all frames hold the same atoms in the same order."""
    if not frames:
        raise InputError("no frames to analyse")
    for number, atoms in enumerate(frames):
        if not np.array_equal(atoms.numbers, frames[0].numbers):
            raise InputError(f"frame {number}: other atoms, or another order of atoms, than in frame 0")
    return element_order(frames[0])


def pair_functions(
    frames: Sequence[Atoms], r_max: float, *, width: float = 0.05, independent: bool = False
) -> PairFunctions:
    """Partial g(r) and running coordination numbers of periodic frames with the same atoms.

    g_AB(r) = V n_AB / (N_A N_B v), with n_AB the ordered pairs (images included) in the spherical shell of
    volume v between r - width/2 and r + width/2. Normalised by N_B, not N_B - 1, so that 4 pi rho_B times the
    integral of g r² is the coordination number exactly. `r_max` and `width` in Å; `independent` frames are
    replicas, not time steps.
    """
    from ..core import neighbors

    elements = same_elements(frames)
    kind = _kinds(frames[0], elements)
    count = np.bincount(kind, minlength=len(elements))
    bins = max(1, round(r_max / width))
    edges = np.linspace(0.0, r_max, bins + 1)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    histogram = np.empty((len(frames), len(elements), len(elements), bins))
    volume = np.empty(len(frames))
    for t, atoms in enumerate(frames):
        pairs = neighbors(atoms, r_max)
        slot = np.minimum((pairs.distances / r_max * bins).astype(int), bins - 1)
        flat = np.ravel_multi_index((kind[pairs.i], kind[pairs.j], slot), histogram.shape[1:])
        histogram[t] = np.bincount(flat, minlength=histogram[t].size).reshape(histogram.shape[1:])
        volume[t] = atoms.get_volume()
    g, running = {}, {}
    for a, b in combinations_with_replacement(range(len(elements)), 2):
        ideal = count[a] * count[b] * shells / volume[:, None]
        g[f"{elements[a]}-{elements[b]}"] = average(histogram[:, a, b] / ideal, independent=independent)
    for a, first in enumerate(elements):
        for b, second in enumerate(elements):
            number = np.cumsum(histogram[:, a, b], axis=1) / count[a]
            running[f"{first}-{second}"] = average(number, independent=independent)
    half = min(_half_width(atoms) for atoms in frames)
    return PairFunctions((edges[1:] + edges[:-1]) / 2, edges[1:], g, running, half)


def first_shells(
    frames: Sequence[Atoms], cutoffs: Mapping[str, float], *, independent: bool = False
) -> dict[str, Shell]:
    """First shell of each pair "centre-neighbour" in `cutoffs` (Å): coordination numbers and bond lengths."""
    from ..core import neighbors

    elements = same_elements(frames)
    kind = _kinds(frames[0], elements)
    numbers = {pair: [] for pair in cutoffs}
    lengths = {pair: [] for pair in cutoffs}
    for atoms in frames:
        pairs = neighbors(atoms, max(cutoffs.values()))
        i, j, distance = pairs.i, pairs.j, pairs.distances
        for pair, cutoff in cutoffs.items():
            centre, other = (elements.index(element) for element in pair.split("-"))
            bond = (kind[i] == centre) & (kind[j] == other) & (distance < cutoff)
            numbers[pair].append(np.bincount(i[bond], minlength=len(atoms))[kind == centre])
            if bond.any():
                lengths[pair].append(distance[bond].mean())
    return {
        pair: _shell(cutoff, np.array(numbers[pair]), np.array(lengths[pair]), independent)
        for pair, cutoff in cutoffs.items()
    }


def shell_cutoffs(
    pairs: PairFunctions, elements: Sequence[str], chosen: Mapping[str, float]
) -> dict[str, float]:
    """Cutoffs (Å) of all cation-anion pairs and of the `chosen` ones, by pair name in the order of
    `elements`.

    A pair takes the value chosen by the user, else that of the default table, else the first minimum of its
    g(r); one without a clear minimum is left out. InputError for a chosen pair that is not of these elements.
    """
    given = {}
    for pair, cutoff in chosen.items():
        ends = pair.split("-")
        if len(ends) != 2 or not set(ends) <= set(elements):
            raise InputError(f"analysis.cutoffs_A: {pair}: not a pair of the elements {', '.join(elements)}")
        given["-".join(sorted(ends, key=elements.index))] = float(cutoff)
    cutoffs = {}
    for name in pair_names(elements):
        cation, anion = name.split("-")
        if name in given:
            cutoffs[name] = given[name]
        elif cation not in ANIONS and anion in ANIONS:
            usual = METAL_O_CUTOFF_A if cation in TRANSITION_METALS and anion == "O" else None
            value = DEFAULT_CUTOFFS_A.get(name, usual) or first_minimum(pairs.r, pairs.g[name].mean)
            if value is not None:
                cutoffs[name] = value
    return cutoffs


def first_minimum(r: np.ndarray, g: np.ndarray, span: float = 0.15) -> float | None:
    """Position (Å) of the first minimum of g(r) behind its first peak, after a running mean over `span` (Å).

    None where there is no peak above 1 or no minimum behind it.
    """
    wide = max(1, round(span / (r[1] - r[0])))
    smooth = np.convolve(g, np.ones(wide) / wide, mode="same")
    above = np.flatnonzero(smooth > 1)
    if len(above) == 0:
        return None
    start = above[0]
    while start + 1 < len(smooth) and smooth[start + 1] >= smooth[start]:
        start += 1
    rising = np.flatnonzero(np.diff(smooth[start:]) > 0)
    if len(rising) == 0:
        return None
    bottom = start + rising[0]
    # an empty gap between two shells is flat: its middle is the least sensitive place to cut
    first = bottom
    while first > start and smooth[first - 1] == smooth[bottom]:
        first -= 1
    return float((r[first] + r[bottom]) / 2)


def _shell(cutoff: float, numbers: np.ndarray, lengths: np.ndarray, independent: bool) -> Shell:
    largest = int(numbers.max()) if numbers.size else 0
    share = (numbers[:, :, None] == np.arange(largest + 1)).mean(axis=1)
    return Shell(
        cutoff,
        average(numbers.mean(axis=1), independent=independent),
        average(share, independent=independent),
        average(lengths, independent=independent) if len(lengths) else None,
    )


def _kinds(atoms: Atoms, elements: Sequence[str]) -> np.ndarray:
    index = {element: k for k, element in enumerate(elements)}
    return np.array([index[symbol] for symbol in atoms.get_chemical_symbols()])


def _half_width(atoms: Atoms) -> float:
    # rows of the reciprocal cell are face normals divided by the distance between the faces
    return float(0.5 / np.linalg.norm(np.linalg.inv(atoms.cell.array).T, axis=1).max())
