"""The verbs that run a workflow: run, report."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import NaglassError, Stopped, TaskFailed
from . import checks
from .executors import add_executor, kept_setting, outside, ranks_of

if TYPE_CHECKING:
    from ..runtime.preview import Preview

_PATIENCE_S = 5.0
# as that of a system in the input
_NAME_LENGTH = 80


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add run and report."""
    run = add("run", _run, "run all stages of an input; start with mpirun -n N for N ranks")
    run.add_argument("input", type=Path)
    run.add_argument("--folder", type=Path, help="run folder (default: run/ next to the input)")
    run.add_argument(
        "--walltime", help="stop in time to save everything: 90m, 1.5h, HH:MM:SS (default: end of the Slurm job)"
    )
    run.add_argument("--dry-run", action="store_true", help="show what would be run now and why, and write nothing")
    add_executor(run)
    run.add_argument("--chained", action="store_true", help=argparse.SUPPRESS)
    report = add("report", _report, "rebuild the report of a run folder")
    report.add_argument("folder", nargs="?", type=Path, default=Path("run"), help="run folder (default: run)")


def _run(options: argparse.Namespace) -> int:
    from ..config.load import load_study
    from ..files import check_target
    from ..runtime.batch import end_of_job
    from ..runtime.job import Request
    from ..runtime.mpi import world
    from ..runtime.stop import walltime_seconds

    if options.dry_run:
        return _dry_run(options)

    def request() -> Request:
        path = options.input
        folder = options.folder or path.parent / "run"
        check_target(folder, "--folder", folder=True)
        study = load_study(path, checks=[checks.Checks()])
        left_s = end_of_job()
        return Request(
            **work_of(study),
            path=path,
            text=path.read_text(encoding="utf-8"),
            source=path.resolve().parent,
            folder=folder.resolve(),
            resume=kept_setting(folder)["resume"] if options.chained else _resume_command(),
            walltime_s=left_s if options.walltime is None else walltime_seconds(options.walltime),
            patience_s=patience_s(left_s),
            outside=outside(options, folder.resolve(), name_of(study, path), world().Get_size(), study),
        )

    return run_workflow(request)


def name_of(study: Any, path: Path) -> str:
    """The name of a run: that of its only system, or of the file at `path`, with a dash for what is neither a letter of
    ASCII, a digit, nor one of ``_.-``.
    """
    if "" in study.systems:
        return next(iter(study.systems.values())).name
    # it becomes a line of a job script and the stem of files, also as a pattern
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem)[:_NAME_LENGTH]


def patience_s(left_s: float | None) -> float:
    """How long to wait for another job at the same work (s): the orphan of a lost node may be at it for a while, and a
    job that Slurm has started again has `left_s` for both.
    """
    return _PATIENCE_S if left_s is None else max(_PATIENCE_S, 0.5 * left_s)


def _dry_run(options: argparse.Namespace) -> int:
    from ..config.load import load_study
    from ..runtime.job import check_folder
    from ..runtime.mpi import is_first

    if not is_first(os.environ):
        return 0
    path = options.input
    study = load_study(path, checks=[checks.Checks()])
    folder = (options.folder or path.parent / "run").resolve()
    check_folder(folder)
    work = work_of(study)
    found = previewed(work, path, folder)
    for line in found.lines:
        print(line)
    if not found.open:
        print("Nothing has to be done. Nothing was written.")
        return 0
    rounds = len(study.by_round)
    loop = f", in up to {rounds} rounds, if no decision ends the loop before" if rounds > 1 else ""
    last = found.open <= set(work["stages"][-1:])
    follow = "" if last else f"later steps follow from these; all stages: {', '.join(work['stages'])}{loop}. "
    print(f"{follow}Nothing was written.")
    return 0


def previewed(work: dict[str, Any], path: Path, folder: Path) -> "Preview":
    """What a run of the input at `path`, which is `work` (see `work_of`), would do now in `folder`."""
    from ..engines.tools import Versions
    from ..runtime.preview import preview
    from ..stages import load

    site = site_settings()
    return preview(work["workflow"](), load, path.resolve().parent, folder, site, Versions(site))


