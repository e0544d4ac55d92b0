"""Planning, resuming and status of runs with many tasks: python benchmarks/workflow.py [TASKS ...]

Toy tasks that do nothing, on one rank, so that only the bookkeeping counts. Prints, for each number of tasks: planning
of a new run and of a finished one (ms a task), `status` (s) of the finished run and of one with a third of its tasks
waiting and a third failed, and the largest resident memory (MB).
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from naglass_drv.products import Product
from naglass_drv.runtime import events
from naglass_drv.runtime.keys import Keys
from naglass_drv.runtime.store import Store
from naglass_drv.runtime.task import Task

SYSTEMS = 10


def steps(tasks: int) -> Iterator[tuple[str, list[Task]]]:
    for system in range(SYSTEMS):
        yield f"s{system}/work", [Task("work", f"t{i}", {"number": i}) for i in range(tasks // SYSTEMS)]


def planned(store: Store, tasks: int) -> tuple[float, list]:
    """Time to plan all (ms a task), and the tickets."""
    keys, start, tickets = Keys(lambda tool: "1"), time.perf_counter(), []
    for step, some in steps(tasks):
        tickets += store.plan(step, some, keys)
    return 1000 * (time.perf_counter() - start) / tasks, tickets


def status(folder: Path) -> tuple[float, str]:
    """Time (s) that the command takes, the start of Python included, and what it says."""
    # what was just written is not timed with it
    os.sync()
    start = time.perf_counter()
    command = [sys.executable, "-m", "naglass_drv", "status", str(folder)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return time.perf_counter() - start, text


def measure(tasks: int, folder: Path) -> dict[str, float]:
    store = Store(folder)
    folder.mkdir()
    provenance = {"stages": ["work"], "started": time.time(), "ranks": 1, "resume": "", "input": "", "source": ""}
    (folder / "provenance.json").write_text(json.dumps(provenance))
    events.append(folder, "run started")
    new_ms, tickets = planned(store, tasks)
    # a third waits, a third has failed
    for number, ticket in enumerate(tickets[tasks // 3 :]):
        made = store.claim(ticket, 1)
        (made / "out").write_text("x")
        if number % 2:
            store.complete(ticket, made, {})
        else:
            store.fail(ticket, made, {"failure": "FAILED", "message": "as asked", "resumable": True})
    mixed_s, text = status(folder)
    assert f"{tasks // 3} of {tasks} done" in text
    for ticket in planned(store, tasks)[1]:
        made = store.claim(ticket, 1)
        (made / "out").write_text("x")
        store.complete(ticket, made, {})
    again_ms, left = planned(store, tasks)
    assert not left
    start = time.perf_counter()
    for step, _ in steps(tasks):
        store.keep(step, Product(files={}), "", Keys(lambda tool: "1"))
        assert len(store.finished(step)) == tasks // SYSTEMS
    collect_ms = 1000 * (time.perf_counter() - start) / tasks
    done_s, text = status(folder)
    assert f"{tasks} of {tasks} done" in text
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "plan_ms": new_ms,
        "replan_ms": again_ms,
        "collect_ms": collect_ms,
        "status_s": done_s,
        "status_of_mixed_s": mixed_s,
        "memory_MB": memory,
    }


def main() -> None:
    for tasks in map(int, sys.argv[1:] or ("1000", "10000", "100000")):
        with TemporaryDirectory() as folder:
            found = measure(tasks, Path(folder) / "run")
        print(f"{tasks} tasks: " + ", ".join(f"{name} {value:.3g}" for name, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
