"""The verb site: the profiles that come with naglass, and a short job that proves what they say."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, SetupError
from ..wording import counted
from .executors import words_of_site
from .numbers import add_number

if TYPE_CHECKING:
    from ..config.slurm import Slurm

_MINUTES = 2
_VERDICT = "verdict.json"
# the first is there from the submission on
_OF_A_RUN = ("lock", "run.yaml", "tasks")
_POLL_S = 5.0


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add site."""
    site = add("site", _site, "show the site profiles that come with naglass, or check one by a job of two minutes")
    site.add_argument("name", nargs="?", default="list", help="a profile to print, list, or check")
    site.add_argument("checked", nargs="?", default="", help="after check: the profile (default: your own)")
    site.add_argument("--account", help="account to charge for the check")
    add_number(site, "--nodes", kind=int, least=1, most=64, default=1, help="nodes of the check; 2 test the network")
    site.add_argument("--here", action="store_true", help="check the ranks of this command; submit nothing")
    site.add_argument("--force", action="store_true", help="accept a network below 1 GB/s")
    site.add_argument("--folder", type=Path, default=Path("site-check"), help="of the job (default: site-check)")
    site.add_argument("--dry-run", action="store_true", help="print the job, and neither write nor submit anything")


def _site(options: argparse.Namespace) -> int:
    from ..config.slurm import shipped, shipped_file

    if options.name == "check":
        return _here(options) if options.here else _submit(options)
    if options.checked:
        raise InputError(f"site {options.name} {options.checked}: only check takes a second name")
    if options.name == "list":
        print("\n".join(shipped()))
    else:
        print(shipped_file(options.name).read_text(encoding="utf-8"), end="")
    return 0


def _profile(options: argparse.Namespace) -> "tuple[Slurm, Path | None]":
    from ..config.site import load_site
    from ..config.slurm import Slurm

    if options.here and not options.checked and load_site().slurm is None:
        return Slurm(), None
    return words_of_site(options.checked, options.account)


def _submit(options: argparse.Namespace) -> int:
    from ..runtime import batch
    from .limits import Limits
    from .submit import nothing_left

    slurm, path = _profile(options)
    limits = Limits(slurm, path)
    _check_folder(options.folder)
    per_node = min(limits.check_known(), max(2, slurm.gpus_per_node))
    shape = batch.Shape(options.nodes * per_node, 1, options.nodes, slurm.gpus_per_node, _MINUTES / 60)
    folder = options.folder.resolve()
    command = [sys.executable, "-m", "naglass_drv", "site", "check", *filter(None, [options.checked]), "--here"]
    command += ["--folder", str(folder), *(["--force"] if options.force else [])]
    # a check never asks for another job
    text = batch.script(shape, slurm.model_dump(), name="naglass-check", folder=folder, command=command, again=["true"])
    if options.dry_run:
        print(text, end="")
        return 0
    limits.check_queue(slurm.model_dump())
    (folder / _VERDICT).unlink(missing_ok=True)
    with nothing_left(folder):
        job = batch.submit(folder, text)
    size = f"{counted(shape.ranks, 'rank')} on {counted(shape.nodes, 'node')}"
    print(f"job {job}: {size}, {_MINUTES} minutes at most", flush=True)
    return _wait(folder, job)


def _check_folder(folder: Path) -> None:
    """Raise InputError where no check can write its files, or where they would be those of a run."""
    from ..files import check_target

    check_target(folder, "--folder", folder=True)
    if any((folder / name).exists() for name in _OF_A_RUN):
        raise InputError(f"--folder {folder}: is a run folder; choose another for the check")


def _wait(folder: Path, job: str) -> int:
    """Show the log of the job when it has ended, and return its verdict."""
    from ..runtime import batch

    while job in batch.in_queue():
        time.sleep(_POLL_S)
    log = folder / batch.FOLDER / f"{job}.log"
    print(log.read_text(encoding="utf-8", errors="replace") if log.is_file() else f"{log}: not there", end="")
    try:
        return int(json.loads((folder / _VERDICT).read_text(encoding="utf-8"))["code"])
    except (OSError, ValueError, KeyError):
        raise SetupError(f"job {job} has ended without a verdict; its log is {log}") from None


def _here(options: argparse.Namespace) -> int:
    from tempfile import TemporaryDirectory

    from ..runtime.files import write_json
    from ..runtime.mpi import abort_on_exception, leave
    from ..runtime.probe import Fabric
    from .sitecheck import Check

    slurm, path = _profile(options)
    with TemporaryDirectory() as folder:
        fabric = Fabric(Path(folder))
        with abort_on_exception(fabric.comm):
            check = Check(fabric, slurm, path, options.force)
            code = check.run()
        if fabric.comm.Get_rank() == 0 and "SLURM_JOB_ID" in os.environ and options.folder.is_dir():
            write_json(options.folder / _VERDICT, {"code": code})
    return leave(code)
