"""Do the ranks of a node see the same GPUs, and does torch compute on each? Asked of torch in a child process."""

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
# torch is imported once, which takes a minute on a cold parallel file system; it asks for GPUs only after the fork
_ASK = """
import json, os, sys, torch
for number, shown in enumerate(sys.argv[2:]):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        continue
    os.environ[sys.argv[1]] = shown
    found = []
    for device in range(torch.cuda.device_count()):
        have = torch.cuda.get_device_properties(device)
        kind = str(getattr(have, "gcnArchName", "") or "").split(":")[0] or f"{have.major}.{have.minor}"
        found.append({"name": have.name, "id": str(getattr(have, "uuid", device)), "capability": kind})
    said = {"number": number, "torch": torch.__version__, "gpus": found}
    if number:
        made = torch.arange(1024, dtype=torch.float64, device="cuda:0")
        said["sum"] = float((made * made).sum())
    print(json.dumps(said), flush=True)
    os._exit(0)
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
    return gather(comm, _look(local_rank, given, environment) if given else _failed("no GPUs are passed on"))


def _look(local_rank: int, given: tuple[str, list[str]], environment: Mapping[str, str]) -> Seen:
    """All GPUs first (`group`), then one of them alone (`isolate`), as naglass gives them to tasks."""
    name, devices = given
    own = dict(environment)
    Devices(own).give((local_rank % len(devices),))
    told, last_words = _ask(name, [environment[name], own[name]], environment)
    group, alone = told.get(0), told.get(1)
    if group is None:
        return _failed(last_words)
    everything = tuple(each["id"] for each in group["gpus"])
    first = (alone or group)["gpus"][:1] or [{"name": "", "capability": ""}]
    ids = tuple(each["id"] for each in alone["gpus"]) if alone else ()
    if alone is None:
        problem = last_words
    elif len(ids) != 1:
        problem = f"shows {len(ids)} GPUs where one is passed on"
    else:
        problem = "" if alone["sum"] == _SUM else f"a sum of squares on it is {alone['sum']}, not {_SUM}"
    return Seen(group["torch"], everything, ids, first[0]["name"], first[0]["capability"], problem)


def _failed(problem: str) -> Seen:
    return Seen("", (), (), "", "", problem)


def _ask(variable: str, values: Sequence[str], environment: Mapping[str, str]) -> tuple[dict[int, dict[str, Any]], str]:
    """What torch says of GPUs for each value of the variable that passes them on, by number; and its last words."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK, variable, *values],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            env=scrubbed_environment(environment),
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return {}, f"torch has not answered within {_PATIENCE_S} s"
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"number"')]
    last_words = (done.stderr.strip().splitlines() or [f"torch ended with status {done.returncode}"])[-1]
    return {each["number"]: each for each in told}, last_words


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
