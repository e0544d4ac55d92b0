"""The command line: its verbs, and how an error becomes a message and an exit code."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import __version__, cli_checks, cli_dataset, cli_reference, cli_systems
from .cli_numbers import MAX_SEED, add_number
from .errors import SYSTEM, InputError, NaglassError, Stopped, TaskFailed, of_system
from .runtime.mpi import LAST_WORDS_S, speaks

_INTERRUPTED = 130  # as shells do: 128 plus the number of SIGINT
_EXIT_CODES = "exit codes: 0 done, 2 bad input, 3 stopped and restartable, 4 some tasks failed, 5 environment"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code. Messages go to standard error without a traceback."""
    try:
        options = _parser().parse_args(arguments)
        code = options.verb(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # the reader of our output has closed the pipe, as in `status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        message, code = "interrupted", _INTERRUPTED
    except NaglassError as error:
        message, code = str(error), error.exit_code
    except SYSTEM as raised:
        if isinstance(raised, ImportError) and (raised.name or "").startswith(__package__):
            raise
        problem = of_system(raised)
        message, code = str(problem), problem.exit_code
    # after the handlers, when the memory that the error held is free again
    if speaks(os.environ):
        print(message, file=sys.stderr, flush=True)
    else:
        # every rank of a job that has not reached MPI would print the same message
        time.sleep(LAST_WORDS_S)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m naglass_drv",
        description="Simulate sodium glasses, from composition to report.",
        epilog=_EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"naglass {__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    def add(name: str, verb: Callable[[argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=help, description=help, epilog=_EXIT_CODES)
        sub.set_defaults(verb=verb)
        return sub

    init = add("init", _init, "write a complete, commented input.yaml")
    init.add_argument("folder", nargs="?", type=Path, default=Path("."), help="folder to write it to (default: here)")
    check = add("validate", _validate, "check an input file and report every error")
    check.add_argument("input", type=Path)
    check.add_argument(
        "--lint",
        action="store_true",
        help="also write a CP2K input for every reference set and check it with the installed CP2K and its schema",
    )
    check.add_argument(
        "--schema", type=Path, metavar="XML", help="check them against this schema (cp2k_input.xml) instead"
    )
    add("doctor", _doctor, "check MPI, LAMMPS, plugins, torch, MACE, CP2K and the machine")
    run = add("run", _run, "run all stages of an input; start with mpirun -n N for N ranks")
    run.add_argument("input", type=Path)
    run.add_argument("--folder", type=Path, help="run folder (default: run/ next to the input)")
    run.add_argument("--walltime", help="stop early enough to save everything: 90m, 1.5h, HH:MM:SS")
    status = add("status", _status, "show stages, tasks, progress, elapsed and remaining time of a run")
    status.add_argument("folder", nargs="?", type=Path, default=Path("run"), help="run folder (default: run)")
    status.add_argument("--why", metavar="TASK", help="show why this task is up to date or has to be rerun")
    report = add("report", _report, "rebuild the report of a run folder")
    report.add_argument("folder", nargs="?", type=Path, default=Path("run"), help="run folder (default: run)")
    add("plugins", _plugins, "print the folder of the LAMMPS plugins (for LAMMPS_PLUGIN_PATH)")
    export = add("export-model", _export_model, "write a MACE model for pair_style mace")
    export.add_argument("model", type=Path, help="portable model, or a pickled .model with --trust")
    export.add_argument("archive", nargs="?", type=Path, help="archive to write (default: MODEL with suffix .naglass)")
    export.add_argument("--output", "-o", type=Path, help="archive to write, given as an option")
    export.add_argument("--head", help="which head to use, for a multi-head model")
    export.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    export.add_argument(
        "--trust",
        action="store_true",
        help="open a pickled model, which can run arbitrary code: only use files you trust",
    )
    spin = add("fit-spin", _fit_spin, "fit a magnetic-moment readout on top of a frozen MACE model and export both")
    spin.add_argument("model", type=Path, help="portable model, or a pickled .model with --trust")
    spin.add_argument("frames", type=Path, help="extended XYZ with REF_spin (muB)")
    spin.add_argument("--test", type=Path, help="held-out frames to measure errors on")
    spin.add_argument("--labels", choices=("hirshfeld", "mulliken"), default="hirshfeld")
    add_number(spin, "--hidden", kind=int, least=0, default=0, help="hidden units (default 0: linear, per element)")
    add_number(
        spin, "--seed", kind=int, least=0, most=MAX_SEED, default=0, help="seed of the fit (default: %(default)s)"
    )
    spin.add_argument("--output", "-o", type=Path, help="archive to write (default: MODEL with suffix .naglass)")
    spin.add_argument("--head", help="which head to use, for a multi-head model")
    spin.add_argument(
        "--trust",
        action="store_true",
        help="open a pickled model, which can run arbitrary code: only use files you trust",
    )
    cli_dataset.add_verbs(add)
    cli_reference.add_verbs(add, _site)
    return parser


def _init(options: argparse.Namespace) -> int:
    from .files import check_target, write_bytes
    from .paths import data_file

    target = options.folder / "input.yaml"
    check_target(options.folder, "folder", folder=True)
    if os.path.lexists(target):
        raise InputError(f"{target}: already exists and is not overwritten")
    write_bytes(target, data_file("config", "example.yaml").read_bytes())
    print(f"{target} written; next: python -m naglass_drv validate {target}")
    return 0


def _validate(options: argparse.Namespace) -> int:
    from .config import cost
    from .config.load import load_study
    from .config.source import dotted
    from .workflow.chain import stages_of

    checks = cli_checks.Checks()
    study = load_study(options.input, checks=[checks])
    source = options.input.resolve().parent
    said: set[str] = set()
    for input in study.systems.values():
        notes = [*cli_reference.warnings(input, source, str(options.input))]
        notes += cli_reference.check_spins(input, options.input)
        if options.lint or options.schema:
            notes += cli_reference.lint(input, source, _site(), options.schema)
        for line in notes:
            if line not in said:
                print(line, flush=True)
        said.update(notes)
    print(f"{options.input}: OK; stages: {', '.join(stages_of(study.systems)) or 'none'}")
    if "" not in study.systems:
        print(cli_systems.table(study))
    found = [item for input in study.systems.values() for item in cost.costs(input, checks.counts)]
    for item in found if "" in study.systems else cost.totals(found):
        print(f"  {dotted(item.where):13s} {item}")
    if (ranks := max(map(cost.ranks, study.systems.values()))) > 1:
        print(f"  start it with mpirun -n {ranks} or higher")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from .doctor import examine

    return examine()


def _run(options: argparse.Namespace) -> int:
    from .config.load import load_study
    from .files import check_target
    from .runtime.job import Request
    from .runtime.stop import walltime_seconds

    def request() -> Request:
        path = options.input
        folder = options.folder or path.parent / "run"
        check_target(folder, "--folder", folder=True)
        study = load_study(path, checks=[cli_checks.Checks()])
        return Request(
            **_work(study),
            path=path,
            text=path.read_text(encoding="utf-8"),
            source=path.resolve().parent,
            folder=folder.resolve(),
            resume=_resume_command(),
            walltime_s=walltime_seconds(options.walltime) if options.walltime else None,
        )

    return run_stages(request)


def _report(options: argparse.Namespace) -> int:
    from .config.schema import Report
    from .runtime.job import Request
    from .runtime.status import provenance_of

    def request() -> Request:
        recorded = provenance_of(options.folder)
        source = Path(recorded["source"])
        text = (options.folder / "input.yaml").read_text(encoding="utf-8")
        study = _as_planned(options.folder, source)
        for name, input in study.systems.items():
            if input.report is None:
                study.systems[name] = input.model_copy(update={"report": Report()})
        return Request(
            **_work(study),
            path=Path(recorded["input"]),
            text=text,
            source=source,
            folder=options.folder.resolve(),
            resume=recorded["resume"],
            only=("report", "series"),
        )

    return run_stages(request)


def _as_planned(folder: Path, source: Path) -> Any:
    """The input of a run as it was planned: with the defaults of that time, except for several systems."""
    from .config.load import load_study

    study = load_study(folder / "input.yaml", source)
    return load_study(folder / "run.yaml", source) if "" in study.systems else study


def _fit_spin(options: argparse.Namespace) -> int:
    from .dataset.frames import read_frames
    from .engines.mace import spin
    from .engines.mace.export import check_supported, export_module
    from .engines.mace.modelfile import load_model
    from .files import write_json

    frames = read_frames(options.frames)
    test = read_frames(options.test) if options.test else []
    target = _archive_path(options)
    model = load_model(options.model, trust=options.trust).double()
    check_supported(model, options.head, str(options.model))
    say = lambda line: print(line, flush=True)  # noqa: E731
    readout = spin.fit_readout(
        model, frames, labels=options.labels, hidden=options.hidden, seed=options.seed, report=say
    )
    measured = {
        name: spin.errors(part, spin.predict(model, readout, part), options.labels)
        for name, part in (("fitted", frames), ("held out", test))
        if part
    }
    for name, found in measured.items():
        print(f"{name} frames, |moment| by {options.labels} labels\n{spin.table_of(found)}")
    readout.save(target.with_suffix(".spin"))
    write_json(target.with_suffix(".spin.json"), {"labels": options.labels, "errors": measured})
    print(export_module(model, target, head=options.head, source=str(options.model), spin=readout))
    return 0


def _work(study: Any) -> dict[str, Any]:
    """What the runtime has to know of an input: its workflow, stages, and requested ranks."""
    from functools import partial

    from .config.cost import ranks_by_section
    from .config.load import expanded
    from .workflow.chain import chain, stages_of

    ranks: dict[str, int] = {}
    for input in study.systems.values():
        ranks |= {name: max(count, ranks.get(name, 1)) for name, count in ranks_by_section(input).items()}
    return {
        "workflow": partial(chain, study.systems, study.conditions()),
        "stages": stages_of(study.systems),
        "expanded": expanded(study),
        "ranks": ranks,
    }


def run_stages(request: Callable[[], Any], stages: Callable[[str], Any] | None = None) -> int:
    """Run a workflow as one MPI job and return the exit code; `stages` finds a stage by name, by default the package's.

    `request` builds the runtime.job.Request; it is called on the first rank only.
    """
    from .runtime import mpi
    from .runtime.job import run_job
    from .runtime.tools import Versions
    from .stages import load

    comm = mpi.world()
    with mpi.abort_on_exception(comm):
        first = comm.Get_rank() == 0
        try:
            failures = run_job(comm, stages or load, request, _site, Versions)
        except NaglassError as error:
            if first:
                print(error if not isinstance(error, Stopped) else _last_line(error), file=sys.stderr, flush=True)
            return error.exit_code
        if failures and first:
            names = ", ".join(outcome.label for outcome in failures)
            print(f"{len(failures)} failed: {names}\nresume with: {_resume_command()}", file=sys.stderr, flush=True)
        return TaskFailed.exit_code if failures else 0


def _site() -> dict[str, Any]:
    from .config.site import as_mapping, load_site
    from .runtime.vendors import fitting_launcher

    site = as_mapping(load_site())
    if site["cp2k"] and not site["launcher"]:
        launcher = fitting_launcher(Path(site["cp2k"]))
        site["launcher"] = str(launcher) if launcher else None
    return site


def _last_line(stop: Stopped) -> str:
    return f"stopped by {stop}; can be restarted as is; resume with: {_resume_command()}"


def _resume_command() -> str:
    """The command that resumes this run, as the user would type it in the shell."""
    import shlex
    import shutil

    from .runtime.mpi import world

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


def _status(options: argparse.Namespace) -> int:
    from .runtime import status

    print(status.why(options.folder, options.why) if options.why else status.overview(options.folder))
    for line in _input_changes(options.folder):
        print(line)
    return 0


def _input_changes(folder: Path) -> list[str]:
    """What has changed in the input since the run was planned."""
    from .config.load import load_study
    from .runtime import status

    recorded = status.provenance_of(folder)
    try:
        planned = _as_planned(folder, Path(recorded["source"])).as_json()
        now = load_study(Path(recorded["input"])).as_json()
    except InputError as error:
        return [f"the input is no longer valid:\n{error}"]
    changed = status.changed_since(planned, now)
    return ["changed in the input since this run was planned:", *(f"  {line}" for line in changed)] if changed else []


def _plugins(options: argparse.Namespace) -> int:
    from .paths import plugin_folder

    print(plugin_folder())
    return 0


def _export_model(options: argparse.Namespace) -> int:
    from .engines.mace.export import export_model

    if options.archive is not None and options.output is not None:
        raise InputError(f"--output {options.output}: the archive is given twice, also as {options.archive}")
    options.output = options.output or options.archive
    target = _archive_path(options)
    print(export_model(options.model, target, head=options.head, dtype=options.dtype, trust=options.trust))
    return 0


def _archive_path(options: argparse.Namespace) -> Path:
    from .engines.mace.filekind import kind_of
    from .files import check_target

    kind_of(options.model)
    target = options.output or options.model.with_suffix(".naglass")
    check_target(target, "--output")
    if options.output and target.exists() and options.model.exists() and target.samefile(options.model):
        raise InputError(f"{target}: is the model itself")
    return target
