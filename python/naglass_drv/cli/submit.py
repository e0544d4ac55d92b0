"""The verbs for a cluster: submit, cancel."""

import argparse
import math
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, SetupError
from ..wording import counted
from . import checks
from .executors import add_executor, executor_of, gpus_of, keep_setting, words_of_site
from .limits import Limits
from .numbers import add_number
from .run import name_of, work_of

if TYPE_CHECKING:
    from ..runtime.batch import Shape
    from ..runtime.forecast import Forecast

# where the queue was full, the run is planned anew after so long
_AGAIN_S = 300


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add submit and cancel."""
    submit = add("submit", _submit, "run an input as a chain of Slurm jobs, each of which resumes the one before")
    submit.add_argument("input", type=Path)
    submit.add_argument("--folder", type=Path, help="run folder (default: run/ next to the input)")
    add_executor(submit)
    add_number(submit, "--ranks", kind=int, least=1, most=65_536, help="ranks (default: the most requested)")
    add_number(submit, "--threads", kind=int, least=1, most=1024, default=1, help="cores of each rank (default: 1)")
    submit.add_argument("--walltime", help="length of a job: 90m, 12h, HH:MM:SS (default: twice the estimate)")
    submit.add_argument("--dry-run", action="store_true", help="print the job, and neither write nor submit anything")
    submit.add_argument("--next", action="store_true", help=argparse.SUPPRESS)
    cancel = add("cancel", _cancel, "cancel the Slurm jobs of a run; what is done stays, and submit goes on from it")
    cancel.add_argument("folder", nargs="?", type=Path, default=Path("run"), help="run folder (default: run)")


def _submit(options: argparse.Namespace) -> int:
    from ..config.load import load_study
    from ..files import check_target
    from ..runtime import batch
    from ..runtime.job import check_folder
    from ..runtime.lock import is_running

    path = options.input
    folder = (options.folder or path.parent / "run").resolve()
    executor = executor_of(options)
    if executor == "hyperqueue":
        raise InputError("submit: the tasks of a run in HyperQueue need no job of Slurm; use run --executor hyperqueue")
    slurm, profile = words_of_site(options.site, options.account)
    study = load_study(path, checks=[checks.Checks()])
    work = work_of(study)
    site = Limits(slurm, profile)
    own = executor == "slurm"
    if own and options.ranks is not None:
        raise InputError(f"--ranks {options.ranks}: has no effect with --executor slurm: a job has those of its tasks")
    site.check(work["ranks"], gpus_of(study), options.threads, own)
    check_target(folder, "--folder", folder=True)
    check_folder(folder)
    name = name_of(study, path)
    expected = _expected(work, path, options.ranks or max(work["ranks"].values(), default=1))
    hours = None if options.walltime is None else site.hours(options.walltime, expected.rows, own)
    site.check_length(expected.rows, own, options.walltime, hours)
    command = [sys.executable, "-m", "naglass_drv", "run", str(path.resolve()), "--folder", str(folder)]
    command += ["--executor", executor]
    if own:
        shape, words = site.planner()
        command += ["--chained"]
    else:
        length = hours or _hours(expected, slurm.longest_h)
        shape, words = _shape(options, study, site, work, length), slurm.model_dump()
    text = batch.script(shape, words, name=name, folder=folder, command=command, again=_again(options, path, folder))
    if options.dry_run:
        print(text, end="")
        for line in site.kinds(expected.rows) if own else ():
            print(line)
        return 0
    if options.next:
        job = _next(folder, text, executor)
    else:
        if is_running(folder) or _waiting(folder):
            raise InputError(f"run folder {folder}: a job works on it or waits for it; see status, or cancel it first")
        site.check_queue(words)
        with nothing_left(folder):
            _mark(folder)
            batch.uncancel(folder)
            keep_setting(folder, slurm, options.threads, hours, shlex.join(_again(options, path, folder)[:-1]))
            job = _first(folder, text)
    what = "which plans the run and submits jobs for its tasks, " if own else ""
    print(
        f"job {job}: {what}{counted(shape.ranks, 'rank')} on {counted(shape.nodes, 'node')}, up to "
        f"{batch.clock(shape.hours)}"
    )
    return 0


def _first(folder: Path, text: str) -> str:
    """Submit the first job of a chain; returns its number."""
    from ..runtime import batch

    try:
        return batch.submit(folder, text)
    except batch.NotNow as error:
        raise SetupError(f"{error}; nothing was submitted: submit again when there is room") from None


def _next(folder: Path, text: str, executor: str) -> str:
    """Submit the next job of a chain, or the one that we are in again if Slurm takes no other; returns its number."""
    from ..runtime import batch

    after, later = _follows(folder, executor)
    try:
        return batch.submit(folder, text, after=after, options=later)
    except batch.NotNow as error:
        job = os.environ["SLURM_JOB_ID"]
        print(f"job {job} is put back into the queue, since Slurm takes no other: {error}", flush=True)
        batch.requeue(folder, job)
        return job


@contextmanager
def nothing_left(folder: Path) -> Iterator[None]:
    """Remove a `folder` that was made for a job which is not submitted, after all."""
    made = not folder.exists()
    try:
        yield
    except SetupError:
        if made:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _again(options: argparse.Namespace, path: Path, folder: Path) -> list[str]:
    """The command that submits the next job from within one."""
    command = [sys.executable, "-m", "naglass_drv", "submit", str(path.resolve()), "--folder", str(folder)]
    for key in ("executor", "site", "account", "ranks", "threads", "walltime"):
        if value := getattr(options, key):
            command += [f"--{key}", str(value)]
    return [*command, "--next"]


def _follows(folder: Path, executor: str) -> tuple[list[str], list[str]]:
    """The jobs after which the next one is to start, and options of sbatch, at the end of the job that we are in.

    Raises SetupError if neither it nor the one before has saved anything.
    """
    from ..runtime import batch

    rows = batch.rows(folder)
    if executor == "mpi":
        _check_progress(folder, [row["submitted"] for row in rows])
        return [os.environ["SLURM_JOB_ID"]], []
    queued = batch.in_queue()
    arrays = [row for row in rows if "tasks" in row]
    running = [row["job"] for row in arrays if row["job"] in queued]
    if running:
        return running, []
    _check_progress(folder, [row["submitted"] for row in arrays], begun=True)
    mine = max((row["submitted"] for row in rows if row["job"] == os.environ.get("SLURM_JOB_ID")), default=math.inf)
    if any(row["submitted"] > mine for row in arrays):
        # what this job has submitted has ended already
        return [], []
    return [], [f"--begin=now+{_AGAIN_S}"]


def _check_progress(folder: Path, times: list[float], *, begun: bool = False) -> None:
    from ..runtime import batch

    if len(times) > 1 and not batch.went_on(folder, times[-2], begun=begun):
        raise SetupError(
            f"run folder {folder}: two jobs have ended without a task done or saved; no other is submitted. Give jobs "
            "more time (--walltime), or tasks more ranks"
        )


def _shape(options: argparse.Namespace, study: Any, site: Limits, work: dict[str, Any], hours: float) -> "Shape":
    """What the one job asks for that carries out all tasks."""
    from ..runtime.batch import Shape, nodes_for

    most = max(work["ranks"].values(), default=1)
    ranks = options.ranks or most
    if ranks < most:
        section = max((count, name) for name, count in work["ranks"].items())[1]
        raise InputError(f"--ranks {ranks}: {section}.ranks requests {most}")
    nodes = nodes_for(ranks, options.threads, site.check_known())
    return Shape(ranks, options.threads, nodes, gpus_of(study), hours)


def _hours(expected: "Forecast", longest_h: float | None) -> float:
    """By the estimate, within what the machine allows, or all of that where something is not known."""
    from ..runtime.batch import hours_for

    known = not expected.unforeseen and not any(row.unknown for row in expected.rows.values())
    if not known and longest_h is None:
        raise InputError("--walltime: is needed, since the estimate is not complete and the profile has no longest_h")
    hours = hours_for(expected.wall_s) if known else longest_h
    assert hours is not None
    return min(hours, longest_h) if longest_h is not None else hours


def _expected(work: dict[str, Any], path: Path, ranks: int) -> "Forecast":
    from ..runtime.forecast import forecast, known_times
    from ..stages import load

    source = path.resolve().parent
    return forecast(work["workflow"](), load, source, source / "run", {}, ranks, known_times())


def _waiting(folder: Path) -> bool:
    from ..runtime.batch import in_queue, rows

    jobs = {row["job"] for row in rows(folder)}
    return bool(jobs) and not jobs.isdisjoint(in_queue())


def _mark(folder: Path) -> None:
    """Mark a new folder as that of a run, before its first job has begun."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lock").touch()


def _cancel(options: argparse.Namespace) -> int:
    from ..runtime.batch import cancel, rows

    known = rows(options.folder)
    if not known:
        raise InputError(f"{options.folder}: no job was submitted for it")
    jobs = cancel(options.folder)
    if any("server" in row for row in known):
        # HyperQueue can be told by its own command alone; tasks stop by themselves, and those that wait do not begin
        (options.folder / "EXIT").touch()
        print("tasks in HyperQueue stop, and no other begins")
    else:
        print(f"cancelled: {', '.join(jobs)}" if jobs else "no job of it is open")
    return 0
