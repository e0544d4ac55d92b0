"""The shortest distance of every pair of elements in a frame, relative to their contact distance."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...chemistry.formers import ANIONS
from ...chemistry.ions import contact_distance
from ...core import neighbors
from ...wording import outside

if TYPE_CHECKING:
    from ase import Atoms

# how far pairs are looked for, in units of the largest contact distance of a frame
_REACH = 1.3


@dataclass(frozen=True)
class Contact:
    """The closest pair of two elements in one frame: distance (Å), contact distance (Å), and the two atoms."""

    pair: str
    distance_A: float
    contact_A: float
    atoms: tuple[int, int]

    @property
    def fraction(self) -> float:
        return self.distance_A / self.contact_A


def too_close(frame: "Atoms", least: float) -> str | None:
    """The two atoms that are closest in units of their contact distance, if below `least`; None without such."""
    near = min(closest(frame), key=lambda contact: contact.fraction, default=None)
    if near is None or near.fraction >= least:
        return None
    pair = " and ".join(f"{frame.symbols[i]} {i}" for i in near.atoms)
    share = outside(near.fraction, least, np.inf, ".2f")
    return f"{pair} are {near.distance_A:.2f} Å apart, {share} of their contact distance, below {least:g}"


def closest(frame: "Atoms") -> list[Contact]:
    """The closest pair of every two elements that come within 1.3 of the largest contact distance, images included."""
    elements = sorted(set(frame.symbols), key=lambda element: (element in ANIONS, element))
    lengths = {(a, b): contact_distance(a, b) for k, a in enumerate(elements) for b in elements[k:]}
    found = neighbors(frame, _REACH * max(lengths.values()))
    kind = np.array([elements.index(symbol) for symbol in frame.symbols])
    code = np.minimum(kind[found.i], kind[found.j]) * len(elements) + np.maximum(kind[found.i], kind[found.j])
    # sorted by distance first, so that the first of each pair of elements is its closest
    order = np.argsort(found.distances, kind="stable")
    codes, first = np.unique(code[order], return_index=True)
    contacts = []
    for pair, at in zip(codes, order[first], strict=True):
        a, b = elements[pair // len(elements)], elements[pair % len(elements)]
        atoms = tuple(sorted((int(found.i[at]), int(found.j[at]))))
        contacts.append(Contact(f"{a}-{b}", float(found.distances[at]), lengths[a, b], atoms))
    return contacts
