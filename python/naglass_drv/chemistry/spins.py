"""Spin patterns of a cell: which magnetic ions point up and which down at the start.

Every pattern is collinear: each ion with an open shell starts from its high-spin moment, with a sign. The total fixes
the multiplicity; which ion keeps which sign is up to the self-consistent solution.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..errors import InputError
from . import ions as chemistry

NAMED = ("ferromagnetic", "antiferromagnetic", "sampled")
_SIGNS = {"up": 1, "down": -1}


def unpaired(ion: str) -> int:
    """High-spin unpaired electrons of an ion such as "V4+"; 0 for an element without a charge."""
    element, charge = chemistry.parse_label(ion)
    return 0 if charge is None else chemistry.high_spin_unpaired(element, charge)


def moments(
    ions: Sequence[str], pattern: str | Mapping[str, str], distances: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """Signed high-spin moment (N, µB, whole numbers) that each of the N `ions` starts from; their sum is not negative.

    `pattern` is ``ferromagnetic`` (all up), ``antiferromagnetic`` (along the shortest connections of the magnetic ions
    by `distances`, N×N in Å, signs alternate: the Néel state of a lattice whose nearest neighbors form two
    sublattices), ``sampled`` (each sign drawn with `seed`), signs such as ``+-+-`` of the magnetic ions in their
    order, or a mapping of ions to ``up`` or ``down`` (ions it does not name are up). Raises InputError for signs or
    ions that do not fit.
    """
    sizes = np.array([unpaired(ion) for ion in ions], dtype=int)
    magnetic = np.flatnonzero(sizes)
    signs = np.ones(len(sizes), dtype=int)
    if not isinstance(pattern, str):
        signs = _stated(ions, sizes, pattern)
    elif pattern == "antiferromagnetic":
        if distances is None:
            raise ValueError("an antiferromagnetic pattern needs distances")
        signs[magnetic] = _alternating(distances[np.ix_(magnetic, magnetic)])
    elif pattern == "sampled":
        signs[magnetic] = np.random.default_rng(seed).choice((-1, 1), len(magnetic))
    elif pattern != "ferromagnetic":
        signs[magnetic] = _written(pattern, len(magnetic))
    found = signs * sizes
    return found if found.sum() >= 0 else -found


def check_pattern(ions: Iterable[chemistry.Species], pattern: str | Mapping[str, str]) -> None:
    """Raise InputError where a `pattern` of signs or ions does not fit the ions of a cell (see `moments`)."""
    magnetic = [ion for ion in ions if ion.unpaired]
    if not isinstance(pattern, str):
        _check_named({ion.label for ion in magnetic}, pattern)
    elif pattern not in NAMED:
        _written(pattern, sum(ion.count for ion in magnetic))


def multiplicity(signed: np.ndarray) -> int:
    """2S + 1 of a cell with these signed moments (µB): |n_up - n_down| + 1."""
    return abs(int(signed.sum())) + 1


def deviation(ions: Iterable[chemistry.Species], stated: int) -> str:
    """How the multiplicity `stated` differs from high spin with parallel moments, in words; "" if it does not."""
    ions = tuple(ions)
    high = chemistry.multiplicity(ions)
    if stated == high:
        return ""
    side = "fewer" if stated < high else "more"
    return f"high spin of {chemistry.magnetic(ions)} is {high}: {abs(stated - high)} µB {side}"


def _stated(ions: Sequence[str], sizes: np.ndarray, pattern: Mapping[str, str]) -> np.ndarray:
    _check_named({ion for ion, size in zip(ions, sizes, strict=True) if size}, pattern)
    return np.array([_SIGNS[pattern.get(ion, "up")] for ion in ions])


def _check_named(present: set[str], pattern: Mapping[str, str]) -> None:
    for ion in pattern:
        if ion not in present:
            there = ", ".join(sorted(present)) or "none"
            raise InputError(f"spin: {ion}: no such magnetic ion; available: {there}")


def _written(pattern: str, count: int) -> list[int]:
    if not re.fullmatch(r"[+-]+", pattern):
        raise InputError(f"spin: {pattern!r}: must be one of {', '.join(NAMED)}, signs like +-+-, or ions")
    if len(pattern) != count:
        raise InputError(f"spin: {pattern!r} has {len(pattern)} signs, but there are {count} magnetic ions")
    return [1 if sign == "+" else -1 for sign in pattern]


def _alternating(distances: np.ndarray) -> np.ndarray:
    """Signs of M ions that alternate along the minimum spanning tree of their distances (Prim)."""
    count = len(distances)
    signs = np.zeros(count, dtype=int)
    if count == 0:
        return signs
    signs[0] = 1
    for _ in range(count - 1):
        inside, outside = np.flatnonzero(signs), np.flatnonzero(signs == 0)
        near = distances[np.ix_(inside, outside)]
        i, j = np.unravel_index(near.argmin(), near.shape)
        signs[outside[j]] = -signs[inside[i]]
    return signs
