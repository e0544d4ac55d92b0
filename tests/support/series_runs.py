"""Runs of a series of glasses, left alone and killed, and what has to be the same in both."""

import csv
import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from support.jobs import MPIRUN, environment, kill_job, naglass

SERIES = """\
name: series
seed: 5
series:
  mol_percent: {{Na2O: 40, V2O5: {vanadia}, P2O5: rest}}
  redox: {{V4+/V: {reduced}}}
  atoms: {atoms}
  density_g_cm3: 2.7
glass: {{replicas: {replicas}, melt_ps: {melt_ps}, quench_rate_K_per_ps: {rate}, hold_ps: 0.2}}
analysis: {{r_max_A: 4.0, q_max_per_A: 4.0}}
"""


def write_input(folder: Path, *, report: bool = True, **values) -> None:
    folder.mkdir(parents=True)
    (folder / "input.yaml").write_text(SERIES.format(**values) + ("report: {}\n" if report else ""))


def finish(folder: Path) -> subprocess.CompletedProcess:
    """The run to its end, on two ranks."""
    done = naglass("run", "input.yaml", cwd=folder, ranks=2, patience_s=3000)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def kill_now_and_then(folder: Path, times: int, longest_s: float, seed: int) -> int:
    """Start the run and kill -9 all of it after a random time, `times` times; returns how often it still ran."""
    chance, struck = random.Random(seed), 0
    for _ in range(times):
        job = subprocess.Popen(
            [MPIRUN, "-n", "2", sys.executable, "-m", "naglass_drv", "run", "input.yaml"],
            cwd=folder,
            env=environment(),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(1.0, longest_s))
        struck += job.poll() is None
        kill_job(job, folder.resolve())
    return struck


def results(folder: Path) -> dict[str, bytes]:
    """Glasses and analyses of all systems by path."""
    products = folder / "run" / "products"
    paths = [path for path in products.rglob("*") if path.suffix in (".extxyz", ".json")]
    return {str(path.relative_to(products)): path.read_bytes() for path in paths if path.name != "manifest.json"}


def measured(folder: Path) -> list[list[str]]:
    """The rows of the table of all numbers, without the times that the tasks took."""
    with open(folder / "run" / "quantities.csv", newline="") as stream:
        return [row for row in csv.reader(stream) if not row[1].startswith("run.")]


def check_the_same(killed: Path, alone: Path, *, report: bool = True) -> None:
    """A killed run ended with the numbers of one that was left alone, and did nothing twice."""
    assert results(killed) == results(alone) and len(results(alone)) > 5
    if report:
        assert measured(killed) == measured(alone) and len(measured(alone)) > 50
    events = [json.loads(line) for line in (killed / "run" / "events.jsonl").read_text().splitlines()]
    done = Counter(event["task"] for event in events if event["event"] == "done")
    assert set(done.values()) == {1}
