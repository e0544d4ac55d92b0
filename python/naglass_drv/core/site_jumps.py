"""Jumps of ions between sites: paths from core to core, rates and residence times with errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import _core
from ..errors import InputError
from .arguments import array, positive, shown
from .clusters import Clusters
from .sites import Sites
from .statistics import EventRate, event_rate

_TIME_BLOCKS = 10
# frames that are located at once
_CHUNK = 1000


@dataclass(frozen=True)
class SiteJumps:
    """Jumps between sites, ordered by frame, then ion; arrays have one entry per jump.

    An ion belongs to the site whose core it was in last; a jump is its entry into the core of another site, or of
    another image of the same one. Definitions in docs/observables/sites.md.
    """

    ion: np.ndarray  #: int, row of the positions
    frame: np.ndarray  #: int, first frame in the core of the new site
    origin: np.ndarray  #: int, site that was left
    target: np.ndarray  #: int, site that was reached
    image: np.ndarray  #: (jumps, 3) int, cell vectors from the image of the one to that of the other
    returned: np.ndarray  #: bool, back to where the ion was before its last jump
    occupied: np.ndarray  #: (frames, ions) int, site that each ion belongs to; -1 before its first core
    interval: float  #: ps between frames
    sites: Sites

    def __len__(self) -> int:
        """Number of jumps."""
        return len(self.ion)

    @property
    def length(self) -> np.ndarray:
        """(jumps,) distance between the sites, Å."""
        places = self.sites.positions
        return np.linalg.norm(places[self.target] + self.image @ self.sites.cell - places[self.origin], axis=1)

    def rate(self, chosen: np.ndarray | None = None) -> EventRate:
        """Jumps per ion and ps; with `chosen` (frames, ions), only while this is true, by the frame before the jump.

        Jumps over the time that ions spend in sites: for stays of exponential length the estimate of largest
        likelihood, with those at the edges of the run censored, and for any other stationary sequence of stays exact.
        """
        at_site = self.occupied[:-1] >= 0
        exposed = at_site if chosen is None else at_site & chosen[:-1]
        counts = np.zeros(exposed.shape)
        np.add.at(counts, (self.frame - 1, self.ion), 1.0)
        return event_rate(self._blocks(counts * exposed), self._blocks(exposed) * self.interval)

    def residence(self, chosen: np.ndarray | None = None) -> EventRate:
        """Mean residence time (ps) of a stay, the inverse of `rate`."""
        return self.rate(chosen).inverse()

    def by_site(self) -> tuple[np.ndarray, np.ndarray]:
        """(S,) jumps away from each site, and the time (ps) that ions spent there."""
        inside = self.occupied[:-1]
        time = np.bincount(inside[inside >= 0], minlength=len(self.sites)) * self.interval
        return np.bincount(self.origin, minlength=len(self.sites)), time

    def dispersion(self) -> float:
        """Σ(n − λt)²/Σλt over sites with n jumps in the time t: about 1 where all sites have the same rate λ; NaN
        without jumps.
        """
        jumps, time = self.by_site()
        expected = jumps.sum() / time.sum() * time if len(self) else np.zeros(len(time))
        return float(((jumps - expected) ** 2).sum() / expected.sum()) if len(self) else float("nan")

    def survival(self) -> tuple[np.ndarray, np.ndarray]:
        """Times (ps) and the share of stays that last longer (Kaplan and Meier, doi:10.1080/01621459.1958.10501452).

        Of the stays whose beginning was seen; those that last to the end of the run are censored.
        """
        stays, ended = self._stays()
        times = np.unique(stays[ended])
        at_risk = len(stays) - np.searchsorted(np.sort(stays), times)
        deaths = np.bincount(np.searchsorted(times, stays[ended]), minlength=len(times))
        share = np.cumprod(1 - deaths / np.maximum(at_risk, 1)) if len(times) else np.zeros(0)
        return np.append(0.0, times * self.interval), np.append(1.0, share)

    def back_share(self) -> tuple[float, int]:
        """Share of the jumps after a first one that lead back, and their number; NaN without any."""
        order = np.lexsort((self.frame, self.ion))
        later = np.zeros(len(self), dtype=bool)
        later[order[1:]] = self.ion[order[1:]] == self.ion[order[:-1]]
        count = int(later.sum())
        return (float(self.returned[later].mean()) if count else float("nan")), count

    def network(self, least: int = 1) -> Clusters:
        """Components of the sites that are joined by at least `least` jumps, in either direction."""
        low = self.origin <= self.target
        first, second = np.where(low, self.origin, self.target), np.where(low, self.target, self.origin)
        shift = np.where(low[:, None], self.image, -self.image)
        rows = np.column_stack([first, second, shift]).astype(int)
        edges, counts = np.unique(rows, axis=0, return_counts=True) if len(rows) else (rows, np.zeros(0, dtype=int))
        edges = edges[counts >= least]
        both = np.vstack([edges, np.column_stack([edges[:, 1], edges[:, 0], -edges[:, 2:]])])
        both = both[np.argsort(both[:, 0], kind="stable")]
        offsets = np.append(0, np.cumsum(np.bincount(both[:, 0], minlength=len(self.sites))))
        chosen = np.ones(len(self.sites), dtype=bool)
        targets, shifts = both[:, 1].astype(np.int32), np.ascontiguousarray(both[:, 2:], dtype=np.int32)
        return Clusters(**_core.clusters(offsets, targets, shifts, chosen))

    def _blocks(self, values: np.ndarray) -> np.ndarray:
        """(ions, blocks of time) sums."""
        starts = np.unique(np.linspace(0, len(values), _TIME_BLOCKS, endpoint=False).astype(int))
        return np.add.reduceat(values.astype(float), starts, axis=0).T

    def _stays(self) -> tuple[np.ndarray, np.ndarray]:
        """Lengths (frames) of the stays that began with a jump, and whether they ended with one."""
        order = np.lexsort((self.frame, self.ion))
        ion, frame = self.ion[order], self.frame[order]
        ended = np.append(ion[1:] == ion[:-1], False) if len(ion) else np.zeros(0, dtype=bool)
        end = np.where(ended, np.append(frame[1:], 0), len(self.occupied) - 1) if len(ion) else frame
        return end - frame, ended


def site_jumps(positions, sites: Sites, interval: float) -> SiteJumps:
    """The jumps of ions along a trajectory.

    `positions` (frames, n, 3) in Å, unwrapped, in the cell of the `sites` and relative to the framework; `interval` in
    ps between frames. Crossing the border of a basin does not count until the core of the other site is reached, so
    that an ion that recrosses the border does not jump. Jumps that are undone between two frames are not seen.
    """
    if not isinstance(sites, Sites):
        raise InputError(f"sites = {shown(sites)}: must be Sites, as find_sites() makes them")
    positions = array("positions", positions, ("frames", "n", 3), unit="Å")
    interval = positive("interval", interval, "ps")
    if len(positions) < 2:
        raise InputError(f"positions = {positions.shape}: at least 2 frames are needed")
    parts = [sites.locate(positions[k : k + _CHUNK]) for k in range(0, len(positions), _CHUNK)]
    site, image, core = (np.concatenate(each) for each in zip(*parts, strict=True))
    # the last frame in a core, carried forward
    last = np.maximum.accumulate(np.where(core, np.arange(len(site))[:, None], -1), axis=0)
    ions = np.arange(site.shape[1])
    known = last >= 0
    occupied = np.where(known, site[last, ions], -1)
    where = image[last, ions]
    moved = known[:-1] & ((occupied[1:] != occupied[:-1]) | (where[1:] != where[:-1]).any(axis=2))
    before, ion = np.nonzero(moved)
    start, end = where[before, ion], where[before + 1, ion]
    origin, target = occupied[before, ion], occupied[before + 1, ion]
    returned = _returned(ion, np.column_stack([origin, start]), np.column_stack([target, end]))
    return SiteJumps(ion, before + 1, origin, target, end - start, returned, occupied, interval, sites)


def _returned(ion: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether each jump ends where the ion's last one began."""
    order = np.argsort(ion, kind="stable")
    back = np.zeros(len(ion), dtype=bool)
    same = (ion[order[1:]] == ion[order[:-1]]) & (end[order[1:]] == start[order[:-1]]).all(axis=1)
    back[order[1:]] = same
    return back
