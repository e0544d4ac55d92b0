"""The section `interface`, and what is wrong with one before anything is run."""

from typing import Annotated, Any, Literal

from pydantic import Field

from ..fields import Positive, Section, Temperature, within
from .named import File
from .partial import Partial, rule
from .source import Document, Where

_WHERE: Where = ("interface",)
Index = Annotated[int, within(-20, 20)]
Thickness = Annotated[Positive, within(5, 1000)]


class Interface(Section):
    """A slab of a crystal against the glass of the system, two interfaces a cell; one for each replica of the glass.

    The slab is cut along `hkl` at a `termination` (its number, or the one of ``least`` cleavage energy). By the
    ``melt`` route the section `glass` melts and quenches the glass against the slab, which does not move above
    `release_K`; by ``join`` the glass is cut to it and annealed at `release_K`. For `e_excess`, bulk cells are made
    beside three replicas or more.
    """

    crystal: File
    hkl: Annotated[list[Index], Field(min_length=3, max_length=3)]
    termination: Literal["least"] | Annotated[int, Field(ge=0), within(0, 1000)] = "least"
    route: Literal["melt", "join"] = "melt"
    crystal_A: Thickness = 30.0
    glass_A: Thickness = 40.0
    lateral_A: Thickness = 20.0
    gap_A: Annotated[float, within(0, 4)] = 1.0
    release_K: Temperature = 900.0
    e_excess: bool = True


#: Of interface and bulk glass, for an error of the excess energy.
LEAST_REPLICAS = 3
#: Of which the second half has as many energies as an error in time takes, see `analysis.excess_energy.cell_of_run`.
LEAST_HOLD_PS = 1.6


def has_bulk(top: Any) -> bool:
    """Whether bulk cells of glass and crystal are made beside the interfaces."""
    return bool(top.interface.e_excess and top.glass.replicas >= LEAST_REPLICAS)


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
        if not any(asked.hkl):
            document.fault((*_WHERE, "hkl"), "0 0 0 is no plane")
    with rule():
        low, high = top.glass.final_temperature_K, top.glass.melt_temperature_K
        if not low <= asked.release_K <= high:
            message = f"{asked.release_K:g} K is not between glass.final_temperature_K and glass.melt_temperature_K"
            document.fault((*_WHERE, "release_K"), f"{message}, {low:g} and {high:g} K")
    with rule():
        if has_bulk(top) and top.glass.hold_ps < LEAST_HOLD_PS:
            short = f"its energies take a glass.hold_ps of at least {LEAST_HOLD_PS:g}, not {top.glass.hold_ps:g} ps"
            document.fault((*_WHERE, "e_excess"), f"{short}; lengthen it, or set false")
