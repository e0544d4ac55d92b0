"""The section `md.cells`, and what is wrong with one before anything is run."""

import math
from collections.abc import Sequence
from typing import Annotated, Any

from ..chemistry.formers import LONGEST_BOND_A
from ..fields import Count, Picoseconds, Positive, Section, Temperature, within
from . import atom_counts
from .partial import Partial, rule
from .source import Document, Where

_WHERE: Where = ("md", "cells")


class Cells(Section):
    """Candidates of more than `max_atoms` atoms are labeled as cells of at most so many, cut around uncertain atoms.

    Each keeps what is within `radius_A`, by default the cutoff of the model; the rest is melted and quenched anew.
    """

    max_atoms: Annotated[Count, within(10, 10_000)] = 200
    per_frame: Annotated[Count, within(1, 100)] = 1
    radius_A: Annotated[Positive, within(1, 15)] | None = None
    melt_temperature_K: Temperature = 2000.0
    melt_ps: Picoseconds = 10.0
    quench_ps: Picoseconds = 20.0
    tries: Annotated[Count, within(1, 100)] = 5


def check(top: Partial, document: Document) -> None:
    """Cells are cut where a committee is uncertain, and a core fits into a cell and into the glass."""
    md = top.md
    if md is None or md.cells is None:
        return
    with rule():
        members = top.train.committee if md.model == "train" and top.train is not None else 1
        if members < 2:
            document.fault(_WHERE, "there is no committee to be uncertain; set train.committee to 2 or more")
    with rule():
        if not md.candidates:
            document.fault(_WHERE, "md.candidates is 0: there is nothing to cut cells from")
    with rule():
        _check_room(top, document)


def _check_room(top: Partial, document: Document) -> None:
    """A core is narrower than its cell, and the glass is wide enough for the core."""
    md, radius = top.md, radius_A(top)
    asked = md.cells
    key = "radius_A" if asked.radius_A is not None else "max_atoms"
    whose = f"cores of {radius:g} Å" + ("" if asked.radius_A is not None else " (train.r_max_A)")
    density = atom_counts.atoms_per_A3(top)
    atoms = None if md.structures != "glass" else atom_counts.atoms(top) * math.prod(md.replicate)
    if atoms is not None and atoms <= asked.max_atoms:
        return
    edge = (asked.max_atoms / density) ** (1 / 3)
    if 2 * radius >= edge:
        needed = math.ceil(density * (2 * radius) ** 3)
        message = (
            f"{asked.max_atoms} atoms make a cell of {edge:.1f} Å at the density of the glass, and {whose} need more "
            f"than {2 * radius:g} Å: raise max_atoms above {needed}, or lower radius_A"
        )
        document.fault((*_WHERE, key), message)
    elif atoms is not None and (problem := too_narrow(atoms, _width_A(top, density), radius)):
        document.fault((*_WHERE, key), problem)


def _width_A(top: Partial, density: float) -> float:
    """The smallest width (Å) of the glass in its MD, a cube in so many copies along its vectors."""
    return (atom_counts.atoms(top) / density) ** (1 / 3) * min(top.md.replicate)


def too_narrow(atoms: int, width_A: float, radius_A: float) -> str:
    """Why a core does not fit into a structure of this width, or an empty text."""
    needed = 2 * (radius_A + LONGEST_BOND_A)
    if width_A >= needed:
        return ""
    return (
        f"{atoms} atoms are {width_A:.1f} Å wide, and a core of {radius_A:g} Å with whole polyhedra needs {needed:g} Å"
        f": enlarge the structure, or label it as it is with max_atoms {atoms}"
    )


def radius_A(top: Partial) -> float:
    """The radius of a core: what is asked for, or the cutoff of the model that is trained."""
    if top.md.cells.radius_A is not None:
        return top.md.cells.radius_A
    return top.train.r_max_A


def check_sets(asked: Any, top: Partial, document: Document) -> None:
    """Sets that label such cells ask for nothing that depends on the number of their ions."""
    refused = {
        "charge": "cells are neutral",
        "multiplicity": "cells differ in their ions, from which it follows; leave it out",
    }
    for index, item in enumerate(top.reference):
        with rule():
            if asked is None or item.structures != "candidates":
                continue
            for key, reason in refused.items():
                if value := getattr(item, key):
                    document.fault(("reference", index, key), f"{value}: {reason}")
            if isinstance(item.spin, str) and set(item.spin) <= {"+", "-"}:
                document.fault(("reference", index, "spin"), f"{item.spin}: cells differ in their number of ions")


def check_use(rounds: Sequence[Partial], document: Document) -> None:
    """Some round labels the cells."""
    with rule():
        if rounds[0].md is None or rounds[0].md.cells is None:
            return
        if rounds[0].learn is None:
            document.fault(_WHERE, "there is no learn section: only a round of learning labels cells")
        elif not any(item.structures == "candidates" for top in rounds[1:] for item in top.reference):
            document.fault(_WHERE, "no reference set labels cells; one with 'structures: candidates' does")
