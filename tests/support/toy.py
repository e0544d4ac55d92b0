"""A run of toy stages under the real scheduler: python toy.py PLAN.json RUN_FOLDER JOURNAL [WALLTIME_S].

PLAN.json lists stages, each with tasks; a task's `do` says what it does. What was really executed is written
to JOURNAL, which lies outside the run folder: `rank` with its process, `start` and `end` of a task, every
finished step.
"""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path

from naglass_drv.cli.run import run_workflow
from naglass_drv.errors import InputError, SetupError, Stopped, TaskFailed
from naglass_drv.products import Product
from naglass_drv.runtime import schedule
from naglass_drv.runtime.flow import Step, gather
from naglass_drv.runtime.job import Request
from naglass_drv.runtime.task import Task


def note(journal: Path, *words) -> None:
    with open(journal, "a") as stream:
        stream.write(" ".join(str(word) for word in words) + "\n")


def count(job, settings) -> dict:
    """Counts to `steps`, one file a step, taking the steps of a previous attempt over in one rename."""
    steps = job.folder / "steps"
    if job.rank == 0:
        fresh = job.folder / "steps.new"
        fresh.mkdir()
        for done in sorted((job.previous / "steps").glob("*")) if job.previous else []:
            os.link(done, fresh / done.name)
        fresh.rename(steps)
    job.comm.Barrier()
    taken = len(list(steps.glob("*")))
    for step in range(taken, settings["steps"]):
        time.sleep(settings.get("step_s", 0.02))
        job.comm.Barrier()
        stop = job.comm.allreduce(int(job.stopping()))
        if stop:
            raise Stopped("toy asked to stop")
        if job.rank == 0:
            (steps / f"{step:04d}").write_text(str(step))
            note(Path(settings["journal"]), "step", job.task.name, step)
            job.progress(step + 1, settings["steps"], "steps", "counting")
    return {"steps": settings["steps"], "taken_over": taken}


def doze(job, settings) -> dict:
    """The group's first rank is at work alone; the others have left and wait for it. Notes their CPU time (s)."""
    if job.rank != 0:
        return {}
    journal = Path(settings["journal"])
    noted = [line.split() for line in journal.read_text().splitlines() if line.startswith("rank ")]
    others = {rank: pid for _, rank, pid in noted if int(pid) != os.getpid()}
    time.sleep(settings["settle_s"])
    before = {rank: cpu_seconds(pid) for rank, pid in others.items()}
    time.sleep(settings["seconds"])
    for rank, pid in others.items():
        note(journal, "cpu", rank, cpu_seconds(pid) - before[rank])
    return {}


def cpu_seconds(pid: str) -> float:
    """User and system time of a process, fields 14 and 15 of /proc/PID/stat (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fail(job, settings) -> dict:
    (job.folder / "tool.log").write_text("\n".join(f"line {i}" for i in range(100)))
    raise TaskFailed("TOY_BROKEN", "the toy is broken", log="tool.log", command=["/bin/toy", "--break"])


def crash(job, settings) -> dict:
    if job.rank == settings.get("rank", 0):
        raise ValueError("a fault in the code")
    job.comm.Barrier()
    return {}


def desert(job, settings) -> dict:
    """One rank fails by name while the others stay in a collective call."""
    if job.rank == 1:
        raise TaskFailed("DESERTED", "this rank left a collective call")
    job.comm.Barrier()
    return {}


def refuse(job, settings) -> dict:
    raise {2: InputError, 5: SetupError}[settings["code"]]("the toy refuses")


def child(job, settings) -> dict:
    if job.rank == 0:
        argv = [sys.executable, "-c", settings["code"], settings["journal"]]
        return {"status": job.child(argv)}
    return {}


def write(job, settings) -> dict:
    if job.rank == 0:
        (job.folder / "out.txt").write_text(settings["text"])
        time.sleep(settings.get("seconds", 0.0))
    return {"text": settings["text"], "ranks": job.comm.Get_size()}


ACTIONS = {action.__name__: action for action in (count, doze, fail, crash, desert, refuse, child, write)}


class ToyStage:
    revision = 1

    def __init__(self, name: str, journal: Path):
        self.name = name
        self.journal = journal

    def plan(self, run) -> list[Task]:
        if run.input.get("plan_raises"):
            raise InputError(run.input["plan_raises"])
        if run.input.get("plan_breaks"):
            raise ValueError("a fault in planning")
        return [
            Task(
                stage=self.name,
                name=task["name"],
                settings={"do": task["do"], **task.get("settings", {})},
                inputs={name: _found(run.takes, name) for name in task.get("reads", [])},
                ranks=task.get("ranks", 1),
            )
            for task in run.input["tasks"]
        ]

    def run(self, job) -> dict:
        settings = {**job.task.settings, "journal": str(self.journal)}
        if job.rank == 0:
            note(self.journal, "start", job.task.name, f"ranks={job.comm.Get_size()}", f"pid={os.getpid()}")
        summary = ACTIONS[settings["do"]](job, settings)
        if job.rank == 0:
            note(self.journal, "end", job.task.name)
        return summary

    def collect(self, run, done) -> Product:
        files = {}
        for item in done:
            target = run.products / f"{item.task.name}.txt"
            text = str(item.summary.get("text", item.summary.get("steps")))
            if not target.exists() or target.read_text() != text:
                target.write_text(text)
            files[target.name] = target
        return Product(files=files)


def _found(takes, name: str) -> Path:
    return next(product.files[name] for product in takes.values() if name in product.files)


def one_after_another(stages: list[dict], scope: str = ""):
    """The workflow of a plan: each stage may read the files of those before it."""
    made = {}
    for stage in stages:
        made[stage["name"]] = yield Step(stage["name"], scope, dict(made), stage)
    return made


def side_by_side(branches: dict[str, list[dict]]):
    """Several plans at once, each in its scope."""
    return (yield from gather(one_after_another(stages, scope) for scope, stages in branches.items()))


def request_of(plan: Path, folder: Path, **others) -> Request:
    """What a call of the driver is asked for, to run the plan."""
    content = json.loads(plan.read_text())
    branches = content.get("branches", {"": content.get("stages", [])})
    names = dict.fromkeys(stage["name"] for stages in branches.values() for stage in stages)
    return Request(
        workflow=partial(side_by_side, branches),
        stages=tuple(names),
        path=plan,
        text=plan.read_text(),
        expanded=plan.read_text(),
        source=plan.parent,
        folder=folder,
        resume="RESUME",
        **others,
    )


def run_toy(plan: Path, folder: Path, journal: Path, walltime: float | None = None) -> int:
    """Run the plan on the world communicator; returns the exit code."""
    return run_workflow(lambda: request_of(plan, folder, walltime_s=walltime), lambda name: ToyStage(name, journal))


def main() -> int:
    from mpi4py import MPI

    plan, folder, journal = (Path(argument) for argument in sys.argv[1:4])
    # a test need not wait as long as a user may
    schedule.GRACE_S = 1.0
    note(journal, "rank", MPI.COMM_WORLD.Get_rank(), os.getpid())
    return run_toy(plan, folder, journal, float(sys.argv[4]) if len(sys.argv) > 4 else None)


if __name__ == "__main__":
    sys.exit(main())
