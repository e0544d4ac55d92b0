"""Varied copies of a structure as candidates for labeling: rattled atoms and strained cells."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Variation:
    """Variation of the copies: standard deviation of each coordinate (Å) and range of the linear strain (%)."""

    rattle_A: float
    strain_percent: tuple[float, float]


def vary(structure: "Atoms", count: int, how: Variation, seed: int) -> list["Atoms"]:
    """`count` copies of `structure`; the first is the structure itself, the others are rattled and strained.

    Each varied copy gets one linear strain drawn evenly from the range: copies take turns between all three
    cell vectors (volumetric) and one vector drawn at random (uniaxial), so that cell angles stay as they are.
    Then every coordinate gets a Gaussian displacement, without net translation. Copy k is the same whatever
    `count` is, and the same for the same structure and seed.
    """
    return [structure.copy(), *(_copy(structure, k, how, seed) for k in range(1, count))][:count]


def _copy(structure: "Atoms", number: int, how: Variation, seed: int) -> "Atoms":
    rng = np.random.default_rng([seed, number])
    copy = structure.copy()
    stretch = 1 + rng.uniform(*how.strain_percent) / 100
    axis = rng.integers(3)
    factors = np.full(3, stretch) if number % 2 else np.where(np.arange(3) == axis, stretch, 1.0)
    if structure.pbc.any():
        copy.set_cell(copy.cell.array * factors[:, None], scale_atoms=True)
    shift = rng.normal(0.0, how.rattle_A, copy.positions.shape)
    copy.positions += shift - shift.mean(axis=0)
    return copy
