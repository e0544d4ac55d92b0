"""Tasks in jobs of Slurm and HyperQueue, simulated: python benchmarks/executors.py [--tasks 5000] [--slots 200]

The planner, the store and the executors of naglass do their real work in a real run folder; only the queue and the
tasks are stand-ins, in simulated time. The queue takes a limited number of jobs, or forgets all when its server is
started again; jobs end at their walltime, nodes are lost, tasks die, and the job that plans is killed, some of these
times right after a submission. At the end every task was done once, and none by two jobs at a time.

Prints counts: they follow from the seed, and not from the speed of this machine.
"""

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest import mock

from simulated_queues import QUEUES, Killed, Machine

from naglass_drv.products import Product
from naglass_drv.runtime import batch
from naglass_drv.runtime.executors import hyperqueue, outside, slurm
from naglass_drv.runtime.executors.history import SET_ASIDE
from naglass_drv.runtime.executors.outside import Jobs
from naglass_drv.runtime.flow import Step, gather
from naglass_drv.runtime.forecast import Measured, Times
from naglass_drv.runtime.keys import Keys
from naglass_drv.runtime.planner import Planner, Setting
from naglass_drv.runtime.task import Effort, Task


def workflow(options):
    """Steps of many tasks of one shape, side by side, each with one that follows."""
    each = options.tasks // options.steps - 1

    def planned(run):
        count = 1 if run.input == "last" else each
        return [Task("work", f"t{number}", {"n": number}, effort=Effort("work", 1.0)) for number in range(count)]

    stage = SimpleNamespace(revision=1, plan=planned, collect=lambda run, done: Product())

    def system(number):
        yield Step("work", f"s{number}", input="first")
        yield Step("work", f"s{number}-then", input="last")

    return gather([system(number) for number in range(options.steps)]), lambda name: stage


def carry_out(folder, kind, options):
    """Plan, submit and look until the run has ended; returns the machine."""
    machine = Machine(folder, options)
    queue = QUEUES[kind](machine)
    times = Times([Measured("work", 1.0, 1, options.task_s)])
    (folder / batch.FOLDER).mkdir(parents=True)
    since = 0.0
    # the executors wait in simulated time
    clock = SimpleNamespace(monotonic=lambda: machine.now, time=time.time)
    with ExitStack() as stack:
        for module in (slurm, hyperqueue, outside):
            stack.enter_context(mock.patch.object(module, "time", clock))
        stack.enter_context(queue.patched())
        while True:
            machine.count["planners"] += 1
            try:
                if plan(machine, queue, queue.executor(times), times, since):
                    return machine
                # a person submits the run again, to try what was set aside after three attempts
                machine.count["begun again"] += 1
                since = time.time()
            except Killed:
                machine.until(machine.now + options.look_s)


def plan(machine, queue, executor, times, since):
    """The work of one job that plans; whether all was done. Raises Killed."""
    options, folder = machine.options, machine.folder
    jobs = Jobs(folder, executor, times, since, lambda text: None, least_s=0.0)
    setting = Setting(folder, folder, {}, 1, (), lambda text: None)
    planner = Planner(*workflow(options), setting, Keys(lambda tool: "1"), jobs.add)
    planner.advance()
    while not planner.ended:
        for ticket, outcome in jobs.tend(True):
            planner.over(ticket, outcome)
            planner.advance()
        if machine.random.random() < options.kills:
            raise Killed
        machine.until(machine.now + options.look_s)
        queue.trouble()
    assert {each.failure for each in planner.failures} <= {SET_ASIDE}, planner.failures
    return not planner.failures


def check(machine):
    """Every task was done once, and all that was begun has an end."""
    options = machine.options
    found = sum(1 for _ in (machine.folder / "tasks").glob("**/work/*/DONE"))
    assert found == len(machine.done) == options.tasks, (found, len(machine.done))
    assert set(machine.done.values()) == {1}, "a task was done twice"
    assert machine.count["attempts"] == options.tasks + machine.count["tasks cut"]


def parser():
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--executor", choices=QUEUES, help="default: one after the other")
    for name, value, said in (
        ("tasks", 5000, "tasks"),
        ("steps", 10, "steps side by side"),
        ("slots", 200, "jobs that run at a time"),
        ("per-node", 10, "of these on a node"),
        ("max-jobs", 1000, "max_jobs of the profile"),
        ("most", 150, "jobs that Slurm lets a user have"),
        ("max-array", 100, "MaxArraySize of Slurm"),
        ("seed", 1, "seed"),
    ):
        made.add_argument(f"--{name}", type=int, default=value, help=f"{said} (default: {value})")
    for name, value, said in (
        ("task-s", 600.0, "mean duration of a task (s)"),
        ("job-s", 7200.0, "longest job (s)"),
        ("look-s", 60.0, "time between two looks of the planner (s)"),
        ("lost-s", 3600.0, "mean time until a node is lost (s); 0: never"),
        ("dies", 0.01, "share of attempts that die"),
        ("kills", 0.01, "share of looks and submissions with which the planner is killed"),
        ("restarts", 0.005, "share of looks before which the server of HyperQueue is killed"),
    ):
        made.add_argument(f"--{name}", type=float, default=value, help=f"{said} (default: {value:g})")
    return made


def main():
    options = parser().parse_args()
    for kind in [options.executor] if options.executor else QUEUES:
        with TemporaryDirectory() as place:
            folder = Path(place) / "run"
            folder.mkdir()
            machine = carry_out(folder, kind, options)
            check(machine)
        print(
            f"{kind}: {options.tasks} tasks in {machine.now / 3600:.1f} h, seed {options.seed}: {dict(machine.count)}"
        )
        print(f"  most submissions in a minute: {max(machine.minutes.values())}")


if __name__ == "__main__":
    main()
