"""Spin-resolved bond fingerprints of transition-metal centers: bond families, bond valence, shape, redox state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from .. import _core
from ..errors import InputError
from .arguments import array, choice, element, flag, number, positive, shown, whole
from .arguments import structure as checked_structure
from .graph import BondGraph, Cutoffs, geometry, graph_of, pair, unordered_pairs
from .qn import VANADYL_CUTOFF

_DEFAULT, _BINS = _core.FingerprintOptions(), _core.LengthBins()

#: µB; a smaller moment has no side.
SPIN_THRESHOLD: float = _DEFAULT.spin_threshold

#: Å; longest bond that counts as coordination where no cutoff is given.
COORDINATION_CUTOFFS = {("O", "V"): _DEFAULT.cutoff, ("Fe", "O"): 2.75}

#: Formal charges for the charge balance; more can be given.
FORMAL_CHARGES = {
    "H": 1,
    "Li": 1,
    "Na": 1,
    "K": 1,
    "Mg": 2,
    "Ca": 2,
    "Zn": 2,
    "B": 3,
    "Al": 3,
    "Si": 4,
    "P": 5,
    "O": -2,
    "F": -1,
}

#: (set, element, state, r0 / Å, b / Å, source) of every bond-valence parameter with oxygen; state 0 is any state.
BOND_VALENCE_TABLE = tuple(_core.bond_valence_table())

#: Meaning of the bits of `Fingerprint.flags`.
FLAGS = {
    1: "state by moment differs from state by valence",
    2: "state by moment differs from state by geometry",
    4: "state by valence differs from state by geometry",
    8: "bond-valence sum is off its state",
}

# From d5 on an added electron lowers the moment; where a state is low- or high-spin the moment does not rank states.
_REDUCED_HAS_LESS_SPIN = ("Fe",)
_SEVERAL_MOMENTS = ("Co", "Ni")


@dataclass(frozen=True)
class Confusion:
    """How two assignments of oxidation states agree: centers per pair of states."""

    rows: str  #: what the rows are assigned by
    columns: str  #: what the columns are assigned by
    states: tuple[int, ...]  #: states of rows and columns; 0 is "not determined"
    counts: np.ndarray  #: (states, states) int

    def agreement(self) -> float:
        """Share of agreement among centers with both states determined; NaN if there are none."""
        known = [k for k, state in enumerate(self.states) if state]
        counts = self.counts[np.ix_(known, known)]
        return float(np.trace(counts) / counts.sum()) if counts.sum() else float("nan")


@dataclass(frozen=True)
class LengthHistograms:
    """Center–ligand distances below the bond-valence cutoff, counted per oxidation state and side of the moment.

    `up`, `down` and `unpolarized` (|moment| below the spin threshold) add up to `counts`; without moments they are
    None. Lengths outside the edges are left out.
    """

    edges: np.ndarray  #: (bins + 1,) Å
    states: tuple[int, ...]  #: states of the rows; 0 (not determined) where that occurs
    counts: np.ndarray  #: (states, bins) int
    up: np.ndarray | None  #: (states, bins) int
    down: np.ndarray | None  #: (states, bins) int
    unpolarized: np.ndarray | None  #: (states, bins) int


@dataclass(frozen=True)
class Fingerprint:
    """One row per center; definitions in docs/observables/fingerprint.md. `absent` lists the columns that are None."""

    element: str
    ligand: str
    centers: np.ndarray  #: (C,) index of the center among the atoms
    coordination: np.ndarray  #: (C,) int
    vanadyl: np.ndarray  #: (C,) int, bonds per family
    equatorial: np.ndarray  #: (C,) int
    trans: np.ndarray  #: (C,) int
    bond_valence: np.ndarray | None  #: (C,) sum, valence units
    baur: np.ndarray  #: (C,) mean |l - l̄| / l̄; NaN without ligands
    quadratic: np.ndarray  #: (C,) mean ((l - l̄) / l̄)²
    tau4: np.ndarray  #: (C,) NaN unless four-fold
    tau5: np.ndarray  #: (C,) NaN unless five-fold
    off_centering: np.ndarray | None  #: (C,) |Σ s û|, valence units
    vanadyl_index: np.ndarray  #: (C,) Å for six-fold and more, else relative
    moment: np.ndarray | None  #: (C,) µB as given
    by_moment: np.ndarray | None  #: (C,) oxidation state; 0 is "not determined" in each assignment
    by_valence: np.ndarray | None  #: (C,)
    by_geometry: np.ndarray | None  #: (C,) vanadium and oxygen only
    by_charge: np.ndarray | None  #: (C,) by rank under the charge balance
    state: np.ndarray  #: (C,) by the best there is: charge balance, moment, valence, geometry; 0 without any
    flags: np.ndarray  #: (C,) sum of the bits in `FLAGS`
    histograms: LengthHistograms
    atoms: int  #: number of atoms of the structure

    @property
    def absent(self) -> tuple[str, ...]:
        """Quantities that could not be computed: no moments, no bond-valence parameters, no charge balance."""
        named = ("bond_valence", "off_centering", "moment", "by_moment", "by_valence", "by_geometry", "by_charge")
        missing = [name for name in named if getattr(self, name) is None]
        if self.moment is None:
            missing += ["histograms.up", "histograms.down", "histograms.unpolarized"]
        return tuple(missing)

    @property
    def classes(self) -> dict[str, np.ndarray]:
        """The assignments that exist, each (C,) int: "moment", "valence", "geometry", "charge"."""
        named = {
            "moment": self.by_moment,
            "valence": self.by_valence,
            "geometry": self.by_geometry,
            "charge": self.by_charge,
        }
        return {name: states for name, states in named.items() if states is not None}

    @property
    def label(self) -> np.ndarray:
        """(C,) Schindler's notation: vanadyl + equatorial + trans, e.g. "[1+4+1]"; "[1+4]" below six-fold."""
        return np.array(
            [
                f"[{v}+{e}+{t}]" if v + e + t >= 6 else f"[{v}+{e}]"
                for v, e, t in zip(self.vanadyl, self.equatorial, self.trans, strict=True)
            ]
        )

    def per_atom(self, values: np.ndarray, fill=0) -> np.ndarray:
        """(N,) the centers' values at their atoms, `fill` at all others."""
        out = np.full(self.atoms, fill, dtype=np.asarray(values).dtype)
        out[self.centers] = values
        return out

    def label_counts(self) -> dict[str, int]:
        """Centers per label, the most frequent first."""
        return dict(Counter(self.label.tolist()).most_common())

    def fractions(self) -> dict[int, float]:
        """Share of the centers in each oxidation state of `state`."""
        values, counts = np.unique(self.state, return_counts=True)
        return {int(v): float(c) / len(self.centers) for v, c in zip(values, counts, strict=True)}

    def confusion(self, rows: str = "moment", columns: str = "valence") -> Confusion:
        """Centers per pair of states in two of `classes`. Raises InputError for an assignment that is absent."""
        for argument, name in (("rows", rows), ("columns", columns)):
            if not isinstance(name, str) or name not in self.classes:
                raise InputError(f"{argument} = {name!r}: must be one of {', '.join(self.classes) or 'none'}")
        a, b = self.classes[rows], self.classes[columns]
        states = np.unique(np.concatenate([a, b]))
        counts = np.zeros((len(states), len(states)), dtype=np.int64)
        np.add.at(counts, (np.searchsorted(states, a), np.searchsorted(states, b)), 1)
        return Confusion(rows, columns, tuple(int(s) for s in states), counts)


