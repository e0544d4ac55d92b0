"""Displacement correlations and pair functions compared with plain numpy and, if installed, freud, in one process.

    PYTHONPATH=python python benchmarks/transport.py [--frames 2000]

Prints markdown tables with machine and date. Not a test: no timing passes or fails.
"""

import argparse
import os
import platform
import resource
import time

import numpy as np

from naglass_drv import core


def measured(action):
    """Result, CPU seconds (all threads) and increase in peak memory (MB)."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    result = action()
    spent = time.process_time() - start
    return result, spent, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def walk(frames: int, atoms: int) -> np.ndarray:
    steps = np.random.default_rng(1).normal(size=(frames, atoms, 3)) * 0.1
    return np.cumsum(steps, axis=0, out=steps)


def numpy_fft(positions: np.ndarray) -> np.ndarray:
    """MSD at every lag, all origins, by FFT in float64 (Calandrini 2011)."""
    frames = len(positions)
    total = np.zeros(frames)
    for atom in np.moveaxis(positions, 1, 0):
        centered = atom - atom.mean(axis=0)
        spectrum = np.fft.rfft(centered, 2 * frames, axis=0)
        product = np.fft.irfft((np.abs(spectrum) ** 2).sum(axis=1), 2 * frames)[:frames]
        padded = np.concatenate([[0.0], np.cumsum((centered**2).sum(axis=1))])
        lags = np.arange(frames)
        both = padded[frames - lags] + padded[frames] - padded[lags]
        total += (both - 2 * product) / (frames - lags)
    return total / positions.shape[1]


def numpy_direct(positions: np.ndarray, lags: np.ndarray) -> np.ndarray:
    return np.array([((positions[lag:] - positions[:-lag]) ** 2).sum(axis=2).mean() for lag in lags])


def displacements(frames: int, sizes: list[int]) -> list[tuple]:
    rows = []
    for atoms in sizes:
        positions = walk(frames, atoms)
        ours, spent, memory = measured(lambda: core.Correlator(["Na"] * atoms, 1.0))
        _, spent, memory = measured(lambda: [ours.add(frame) for frame in positions])
        result = ours.result()
        rows.append((f"naglass MSD, α₂, χ₄, H_R, {len(result.lags)} lags", atoms, spent, memory, 0.0))
        _hist, spent, memory = measured(lambda: core.van_hove(positions, 8.0, 0.1, times=1.0))
        rows.append(("naglass the same and van Hove", atoms, spent, memory, 0.0))
        for name, action in peers(positions, result.lags):
            value, spent, memory = measured(action)
            first = value[0] if len(value) == len(result.lags) else value[1]
            rows.append((name, atoms, spent, memory, abs(first / result.msd["Na"].value[0] - 1)))
    return rows


def peers(positions: np.ndarray, lags: np.ndarray):
    yield "numpy FFT, MSD, all lags", lambda: numpy_fft(positions)
    yield f"numpy direct, MSD, {len(lags)} lags", lambda: numpy_direct(positions, lags)
    try:
        import freud
    except ImportError:
        return
    window = freud.msd.MSD(mode="window")
    yield f"freud {freud.__version__} window, MSD, all lags", lambda: window.compute(positions).msd


def pair_functions(sizes: list[int]) -> list[tuple]:
    rows = []
    for atoms in sizes:
        edge = (atoms / 0.075) ** (1 / 3)
        positions = np.random.default_rng(2).random((atoms, 3)) * edge
        kind = np.zeros(atoms, dtype=int)
        counts, spent, memory = measured(lambda: core.pairs.pair_counts(positions, kind, np.eye(3) * edge, 8.0, 160))
        rows.append(("naglass g(r) to 8 Å", atoms, spent, memory, 0.0))
        try:
            import freud
        except ImportError:
            continue
        box = freud.box.Box.cube(edge)
        rdf = freud.density.RDF(160, 8.0)
        _, spent, memory = measured(lambda: rdf.compute((box, positions - edge / 2)))
        difference = abs(rdf.bin_counts.sum() / counts.sum() - 1)
        rows.append((f"freud {freud.__version__} g(r) to 8 Å", atoms, spent, memory, difference))
    return rows


def table(title: str, rows: list[tuple]) -> None:
    print(f"\n{title}\n\n| | atoms | CPU s | increase in peak memory, MB | difference |\n|---|---|---|---|---|")
    for name, atoms, spent, memory, difference in rows:
        print(f"| {name} | {atoms} | {spent:.2f} | {memory:.0f} | {difference:.0e} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--atoms", type=int, nargs="+", default=[300, 3000])
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {time.strftime('%Y-%m-%d')}, "
        f"numpy {np.__version__}"
    )
    table(
        f"Displacements, {options.frames} frames (difference: of the MSD at lag 1)",
        displacements(options.frames, options.atoms),
    )
    table("Pair functions, one frame (difference: of the number of pairs)", pair_functions([3000, 24000]))
