"""Which executor carries out the tasks of a run, as options and the site profile say."""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..runtime.files import read_json, write_json
from .limits import Limits

if TYPE_CHECKING:
    from ..runtime.executors.outside import Jobs

EXECUTORS = ("mpi", "slurm", "hyperqueue")
_SETTING = "setting.json"
_TASK = (sys.executable, "-m", "naglass_drv", "task")


def add_executor(verb: argparse.ArgumentParser) -> None:
    """Add the options that choose an executor."""
    verb.add_argument(
        "--executor",
        choices=EXECUTORS,
        help="where tasks run: in this job, in jobs of Slurm, or in HyperQueue (default: by the profile)",
    )
    verb.add_argument("--site", default="", help="a shipped site profile (see site list); your own goes before it")
    verb.add_argument("--account", help="account to charge")


def executor_of(options: argparse.Namespace) -> str:
    """The executor that was asked for, or that of the site profile."""
    from ..config.site import load_site

    return options.executor or load_site().executor


def ranks_of(study: Any) -> dict[str, int]:
    """The most ranks that each section of the input asks for, over all systems and rounds."""
    from ..config.cost import ranks_by_section

    ranks: dict[str, int] = {}
    for input in (input for inputs in study.rounds.values() for input in inputs):
        ranks |= {name: max(count, ranks.get(name, 1)) for name, count in ranks_by_section(input).items()}
    return ranks


def gpus_of(study: Any) -> int:
    """The most GPUs that a trajectory of the input asks for."""
    return max((each.md.gpus for inputs in study.rounds.values() for each in inputs if each.md), default=0)


def words_of_site(site: str, account: str | None) -> tuple[Any, Path | None]:
    """What the profile of a `site`, or else the user's own, says of Slurm, with the account that was asked for, and the
    file of a shipped one.
    """
    from ..config.site import load_site
    from ..config.slurm import charged_to, slurm_of

    slurm, profile = slurm_of(site, load_site().slurm)
    return (slurm if account is None else charged_to(slurm, account)), profile


def keep_setting(folder: Path, slurm: Any, threads: int, hours: float | None, resume: str) -> None:
    """Write down how the jobs of a chain submit others, from the time on that a person has begun it; `resume` is the
    command that does so again.
    """
    path, words = _setting(folder), slurm.model_dump(mode="json")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"slurm": words, "threads": threads, "hours": hours, "resume": resume, "since": time.time()})


def outside(options: argparse.Namespace, folder: Path, name: str, ranks: int, study: Any) -> "Jobs | None":
    """The executor of tasks outside of this job, which has so many ranks; None if all run in it. Raises InputError if
    the machine cannot give what the `study` asks for.
    """
    from ..runtime.executors.outside import Jobs
    from ..runtime.forecast import known_times
    from ..runtime.progress import say

    executor, times = executor_of(options), known_times()
    if executor == "mpi":
        return None
    from ..runtime.batch import uncancel

    if executor == "hyperqueue":
        from ..runtime.executors.hyperqueue import HyperQueue

        uncancel(folder)
        server = Path(os.environ.get("HQ_SERVER_DIR") or Path.home() / ".hq-server")
        tasks = HyperQueue(folder, _TASK, server)
        tasks.check()
        return Jobs(folder, tasks, times, time.time(), say, ranks)
    from ..runtime.executors.slurm import Slurm

    setting = kept_setting(folder) if options.chained else None
    if setting is None:
        slurm, profile = words_of_site(options.site, options.account)
        limits = Limits(slurm, profile)
        limits.check(ranks_of(study), gpus_of(study), 1, own=True)
        limits.check_queue(limits.planner()[1])
        uncancel(folder)
        setting = {"slurm": slurm.model_dump(mode="json"), "threads": 1, "hours": None, "since": time.time()}
    words = setting["slurm"]
    queue = Slurm(folder, words, name, _TASK, times, setting["threads"], setting["hours"])
    placed = frozenset(stage for kind in words["nodes"].values() for stage in kind["stages"])
    return Jobs(folder, queue, times, setting["since"], say, ranks, placed, words["least_s"], options.chained)


def kept_setting(folder: Path) -> dict[str, Any]:
    """What `keep_setting` has written. Raises InputError if that is gone."""
    path = _setting(folder)
    setting = read_json(path)
    if setting is None:
        raise InputError(f"{path}: is missing or damaged; submit the run again")
    return setting


def _setting(folder: Path) -> Path:
    from ..runtime.batch import FOLDER

    return folder / FOLDER / _SETTING