def fingerprint(
    structure,
    cutoffs: Cutoffs | None = None,
    *,
    center: str = "V",
    ligand: str = "O",
    spins=None,
    states: Iterable[int] | None = None,
    bond_valence: str | Mapping[int, tuple[float, float]] | None = "default",
    assign: str = "nearest",
    valence_cutoff: float = _DEFAULT.valence_cutoff,
    vanadyl_cutoff: float = VANADYL_CUTOFF,
    trans_cutoff: float = _DEFAULT.limits.trans,
    trans_dioxo_cutoff: float = _DEFAULT.limits.trans_dioxo,
    tolerance: float = _DEFAULT.tolerance,
    spin_threshold: float = SPIN_THRESHOLD,
    balance: bool | Mapping[str, int] = False,
    histogram: tuple[float, float, int] = (_BINS.low, _BINS.high, _BINS.count),
) -> Fingerprint:
    """Coordination, bond families, bond-valence sum, shape and redox state of each `center` atom.

    `structure` is atoms; `cutoffs` holds the coordination cutoff of the pair (default for V–O and Fe–O:
    `COORDINATION_CUTOFFS`). `spins` are moments per atom (N,) in µB. `states` narrows the oxidation states that are
    considered. `bond_valence` names a set of `BOND_VALENCE_TABLE`, or maps state (0: any) to (r0, b) in Å; None leaves
    the sums out. `assign` picks the state by valence: "nearest", or "map" (most probable by ICSD statistics).
    `balance` assigns states by rank under charge balance: True, or formal charges to add to `FORMAL_CHARGES`.
    Raises InputError for what is missing, unknown or out of range. O(N).
    """
    if isinstance(structure, BondGraph):
        raise InputError("structure = BondGraph: bond directions are needed; give atoms and cutoffs")
    symbols = checked_structure("structure", structure).get_chemical_symbols()
    center, ligand = element("center", center, symbols), element("ligand", ligand, symbols)
    cutoff = _coordination_cutoff(cutoffs, center, ligand, symbols)
    reach = max(cutoff, positive("valence_cutoff", valence_cutoff, "Å"))
    spin_threshold = positive("spin_threshold", spin_threshold, "µB")
    options = _core.FingerprintOptions(
        cutoff=cutoff,
        valence_cutoff=valence_cutoff,
        limits=_core.FamilyLimits(
            vanadyl=positive("vanadyl_cutoff", vanadyl_cutoff, "Å"),
            trans=positive("trans_cutoff", trans_cutoff, "Å"),
            trans_dioxo=positive("trans_dioxo_cutoff", trans_dioxo_cutoff, "Å"),
        ),
        tolerance=number("tolerance", tolerance, "valence units", least=0.0),
    )
    chosen_states = sorted({whole("states", state, -8, 8) for state in _sequence("states", states or ())})
    redox = _core.redox_states(center, chosen_states)
    allowed = sorted({state for state, _ in redox})
    parameters = _parameters(bond_valence, center, ligand, allowed)
    choice("assign", assign, ("nearest", "map"))
    centers, offsets, vectors = _shells(structure, center, ligand, reach)
    moment = _moments(spins, len(structure), centers)
    most_probable = assign == "map" and bool(parameters)
    columns = _core.fingerprint(
        offsets, vectors, options, parameters, center, ligand, chosen_states, most_probable, moment
    )
    for name in ("bond_valence", "off_centering", "by_valence"):
        if not parameters:
            columns[name] = None
    if (center, ligand) != ("V", "O"):
        columns["by_geometry"] = None
    columns["by_charge"] = None
    if balance is not False:
        total = _charge_of_centers(structure, center, balance)
        columns["by_charge"] = _core.charge_states(_reduction(center, redox, moment, columns), allowed, total)
    columns.setdefault("by_moment", None)
    assigned = [columns[f"by_{name}"] for name in ("charge", "moment", "valence", "geometry")]
    state = next((s for s in assigned if s is not None), np.zeros(len(centers), dtype=np.int32))
    lengths = _histograms(offsets, vectors, state, moment, histogram, reach, spin_threshold)
    return Fingerprint(
        center, ligand, centers, moment=moment, state=state, histograms=lengths, atoms=len(structure), **columns
    )


