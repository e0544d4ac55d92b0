"""Sites of the mobile ion and its jumps between them, along one trajectory."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms

from ..core import DensityMap, EventRate, SiteJumps, Sites, Trajectory, density_map, find_sites, site_jumps
from .arrhenius import BOLTZMANN_EV_PER_K
from .surroundings import by_surroundings, surroundings

#: Å; voxels of the density, wider ones in very large cells, and its smoothing.
SPACING_A, SMOOTHING_A = 0.25, 0.3
_BLOCKS = 5
# about 3 GB
_MOST_VOXELS = 3e7
_SURROUNDING_FRAMES = 50
# of the time: rarer classes are not listed; and the jumps from which on they are compared
_LEAST_SHARE, _FEWEST_JUMPS = 0.02, 20

Numbers = dict[str, Any]
Curves = dict[str, np.ndarray]


def jumps(
    path: Trajectory, frames: Sequence[Atoms], ion: str, cutoffs: Mapping[str, float], temperature_K: float | None,
    flowing: Sequence[str], of_moment: Collection[str] = (),
) -> tuple[Numbers, Curves]:  # fmt: skip
    """Sites, jumps, barrier and rates by surroundings, with units in the names, and what figures are drawn from.

    `path` are the `frames` relative to the framework; `flowing` says why the network is not at rest: sites that do not
    stay are none, and then the only number is the `reason`. States of metals `of_moment` are told by their moments.
    """
    if flowing:
        return {"ion": ion, "reason": f"the network flows, so that no site stays: {'; '.join(flowing)}"}, {}
    own = path.positions[:, np.array(path.symbols) == ion]
    assert path.cell is not None and path.volume is not None
    spacing = max(SPACING_A, (path.volume / _MOST_VOXELS) ** (1 / 3))
    maps = [density_map(part, path.cell, spacing) for part in np.array_split(own, min(_BLOCKS, len(own)))]
    sites = find_sites(_together(maps), smoothing=SMOOTHING_A)
    if not len(sites):
        return {"ion": ion, "reason": "the ions stay nowhere for long"}, {}
    found = site_jumps(own, sites, path.interval)
    if not (found.occupied[:-1] >= 0).any():
        return {"ion": ion, "reason": "no ion reaches the core of a site"}, {}
    numbers: Numbers = {
        "ion": ion, "ions": own.shape[1], "reason": None, "spacing_A": spacing, "smoothing_A": SMOOTHING_A,
        "depth_kT": sites.depth, "sites": len(sites), "count": len(found),
        "share_at_sites": float(sites.occupancy.sum() / own.shape[1]),
    }  # fmt: skip
    numbers |= _rates(found) | _paths(found) | _barriers(sites, maps, temperature_K)
    numbers["by"] = _around(found, path, frames, cutoffs, of_moment) if len(found) >= _FEWEST_JUMPS else {}
    return numbers, _curves(found)


def _together(maps: Sequence[DensityMap]) -> DensityMap:
    frames = np.array([each.frames for each in maps])
    density = np.average([each.density for each in maps], axis=0, weights=frames)
    return DensityMap(density, maps[0].cell, int(frames.sum()))


def _rates(found: SiteJumps) -> Numbers:
    back, after = found.back_share()
    numbers = _rate("per_ion_per_ps", found.rate())
    if len(found):
        numbers |= _rate("residence_ps", found.residence())
    known = after > 0
    # (n + 1)/(N + 2) keeps the error of a share of 0 or 1 finite
    posterior = (back * after + 1) / (after + 2) if known else 0.0
    return numbers | {
        "dispersion": found.dispersion() if len(found) else None,
        "back_share": back if known else None,
        "back_share_err": float(np.sqrt(posterior * (1 - posterior) / (after + 3))) if known else None,
    }


def _rate(name: str, rate: EventRate) -> Numbers:
    """Entries of a rate or time; an end of its interval that is infinite is left out with the interval."""
    interval = list(rate.interval) if np.isfinite(rate.interval).all() else None
    return {name: rate.value, f"{name}_err": rate.err, f"{name}_interval": interval}


def _paths(found: SiteJumps) -> Numbers:
    """How far jumps reach, and how the sites that they join percolate."""
    network = found.network()
    lengths = found.length
    several = len(found) > 1 and np.ptp(lengths) > 1e-9
    return {
        "length_A": float(lengths.mean()) if len(found) else None,
        "length_A_err": float(lengths.std(ddof=1) / np.sqrt(len(found))) if several else None,
        "percolating_share": network.percolating_fraction,
        "dimensions": int(network.dimensions.max(initial=0)),
    }


def _barriers(sites: Sites, maps: Sequence[DensityMap], temperature_K: float | None) -> Numbers:
    """The volume of the channels, and percolation barriers in one and in three directions (eV) with jackknife errors
    over blocks of time; where no path was visited, what they are above.
    """
    numbers: Numbers = dict.fromkeys(("barrier_1d_eV", "barrier_3d_eV", "barrier_above_eV", "channel_share"))
    share = sites.channels().volume_fraction.by_dimension[0]
    numbers["channel_share"] = float(share) if np.isfinite(share) else None
    if temperature_K is None:
        return numbers
    unit = BOLTZMANN_EV_PER_K * temperature_K
    heights = sites.barriers().by_dimension
    if not np.isfinite(heights).any():
        return numbers | {"barrier_above_eV": unit * sites.highest_visible()}
    rest = [_together([each for each in maps if each is not left]) for left in maps] if len(maps) > 1 else []
    left_out = [sites.barriers(each).by_dimension for each in rest]
    for name, k in (("barrier_1d_eV", 0), ("barrier_3d_eV", 2)):
        if np.isfinite(heights[k]):
            spread = np.array([each[k] for each in left_out])
            err = unit * np.sqrt((len(maps) - 1) * spread.var()) if len(spread) else np.nan
            numbers |= {name: float(unit * heights[k]), f"{name}_err": float(err) if np.isfinite(err) else None}
    return numbers


def _around(
    found: SiteJumps,
    path: Trajectory,
    frames: Sequence[Atoms],
    cutoffs: Mapping[str, float],
    of_moment: Collection[str],
) -> dict[str, Numbers]:
    """Rates by what surrounds the sites, for what differs between them."""
    chosen = np.arange(0, len(frames), max(1, -(-len(frames) // _SURROUNDING_FRAMES)))
    around = surroundings(path, frames, chosen.tolist(), found.sites.positions, cutoffs, of_moment)
    by = {family: _by(found, classes, chosen) for family, classes in around.items()}
    return {family: each for family, each in by.items() if len(each["classes"]) > 1}


def _by(found: SiteJumps, classes: np.ndarray, chosen: np.ndarray) -> Numbers:
    result = by_surroundings(found, classes, chosen)
    return {
        "chance": result.chance,
        "classes": {
            name: _rate("per_ion_per_ps", rate)
            | {"jumps": int(rate.events), "time_ps": rate.time, "sites": result.sites[name]}
            for name, rate in result.rates.items()
            if rate.time >= _LEAST_SHARE * sum(each.time for each in result.rates.values())
        },
    }


def _curves(found: SiteJumps) -> Curves:
    time, share = found.survival()
    sites = found.sites
    voxel = np.linalg.norm(sites.cell[2]) / sites.density.shape[2]
    return {
        "site_A": sites.positions,
        "site_occupancy": sites.occupancy,
        "site_jump_from": found.origin,
        "site_jump_to_A": sites.positions[found.target] + found.image @ sites.cell,
        "site_cell_A": sites.cell,
        "site_density_per_A2": sites.density.sum(axis=2) * voxel,
        "stay_ps": time,
        "stay_share": share,
    }
