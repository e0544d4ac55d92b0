"""Structures in which two neighboring O atoms are pushed together: what a potential has to know of their repulsion.

python squeeze.py frames.extxyz squeezed.extxyz [--count 80]
"""

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read, write

KEPT = ("temperature_K", "charge", "multiplicity")
NEIGHBORS_A, PUSHED_TO_A, LEAST_A = (1.9, 2.9), (1.12, 1.88), 1.05


def main() -> None:
    parser = argparse.ArgumentParser(description="Push two O atoms together in copies of frames.")
    parser.add_argument("frames", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=80)
    options = parser.parse_args()
    rng = np.random.default_rng(5)
    frames = [frame for frame in read(options.frames, ":") if len(frame) > 1]
    squeezed = []
    for k in rng.permutation(len(frames)):
        copy = pushed(frames[k], rng)
        if shortest_A(copy) > LEAST_A:
            squeezed.append(copy)
        if len(squeezed) == options.count:
            break
    write(options.output, squeezed, format="extxyz")


def pushed(frame: Atoms, rng: np.random.Generator) -> Atoms:
    """A copy without labels, in which a random pair of O comes to a random distance."""
    distances = frame.get_all_distances(mic=True)
    oxygen = np.flatnonzero(frame.symbols == "O")
    between = distances[np.ix_(oxygen, oxygen)]
    pairs = np.argwhere((between > NEIGHBORS_A[0]) & (between < NEIGHBORS_A[1]))
    i, j = oxygen[pairs[rng.integers(len(pairs))]]
    line = frame.get_distance(i, j, mic=True, vector=True)
    move = 0.5 * line * (1 - rng.uniform(*PUSHED_TO_A) / np.linalg.norm(line))
    copy = Atoms(frame.symbols, frame.positions, cell=frame.cell, pbc=True)
    copy.positions[[i, j]] += move, -move
    copy.info = {key: frame.info[key] for key in KEPT if key in frame.info}
    copy.info["group"] = f"squeezed-{frame.get_chemical_formula()}"
    return copy


def shortest_A(frame: Atoms) -> float:
    distances = frame.get_all_distances(mic=True)
    np.fill_diagonal(distances, np.inf)
    return float(distances.min())


if __name__ == "__main__":
    main()