def _sequence(name: str, value) -> tuple:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise InputError(f"{name} = {shown(value)}: must be several values")
    return tuple(value)


def _coordination_cutoff(cutoffs: Cutoffs | None, center: str, ligand: str, symbols) -> float:
    known = COORDINATION_CUTOFFS if cutoffs is None else unordered_pairs("cutoffs", cutoffs, symbols)
    if pair(center, ligand) not in known:
        raise InputError(f"cutoffs: the pair ({center!r}, {ligand!r}) is missing")
    return known[pair(center, ligand)]


def _parameters(given, center: str, ligand: str, states: list[int]) -> list[tuple[int, float, float]]:
    if given is None:
        return []
    if isinstance(given, str):
        return _core.bond_valence_parameters(given, center, ligand, states)
    if not isinstance(given, Mapping):
        raise InputError(f"bond_valence = {shown(given)}: must be the name of a set or map states to (r0, b) in Å")
    missing = [state for state in states if state not in given and 0 not in given]
    if missing:
        raise InputError(f"bond_valence: no parameter for state {missing[0]} of {center!r}")
    checked = []
    for state, parameters in given.items():
        where = f"bond_valence[{state!r}]"
        state = whole(where, state, 0, 8)
        if len(_sequence(where, parameters)) != 2:
            raise InputError(f"{where} = {shown(parameters)}: must be r0 and b (Å)")
        r0, b = parameters
        checked.append((state, positive(f"{where}.r0", r0, "Å"), positive(f"{where}.b", b, "Å")))
    return [entry for entry in checked if entry[0] in (0, *states)]


