"""First shells: cutoffs, bond lengths and coordination numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from .. import core
from ..chemistry.formers import ANIONS, DEFAULT_CUTOFFS_A, METAL_O_CUTOFF_A
from ..chemistry.ions import TRANSITION_METALS
from ..core.pairs import PairFunctions, kinds, pair_names
from ..core.statistics import Average, average
from ..core.trajectory import same_elements
from ..errors import InputError


@dataclass(frozen=True)
class Shell:
    """First shell of one pair: coordination of the center by the neighbor within `cutoff` (Å).

    `number` is the mean coordination number, `share[n]` the fraction of centers with exactly n neighbors,
    `length` the mean bond length (Å), or None when there is no bond at all.
    """

    cutoff: float
    number: Average
    share: Average
    length: Average | None


def first_shells(
    frames: Sequence[Atoms], cutoffs: Mapping[str, float], *, independent: bool = False
) -> dict[str, Shell]:
    """First shell of each pair "center-neighbor" in `cutoffs` (Å): coordination numbers and bond lengths."""
    elements = same_elements(frames)
    kind = kinds(frames[0], elements)
    numbers = {pair: [] for pair in cutoffs}
    lengths = {pair: [] for pair in cutoffs}
    for atoms in frames:
        pairs = core.neighbors(atoms, max(cutoffs.values()))
        i, j, distance = pairs.i, pairs.j, pairs.distances
        for pair, cutoff in cutoffs.items():
            center, other = (elements.index(element) for element in pair.split("-"))
            bond = (kind[i] == center) & (kind[j] == other) & (distance < cutoff)
            numbers[pair].append(np.bincount(i[bond], minlength=len(atoms))[kind == center])
            if bond.any():
                lengths[pair].append(distance[bond].mean())
    return {
        pair: _shell(cutoff, np.array(numbers[pair]), np.array(lengths[pair]), independent)
        for pair, cutoff in cutoffs.items()
    }


def shell_cutoffs(pairs: PairFunctions, elements: Sequence[str], chosen: Mapping[str, float]) -> dict[str, float]:
    """Cutoffs (Å) of all cation-anion pairs and of the `chosen` ones, by pair name in the order of
    `elements`.

    A pair has the value chosen by the user, else that of the default table, else the first minimum of its
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

    None if there is no peak above 1 or no minimum beyond it.
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
