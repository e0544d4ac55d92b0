"""Small periodic cells around atoms of a large glass: what stays as it is, and what fills the rest of the cell."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..chemistry import ions as chemistry
from ..chemistry.formers import FORMERS, LONGEST_BOND_A, oxygen_cutoff_A
from ..core.graph import bond_graph, neighbors
from ..core.unwrap import face_distances
from ..errors import InputError
from .candidates import named_ions
from .frames import STATE

if TYPE_CHECKING:
    from ase import Atoms

#: Per-atom array of a cell: the atom of the glass that an atom of the core is, -1 for an atom of the shell.
CORE = "core"
# the diameter of an oxide ion: closer, the core would bond to its own images
_APART_A = 2.8
# how many atoms off the composition of the glass weigh as much as one atom less in the cell
_PER_ATOM = 0.1


@dataclass(frozen=True)
class Ions:
    """Ions of a glass: their number by label, and the label of each atom, None where two states are not assigned."""

    counts: Mapping[str, int]
    labels: np.ndarray | None

    @classmethod
    def of(cls, glass: "Atoms") -> "Ions":
        """By the array `ion`, else by the composition. Raises InputError for a glass that is not neutral."""
        stated = np.flatnonzero(glass.arrays.get(STATE, []))
        if len(stated):
            state = glass.arrays[STATE][stated[0]]
            raise InputError(f"atom {stated[0] + 1} is in state {state}, and cells that are cut do not keep states")
        labels, ions = named_ions(glass, 0)
        if ions is None:
            raise InputError(
                f"{glass.get_chemical_formula()}: no known charges make it neutral; give it an array 'ion' (V4+)"
            )
        if total := chemistry.total_charge(ions):
            raise InputError(f"the ions add up to {total:+d} e; only neutral glasses have neutral cells")
        return cls({ion.label: ion.count for ion in ions}, None if labels is None else np.array(labels))


@dataclass(frozen=True)
class Core:
    """What is kept of the surroundings of `center`: `atoms` of the glass, the center first, the others by number.

    `vectors` (N, 3) lead from the center to every atom of the glass (Å), by the shortest way through its cell.
    """

    center: int
    atoms: np.ndarray
    vectors: np.ndarray


def core_around(glass: "Atoms", center: int, radius_A: float) -> Core:
    """All atoms within `radius_A` of `center`, and all oxygens of the network formers and transition metals among them.

    Raises InputError where the glass is too small for that, or has no such atom.
    """
    from ase.geometry import find_mic

    if not 0 <= center < len(glass):
        raise InputError(f"center {center}: the glass has atoms 0 to {len(glass) - 1}")
    if not glass.pbc.all():
        raise InputError("the glass is not periodic in all directions")
    vectors, distances = find_mic(glass.positions - glass.positions[center], glass.cell, glass.pbc)
    if radius_A + LONGEST_BOND_A > narrowest(glass) / 2:
        raise InputError(
            f"center {center}: a core of {radius_A:g} Å does not fit into a glass that is {narrowest(glass):.1f} Å wide"
        )
    near = np.flatnonzero(distances < radius_A + LONGEST_BOND_A)
    inside = distances[near] < radius_A
    kept = near[inside | _bonded_oxygens(glass, near, vectors[near], inside)]
    return Core(center, np.concatenate([[center], kept[kept != center]]), vectors)


def narrowest(glass: "Atoms") -> float:
    """Smallest distance (Å) between opposite faces of the cell."""
    return float(face_distances(glass.cell.array).min())


def _bonded_oxygens(glass: "Atoms", near: np.ndarray, vectors: np.ndarray, inside: np.ndarray) -> np.ndarray:
    from ase import Atoms

    part = Atoms(glass.symbols[near], vectors)
    whole = {*FORMERS, *chemistry.TRANSITION_METALS}
    centers = [element for element in dict.fromkeys(part.symbols) if element in whole]
    if not centers or "O" not in part.symbols:
        return np.zeros(len(near), dtype=bool)
    cutoffs = {(element, "O"): oxygen_cutoff_A(element) for element in centers}
    graph = bond_graph(part, cutoffs)
    found = np.zeros(len(near), dtype=bool)
    for atom in np.flatnonzero(inside & np.isin(part.symbols, centers)).tolist():
        found[graph.bonded(atom)] = True
    return found


def composition(ions: Ions, least: Mapping[str, int], most_atoms: int) -> dict[str, int]:
    """Ions of a neutral cell of at most `most_atoms` atoms, nearest to the composition of the glass.

    `least` are the atoms of the core, by label, or by element where the glass does not assign its states. Minimized is
    Σ |n - N x| over the ions, with N atoms in the cell and the share x of an ion in the glass, plus a tenth of the
    atoms that are missing from `most_atoms`. Raises InputError where there is no such cell.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    labels = list(ions.counts)
    states = [chemistry.parse_label(label) for label in labels]
    k = len(labels)
    amount = np.array([ions.counts[label] for label in labels], dtype=float)
    charges = np.array([float(charge or 0) for _, charge in states])
    # deviation of each ion from its share of N, which the columns k to 2k bound from both sides
    off = np.eye(k) - np.outer(amount / amount.sum(), np.ones(k))
    needed = np.array([[float(key in (label, element)) for label, (element, _) in zip(labels, states, strict=True)]
                       for key in least])  # fmt: skip
    rows = [
        LinearConstraint(np.hstack([charges, np.zeros(k)]), 0, 0),
        LinearConstraint(np.hstack([np.ones(k), np.zeros(k)]), 0, most_atoms),
        LinearConstraint(np.hstack([off, -np.eye(k)]), -np.inf, 0),
        LinearConstraint(np.hstack([-off, -np.eye(k)]), -np.inf, 0),
        LinearConstraint(np.hstack([needed, np.zeros_like(needed)]), list(least.values()), np.inf),
    ]
    cost = np.concatenate([np.full(k, -_PER_ATOM), np.ones(k)])
    bounds = Bounds(0, np.concatenate([amount, np.full(k, np.inf)]))
    # its presolve prints to standard output now and then
    quiet = {"presolve": False}
    found = milp(cost, integrality=[1] * k + [0] * k, bounds=bounds, constraints=rows, options=quiet)
    if found.x is None:
        raise InputError(_no_cell(ions, least, most_atoms))
    return {label: round(count) for label, count in zip(labels, found.x[:k], strict=True)}


