"""One job on a run folder: from the checked input to the end of the last stage."""

import os
import platform
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError, NaglassError, SetupError
from ..files import file_hash, sweep
from . import events, worklist
from .failure import Outcome, shown
from .files import write_json, write_text
from .flow import Workflow
from .keys import Keys
from .lead import Context, Outside
from .lock import RunLock
from .mpi import bcast
from .planner import Planner, Setting
from .progress import clock
from .schedule import execute, on_first
from .status import spent_s
from .stop import Stop, job_name, listen
from .store import Store, Ticket
from .task import Stage

PROVENANCE = "provenance.json"
# entries of a run folder, and their required types
_FILES = (
    "lock",
    "lock.ranks",
    "input.yaml",
    "run.yaml",
    PROVENANCE,
    events.FILE,
    "report.html",
    "report.json",
    "quantities.csv",
)
_FOLDERS = ("tasks", "products", "reports", "jobs")


@dataclass(frozen=True)
class Request:
    """Parameters of a job: the workflow, the input file `path` with its text, the run folder, and the time limit.

    `expanded` is the text of run.yaml, `stages` the stages that the workflow uses, in order, and `ranks` how many
    ranks each section of the input requests. Relative paths of the input start at `source`; `folder` is absolute.
    `resume` is the command that resumes the run; another job in the folder is waited for `patience_s` (s). `only` lists
    stages to redo in an existing run folder, leaving the others as they are. `outside` carries out tasks in jobs of
    their own.
    """

    workflow: Callable[[], Workflow]
    stages: tuple[str, ...]
    path: Path
    text: str
    expanded: str
    source: Path
    folder: Path
    resume: str
    ranks: Mapping[str, int] = field(default_factory=dict)
    walltime_s: float | None = None
    patience_s: float = 5.0
    only: Collection[str] = ()
    outside: Outside | None = None


def run_job(
    comm: Any,
    stages: Callable[[str], Stage],
    make_request: Callable[[], Request],
    make_site: Callable[[], Mapping[str, Any]],
    versions: Callable[[Mapping[str, Any]], Callable[[str], str]],
) -> list[Outcome]:
    """Run a workflow on all ranks of `comm`; returns the failures. `stages` finds a stage by its name.

    `make_request` and `make_site` are called on the first rank only. Nothing is written until the input is known
    to be valid, there are enough ranks, and the run folder is locked. Raises InputError, SetupError or Stopped on
    every rank.
    """
    started = time.time()

    def prepare() -> tuple[Request, Mapping[str, Any]]:
        request = make_request()
        if request.outside is None:
            check_ranks(request.ranks, comm.Get_size())
        check_folder(request.folder)
        return request, make_site()

    request, site = on_first(comm, prepare)
    lock = RunLock(request.folder, comm, request.patience_s)
    stop = None
    try:
        stop = Stop(request.folder, bcast(comm, job_name()), request.walltime_s)
        on_first(comm, lambda: _open(request, comm, stop))
        listen()
        context = Context(
            comm,
            request.source,
            request.folder,
            stop,
            versions(site),
            request.resume,
            site,
            started,
            request.patience_s,
        )
        size = comm.Get_size() if request.outside is None else None
        setting = Setting(request.source, request.folder, site, size, request.only, context.say)
        failures = execute(
            lambda ready: Planner(request.workflow(), stages, setting, Keys(context.versions), ready),
            stages,
            context,
            request.outside,
        )
        on_first(comm, lambda: events.append(request.folder, "run ended", failures=len(failures)))
        if not failures:
            context.say(_farewell(request))
        return failures
    except NaglassError as error:
        if comm.Get_rank() == 0:
            with suppress(OSError):
                events.append(request.folder, "run stopped", reason=str(error), code=error.exit_code)
        raise
    finally:
        if stop is not None and comm.Get_rank() == 0:
            stop.clear()
        lock.release()


@dataclass(frozen=True)
class Errand:
    """Tasks to be carried out for a run whose plan is made elsewhere: entry `number` of the list `file`."""

    folder: Path
    source: Path
    file: Path
    number: int
    resume: str
    walltime_s: float | None
    patience_s: float


