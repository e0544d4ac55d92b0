"""What a run will take, before it starts: its workflow, driven by expected products and measured times."""

import heapq
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from .dispatch import Dispatch
from .flow import Answer, Failed, Flow, Step, Workflow
from .store import Ticket
from .task import Effort, Run, Stage, Task

_SHIPPED = Path(__file__).with_name("times.json")
_KEPT = 2000
_BYTES = 1_000_000
# starting a program and reading its files, whatever the size of the task, where no other was measured; at most half of
# a measured time
_START_S = 1.0
# a time of this machine is preferred up to this factor of sizes, since start-up dominates the times of small tasks; the
# start-up is separated from sizes that span it, if the rest is more than this share of the largest task's time
_FAR, _REST = 5.0, 0.25
# planning and collecting a step
_STEP_S = 0.3


@dataclass(frozen=True)
class Measured:
    """Wall time (s) of a task on so many ranks: `size` is in the unit of its `work`, such as atoms times steps."""

    work: str
    size: float
    ranks: int
    seconds: float


@dataclass(frozen=True)
class Times:
    """Measured times of earlier runs on this machine, and shipped ones where there are none."""

    own: Sequence[Measured] = ()
    shipped: Sequence[Measured] = ()

    def seconds(self, effort: Effort, ranks: int) -> tuple[float, str, float] | None:
        """Wall time (s) of a task, where it comes from, and by which factor of size it is scaled; None if nothing is
        known of such work.

        The time of the task of nearest size, scaled by the start-up that all have in common and by size and ranks; one
        of this machine, unless its size is so far off that a shipped one is nearer.
        """

        def distance(each: Measured) -> float:
            return abs(math.log(each.size / max(effort.size, 1e-9)))

        sources = ((self.own, "this machine"), (self.shipped, "shipped times"))
        found = [
            (distance(each), -number, each, source)
            for known, source in sources
            for number, each in enumerate(known)
            if each.work == effort.work and each.size > 0
        ]
        near = [item for item in found if item[3] == "this machine" and item[0] < math.log(_FAR)] or found
        if not near:
            return None
        off, _, each, source = min(near, key=lambda item: item[:2])
        start_s, rate = self._line(each)
        scale = (start_s + rate * effort.size / ranks) / (start_s + rate * each.size / each.ranks)
        return each.seconds * scale, source, math.exp(off)

    def _line(self, near: Measured) -> tuple[float, float]:
        """The start-up (s) of the work of a measured time, and the time (s) that one unit of size adds on one rank: by
        least squares of relative deviations, from this machine if that is possible, or else from shipped times.
        """
        for known in (self.own, self.shipped):
            times = [each for each in known if each.work == near.work and each.size > 0]
            sizes = [each.size / each.ranks for each in times]
            if not times or max(sizes) < _FAR * min(sizes):
                continue
            start_s, rate = _fitted(sizes, [each.seconds for each in times])
            if rate * max(sizes) > _REST * (start_s + rate * max(sizes)):
                return start_s, rate
        start_s = min(_START_S, 0.5 * near.seconds)
        return start_s, (near.seconds - start_s) * near.ranks / near.size


