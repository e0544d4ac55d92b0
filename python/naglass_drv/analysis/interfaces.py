"""A trajectory of a crystal against a glass: surfaces, profiles about them, mobility by layer, exchange."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms

from .. import core
from ..chemistry.formers import oxygen_cutoff_A
from ..chemistry.ions import MOBILE_IONS, TRANSITION_METALS
from ..config.schema import Analysis
from ..errors import InputError
from .crystallite_series import center_of, connection_A, environments_of, followed
from .interface_motion import HALF_INTERFACE_A, motion
from .interface_surfaces import AboutSurfaces, Curves, Numbers, finite, surfaces
from .joining import joining, surroundings
from .layer_values import layer_values
from .measure import evenly
from .redox import Readout, by_moment, how_told

_LEAST_INTERIOR_A = 5.0
_PROFILED = 100


def interface(
    frames: Sequence[Atoms], crystal: Atoms, wanted: Analysis, *, name: str, readout: Readout | None = None
) -> tuple[Numbers, Curves]:
    """What there is to say of a `crystal`, given as its bulk in the same orientation, against a glass.

    `name` is that of the trajectory. `frames` have ``info["time_ps"]``, evenly spaced, and ``info["step"]``. Surfaces
    are those of the similarity to the crystal (`core.crystal_similarity`), by `core.gibbs_surfaces`; frames that have
    none are left out, and where these are more than half, the numbers say why and nothing more. `readout` is what is
    known of the moments that the frames have. Keys carry their units.
    """
    told = how_told(frames, readout)
    numbers: Numbers = {"metal_states": told}
    try:
        reference = _reference(crystal, frames[0])
        connect_A = connection_A(crystal, reference.center)
    except InputError as error:
        return {"reason": str(error)}, {}
    looked_at = evenly(frames, _PROFILED)
    cutoffs = {f"{s}-O": oxygen_cutoff_A(s) for s in dict.fromkeys(frames[0].symbols) if s != "O"} | wanted.cutoffs_A
    seen, without = AboutSurfaces(core.surfaces.along(frames[0], 2).height), ""
    for frame in looked_at:
        try:
            values = layer_values(frame, cutoffs, reference=reference, of_moment=by_moment(told))
            seen.add(frame, values, values["similarity"])
        except InputError as error:
            without = without or f"no two surfaces at {frame.info['time_ps']:g} ps: {error}"
    shown = seen.frames
    numbers |= {"looked_at": len(looked_at), "without_surfaces": len(looked_at) - len(shown)}
    if 2 * len(shown) < len(looked_at):
        few = f"{numbers['without_surfaces']} of {len(looked_at)} frames have no two surfaces"
        return numbers | {"reason": f"{few} ({without})"}, {}
    found, curves, moving = surfaces(seen)
    numbers |= found
    profile = seen.flat()
    numbers["joining"] = _joining(name, shown, np.array(seen.order), profile, reference.center, cutoffs)
    turned = followed(shown, reference, connect_A)
    numbers["angle_deg"] = turned.angle_at_the_end()
    curves |= turned.curves(np.array([frame.info["time_ps"] for frame in shown]))
    ion = next((element for element in MOBILE_IONS if element in frames[0].symbols), None)
    if ion is not None:
        heights = np.array([core.surfaces.along(frame, 2).height for frame in shown])
        numbers["excess"] = _excess(profile, ion, heights)
        numbers |= motion(frames, moving, ion, wanted) if len(frames) > 1 else {}
    return numbers, curves


def _reference(crystal: Atoms, frame: Atoms) -> core.Environments:
    """The environments of the crystal's metal, or else of its former, with the cations and oxygens around it.

    Of an element that the glass has, too: without centers in it, a fit puts the surfaces anywhere beyond the last of
    the crystal. Raises InputError where there is none.
    """
    symbols = dict.fromkeys(crystal.get_chemical_symbols())
    areas = [core.surfaces.along(atoms, 2).area for atoms in (frame, crystal)]
    own, all_of = Counter(crystal.get_chemical_symbols()), Counter(frame.get_chemical_symbols())
    shared = [s for s in symbols if all_of[s] > round(areas[0] / areas[1]) * own[s]]
    return environments_of(crystal, center_of(crystal, shared))


def _joining(
    name: str,
    frames: Sequence[Atoms],
    order: np.ndarray,
    profile: core.Profile,
    center: str,
    cutoffs: Mapping[str, float],
) -> Numbers:
    """What surrounded each center before, and whether and when it joined the crystal; why not, if too few did.

    A center is crystalline where it is more similar to the crystal than halfway between crystal and glass.
    """
    similarity = profile["similarity"].value
    inside, outside = (np.nanmean(similarity[side]) for side in (profile.distance < 0, profile.distance > 0))
    centers = np.isfinite(order[0])
    flags = np.nan_to_num(order) > (inside + outside) / 2
    bonds = {
        (pair.split("-")[0], "O"): cutoff for pair, cutoff in cutoffs.items() if pair.split("-")[0] not in MOBILE_IONS
    }
    metals = [s for s in dict.fromkeys(frames[0].symbols) if s in TRANSITION_METALS]
    try:
        before = surroundings(frames[0], center, bonds, crystalline=flags[0], metals=metals)
        found = joining([frame.info["time_ps"] for frame in frames], flags, centers, before)
    except InputError as error:
        return {"reason": str(error)}
    return {"events": int(found.joined.sum()), "rows": [row.as_json() for row in found.quantities(name)]}


def _excess(profile: core.Profile, ion: str, heights: np.ndarray) -> Numbers:
    """Gibbs' excess of the mobile ion per area, and the same that no choice of the dividing surface changes."""
    assert profile.position is not None
    thickness = profile.position[:, 1] - profile.position[:, 0]
    inside, outside = (float(np.floor(part.min() / 2)) for part in (thickness, heights - thickness))
    inner = HALF_INTERFACE_A + 1.0
    if min(inside, outside) < inner + _LEAST_INTERIOR_A:
        return {
            "reason": f"the thinner phase has {min(inside, outside):g} Å from its surface to its middle, less "
            f"than {inner + _LEAST_INTERIOR_A:g}"
        }
    ranges = {"crystal": (-inside, -inner), "outside": (inner, outside)}
    try:
        own = core.excess_per_area(profile, ion, **ranges)
        relative = core.excess_per_area(profile, ion, relative_to="O", **ranges)
    except InputError as error:
        return {"reason": str(error)}
    # 1/Å² is 100/nm²
    return {
        "ion": ion,
        "per_nm2": 100 * own.value,
        "per_nm2_err": finite(100 * own.err),
        "relative_to_O_per_nm2": 100 * relative.value,
        "relative_to_O_per_nm2_err": finite(100 * relative.err),
    }