def _report(options: argparse.Namespace) -> int:
    from ..config.schema import Report
    from ..runtime.job import Request
    from ..runtime.status import provenance_of

    def request() -> Request:
        recorded = provenance_of(options.folder)
        source = Path(recorded["source"])
        text = (options.folder / "input.yaml").read_text(encoding="utf-8")
        study = as_planned(options.folder, source)
        return Request(
            **work_of(study.with_default("report", Report())),
            path=Path(recorded["input"]),
            text=text,
            source=source,
            folder=options.folder.resolve(),
            resume=recorded["resume"],
            only=("report", "series"),
        )

    return run_workflow(request)


def as_planned(folder: Path, source: Path) -> Any:
    """The input of a run as it was planned: with the defaults of that time, except for several systems."""
    from ..config.load import load_study

    study = load_study(folder / "input.yaml", source)
    return load_study(folder / "run.yaml", source) if "" in study.systems else study


def work_of(study: Any) -> dict[str, Any]:
    """What the runtime has to know of an input: its workflow, stages, and requested ranks."""
    from functools import partial

    from ..config.load import expanded
    from ..workflow.chain import chain, stages_of

    return {
        "workflow": partial(chain, study.by_round, study.systems, study.seed, study.conditions()),
        "stages": stages_of(study.by_round),
        "expanded": expanded(study),
        "ranks": ranks_of(study),
    }


def run_workflow(request: Callable[[], Any], stages: Callable[[str], Any] | None = None) -> int:
    """Run a workflow as one MPI job and return the exit code; `stages` finds a stage by name, by default the package's.

    `request` builds the runtime.job.Request; it is called on the first rank only.
    """
    from ..engines.tools import Versions
    from ..runtime import mpi
    from ..runtime.job import run_job
    from ..stages import load

    return conclude(lambda: run_job(mpi.world(), stages or load, request, site_settings, Versions))


def conclude(work: Callable[[], Sequence[Any]]) -> int:
    """Do the work of an MPI job, which returns failures, and say how it ended; returns the exit code."""
    from ..runtime import mpi

    comm = mpi.world()
    with mpi.abort_on_exception(comm):
        first = comm.Get_rank() == 0
        try:
            failures = work()
        except NaglassError as error:
            if first:
                print(error if not isinstance(error, Stopped) else _last_line(error), file=sys.stderr, flush=True)
            return error.exit_code
        if failures and first:
            names = ", ".join(outcome.label for outcome in failures)
            print(f"{len(failures)} failed: {names}\nresume with: {_resume_command()}", file=sys.stderr, flush=True)
        return TaskFailed.exit_code if failures else 0


def site_settings() -> dict[str, Any]:
    from ..config.site import as_mapping, load_site
    from ..runtime.vendors import fitting_launcher

    site = as_mapping(load_site())
    if site["cp2k"] and not site["launcher"]:
        launcher = fitting_launcher(Path(site["cp2k"]))
        site["launcher"] = str(launcher) if launcher else None
    return site


def _last_line(stop: Stopped) -> str:
    if "--chained" in sys.argv:
        return f"stopped by {stop}; the next job goes on"
    return f"stopped by {stop}; can be restarted as is; resume with: {_resume_command()}"


def _resume_command() -> str:
    """The command that resumes this run, as the user would type it in the shell."""
    import shlex
    import shutil

    from ..runtime.mpi import world

    def shortest(name: str, beside: Path) -> str:
        # the bare name only if the shell would find this very program
        found = shutil.which(name)
        return name if found is None or not beside.exists() or Path(found).samefile(beside) else str(beside)

    folder = Path(sys.executable).parent
    command = [shortest("python", folder / "python"), "-m", "naglass_drv", *sys.argv[1:]]
    size = world().Get_size()
    if size > 1:
        command = [shortest("mpirun", folder / "mpirun"), "-n", str(size), *command]
    return shlex.join(command)
