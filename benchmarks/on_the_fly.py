"""Cost of observables computed during a LAMMPS run: Na2Si3O7 glass, 24 000 atoms, a pair potential, one rank.

    PYTHONPATH=python python benchmarks/on_the_fly.py [--atoms 24000] [--steps 200]

The potential is Pedone's with damped shifted Coulomb forces to 8 Å, which the driver also uses to quench glasses.
Each case is a separate LAMMPS run; the cost of an observable is the increase in loop time over the bare run, best of
three.
"""

import argparse
import datetime
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import ase.io
from ase.io.lammpsdata import write_lammps_data

from naglass_drv.paths import plugin_folder

GLASS = Path(__file__).parents[1] / "tests" / "data" / "glasses" / "NS3_3k.xyz.gz"
SCRIPT = """
units metal
atom_style charge
read_data glass.data
group na type 1
group host subtract all na
set type 1 charge 0.6
set type 2 charge 2.4
set type 3 charge -1.2
pair_style hybrid/overlay coul/dsf 0.25 8.0 pedone 5.5
pair_coeff * * coul/dsf
pair_coeff 1 3 pedone 0.023363 1.763867 3.006315 5.0
pair_coeff 2 3 pedone 0.340554 2.006700 2.100000 1.0
pair_coeff 3 3 pedone 0.042395 1.379316 3.618701 22.0
velocity all create 1000 1 dist gaussian
fix nvt all nvt temp 1000 1000 0.1
timestep 0.001
{observables}
thermo {steps}
run {steps}
"""
RINGS = (
    "compute rings all naglass/rings criterion primitive max 16 elements Na Si O cutoff Si O 2.2\n"
    "fix rings all ave/time 100 1 100 c_rings[*] mode scalar file rings.txt"
)
HOPS = "fix hops na naglass/hops 10 framework host file hops.txt"
CASES = {
    "nothing": "",
    "rings (primitive, up to 16 atoms) every 100 steps": RINGS,
    "hops every 10 steps": HOPS,
    "correlations every 10 steps": "fix correlate na naglass/correlate 10 elements Na Si O framework host file c.txt",
    "rings and hops": f"{HOPS}\n{RINGS}",
}


def loop_seconds(folder: Path, script: str) -> float:
    (folder / "in.lmp").write_text(script)
    command = [str(Path(sys.executable).with_name("lmp")), "-in", "in.lmp", "-log", "none"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LAMMPS_PLUGIN_PATH": plugin_folder()}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    found = re.search(r"Loop time of ([\d.e+-]+)", done.stdout)
    if found is None:
        raise SystemExit(done.stdout[-2000:] + done.stderr)
    return float(found[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--atoms", type=int, default=24000)
    parser.add_argument("--steps", type=int, default=200)
    chosen = parser.parse_args()
    times = round((chosen.atoms / 3000) ** (1 / 3))
    glass = ase.io.read(GLASS) * (times, times, times)
    print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
          f"{len(glass)} atoms, {chosen.steps} steps\n")  # fmt: skip
    print("| observables | ms per step | added cost |\n|---|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_lammps_data(folder / "glass.data", glass, specorder=["Na", "Si", "O"], masses=True, atom_style="charge")
        bare = None
        for case, observables in CASES.items():
            seconds = min(
                loop_seconds(folder, SCRIPT.format(observables=observables, steps=chosen.steps)) for _ in range(3)
            )
            bare = bare or seconds
            print(f"| {case} | {1e3 * seconds / chosen.steps:.1f} | {100 * (seconds / bare - 1):.1f} % |", flush=True)


if __name__ == "__main__":
    main()
