"""Queues that naglass submits jobs to, in simulated time: what benchmarks/executors.py runs on.

The limits, the lost nodes and the forgotten jobs are those of real queues; what is in a run folder is real.
"""

import heapq
import json
import random
import re
import sys
from collections import Counter, deque
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest import mock

from naglass_drv.config.slurm import Slurm as Profile
from naglass_drv.runtime import batch, events, worklist
from naglass_drv.runtime.executors.hyperqueue import HyperQueue
from naglass_drv.runtime.executors.slurm import Slurm
from naglass_drv.runtime.store import Store

# as sbatch says it
MANY = "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/..."
LARGE = "sbatch: error: Batch job submission failed: Invalid job array specification"


class Killed(Exception):
    """The job that plans is killed."""


class Element:
    """A job of an array, or a task of HyperQueue: it carries out a list of tasks one after the other."""

    def __init__(self, job, number, file, limit_s):
        self.job, self.number, self.file, self.limit_s = job, number, file, limit_s
        self.end_s, self.tickets, self.store, self.attempt = 0.0, [], None, None


class Machine:
    """So many slots for elements, in simulated time (s); `queue` says what it is told by naglass."""

    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        self.random = random.Random(options.seed)
        self.count, self.done, self.minutes = Counter(), Counter(), Counter()
        self.now = 0.0
        self.lost_s = self._after(options.lost_s)
        self.waiting, self.events, self.busy = deque(), [], set()
        self.running = {}
        self.serial = 0

    def elements(self):
        return [*self.waiting, *self.running.values()]

    def add(self, count, file, limit_s):
        """Take a job of so many elements; returns its number."""
        self.serial += 1
        self.waiting.extend(Element(self.serial, number, file, limit_s) for number in range(count))
        self.count["jobs"] += 1
        self.count["elements"] += count
        self.count["most in the queue"] = max(self.count["most in the queue"], len(self.elements()))
        return self.serial

    def until(self, end_s):
        """Let time pass."""
        while True:
            self._fill()
            due = min(self.events[0][0] if self.events else end_s, self.lost_s)
            if due >= end_s:
                self.now = end_s
                return
            self.now = due
            if due == self.lost_s:
                self._lose()
            else:
                _, _, element, what = heapq.heappop(self.events)
                if self.running.get((element.job, element.number)) is element:
                    what(element)

    def clear(self):
        """Forget what waits, and end what runs: the server is gone."""
        self.waiting.clear()
        for element in list(self.running.values()):
            self._cut(element, saved=self.random.random() < 0.5)

    def _after(self, mean_s):
        return self.now + self.random.expovariate(1 / mean_s) if mean_s else float("inf")

    def _at(self, time_s, element, what):
        self.serial += 1
        heapq.heappush(self.events, (time_s, self.serial, element, what))

    def _fill(self):
        while self.waiting and len(self.running) < self.options.slots:
            element = self.waiting.popleft()
            self.running[element.job, element.number] = element
            element.store = Store(self.folder)
            file = self.folder / batch.FOLDER / element.file
            # the list of a job whose planner was killed before it knew of the job may be gone
            element.tickets = worklist.read(file, element.number, element.store) if file.exists() else []
            element.end_s = self.now + element.limit_s
            self._next(element)

    def _next(self, element):
        element.attempt = None
        while element.tickets:
            ticket = element.store.renewed(element.tickets[0])
            if ticket is not None and ticket.label in self.busy:
                # as a real job it waits for the other, and takes its result
                self.count["waits for another at work"] += 1
                self._at(self.now + 60.0, element, self._next)
                return
            del element.tickets[0]
            if ticket is not None:
                self._begin(element, ticket)
                return
        del self.running[element.job, element.number]

    def _begin(self, element, ticket):
        self.busy.add(ticket.label)
        folder = element.store.claim(ticket, 1)
        kept = json.loads((ticket.previous / "state").read_text()) if has_state(ticket.previous) else None
        self.count["attempts"] += 1
        self.count["resumed"] += kept is not None
        left_s = self.random.lognormvariate(0, 0.5) * self.options.task_s if kept is None else kept
        element.attempt = (ticket, folder, self.now + left_s, left_s)
        dies = self.random.random() < self.options.dies
        if dies or self.now + left_s > element.end_s:
            at_s = self.now + self.random.random() * min(left_s, element.end_s - self.now) if dies else element.end_s
            self._at(at_s, element, lambda each: self._cut(each, saved=not dies))
        else:
            self._at(self.now + left_s, element, self._complete)

    def _complete(self, element):
        ticket, folder, _, _ = element.attempt
        (folder / "out").write_text("x")
        element.store.complete(ticket, folder, {})
        element.store.release(folder)
        events.append(self.folder, "done", task=ticket.label, attempt=ticket.attempt)
        self.busy.discard(ticket.label)
        self.done[ticket.label] += 1
        self._next(element)

    def _cut(self, element, saved):
        """The element ends, with what its task has saved."""
        del self.running[element.job, element.number]
        if element.attempt is None:
            return
        ticket, folder, finish_s, left_s = element.attempt
        if saved:
            (folder / "state").write_text(json.dumps(finish_s - self.now))
            (folder / "progress.json").write_text(json.dumps({"done": self.now + left_s - finish_s + ticket.attempt}))
        element.store.release(folder)
        self.busy.discard(ticket.label)
        self.count["tasks cut"] += 1

    def _lose(self):
        self.lost_s = self._after(self.options.lost_s)
        lost = [
            each for each in self.running.values() if self.random.random() < self.options.per_node / len(self.running)
        ]
        for element in lost:
            self._cut(element, saved=self.random.random() < 0.5)
        self.count["nodes lost"] += bool(lost)