def _no_cell(ions: Ions, least: Mapping[str, int], most_atoms: int) -> str:
    atoms = sum(least.values())
    if atoms > most_atoms:
        return f"max_atoms {most_atoms}: the core alone has {atoms} atoms; raise it, or lower the radius of the core"
    low, high = (sum(n * of(_states(ions, key)) for key, n in least.items()) for of in (min, max))
    charge = f"{low:+d} e" if low == high else f"{low:+d} to {high:+d} e"
    return (
        f"max_atoms {most_atoms}: the core has {atoms} atoms and a charge of {charge}, which "
        f"{most_atoms - atoms} further ions of the glass cannot balance"
    )


def _states(ions: Ions, key: str) -> list[int]:
    """The charges (e) that a `key`, a label or an element, can have in the glass."""
    parsed = {label: chemistry.parse_label(label) for label in ions.counts}
    return [charge or 0 for label, (element, charge) in parsed.items() if key in (label, element)]


def small_cell(glass: "Atoms", core: Core, most_atoms: int) -> "Atoms":
    """A cubic periodic cell of the glass's density around the core, which comes first and has its places in the glass.

    The rest are atoms of the glass, the nearest first by their largest coordinate as seen from the center, in numbers
    that make the cell neutral (`composition`). Those that reach beyond the cell come in from its other side, where they
    may overlap with others: this is a start for `requench`. Ions stand in the array `ion` if they are known for each
    atom, the atoms of the core in `core`. Raises InputError where the core would touch its own images, or the glass is
    not larger than the cell.
    """
    if len(glass) <= most_atoms:
        raise InputError(
            f"the glass has {len(glass)} atoms, and cells may have {most_atoms} (max_atoms): label it as it is"
        )
    ions = Ions.of(glass)
    key = np.array(glass.get_chemical_symbols()) if ions.labels is None else ions.labels
    counts = composition(ions, _counted(key[core.atoms]), most_atoms)
    if ions.labels is None:
        counts = _by_element(counts)
    chosen = np.concatenate([core.atoms, _filling(core, key, counts)])
    masses = glass.get_masses()
    edge = float(glass.cell.volume * masses[chosen].sum() / masses.sum()) ** (1 / 3)
    if edge > narrowest(glass):
        raise InputError(
            f"a cell of {len(chosen)} atoms has an edge of {edge:.1f} Å, but the glass is {narrowest(glass):.1f} Å wide"
        )
    cell = glass[chosen]
    cell.info, cell.calc = {}, None
    cell.arrays = {name: cell.arrays[name] for name in ("numbers", "positions")}
    cell.set_cell([edge] * 3)
    cell.positions = core.vectors[chosen] + edge / 2
    _check_apart(cell[: len(core.atoms)], core, most_atoms)
    if ions.labels is not None:
        cell.set_array("ion", ions.labels[chosen])
    cell.set_array(CORE, np.where(np.arange(len(chosen)) < len(core.atoms), chosen, -1))
    return cell


def _counted(keys: np.ndarray) -> dict[str, int]:
    names, counts = np.unique(keys, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _by_element(counts: Mapping[str, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for label, count in counts.items():
        element = chemistry.parse_label(label)[0]
        found[element] = found.get(element, 0) + count
    return found


def _filling(core: Core, key: np.ndarray, counts: Mapping[str, int]) -> np.ndarray:
    outside = np.ones(len(key), dtype=bool)
    outside[core.atoms] = False
    order = np.argsort(np.abs(core.vectors).max(axis=1), kind="stable")
    parts = []
    for name, count in counts.items():
        own = order[(outside & (key == name))[order]]
        parts.append(own[: count - int((key[core.atoms] == name).sum())])
    return np.sort(np.concatenate(parts))


def _check_apart(core_atoms: "Atoms", core: Core, most_atoms: int) -> None:
    found = neighbors(core_atoms, _APART_A)
    across = (np.abs(found.shifts) > 0).any(axis=1)
    if not across.any():
        return
    edge = core_atoms.cell[0, 0]
    span = np.ptp(core_atoms.positions, axis=0).max()
    needed = int(np.ceil(most_atoms * ((span + _APART_A) / edge) ** 3))
    raise InputError(
        f"max_atoms {most_atoms}: the core around atom {core.center} ({len(core.atoms)} atoms, {span:.1f} Å across) is "
        f"less than {_APART_A} Å from its own images in a cell of {edge:.1f} Å; raise max_atoms to about {needed}, or "
        "lower the radius of the core"
    )
