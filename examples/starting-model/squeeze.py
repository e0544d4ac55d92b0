"""Structures in which neighboring O atoms are pushed together: what a potential has to know of their repulsion.

python squeeze.py frames.extxyz squeezed.extxyz [--count 80] [--joined 2]

Two O come to a random distance; with ``--joined`` up to so many others join them, each at a random distance from the
nearer of the two.
"""

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read, write

KEPT = ("temperature_K", "charge", "multiplicity")
NEIGHBORS_A, PUSHED_TO_A, LEAST_A = (1.9, 2.9), (1.12, 1.88), 1.05
JOINED_FROM_A, JOINED_TO_A = 3.4, (1.3, 2.1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Push two O atoms together in copies of frames.")
    parser.add_argument("frames", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=80)
    parser.add_argument("--joined", type=int, default=0, help="O atoms that may join the two")
    options = parser.parse_args()
    rng = np.random.default_rng(5)
    frames = [frame for frame in read(options.frames, ":") if len(frame) > 1]
    squeezed = []
    for k in rng.permutation(len(frames)):
        copy = pushed(frames[k], rng, options.joined)
        if shortest_A(copy) > LEAST_A:
            squeezed.append(copy)
        if len(squeezed) == options.count:
            break
    write(options.output, squeezed, format="extxyz")


def pushed(frame: Atoms, rng: np.random.Generator, joined: int = 0) -> Atoms:
    """A copy without labels: a random pair of O at a random distance, and up to ``joined`` others at theirs."""
    distances = frame.get_all_distances(mic=True)
    oxygen = np.flatnonzero(frame.symbols == "O")
    between = distances[np.ix_(oxygen, oxygen)]
    pairs = np.argwhere((between > NEIGHBORS_A[0]) & (between < NEIGHBORS_A[1]))
    i, j = oxygen[pairs[rng.integers(len(pairs))]]
    line = frame.get_distance(i, j, mic=True, vector=True)
    move = 0.5 * line * (1 - rng.uniform(*PUSHED_TO_A) / np.linalg.norm(line))
    copy = Atoms(frame.symbols, frame.positions, cell=frame.cell, pbc=True)
    copy.positions[[i, j]] += move, -move
    if joined:
        join(copy, (i, j), rng.integers(1, joined + 1), rng)
    copy.info = {key: frame.info[key] for key in KEPT if key in frame.info}
    copy.info["group"] = f"squeezed-{frame.get_chemical_formula()}"
    return copy


def join(copy: Atoms, pair: tuple[int, int], count: int, rng: np.random.Generator) -> None:
    """The ``count`` O atoms nearest to a pair come to a random distance from the nearer of the two."""
    distances = copy.get_all_distances(mic=True)[list(pair)]
    others = [k for k in np.argsort(distances.min(axis=0)) if copy.symbols[k] == "O" and k not in pair]
    for k in others[:count]:
        nearer = pair[int(distances[:, k].argmin())]
        line = copy.get_distance(nearer, k, mic=True, vector=True)
        length = np.linalg.norm(line)
        if length < JOINED_FROM_A:
            copy.positions[k] += line * (rng.uniform(*JOINED_TO_A) / length - 1)


def shortest_A(frame: Atoms) -> float:
    distances = frame.get_all_distances(mic=True)
    np.fill_diagonal(distances, np.inf)
    return float(distances.min())


if __name__ == "__main__":
    main()
