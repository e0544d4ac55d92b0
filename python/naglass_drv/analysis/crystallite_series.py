"""The largest crystallite along a trajectory: its size at several thresholds, and how it is turned."""

from bisect import bisect_left
from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from .. import core
from ..chemistry.formers import FORMERS
from ..chemistry.ions import MOBILE_IONS, TRANSITION_METALS
from ..core.statistics import average
from ..errors import InputError

#: Similarity to the crystal from which a center is crystalline; the outer two show what the choice changes.
THRESHOLDS = (0.5, 0.6, 0.7)
# Å; environments reach the second shell of cations in phosphates
_REACH_A = 4.0
# the first shell of centers ends within this many nearest distances, or least ones that connect; the second begins
# within so many Å, and distances that differ by less are the same
_FIRST_SHELL, _SPLIT, _APART_A, _SAME_A = 1.6, 1.1, 12.0, 1e-6
# a start in another orientation than the crystal's has to explain so many times as many atoms
_CLEARLY = 1.5


@dataclass(frozen=True)
class Followed:
    """The largest crystallite in each frame.

    `angle` is how far (degrees) it is turned against the crystal as the reference stands, up to rotations of the
    crystal onto itself; NaN where there is no crystallite.
    """

    sizes: dict[float, np.ndarray]  #: (frames,) its centers, by threshold
    members: np.ndarray  #: (frames, N) bool, at the middle threshold
    angle: np.ndarray  #: (frames,) degrees
    similarity: np.ndarray  #: (frames,) mean overlap of its centers with the crystal turned like it, 1 at most

    def curves(self, time_ps) -> dict[str, np.ndarray]:
        """Sizes, angle and similarity along the times (frames,), for the curves of an analysis."""
        found = {"crystallite_time_ps": np.asarray(time_ps), "crystallite_angle_deg": self.angle}
        found |= {f"crystallite_size/{threshold:g}": size for threshold, size in self.sizes.items()}
        return found | {"crystallite_similarity": self.similarity}

    def angle_at_the_end(self) -> dict[str, float | None]:
        """Mean (degrees) over the last quarter of the frames that have a crystallite, with its error in time."""
        return mean_of(self.angle[-max(1, len(self.angle) // 4) :])


def mean_of(values: np.ndarray) -> dict[str, float | None]:
    """Mean of what is known of a series in time and its error, None where there is none."""
    known = values[np.isfinite(values)]
    if not len(known):
        return {"value": None, "err": None}
    found = average(known)
    err = float(found.err)
    return {"value": float(found.mean), "err": err if np.isfinite(err) and err > 0 else None}


def center_of(crystal: Atoms, glass: Container[str]) -> str:
    """The metal of a crystal, or else its former, that the `glass` has, too: without it nothing of the glass can be
    crystalline. Raises InputError where there is none.
    """
    symbols = dict.fromkeys(crystal.get_chemical_symbols())
    for group in (TRANSITION_METALS, FORMERS):
        if (found := next((s for s in symbols if s in group and s in glass), None)) is not None:
            return found
    raise InputError(f"the glass has no metal or former of the crystal, {', '.join(symbols)}")


def environments_of(crystal: Atoms, center: str) -> core.Environments:
    """The environments of `center`, with the cations and oxygens around it that do not move."""
    around = [s for s in dict.fromkeys(crystal.get_chemical_symbols()) if s not in MOBILE_IONS]
    return core.environments(crystal, center, around, _REACH_A)


def connection_A(crystal: Atoms, center: str) -> float:
    """Distance (Å) below which `center` are neighbors: by steps that short, the crystal is one network in space.

    The middle of the widest gap between two distances, from the least one that connects all of them on, within the
    first shell. Raises InputError for a crystal whose `center` no distance up to 12 Å connects in three directions.
    """
    own = crystal[np.array(crystal.get_chemical_symbols()) == center]
    distances = np.unique(core.neighbors(own, _APART_A).distances)
    # two and three periods, so that nets through one another are told apart
    copies = [own.repeat(periods) for periods in (2, 3)]
    first = bisect_left(distances[:-1], True, key=lambda distance: all(_is_whole(each, distance) for each in copies))
    if first >= len(distances) - 1:
        raise InputError(f"no distance up to {_APART_A:g} Å connects the {center} of the crystal in three directions")
    shell = max(_FIRST_SHELL * distances[0], _SPLIT * distances[first])
    edges = distances[first : np.searchsorted(distances, shell) + 1]
    widest = int(np.diff(edges).argmax())
    return float(edges[widest] + edges[widest + 1]) / 2


def _is_whole(atoms: Atoms, distance: float) -> bool:
    """Whether steps of this distance lead from each atom to every other, and through the cell in all directions."""
    found = core.crystallites(atoms, np.ones(len(atoms), dtype=bool), distance + _SAME_A)
    return len(found) == 1 and int(found.dimensions[0]) == 3


def followed(
    frames: Sequence[Atoms], reference: core.Environments, connect_A: float, *, thresholds: Sequence[float] = THRESHOLDS
) -> Followed:
    """The largest crystallite, with the crystal of the `reference` turned as the crystallite turns.

    From frame to frame it may turn by so little that its environments still resemble the last ones: about 5°. A
    crystallite that starts in another orientation is found where it is clearly larger than what fits the crystal's.
    """
    symmetries = core.symmetry_rotations(reference)
    middle = sorted(thresholds)[len(thresholds) // 2]
    known = _start(frames[0], reference, connect_A, middle)
    sizes: dict[float, list[int]] = {threshold: [] for threshold in thresholds}
    members, angles, overlaps = [], [], []
    for frame in frames:
        values = np.nan_to_num(core.crystal_similarity(frame, reference.turned(known.rotation)))
        each = {threshold: core.crystallites(frame, values > threshold, connect_A) for threshold in thresholds}
        for threshold, found in each.items():
            sizes[threshold].append(found.largest)
        members.append(each[middle].members())
        if not each[middle].largest:
            angles.append(np.nan)
            overlaps.append(np.nan)
            continue
        known = core.orientation(frame, members[-1], reference, last=known)
        angles.append(core.misorientation(known.rotation, symmetries))
        overlaps.append(known.similarity)
    return Followed(
        {threshold: np.array(found) for threshold, found in sizes.items()},
        np.array(members),
        np.array(angles),
        np.array(overlaps),
    )


def _start(frame: Atoms, reference: core.Environments, connect_A: float, threshold: float) -> core.Orientation:
    """The orientation of the crystal, or another one in which clearly more atoms are crystalline."""
    aligned = core.Orientation(np.eye(3), 0.0)
    centers = np.array(frame.get_chemical_symbols()) == reference.center
    turned = core.orientation(frame, centers, reference)
    sizes = [
        core.crystallites(
            frame, np.nan_to_num(core.crystal_similarity(frame, reference.turned(o.rotation))) > threshold, connect_A
        ).largest
        for o in (aligned, turned)
    ]
    return turned if sizes[1] > _CLEARLY * max(sizes[0], 1) else aligned
