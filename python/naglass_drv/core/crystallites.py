"""Crystallites: which atoms form them, how they are oriented, what they are made of, what stands around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import _core
from ..errors import InputError
from .arguments import positive, shown, structure
from .crystal import Environments, neighborhoods
from .graph import geometry, neighbors

_DEFAULT = _core.SimilarityOptions()


@dataclass(frozen=True)
class Crystallites:
    """Connected groups of crystalline atoms, the largest first; definitions in docs/observables/crystallites.md."""

    labels: np.ndarray  #: (N,) int, crystallite of each atom, -1 for atoms that are not crystalline
    sizes: np.ndarray  #: (crystallites,) int, crystalline atoms
    dimensions: np.ndarray  #: (crystallites,) int, directions in which it extends through the periodic cell, 0 to 3
    centers: np.ndarray  #: (crystallites, 3) mean positions, Å; NaN where it extends
    gyration: np.ndarray  #: (crystallites,) radii of gyration, Å; NaN where it extends

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def largest(self) -> int:
        """Atoms of the largest one, 0 without any."""
        return int(self.sizes[0]) if len(self) else 0

    def members(self, crystallite: int = 0) -> np.ndarray:
        """(N,) bool: the atoms of one of them."""
        return self.labels == crystallite


def crystallites(atoms, crystalline: np.ndarray, cutoff: float) -> Crystallites:
    """The connected groups of the atoms that `crystalline` (N,) flags, joined when closer than `cutoff` (Å).

    Which atoms are crystalline is a threshold on an order parameter: ``crystal_similarity(atoms, reference) > 0.6``,
    ``lanterns(atoms, cutoffs) == 1``, ``steinhardt(...).ordered_bonds(0.5) >= 7``. `cutoff` lies between the first and
    second shell of these atoms in the crystal.
    """
    positions, cell, pbc = geometry(structure("atoms", atoms))
    flags = _flags("crystalline", crystalline, len(positions))
    found = _core.crystallites(positions[flags], cell, pbc, positive("cutoff", cutoff, "Å"))
    labels = np.full(len(flags), -1, dtype=found["labels"].dtype)
    labels[flags] = found.pop("labels")
    return Crystallites(labels, **found)


@dataclass(frozen=True)
class Orientation:
    """How a crystallite is turned: `rotation` carries vectors of the reference crystal into it."""

    rotation: np.ndarray  #: (3, 3) proper rotation matrix
    similarity: float  #: mean over its atoms of the overlap with the best of the turned environments, 1 at most

    def angle_from(self, other: Orientation) -> float:
        """Degrees, 0 to 180, of the rotation that leads from the other one to this."""
        return float(_core.angle_between(other.rotation, self.rotation))


def orientation(
    atoms,
    members: np.ndarray,
    reference: Environments,
    *,
    sigma: float = _DEFAULT.sigma,
    reach: float = _DEFAULT.reach,
    last: Orientation | None = None,
) -> Orientation:
    """The rotation of the reference crystal that fits the centers among `members` (N,) best.

    `reference` has all environments of the crystal in one orientation: made without `any_rotation`. A rotation is
    defined up to those of the crystal onto itself; with `last`, that of the frame before, the crystallite is followed,
    so that `angle_from` the first frame tells how far it has turned, as long as it turns by less than half of the
    crystal's symmetry between frames. From at most 200 centers, evenly spaced. Raises InputError without a center.
    """
    flags = _flags("members", members, len(structure("atoms", atoms).get_chemical_symbols()))
    if not isinstance(reference, Environments):
        raise InputError(f"reference = {shown(reference)}: must be Environments, as environments() makes them")
    if last is not None and not isinstance(last, Orientation):
        raise InputError(f"last = {shown(last)}: must be an Orientation or None")
    sigma, reach = positive("sigma", sigma, "Å"), positive("reach", reach)
    cutoff = _core.similarity_cutoff(reference.compiled, _core.SimilarityOptions(sigma=sigma, reach=reach))
    around = neighborhoods(atoms, reference.center, reference.elements, cutoff, flags)
    if not len(around[0]):
        raise InputError(f"members: none of them is {reference.center}, the center of the reference")
    before = None if last is None else (last.rotation, last.similarity)
    rotation, similarity = _core.orientation(*around[1:], reference.compiled, sigma, before)
    return Orientation(np.array(rotation), similarity)


@dataclass(frozen=True)
class Embryo:
    """Composition of a crystallite, of the shell around it, and of the rest: counts per element."""

    elements: tuple[str, ...]
    inside: np.ndarray  #: (elements,) int
    shell: np.ndarray  #: (elements,) int
    rest: np.ndarray  #: (elements,) int

    @property
    def expelled(self) -> np.ndarray:
        """(elements,) atoms in the shell beyond those that its atoms would have at the composition of the rest."""
        total = self.rest.sum()
        return self.shell - self.shell.sum() * self.rest / total if total else np.full(len(self.elements), np.nan)

    @property
    def taken_in(self) -> np.ndarray:
        """(elements,) the same for the crystallite: what it took in is positive, what it left out negative."""
        total = self.rest.sum()
        return self.inside - self.inside.sum() * self.rest / total if total else np.full(len(self.elements), np.nan)


def embryo(atoms, members: np.ndarray, *, reach: float, shell: float) -> Embryo:
    """What a crystallite consists of: atoms within `reach` (Å) of one of its `members` (N,), and these.

    The shell are other atoms within `reach` + `shell` (Å). `reach` is the bond length that completes the members'
    environment: 3.8 Å takes in O and P around V of NASICON.
    """
    symbols = np.array(structure("atoms", atoms).get_chemical_symbols())
    flags = _flags("members", members, len(symbols))
    reach, shell = positive("reach", reach, "Å"), positive("shell", shell, "Å")
    near = neighbors(atoms, reach + shell)
    of_members = flags[near.i]
    nearest = np.full(len(symbols), np.inf)
    np.minimum.at(nearest, near.j[of_members], near.distances[of_members])
    nearest[flags] = 0.0
    elements = tuple(dict.fromkeys(symbols.tolist()))
    zone = (nearest >= reach).astype(int) + (nearest >= reach + shell)
    inside, around, rest = (np.array([(symbols[zone == k] == e).sum() for e in elements]) for k in range(3))
    return Embryo(elements, inside, around, rest)


def _flags(name: str, value, atoms: int) -> np.ndarray:
    flags = np.asarray(value)
    if flags.dtype != bool or flags.shape != (atoms,):
        raise InputError(
            f"{name} = array of {flags.dtype} of shape {flags.shape}: must be flags, one for each of {atoms} atoms"
        )
    return flags
