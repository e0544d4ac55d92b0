"""Do the ranks of a node see the same GPUs, and does torch compute on each? Asked of torch in child processes."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .devices import Devices, inherited
from .launch import scrubbed_environment
from .mpi import gather

_PATIENCE_S = 90
# options of srun that show each rank a part of the GPUs of its node
_HIDING = re.compile(r"--(gpu-bind|gpus-per-task|ntasks-per-gpu|tres-per-task)\b")
_ASK = """
import json, sys, torch
found = []
for number in range(torch.cuda.device_count()):
    have = torch.cuda.get_device_properties(number)
    kind = str(getattr(have, "gcnArchName", "") or "").split(":")[0] or f"{have.major}.{have.minor}"
    found.append({"name": have.name, "id": str(getattr(have, "uuid", number)), "capability": kind})
said = {"torch": torch.__version__, "gpus": found, "sum": None}
if "compute" in sys.argv:
    made = torch.arange(1024, dtype=torch.float64, device="cuda:0")
    said["sum"] = float((made * made).sum())
print(json.dumps(said))
"""
_SUM = float(sum(number * number for number in range(1024)))


@dataclass(frozen=True)
class Seen:
    """What a rank has found: all GPUs shown to it, and the one that it computed on alone; a problem, if any."""

    torch: str
    all: tuple[str, ...]
    alone: tuple[str, ...]
    name: str
    capability: str
    problem: str = ""


def look(comm: Any, local_rank: int, environment: Mapping[str, str] = os.environ) -> list[Seen] | None:
    """What every rank sees, on all ranks; None where the scheduler has passed on GPUs to none of them. Collective."""
    given = inherited(environment)
    if not any(gather(comm, given is not None)):
        return None
    return gather(comm, _look(local_rank, len(given[1]), environment) if given else _failed("no GPUs are passed on"))


def _look(local_rank: int, count: int, environment: Mapping[str, str]) -> Seen:
    """All GPUs first (`group`), then one of them alone (`isolate`), as naglass gives them to tasks."""
    group = _ask(environment)
    if isinstance(group, str):
        return _failed(group)
    own = dict(environment)
    Devices(own).give((local_rank % count,))
    alone = _ask(own, "compute")
    if isinstance(alone, str):
        return _failed(alone, group["torch"], group["gpus"])
    ids = tuple(each["id"] for each in alone["gpus"])
    first = alone["gpus"][0] if alone["gpus"] else {"name": "", "capability": ""}
    problem = "" if alone["sum"] == _SUM else f"a sum of squares on it is {alone['sum']}, not {_SUM}"
    if len(ids) != 1:
        problem = f"shows {len(ids)} GPUs where one is passed on"
    all_ids = tuple(each["id"] for each in group["gpus"])
    return Seen(group["torch"], all_ids, ids, first["name"], first["capability"], problem)


def _failed(problem: str, torch: str = "", gpus: Sequence[Mapping[str, str]] = ()) -> Seen:
    first = gpus[0] if gpus else {"name": "", "capability": ""}
    return Seen(torch, tuple(each["id"] for each in gpus), (), first["name"], first["capability"], problem)


def _ask(environment: Mapping[str, str], *words: str) -> dict[str, Any] | str:
    """What torch says in a child process, or its last words."""
    command = [sys.executable, "-c", _ASK, *words]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            env=scrubbed_environment(environment),
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return f"torch has not answered within {_PATIENCE_S} s"
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    return (done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"])[-1]


def fault(seen: Sequence[Seen], nodes: Sequence[str], wanted: int, launcher: str) -> str:
    """What is wrong with the GPUs of a job of `wanted` GPUs per node (0: not known), with the line to use; or empty."""
    for node in dict.fromkeys(nodes):
        here = [each for each, place in zip(seen, nodes, strict=True) if place == node]
        if len({frozenset(each.all) for each in here}) > 1:
            return (
                f"{node}: the launcher hides GPUs, each rank sees others; naglass divides them itself. "
                f"Use this line in the profile: launcher: {showing(launcher)}"
            )
        if wanted and len(here[0].all) < wanted and not here[0].problem:
            return (
                f"{node}: {len(here[0].all)} of {wanted} GPUs are seen. Ask for them with --gres=gpu:{wanted}, and use "
                f"this line in the profile: launcher: {showing(launcher)}"
            )
        shown = {each.alone for each in here if each.alone}
        if len(shown) < min(len(here), len(here[0].all)) and not any(each.problem for each in here):
            return f"{node}: ranks that were given different GPUs have computed on the same one"
    bad = [f"{node}: {each.problem}" for each, node in zip(seen, nodes, strict=True) if each.problem]
    return bad[0] if bad else ""


def showing(launcher: str) -> str:
    """The launcher with all GPUs of a node shown to every rank."""
    words = [word for word in shlex.split(launcher) if not _HIDING.match(word)]
    return shlex.join([*words, "--gpu-bind=none"] if words and words[0] == "srun" else words)
