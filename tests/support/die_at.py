"""Kills a run at every point between two changes of its files, each time with kill -9, and then lets it
finish.

python die_at.py PLAN.json FOLDER EVERY prints, as JSON, for every EVERY-th point: the tasks that were done when it
died, and what the second run executed. One process per run, forked before MPI wakes up.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from support import toy
from support.jobs import environment

_CHANGES = ("replace", "rename", "mkdir", "unlink", "link")


def arm(deadly: int) -> None:
    """Let this process die before the `deadly`-th change of a folder's content."""
    counted = 0

    def wrap(change):
        def changed(*arguments, **options):
            nonlocal counted
            counted += 1
            if counted == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            return change(*arguments, **options)

        return changed

    for name in _CHANGES:
        setattr(os, name, wrap(getattr(os, name)))


def forked(work) -> int:
    """Exit status of `work` in a child; negative: the signal that ended it."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 1
        try:
            code = work()
        finally:
            from mpi4py import MPI

            MPI.Finalize()
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    # what MPICH leaves of a killed process
    Path(f"/dev/shm/mpich_shm_{child:x}_0").unlink(missing_ok=True)
    return status


def executed(journal: Path, word: str) -> list[str]:
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [" ".join(line.split()[1:]) for line in lines if line.startswith(word + " ")]


def trial(plan: Path, folder: Path, deadly: int) -> dict | None:
    """Die at one point and finish; None when the run ended before it came to that point."""
    run, journal = folder / f"run-{deadly}", folder / f"journal-{deadly}"

    def first() -> int:
        arm(deadly)
        return toy.run_toy(plan, run, journal)

    if forked(first) != -signal.SIGKILL:
        return None
    done = sorted(path.parent.name for path in run.glob("tasks/*/*/DONE"))
    before = len(executed(journal, "start"))
    code = forked(lambda: toy.run_toy(plan, run, journal))
    return {
        "point": deadly,
        "code": code,
        "done_at_death": done,
        "again": executed(journal, "start")[before:],
        "steps": executed(journal, "step"),
        "done": sorted(path.parent.name for path in run.glob("tasks/*/*/DONE")),
        "products": {path.name: path.read_text() for path in (run / "products").glob("*.txt")},
        "left_over": [path.name for path in run.rglob(".stop-*")],
    }


def main() -> None:
    plan, folder, every = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    results = []
    while (result := trial(plan, folder, 1 + every * len(results))) is not None:
        results.append(result)
    print(json.dumps(results))


def died_and_ended(folder: Path, every: int) -> list[dict]:
    """The results for a plan of two stages, the second reading from the first, at every `every`-th point."""
    first = {"name": "a", "do": "count", "settings": {"steps": 2, "step_s": 0}}
    second = {"name": "b", "do": "write", "settings": {"text": "b"}, "reads": ["a.txt"]}
    stages = [{"name": "first", "tasks": [first]}, {"name": "second", "tasks": [second]}]
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"stages": stages}))
    done = subprocess.run(
        [sys.executable, "-m", "support.die_at", str(plan), str(folder), str(every)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env=environment(),
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_that_nothing_was_lost(results: list[dict]) -> None:
    """The second run ends the first, without a task done twice or a finished step lost."""
    for result in results:
        assert result["code"] == 0, result
        assert result["done"] == ["a", "b"]
        assert result["products"] == {"a.txt": "2", "b.txt": "b"}
        again = {line.split()[0] for line in result["again"]}
        assert not again & set(result["done_at_death"]), f"done, and run again: {result}"
        assert Counter(result["steps"]) == {"a 0": 1, "a 1": 1}, f"a finished step was lost or made twice: {result}"
    assert [] in [result["again"] for result in results], "the last points lie behind the last task"


if __name__ == "__main__":
    main()
