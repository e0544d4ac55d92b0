"""What governs growth: the surroundings of each atom before, and whether and when it joined the crystal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms

from .. import core
from ..core.arguments import array, present_element, whole
from ..core.graph import BondGraph
from ..errors import InputError
from ..products import Quantity
from ..wording import counted
from .angles import bond_vectors, degrees_between, pairs_of_bonds

#: Fewer joining events do not tell what governs growth.
LEAST_EVENTS = 50
#: Å; the ball in which the local density and the ions around are counted.
RADIUS = 6.0


@dataclass(frozen=True)
class Column:
    """One descriptor: `values` (centers,), NaN where it is not defined."""

    label: str
    unit: str
    values: np.ndarray


def surroundings(
    atoms: Atoms,
    center: str,
    cutoffs: Mapping[tuple[str, str], float],
    *,
    crystalline: np.ndarray | None = None,
    formers: Sequence[str] = ("P",),
    metals: Sequence[str] = ("V",),
    ion: str = "Na",
    radius: float = RADIUS,
    max_ring: int = 8,
) -> dict[str, Column]:
    """Descriptors of every `center` atom by name, in the order of the atoms.

    Rings of the former-metal network, Qⁿ (its own, or the mean over the formers that it is linked to), linkage, state
    and bond valence of a metal, bond angles at it and at its oxygens, atoms per volume and ions within `radius` (Å),
    and, given the (N,) flags `crystalline`, the distance to the nearest atom of the crystal: what governs growth most
    is where an atom stands, so compare others at equal distance. `cutoffs` (Å) as for `core.bond_graph`.
    """
    symbols = np.array(atoms.get_chemical_symbols())
    present_element("center", center, symbols.tolist())
    graph = core.bond_graph(atoms, cutoffs)
    own = symbols == center
    network = [one for one in (*formers, *metals) if one in symbols]
    found = dict(_network(graph, own, network, [one for one in formers if one in symbols], metals, max_ring))
    found |= dict(_angles(atoms, graph, own))
    if center in metals:
        metal = core.fingerprint(atoms, cutoffs, center=center)
        found["state"] = Column(f"oxidation state of {center}", "1", np.where(metal.state, metal.state, np.nan))
        found["coordination"] = Column(f"coordination of {center} by O", "1", metal.coordination.astype(float))
        if metal.bond_valence is not None:
            found["bond_valence"] = Column(f"bond-valence sum of {center}", "v.u.", metal.bond_valence)
    found |= dict(_around(atoms, symbols, own, ion, radius))
    if crystalline is not None:
        found["crystal_distance"] = Column(
            "distance to the crystal", "Å", _nearest(atoms, own, np.asarray(crystalline))
        )
    return found


def _network(
    graph: BondGraph, own: np.ndarray, network: list[str], formers: list[str], metals: Sequence[str], max_ring: int
) -> Iterator[tuple[str, Column]]:
    symbols = np.array(graph.symbols)
    links = core.linkage(graph, centers=network)
    rings = core.rings(graph, graph_kind="tt", former=network, max_size=max_ring).per_node
    sizes = np.where((rings > 0).any(axis=1), np.argmax(rings > 0, axis=1), np.nan)
    yield "smallest_ring", Column("smallest ring through the atom", "1", sizes[own])
    yield "rings", Column(f"rings of up to {max_ring} through the atom", "1", rings.sum(axis=1)[own].astype(float))
    for other in network:
        yield f"linked.{other}", Column(f"{other} linked by O", "1", links.degree(other)[own].astype(float))
    edges = np.bincount(links.i[links.shared > 1], minlength=len(symbols))
    yield "edges", Column("shared edges and faces", "1", edges[own].astype(float))
    if not formers:
        return
    n = core.qn(graph, former=formers, metals=[metal for metal in metals if metal in symbols]).n.astype(float)
    if (n[own] >= 0).all():
        yield "qn", Column("n of Qⁿ", "1", n[own])
        return
    to_former = n[links.j] >= 0
    total = np.bincount(links.i[to_former], weights=n[links.j[to_former]], minlength=len(n))
    count = np.bincount(links.i[to_former], minlength=len(n))
    mean = np.divide(total, count, out=np.full(len(n), np.nan), where=count > 0)
    yield "qn", Column("mean n of Qⁿ of linked formers", "1", mean[own])


def _angles(atoms: Atoms, graph: BondGraph, own: np.ndarray) -> Iterator[tuple[str, Column]]:
    """Mean and spread of the angles at each center, and the mean of those at its oxygens."""
    vectors = bond_vectors(atoms, graph)
    rows = np.repeat(np.arange(len(graph)), np.diff(graph.offsets))
    first, second = pairs_of_bonds(graph.offsets, own)
    degrees = degrees_between(vectors, first, second)
    mean = _mean(rows[first], degrees, len(own))
    square = _mean(rows[first], degrees**2, len(own))
    yield "angle", Column("mean bond angle at the atom", "°", mean[own])
    yield "angle_spread", Column("spread of the bond angles at the atom", "°", np.sqrt(np.abs(square - mean**2))[own])
    first, second = pairs_of_bonds(graph.offsets, np.array(graph.symbols) == "O")
    degrees = degrees_between(vectors, first, second)
    ends = np.concatenate([graph.targets[first], graph.targets[second]])
    bridging = _mean(ends, np.tile(degrees, 2), len(own))
    yield "bridge_angle", Column("mean angle at the oxygens of the atom", "°", bridging[own])


def _mean(rows: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    count = np.bincount(rows, minlength=size)
    total = np.bincount(rows, weights=values, minlength=size)
    return np.divide(total, count, out=np.full(size, np.nan), where=count > 0)


def _around(
    atoms: Atoms, symbols: np.ndarray, own: np.ndarray, ion: str, radius: float
) -> Iterator[tuple[str, Column]]:
    near = core.neighbors(atoms, radius)
    kept = own[near.i]
    i, j = near.i[kept], near.j[kept]
    count = np.bincount(i, minlength=len(symbols))[own] + 1
    yield "density", Column(f"atoms per volume within {radius:g} Å", "Å⁻³", count / (4 / 3 * np.pi * radius**3))
    ions = np.bincount(i[symbols[j] == ion], minlength=len(symbols))[own]
    yield f"ions.{ion}", Column(f"{ion} within {radius:g} Å", "1", ions.astype(float))


def _nearest(atoms: Atoms, own: np.ndarray, crystalline: np.ndarray) -> np.ndarray:
    """Distance (Å) of each center from the nearest other crystalline atom, through the boundaries."""
    reach = 10.0
    longest = float(np.linalg.norm(np.asarray(atoms.cell), axis=1).sum()) or np.inf
    if not crystalline.any():
        return np.full(int(own.sum()), np.nan)
    while True:
        near = core.neighbors(atoms, reach)
        kept = own[near.i] & crystalline[near.j]
        nearest = np.full(len(own), np.inf)
        np.minimum.at(nearest, near.i[kept], near.distances[kept])
        if np.isfinite(nearest[own]).all() or reach > longest:
            return np.where(np.isfinite(nearest[own]), nearest[own], np.nan)
        reach *= 1.5


def joining_frames(crystalline, *, hold: int) -> np.ndarray:
    """(N,) first frame from which each atom is crystalline for `hold` frames; -1 if never, 0 if from the start.

    `crystalline` (frames, N) flags. `hold` keeps flicker of the order parameter at the surface from counting.
    """
    flags = array("crystalline", crystalline, ("frames", "N"), kind=bool)
    hold = whole("hold", hold, 1, len(flags))
    summed = np.cumsum(np.concatenate([np.zeros((1, flags.shape[1]), dtype=int), flags]), axis=0)
    lasting = summed[hold:] - summed[:-hold] == hold
    return np.where(lasting.any(axis=0), lasting.argmax(axis=0), -1)


@dataclass(frozen=True)
class Joining:
    """The centers that were not crystalline at first: descriptors before, and whether and when each joined.

    `atoms` (rows,) indices, `joined` (rows,) bool, `time` (rows,) that of joining, and `until` for those that did not.
    """

    atoms: np.ndarray
    joined: np.ndarray
    time: np.ndarray
    until: float
    time_unit: str
    columns: Mapping[str, Column]

    def quantities(self, name: str) -> list[Quantity]:
        """One row per atom and number, with the atom as `subject`; undefined descriptors are left out.

        `joined` is 0 or 1; `time` is that of joining, or until which the atom did not join (censored), as its note
        tells.
        """
        rows = []
        for place, atom in enumerate(self.atoms):
            subject, has_joined = f"{name} atom {atom + 1}", bool(self.joined[place])
            rows.append(Quantity(f"joining.{name}.joined", "joined the crystal", int(has_joined), "1", subject=subject))
            note = "when it joined" if has_joined else "has not joined until then"
            label, value = "time of joining", float(self.time[place])
            rows.append(Quantity(f"joining.{name}.time", label, value, self.time_unit, note=note, subject=subject))
            for key, column in self.columns.items():
                if np.isfinite(value := float(column.values[place])):
                    before = f"{column.label}, before"
                    note = "of one structure"
                    rows.append(
                        Quantity(f"joining.{name}.{key}", before, value, column.unit, note=note, subject=subject)
                    )
        return rows


def joining(
    time, crystalline, centers: np.ndarray, columns: Mapping[str, Column], *, hold: int = 5, time_unit: str = "ps"
) -> Joining:
    """Whether and when each of the `centers` joined, beside its `columns` of the first frame (see `surroundings`).

    `time` (frames,); `crystalline` (frames, N) flags; `centers` (N,) flags of the atoms in the columns. Those that
    are crystalline at first are left out. Raises InputError for fewer than 50 joining events.
    """
    time, own = array("time", time, ("frames",)), array("centers", centers, ("N",), kind=bool)
    flags = array("crystalline", crystalline, (len(time), len(own)), kind=bool)
    for key, column in columns.items():
        if len(column.values) != own.sum():
            raise InputError(f"columns[{key!r}] = {len(column.values)} values: there are {int(own.sum())} centers")
    first = joining_frames(flags, hold=hold)
    outside = ~flags[0] & (first != 0)
    kept, joined = own & outside, first > 0
    events = int((kept & joined).sum())
    if events < LEAST_EVENTS:
        raise InputError(
            f"{counted(events, 'atom')} joined the crystal; fewer than {LEAST_EVENTS} do not tell what governs growth"
        )
    # the last frames cannot show an atom that stays
    until = float(time[len(time) - hold])
    return Joining(
        np.flatnonzero(kept),
        joined[kept],
        np.where(joined, time[np.maximum(first, 0)], until)[kept],
        until,
        time_unit,
        {key: replace(column, values=column.values[outside[own]]) for key, column in columns.items()},
    )
