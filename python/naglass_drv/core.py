"""The Python face of the compiled core: ASE atoms and numpy arrays in, small result objects out.

`atoms` is anything with ``positions`` (N, 3) in Å, ``cell`` (3, 3) in Å with vectors as rows, ``pbc`` (3) and
``get_chemical_symbols()``, such as ``ase.Atoms``. Bad input raises `naglass_drv.errors.InputError`, which
names the argument and its value. Lengths are in Å, counts are integers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from . import _core
from .errors import InputError

#: Å; a terminal V–O bond below it is a vanadyl V=O.
#: Schindler, Hawthorne & Baur, Chem. Mater. 12, 1248 (2000).
VANADYL_CUTOFF = 1.74

#: Cutoffs per unordered pair of elements, in Å.
Cutoffs = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Neighbors:
    """Pairs closer than a cutoff, each in both directions, sorted by `i`, then `j`, then shift.

    ``positions[j] - positions[i] + shifts @ cell`` is the vector from i to j.
    """

    i: np.ndarray  #: (pairs,) int
    j: np.ndarray  #: (pairs,) int
    shifts: np.ndarray  #: (pairs, 3) int, cell vectors
    distances: np.ndarray  #: (pairs,) float, Å


@dataclass(frozen=True)
class BondGraph:
    """Bonds of a periodic structure in CSR form: atom i's bonds are entries ``offsets[i]:offsets[i + 1]``.

    Both directions of a bond are present; an atom may be bonded to an image of itself.
    """

    symbols: tuple[str, ...]  #: element per atom
    cutoffs: dict[tuple[str, str], float]  #: Å, per pair in alphabetical order
    offsets: np.ndarray  #: (N + 1,) int
    targets: np.ndarray  #: (bonds,) int
    shifts: np.ndarray  #: (bonds, 3) int, cell vectors from the listed to the bonded image of the target
    lengths: np.ndarray  #: (bonds,) float, Å

    def __len__(self) -> int:
        """Number of atoms."""
        return len(self.symbols)

    def bonded(self, i: int) -> np.ndarray:
        """Atoms bonded to atom i; an atom appears once per bonded image."""
        return self.targets[self.offsets[i] : self.offsets[i + 1]]

    def coordination(self, element: str | None = None) -> np.ndarray:
        """(N,) number of bonds per atom, to atoms of one element only where it is given."""
        rows = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        if element is not None:
            rows = rows[np.array(self.symbols)[self.targets] == element]
        return np.bincount(rows, minlength=len(self))


@dataclass(frozen=True)
class Qn:
    """Q^n of the formers and the class of each oxygen; definitions in docs/observables/qn.md.

    `n` and `m` are -1 for atoms that are not formers; the oxygen counts are 0 for atoms that are not oxygens.
    """

    n: np.ndarray  #: (N,) bonded oxygens that are bonded to another former too
    m: np.ndarray  #: (N,) bonded oxygens that are bonded to a transition metal too (Q^n_m)
    oxygen_formers: np.ndarray  #: (N,) formers bonded to the oxygen
    oxygen_metals: np.ndarray  #: (N,) transition metals bonded to the oxygen
    oxygen_class: np.ndarray  #: (N,) integer value of `OxygenClass`
    labels: dict[int, str]  #: class value -> the field's name for it, e.g. 4 -> "BO_PV"

    def fractions(self) -> dict[int, float]:
        """Share of the formers with each n that occurs, e.g. ``{2: 0.75, 3: 0.25}``."""
        n = self.n[self.n >= 0]
        values, counts = np.unique(n, return_counts=True)
        return {int(v): float(c) / n.size for v, c in zip(values, counts)}

    def mean_n(self) -> float:
        """Network connectivity ⟨n⟩; NaN where there is no former."""
        n = self.n[self.n >= 0]
        return float(n.mean()) if n.size else float("nan")

    def class_counts(self) -> dict[str, int]:
        """Number of oxygens of each class that occurs, by label."""
        counts = Counter(self.oxygen_class[self.oxygen_class > 0].tolist())
        return {self.labels[value]: counts[value] for value in sorted(counts)}


OxygenClass = _core.OxygenClass


def neighbors(atoms, cutoff: float) -> Neighbors:
    """All pairs closer than `cutoff` (Å), periodic images included; the cell may be smaller than the cutoff.

    O(N) at given density. Raises InputError for a cutoff that is not positive, or a cell or positions that
    are not usable.
    """
    positions, cell, pbc = _geometry(atoms)
    offsets, targets, shifts, lengths = _core.neighbor_list(positions, cell, pbc, cutoff)
    rows = np.repeat(np.arange(len(positions)), np.diff(offsets))
    return Neighbors(rows, targets, shifts, lengths)


def bond_graph(atoms, cutoffs: Cutoffs) -> BondGraph:
    """The periodic graph of bonds: a pair of elements is bonded below its cutoff (Å), and never without one.

    ``bond_graph(atoms, {("P", "O"): 2.0, ("V", "O"): 2.5})``. Pairs are unordered; elements that are absent
    from the structure are allowed. Raises InputError for a cutoff that is not positive, or a pair that is
    given twice.
    """
    positions, cell, pbc = _geometry(atoms)
    symbols = tuple(atoms.get_chemical_symbols())
    unordered = _unordered(cutoffs)
    type_of = {symbol: t for t, symbol in enumerate(sorted(set(symbols)))}
    present = [
        (type_of[a], type_of[b], length)
        for (a, b), length in unordered.items()
        if a in type_of and b in type_of
    ]
    types = np.array([type_of[symbol] for symbol in symbols], dtype=np.int32)
    arrays = _core.bond_graph(positions, types, cell, pbc, len(type_of), present)
    return BondGraph(symbols, unordered, *arrays)


def qn(
    structure,
    cutoffs: Cutoffs | None = None,
    *,
    former: str | Iterable[str] = "P",
    metals: str | Iterable[str] = ("V",),
    oxygen: str = "O",
    vanadyl_cutoff: float = VANADYL_CUTOFF,
) -> Qn:
    """Q^n of each former and the class of each oxygen.

    `structure` is a `BondGraph`, or atoms together with `cutoffs`. Every former and metal of the structure
    needs a cutoff with the oxygen; otherwise InputError names the pair. O(bonds).
    """
    graph = structure if isinstance(structure, BondGraph) else _graph_of(structure, cutoffs)
    roles = _roles(former, metals, oxygen)
    elements = sorted(set(graph.symbols))
    for element in elements:
        bonds = roles.get(element) in (_core.Role.former, _core.Role.metal)
        if bonds and _pair(element, oxygen) not in graph.cutoffs:
            raise InputError(f"cutoffs: the pair ({element!r}, {oxygen!r}) is missing")
    type_of = {symbol: t for t, symbol in enumerate(elements)}
    counts = _core.qn(
        graph.offsets,
        graph.targets,
        graph.lengths,
        np.array([type_of[symbol] for symbol in graph.symbols], dtype=np.int32),
        [roles.get(element, _core.Role.other) for element in elements],
        vanadyl_cutoff,
    )
    return Qn(*counts, labels=_labels(former, metals))


def _geometry(atoms) -> tuple[np.ndarray, list[list[float]], list[bool]]:
    cell = np.asarray(atoms.cell, dtype=float)
    if cell.shape != (3, 3):
        raise InputError(f"cell = {cell.tolist()}: must have the shape (3, 3)")
    return np.asarray(atoms.positions, dtype=float), cell.tolist(), [bool(p) for p in atoms.pbc]


def _pair(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a <= b else (b, a)


def _unordered(cutoffs: Cutoffs) -> dict[tuple[str, str], float]:
    unordered: dict[tuple[str, str], float] = {}
    for (a, b), length in cutoffs.items():
        if not isinstance(length, (int, float, np.number)) or not 0.0 < length < float("inf"):
            raise InputError(f"cutoffs[{a!r}, {b!r}] = {length!r}: must be a positive number (Å)")
        if _pair(a, b) in unordered:
            raise InputError(f"cutoffs[{a!r}, {b!r}] = {length!r}: the pair is given twice")
        unordered[_pair(a, b)] = float(length)
    return unordered


def _graph_of(atoms, cutoffs: Cutoffs | None) -> BondGraph:
    if cutoffs is None:
        raise InputError("cutoffs = None: needed unless a BondGraph is given")
    return bond_graph(atoms, cutoffs)


def _names(elements: str | Iterable[str]) -> tuple[str, ...]:
    return (elements,) if isinstance(elements, str) else tuple(elements)


def _roles(former: str | Iterable[str], metals: str | Iterable[str], oxygen: str) -> dict[str, _core.Role]:
    roles: dict[str, _core.Role] = {}
    for role, elements in (
        (_core.Role.oxygen, (oxygen,)),
        (_core.Role.former, _names(former)),
        (_core.Role.metal, _names(metals)),
    ):
        for element in elements:
            if element in roles:
                raise InputError(f"{role.name} = {element!r}: already has the role {roles[element].name}")
            roles[element] = role
    return roles


def _labels(former: str | Iterable[str], metals: str | Iterable[str]) -> dict[int, str]:
    """Names of the oxygen classes; T and M stand for several formers or metals."""
    formers, transition = _names(former), _names(metals)
    t = formers[0] if len(formers) == 1 else "T"
    m = transition[0] if len(transition) == 1 else "M"
    labels = {
        OxygenClass.free: "free",
        OxygenClass.non_bridging_former: f"NBO_{t}",
        OxygenClass.bridging_former_former: f"BO_{t}{t}",
        OxygenClass.bridging_former_metal: f"BO_{t}{m}",
        OxygenClass.bridging_former_two_metal: f"BO_{t}{m}{m}",
        OxygenClass.bridging_metal_metal: f"BO_{m}{m}",
        OxygenClass.tri_coordinated: "tri",
        OxygenClass.metal_oxo: f"{m}=O",
        OxygenClass.non_bridging_metal: f"NBO_{m}",
    }
    return {int(value): label for value, label in labels.items()}
