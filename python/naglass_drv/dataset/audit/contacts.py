"""The shortest distance of every pair of elements in a frame, relative to their contact distance."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...chemistry.formers import ANIONS
from ...chemistry.ions import contact_distance
from ...core import neighbors

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
