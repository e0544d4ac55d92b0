"""Which atoms of a glass to label the surroundings of: uncertain ones that differ from each other."""

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .cells import core_around, small_cell
from .surroundings import Describe

if TYPE_CHECKING:
    from ase import Atoms

#: Per-atom array of the frames of ``fix naglass/select`` (eV/Å).
DEVIATION = "deviation"
# atoms among which each center is chosen
_POOL = 20
_COMMON = 0.5


def uncertain_centers(glass: "Atoms", count: int, radius_A: float, most_atoms: int, describe: Describe) -> list[int]:
    """Up to `count` atoms of high `deviation`, the highest first.

    The 20 × `count` most uncertain atoms are clustered by their descriptors (Ward). Of each cluster the medoid is
    taken, or the atom next to it whose core fits into a cell of `most_atoms` atoms and shares at most half of its
    atoms, or of those of the other, with each core chosen before. Raises InputError for a glass without deviations, and
    where no core fits.
    """
    deviation = _deviations(glass)
    pool = np.argsort(-deviation, kind="stable")[: _POOL * count]
    pool = pool[deviation[pool] > 0]
    clusters = _clusters(describe(glass, pool.tolist()), count)
    chosen: list[int] = []
    cores: list[set[int]] = []
    refused: InputError | None = None
    for members in sorted(clusters, key=lambda members: -deviation[pool[members]].max()):
        for atom in pool[members].tolist():
            core = core_around(glass, atom, radius_A)
            own = set(core.atoms.tolist())
            if any(len(own & other) > _COMMON * min(len(own), len(other)) for other in cores):
                continue
            try:
                small_cell(glass, core, most_atoms)
            except InputError as error:
                refused = error
                continue
            chosen.append(atom)
            cores.append(own)
            break
    if not chosen and refused is not None:
        raise refused
    return chosen


def _deviations(glass: "Atoms") -> np.ndarray:
    values = glass.arrays.get(DEVIATION)
    if values is None:
        raise InputError(f"no array '{DEVIATION}': a committee and fix naglass/select write it")
    if values.dtype.kind != "f" or values.shape != (len(glass),) or not (np.isfinite(values) & (values >= 0)).all():
        raise InputError(f"{DEVIATION}: must be a finite number of at least 0 for each atom (eV/Å)")
    if not values.any():
        raise InputError(f"{DEVIATION}: is 0 for all atoms, which does not tell an uncertain one")
    return values


def _clusters(rows: np.ndarray, count: int) -> list[np.ndarray]:
    """Up to `count` clusters of rows (n, D), each as its members from the medoid outward."""
    from scipy.spatial.distance import cdist
    from sklearn.cluster import AgglomerativeClustering

    if len(rows) <= count:
        return [np.array([k]) for k in range(len(rows))]
    of = AgglomerativeClustering(count).fit_predict(rows)
    clusters = []
    for number in range(count):
        members = np.flatnonzero(of == number)
        away = cdist(rows[members], rows[members])
        clusters.append(members[np.argsort(away[away.sum(axis=1).argmin()], kind="stable")])
    return clusters
