"""Bonds of the host that were exchanged between the first and the last frame of a trajectory."""

from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms

from .. import core
from ..chemistry.formers import FORMERS
from ..chemistry.ions import TRANSITION_METALS
from ..wording import digits

# a bond is broken only when its atoms are well apart, so that long vanadium-oxygen bonds that vibrate do not count
_APART = 1.25
# share of the bonds of a pair that may be exchanged in a glass, and the probability that chance alone exceeds it
_FLOWS, _CHANCE = 0.01, 0.05


def flowing(exchanged: Mapping[str, tuple[int, int]]) -> list[str]:
    """The pairs of which so many bonds were exchanged, by `exchanged_bonds`, that this is a supercooled melt: the lower
    95 % limit of their number is above one, and above 1 % of the bonds.

    The limit is that of a Poisson distribution (F. Garwood, Biometrika 28, 437 (1936), doi:10.1093/biomet/28.3-4.437).
    """
    from scipy.stats import chi2

    lowest = {pair: chi2.ppf(_CHANCE, 2 * exchanged[pair][1]) / 2 for pair in _exceeding(exchanged)}
    return [pair for pair, limit in lowest.items() if limit > _allowed(exchanged[pair][0])]


def settling(exchanged: Mapping[str, tuple[int, int]]) -> list[str]:
    """The pairs of which more bonds were exchanged than a glass may, but too few to tell that the network flows."""
    found = flowing(exchanged)
    return [pair for pair in _exceeding(exchanged) if pair not in found]


def _exceeding(exchanged: Mapping[str, tuple[int, int]]) -> list[str]:
    return [pair for pair, (bonds, count) in exchanged.items() if count > _allowed(bonds)]


def _allowed(bonds: int) -> float:
    return max(1.0, _FLOWS * bonds)


def exchange_text(pair: str, found: tuple[int, int], over_ps: float) -> str:
    """``12 of 160 P–O bonds were exchanged within 10 ps``."""
    bonds, count = found
    return f"{count} of {bonds} {pair.replace('-', '–')} bonds were exchanged within {digits(over_ps, 3)} ps"


def exchanged_bonds(frames: Sequence[Atoms], cutoffs: Mapping[str, float]) -> dict[str, tuple[int, int]]:
    """By pair, as "P-O": bonds to oxygen in the first frame, and how many of them were exchanged in the last.

    A bond within the cutoff (Å) of its pair is exchanged if its atoms are farther apart than 1.25 cutoffs in the last
    frame and the oxygen is bonded to another former or metal that it was not bonded to in the first.
    """
    first, last = frames[0], frames[-1]
    centers = [
        element
        for element in dict.fromkeys(first.symbols)
        if (element in FORMERS or element in TRANSITION_METALS) and f"{element}-O" in cutoffs
    ]
    start, near, end = (_bonds(atoms, centers, cutoffs, widened) for atoms, widened in
                        ((first, 1.0), (last, _APART), (last, 1.0)))  # fmt: skip
    gained = {oxygen for _, oxygen in end - start}
    symbols = np.array(first.get_chemical_symbols())
    found = {}
    for element in centers:
        own = {bond for bond in start if symbols[bond[0]] == element}
        found[f"{element}-O"] = (len(own), sum(bond not in near and bond[1] in gained for bond in own))
    return found


def _bonds(atoms: Atoms, centers: Sequence[str], cutoffs: Mapping[str, float], widened: float) -> set[tuple[int, int]]:
    """(center, oxygen) closer than the widened cutoff of their pair."""
    if not centers:
        return set()
    reach = {element: widened * cutoffs[f"{element}-O"] for element in centers}
    pairs = core.neighbors(atoms, max(reach.values()))
    symbols = np.array(atoms.get_chemical_symbols())
    limit = np.array([reach.get(symbol, 0.0) for symbol in symbols])
    kept = (symbols[pairs.j] == "O") & (pairs.distances < limit[pairs.i])
    return set(zip(pairs.i[kept].tolist(), pairs.j[kept].tolist(), strict=True))
