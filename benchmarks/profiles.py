"""Profiles about surfaces: CPU time of offline profiles, of the similarity that finds the surfaces, and added to MD.

    PYTHONPATH=python python benchmarks/profiles.py [--frames 100] [--centers 100000] [--steps 200]

Offline: 9600 atoms of NASICON, of which half are displaced at random; counts of four elements, mass and three values
per atom, about surfaces that are fitted in each frame, to a given order parameter or to similarity. Similarity:
environments like those of V in NASICON, four references of 6 O and 6 P. On the fly: CPU time that sampling in each step
adds to MD with a pair potential, and its share of a step of a machine-learned potential of 50 µs per atom
(`--potential`) when every tenth step is sampled.
"""

import argparse
import datetime
import os
import platform
import resource
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import ase.io
import numpy as np
from ase.io.lammpsdata import write_lammps_data
from on_the_fly import GLASS, SCRIPT, loop_seconds

from naglass_drv import _core, core

EVERY = 10
NASICON = GLASS.parents[1] / "crystals" / "NVP_R-3c_Na3_ewald_ordered.cif"
DEFINED = """
variable s atom 1.0/(1.0+exp((abs(z-0.5*lz)-0.25*lz)/2.0))
compute n all naglass/qn/atom elements Na Si O former Si metal Na oxygen O cutoff Si O 2.2 cutoff Na O 3.0
"""
PROFILE = "fix p all naglass/profile 1 elements Na Si O surface v_s Si value v_s O {more} file p.txt"
CASES = {
    "profile about surfaces": DEFINED + PROFILE.format(more=""),
    "profile about surfaces, and Qn by layer": DEFINED + PROFILE.format(more="value c_n[1] Si"),
}


def offline(atoms, frames: int) -> tuple[float, float]:
    """CPU seconds with a given order parameter, and with the similarity of each frame to NASICON."""
    rng = np.random.default_rng(1)
    reference = core.environments(ase.io.read(NASICON), "V", ("O", "P"), 3.8)
    others = {name: rng.normal(size=len(atoms)) for name in ("n", "m", "k")}
    middle = np.abs(atoms.get_scaled_positions()[:, 2] - 0.5) < 0.25
    start = atoms.copy()
    start.positions[~middle] += rng.normal(scale=0.4, size=(np.count_nonzero(~middle), 3))
    given = np.where(start.symbols == "V", middle.astype(float), np.nan)
    spent = []
    for by_similarity in (False, True):
        profiler, cpu = core.Profiler(width=1.0), 0.0
        for _ in range(frames):
            moved = start.copy()
            moved.positions += rng.normal(scale=0.05, size=moved.positions.shape)
            begin = time.process_time()
            order = core.crystal_similarity(moved, reference) if by_similarity else given
            profiler.add(moved, others, order=order)
            cpu += time.process_time() - begin
        begin = time.process_time()
        assert profiler.result().samples == frames
        spent.append(cpu + time.process_time() - begin)
    return spent[0], spent[1]


def similarity(centers: int) -> tuple[float, float]:
    """CPU seconds, and neighbors per center."""
    rng = np.random.default_rng(2)
    cell = ase.io.read(NASICON) * (2, 2, 1)
    reference = core.environments(cell, "V", ("O", "P"), 3.8)
    options = _core.SimilarityOptions()
    around = core.environments(cell, "V", ("O", "P"), _core.similarity_cutoff(reference.compiled, options))
    known = [environment.arrays() for environment in around.compiled]
    chosen = rng.integers(0, len(known), centers)
    types = np.concatenate([known[k][0] for k in chosen])
    vectors = np.concatenate([known[k][1] for k in chosen])
    vectors += rng.normal(scale=0.1, size=vectors.shape)
    offsets = np.concatenate([[0], np.cumsum([len(known[k][0]) for k in chosen])])
    start = time.process_time()
    found = _core.crystal_similarity(offsets, types, vectors, reference.compiled, options)
    spent = time.process_time() - start
    assert 0.8 < found.mean() < 1
    return spent, len(types) / centers


def md_seconds(folder: Path, observables: str, steps: int) -> float:
    """CPU seconds of a run, the best of three."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        loop_seconds(folder, SCRIPT.format(observables=observables, steps=steps))
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before

    return min(once() for _ in range(3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--centers", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--potential", type=float, default=50.0, help="µs per atom and step of an MLIP")
    chosen = parser.parse_args()
    glass = ase.io.read(GLASS)
    glass = (glass * (2, 2, 1))[: 4 * len(glass)]
    print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
          f"{len(glass)} atoms\n")  # fmt: skip
    print("| what | CPU time | |\n|---|---:|---|")
    crystal = ase.io.read(NASICON) * (4, 4, 5)
    for what, spent in zip(("order given", "order by similarity"), offline(crystal, chosen.frames), strict=True):
        per_frame = 1e3 * spent / chosen.frames / len(crystal) * 1e4
        print(f"| offline profile, {what} | {per_frame:.1f} ms | per frame of 10⁴ atoms; {per_frame:.1f} s per 10³ |")
    spent, near = similarity(chosen.centers)
    print(f"| similarity | {1e6 * spent / chosen.centers:.2f} µs | per center with {near:.0f} neighbors; "
          f"{1e5 * spent / chosen.centers:.2f} s per 10⁵ |", flush=True)  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_lammps_data(folder / "glass.data", glass, specorder=["Na", "Si", "O"], masses=True, atom_style="charge")
        bare = md_seconds(folder, "", chosen.steps)
        print(f"| MD with a pair potential | {1e3 * bare / chosen.steps:.1f} ms | per step |", flush=True)
        for case, observables in CASES.items():
            added = (md_seconds(folder, observables, chosen.steps) - bare) / chosen.steps
            share = 100 * added / EVERY / (1e-6 * chosen.potential * len(glass))
            print(f"| {case} | {1e3 * added:+.1f} ms | per sample; every {EVERY} steps {share:.2f} % of an MLIP step "
                  f"of {chosen.potential:g} µs per atom |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
