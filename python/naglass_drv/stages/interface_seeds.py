"""Crystallites in a glass, for the stage `interface`: the cells, their start, and what is checked of them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.interfaces import CYLINDER_A, seed_name

if TYPE_CHECKING:
    from ase import Atoms

    from ..config.interfaces import Interface as Section
    from ..interface.joining import Interface as Made

#: What decides a seed.
Grain = Mapping[str, Any]
#: Barostats by the shape of the crystal: with a slab the area stays that of the crystal, with a cylinder the length.
ALONG = {"slab": "z", "sphere": "iso", "cylinder": "xy"}
FREE = {"slab": "along z", "sphere": "in all directions alike", "cylinder": "across the cylinder"}


def cells(section: "Section", replica: int) -> Iterator[tuple[str, Grain | None]]:
    """Names of the cells of one glass, with what decides a seed; None for a slab."""
    if section.seed is None:
        yield f"i{replica}", None
        return
    shared = {"shape": section.seed.shape, "direction": list(section.seed.direction), "width_A": section.seed.width_A}
    for radius in section.seed.radius_A:
        yield seed_name(replica, radius), {"radius_A": radius} | shared


def build(
    crystal: Path, glass: Path | None, grain: Grain, composition: Mapping[str, int], density: float, seed: int
) -> "tuple[Made, Atoms]":
    """The start with a `grain`, and the cell of the crystal, every site of it, turned as the grain is."""
    from ..dataset.frames import read_frames
    from ..interface.crystal import read_crystal
    from ..interface.seeds import crystallite, seed_in_glass, seed_in_melt

    given = read_crystal(crystal)
    made_of = crystallite(
        given, grain["radius_A"], grain["shape"], direction=grain["direction"], length_A=CYLINDER_A, seed=seed
    )
    bulk = given.atoms.copy()
    bulk.set_cell(bulk.cell.array @ made_of.rotation.T, scale_atoms=True)
    if glass is not None:
        return seed_in_glass(made_of, read_frames(glass)[0]), bulk
    return seed_in_melt(made_of, composition, density, width_A=grain["width_A"], seed=seed), bulk


def barostat(along: str | None, pressure: float, time_ps: float) -> str:
    """Words of ``fix npt`` for a pressure (bar) along z, across z, all alike, or on each (``aniso``, ``tri``)."""
    held = f"{pressure!r} {pressure!r} {time_ps}"
    return f"x {held} y {held} couple xy" if along == "xy" else f"{along or 'iso'} {held}"
