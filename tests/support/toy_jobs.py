"""Toy stages in jobs of Slurm or HyperQueue: the job that plans, and those that carry out tasks.

python toy_jobs.py run PLAN.json RUN_FOLDER JOURNAL EXECUTOR.json
python toy_jobs.py task PLAN.json JOURNAL RUN_FOLDER FILE
"""

import json
import os
import sys
from functools import partial
from pathlib import Path

from naglass_drv.cli.run import conclude, run_workflow
from naglass_drv.runtime.executors.hyperqueue import HyperQueue
from naglass_drv.runtime.executors.outside import Jobs
from naglass_drv.runtime.executors.slurm import Slurm
from naglass_drv.runtime.forecast import Times
from naglass_drv.runtime.job import Errand, Request, run_tasks
from naglass_drv.runtime.progress import say
from support.toy import ToyStage, note, request_of


def queue_of(setting: dict, folder: Path, command: list[str]):
    """The system of jobs that a test asks for."""
    if "server" in setting:
        return HyperQueue(folder, command, Path(setting["server"]), pause_s=0.5)
    return Slurm(folder, setting["words"], "toy", command, Times(), hours=setting["hours"], pause_s=0.5)


def plans(plan: Path, folder: Path, journal: Path, executor: Path) -> int:
    """Run the plan with all its tasks in jobs of their own, waiting for them; returns the exit code."""
    setting = json.loads(executor.read_text())
    command = [sys.executable, __file__, "task", str(plan), str(journal)]

    def request() -> Request:
        jobs = Jobs(folder, queue_of(setting, folder, command), Times(), setting["since"], say, least_s=0.0)
        return request_of(plan, folder, outside=jobs)

    return run_workflow(request, lambda name: ToyStage(name, journal))


def carries_out(plan: Path, journal: Path, folder: Path, file: Path) -> int:
    """Carry out the tasks of one job; returns the exit code."""
    from naglass_drv.runtime.batch import end_of_job
    from naglass_drv.runtime.mpi import world

    note(journal, "rank", 0, os.getpid())
    number = next(int(os.environ[key]) for key in ("HQ_TASK_ID", "SLURM_ARRAY_TASK_ID") if key in os.environ)
    left_s = end_of_job()

    def errand() -> Errand:
        return Errand(folder, plan.parent, folder / file, number, "RESUME", left_s, 60.0)

    stages = partial(ToyStage, journal=journal)
    return conclude(lambda: run_tasks(world(), stages, errand, dict, lambda site: lambda tool: "1"))


if __name__ == "__main__":
    verb, *paths = sys.argv[1:]
    sys.exit({"run": plans, "task": carries_out}[verb](*map(Path, paths)))
