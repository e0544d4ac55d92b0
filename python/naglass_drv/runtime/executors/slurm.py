"""Tasks as arrays of Slurm jobs: one array for each shape, each of its jobs with a few tasks, one after the other."""

import math
import os
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import SetupError
from ...wording import counted
from .. import batch, worklist
from ..forecast import Times
from ..store import Ticket
from .outside import Tasks

_SILENT_S = 600.0
_NO_LIMIT = 1_000_000_000
# a full queue is asked again when jobs of ours have ended, or after so long; if it has none, after so many looks
_FULL_S, _FULL_LOOKS = 600.0, 6


@dataclass
class _Room:
    """How many jobs Slurm takes, as far as it has refused some: at most `largest` in an array, and no more than `most`
    in the queue when that was last full, which is believed `until` then (s, monotonic).
    """

    largest: int = _NO_LIMIT
    most: int = _NO_LIMIT
    until: float = -math.inf

    @property
    def known(self) -> bool:
        """Whether the queue was full a short while ago; afterwards it may take more."""
        return time.monotonic() < self.until

    def in_array(self, queued: int) -> int:
        """How many jobs to ask for where so many are queued."""
        return min(self.largest, max(0 if self.known else 1, self.most - queued))

    def refuse(self, error: batch.NotNow, asked: int, queued: int, pause_s: float) -> int:
        """Learn from an array of so many jobs that was refused; returns how many to ask for instead. `pause_s` is the
        time between two looks.
        """
        if not isinstance(error, batch.TooMany):
            return 0
        if isinstance(error, batch.TooLarge):
            self.largest = max(asked // 2, 1)
        else:
            # without a job of ours the room comes with the end of others
            self.most, self.until = queued, time.monotonic() + (_FULL_S if queued else _FULL_LOOKS * pause_s)
        return asked // 2


@dataclass
class Slurm:
    """Submits tasks from the run folder `folder`. `words` is the section slurm of a site profile as plain data, `name`
    that of the run; `threads` are the cores of a rank, and `hours` the length of a job, None to take it from `times`.
    `command` carries out a file of tasks.
    """

    folder: Path
    words: Mapping[str, Any]
    name: str
    command: Sequence[str]
    times: Times
    threads: int = 1
    hours: float | None = None
    pause_s: float = 10.0
    heard: float | None = None
    _room: _Room = field(default_factory=_Room)

    def under_way(self) -> Tasks | None:
        """The tasks of jobs that have not ended; None if Slurm does not answer, which it may for ten minutes."""
        try:
            self._find_strays()
            queued, found = batch.in_queue(), Tasks()
        except SetupError:
            if self.heard is None or time.monotonic() - self.heard > _SILENT_S:
                raise
            return None
        self.heard = time.monotonic()
        for row in batch.rows(self.folder):
            if "tasks" in row and "server" not in row and row["job"] in queued:
                bundles = worklist.keys_of(self.folder / batch.FOLDER / row["tasks"])
                for element, _, _ in queued[row["job"]]:
                    found |= bundles[int(element)] if element and int(element) < len(bundles) else set()
        return found

    def submit(self, tickets: Sequence[Ticket], without: Sequence[str]) -> tuple[int, list[str]]:
        """Submit an array for each shape, as long as the user may have more jobs. Where Slurm itself takes no more,
        it is asked for fewer, and the rest waits.
        """
        queued = sum(map(len, batch.in_queue().values()))
        if not self._room.in_array(queued):
            return 0, []
        shapes: dict[tuple[str, int, int], list[Ticket]] = {}
        for ticket in tickets:
            shapes.setdefault(
                (kind_of(self.words, ticket.task.stage, ticket.task.gpus), ticket.task.ranks, ticket.task.gpus), []
            ).append(ticket)
        # the job that plans, which we may be in, and the next one
        kept = 1 if "SLURM_JOB_ID" in os.environ else 2
        lines, arrays = list[str](), 0
        for (kind, ranks, gpus), each in shapes.items():
            room = min(self.words.get("max_array") or 1000, (self.words.get("max_jobs") or 100) - queued - kept)
            if room < 1:
                lines.append(f"{counted(len(each), 'task')} wait: {queued} jobs are in the queue of Slurm")
                continue
            made, said = self._arrays(kind, ranks, gpus, each, room, queued, without)
            lines += said
            queued += made
            arrays += bool(made)
        return arrays, lines

    def _arrays(
        self, kind: str, ranks: int, gpus: int, tickets: list[Ticket], room: int, queued: int, without: Sequence[str]
    ) -> tuple[int, list[str]]:
        """Submit at most `room` jobs in one array, or in smaller ones where Slurm wants it so; returns their number,
        and what to say. So many are `queued` already.
        """
        words = words_of(self.words, kind)
        gpus = max(gpus, words.get("gpus") or 0)
        side = side_by_side(words, ranks * self.threads, gpus)
        size, hours = self._length(words, ranks, tickets, side, room)
        together = min(side, size) * ranks
        nodes = batch.nodes_for(together, self.threads, words.get("cores_per_node") or together * self.threads)
        shape = batch.Shape(together, self.threads, nodes, min(side, size) * gpus, hours)
        left = [tickets[start : start + size] for start in range(0, len(tickets), size)]
        jobs, lines, refused = len(left), list[str](), "the queue of Slurm is full"
        most = self._room.in_array(queued)
        while left and most:
            some, made = left[:most], jobs - len(left)
            try:
                job = self._submit(shape, words, some, self._spared(words, without))
            except batch.NotNow as error:
                refused, most = str(error), self._room.refuse(error, len(some), queued + made, self.pause_s)
                continue
            given = [ticket for bundle in some for ticket in bundle]
            steps = ", ".join(dict.fromkeys(ticket.step for ticket in given))
            what = f"{counted(len(given), 'task')} of {steps} in {counted(len(some), 'job')}"
            lines.append(f"job {job}: {what} of {counted(shape.ranks, 'rank')}, up to {batch.clock(hours)}")
            left = left[len(some) :]
            # after a refusal one array is enough for now
            self._room.most = max(self._room.most, queued + made + len(some))
            most = 0 if self._room.known else min(2 * most, self._room.largest)
        if left:
            lines.append(f"{counted(sum(map(len, left)), 'task')} wait: {refused}")
        return jobs - len(left), lines

    def _submit(
        self, shape: batch.Shape, words: Mapping[str, Any], bundles: Sequence[Sequence[Ticket]], spared: Sequence[str]
    ) -> str:
        """Submit an array with a job for each bundle; returns its number."""
        stem = f"{self.name}-{secrets.token_hex(4)}"
        tasks, script = (self.folder / batch.FOLDER / f"{stem}.{ending}" for ending in ("json", "sh"))
        # before the job: if we are killed now, the next one finds it by this name
        worklist.write(tasks, bundles)
        command = [*self.command, str(self.folder), f"{batch.FOLDER}/{tasks.name}"]
        text = batch.script(shape, words, name=stem, folder=self.folder, command=command, array=len(bundles))
        options = [f"--exclude={','.join(spared)}"] if spared else []
        try:
            return batch.submit(self.folder, text, name=script.name, options=options, tasks=tasks.name)
        except batch.NotNow:
            tasks.unlink(missing_ok=True)
            script.unlink(missing_ok=True)
            raise

    def _length(
        self, words: Mapping[str, Any], ranks: int, tickets: Sequence[Ticket], side: int, room: int
    ) -> tuple[int, float]:
        """How many tasks a job gets, of which it carries out `side` at once, and its hours."""
        alike = Counter(ticket.task.effort for ticket in tickets)
        known = {effort: self.times.seconds(effort, ranks) if effort is not None else None for effort in alike}
        total_s = [each[0] * alike[effort] for effort, each in known.items() if each is not None]
        mean_s = sum(total_s) / len(tickets) if len(total_s) == len(alike) else None
        aimed = round(3600.0 * self.words.get("aim_h", 1.0) * side / mean_s) if mean_s else 1
        size = min(max(1, side, aimed, math.ceil(len(tickets) / room)), len(tickets))
        longest_h = words.get("longest_h")
        hours = self.hours or (batch.hours_for(mean_s * math.ceil(size / side)) if mean_s else longest_h)
        if hours is None:
            raise SetupError("--walltime: is needed, since the times of tasks are not known, nor longest_h of the site")
        return size, min(hours, longest_h) if longest_h else hours

    def _spared(self, words: Mapping[str, Any], hosts: Sequence[str]) -> Sequence[str]:
        """The hosts that can be left out: never more than half of those there are."""
        if not hosts:
            return ()
        partition = [f"--partition={words['partition']}"] if words.get("partition") else []
        there = set(batch.command(["sinfo", "--noheader", "--Node", "--format=%N", *partition]).split())
        return [host for host in hosts if host in there][: len(there) // 2]

    def _find_strays(self) -> None:
        """Enter jobs into the record whose submission was the last that the one who planned them has done."""
        known = {row.get("tasks") for row in batch.rows(self.folder)}
        for path in sorted((self.folder / batch.FOLDER).glob(f"{self.name}-????????.json")):
            if path.name in known:
                continue
            if job := batch.strays(self.folder, path.stem):
                batch.note(self.folder, job=job[0], tasks=path.name)
            else:
                path.unlink(missing_ok=True)


def kind_of(words: Mapping[str, Any], stage: str, gpus: int) -> str:
    """The kind of nodes for a task: that which names its stage, or the first with GPUs if it asks for some; empty for
    the nodes that the profile describes at its top.
    """
    nodes: Mapping[str, Any] = words.get("nodes") or {}
    named = (kind for kind, each in nodes.items() if stage in (each.get("stages") or ()))
    equipped = (kind for kind, each in nodes.items() if gpus and each.get("gpus_per_node"))
    return next(named, "") or ("" if words.get("gpus_per_node") else next(equipped, ""))


def words_of(words: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The words of sbatch for a kind of nodes: its own, and those at the top of the profile where it has none."""
    own = (words.get("nodes") or {}).get(kind, {})
    return {**words, **{key: value for key, value in own.items() if value is not None}}


def side_by_side(words: Mapping[str, Any], cores: int, gpus: int) -> int:
    """How many tasks of so many cores and GPUs a job carries out at once: what fits on a node that it has alone."""
    if "--exclusive" not in (words.get("options") or ()):
        return 1
    fitting = (words.get("cores_per_node") or cores) // cores
    return max(1, min(fitting, (words.get("gpus_per_node") or gpus) // gpus) if gpus else fitting)
