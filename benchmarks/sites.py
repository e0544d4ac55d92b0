"""Sites and jumps beside what other tools do for the same: local maxima and nearest sites, with scipy, in one process.

    PYTHONPATH=python python benchmarks/sites.py [--ions 1000] [--frames 2000]

Prints a markdown table with machine and date. Nearest sites (Voronoi cells) count every recrossing of a border as a
jump, which the column of jumps shows. Not a test: no timing passes or fails.
"""

import argparse
import platform
import time

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

from naglass_drv import core

SPACING, RATTLE, CHANCE = 3.0, 0.4, 0.005
STEPS = np.vstack([np.eye(3, dtype=int), -np.eye(3, dtype=int)])


def walk(frames: int, ions: int, edge: int) -> tuple[np.ndarray, int]:
    """A random walk on edge³ sites with rattling (Å), and its number of jumps."""
    rng = np.random.default_rng(1)
    moving = rng.random((frames, ions)) < CHANCE
    steps = moving[..., None] * STEPS[rng.integers(6, size=(frames, ions))]
    place = rng.integers(edge, size=(ions, 3)) + np.cumsum(steps, axis=0)
    return SPACING * place + RATTLE * rng.normal(size=place.shape), int(moving[1:].sum())


def timed(action):
    start = time.process_time()
    return action(), time.process_time() - start


def maxima(density: np.ndarray) -> np.ndarray:
    """Voxels that are the highest within two of themselves, after smoothing; in a cubic cell."""
    smooth = gaussian_filter(density, 1.2, mode="wrap")
    return np.argwhere((maximum_filter(smooth, 5, mode="wrap") == smooth) & (smooth > 0.01 * smooth.max()))


def nearest(positions: np.ndarray, sites: np.ndarray, edge: float) -> int:
    """Changes of the nearest site."""
    site = cKDTree(sites % edge, boxsize=edge).query(positions.reshape(-1, 3) % edge)[1].reshape(positions.shape[:2])
    return int((site[1:] != site[:-1]).sum())


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--ions", type=int, default=1000)
    options.add_argument("--frames", type=int, default=2000)
    asked = options.parse_args()
    edge = round((1.5 * asked.ions) ** (1 / 3))
    positions, true = walk(asked.frames, asked.ions, edge)
    cell = SPACING * edge * np.eye(3)
    mapped, of_map = timed(lambda: core.density_map(positions, cell, 0.25))
    sites, of_sites = timed(lambda: core.find_sites(mapped))
    jumps, of_jumps = timed(lambda: core.site_jumps(positions, sites, 0.1))
    found, of_maxima = timed(lambda: maxima(mapped.density))
    places = (found + 0.5) / mapped.density.shape @ cell
    crossings, of_nearest = timed(lambda: nearest(positions, places, SPACING * edge))
    print(f"{platform.processor() or platform.machine()}, {time.strftime('%Y-%m-%d')}; {asked.ions} ions on {edge**3} "
          f"sites, {asked.frames} frames, {true} jumps, {mapped.density.size} voxels\n")  # fmt: skip
    print("| | sites | jumps | CPU s |\n|---|---|---|---|")
    print(f"| naglass density_map | | | {of_map:.2f} |")
    print(f"| naglass find_sites | {len(sites)} | | {of_sites:.2f} |")
    print(f"| scipy gaussian_filter, maximum_filter | {len(places)} | | {of_maxima:.2f} |")
    print(f"| naglass site_jumps | | {len(jumps)} | {of_jumps:.2f} |")
    print(f"| scipy cKDTree, nearest site | | {crossings} | {of_nearest:.2f} |")


if __name__ == "__main__":
    main()
