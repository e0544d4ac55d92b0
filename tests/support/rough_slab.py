"""A slab of centers with an order parameter whose surfaces are corrugated as stated."""

import numpy as np
from ase import Atoms

EDGE, HEIGHT, LOWER, UPPER, HALF_WIDTH = 36.0, 60.0, 18.0, 42.0, 0.8
WIDTH = HALF_WIDTH * np.log(9.0)  # Å, from 10 to 90 % of the step
DENSITY = 0.05  # centers per Å³
MODES = ((1, 0, 0.3), (0, 1, 1.9), (1, 1, 4.0))


def corrugation(x, y, amplitude):
    """Heights about the mean (Å) of three waves, in which the surface has the roughness amplitude √(3/2)."""
    return amplitude * sum(np.cos(2 * np.pi * (p * x + q * y) / EDGE + phase) for p, q, phase in MODES)


def slab(rng, amplitude, *, shift=0.0, grown=0.0, density=DENSITY, noise=0.05):
    """Centers at random places, with the order parameter of a step at corrugated surfaces, both the same, which are
    shifted along the axis and have grown outward (Å).
    """
    positions = rng.random((round(density * EDGE**2 * HEIGHT), 3)) * [EDGE, EDGE, HEIGHT]
    x, y, z = positions.T
    level = z - shift - corrugation(x, y, amplitude)
    inside = sum(
        0.5
        * (
            np.tanh((level - LOWER + grown - n * HEIGHT) / HALF_WIDTH)
            - np.tanh((level - UPPER - grown - n * HEIGHT) / HALF_WIDTH)
        )
        for n in (-1, 0, 1)
    )
    order = 0.2 + 0.7 * inside + noise * rng.normal(size=len(positions))
    return Atoms(["V"] * len(positions), positions, cell=[EDGE, EDGE, HEIGHT], pbc=True), order
