"""Rings in silica compared with OVITO and matscipy, if installed: full graph, Si-O < 2.2 Å, rings of up to 16 atoms.

    PYTHONPATH=python python benchmarks/rings.py [--largest 192000]

Each code runs in a separate process on the same bonds; the counts are compared. Prints a markdown table with machine
and date. Not a test: no timing passes or fails.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import ase.io

SILICA = Path(__file__).parents[1] / "tests" / "data" / "glasses" / "SiO2_3k.xyz.gz"
CUTOFF = 2.2
LARGEST = 16
KINDS = {
    "primitive": {},
    "primitive, 2 threads": {"threads": 2},
    "primitive, with members": {"members": True},
    "primitive, formers (tt)": {"graph_kind": "tt", "former": "Si", "max_size": LARGEST // 2},
    "king": {"criterion": "king"},
    "guttman": {"criterion": "guttman"},
    "strong": {"criterion": "strong"},
}
PEERS = ("ovito", "matscipy")


def silica(atoms: int):
    """The 3000-atom glass, replicated."""
    times = round((atoms / 3000) ** (1 / 3))
    return ase.io.read(SILICA) * (times, times, times)


def by_size(counts) -> dict[int, int]:
    return {int(size): int(n) for size, n in enumerate(counts) if n}


def naglass(atoms, kind: str):
    from naglass_drv import core

    graph = core.bond_graph(atoms, {("Si", "O"): CUTOFF})
    options = {"max_size": LARGEST, "threads": 1} | KINDS[kind]
    return lambda: by_size(core.rings(graph, **options).counts)


def ovito(atoms):
    os.environ["OVITO_THREAD_COUNT"] = "1"
    from ovito.io.ase import ase_to_ovito
    from ovito.modifiers import CreateBondsModifier, FindRingsModifier

    data = ase_to_ovito(atoms)
    bonds = CreateBondsModifier(mode=CreateBondsModifier.Mode.Pairwise)
    bonds.set_pairwise_cutoff("Si", "O", CUTOFF)
    data.apply(bonds)

    def find():
        data.apply(FindRingsModifier(minimum_ring_size=3, maximum_ring_size=LARGEST))
        return {int(size): int(n) for size, n in data.tables["ring-size-histogram"].xy() if n}

    return find


def matscipy(atoms):
    from matscipy.ffi import distances_on_graph, find_sp_rings
    from matscipy.neighbors import neighbor_list

    i, j, r = neighbor_list("ijD", atoms, {("Si", "O"): CUTOFF})
    return lambda: by_size(find_sp_rings(i, j, r, distances_on_graph(i, j), LARGEST))


def measure(code: str, atoms: int) -> dict:
    """CPU and wall seconds of the search (excluding the bonds), memory growth of the process (MB), and the counts."""
    action = {"ovito": ovito, "matscipy": matscipy}.get(code, lambda a: naglass(a, code))(silica(atoms))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu, wall = time.process_time(), time.perf_counter()
    counts = action()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"cpu": cpu, "wall": wall, "memory": growth, "counts": counts}


def in_own_process(code: str, atoms: int) -> dict | None:
    command = [sys.executable, __file__, "--one", code, str(atoms)]
    done = subprocess.run(command, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def peers_here() -> dict[str, str]:
    versions = {}
    for peer in PEERS:
        try:
            versions[peer] = importlib.metadata.version(peer)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--largest", type=int, default=192_000)
    parser.add_argument("--one", nargs=2, metavar=("CODE", "ATOMS"))
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(measure(chosen.one[0], int(chosen.one[1]))))
        return

    versions = peers_here()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}, {time.strftime('%Y-%m-%d')}; {versions}\n")
    print("| code | atoms | CPU s | wall s | memory MB | primitive counts agree |\n|---|---|---|---|---|---|")
    for atoms in (n for n in (3000, 24_000, 192_000) if n <= chosen.largest):
        reference = None
        for code in [*KINDS, *versions]:
            result = None if code == "matscipy" and atoms > 24_000 else in_own_process(code, atoms)
            name = f"{code} {versions[code]}" if code in versions else f"naglass {code}"
            if result is None:
                print(f"| {name} | {atoms} | did not finish, or needs O(N²) memory | | | |", flush=True)
                continue
            reference = reference or result["counts"]
            same = {True: "yes", False: f"no: {result['counts']}"}[result["counts"] == reference]
            agrees = same if code in versions or (code.startswith("primitive,") and "tt" not in code) else ""
            numbers = f"{result['cpu']:.3f} | {result['wall']:.3f} | {result['memory']:.0f}"
            print(f"| {name} | {atoms} | {numbers} | {agrees} |", flush=True)


if __name__ == "__main__":
    main()
