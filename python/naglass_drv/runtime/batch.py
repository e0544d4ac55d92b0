"""Jobs of a run in Slurm: the script, its submission, and what Slurm says of them.

One job after the other works on the run folder; each resumes where the one before has stopped, and submits the next as
its last act. The state of a run is in its folder alone, so that a job may be lost at any time.
"""

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SetupError, Stopped
from .files import write_text

FOLDER = "jobs"
SCRIPT, RECORD = "job.sh", "submitted.jsonl"
#: The program stops by itself so long before the end of a job; Slurm's signal comes as a reserve.
_RESERVE_S = 60
# what a task leaves when it is done or has saved its state
_SAVED = frozenset(("DONE", "checkpoint.json", "checkpoint.pt"))
_PATIENCE_S = 30.0
_SHOWN = 50
#: States of a job that has not ended.
OPEN = ("PENDING", "RUNNING", "SUSPENDED", "COMPLETING")


@dataclass(frozen=True)
class Shape:
    """What a job asks for: ranks and threads of each, nodes, GPUs per node, and hours."""

    ranks: int
    threads: int
    nodes: int
    gpus_per_node: int
    hours: float


def script(
    shape: Shape, slurm: Mapping[str, Any], *, name: str, folder: Path, command: Sequence[str], again: Sequence[str]
) -> str:
    """The text of a job that runs `command` on all ranks, and `again` when it was stopped before its end.

    `slurm` is the section of a site profile as plain data; `folder` the run folder, where the job starts.
    """
    wanted = {
        "job-name": name,
        "account": slurm.get("account"),
        "partition": slurm.get("partition"),
        "qos": slurm.get("qos"),
        "constraint": slurm.get("constraint"),
        "nodes": shape.nodes,
        "ntasks": shape.ranks,
        "cpus-per-task": shape.threads,
        "gres": f"gpu:{shape.gpus_per_node}" if shape.gpus_per_node else None,
        "time": clock(shape.hours),
        "signal": f"B:USR1@{_RESERVE_S}",
        "open-mode": "append",
        "output": f"{FOLDER}/%j.log",
    }
    head = [f"#SBATCH --{key}={value}" for key, value in wanted.items() if value]
    head += ["#SBATCH --requeue", *(f"#SBATCH {option}" for option in slurm.get("options", ()))]
    launched = f"{slurm.get('launcher') or 'srun'} {shlex.join(command)}"
    return "\n".join(
        (
            "#!/bin/bash",
            *head,
            "",
            *slurm.get("setup", ()),
            f"export OMP_NUM_THREADS={shape.threads}",
            "",
            "# Slurm signals this script alone: pass it on, and wait for the program to save its state",
            f"{launched} &",
            "program=$!",
            "trap 'kill -USR1 $program' USR1 TERM",
            "wait $program; code=$?",
            "while kill -0 $program 2>/dev/null; do wait $program; code=$?; done",
            "trap - USR1 TERM",
            f"# {Stopped.exit_code}: stopped, and can be restarted. The next job is the last act of this one",
            f"if [ $code -eq {Stopped.exit_code} ] && [ ! -e {shlex.quote(str(folder / FOLDER / 'cancelled'))} ]; then",
            f"  {shlex.join(again)} || exit",
            "fi",
            "exit $code",
            "",
        )
    )


