"""Hop detection: CPU time per atom and sample, naglass compared with other installable programs.

    python benchmarks/hops.py [--atoms 3000 200000] [--samples 100]

naglass and plain numpy process the same stream: ions that rattle on the sites of a cubic lattice and hop between
them. GEMDAT and site-analysis, if installed, process the same frames with fewer ions; both assign ions to given
sites instead.
"""

import argparse
import datetime
import os
import platform
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import itertools

import numpy as np

from naglass_drv import core

WINDOW = 10
SPACING, EDGE = 3.2, 10  # of the sites, Å; site columns of the peers' small box
PEER_SAMPLES = 60


def stream(atoms: int, samples: int, hop_rate: float, seed: int = 1) -> list[np.ndarray]:
    """Unwrapped positions (N, 3) per sample: rattling of 0.3 Å per axis, hops to one of six neighbors."""
    random = np.random.default_rng(seed)
    edge = int(np.ceil(atoms ** (1 / 3)))
    site = np.stack(np.unravel_index(np.arange(atoms), (edge, edge, edge)), axis=1)
    moves = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
    frames = []
    for _ in range(samples):
        hopping = random.random(atoms) < hop_rate
        site[hopping] += moves[random.integers(0, 6, hopping.sum())]
        frames.append(SPACING * site + random.normal(0, 0.3, site.shape))
    return frames


def ours(frames) -> tuple[float, int]:
    """CPU time per atom and sample once the window is full (ns), and the hops."""
    detector = core.HopDetector(WINDOW)
    for frame in frames[: 2 * WINDOW]:
        detector.add(frame)
    start = time.process_time()
    for frame in frames[2 * WINDOW :]:
        detector.add(frame)
    spent = time.process_time() - start
    return spent / (len(frames) - 2 * WINDOW) / len(frames[0]) * 1e9, len(detector.finish())


def plain_numpy(frames) -> tuple[float, int]:
    """p_hop from sums over sliding half-windows, block by block of atoms, and its local maxima above the threshold."""
    r = np.array(frames)
    start = time.process_time()
    hops = 0
    for block in np.array_split(r, max(1, r.shape[1] // 1000), axis=1):
        sums = np.cumsum(np.concatenate([0 * block[:1], block]), axis=0)
        squares = np.cumsum(np.concatenate([0 * block[:1, :, 0], (block**2).sum(axis=2)]), axis=0)
        mean = (sums[WINDOW:] - sums[:-WINDOW]) / WINDOW
        square = (squares[WINDOW:] - squares[:-WINDOW]) / WINDOW
        a, b, qa, qb = mean[:-WINDOW], mean[WINDOW:], square[:-WINDOW], square[WINDOW:]
        ab = 2 * (a * b).sum(axis=2)
        p = np.sqrt((qa - ab + (b**2).sum(axis=2)) * (qb - ab + (a**2).sum(axis=2)))
        top = (p[1:-1] > 1.0) & (p[1:-1] > p[:-2]) & (p[1:-1] >= p[2:])
        hops += int(top.sum())
    return (time.process_time() - start) / r.shape[0] / r.shape[1] * 1e9, hops


def small_box(samples: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Fractions of the ions per frame, of the sites, and the edge (Å)."""
    frames = np.array(stream(EDGE**3 // 2, samples, 0.002))
    length = SPACING * EDGE
    sites = np.stack(np.unravel_index(np.arange(EDGE**3), (EDGE,) * 3), axis=1) / EDGE
    return (frames / length) % 1.0, sites, length


def gemdat() -> tuple[float, int]:
    import gemdat
    from pymatgen.core import Element, Lattice, Structure

    fractions, sites, length = small_box(PEER_SAMPLES)
    lattice = Lattice.cubic(length)
    trajectory = gemdat.Trajectory(
        species=[Element("Na")] * fractions.shape[1],
        coords=fractions,
        lattice=lattice,
        time_step=1e-13,
        metadata={"temperature": 600},
    )
    structure = Structure(lattice, ["Na"] * len(sites), sites, labels=["site"] * len(sites))
    start = time.process_time()
    transitions = trajectory.transitions_between_sites(structure, floating_specie="Na", site_radius=1.2)
    jumps = transitions.jumps()
    spent = time.process_time() - start
    return spent / fractions.shape[0] / fractions.shape[1] * 1e9, len(jumps.data)


def site_analysis() -> tuple[float, int]:
    from pymatgen.core import Lattice, Structure
    from site_analysis.atom import Atom
    from site_analysis.spherical_site import SphericalSite
    from site_analysis.trajectory import Trajectory

    fractions, sites, length = small_box(PEER_SAMPLES)
    lattice = Lattice.cubic(length)
    structures = [Structure(lattice, ["Na"] * len(f), f) for f in fractions]
    spheres = [SphericalSite(frac_coords=s, rcut=1.2) for s in sites]
    trajectory = Trajectory(sites=spheres, atoms=[Atom(index=i) for i in range(fractions.shape[1])])
    start = time.process_time()
    for k, structure in enumerate(structures):
        trajectory.append_timestep(structure, t=k)
    spent = time.process_time() - start
    visits = [[s for s in atom.trajectory if s is not None] for atom in trajectory.atoms]
    jumps = sum(a != b for visit in visits for a, b in itertools.pairwise(visit))
    return spent / fractions.shape[0] / fractions.shape[1] * 1e9, jumps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--atoms", type=int, nargs="+", default=[3000, 200_000])
    parser.add_argument("--samples", type=int, default=100)
    options = parser.parse_args()

    load = os.getloadavg()[0]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}"
    print(f"{datetime.date.today()}, {machine}, numpy {np.__version__}\n")
    print("| code | ions | samples | ns CPU per ion and sample | hops |\n|---|---|---|---|---|")
    for atoms in options.atoms:
        frames = stream(atoms, options.samples, 0.002)
        for name, code in (("naglass", ours), ("numpy p_hop", plain_numpy)):
            cost, hops = code(frames)
            print(f"| {name} | {atoms} | {options.samples} | {cost:.1f} | {hops} |", flush=True)
    for name, code in (("GEMDAT", gemdat), ("site-analysis", site_analysis)):
        try:
            cost, jumps = code()
        except ImportError as error:
            print(f"| {name} | – | – | not installed ({error.name}) | – |")
            continue
        print(f"| {name} | {EDGE**3 // 2} | {PEER_SAMPLES} | {cost:.0f} | {jumps} |", flush=True)


if __name__ == "__main__":
    main()
