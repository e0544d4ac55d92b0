"""The section `interface`, and what is wrong with one before anything is run."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from ..fields import NonNegative, Positive, Section, Temperature, each_once, forms, listed, within
from .named import File
from .partial import Partial, rule
from .source import Document, Where

_WHERE: Where = ("interface",)
Index = Annotated[int, within(-20, 20)]
Indices = Annotated[list[Index], Field(min_length=3, max_length=3), listed(3, "three whole numbers, as in [1, 0, 4]")]
Thickness = Annotated[Positive, within(5, 1000)]
Edge = Annotated[float, within(1, 500)]
Cell = Annotated[
    Literal["relaxed", "file"] | Annotated[list[Edge], Field(min_length=3, max_length=3)],
    forms("'relaxed', 'file', or three edges from 1 to 500 Å"),
]
Termination = Annotated[
    Literal["least"] | Annotated[int, within(0, 1000)], forms("'least', or the number of a cut from 0 to 1000")
]
Radius = Annotated[Positive, within(2, 500)]
_pair = listed(2, "a value and its standard error, as in [1180, 15]", tuple)


class Melting(Section):
    """Melting temperature and heat of melting of the model, each with one standard error."""

    temperature_K: Annotated[tuple[Temperature, NonNegative], _pair]
    heat_eV_per_atom: Annotated[tuple[Annotated[Positive, within(1e-4, 10)], NonNegative], _pair]


class Seed(Section):
    """Crystallites in the glass: one cell for each glass and radius, at least `width_A` wide where a melt fills it.

    `direction` along z is the normal of a plane for a sphere, a lattice direction for a cylinder. `melting` is what
    classical nucleation theory of spheres needs.
    """

    radius_A: Annotated[list[Radius], Field(min_length=1, max_length=100), AfterValidator(each_once)]
    shape: Literal["sphere", "cylinder"] = "sphere"
    direction: Indices = Field(default_factory=lambda: [0, 0, 1])
    width_A: Thickness = 40.0
    melting: Melting | None = None


class Interface(Section):
    """A slab of a crystal against the glass of the system, two interfaces a cell; one for each replica of the glass.

    The crystal has the cell of the rigid-ion potential (``relaxed``) at `release_K`, follows it on cooling, and has
    that of the model in `md`; that of its ``file``; or one with the edges that are given. The slab is cut along
    `hkl` at a `termination` (its number, or the one of ``least`` cleavage energy). By the ``melt`` route the section
    `glass` melts and quenches the glass against the slab, which does not move above `release_K`; by ``join`` the glass
    is cut to it and annealed at `release_K`. A `seed` takes the place of the slab.
    For `e_excess`, bulk cells are made beside three replicas or more with a slab.
    """

    crystal: File
    cell_A: Cell = "relaxed"
    hkl: Indices | None = None
    seed: Seed | None = None
    termination: Termination = "least"
    route: Literal["melt", "join"] = "melt"
    crystal_A: Thickness = 30.0
    glass_A: Thickness = 40.0
    lateral_A: Thickness = 20.0
    gap_A: Annotated[float, within(0, 4)] = 1.0
    release_K: Temperature = 900.0
    e_excess: bool = True


#: Least length (Å) of a cylinder, which takes whole lattice vectors.
CYLINDER_A = 20.0
#: Of interface and bulk glass, for an error of the excess energy.
LEAST_REPLICAS = 3
#: Of which the second half has as many energies as an error in time takes, see `analysis.excess_cells.cell_of_run`.
LEAST_HOLD_PS = 1.6


#: At `release_K`, once the crystal may move.
RELEASE_PS = 0.5
#: Between two cells of a bulk crystal.
CELL_SAMPLE_PS = 0.05
# ps at each temperature, as long as the melt within these: a lattice rings for less than one
_RELAX_PS = 4.0, 20.0
# ps at each temperature of `md`, a tenth of a trajectory within these
_LATTICE_PS = 2.0, 10.0
# of the bulk crystal by a model (Å), if that is more than twice its cutoff
_LEAST_WIDTH_A = 12.0
# keys that have no effect with a seed
_OF_SLABS = ("termination", "crystal_A", "glass_A", "lateral_A", "gap_A", "e_excess")


def seed_name(replica: int, radius_A: float) -> str:
    """Of the cell with a seed in the glass of a replica."""
    return f"s{replica}-r{radius_A:g}"


def relax_ps(glass: Any) -> float:
    """How long (ps) the bulk crystal finds its cell at each temperature."""
    return _within(glass.melt_ps, _RELAX_PS)


def lattice_ps(md: Any) -> float:
    """How long (ps) the bulk crystal finds its cell in the model at each temperature of `md`."""
    return _within(md.time_ps / 10, _LATTICE_PS)


def _within(time_ps: float, bounds: tuple[float, float]) -> float:
    shortest, longest = bounds
    return float(min(max(time_ps, shortest), longest))


def lattice_width_A(*cutoffs_A: float) -> float:
    """How wide (Å) the bulk crystal is at least in models of these cutoffs."""
    return max(_LEAST_WIDTH_A, *(2 * cutoff for cutoff in cutoffs_A))


def finds_lattice(top: Any) -> bool:
    """Whether the crystal of cells that `md` simulates finds its cell in the model: where these may move."""
    md, asked = top.md, top.interface
    if md is None or asked is None or md.structures != "interface":
        return False
    return bool(asked.cell_A == "relaxed" and md.pressure_bar is not None)


def has_bulk(top: Any) -> bool:
    """Whether bulk cells of glass and crystal are made beside the interfaces."""
    asked = top.interface
    return bool(asked.seed is None and asked.e_excess and top.glass.replicas >= LEAST_REPLICAS)


def simulates_bulk(top: Any) -> bool:
    """Whether `md` takes these cells, too: an analysis compares their energies, if the model decides all heights."""
    asked = top.md.structures == "interface" and top.md.pressure_bar is not None and top.analysis is not None
    return asked and has_bulk(top)


def check(top: Partial, document: Document) -> None:
    """There is a glass to put against the crystal, and the slab is released on the way down."""
    asked = top.interface
    if asked is None:
        if top.md is not None and top.md.structures == "interface":
            document.fault(("md", "structures"), "there is no interface section; add one, or name a structure file")
        return
    if top.glass is None:
        document.fault(_WHERE, "there is no glass section, which says how the glass is made; add one")
        return
    with rule():
        if top.md is not None and top.md.structures == "interface" and top.md.replicate[2] != 1:
            message = f"{top.md.replicate[2]} cells along z have more than two interfaces; it has to be 1"
            document.fault(("md", "replicate"), message)
    with rule():
        _check_shape(asked, top.md, document)
    with rule():
        low, high = top.glass.final_temperature_K, top.glass.melt_temperature_K
        if not low <= asked.release_K <= high:
            message = f"{asked.release_K:g} K is not between glass.final_temperature_K and glass.melt_temperature_K"
            document.fault((*_WHERE, "release_K"), f"{message}, {low:g} and {high:g} K")
    with rule():
        if has_bulk(top) and top.glass.hold_ps < LEAST_HOLD_PS:
            short = f"its energies take a glass.hold_ps of at least {LEAST_HOLD_PS:g}, not {top.glass.hold_ps:g} ps"
            document.fault((*_WHERE, "e_excess"), f"{short}; lengthen it, or set false")


def _check_below_melting(melting: Melting | None, md: Partial | None, document: Document) -> None:
    """Crystals nucleate below the melting temperature alone."""
    if melting is None or md is None or md.structures != "interface":
        return
    top_K = melting.temperature_K[0]
    for index, kelvin in enumerate(md.temperatures_K):
        if kelvin >= top_K:
            message = (
                f"{kelvin:g} K is not below interface.seed.melting.temperature_K, {top_K:g} K: no seed grows there"
            )
            document.fault(("md", "temperatures_K", index), message)


def _check_names(radii: Sequence[float], document: Document) -> None:
    """Cells have names with the digits that are written of their radii."""
    names = [seed_name(0, radius) for radius in radii]
    for index, name in enumerate(names):
        if name in names[:index]:
            first = radii[names.index(name)]
            message = f"{radii[index]!r} and {first!r} are the same to six digits, by which cells are named"
            document.fault((*_WHERE, "seed", "radius_A", index), message)


def _check_shape(asked: Partial, md: Partial | None, document: Document) -> None:
    """There is a slab or a seed, and a seed is not copied."""
    if asked.seed is None:
        if asked.hkl is None:
            document.fault(_WHERE, "needs hkl, the plane of a slab, or a seed")
        elif not any(asked.hkl):
            document.fault((*_WHERE, "hkl"), "0 0 0 is no plane")
        return
    if asked.hkl is not None:
        document.fault((*_WHERE, "hkl"), "is the plane of a slab; a seed has a direction")
    if asked.seed.shape == "cylinder" and asked.seed.melting is not None:
        message = "nucleation theory is that of a sphere; leave it out, or set shape: sphere"
        document.fault((*_WHERE, "seed", "melting"), message)
    with rule():
        _check_below_melting(asked.seed.melting, md, document)
    with rule():
        _check_names(asked.seed.radius_A, document)
    for key in _OF_SLABS:
        if (*_WHERE, key) in document.lines:
            document.fault((*_WHERE, key), "has no effect: it is of a slab, and there is a seed")
    if not any(asked.seed.direction):
        document.fault((*_WHERE, "seed", "direction"), "0 0 0 is no direction")
    if md is not None and md.structures == "interface" and tuple(md.replicate) != (1, 1, 1):
        document.fault(("md", "replicate"), "copies of a cell with a seed have several; it has to be 1 1 1")
