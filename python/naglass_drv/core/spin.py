"""Spin-resolved topology of transition-metal centers, and their moments along a trajectory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .. import _core
from ..errors import InputError
from .arguments import array, choice, element, elements, flag, positive, whole
from .fingerprint import SPIN_THRESHOLD, Fingerprint
from .graph import BondGraph, names, pair, roles_of, topology

_DEFAULT = _core.PolaronOptions()


@dataclass(frozen=True)
class Links:
    """Pairs of centers joined by bridges, each once: `first` to the image of `second` displaced by `shifts`."""

    first: np.ndarray  #: (L,) atom
    second: np.ndarray  #: (L,) atom
    shifts: np.ndarray  #: (L, 3) cell vectors
    paths: np.ndarray  #: (L,) number of bridges, or bridge–former–bridge ways, of the pair
    relation: np.ndarray | None  #: (L,) 1 parallel, -1 antiparallel, 0 one moment or both below the threshold
    states: np.ndarray | None  #: (L, 2) oxidation states of the two ends, the lower first

    def __len__(self) -> int:
        """Number of linked pairs."""
        return len(self.first)

    def relation_counts(self) -> dict[str, int]:
        """Pairs per color; empty without moments."""
        if self.relation is None:
            return {}
        return {
            name: int((self.relation == value).sum())
            for name, value in (("parallel", 1), ("antiparallel", -1), ("none", 0))
        }

    def state_counts(self) -> dict[tuple[int, int], int]:
        """Pairs per two oxidation states, the lower first; empty without states."""
        if self.states is None:
            return {}
        return dict(sorted(Counter(map(tuple, self.states.tolist())).items()))

    def mixed_share(self) -> float:
        """Share of the pairs whose ends differ in oxidation state (V4+–O–V5+: where a polaron can hop).

        Pairs with an undetermined end count as not mixed. NaN if there is no pair, or no states.
        """
        if self.states is None or not len(self):
            return float("nan")
        return float(self.mixed().mean())

    def mixed(self) -> np.ndarray:
        """(L,) bool: both ends are determined and differ. Raises InputError without states."""
        if self.states is None:
            raise InputError("states = None: needed to find mixed pairs")
        return (self.states[:, 0] != self.states[:, 1]) & (self.states != 0).all(axis=1)


@dataclass(frozen=True)
class LinkClusters:
    """Clusters of centers by a choice of links."""

    label: np.ndarray  #: (N,) cluster of each center; -1 for all other atoms
    size: np.ndarray  #: (clusters,) centers
    dimension: np.ndarray  #: (clusters,) 0 finite, 1 endless chain, 2 sheet, 3 framework


@dataclass(frozen=True)
class SpinTopology:
    """Links between centers, colored by relative spin and oxidation states, and the alkali around each center."""

    centers: np.ndarray  #: (C,) atom
    direct: Links  #: center–bridge–center (V–O–V)
    mediated: Links  #: center–bridge–former–bridge–center (V–O–P–O–V)
    moment: np.ndarray | None  #: (C,) µB
    state: np.ndarray | None  #: (C,) oxidation state, 0 for not determined
    alkali_neighbors: np.ndarray | None  #: (C,) alkali ions that share a bridge; None without their cutoff
    roles: tuple  #: role of every atom, for `clusters`

    @property
    def absent(self) -> tuple[str, ...]:
        """Quantities that are unavailable because spins, states or the alkali–bridge cutoff were not given."""
        missing = [n for n in ("moment", "state", "alkali_neighbors") if getattr(self, n) is None]
        return tuple(missing + (["relation"] if self.moment is None else []))

    def alkali_by_state(self) -> dict[int, tuple[float, float]]:
        """Per oxidation state the mean number of alkali neighbors and its standard error (NaN for one center)."""
        if self.state is None or self.alkali_neighbors is None:
            raise InputError(f"alkali_by_state: missing {', '.join(self.absent)}")
        out = {}
        for state in np.unique(self.state):
            n = self.alkali_neighbors[self.state == state]
            error = float(n.std(ddof=1) / np.sqrt(n.size)) if n.size > 1 else float("nan")
            out[int(state)] = (float(n.mean()), error)
        return out

    def clusters(self, kind: str = "direct", used=None) -> LinkClusters:
        """Clusters by the "direct" or "mediated" links; `used` (L,) bool picks links, e.g. ``relation == -1``.

        A cluster that reaches its own periodic image is a chain, a sheet or a framework.
        """
        choice("kind", kind, ("direct", "mediated"))
        links = self.direct if kind == "direct" else self.mediated
        used = np.ones(len(links), dtype=bool) if used is None else array("used", used, (len(links),), kind=bool)
        chosen = used.astype(np.int32)
        return LinkClusters(**_core.link_clusters(links.first, links.second, links.shifts, chosen, self.roles))


def spin_topology(
    graph: BondGraph,
    *,
    center: str | Iterable[str] = "V",
    bridge: str = "O",
    former: str | Iterable[str] = "P",
    alkali: str | Iterable[str] = "Na",
    spins=None,
    states=None,
    spin_threshold: float = SPIN_THRESHOLD,
) -> SpinTopology:
    """Links between centers, with their relative spin orientation and oxidation states.

    `graph` needs the cutoffs center–bridge, and former–bridge and alkali–bridge where these are wanted. `spins` (N,)
    are moments in µB; `states` (N,) oxidation states per atom, or a `Fingerprint` of the same atoms, whose moments
    serve where `spins` is not given. Raises InputError for a missing cutoff, wrong lengths or overlapping roles. O(N).
    """
    if not isinstance(graph, BondGraph):
        raise InputError(f"graph = {type(graph).__name__}: must be a BondGraph")
    spin_threshold = positive("spin_threshold", spin_threshold, "µB")
    center, former = elements("center", center, graph.symbols), elements("former", former, graph.symbols)
    bridge, alkali = element("bridge", bridge, graph.symbols), elements("alkali", alkali, graph.symbols)
    role_of = _roles(graph, center, bridge, former, alkali)
    roles = tuple(role_of.get(symbol, _core.LinkRole.other) for symbol in graph.symbols)
    centers = np.flatnonzero([role == _core.LinkRole.center for role in roles])
    if isinstance(states, Fingerprint):
        if states.atoms != len(graph):
            raise InputError(f"states = a Fingerprint of {states.atoms} atoms: the graph has {len(graph)}")
        spins = _spins_of(states) if spins is None else spins
        states = states.per_atom(states.state)
    moments = _per_atom("spins", spins, len(graph), float)
    valences = _per_atom("states", states, len(graph), int)
    found = _core.center_links(*topology(graph), roles)
    has_alkali = any(pair(a, bridge) in graph.cutoffs for a in names(alkali))
    return SpinTopology(
        centers,
        _colored(found["direct"], moments, valences, spin_threshold),
        _colored(found["mediated"], moments, valences, spin_threshold),
        None if moments is None else moments[centers],
        None if valences is None else valences[centers],
        found["alkali_neighbors"][centers] if has_alkali else None,
        roles,
    )


def _roles(graph: BondGraph, center, bridge, former, alkali) -> dict:
    kind = _core.LinkRole
    roles = roles_of(((kind.bridge, bridge), (kind.center, center), (kind.former, former), (kind.alkali, alkali)))
    for one in names(center):
        if one in graph.symbols and pair(one, bridge) not in graph.cutoffs:
            raise InputError(f"cutoffs: the pair ({one!r}, {bridge!r}) is missing")
    return roles


def _spins_of(states: Fingerprint) -> np.ndarray | None:
    return None if states.moment is None else states.per_atom(states.moment)


def _per_atom(name: str, values, atoms: int, kind: type) -> np.ndarray | None:
    if values is None:
        return None
    return array(name, values, (atoms,), kind=kind)


def _colored(links: dict[str, np.ndarray], moments, valences, threshold: float) -> Links:
    first, second = links["first"], links["second"]
    relation = states = None
    if moments is not None:
        side = np.where(np.abs(moments) >= threshold, np.sign(moments), 0.0).astype(int)
        relation = side[first] * side[second]
    if valences is not None:
        states = np.sort(np.column_stack([valences[first], valences[second]]), axis=1)
    return Links(**links, relation=relation, states=states)


@dataclass(frozen=True)
class MomentAutocorrelation:
    """C(k) = ⟨δm(t) δm(t + k)⟩ / ⟨δm²⟩ with its jackknife error over centers (NaN for one center)."""

    lag: np.ndarray  #: (K,) frames
    value: np.ndarray  #: (K,)
    error: np.ndarray  #: (K,)


def moment_autocorrelation(moments, max_lag: int | None = None, *, own_mean: bool = False) -> MomentAutocorrelation:
    """Autocorrelation of the moments (frames, centers), in µB, up to `max_lag` frames (default: half of them).

    δm is the deviation from the mean of all centers and frames, so that a moment that stays on its center does not
    decay; with `own_mean` from each center's own mean, which shows fluctuations only. Raises InputError for
    moments that are not finite or do not vary. O(frames · lags · centers).
    """
    track = array("moments", moments, ("frames", "centers"), unit="µB")
    lags = len(track) // 2 if max_lag is None else whole("max_lag", max_lag, 0, unit="frames")
    found = _core.moment_autocorrelation(track, lags, flag("own_mean", own_mean))
    return MomentAutocorrelation(np.arange(lags + 1), **found)


@dataclass(frozen=True)
class MomentChanges:
    """Lasting changes of |m|; `frame` is the first of the new plateau."""

    frame: np.ndarray  #: (E,) int
    center: np.ndarray  #: (E,) column of the moments
    change: np.ndarray  #: (E,) µB

    def __len__(self) -> int:
        """Number of changes."""
        return len(self.frame)


@dataclass(frozen=True)
class PolaronHops:
    """Exchanges of moment between two centers; row k of `losing` and `gaining` is one hop."""

    losing: MomentChanges
    gaining: MomentChanges
    unpaired: MomentChanges  #: changes without a partner

    def __len__(self) -> int:
        """Number of hops."""
        return len(self.losing)


def polaron_hops(
    moments,
    *,
    threshold: float = _DEFAULT.threshold,
    window: int = _DEFAULT.window,
    tolerance: int | None = None,
    linked=None,
) -> PolaronHops:
    """Hops of a polaron: |m| of one center falls by more than `threshold` (µB) while another's rises.

    Compares the mean |m| over `window` frames before and after; partners lie within `tolerance` frames (default: the
    window), and among the `linked` pairs (P, 2) of centers where given. `moments` has the shape (frames, centers).
    In V, Ti, Cr and Mn the electron goes from `losing` to `gaining`, in Fe and Co the other way. A flip of a moment is
    not a hop. Raises InputError for values out of range. O(frames · centers).
    """
    track = array("moments", moments, ("frames", "centers"), unit="µB")
    threshold, window = positive("threshold", threshold, "µB"), whole("window", window, 1, unit="frames")
    tolerance = window if tolerance is None else whole("tolerance", tolerance, 0, unit="frames")
    pairs = None if linked is None else array("linked", linked, ("P", 2), kind=int).tolist()
    options = _core.PolaronOptions(threshold=threshold, window=window, tolerance=tolerance)
    found = _core.polaron_hops(track, options, pairs)
    return PolaronHops(**{part: MomentChanges(**changes) for part, changes in found.items()})
