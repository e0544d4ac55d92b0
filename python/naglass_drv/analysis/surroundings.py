"""Rates of jumps by what surrounds the site that is left, with the time at risk and a permutation null."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from ..chemistry.formers import FORMERS
from ..chemistry.ions import TRANSITION_METALS
from ..chemistry.notation import SUPERSCRIPT, ion_text
from ..core import EventRate, SiteJumps, Trajectory, neighbors, qn
from ..core.trajectory import same_elements
from .redox import metal_states

#: Å; formers and metals closer to a site than this are counted, and how far the nearest one may be.
NEAR_A, REACH_A = 4.0, 5.0
NONE = "none"
#: What classes tell: the first two are followed by an element.
NEAR, QN, METAL, METAL_BY_MOMENT = "near_", "Qn_", "nearest_metal", "nearest_metal_by_moment"
_PERMUTATIONS = 999


@dataclass(frozen=True)
class BySurroundings:
    """Rate of each class of site, and how often as different rates arise when classes are exchanged among the sites."""

    rates: dict[str, EventRate]
    sites: dict[str, float]  #: mean number of sites of each class
    chance: float  #: of rates that differ as much


def by_surroundings(jumps: SiteJumps, classes: np.ndarray, starts: np.ndarray, *, seed: int = 0) -> BySurroundings:
    """Rates by the class of the site at the time; `classes` (times, sites) of words hold from the frames `starts` on.

    Jumps from a site of a class over the time that ions spent there: often visited classes do not count as fast ones.
    The null exchanges whole columns among the sites, so that a site keeps its jumps, its time and the changes of its
    class. The measure of difference is the likelihood ratio of Poisson counts, Σ n ln(n/λt).
    """
    frames, sites = len(jumps.occupied), len(jumps.sites)
    period = np.searchsorted(starts, np.arange(frames), side="right") - 1
    names, coded = np.unique(classes, return_inverse=True)
    coded = coded.reshape(classes.shape)
    inside = jumps.occupied[:-1] >= 0
    cell = (period[:-1, None] * sites + jumps.occupied[:-1])[inside]
    time = np.bincount(cell, minlength=classes.size).reshape(classes.shape) * jumps.interval
    left = period[jumps.frame - 1] * sites + jumps.origin
    events = np.bincount(left, minlength=classes.size).reshape(classes.shape)

    def difference(of: np.ndarray) -> float:
        n, t = (np.bincount(of.ravel(), each.ravel(), minlength=len(names)) for each in (events, time))
        met = n > 0
        return float((n[met] * np.log(n[met] / t[met])).sum())

    rng = np.random.default_rng(seed)
    own = difference(coded)
    larger = sum(difference(coded[:, rng.permutation(sites)]) >= own - 1e-9 for _ in range(_PERMUTATIONS))
    # class of the site of every ion in every frame; -1 where it is in none
    seen = np.where(jumps.occupied >= 0, coded[period[:, None], jumps.occupied], -1)
    present = [k for k in range(len(names)) if (seen[:-1] == k).any()]
    return BySurroundings(
        {str(names[k]): jumps.rate(seen == k) for k in present},
        {str(names[k]): float((coded == k).sum() / len(classes)) for k in present},
        (1 + larger) / (1 + _PERMUTATIONS),
    )


def surroundings(
    path: Trajectory, frames: Sequence[Atoms], chosen: Sequence[int], sites: np.ndarray, cutoffs: Mapping[str, float],
    of_moment: Collection[str] = (),
) -> dict[str, np.ndarray]:  # fmt: skip
    """Classes of the sites (S, 3) in Å at the `chosen` frames, as words (times, sites), by what they tell.

    The numbers of formers and of metals within 4 Å, n of the nearest former, and the state of the nearest metal: by
    moment where all metals are in `of_moment`, else by bond valence. `frames` are those of the `path`; `cutoffs` (Å)
    per pair "V-O".
    """
    elements = same_elements(frames)
    former = next((element for element in FORMERS if element in elements), None)
    metals = tuple(sorted(TRANSITION_METALS & set(elements)))
    # one comparison has one kind of state
    spins = of_moment if set(metals) <= set(of_moment) else ()
    found: dict[str, list[list[str]]] = {}
    for k in chosen:
        atoms, symbols = frames[k], np.array(path.symbols)
        near = _distances(path, k, sites)
        for element in ([former] if former else []) + list(metals):
            count = (near[:, symbols == element] < NEAR_A).sum(axis=1)
            found.setdefault(f"{NEAR}{element}", []).append([str(n) for n in count])
        if former is not None and f"{former}-O" in cutoffs:
            bonded = [element for element in (former, *metals) if f"{element}-O" in cutoffs]
            bonds = {(element, "O"): cutoffs[f"{element}-O"] for element in bonded}
            n = qn(atoms, bonds, former=former, metals=tuple(bonded[1:])).n
            found.setdefault(f"{QN}{former}", []).append(_of_nearest(near, symbols == former, n, "Q{}"))
        if metals:
            words = np.full(len(symbols), NONE, dtype=object)
            for metal in metals:
                states = metal_states(atoms, metal, cutoffs, spins)
                own = symbols == metal
                words[own] = [f"{metal}{state}+" if state else f"{metal} of unknown state" for state in states[own]]
            found.setdefault(METAL_BY_MOMENT if spins else METAL, []).append(
                _of_nearest(near, np.isin(symbols, metals), words, "{}")
            )
    return {name: np.array(rows) for name, rows in found.items()}


def text(family: str) -> str:
    """What classes tell, in words."""
    if family == METAL:
        return "nearest metal by bond valence"
    if family == METAL_BY_MOMENT:
        return "nearest metal by moment"
    if family.startswith(QN):
        return f"Qⁿ of the nearest {family.removeprefix(QN)}"
    return f"number of {family.removeprefix(NEAR)} within {NEAR_A:g} Å"


def kind_text(kind: str) -> str:
    """A class in words: ``V⁴⁺`` for V4+, ``Q¹`` for Q1."""
    if kind.startswith("Q"):
        return f"Q{kind[1:].translate(SUPERSCRIPT)}"
    return ion_text(kind) if kind.endswith("+") else kind


def _distances(path: Trajectory, k: int, sites: np.ndarray) -> np.ndarray:
    """(sites, atoms) distance (Å) within the reach, infinite beyond it."""
    count = len(path.symbols)
    both = Atoms([*path.symbols, *["X"] * len(sites)], np.vstack([path.positions[k], sites]), cell=path.cell, pbc=True)
    pairs = neighbors(both, REACH_A)
    kept = (pairs.i >= count) & (pairs.j < count)
    near = np.full((len(sites), count), np.inf)
    np.minimum.at(near, (pairs.i[kept] - count, pairs.j[kept]), pairs.distances[kept])
    return near


def _of_nearest(near: np.ndarray, chosen: np.ndarray, values: np.ndarray, form: str) -> list[str]:
    """The value of the nearest of the chosen atoms to each site, as a word."""
    own = near[:, chosen]
    nearest = own.argmin(axis=1)
    within = np.isfinite(own[np.arange(len(own)), nearest])
    return [form.format(values[chosen][k]) if there else NONE for k, there in zip(nearest, within, strict=True)]
