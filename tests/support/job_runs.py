"""Runs of toy stages whose tasks are in jobs of Slurm or HyperQueue."""

import json
import subprocess
import sys
import time
from pathlib import Path

from support.jobs import environment

_SCRIPT = Path(__file__).with_name("toy_jobs.py")


class JobRun:
    """A run of toy stages whose tasks are in jobs; the planner waits for them. `setting` and `known` describe the
    executor: see toy_jobs, and what its commands need of the environment.
    """

    def __init__(self, folder: Path, setting: dict, known: dict[str, str]):
        self.folder, self.run, self.journal = folder, folder / "run", folder / "journal"
        self._setting, self._known = {"since": time.time(), **setting}, known
        self.process: subprocess.Popen | None = None

    def plan(self, *stages) -> None:
        """Stages, each a dict of tasks by name; a stage follows the one before it."""
        described = [
            {"name": f"s{number}", "tasks": [{"name": name, **task} for name, task in tasks.items()]}
            for number, tasks in enumerate(stages)
        ]
        (self.folder / "plan.json").write_text(json.dumps({"stages": described}))

    def start(self) -> None:
        """Start the planner, or start it again."""
        (self.folder / "executor.json").write_text(json.dumps(self._setting))
        paths = [str(self.folder / name) for name in ("plan.json", "run", "journal", "executor.json")]
        known = environment(**self._known)
        with open(self.folder / "out", "a") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(_SCRIPT), "run", *paths],
                env=known | {"PYTHONPATH": f"{known['PYTHONPATH']}:{_SCRIPT.parents[1]}"},
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )

    def ends(self, patience_s: float = 120.0) -> int:
        """Wait for the planner's end; returns its exit code."""
        try:
            return self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(self.out) from None

    def kill(self) -> None:
        """Kill the planner."""
        self.process.kill()
        self.process.wait()

    @property
    def out(self) -> str:
        """What the planner has said."""
        return (self.folder / "out").read_text()

    def lines(self, word: str) -> list[list[str]]:
        """The lines of the journal that begin with a word, without it."""
        text = self.journal.read_text() if self.journal.exists() else ""
        return [line.split()[1:] for line in text.splitlines() if line.split()[:1] == [word]]

    def wait_for(self, word: str, count: int = 1, patience_s: float = 60.0) -> None:
        """Wait until the journal has so many lines that begin with a word."""
        end = time.monotonic() + patience_s
        while len(self.lines(word)) < count:
            assert time.monotonic() < end, f"no {word}: {self.out}"
            time.sleep(0.05)

    def jobs(self) -> list[dict]:
        """The record of the jobs that were submitted."""
        return [json.loads(line) for line in (self.run / "jobs" / "submitted.jsonl").read_text().splitlines()]

    def done(self) -> list[str]:
        """Tasks that were noted as done, as often as they were."""
        events = [json.loads(line) for line in (self.run / "events.jsonl").read_text().splitlines()]
        return sorted(event["task"] for event in events if event["event"] == "done")

    def numbers(self) -> dict[str, str]:
        """The files of the products."""
        return {path.name: path.read_text() for path in (self.run / "products").glob("*.txt")}
