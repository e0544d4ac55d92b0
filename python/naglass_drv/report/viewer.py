"""Picture of a structure with coordination polyhedra, for the interactive view and the still image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from ase import Atoms

from ..chemistry.formers import ANIONS, DEFAULT_CUTOFFS_A, METAL_O_CUTOFF_A
from ..chemistry.ions import MOBILE_IONS, TRANSITION_METALS
from ..core import bond_graph
from . import figures
from .material import Material
from .numbers import Figure, View
from .style import element_color

# Largest number of atoms on a page; a browser rotates 5000 with ease
_MOST_ATOMS = 5000


@dataclass(frozen=True)
class _Network:
    """Atoms of the cell (first `inside`) and the images that complete the polyhedra at its faces; Å."""

    symbols: list[str]
    positions: np.ndarray
    inside: int
    bonds: list[tuple[int, int]]
    polyhedra: list[tuple[int, list[int]]]


def picture(material: Material) -> View | Figure | None:
    """Interactive view of the glasses and the final frames, with a still image of the first; None if there are none."""
    from ..dataset.frames import read_frames

    roles = [role for role in material.files if role.startswith("glass/") and role.count("/") == 1]
    ends = [role for role in material.files if role.startswith("md/") and role.endswith("/final")]
    shown: list[tuple[str, Atoms]] = []
    for role in roles + ends:
        atoms = read_frames(material.files[role])[-1]
        name = role.split("/")[1]
        shown.append((name if role in roles else f"{name}, last frame", atoms))
    if not shown:
        return None
    networks = [(name, atoms, _network(atoms)) for name, atoms in shown]
    name, atoms, network = networks[0]
    corners = [(network.symbols[center], network.positions[around]) for center, around in network.polyhedra]
    inside = slice(network.inside)
    still = Figure(
        f"view-{name}",
        figures.structure_view(network.positions[inside], network.symbols[inside], corners, atoms.cell.array),
        f"The glass {name} viewed along the third cell vector (dashed: the cell), with coordination polyhedra; "
        "atoms farther back are paler.",
    )
    scenes, room = [], _MOST_ATOMS
    for name, atoms, network in networks:
        if len(network.symbols) <= room:
            room -= len(network.symbols)
            scenes.append(_scene(name, atoms, network))
    return View(scenes, still) if scenes else still


def _network(atoms: Atoms) -> _Network:
    """Polyhedra of the network cations; mobile ions are shown as spheres."""
    atoms = atoms.copy()
    atoms.wrap()
    cations = [e for e in dict.fromkeys(atoms.get_chemical_symbols()) if e not in ANIONS and e not in MOBILE_IONS]
    usual = {e: METAL_O_CUTOFF_A for e in cations if e in TRANSITION_METALS}
    lengths = {e: DEFAULT_CUTOFFS_A.get(f"{e}-O", usual.get(e)) for e in cations if "O" in atoms.symbols}
    graph = bond_graph(atoms, {(e, "O"): length for e, length in lengths.items() if length is not None})
    symbols, positions = list(graph.symbols), [*atoms.positions]
    known: dict[tuple[int, ...], int] = {}
    bonds, polyhedra = [], []
    for i, symbol in enumerate(graph.symbols):
        if symbol not in lengths:
            continue
        around = []
        for k in range(graph.offsets[i], graph.offsets[i + 1]):
            j, shift = int(graph.targets[k]), graph.shifts[k]
            place = j
            if shift.any():
                place = known.setdefault((j, *map(int, shift)), len(symbols))
                if place == len(symbols):
                    symbols.append(graph.symbols[j])
                    positions.append(atoms.positions[j] + shift @ atoms.cell.array)
            around.append(place)
            bonds.append((i, place))
        if len(around) > 2:
            polyhedra.append((i, around))
    return _Network(symbols, np.array(positions), len(atoms), bonds, polyhedra)


def _scene(name: str, atoms: Atoms, network: _Network) -> Mapping[str, Any]:
    """Data for viewer.js, ready for JSON; lengths in Å relative to the center of the cell."""
    middle = atoms.cell.array.sum(axis=0) / 2
    at = network.positions - middle
    corners = np.array(list(product((0, 1), repeat=3))) @ atoms.cell.array - middle
    edges = [(a, a | bit) for a in range(8) for bit in (1, 2, 4) if not a & bit]
    hulls = []
    for center, around in network.polyhedra:
        if faces := _faces(at[around]):
            hulls.append({"element": network.symbols[center], "vertices": _rounded(at[around]), "faces": faces})
    return {
        "name": name,
        "elements": network.symbols,
        "positions": _rounded(at),
        "bonds": network.bonds,
        "polyhedra": hulls,
        "edges": [_rounded(corners[list(edge)]) for edge in edges],
        "colors": {element: element_color(element) for element in dict.fromkeys(network.symbols)},
    }


def _faces(corners: np.ndarray) -> list[list[int]]:
    """Triangles of the convex hull; none for coplanar corners."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return ConvexHull(corners).simplices.tolist() if len(corners) > 3 else []
    except QhullError:
        return []


def _rounded(values: np.ndarray) -> Sequence[Sequence[float]]:
    return np.round(values, 3).tolist()
