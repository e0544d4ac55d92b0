"""Jobs of a run in Slurm: the script, its submission, and what Slurm says of them.

One job after the other works on the run folder; each resumes where the one before has stopped, and submits the next as
its last act. The state of a run is in its folder alone, so that a job may be lost at any time.
"""

import json
import math
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
from .attempts import ATTEMPT, attempts
from .files import read_json, write_text

FOLDER = "jobs"
SCRIPT, RECORD = "job.sh", "submitted.jsonl"
_CANCELLED = "cancelled"
#: The program stops by itself so long before the end of a job; Slurm's signal comes as a reserve.
_RESERVE_S = 60
# what a task leaves when it is done or has saved its state
_SAVED = frozenset(("DONE", "checkpoint.json", "checkpoint.pt"))
_PATIENCE_S, _LOOK_S = 30.0, 3.0
_SHOWN = 50
_MARGIN, _LEAST_H = 2.0, 0.25
# as worded by sbatch where a user has as many jobs as allowed, or where there are MaxJobCount of all users; limits of
# the size of one job have the same last line, and other names
_MANY = re.compile(r"(Max|Grp)SubmitJobs?\w*Limit|temporarily unable to accept job")
_LARGE = "Invalid job array specification"
_NO_SLURM = "Could not establish a configuration source"
_AWAY = ("no answer within", "Unable to contact slurm controller", "timed out")


class NotNow(SetupError):
    """Slurm takes no job now, and may later."""


class TooMany(NotNow):
    """Slurm takes no more jobs now, but may take fewer."""


class TooLarge(TooMany):
    """Slurm takes no array of so many jobs (MaxArraySize), but takes several smaller ones."""


@dataclass(frozen=True)
class Shape:
    """What a job asks for: ranks and threads of each, nodes, GPUs per node, and hours."""

    ranks: int
    threads: int
    nodes: int
    gpus_per_node: int
    hours: float