def _fitted(sizes: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """The line through times (s) against sizes, no part of it negative, with the least relative deviations."""
    rows = [(1.0 / time, size / time) for size, time in zip(sizes, seconds, strict=True)]
    # two unknowns need no solver, and this runs where numpy may not be loaded
    aa, ab, bb = (sum(row[i] * row[j] for row in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    a, b = (sum(row[i] for row in rows) for i in (0, 1))
    start_s, rate = (a * bb - b * ab) / (aa * bb - ab * ab), (b * aa - a * ab) / (aa * bb - ab * ab)
    return (start_s, rate) if min(start_s, rate) >= 0 else (0.0, b / bb) if start_s < 0 else (a / aa, 0.0)


@dataclass
class Row:
    """What the tasks of one stage take, in all systems: times in s, core and GPU times summed over tasks.

    The first of them `begins` and the last `ends` so long after the start of the run. `at_once_s` is the longest that
    one works before it saves anything; `scaled` the largest factor of size to a task that was measured.
    """

    tasks: int = 0
    ranks: int = 1
    gpus: int = 0
    core_s: float = 0.0
    gpu_s: float = 0.0
    begins_s: float = 0.0
    ends_s: float = 0.0
    sources: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    at_once_s: float = 0.0
    scaled: float = 1.0


@dataclass(frozen=True)
class Forecast:
    """Rows by stage, the wall time (s) on the given ranks, and steps that cannot be foreseen, with reasons."""

    rows: dict[str, Row]
    wall_s: float
    unforeseen: list[str]


def forecast(
    workflow: Workflow,
    stages: Callable[[str], Stage],
    source: Path,
    folder: Path,
    site: Mapping[str, Any],
    ranks: int,
    times: Times,
) -> Forecast:
    """Run the workflow in time only, on `ranks` ranks and as many GPUs as are requested; nothing is written.

    Tasks whose time is unknown count as taking none, and are named in their row.
    """
    rows: dict[str, Row] = {}
    unforeseen: list[str] = []
    # a task requests a few GPUs for each of its ranks, if any
    dispatch = Dispatch([0] * ranks, [64 * ranks])
    waiting: dict[str, tuple[list[int], Answer, Any]] = {}
    took: dict[tuple[str, str], float] = {}
    overhead = [0.0]
    now = 0.0

    def begin(step: Step, answer: Answer) -> None:
        try:
            tasks, product = stages(step.stage).expect(Run(step.input, source, folder, step.takes, site, step.scope))
        except InputError as error:
            unforeseen.append(f"{step.label}: {error}")
            answer(Failed(step.label, str(error)))
            return
        overhead[0] += _STEP_S
        if not tasks:
            answer(product)
            return
        row = rows.setdefault(step.stage, Row(begins_s=now))
        for task in tasks:
            took[step.label, task.name] = _count(row, task, times)
        waiting[step.label] = ([len(tasks)], answer, product)
        dispatch.add([Ticket(step.label, task, "", 1, None, ()) for task in tasks])

    flow = Flow(workflow, begin)
    running = list[tuple[float, int]]()
    flow.advance()
    while True:
        for order in dispatch.orders():
            seconds = took[order.ticket.step, order.ticket.task.name]
            heapq.heappush(running, (now + seconds, order.number))
        if not running:
            return Forecast(rows, now + overhead[0], unforeseen)
        now, number = heapq.heappop(running)
        ticket = dispatch.over(number)
        rows[ticket.step.rpartition("/")[2]].ends_s = now
        left, answer, product = waiting[ticket.step]
        left[0] -= 1
        if not left[0]:
            answer(product)
            flow.advance()


def _count(row: Row, task: Task, times: Times) -> float:
    """Add a task to its row; returns its wall time (s)."""
    row.tasks += 1
    row.ranks, row.gpus = max(row.ranks, task.ranks), max(row.gpus, task.gpus)
    effort = task.effort
    known = times.seconds(effort, task.ranks) if effort is not None else None
    if effort is None or known is None:
        row.unknown.add(task.stage if effort is None else effort.work)
        return 0.0
    seconds, source, scaled = known
    row.sources.add(source)
    row.scaled = max(row.scaled, scaled)
    row.at_once_s = max(row.at_once_s, seconds * effort.at_once)
    row.core_s += seconds * task.ranks
    row.gpu_s += seconds * task.gpus
    return seconds


def cache_file() -> Path:
    """The file of measured times in the user's cache."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "naglass" / "times.jsonl"


def record(measured: Measured) -> None:
    """Append a measured time to the user's cache; a cache that cannot be written is left alone."""
    path = cache_file()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > _BYTES:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-_KEPT:]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(measured)) + "\n")


def known_times() -> Times:
    """The times in the user's cache and the shipped ones; lines that are no such times are skipped."""
    try:
        with open(cache_file(), encoding="utf-8", errors="replace") as stream:
            lines = stream.read(4 * _BYTES).splitlines()
    except OSError:
        lines = []
    shipped = json.loads(_SHIPPED.read_text(encoding="utf-8"))["times"]
    own = [each for line in lines if (each := _measured(line)) is not None]
    return Times(own, [Measured(**each) for each in shipped])


def _measured(line: str) -> Measured | None:
    try:
        content = json.loads(line)
        found = Measured(str(content["work"]), float(content["size"]), int(content["ranks"]), float(content["seconds"]))
    except (ValueError, KeyError, TypeError):
        return None
    good = all(math.isfinite(x) and x > 0 for x in (found.size, found.seconds)) and found.ranks > 0
    return found if good else None