def clock(hours: float) -> str:
    """Hours as Slurm writes them, ``HH:MM:SS``, rounded up to minutes."""
    minutes = max(1, -int(-hours * 60 // 1))
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"


def submit(folder: Path, text: str, *, after: str | None = None) -> str:
    """Write the script into the run `folder` and submit it; returns the number of the job.

    With `after` it starts when that job has ended, however. Raises SetupError with Slurm's own words.
    """
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    path = folder / FOLDER / SCRIPT
    write_text(path, text)
    (folder / FOLDER / "cancelled").unlink(missing_ok=True)
    dependency = [f"--dependency=afterany:{after}"] if after else []
    # not in the script: a line of options there cannot hold every path
    answer = _slurm(["sbatch", "--parsable", f"--chdir={folder}", *dependency, str(path)])
    job = answer.split(";")[0].strip()
    if not job.isdigit():
        raise SetupError(f"sbatch answered {answer.strip()!r} instead of the number of a job")
    with open(folder / FOLDER / RECORD, "a", encoding="utf-8") as file:
        file.write(json.dumps({"job": job, "submitted": time.time()}) + "\n")
    return job


def submitted(folder: Path) -> list[str]:
    """Numbers of all jobs of a run, in the order of their submission."""
    return [job for job, _ in _record(folder)]


def times(folder: Path) -> list[float]:
    """When they were submitted (s since the epoch)."""
    return [at for _, at in _record(folder)]


def _record(folder: Path) -> list[tuple[str, float]]:
    try:
        lines = (folder / FOLDER / RECORD).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        # the last line of a full disk may be cut
        with suppress(ValueError, KeyError, TypeError):
            row = json.loads(line)
            found.append((str(int(row["job"])), float(row["submitted"])))
    return found


def states(folder: Path) -> dict[str, str]:
    """What Slurm knows of the run's jobs, as ``RUNNING on n1, ends 12:00``; nothing where there is no Slurm."""
    jobs = submitted(folder)
    if not jobs:
        return {}
    try:
        text = _slurm(
            ["squeue", "--noheader", "--states=all", f"--jobs={','.join(jobs[-_SHOWN:])}", "--format=%i|%T|%R|%e"]
        )
    except SetupError:
        # a job that has long ended is unknown, and squeue fails if all are
        return dict.fromkeys(jobs[-1:], "no longer known to Slurm")
    rows = (line.split("|") for line in text.splitlines())
    return {row[0]: _told(*row[1:]) for row in rows if len(row) == 4}


def cancel(folder: Path) -> list[str]:
    """Cancel the jobs of a run that have not ended, and their successors; returns their numbers."""
    open_jobs = [job for job, state in states(folder).items() if state.split()[0] in OPEN]
    if (folder / FOLDER).is_dir():
        (folder / FOLDER / "cancelled").touch()
    if open_jobs:
        _slurm(["scancel", *open_jobs])
    return open_jobs


def end_of_job(environment: Mapping[str, str] = os.environ) -> float | None:
    """Seconds until the job that this process belongs to is ended by Slurm; None outside of one, or without a limit."""
    job = environment.get("SLURM_JOB_ID", "")
    if not job.isdigit():
        return None
    end = environment.get("SLURM_JOB_END_TIME", "")
    if end.isdigit():
        return float(end) - time.time()
    # older Slurm does not set it
    try:
        found = re.search(r"\bEndTime=(\S+)", _slurm(["scontrol", "show", "job", "-o", job]))
        return time.mktime(time.strptime(found[1], "%Y-%m-%dT%H:%M:%S")) - time.time() if found else None
    except (SetupError, ValueError):
        return None


def went_on(folder: Path, since: float) -> bool:
    """Whether a task of the run has ended or saved its state after the time `since` (s since the epoch)."""
    for place, folders, files in os.walk(folder / "tasks"):
        for name in _SAVED.intersection(files):
            with suppress(OSError):
                if os.stat(os.path.join(place, name)).st_mtime >= since:
                    return True
        folders.sort(reverse=True)
    return False


def _told(state: str, where: str, end: str) -> str:
    if state == "PENDING":
        return f"PENDING {where}"
    if state == "RUNNING":
        return f"RUNNING on {where}, ends at the latest {end}"
    return state


def _slurm(command: Sequence[str]) -> str:
    """The output of a command of Slurm. Raises SetupError if it is not there, fails, or does not answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except FileNotFoundError:
        raise SetupError(f"{command[0]}: not found; is this a login node of a cluster with Slurm?") from None
    except subprocess.TimeoutExpired:
        raise SetupError(f"{command[0]}: no answer within {_PATIENCE_S:g} s; Slurm's controller may be down") from None
    if done.returncode:
        raise SetupError(f"{command[0]}: {(done.stderr or done.stdout).strip() or 'failed without a message'}")
    return done.stdout
