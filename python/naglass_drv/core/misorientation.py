"""How far a crystallite is turned against a reference crystal, up to rotations of the crystal onto itself."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from ..errors import InputError
from .arguments import array, positive, shown
from .crystal import Environments


def symmetry_rotations(reference: Environments, *, tolerance: float = 0.1) -> np.ndarray:
    """(n, 3, 3) proper rotations that carry the environments of a crystal onto each other, the identity first.

    Those of the crystal's point group, as far as the environments tell: a short cutoff can have more. Neighbors count
    as the same within `tolerance` (Å). Raises InputError for an environment whose neighbors lie on a line.
    """
    if not isinstance(reference, Environments):
        raise InputError(f"reference = {shown(reference)}: must be Environments, as environments() makes them")
    tolerance = positive("tolerance", tolerance, "Å")
    members = [(np.array(symbols), vectors) for symbols, vectors in reference.members]
    symbols, vectors = members[0]
    pair = _independent(vectors)
    basis = _basis(vectors[pair])
    found = [np.eye(3)]
    for others, targets in members:
        for image in permutations(range(len(targets)), 2):
            same = (others[list(image)] == symbols[pair]).all()
            if not same or np.abs(_gram(targets[list(image)]) - _gram(vectors[pair])).max() > 4 * tolerance * _reach(
                vectors
            ):
                continue
            left, _, right = np.linalg.svd(_basis(targets[list(image)]).T @ basis)
            rotation = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
            known = any(np.abs(rotation - other).max() < 1e-2 for other in found)
            if not known and _onto_themselves(members, rotation, tolerance):
                found.append(rotation)
    return np.array(found)


def misorientation(rotation, symmetries: np.ndarray) -> float:
    """Degrees of the smallest rotation that turns the reference crystal into one turned by `rotation` (3, 3)."""
    turned = array("rotation", rotation, (3, 3)) @ array("symmetries", symmetries, ("n", 3, 3))
    cosines = (np.trace(turned, axis1=1, axis2=2) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)).min()))


def _independent(vectors: np.ndarray) -> list[int]:
    """The shortest vector, and the next that is most across it."""
    first = int(np.argmin(np.linalg.norm(vectors, axis=1)))
    across = np.linalg.norm(np.cross(vectors[first], vectors), axis=1) / np.linalg.norm(vectors, axis=1)
    second = int(np.argmax(across))
    if across[second] < 0.1 * np.linalg.norm(vectors[first]):
        raise InputError("reference: the neighbors of a center lie on one line, about which any rotation is the same")
    return [first, second]


def _basis(pair: np.ndarray) -> np.ndarray:
    """(3, 3) orthonormal rows of two vectors and their normal."""
    x = pair[0] / np.linalg.norm(pair[0])
    z = np.cross(pair[0], pair[1])
    z /= np.linalg.norm(z)
    return np.array([x, np.cross(z, x), z])


def _gram(pair: np.ndarray) -> np.ndarray:
    return pair @ pair.T


def _reach(vectors: np.ndarray) -> float:
    return float(np.linalg.norm(vectors, axis=1).max())


def _onto_themselves(members, rotation: np.ndarray, tolerance: float) -> bool:
    """Whether each environment, turned, is one of them."""
    return all(any(_same(s, v @ rotation.T, t, w, tolerance) for t, w in members) for s, v in members)


def _same(symbols, vectors, others, targets, tolerance: float) -> bool:
    if len(vectors) != len(targets):
        return False
    apart = np.linalg.norm(vectors[:, None] - targets[None], axis=2)
    apart[symbols[:, None] != others[None]] = np.inf
    nearest = apart.argmin(axis=1)
    return bool(apart.min(axis=1).max() < 2 * tolerance and len(set(nearest.tolist())) == len(vectors))