def _shells(structure, center: str, ligand: str, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centers, and per center the vectors (Å) to its ligands' images."""
    if center == ligand:
        raise InputError(f"ligand = {ligand!r}: must differ from the center")
    graph = graph_of(structure, {(center, ligand): reach})
    centers = np.flatnonzero(np.array(graph.symbols) == center)
    if not centers.size:
        raise InputError(f"center = {center!r}: the structure has none")
    sizes = np.diff(graph.offsets)
    of_center = np.repeat(np.isin(np.arange(len(graph)), centers), sizes)
    rows = np.repeat(np.arange(len(graph)), sizes)[of_center]
    positions, cell, _ = geometry(structure)
    shifts = graph.shifts[of_center] @ np.array(cell)
    vectors = (positions[graph.targets[of_center]] - positions[rows]) + shifts
    return centers, np.concatenate([[0], np.cumsum(sizes[centers])]), vectors


def _moments(spins, atoms: int, centers: np.ndarray) -> np.ndarray | None:
    if spins is None:
        return None
    return array("spins", spins, (atoms,), unit="µB")[centers]


def _charge_of_centers(structure, center: str, balance: bool | Mapping[str, int]) -> int:
    """The sum of all centers' oxidation states that makes the structure neutral."""
    if not isinstance(balance, Mapping):
        flag("balance", balance)
    given = balance if isinstance(balance, Mapping) else {}
    charges = FORMAL_CHARGES | {e: whole(f"balance[{e!r}]", charge, -8, 8, "e") for e, charge in given.items()}
    total = 0
    for symbol, count in Counter(structure.get_chemical_symbols()).items():
        if symbol == center:
            continue
        if symbol not in charges:
            raise InputError(f"balance[{symbol!r}]: its formal charge is unknown; give it")
        total -= charges[symbol] * count
    return total


def _reduction(center: str, redox: list, moment: np.ndarray | None, columns: dict) -> np.ndarray:
    """Larger for a more reduced center: by moment where that is monotonic in the state, else by bond valence."""
    if moment is not None and center not in _SEVERAL_MOMENTS:
        return -np.abs(moment) if center in _REDUCED_HAS_LESS_SPIN else np.abs(moment)
    if columns["bond_valence"] is None:
        raise InputError("balance: needs moments or bond-valence sums to rank the states")
    return -columns["bond_valence"]


def _histograms(offsets, vectors, state, moment, wanted, reach: float, threshold: float) -> LengthHistograms:
    if len(_sequence("histogram", wanted)) != 3:
        raise InputError(f"histogram = {shown(wanted)}: must be both ends (Å) and the number of bins")
    low, high = (number("histogram", end, "Å", least=0.0) for end in wanted[:2])
    bins = whole("histogram", wanted[2], 0, 10**6, "bins")
    if not low < high:
        raise InputError(f"histogram = {low} to {high}: must be a range (Å)")
    if high > reach:
        raise InputError(f"histogram = {wanted!r}: reaches beyond the longest distance seen, {reach} Å")
    states = np.unique(state)
    row = np.searchsorted(states, state).astype(np.int32)
    edges = np.linspace(low, high, bins + 1) if bins > 0 else np.empty(0)
    ranges = _core.LengthBins(low=low, high=high, count=bins)

    def count(selected: np.ndarray) -> np.ndarray:
        groups = np.where(selected, row, -1).astype(np.int32)
        return _core.bond_histogram(offsets, vectors, groups, len(states), ranges)

    every = np.ones(len(row), dtype=bool)
    sides: tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None] = (None, None, None)
    if moment is not None:
        polarized = np.abs(moment) >= threshold
        sides = (count(polarized & (moment > 0)), count(polarized & (moment < 0)), count(~polarized))
    return LengthHistograms(edges, tuple(int(s) for s in states), count(every), *sides)
