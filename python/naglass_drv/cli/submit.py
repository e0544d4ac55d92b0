"""The verbs for a cluster: submit, cancel."""

import argparse
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, SetupError
from ..wording import counted
from . import checks
from .numbers import add_number
from .run import work_of

if TYPE_CHECKING:
    from ..config.slurm import Slurm
    from ..runtime.batch import Shape

# an estimate is off by a factor of two easily
_MARGIN, _LEAST_H = 2.0, 0.25


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add submit and cancel."""
    submit = add("submit", _submit, "run an input as a chain of Slurm jobs, each of which resumes the one before")
    submit.add_argument("input", type=Path)
    submit.add_argument("--folder", type=Path, help="run folder (default: run/ next to the input)")
    submit.add_argument("--site", default="", help="a shipped site profile (see site list); your own goes before it")
    submit.add_argument("--account", help="account to charge")
    add_number(submit, "--ranks", kind=int, least=1, most=65_536, help="ranks (default: the most requested)")
    add_number(submit, "--threads", kind=int, least=1, most=1024, default=1, help="cores of each rank (default: 1)")
    submit.add_argument("--walltime", help="length of a job: 90m, 12h, HH:MM:SS (default: twice the estimate)")
    submit.add_argument("--dry-run", action="store_true", help="print the job, and neither write nor submit anything")
    submit.add_argument("--next", action="store_true", help=argparse.SUPPRESS)
    cancel = add("cancel", _cancel, "cancel the Slurm jobs of a run; what is done stays, and submit goes on from it")
    cancel.add_argument("folder", nargs="?", type=Path, default=Path("run"), help="run folder (default: run)")


def _submit(options: argparse.Namespace) -> int:
    from ..config.load import load_study
    from ..config.site import load_site
    from ..config.slurm import charged_to, slurm_of
    from ..files import check_target
    from ..runtime import batch
    from ..runtime.job import check_folder
    from ..runtime.lock import is_running

    path = options.input
    folder = (options.folder or path.parent / "run").resolve()
    slurm, profile = slurm_of(options.site, load_site().slurm)
    if options.account:
        slurm = charged_to(slurm, options.account)
    study = load_study(path, checks=[checks.Checks()])
    shape = _shape(options, study, slurm, profile)
    check_target(folder, "--folder", folder=True)
    check_folder(folder)
    text = batch.script(
        shape,
        slurm.model_dump(),
        name=next(iter(study.systems.values())).name if "" in study.systems else path.stem,
        folder=folder,
        command=[sys.executable, "-m", "naglass_drv", "run", str(path.resolve()), "--folder", str(folder)],
        again=_again(options, path, folder),
    )
    if options.dry_run:
        print(text, end="")
        return 0
    before = None
    if options.next:
        before = _job_before(folder)
    elif is_running(folder) or _waiting(folder):
        raise InputError(f"run folder {folder}: a job works on it or waits for it; see status, or cancel it first")
    _mark(folder)
    job = batch.submit(folder, text, after=before)
    print(
        f"job {job}: {counted(shape.ranks, 'rank')} on {counted(shape.nodes, 'node')}, up to {batch.clock(shape.hours)}"
    )
    return 0


def _again(options: argparse.Namespace, path: Path, folder: Path) -> list[str]:
    """The command that submits the next job from within one."""
    command = [sys.executable, "-m", "naglass_drv", "submit", str(path.resolve()), "--folder", str(folder)]
    for key in ("site", "account", "ranks", "threads", "walltime"):
        if value := getattr(options, key):
            command += [f"--{key}", str(value)]
    return [*command, "--next"]


def _job_before(folder: Path) -> str:
    """The job that we are in, at its end. Raises SetupError if neither it nor the one before has saved anything."""
    from ..runtime import batch

    times = batch.times(folder)
    if len(times) > 1 and not batch.went_on(folder, times[-2]):
        raise SetupError(
            f"run folder {folder}: two jobs have ended without a task done or saved; no other is submitted. Give jobs "
            "more time (--walltime), or tasks more ranks"
        )
    return os.environ["SLURM_JOB_ID"]


def _shape(options: argparse.Namespace, study: Any, slurm: "Slurm", profile: Path | None) -> "Shape":
    """What a job asks for. Raises InputError where the machine cannot give it, with the line of the profile."""
    from ..runtime.batch import Shape
    from ..runtime.stop import walltime_seconds

    source = f"{profile}: slurm." if profile else "site profile: slurm."
    if slurm.needs_account and not slurm.account:
        raise InputError(f"{source}account: is needed here; give it with --account, or in your site profile")
    if slurm.cores_per_node is None:
        raise InputError(f"{source}cores_per_node: is not known; fill it in (scontrol show node)")
    work = work_of(study)
    ranks = options.ranks or max(work["ranks"].values(), default=1)
    if ranks < max(work["ranks"].values(), default=1):
        most, section = max((count, name) for name, count in work["ranks"].items())
        raise InputError(f"--ranks {ranks}: {section}.ranks requests {most}")
    cores = ranks * options.threads
    if options.threads > slurm.cores_per_node:
        raise InputError(f"--threads {options.threads}: {source}cores_per_node is {slurm.cores_per_node}")
    nodes = math.ceil(cores / slurm.cores_per_node)
    gpus = max((each.md.gpus for inputs in study.rounds.values() for each in inputs if each.md), default=0)
    if gpus > slurm.gpus_per_node:
        raise InputError(f"md.gpus: {gpus}: {source}gpus_per_node is {slurm.gpus_per_node}")
    if options.walltime:
        hours = walltime_seconds(options.walltime) / 3600.0
        if slurm.longest_h is not None and hours > slurm.longest_h:
            raise InputError(f"--walltime {options.walltime}: {source}longest_h is {slurm.longest_h:g}")
    else:
        hours = _hours(options.input, study, work, ranks, slurm.longest_h)
    return Shape(ranks, options.threads, nodes, gpus, hours)


def _hours(path: Path, study: Any, work: dict[str, Any], ranks: int, longest_h: float | None) -> float:
    """Twice the estimate, within what the machine allows, or all of that where something is not known."""
    from ..runtime.forecast import forecast, known_times
    from ..stages import load

    source = path.resolve().parent
    expected = forecast(work["workflow"](), load, source, source / "run", {}, ranks, known_times())
    known = not expected.unforeseen and not any(row.unknown for row in expected.rows.values())
    if not known and longest_h is None:
        raise InputError("--walltime: is needed, since the estimate is not complete and the profile has no longest_h")
    hours = _MARGIN * expected.wall_s / 3600.0 + _LEAST_H if known else longest_h
    assert hours is not None
    return min(hours, longest_h) if longest_h is not None else hours


def _waiting(folder: Path) -> bool:
    from ..runtime.batch import states

    return any(state.startswith(("PENDING", "RUNNING")) for state in states(folder).values())


def _mark(folder: Path) -> None:
    """Mark a new folder as that of a run, before its first job has begun."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lock").touch()


def _cancel(options: argparse.Namespace) -> int:
    from ..runtime.batch import cancel, submitted

    if not submitted(options.folder):
        raise InputError(f"{options.folder}: no job was submitted for it")
    jobs = cancel(options.folder)
    print(f"cancelled: {', '.join(jobs)}" if jobs else "no job of it is open")
    return 0
