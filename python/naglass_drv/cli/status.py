"""The verb status: what a run has done and still has to do."""

import argparse
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from .run import as_planned


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add status."""
    status = add("status", _status, "show stages, tasks, progress, elapsed and remaining time of a run")
    status.add_argument("folder", nargs="?", type=Path, default=Path("run"), help="run folder (default: run)")
    status.add_argument("--why", metavar="TASK", help="show why this task is up to date or has to be rerun")


def _status(options: argparse.Namespace) -> int:
    from ..runtime import status

    print(status.why(options.folder, options.why) if options.why else status.overview(options.folder))
    for line in _input_changes(options.folder):
        print(line)
    return 0


def _input_changes(folder: Path) -> list[str]:
    """What has changed in the input since the run was planned."""
    from ..config.load import load_study
    from ..runtime import status

    recorded = status.provenance_of(folder)
    try:
        planned = as_planned(folder, Path(recorded["source"])).as_json()
        now = load_study(Path(recorded["input"])).as_json()
    except InputError as error:
        return [f"the input is no longer valid:\n{error}"]
    changed = status.changed_since(planned, now)
    return ["changed in the input since this run was planned:", *(f"  {line}" for line in changed)] if changed else []
