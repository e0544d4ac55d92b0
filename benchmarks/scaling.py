"""A run of many tasks on many workers, simulated: python benchmarks/scaling.py [--tasks 100000] [--workers 1000]

The planner, the dispatcher and the store of naglass do their real work in a real run folder; only the tasks are
stand-ins with a duration in simulated time. Jobs end at their walltime, nodes are lost with all that runs on them,
tasks fail, and the next job waits in a queue; each replans the run and resumes what was left. At the end every task is
done exactly once.

Prints what each call has cost (ms of wall time), what the run folder holds, and with --count the system calls on files
of one task (by strace).
"""

import argparse
import heapq
import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import workflow as bookkeeping

from naglass_drv.products import Product
from naglass_drv.runtime import events
from naglass_drv.runtime.dispatch import Dispatch
from naglass_drv.runtime.failure import Outcome
from naglass_drv.runtime.flow import Step, gather
from naglass_drv.runtime.keys import Keys
from naglass_drv.runtime.planner import Planner, Setting
from naglass_drv.runtime.task import Task

FAILED = {"failure": "FAILED", "message": "as asked", "resumable": True}


class Spent:
    """Wall times and CPU times (s) of calls, by name."""

    def __init__(self):
        self.times = defaultdict(list)
        self.cpu = defaultdict(float)

    @contextmanager
    def on(self, name, parts=1):
        start, cpu = time.perf_counter(), time.process_time()
        yield
        self.cpu[name] += (time.process_time() - cpu) / parts
        self.times[name].append((time.perf_counter() - start) / parts)

    def lines(self):
        for name, times in self.times.items():
            ordered, calls = sorted(times), len(times)
            late = ordered[int(0.99 * (calls - 1))]
            shown = {"CPU": self.cpu[name] / calls, "wall": sum(times) / calls, "99 %": late}
            text = ", ".join(f"{what} {1e3 * value:.3g} ms" for what, value in shown.items())
            yield f"{name}: {text}, most {1e3 * ordered[-1]:.3g} ms ({calls})"


