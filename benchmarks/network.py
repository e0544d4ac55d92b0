"""Free spheres, clusters and Steinhardt's q6 compared with Zeo++, SciPy and freud, one process each on one core.

    OMP_NUM_THREADS=1 python benchmarks/network.py

Other programs: ``pip install pyzeo freud-analysis scipy``; missing ones are skipped. Times are CPU seconds, the
shortest of three runs.
"""

import datetime
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

from naglass_drv import core

DATA = Path(__file__).parents[1] / "tests" / "data"
RADII = {"Si": 0.26, "O": 1.36, "P": 0.17, "V": 0.64}


def cpu(action: Callable, runs: int = 3) -> tuple[float, object]:
    """Shortest CPU time (s) of several runs, and the result of the last one."""
    times, result = [], None
    for _ in range(runs):
        start = time.process_time()
        result = action()
        times.append(time.process_time() - start)
    return min(times), result


def zeo_radius(atoms: Atoms) -> Callable:
    """Zeo++'s largest free sphere (Å, radius) over all directions."""
    from pyzeo.netstorage import AtomNetwork

    folder = Path(tempfile.mkdtemp())
    plain = Atoms(atoms.get_chemical_symbols(), atoms.get_positions(), cell=atoms.cell, pbc=True)
    ase.io.write(folder / "a.cif", plain)
    (folder / "a.rad").write_text("".join(f"{symbol} {radius}\n" for symbol, radius in RADII.items()))

    def measure() -> float:
        network = AtomNetwork.read_from_CIF(str(folder / "a.cif"), rad_file=str(folder / "a.rad"))
        network.calculate_free_sphere_parameters(str(folder / "a.res"))
        return float((folder / "a.res").read_text().split()[2]) / 2

    return measure


def free_spheres(atoms: Atoms, name: str) -> list[tuple]:
    """Rows of the table; `atoms` excludes the mobile ones."""
    rows = []
    for spacing in (0.25, 0.1):
        seconds, found = cpu(lambda: core.bottleneck_radius(atoms, RADII, ignore=(), spacing=spacing), 1)
        value = f"{np.nanmax(found.radius.by_dimension):.3f} ± {found.error:.3f}"
        rows.append((f"free sphere radius, {name}", f"naglass, {spacing} Å", seconds, value))
    try:
        seconds, radius = cpu(zeo_radius(atoms), 1)
    except ImportError:
        return rows
    return [*rows, (f"free sphere radius, {name}", "Zeo++", seconds, f"{radius:.3f}")]


def components(atoms: Atoms, name: str) -> list[tuple]:
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    graph = core.bond_graph(atoms, {("Si", "O"): 2.2})
    seconds, found = cpu(lambda: core.clusters(graph))
    matrix = csr_matrix((np.ones(len(graph.targets)), graph.targets, graph.offsets), shape=(len(graph),) * 2)
    peer, (count, _) = cpu(lambda: connected_components(matrix))
    return [
        (f"clusters, {name}", "naglass, with dimensions", seconds, f"{len(found.sizes)}"),
        (f"clusters, {name}", "SciPy, without", peer, f"{count}"),
    ]


def steinhardt(atoms: Atoms, name: str) -> list[tuple]:
    oxygens = atoms[np.array(atoms.get_chemical_symbols()) == "O"]
    seconds, found = cpu(lambda: core.steinhardt(oxygens, 3.2, l=[6], centers="O", neighbors="O"))
    rows = [(f"q6 of O, {name}", "naglass, with bonds", seconds, f"{np.nanmean(found.q):.6f}")]
    try:
        import freud
    except ImportError:
        return rows

    box = freud.box.Box.from_matrix(oxygens.cell.array.T)
    places = box.wrap(oxygens.positions)

    def peer() -> np.ndarray:
        query = freud.locality.AABBQuery(box, places)
        near = query.query(places, {"r_max": 3.2, "exclude_ii": True}).toNeighborList()
        return freud.order.Steinhardt(l=6).compute((box, places), neighbors=near).particle_order

    seconds, values = cpu(peer)
    return [*rows, (f"q6 of O, {name}", "freud", seconds, f"{np.nanmean(values):.6f}")]


def main() -> None:
    glass = ase.io.read(DATA / "glasses" / "NS3_3k.xyz.gz")
    glass = glass[np.array(glass.get_chemical_symbols()) != "Na"]
    nvp = ase.io.read(DATA / "crystals" / "NVP_R-3c_Na3_ewald_ordered.cif")
    nvp = nvp[np.array(nvp.get_chemical_symbols()) != "Na"]
    large = glass.repeat(2)
    rows = [
        *free_spheres(nvp, "Na3V2(PO4)3, 102 atoms"),
        *free_spheres(glass, f"silicate glass, {len(glass)} atoms"),
        *components(large, f"{len(large)} atoms"),
        *steinhardt(large, f"{len(large)} atoms"),
    ]
    print(f"{datetime.date.today()}, {platform.processor() or platform.machine()}, one core\n")
    print("| what | program | CPU s | result |\n|---|---|---:|---:|")
    for what, program, seconds, value in rows:
        print(f"| {what} | {program} | {seconds:.3f} | {value} |")


if __name__ == "__main__":
    main()