def run_tasks(
    comm: Any,
    stages: Callable[[str], Stage],
    make_errand: Callable[[], Errand],
    make_site: Callable[[], Mapping[str, Any]],
    versions: Callable[[Mapping[str, Any]], Callable[[str], str]],
) -> list[Outcome]:
    """Carry out the tasks of an errand on all ranks of `comm`, beside other jobs of the run; returns the failures.

    Raises as `run_job`, and SetupError where programs, naglass or input files are not those of the plan.
    """
    started = time.time()

    def prepare() -> tuple[Errand, list[Ticket], Mapping[str, Any]]:
        errand, site = make_errand(), make_site()
        store = Store(errand.folder)
        tickets = worklist.read(errand.file, errand.number, store)
        worklist.check_as_planned(tickets, store, Keys(versions(site)), stages)
        check_ranks({ticket.label: ticket.task.ranks for ticket in tickets}, comm.Get_size())
        return errand, tickets, site

    errand, tickets, site = on_first(comm, prepare)
    stop = Stop(errand.folder, bcast(comm, job_name()), errand.walltime_s)
    listen()
    context = Context(
        comm, errand.source, errand.folder, stop, versions(site), errand.resume, site, started, errand.patience_s
    )
    try:
        return execute(lambda ready: worklist.Worklist(tickets, ready), stages, context)
    finally:
        if comm.Get_rank() == 0:
            stop.forget()


def _farewell(request: Request) -> str:
    spent, calls = spent_s(request.folder)
    took = f"done in {clock(spent)}" + (f" over {calls} calls" if calls > 1 else "")
    page = request.folder / "report.html"
    if "report" in request.stages and page.is_file():
        return f"{took}; report: {shown(page)}"
    return f"{took}; products: {shown(request.folder / 'products')}"


def check_ranks(requested: Mapping[str, int], size: int) -> None:
    """Raise SetupError, naming each section, if one requests more ranks than the job has."""
    asked = {name: ranks for name, ranks in requested.items() if ranks > size}
    if asked:
        named = ", ".join(f"{name}.ranks: {ranks}" for name, ranks in asked.items())
        most = max(asked.values())
        raise SetupError(
            f"{named} ranks requested, but the job has only {size}; start it with mpirun -n {most} or higher"
        )


def check_folder(folder: Path) -> None:
    """Raise InputError if `folder` is used for something other than a run, or contains links that lead out of it."""
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise InputError(f"run folder {folder}: is a file")
    names = {path.name for path in folder.iterdir()}
    if names and "lock" not in names:
        raise InputError(f"run folder {folder}: not empty and not a naglass run; choose another with --folder")
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            if path.is_symlink():
                raise InputError(f"run folder {folder}: {path.relative_to(folder)} is a symbolic link; remove it")
        # files left by the programs of an attempt are never overwritten
        folders[:] = [name for name in folders if not name.startswith("attempt-")]
    for name in (*_FILES, *_FOLDERS):
        path = folder / name
        if path.exists() and path.is_dir() != (name in _FOLDERS):
            kind = "file" if name in _FOLDERS else "folder"
            raise SetupError(f"run folder {folder}: {name} is a {kind}; move it away")


def _open(request: Request, comm: Any, stop: Stop) -> None:
    """Write the input and provenance of the run."""
    folder = request.folder
    stop.clear()
    if os.path.lexists(folder / "EXIT"):
        raise SetupError(f"{folder / 'EXIT'}: cannot be removed, but it makes every run stop")
    if request.outside is None:
        # jobs of this run that are at work have such files as well
        sweep(folder)
    if request.only:
        events.append(folder, "made anew", stages=list(request.only))
        return
    write_text(folder / "input.yaml", request.text)
    write_text(folder / "run.yaml", request.expanded)
    write_json(folder / PROVENANCE, _provenance(request, comm))
    events.append(folder, "run started", ranks=comm.Get_size(), stages=request.stages, pid=os.getpid())


def _provenance(request: Request, comm: Any) -> dict[str, Any]:
    from mpi4py import MPI

    return {
        "naglass": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "host": platform.node(),
        "mpi": MPI.Get_library_version().splitlines()[0].strip(),
        "ranks": comm.Get_size(),
        "started": time.time(),
        "command": sys.argv,
        "resume": request.resume,
        "input": str(request.path.resolve()),
        "source": str(request.source.resolve()),
        "input_sha256": file_hash(request.folder / "input.yaml"),
        "stages": list(request.stages),
    }