class Cluster:
    """One run on simulated jobs; times in s. A task takes `task_s` on average, a node is lost every `lost_s`."""

    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        self.random = random.Random(options.seed)
        self.spent = Spent()
        self.count = Counter()
        self.now = 0.0
        self.left = {}

    def workflow(self):
        each = self.options.tasks // self.options.steps
        stage = SimpleNamespace(
            revision=1,
            plan=lambda run: [Task("work", f"t{number}", {"number": number}) for number in range(each)],
            collect=lambda run, done: Product(),
        )

        def system(number):
            yield Step("work", f"s{number}")

        return gather([system(number) for number in range(self.options.steps)]), lambda name: stage

    def run(self):
        """Jobs until the workflow has ended without failures."""
        while True:
            self.count["jobs"] += 1
            self.now += self.options.queue_s
            if self.job():
                return

    def job(self):
        """One allocation, from planning to its end; whether nothing is left to do."""
        options, workers = self.options, self.options.workers
        end = self.now + options.job_s
        lost = self.now + self.random.expovariate(1 / options.lost_s) if options.lost_s else float("inf")
        nodes = [worker // options.per_node for worker in range(workers)]
        dispatch = Dispatch(nodes, [0] * (nodes[-1] + 1))
        workflow, stages = self.workflow()
        setting = Setting(self.folder, self.folder, {}, workers, (), lambda text: None)
        with self.spent.on("plan, a task", options.tasks):
            planner = Planner(workflow, stages, setting, Keys(lambda tool: "1"), dispatch.add)
            planner.advance()
        running, attempts = [], {}
        while True:
            with self.spent.on("hand out, a round"):
                orders = dispatch.orders()
            for order in orders:
                attempts[order.number] = self.claim(planner.store, order.ticket)
                heapq.heappush(running, (self.now + self.left[order.ticket.label], order.number))
            if not running:
                return planner.ended and not planner.failures
            if min(end, lost) < running[0][0]:
                self.cut(running, attempts, dispatch, min(end, lost), checkpoints=end < lost)
                return False
            self.now, number = heapq.heappop(running)
            self.end(planner, dispatch.over(number), *attempts.pop(number))

    def claim(self, store, ticket):
        with self.spent.on("claim"):
            folder = store.claim(ticket, 1)
            events.append(self.folder, "started", task=ticket.label, attempt=ticket.attempt, why=ticket.why)
        self.count["claims"] += 1
        kept = json.loads((ticket.previous / "state").read_text()) if ticket.previous else None
        if kept is None:
            self.left[ticket.label] = self.random.lognormvariate(0, 0.5) * self.options.task_s
        else:
            self.left[ticket.label] = kept
            self.count["resumed"] += 1
        return folder, self.now

    def end(self, planner, ticket, folder, begun):
        (folder / "out").write_text("x")
        failed = self.random.random() < self.options.fails
        with self.spent.on("end"):
            if failed:
                planner.store.fail(ticket, folder, FAILED)
                (folder / "state").write_text("1.0")
            else:
                planner.store.complete(ticket, folder, {})
            events.append(self.folder, "failed" if failed else "done", task=ticket.label, attempt=ticket.attempt)
        self.count["failed" if failed else "done"] += 1
        with self.spent.on("plan what follows"):
            outcome = Outcome(ticket.label, folder, 4, "FAILED") if failed else Outcome(ticket.label, folder)
            planner.over(ticket, outcome)
            planner.advance()

    def cut(self, running, attempts, dispatch, at, checkpoints):
        """The job is over: at its walltime all tasks save their state, with a lost node only those that had before."""
        self.count["jobs cut by their end" if checkpoints else "jobs lost with a node"] += 1
        self.now = at
        for finish, number in running:
            folder, _ = attempts[number]
            dispatch.over(number)
            if checkpoints or self.random.random() < 0.5:
                (folder / "state").write_text(json.dumps(finish - at))
            self.count["tasks cut"] += 1

    def check(self):
        """Every task is done once, and no claim is unaccounted for."""
        done = sum(1 for step in (self.folder / "tasks").glob("s*/work") for _ in step.glob("*/DONE"))
        assert done == self.count["done"] == self.options.tasks, (done, self.count)
        assert self.count["claims"] == sum(self.count[name] for name in ("done", "failed", "tasks cut"))


def census(folder):
    """Files and folders of a run, and the most entries of one folder."""
    files = folders = most = size = 0
    for place, inside, names in os.walk(folder):
        folders += 1
        files += len(names)
        most = max(most, len(inside) + len(names))
        size += sum(os.stat(os.path.join(place, name)).st_blocks * 512 for name in names)
    return files, folders, most, size


def calls_of(part, tasks):
    """System calls on files that this script makes for `tasks` tasks up to and with a `part` of their life."""
    with TemporaryDirectory() as folder:
        summary = Path(folder, "calls")
        words = ["strace", "-f", "-c", "-o", str(summary), "-e", "trace=%file,%desc", sys.executable, __file__]
        subprocess.run([*words, "--part", part, "--tasks", str(tasks), "--folder", folder], check=True)
        rows = re.findall(r"^ +[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", summary.read_text(), re.MULTILINE)
        return Counter({name: int(number) for number, name in rows if name != "total"})


def count_calls():
    """Calls of a task for each part of its life: the difference between runs of 200 and 100 tasks."""
    before = Counter()
    for part in ("plan", "claim", "end", "replan"):
        more, fewer = calls_of(part, 200), calls_of(part, 100)
        each = Counter({name: (more[name] - fewer[name]) / 100 for name in more})
        own = {name: each[name] - before[name] for name in sorted(each) if each[name] - before[name] > 0.5}
        print(f"{part}: " + ", ".join(f"{name} {value:.0f}" for name, value in own.items()), flush=True)
        before = each


def live(part, tasks, folder):
    """The life of tasks up to a part of it."""
    from naglass_drv.runtime.store import Store

    store, keys = Store(folder / "run"), Keys(lambda tool: "1")
    tickets = store.plan("work", [Task("work", f"t{i}", {"number": i}) for i in range(tasks)], keys)
    for ticket in tickets if part != "plan" else ():
        made = store.claim(ticket, 1)
        events.append(store.folder, "started", task=ticket.label, attempt=1, why=ticket.why)
        if part != "claim":
            store.complete(ticket, made, {})
            events.append(store.folder, "done", task=ticket.label, attempt=1)
    if part == "replan":
        store.plan("work", [Task("work", f"t{i}", {"number": i}) for i in range(tasks)], Keys(lambda tool: "1"))


def simulate(options):
    with TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place) / "run"
        folder.mkdir()
        provenance = {"stages": ["work"], "started": time.time(), "ranks": 1, "resume": "", "input": "", "source": ""}
        (folder / "provenance.json").write_text(json.dumps(provenance))
        events.append(folder, "run started")
        cluster = Cluster(folder, options)
        start = time.perf_counter()
        cluster.run()
        cluster.check()
        print(f"{options.tasks} tasks on {options.workers} workers, seed {options.seed}: {dict(cluster.count)}")
        print(f"simulated {cluster.now / 3600:.1f} h in {time.perf_counter() - start:.0f} s")
        for line in cluster.spent.lines():
            print(f"  {line}")
        before = os.times()
        seconds, _ = bookkeeping.status(folder)
        cpu = sum(os.times()[2:4]) - sum(before[2:4])
        print(f"  status: CPU {cpu:.2f} s, wall {seconds:.2f} s, the start of Python included")
        files, folders, most, size = census(folder)
        print(f"  {files} files, {folders} folders, {size / 1e6:.0f} MB; at most {most} entries in one folder")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--per-node", type=int, default=40)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--task-s", type=float, default=600.0)
    parser.add_argument("--job-s", type=float, default=4 * 3600.0)
    parser.add_argument("--queue-s", type=float, default=1800.0)
    parser.add_argument("--lost-s", type=float, default=6 * 3600.0, help="mean time until a node is lost; 0: never")
    parser.add_argument("--fails", type=float, default=0.001)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the run folder is made (default: the temporary one)")
    parser.add_argument("--count", action="store_true", help="count system calls of a task instead")
    parser.add_argument("--part", choices=("plan", "claim", "end", "replan"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        live(options.part, options.tasks, options.folder)
    elif options.count:
        count_calls()
    else:
        simulate(options)


if __name__ == "__main__":
    main()