def script(
    shape: Shape,
    slurm: Mapping[str, Any],
    *,
    name: str,
    folder: Path,
    command: Sequence[str],
    again: Sequence[str] = (),
    array: int = 0,
) -> str:
    """The text of a job that runs `command` on all ranks, and `again` when it was stopped before its end.

    `slurm` is the section of a site profile as plain data; `folder` the run folder, where the job starts; `array` how
    many such jobs there are, if it is an array.
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
        "array": f"0-{array - 1}" if array else None,
        "output": f"{FOLDER}/{'%A_%a' if array else '%j'}.log",
    }
    head = [f"#SBATCH --{key}={value}" for key, value in wanted.items() if value]
    head += ["#SBATCH --requeue", *(f"#SBATCH {option}" for option in slurm.get("options", ()))]
    launcher = slurm.get("launcher") or "srun"
    launched = f"{launcher} {shlex.join(command)}"
    # srun takes --cpus-per-task from the job no more since Slurm 22.05; one that mpirun starts its daemons by must not
    cores = (f"export SRUN_CPUS_PER_TASK={shape.threads}",) if _program(launcher) == "srun" else ()
    return "\n".join(
        (
            "#!/bin/bash",
            *head,
            "",
            *slurm.get("setup", ()),
            f"export OMP_NUM_THREADS={shape.threads}",
            *cores,
            "",
            "# Slurm signals this script alone: pass it on, and wait for the program to save its state",
            f"{launched} &",
            "program=$!",
            "trap 'kill -USR1 $program' USR1 TERM",
            "wait $program; code=$?",
            "while kill -0 $program 2>/dev/null; do wait $program; code=$?; done",
            "trap - USR1 TERM",
            *(_next(folder, again) if again else ()),
            "exit $code",
            "",
        )
    )


def _program(launcher: str) -> str:
    return os.path.basename(shlex.split(launcher)[0])


def _next(folder: Path, again: Sequence[str]) -> tuple[str, ...]:
    return (
        f"# {Stopped.exit_code}: stopped, and can be restarted. The next job is the last act of this one",
        f"if [ $code -eq {Stopped.exit_code} ] && [ ! -e {shlex.quote(str(folder / FOLDER / _CANCELLED))} ]; then",
        f"  {shlex.join(again)} || exit",
        "  code=0",
        "fi",
    )


def nodes_for(ranks: int, threads: int, cores_per_node: int) -> int:
    """The nodes that so many ranks take, none of which is on two nodes with its threads."""
    return math.ceil(ranks / max(1, cores_per_node // threads))


def hours_for(expected_s: float) -> float:
    """The length (h) of a job for work that is expected to take `expected_s`: estimates are easily off by two."""
    return _MARGIN * expected_s / 3600.0 + _LEAST_H


def clock(hours: float) -> str:
    """Hours as Slurm writes them, ``HH:MM:SS``, rounded up to minutes."""
    minutes = max(1, -int(-hours * 60 // 1))
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"


def submit(
    folder: Path, text: str, *, name: str = SCRIPT, after: Sequence[str] = (), options: Sequence[str] = (), **row: Any
) -> str:
    """Write the script into the run `folder` as `name` and submit it; returns the number of the job.

    It starts when any of the jobs `after` has ended, however. `row` enters the record. Raises SetupError with Slurm's
    own words.
    """
    path = folder / FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    dependency = [f"--dependency={'?'.join(f'afterany:{job}' for job in after)}"] if after else []
    # not in the script: a line of options there cannot hold every path
    try:
        answer = command(["sbatch", "--parsable", f"--chdir={folder}", *dependency, *options, str(path)])
    except NotNow:
        # sbatch may have been ended between the answer of Slurm and its own
        if not (found := strays(folder, re.findall(r"^#SBATCH --job-name=(\S+)", text, re.MULTILINE)[0])):
            raise
        answer = found[0]
    job = answer.split(";")[0].strip()
    if not job.isdigit():
        raise SetupError(f"sbatch answered {answer.strip()!r} instead of the number of a job")
    note(folder, job=job, **row)
    return job


def strays(folder: Path, name: str) -> list[str]:
    """The jobs of a name that work in the run `folder` and are not in its record."""
    known = {row["job"] for row in rows(folder)}
    text = command(["squeue", "--noheader", f"--user={os.getuid()}", f"--name={name}", "--format=%F|%Z"])
    found = dict(line.split("|", 1) for line in text.splitlines() if "|" in line)
    here = os.path.realpath(folder)
    return [job for job, place in found.items() if os.path.realpath(place) == here and job not in known]


def requeue(folder: Path, job: str, **row: Any) -> None:
    """Put the running `job` back into the queue, where it keeps its place among those that Slurm allows; the job that
    we are in ends with this. `row` enters the record.
    """
    note(folder, job=job, **row)
    command(["scontrol", "requeue", job])


def note(folder: Path, **row: Any) -> None:
    """Add a row to the record of the jobs of a run."""
    with open(folder / FOLDER / RECORD, "a", encoding="utf-8") as file:
        file.write(json.dumps({"submitted": time.time(), **row}) + "\n")


def rows(folder: Path) -> list[dict[str, Any]]:
    """The record of the jobs of a run, in the order of their submission: `job`, `submitted` (s since the epoch), for
    an array the file of its `tasks`, and the `server` of one in HyperQueue.
    """
    try:
        lines = (folder / FOLDER / RECORD).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        # the last line of a full disk may be cut
        with suppress(ValueError, KeyError, TypeError):
            row = json.loads(line)
            if "tasks" in row:
                # the name of a file, and no path
                row["tasks"] = Path(row["tasks"]).name
            found.append({**row, "job": str(int(row["job"])), "submitted": float(row["submitted"])})
    return found


def in_queue() -> dict[str, list[tuple[str, str, str]]]:
    """Jobs of this user that have not ended: by number, the elements of the array, their states, and where they run or
    why they wait; an element is empty for a single job. Raises SetupError if Slurm does not answer.
    """
    text = command(["squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%F|%K|%T|%R"])
    found: dict[str, list[tuple[str, str, str]]] = {}
    for line in text.splitlines():
        job, element, state, where = line.split("|", 3)
        found.setdefault(job, []).append((element if element.isdigit() else "", state, where))
    return found


def states(folder: Path) -> dict[str, str]:
    """What Slurm knows of the run's jobs, as ``RUNNING on n1, ends 12:00``; nothing where there is no Slurm.

    For an array the numbers of its jobs by state.
    """
    known = {row["job"]: row for row in rows(folder) if "server" not in row}
    if not known:
        return {}
    shown = list(known)[-_SHOWN:]
    try:
        text = command(
            ["squeue", "--noheader", "--array", "--states=all", f"--jobs={','.join(shown)}", "--format=%F|%T|%R|%e"]
        )
    except SetupError:
        # a job that has long ended is unknown, and squeue fails if all are
        return dict.fromkeys(shown[-1:], "no longer known to Slurm")
    found: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        if len(row := line.split("|")) == 4:
            found.setdefault(row[0], []).append(row[1:])
    return {job: _summary(each) if "tasks" in known.get(job, {}) else _told(*each[0]) for job, each in found.items()}


def _summary(elements: list[list[str]]) -> str:
    """An array in words: ``2 RUNNING on n1, n2; 5 PENDING (Resources); 13 COMPLETED``."""
    parts = []
    for state in dict.fromkeys(each[0] for each in elements):
        places = sorted({where for name, where, _ in elements if name == state})
        more = (
            f" {', '.join(places)}" if state == "PENDING" else f" on {', '.join(places)}" if state == "RUNNING" else ""
        )
        parts.append(f"{sum(each[0] == state for each in elements)} {state}{more}")
    return "; ".join(parts)


def cancel(folder: Path) -> list[str]:
    """Cancel the jobs of a run that have not ended, and their successors; returns their numbers."""
    if (folder / FOLDER).is_dir():
        (folder / FOLDER / _CANCELLED).touch()
    jobs = [row["job"] for row in rows(folder) if "server" not in row]
    queued = in_queue() if jobs else {}
    open_jobs = [job for job in jobs if job in queued]
    if open_jobs:
        command(["scancel", *open_jobs])
    return open_jobs


def is_cancelled(folder: Path) -> bool:
    """Whether the jobs of a run have been cancelled, so that no other may be submitted."""
    return (folder / FOLDER / _CANCELLED).exists()


def uncancel(folder: Path) -> None:
    """Let jobs be submitted again."""
    (folder / FOLDER / _CANCELLED).unlink(missing_ok=True)


def log_of_job(folder: Path, task: Path) -> Path | None:
    """The log of the job that made the last attempt at the task in the folder `task`, if it had one."""
    made = attempts(task)[-1:]
    job = (read_json(made[0] / ATTEMPT) or {}).get("job") if made else None
    path = folder / FOLDER / f"{job}.log"
    return path if isinstance(job, str) and re.fullmatch(r"[\w-]+", job) and path.is_file() else None


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
        found = re.search(r"\bEndTime=(\S+)", command(["scontrol", "show", "job", "-o", job]))
        return time.mktime(time.strptime(found[1], "%Y-%m-%dT%H:%M:%S")) - time.time() if found else None
    except (SetupError, ValueError):
        return None


def went_on(folder: Path, since: float, *, begun: bool = False) -> bool:
    """Whether a task of the run has ended or saved its state after the time `since` (s since the epoch), or, if that is
    asked, has `begun`.
    """
    signs = _SAVED | {ATTEMPT} if begun else _SAVED
    for place, folders, files in os.walk(folder / "tasks"):
        for name in signs.intersection(files):
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


def command(words: Sequence[str]) -> str:
    """The output of a command of Slurm. Raises SetupError if it is not there, fails, or does not answer; NotNow and
    TooMany, which are such, if it may do later what it was asked.
    """
    try:
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=outside_of_jobs(os.environ)
        )
    except FileNotFoundError:
        raise SetupError(f"{words[0]}: not found; is this a login node of a cluster with Slurm?") from None
    with process:
        out, said = _answer(process)
    if process.returncode:
        raise refusal(words[0], said.strip() or out.strip() or "failed without a message")
    return out


def _answer(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """What a command has written; it is ended if it is silent for long, or waits for room in the queue by itself."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return process.communicate(timeout=_LOOK_S)
        except subprocess.TimeoutExpired as late:
            said = (late.stderr or b"").decode(errors="replace")
        # sbatch tries 15 times within two minutes
        waits = "sleeping and retrying" in said
        if waits or time.monotonic() > end:
            process.kill()
            process.communicate()
            silence = f"no answer within {_PATIENCE_S:g} s; Slurm's controller may be down"
            return "", said if waits else silence


def refusal(program: str, said: str) -> SetupError:
    """The error for what a `program` of Slurm has `said`."""
    kind = TooMany if _MANY.search(said) else TooLarge if _LARGE in said else SetupError
    kind = NotNow if any(word in said for word in _AWAY) else kind
    if _NO_SLURM in said:
        return SetupError(f"{program}: no Slurm is reachable from this machine ({_NO_SLURM})")
    # the name of a limit, and what it means, on two lines
    return kind(f"{program}: {'; '.join(line.removeprefix(f'{program}: error: ') for line in said.splitlines())}")


def outside_of_jobs(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what Slurm has set for the job that we are in, which sbatch would take for options."""
    inside = re.compile(r"SLURM_(?!CONF$)|SLURMD_|SBATCH_|PMI")
    return {key: value for key, value in environment.items() if not inside.match(key)}
