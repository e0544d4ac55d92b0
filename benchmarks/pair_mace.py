"""pair_style mace beside symmetrix-xl, libtorch and mace-torch's ASE calculator: CPU time per step, and memory.

    PYTHONPATH=python python benchmarks/pair_mace.py [PEERS_PYTHON] [--quick] [--atoms 104 832 6656] [--models 64x0e]

PEERS_PYTHON is the interpreter of the environment with symmetrix-xl (requirements-bench.txt), which is taken in its
best mode. Models with random weights (2 layers, first RealAgnosticInteractionBlock, r_max 5 Å, l_max 3, correlation 3,
radial MLP 64-64-64) on a random packing of O, Na, P, V at 14 Å³ per atom. Atoms move in straight lines at 1000 K in
steps of 1 fs, so edges come and go. Each row is a separate process with one thread, or two ranks; CPU time is the
shortest of three series of steps, summed over the ranks. Efficiency is the time of one rank, with another run beside
it, divided by the sum over two ranks.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ase.io import write

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
MODELS = ("64x0e", "64x0e+64x1o")
# mace-torch uses several MB per atom for the larger model in double precision
TORCH_ATOMS = 1000
MODES = (
    {"use_kokkos": False, "streamed_edges": "materialized"},
    {"streamed_edges": "direct", "execution_profile": "speed"},
    {"streamed_edges": "materialized"},
)
BLOCK = "RealAgnosticInteractionBlock"


def run_worker(folder: Path, kind: str, case: dict, python: str = sys.executable, ranks: int = 0) -> dict | None:
    """What a worker found; None where it failed and that is a peer's matter."""
    from support.lammps_runs import PREFIX, environment

    launch = [str(PREFIX / "bin" / "mpirun"), "-n", str(ranks)] if ranks else []
    command = [*launch, python, str(HERE / "mace_workers.py"), kind, json.dumps(case)]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        if kind == "symmetrix":
            return None
        raise SystemExit(f"{kind} {case}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def prepare(folder: Path, models: list[str], peers: str | None) -> dict[str, dict[str, float]]:
    """Writes the models; returns the operations of each, per atom and per edge."""
    from naglass_drv.engines.mace.export import export_module
    from naglass_drv.engines.mace.modelfile import default_dtype, save_portable
    from support.mace_models import build_model

    work = {}
    for name in models:
        with default_dtype("float64"):
            model = build_model(name, r_max=5.0, max_ell=3, correlation=3, radial_MLP=(64, 64, 64), first=BLOCK)
            save_portable(model, folder / f"{name}.mace")
            export_module(model, folder / f"{name}.naglass")
            export_module(model, folder / f"{name}-torch.naglass", with_torch=True)
            work[name] = operations(model)
        if peers:
            search = subprocess.run(
                [peers, "-c", "import sys; print('\\n'.join(p for p in sys.path if 'packages' in p))"],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            run_worker(folder, "extract", {"model": str(folder / name), "path": search.stdout.split()})
    return work


def operations(model) -> dict[str, float]:
    """Floating-point operations of energy and forces, per edge and per atom, of what cannot be left out.

    Radial weights as polynomials of 10 terms and their slopes, convolution, linear maps, monomials, and their adjoints.
    """
    from naglass_drv.engines.mace.native import describe

    for parameter in model.parameters():
        parameter.requires_grad_(False)
    document, arrays = describe(model, head=0, scale=1.0)
    shapes = {row["name"]: row["shape"] for row in arrays.table}
    edge = atom = 0.0
    for number, layer in enumerate(document["layers"]):
        for _, in_dim, channels, _, out_dim, _ in _rows(arrays, layer["paths"]):
            pairs = in_dim * out_dim
            edge += channels * (2 * 10 * 2 + 2 * pairs + 4 * pairs + (2 * in_dim if number else 0))
        maps = [layer["mix"]["map"], layer["out"]] + ([layer["up"], layer["skip"]] if number else [])
        for own in maps:
            if own is not None:
                atom += 4 * sum(mul * out_mul * dim for _, mul, _, out_mul, dim in own["blocks"])
        _, terms, channels = shapes[layer["product"]["coefficients"]]
        atom += channels * terms * 10
    return {"edge": edge, "atom": atom}


def _rows(arrays, name: str) -> list[list[int]]:
    import numpy as np

    place = next(k for k, row in enumerate(arrays.table) if row["name"] == name)
    return np.frombuffer(arrays.chunks[place], "<i8").reshape(arrays.table[place]["shape"]).tolist()


def write_structures(folder: Path, counts: list[int]) -> dict[int, float]:
    """Files of all sizes; returns the edges per atom."""
    from support.lammps_runs import write_data
    from support.mace_models import ELEMENTS, packing

    edges = {}
    for count in counts:
        times = round((count / 104) ** (1 / 3))
        atoms = packing(104, 14.0) * (times, times, times)
        write(folder / f"{len(atoms)}.extxyz", atoms)
        write_data(folder / f"{len(atoms)}.data", atoms, ELEMENTS)
        edges[len(atoms)] = 4 / 3 * 3.14159265 * 5.0**3 / 14.0
    return edges


def best_of_symmetrix(folder: Path, case: dict, python: str) -> dict | None:
    found = [out for mode in MODES if (out := run_worker(folder, "symmetrix", case | {"mode": mode}, python))]
    return min(found, key=lambda out: out["seconds"]) if found else None


def rows(folder: Path, chosen: argparse.Namespace, work: dict, edges: dict[int, float]) -> None:
    """Prints the table as it grows."""
    rate = run_worker(folder, "calibrate", {})
    print(f"Matrix product of numpy, one thread: {rate['float64'] / 1e9:.1f} and {rate['float32'] / 1e9:.1f} GFLOP/s\n")
    print("| model | dtype | atoms | program | CPU ms per step | to symmetrix-xl | share of the product's FLOP/s "
          "| MB per rank | kB per atom | ready s | efficiency |")  # fmt: skip
    print("|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    for model in chosen.models:
        for dtype in ("float64", "float32"):
            for atoms in chosen.atoms:
                case = {
                    "model": str(folder / model),
                    "dtype": dtype,
                    "data": str(folder / f"{atoms}.data"),
                    "structure": str(folder / f"{atoms}.extxyz"),
                    "steps": max(2, (1000 if chosen.quick else 6000) // atoms),
                }
                flops = (work[model]["atom"] + work[model]["edge"] * edges[atoms]) * atoms
                group(folder, chosen, case, atoms, flops / rate[dtype])


def side_by_side(folder: Path, case: dict) -> float:
    """CPU seconds per step of one rank while another run keeps the other core busy: what sharing a machine costs."""
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: run_worker(folder, "lammps", case, ranks=1), range(2)))
    return sum(found["seconds"] for found in both) / 2


def group(folder: Path, chosen: argparse.Namespace, case: dict, atoms: int, least: float) -> None:
    label = f"| {Path(case['model']).name} | {case['dtype']} | {atoms} |"
    peer = best_of_symmetrix(folder, case, chosen.peers) if chosen.peers else None
    if peer:
        print(f"{label} symmetrix-xl | {1e3 * peer['seconds']:.1f} | 1 | | {peer['peak']:.0f} | | | |", flush=True)
    if atoms <= TORCH_ATOMS:
        small = case | {"steps": max(2, case["steps"] // 10)}
        torch = run_worker(folder, "lammps", small | {"model": case["model"] + "-torch"}, ranks=1)
        ase = run_worker(folder, "ase", small)
        for name, found in (("ASE, eager", ase), ("libtorch backend", torch)):
            ratio = f"{found['seconds'] / peer['seconds']:.2f}" if peer else ""
            print(
                f"{label} {name} | {1e3 * found['seconds']:.1f} | {ratio} | | {found['peak']:.0f} | | | |", flush=True
            )
    for ranks in chosen.ranks:
        found = run_worker(folder, "lammps", case, ranks=ranks)
        seconds = found["seconds"]
        efficiency = f"{side_by_side(folder, case) / seconds:.2f}" if ranks > 1 else ""
        ratio = f"{seconds / peer['seconds']:.2f}" if peer else ""
        share = f"{100 * least / seconds:.0f} %"
        per_atom = f"{1000 * found['above'] / atoms * ranks:.1f}" if atoms > TORCH_ATOMS else ""
        print(f"{label} naglass, {ranks} rank{'s' * (ranks > 1)} | {1e3 * seconds:.1f} | {ratio} | {share} | "
              f"{found['peak']:.0f} | {per_atom} | {found['ready']:.2f} | {efficiency} |",
              flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("peers", nargs="?", help="interpreter of the environment with symmetrix-xl")
    parser.add_argument("--atoms", type=int, nargs="+", help="104 times a cube")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2], choices=[1, 2])
    parser.add_argument("--quick", action="store_true", help="104 and 832 atoms, a few steps")
    chosen = parser.parse_args()
    chosen.atoms = chosen.atoms or ([104, 832] if chosen.quick else [104, 832, 6656])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work = prepare(folder, chosen.models, chosen.peers)
        edges = write_structures(folder, chosen.atoms)
        load = os.getloadavg()[0]
        print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}\n")
        rows(folder, chosen, work, edges)


if __name__ == "__main__":
    main()
