"""The shortest distance of every pair of elements in a frame, relative to their contact distance."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.data import covalent_radii

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


def too_close(frame: "Atoms", least: float, covalent: float) -> str | None:
    """The closest two atoms nearer than `least` of their contact distance and than `covalent` of the sum of their
    covalent radii; None without such.

    Of two anions the second is the shorter: a potential has to know what keeps them apart.
    """
    faults = []
    for contact in closest(frame):
        i, j = contact.atoms
        limit = min(least * contact.contact_A, covalent * sum(covalent_radii[frame.numbers[[i, j]]]))
        if contact.distance_A < limit:
            told = outside(contact.distance_A, limit, np.inf, ".2f")
            pair = f"{frame.symbols[i]} {i} and {frame.symbols[j]} {j}"
            faults.append((contact.distance_A / limit, f"{pair} are {told} Å apart, below {limit:.2f} Å"))
    return min(faults)[1] if faults else None


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
