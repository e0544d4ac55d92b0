"""Bond fingerprints compared with plain numpy and, if installed, pymatgen's BVAnalyzer: one process, CPU seconds.

    PYTHONPATH=python python benchmarks/fingerprint.py [--repeat 1 4 8]

Prints a markdown table with machine and date. Not a test: no timing passes or fails. naglass computes all columns,
the other programs only the bond-valence sum, at the same neighbor range.
"""

import argparse
import datetime
import os
import platform
import resource
import time
from pathlib import Path

import ase.io
import numpy as np
from ase.neighborlist import neighbor_list

from naglass_drv import core

CRYSTAL = Path(__file__).parents[1] / "tests/data/crystals/NVP_R-3c_Na3_ewald_ordered.cif"
REACH = 3.2  # Å


def measured(action):
    """Result, CPU seconds (all threads) and increase in peak memory (MB)."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    result = action()
    spent = time.process_time() - start
    return result, spent, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def glassy(n: int):
    """Na3V2(PO4)3 repeated n times along each axis and rattled, with moments."""
    atoms = ase.io.read(CRYSTAL).repeat(n)
    atoms.rattle(0.08, seed=n)
    return atoms, np.random.default_rng(n).uniform(-2, 2, len(atoms))


def ase_sums(atoms) -> np.ndarray:
    i, d = neighbor_list("id", atoms, {("V", "O"): REACH})
    sums = np.bincount(i, np.exp((1.788 - d) / 0.32), minlength=len(atoms))
    return sums[np.array(atoms.get_chemical_symbols()) == "V"]


def pymatgen_sums(atoms) -> np.ndarray:
    """O'Keeffe–Brese sums as BVAnalyzer forms them, over all anions within the range."""
    from pymatgen.analysis.bond_valence import calculate_bv_sum
    from pymatgen.io.ase import AseAtomsAdaptor

    structure = AseAtomsAdaptor.get_structure(atoms)
    sites = [site for site in structure if site.specie.symbol == "V"]
    return np.array([calculate_bv_sum(site, structure.get_neighbors(site, REACH)) for site in sites])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--largest-pymatgen", type=int, default=10000, help="atoms")
    arguments = parser.parse_args()
    rows = []
    for n in arguments.repeat:
        atoms, spins = glassy(n)
        ours, spent, memory = measured(lambda: core.fingerprint(atoms, spins=spins))
        rows.append(("naglass fingerprint, all columns", len(atoms), spent, memory, spent))
        numbers, seconds, memory = measured(lambda: ase_sums(atoms))
        assert np.allclose(numbers, ours.bond_valence)
        rows.append(("ASE neighbor list and numpy, sum only", len(atoms), seconds, memory, spent))
        if len(atoms) <= arguments.largest_pymatgen:
            try:
                _, seconds, memory = measured(lambda: pymatgen_sums(atoms))
                rows.append(("pymatgen calculate_bv_sum, sum only", len(atoms), seconds, memory, spent))
            except ImportError:
                pass
        cutoffs = {("V", "O"): 2.5, ("P", "O"): 2.0, ("Na", "O"): 3.1}
        _, seconds, memory = measured(lambda: core.spin_topology(core.bond_graph(atoms, cutoffs), states=ours))
        rows.append(("naglass graph and spin topology", len(atoms), seconds, memory, spent))
    moments = np.random.default_rng(0).normal(1.0, 0.3, size=(5000, 200))
    _, seconds, memory = measured(lambda: core.polaron_hops(moments))
    rows.append(("naglass polaron hops, 5000 frames", moments.shape[1], seconds, memory, float("nan")))
    _, seconds, memory = measured(lambda: core.moment_autocorrelation(moments, 500))
    rows.append(("naglass autocorrelation, 5000 frames, 500 lags", moments.shape[1], seconds, memory, float("nan")))

    load = os.getloadavg()[0]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores (load {load:.1f}), "
          f"Python {platform.python_version()}, {datetime.date.today()}\n")  # fmt: skip
    print("| | atoms or centers | CPU s | of fingerprint | peak memory +MB |\n|---|---|---|---|---|")
    for name, atoms, seconds, memory, reference in rows:
        ratio = "–" if np.isnan(reference) else f"{seconds / reference:.2f}"
        print(f"| {name} | {atoms} | {seconds:.4f} | {ratio} | {memory:.0f} |")


if __name__ == "__main__":
    main()
