"""Ions that jump between the sites of a lattice: paths, jumps and rates that are known exactly."""

from dataclasses import dataclass

import numpy as np

SPACING = 3.0  # Å
STEPS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])


@dataclass(frozen=True)
class Walk:
    """`positions` (frames, ions, 3) in Å, unwrapped; `place` (frames, ions, 3) the site in lattice units, unwrapped;
    `frame`, `ion`, `step` (jumps, 3) of every jump, ordered by frame, then ion."""

    positions: np.ndarray
    cell: np.ndarray
    place: np.ndarray
    frame: np.ndarray
    ion: np.ndarray
    step: np.ndarray

    @property
    def site(self) -> np.ndarray:
        """(frames, ions) number of the site."""
        edge = round(np.linalg.norm(self.cell[0]) / SPACING)
        return number(self.place, edge)


def number(place: np.ndarray, edge: int) -> np.ndarray:
    """Number of a site from its place in lattice units."""
    return (place % edge) @ [edge * edge, edge, 1]


def walk(
    seed, *, frames=2000, ions=16, edge=4, chance=0.005, rattle=0.1, origin=(0.2, 1.4, 2.9), shear=0.0, steps=STEPS,
    back=0.0,
) -> Walk:  # fmt: skip
    """A random walk on edge³ sites: in each frame an ion jumps by one of the `steps` with the `chance`, a number or one
    per site, and with the probability `back` to where it came from."""
    rng = np.random.default_rng(seed)
    cell = SPACING * edge * np.array([[1.0, 0, 0], [shear, 1.0, 0], [0, -shear, 1.0]])
    chances = np.broadcast_to(chance, (edge**3,))
    place, last = rng.integers(edge, size=(ions, 3)), np.zeros((ions, 3), dtype=int)
    places, jumps = [place.copy()], []
    for frame in range(1, frames):
        moving = np.flatnonzero(rng.random(ions) < chances[number(place, edge)])
        step = steps[rng.integers(len(steps), size=len(moving))]
        undone = (rng.random(len(moving)) < back) & last[moving].any(axis=1)
        step = np.where(undone[:, None], -last[moving], step)
        place[moving] += step
        last[moving] = step
        jumps += [(frame, ion, *one) for ion, one in zip(moving, step, strict=True)]
        places.append(place.copy())
    place, rows = np.array(places), np.array(jumps, dtype=int).reshape(-1, 5)
    positions = place @ (cell / edge) + np.array(origin) + rattle * rng.normal(size=place.shape)
    return Walk(positions, cell, place, rows[:, 0], rows[:, 1], rows[:, 2:])
