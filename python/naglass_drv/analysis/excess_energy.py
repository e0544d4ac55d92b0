"""Excess potential energy of glass/crystal interfaces per area, with the resolution that the replicas allow."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..config.interfaces import LEAST_REPLICAS
from ..core.statistics import student
from ..errors import InputError
from ..products import Quantity
from ..wording import digits
from .excess_cells import Cell, cell_of_run
from .excess_temperature import Mean, mean_temperatures, thermal_shift

if TYPE_CHECKING:
    from ase import Atoms

_EV_PER_A2_IN_MJ_PER_M2 = 16021.76634
# Relative difference of lateral cells that are the same but for rounding in a file.
_SAME_CELL = 1e-4
#: Kinds of cells.
INTERFACES, GLASSES, CRYSTALS = "interfaces", "glasses", "crystals"


@dataclass(frozen=True)
class ExcessEnergy:
    """Excess potential energy per area (mJ/m²). An energy, not a free energy γ; the two must not be compared.

    `e_excess` is None where it is below the resolution, for the `reason` given.
    """

    e_excess: float | None
    err: float  #: one standard error
    time_err: float  #: what of it the finite time of the averages makes; longer runs lower it, the rest takes replicas
    resolution: float  #: what |e_excess| has to exceed: the 95 % bound of Student's t for the scatter of the replicas
    replicas: tuple[int, int, int]  #: of the interface, the bulk glass and the bulk crystal
    paired: tuple[str, ...]  #: of `GLASSES` and `CRYSTALS` those that were subtracted replica by replica
    glass_scatter_meV: float  #: standard deviation between replicas of the bulk glass, meV/atom
    temperatures_K: dict[str, Mean] | None  #: of interfaces, bulk glasses and crystals, where one was asked for
    thermal: Mean | None  #: what differences of these add to e_excess by 3/2 k_B per atom, which is not corrected
    reason: str | None


def excess_energy(
    interfaces: Sequence[Cell],
    crystal_atoms: int,
    crystals: Sequence[Cell],
    glasses: Sequence[Cell],
    *,
    paired: Collection[str] = (),
    temperature_K: float | None = None,
) -> ExcessEnergy:
    """e_excess = (E − n_c E_c − n_g E_g)/2A, the mean over replicas of a cell with two interfaces.

    E_c and E_g are the energies per atom of the bulk `crystals` and of the bulk `glasses`, which have the interfaces'
    thermal history; n_c = `crystal_atoms` of an interface's atoms belong to the crystal, the other n_g to the glass,
    wherever they are by now. All cells have the same lateral vectors, so that strain along the surfaces drops out.

    Of the kinds in `paired` (`GLASSES`, `CRYSTALS`), the k-th cell is the glass, or has the arrangement of sites, of
    the k-th interface: it is subtracted from this one, so that what glasses differ by drops out. Of the other kinds,
    which are other draws, the mean is subtracted from all.

    The error is the scatter of the differences, and that of each kind which is not paired, of the bulk glass n_g times;
    it holds the error in time of every cell already, which is not added again. Degrees of freedom by Welch and
    Satterthwaite (Biometrika 34, 28 (1947), doi:10.1093/biomet/34.1-2.28), which for pairs alone are those of their
    number less one. Only one crystal alone, of ordered sites, has nothing but its error in time, whose bounds are added
    in quadrature (Zou and Donner, Stat. Med. 27, 1693 (2008), doi:10.1002/sim.3095): three replicas beside an error
    that is known well have too narrow bounds by Welch and Satterthwaite, 92 % for 95.

    With `temperature_K`, cells that have not come to it are refused (`mean_temperatures`), and so is a value that their
    differences of temperature may move by more than the resolution.

    InputError for fewer than three replicas of interface or glass, pairs that are not complete, cells of another
    lateral size, history or composition, and atoms that are not whole numbers of formula units: energies of other
    compositions cannot be compared without chemical potentials.
    """
    bulk = {CRYSTALS: crystals, GLASSES: glasses}
    _require_replicas(interfaces, bulk, paired)
    first = interfaces[0]
    kinds = {INTERFACES: interfaces} | bulk
    _require_comparable(first, kinds)
    for number, cell in enumerate(interfaces):
        _require_whole(f"interfaces[{number}]", cell, crystal_atoms, crystals[0], glasses[0])
    temperatures = None if temperature_K is None else mean_temperatures(kinds, temperature_K)
    glass_atoms = float(np.mean([cell.atoms for cell in interfaces])) - crystal_atoms
    excess, in_time, spread = _difference(interfaces, crystal_atoms, bulk, paired)
    unit = _EV_PER_A2_IN_MJ_PER_M2 / (2 * first.area_A2)
    value, resolution, thermal = unit * float(excess.mean()), unit * spread.bound(1.96), None
    if temperatures is not None:
        signed = {INTERFACES: crystal_atoms + glass_atoms, GLASSES: -glass_atoms, CRYSTALS: -crystal_atoms}
        shift, of_shift = thermal_shift(temperatures, signed)
        thermal = unit * shift, unit * of_shift
    reason = _reason(value, resolution, thermal)
    return ExcessEnergy(
        e_excess=value if reason is None else None,
        err=unit * spread.bound(1.0),
        time_err=unit * in_time**0.5,
        resolution=resolution,
        replicas=(len(interfaces), len(glasses), len(crystals)),
        paired=tuple(sorted(paired)),
        glass_scatter_meV=1000 * float(np.std([cell.energy_eV / cell.atoms for cell in glasses], ddof=1)),
        temperatures_K=temperatures,
        thermal=thermal,
        reason=reason,
    )


@dataclass(frozen=True)
class _Spread:
    """Variance of replicas (eV²) and its degrees of freedom, and those of a lone crystal, which come from time."""

    variance: float
    freedom: float
    alone: float
    of_alone: float

    def bound(self, errors: float) -> float:
        squares = (student(self.freedom, errors) ** 2 * self.variance, student(self.of_alone, errors) ** 2 * self.alone)
        return float(sum(squares)) ** 0.5


def _difference(
    interfaces: Sequence[Cell], crystal_atoms: int, bulk: Mapping[str, Sequence[Cell]], paired: Collection[str]
) -> tuple[np.ndarray, float, _Spread]:
    """E − n_c E_c − n_g E_g (eV) of each interface, the variance in time of their mean, and the errors of it."""
    atoms = {
        CRYSTALS: np.full(len(interfaces), crystal_atoms),
        GLASSES: np.array([cell.atoms - crystal_atoms for cell in interfaces]),
    }
    excess = np.array([cell.energy_eV for cell in interfaces])
    in_time, variances, freedoms = _in_time(interfaces), [0.0], [len(interfaces) - 1.0]
    alone, of_alone = 0.0, 1.0
    for kind, cells in bulk.items():
        per_atom = np.array([cell.energy_eV / cell.atoms for cell in cells])
        excess -= atoms[kind] * (per_atom if kind in paired else per_atom.mean())
        weight, own = float(atoms[kind].mean()) ** 2, _in_time(cells, per_atom=True)
        in_time += weight * own
        if len(cells) == 1:
            alone, of_alone = weight * own, max(cells[0].samples - 1, 1.0)
        elif kind not in paired:
            variances.append(weight * _variance(per_atom))
            freedoms.append(len(cells) - 1.0)
    variances[0] = _variance(excess)
    variance, each = float(sum(variances)), np.square(variances)
    freedom = variance**2 / float((each / freedoms).sum()) if variance > 0 else freedoms[0]
    return excess, in_time, _Spread(variance, freedom, alone, of_alone)


def _reason(value: float, resolution: float, thermal: Mean | None) -> str | None:
    """Why a value is not given."""
    bound = f"the resolution of {digits(resolution, 3)} mJ/m²"
    if abs(value) < resolution:
        return f"|e_excess| = {digits(abs(value), 3)} mJ/m² is below {bound}"
    if thermal is not None and abs(thermal[0]) > resolution:
        shift = f"by about {digits(abs(thermal[0]), 2)} mJ/m² (3/2 k_B per atom)"
        return f"the mean temperatures of the cells differ by what moves e_excess {shift}, above {bound}"
    return None


def _variance(values: np.ndarray) -> float:
    """Of the mean of independent values."""
    return float(values.var(ddof=1)) / len(values)


def _in_time(cells: Sequence[Cell], *, per_atom: bool = False) -> float:
    """The variance in time of the mean energy (eV², or per atom) of cells."""
    return sum((cell.err_eV / (cell.atoms if per_atom else 1)) ** 2 for cell in cells) / len(cells) ** 2


def _require_replicas(interfaces: Sequence[Cell], bulk: Mapping[str, Sequence[Cell]], paired: Collection[str]) -> None:
    for name, cells in ((INTERFACES, interfaces), (GLASSES, bulk[GLASSES])):
        if len(cells) < LEAST_REPLICAS:
            raise InputError(f"{name} = {len(cells)} cells: at least {LEAST_REPLICAS} replicas are needed for an error")
    if not bulk[CRYSTALS]:
        raise InputError("crystals = 0 cells: one is needed")
    for kind in paired:
        if kind not in bulk:
            raise InputError(f"paired = {kind!r}: it is {GLASSES!r} or {CRYSTALS!r}")
        if len(bulk[kind]) != len(interfaces):
            raise InputError(f"{kind} = {len(bulk[kind])} cells: {len(interfaces)} are paired, one with each interface")


def _require_comparable(first: Cell, all_cells: Mapping[str, Sequence[Cell]]) -> None:
    lateral = np.asarray(first.lateral_A, dtype=float)
    for name, cells in all_cells.items():
        for number, cell in enumerate(cells):
            off = np.abs(np.asarray(cell.lateral_A, dtype=float) - lateral).max() / np.abs(lateral).max()
            if off > _SAME_CELL:
                raise InputError(f"{name}[{number}].lateral_A: differs from that of the interface by {100 * off:.2g} %")
            if name != CRYSTALS and cell.history != first.history:
                raise InputError(f"{name}[{number}].history = {cell.history!r}: the interface has {first.history!r}")
            if name != INTERFACES and _off(cell.counts, cells[0]) > 1e-6:
                raise InputError(f"{name}[{number}].counts = {dict(cell.counts)}: bulk cells have one composition")


def _off(counts: Mapping[str, float], bulk: Cell) -> float:
    """The greatest difference of a composition from that of a bulk cell, as part of all atoms."""
    total = sum(counts.values()) or 1.0
    elements = set(counts) | set(bulk.counts)
    return max(abs(counts.get(e, 0) / total - bulk.counts.get(e, 0) / bulk.atoms) for e in elements)


def _require_whole(name: str, cell: Cell, crystal_atoms: int, crystal: Cell, glass: Cell) -> None:
    """What the crystal leaves of an interface has the composition of the glass."""
    share = crystal_atoms / crystal.atoms
    rest = {e: cell.counts.get(e, 0) - share * crystal.counts.get(e, 0) for e in {*cell.counts, *crystal.counts}}
    if _off(rest, glass) * cell.atoms > 1e-3:
        left, asked = (", ".join(f"{n:g} {e}" for e, n in sorted(counts.items())) for counts in (rest, glass.counts))
        raise InputError(
            f"crystal_atoms = {crystal_atoms}: {name} has {left} beside the crystal, which is no multiple of the bulk "
            f"glass, {asked}; energies of other compositions cannot be compared"
        )


def measured(
    cells: Mapping[str, tuple[Atoms, Mapping[str, Sequence[float]]]],
    last_ps: float,
    temperature_K: float,
    *,
    same_glass: bool,
) -> dict[str, Any]:
    """`excess_energy` of cells by name, each a structure with the array `phase` (1 crystal, 0 glass) and its series.

    Cells with both phases are interfaces, the others bulk. Names end in the number of the replica, whose bulk glass is
    the `same_glass` as beside the slab, or another draw; of several bulk crystals, each has the sites of its slab.
    They were asked to be at `temperature_K`. Of JSON types: the fields of `ExcessEnergy`, or the `reason` alone why
    there is none.
    """
    kinds: dict[str, dict[int, Cell]] = {INTERFACES: {}, GLASSES: {}, CRYSTALS: {}}
    crystal_atoms: set[int] = set()
    try:
        for name, (atoms, series) in cells.items():
            inside = int(atoms.arrays["phase"].sum())
            kind = GLASSES if inside == 0 else CRYSTALS if inside == len(atoms) else INTERFACES
            kinds[kind][_replica(name)] = cell_of_run(name, atoms, series, last_ps)
            crystal_atoms |= {inside} if kind == INTERFACES else set()
        if len(crystal_atoms) > 1:
            raise InputError(f"the slabs of the replicas have {sorted(crystal_atoms)} atoms; they have to be alike")
        alike = {GLASSES: same_glass, CRYSTALS: len(kinds[CRYSTALS]) > 1}
        paired = [kind for kind, one in alike.items() if one]
        for kind in paired:
            if set(kinds[kind]) != set(kinds[INTERFACES]):
                raise InputError(f"{kind} of the replicas {sorted(kinds[kind])}: there are interfaces of others")
        ordered = {kind: [found[k] for k in sorted(found)] for kind, found in kinds.items()}
        of_slab = max(crystal_atoms, default=0)
        found = excess_energy(
            ordered[INTERFACES],
            of_slab,
            ordered[CRYSTALS],
            ordered[GLASSES],
            paired=paired,
            temperature_K=temperature_K,
        )
    except InputError as error:
        return {"reason": str(error)}
    return asdict(found) | {"history": ordered[INTERFACES][0].history}


def _replica(name: str) -> int:
    """The number that the `name` of a cell ends in, 3 of ``bulk-glass-3`` and of ``i3``."""
    return int(name[len(name.rstrip("0123456789")) :])


def subtracted(paired: Collection[str]) -> str:
    """How the energies of bulk cells were subtracted, in words."""
    own = " and ".join({GLASSES: "glass", CRYSTALS: "crystal"}[kind] for kind in sorted(paired, reverse=True))
    return f"each interface less its own bulk {own}" if own else "their means"


def rows(key: str, by: str, found: Mapping[str, Any], conditions: Mapping[str, float]) -> Iterator[Quantity]:
    """What `measured` gives by a potential as rows: e_excess where it is above its resolution, and the resolution.

    `conditions` name the ``temperature_K``.
    """
    if "resolution" not in found:
        return
    what = f"e_excess by {by} at {conditions['temperature_K']:g} K"
    if found["e_excess"] is not None:
        half = found["resolution"]
        interval = [found["e_excess"] - half, found["e_excess"] + half]
        yield Quantity(
            f"{key}.e_excess", what, found["e_excess"], "mJ/m²", found["err"], interval=interval, conditions=conditions
        )
    bound = "95 % bound of {} interfaces, {} bulk glasses and {} bulk crystal{}"
    note = bound.format(*found["replicas"], "" if found["replicas"][2] == 1 else "s")
    if found["paired"]:
        note += f", {subtracted(found['paired'])}"
    yield Quantity(
        f"{key}.e_excess.resolution",
        f"resolution of {what}",
        found["resolution"],
        "mJ/m²",
        note=note,
        conditions=conditions,
    )
