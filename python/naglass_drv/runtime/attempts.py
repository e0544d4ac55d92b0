"""The attempts at a task: folders attempt-N, what stands in them, and what becomes of them."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import file_hash
from . import notes, progress
from .files import read_json, write_json

_LOG = re.compile(r"^log\.|\.log$|\.out$|\.lammps$")
ATTEMPT = "attempt.json"
DONE, FAILED = "DONE", "FAILED"
RETRY = "RETRY"
_RECORD = {
    "key": str, "attempt": int, "why": list, "parts": dict, "seconds": (int, float), "summary": dict, "outputs": dict,
}  # fmt: skip
_PARTS = {"settings": dict, "inputs": dict, "tools": dict, "naglass": str}
_OUTPUT = {"size": int, "mtime_ns": int, "sha256": str}
OWN_FILES = {ATTEMPT, DONE, progress.FILE, FAILED}


def read_done(folder: Path) -> dict[str, Any] | None:
    """The record DONE in the folder of a task or attempt, or None if it is missing or incomplete."""
    record = read_json(folder / DONE)
    if record is None or not _has(record, _RECORD) or not _has(record["parts"], _PARTS):
        return None
    return record if all(_has(output, _OUTPUT) for output in record["outputs"].values()) else None


def _has(record: Any, kinds: Mapping[str, Any]) -> bool:
    return isinstance(record, dict) and all(isinstance(record.get(key), kind) for key, kind in kinds.items())


def attempts(folder: Path) -> list[Path]:
    """The attempts in the folder of a task, oldest first."""
    # a listing instead of a glob: a run may have 100 000 tasks
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    numbers = sorted(int(name[8:]) for name in names if name.startswith("attempt-") and name[8:].isdigit())
    return [folder / f"attempt-{number}" for number in numbers]


def number_of(attempt: Path) -> int:
    """The number of an attempt, by the name of its folder."""
    return int(attempt.name[8:])


def here(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Where an attempt runs: the host, and the job of Slurm or HyperQueue if it is in one."""
    array, element = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{element}" if array and element else environment.get("SLURM_JOB_ID")
    if "HQ_JOB_ID" in environment:
        job = f"hq-{environment['HQ_JOB_ID']}_{environment.get('HQ_TASK_ID', 0)}"
    host = environment.get("SLURMD_NODENAME") or os.uname().nodename
    return {"host": host} | ({"job": job} if job else {})


def told(record: Mapping[str, Any]) -> str:
    """The failure in the record FAILED, in words."""
    return f"{record.get('failure')}: {record.get('message')}"


def ask_again(folder: Path) -> None:
    """Request that the task in `folder` is redone, even if it is done; an attempt made from now on fulfills it."""
    made = attempts(folder)
    write_json(folder / RETRY, {"after": number_of(made[-1]) if made else 0})
    notes.withdraw(folder.parent, folder.name)


def asked_again(folder: Path, attempt: int) -> bool:
    """Whether somebody asked for another attempt after this one."""
    after = (read_json(folder / RETRY) or {}).get("after")
    return isinstance(after, int) and attempt <= after


def log_of(folder: Path) -> Path | None:
    """The log of the last attempt at a task: the one that its failure names, or else the latest log; None if none."""
    made = attempts(folder)
    if not made:
        return None
    named = (read_json(made[-1] / FAILED) or {}).get("log")
    if isinstance(named, str) and Path(named).is_file() and Path(named).resolve().is_relative_to(made[-1].resolve()):
        return Path(named)
    found = [path for path in made[-1].rglob("*") if path.is_file() and _LOG.search(path.name)]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def resumable(attempt: Path, task_key: str) -> bool:
    """An attempt with the same key and some output that was killed, was stopped, or failed but can be resumed."""
    names = {path.name for path in attempt.iterdir()}
    if DONE in names or not names - OWN_FILES:
        return False
    if FAILED in names and not (read_json(attempt / FAILED) or {}).get("resumable"):
        return False
    return (read_json(attempt / ATTEMPT) or {}).get("key") == task_key


def outputs_of(folder: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink() or not path.is_file() or name in OWN_FILES:
            continue
        stat = path.stat()
        found[name] = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": file_hash(path)}
    return found