def has_state(previous):
    return previous is not None and (previous / "state").exists()


class SlurmQueue:
    """The commands of Slurm, with its limits of a user."""

    def __init__(self, machine):
        self.machine, self.names = machine, {}

    @contextmanager
    def patched(self):
        with mock.patch.object(batch, "command", self.command):
            yield

    def executor(self, times):
        options = self.machine.options
        words = Profile(cores_per_node=40, longest_h=options.job_s / 3600, max_jobs=options.max_jobs)
        return Slurm(self.machine.folder, words.model_dump(), "run", ["task"], times)

    def command(self, words):
        machine = self.machine
        if words[0] == "squeue" and (name := next((word[7:] for word in words if word.startswith("--name=")), None)):
            there = {each.job for each in machine.elements()}
            return "".join(
                f"{job}|{machine.folder}\n" for job, each in self.names.items() if each == name and job in there
            )
        if words[0] == "squeue":
            return "".join(f"{each.job}|{each.number}|PENDING|x\n" for each in machine.elements())
        if words[0] == "sinfo":
            return ""
        machine.count["submissions"] += 1
        machine.minutes[int(machine.now // 60)] += 1
        text = Path(words[-1]).read_text()
        count = 1 + int(re.search(r"--array=0-(\d+)", text)[1])
        for most, said in ((machine.options.max_array, LARGE), (machine.options.most - len(machine.elements()), MANY)):
            if count > most:
                machine.count["refused"] += 1
                raise batch.refusal("sbatch", said)
        name, clock = (re.search(rf"#SBATCH --{key}=(\S+)", text)[1] for key in ("job-name", "time"))
        hours, minutes, _ = map(int, clock.split(":"))
        job = machine.add(count, f"{name}.json", 3600 * hours + 60 * minutes)
        self.names[job] = name
        if machine.random.random() < machine.options.kills:
            machine.count["killed right after a submission"] += 1
            raise Killed
        return f"{job}\n"

    def trouble(self):
        """Slurm has none of its own here."""


class HyperQueueServer:
    """The library of HyperQueue, with a server that is killed and forgets its jobs."""

    def __init__(self, machine):
        self.machine, self.server, self.uid = machine, machine.folder.parent / "server", 0
        self.back_s = 0.0
        self._named()

    @contextmanager
    def patched(self):
        library, protocol, output = (ModuleType(f"hyperqueue{end}") for end in ("", ".ffi.protocol", ".output"))
        library.Client, library.Job = self.client, Job
        protocol.ResourceRequest = SimpleNamespace
        output.StdioDef = SimpleNamespace(remove_if_finished=str)
        names = {"hyperqueue": library, "hyperqueue.ffi": ModuleType("hyperqueue.ffi")}
        names |= {"hyperqueue.ffi.protocol": protocol, "hyperqueue.output": output}
        with mock.patch.dict(sys.modules, names):
            yield

    def executor(self, times):
        return HyperQueue(self.machine.folder, ["task"], self.server)

    def client(self, folder):
        if self.machine.now < self.back_s:
            raise RuntimeError("Connection refused")
        return SimpleNamespace(submit=self.submit, connection=SimpleNamespace(wait_for_jobs=self.told))

    def submit(self, job):
        machine = self.machine
        machine.count["submissions"] += 1
        machine.minutes[int(machine.now // 60)] += 1
        number = machine.add(job.tasks, f"{job.name}.json", float("inf"))
        if machine.random.random() < machine.options.kills:
            machine.count["killed right after a submission"] += 1
            raise Killed
        return SimpleNamespace(id=number)

    def told(self, jobs, hear):
        there = {each.job for each in self.machine.elements()}
        hear({job: {"completed": job not in there} for job in jobs})

    def trouble(self):
        if self.machine.random.random() < self.machine.options.restarts:
            self.machine.count["server killed"] += 1
            self.machine.clear()
            self.back_s = self.machine.now + 120.0
            self._named()

    def _named(self):
        self.uid += 1
        (self.server / "hq-current").mkdir(parents=True, exist_ok=True)
        (self.server / "hq-current" / "access.json").write_text(json.dumps({"server_uid": f"s{self.uid}"}))


class Job:
    """A job of HyperQueue as it is described before its submission."""

    def __init__(self, folder, *, name, **more):
        self.name, self.tasks = name, 0

    def program(self, words, **more):
        self.tasks += 1


QUEUES = {"slurm": SlurmQueue, "hyperqueue": HyperQueueServer}
