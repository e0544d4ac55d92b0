"""pair_style mace beside symmetrix-xl, libtorch and mace-torch's ASE calculator: CPU time per step, and memory.

    PYTHONPATH=python python benchmarks/pair_mace.py [PEERS_PYTHON] [--quick] [--atoms 104 832 6656] [--models 64x0e]
    PYTHONPATH=python python benchmarks/pair_mace.py --heads 5
    PYTHONPATH=python python benchmarks/pair_mace.py --guard

PEERS_PYTHON is the interpreter of the environment with symmetrix-xl (requirements-bench.txt), which is taken in its
best mode. Models with random weights (2 layers, first RealAgnosticInteractionBlock, r_max 5 Å, l_max 3, correlation 3,
radial MLP 64-64-64) on a random packing of O, Na, P, V at 14 Å³ per atom. Atoms move in straight lines at 1000 K in
steps of 1 fs, so edges come and go. Each row is a separate process with one thread, two ranks, or one rank with two
threads; CPU time is the shortest of three series of steps, summed over the ranks. Efficiency is the time of one rank,
with another run beside it, divided by the sum over two ranks or threads. Shares are those of the floating-point rate of
numpy's matrix product and of the memory bandwidth of a copy, for the operations and the traffic that cannot be left
out. --heads prints what deviations of several read-out heads cost, --guard holds the first share against the least that
is expected and fails below it.
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
LEAST_SHARE = {"float64": 0.15, "float32": 0.15}


def run_worker(folder: Path, kind: str, case: dict, python: str = sys.executable, ranks: int = 0) -> dict | None:
    """What a worker found; None where it failed and that is a peer's matter."""
    from support.lammps_runs import PREFIX, environment

    launch = [str(PREFIX / "bin" / "mpirun"), "-n", str(ranks)] if ranks else []
    command = [*launch, python, str(HERE / "mace_workers.py"), kind, json.dumps(case)]
    threads = {"OMP_NUM_THREADS": str(case.get("threads", 1))}
    done = subprocess.run(
        command, cwd=folder, env=environment() | threads, capture_output=True, text=True, stdin=subprocess.DEVNULL
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
    """Floating-point operations of energy and forces and numbers moved, per edge and per atom, at the least.

    Radial weights as polynomials of 10 terms and their slopes, convolution, linear maps, monomials, and their adjoints.
    Numbers moved: vectors and their gradients once for each pass over the edges, features of nodes between passes.
    """
    from naglass_drv.engines.mace.heads import choose_heads
    from naglass_drv.engines.mace.native import describe

    for parameter in model.parameters():
        parameter.requires_grad_(False)
    document, arrays = describe(model, choose_heads(model, []))
    shapes = {row["name"]: row["shape"] for row in arrays.table}
    edge = atom = kept = 0.0
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
        widths = {part: sum(mul * dim for mul, dim in layer[f"{part}_irreps"]) for part in ("up", "feature", "node")}
        kept += 4 * widths["up"] + 2 * widths["feature"] + 4 * widths["node"]
    return {"edge": edge, "atom": atom, "edge_moved": 10 * len(document["layers"]) - 4, "atom_moved": kept}


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
    rate = calibrated(folder)
    print("| model | dtype | atoms | program | CPU ms per step | to symmetrix-xl | share of the product's FLOP/s "
          "| of the bandwidth | MB per rank | kB per atom | ready s | efficiency |")  # fmt: skip
    print("|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    for model in chosen.models:
        for dtype in chosen.dtypes:
            for atoms in chosen.atoms:
                case = case_of(folder, model, dtype, atoms, 1000 if chosen.quick else 6000)
                group(folder, chosen, case, atoms, least_seconds(work[model], edges[atoms], atoms, dtype, rate))


def calibrated(folder: Path) -> dict[str, float]:
    rate = run_worker(folder, "calibrate", {})
    print(f"Matrix product of numpy, one thread: {rate['float64'] / 1e9:.1f} and {rate['float32'] / 1e9:.1f} GFLOP/s; "
          f"copy: {rate['bytes'] / 1e9:.1f} GB/s\n")  # fmt: skip
    return rate


def case_of(folder: Path, model: str, dtype: str, atoms: int, atom_steps: int) -> dict:
    return {
        "model": str(folder / model),
        "dtype": dtype,
        "data": str(folder / f"{atoms}.data"),
        "structure": str(folder / f"{atoms}.extxyz"),
        "steps": max(2, atom_steps // atoms),
    }


def least_seconds(work: dict, edges: float, atoms: int, dtype: str, rate: dict) -> dict[str, float]:
    """What a step would take at the rate of the matrix product, and at that of the copy."""
    size = 8 if dtype == "float64" else 4
    moved = 8 * work["edge_moved"] * edges + size * work["atom_moved"]
    return {
        "flops": (work["atom"] + work["edge"] * edges) * atoms / rate[dtype],
        "bytes": moved * atoms / rate["bytes"],
    }


def guard(folder: Path, models: list[str], work: dict, edges: dict[int, float]) -> bool:
    """Whether one rank reaches the share of the matrix product's rate that is expected of it, at 832 atoms."""
    rate, good = calibrated(folder), True
    for model in models:
        for dtype, least in LEAST_SHARE.items():
            found = run_worker(folder, "lammps", case_of(folder, model, dtype, 832, 3000), ranks=1)
            share = least_seconds(work[model], edges[832], 832, dtype, rate)["flops"] / found["seconds"]
            good &= share >= least
            print(f"{model} {dtype}: {share:.2f} of the product's rate, at least {least} expected", flush=True)
    return good


def heads(folder: Path, count: int) -> None:
    """Cost of several heads in one archive, relative to one: the mean alone, and deviations on every step."""
    from naglass_drv.engines.mace.export import export_module
    from naglass_drv.engines.mace.modelfile import default_dtype
    from support.mace_models import build_model

    names = [f"h{k}" for k in range(count)]
    asks = {"the mean": "", "energies": "fix d all pair 1 mace energy_deviation 1"}
    asks["forces"] = asks["energies"].replace("energy_deviation", "deviation")
    limits = {"the mean": 1.05, "energies": 1.05, "forces": 1 + 0.5 * (count - 1)}
    print(f"| model | dtype | atoms | deviations of {count} heads on every step | to one head | at most |")
    print("|---|---|---:|---|---:|---:|", flush=True)
    for model in MODELS:
        with default_dtype("float64"):
            from e3nn import o3

            made = build_model(model, r_max=5.0, max_ell=3, correlation=3, radial_MLP=(64, 64, 64), first=BLOCK,
                               heads=names, MLP_irreps=o3.Irreps("16x0e"))  # fmt: skip
            export_module(made, folder / f"{model}.naglass", head=names[0])
            export_module(made, folder / f"{model}-heads.naglass", head=names)
        for dtype in ("float64", "float32"):
            case = case_of(folder, model, dtype, 832, 4000)
            many = case | {"model": case["model"] + "-heads"}
            found = {what: [] for what in asks}
            for _ in range(3):
                one = run_worker(folder, "lammps", case, ranks=1)["seconds"]
                for what, more in asks.items():
                    found[what].append(run_worker(folder, "lammps", many | {"more": more}, ranks=1)["seconds"] / one)
            for what, ratios in found.items():
                ratio = sorted(ratios)[1]
                print(f"| {model} | {dtype} | 832 | {what} | {ratio:.2f} | {limits[what]:.2f} |", flush=True)


def side_by_side(folder: Path, case: dict) -> float:
    """CPU seconds per step of one rank while another run keeps the other core busy: what sharing a machine costs."""
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: run_worker(folder, "lammps", case, ranks=1), range(2)))
    return sum(found["seconds"] for found in both) / 2


def group(folder: Path, chosen: argparse.Namespace, case: dict, atoms: int, least: dict[str, float]) -> None:
    label = f"| {Path(case['model']).name} | {case['dtype']} | {atoms} |"
    peer = best_of_symmetrix(folder, case, chosen.peers) if chosen.peers else None
    if peer:
        print(f"{label} symmetrix-xl | {1e3 * peer['seconds']:.1f} | 1 | | | {peer['peak']:.0f} | | | |", flush=True)
    if atoms <= TORCH_ATOMS:
        small = case | {"steps": max(2, case["steps"] // 10)}
        torch = run_worker(folder, "lammps", small | {"model": case["model"] + "-torch"}, ranks=1)
        ase = run_worker(folder, "ase", small)
        for name, found in (("ASE, eager", ase), ("libtorch backend", torch)):
            ratio = f"{found['seconds'] / peer['seconds']:.2f}" if peer else ""
            print(
                f"{label} {name} | {1e3 * found['seconds']:.1f} | {ratio} | | | {found['peak']:.0f} | | | |", flush=True
            )
    for name, ranks, threads in (("1 rank", 1, 1), ("2 ranks", 2, 1), ("2 threads", 1, 2)):
        if max(ranks, threads) not in chosen.cores:
            continue
        found = run_worker(folder, "lammps", case | {"threads": threads}, ranks=ranks)
        seconds = found["seconds"]
        efficiency = f"{side_by_side(folder, case) / seconds:.2f}" if ranks * threads > 1 else ""
        ratio = f"{seconds / peer['seconds']:.2f}" if peer else ""
        shares = [f"{100 * least[kind] / seconds:.0f} %" for kind in ("flops", "bytes")]
        per_atom = f"{1000 * found['above'] / atoms * ranks:.1f}" if atoms > TORCH_ATOMS else ""
        print(f"{label} naglass, {name} | {1e3 * seconds:.1f} | {ratio} | {shares[0]} | {shares[1]} | "
              f"{found['peak']:.0f} | {per_atom} | {found['ready']:.2f} | {efficiency} |",
              flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("peers", nargs="?", help="interpreter of the environment with symmetrix-xl")
    parser.add_argument("--atoms", type=int, nargs="+", help="104 times a cube")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--dtypes", nargs="+", default=["float64", "float32"], choices=["float64", "float32"])
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], choices=[1, 2])
    parser.add_argument("--quick", action="store_true", help="104 and 832 atoms, a few steps")
    parser.add_argument("--heads", type=int, metavar="N", help="only: what deviations of N read-out heads cost")
    parser.add_argument("--guard", action="store_true", help="only: fail if much slower than expected of this machine")
    chosen = parser.parse_args()
    chosen.atoms = chosen.atoms or ([104, 832] if chosen.quick else [104, 832, 6656])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        edges = write_structures(folder, [832] if chosen.guard or chosen.heads else chosen.atoms)
        load = os.getloadavg()[0]
        print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}\n")
        if chosen.heads:
            return heads(folder, chosen.heads)
        work = prepare(folder, chosen.models, chosen.peers)
        if chosen.guard:
            sys.exit(not guard(folder, chosen.models, work, edges))
        rows(folder, chosen, work, edges)


if __name__ == "__main__":
    main()
