"""Contacts that do not occur in an oxide glass: artifacts of machine-learned potentials and of cheap labels."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from ..chemistry.ions import TRANSITION_METALS
from ..core import FORBIDDEN_CONTACTS, Neighbors, in_contact, neighbors
from ..core.statistics import Average, average
from ..core.trajectory import same_elements

_METAL_METAL = 2.5  # Å


def forbidden_contacts(elements: Sequence[str]) -> dict[tuple[str, str], float]:
    """Pairs of `elements` and the distance (Å) below which they are an artifact.

    These are O-O (peroxide), P-P, and pairs of transition metals.
    """
    metals = [element for element in elements if element in TRANSITION_METALS]
    limits = FORBIDDEN_CONTACTS | {(a, b): _METAL_METAL for k, a in enumerate(metals) for b in metals[k:]}
    return {pair: limit for pair, limit in limits.items() if set(pair) <= set(elements)}


def share_in_contact(pairs: Neighbors, symbols: np.ndarray, contact: tuple[str, str], limit: float) -> float:
    """Share of the atoms of the two elements of `contact` that have such a neighbor nearer than `limit` (Å).

    `pairs` must reach to `limit`; `symbols` (atoms,) are the elements.
    """
    return float(in_contact(pairs, symbols, contact, limit).sum() / np.isin(symbols, contact).sum())


def artifacts(frames: Sequence[Atoms], *, independent: bool = False) -> dict[str, tuple[float, Average]]:
    """Forbidden contacts by pair: the limit (Å), and the share of atoms that have one; pairs never met are left out."""
    limits = forbidden_contacts(same_elements(frames))
    symbols = np.array(frames[0].get_chemical_symbols())
    near = [neighbors(atoms, max(limits.values())) for atoms in frames] if limits else []
    found = {}
    for contact, limit in limits.items():
        shares = np.array([share_in_contact(pairs, symbols, contact, limit) for pairs in near])
        if shares.any():
            found["-".join(contact)] = (limit, average(shares, independent=independent))
    return found
