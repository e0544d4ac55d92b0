"""Kills a run at every point between two changes of its files, each time with kill -9, and then lets it
finish.

python -m support.die_at PLAN FOLDER EVERY prints, as JSON, for every EVERY-th point: the tasks that were done when it
died, and what the second run executed. PLAN is a plan of toy stages (.json), or the input of a toy loop (.yaml). One
process per run, forked before MPI wakes up.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

from support import toy, toy_loop
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


def done_in(run: Path) -> list[str]:
    """The finished tasks of a run, as step/task."""
    found = (path.parent for path in run.glob("tasks/**/DONE") if not path.parent.name.startswith("attempt-"))
    return sorted(str(path.relative_to(run / "tasks")) for path in found)


def products_in(run: Path) -> dict[str, str]:
    """The products by path: their files, and the facts of those that have no file."""
    found = {}
    for path in sorted((run / "products").rglob("*")):
        content = path.read_text() if path.is_file() else None
        if path.name == "manifest.json":
            facts = json.loads(content)
            content = None if facts["files"] else json.dumps(facts["facts"])
        if content is not None:
            found[str(path.relative_to(run / "products"))] = content
    return found


def trial(start, folder: Path, deadly: int) -> dict | None:
    """Die at one point and finish; None when the run ended before it came to that point."""
    run, journal = folder / f"run-{deadly}", folder / f"journal-{deadly}"

    def first() -> int:
        arm(deadly)
        return start(run, journal)

    if forked(first) != -signal.SIGKILL:
        return None
    done = done_in(run)
    before = len(executed(journal, "start"))
    code = forked(lambda: start(run, journal))
    return {
        "point": deadly,
        "code": code,
        "done_at_death": done,
        "again": executed(journal, "start")[before:],
        "steps": executed(journal, "step"),
        "done": done_in(run),
        "products": products_in(run),
        "left_over": [path.name for path in run.rglob(".stop-*")],
    }


def main() -> None:
    plan, folder, every = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    start = partial(toy.run_toy, plan)
    if plan.suffix == ".yaml":
        # what is imported before the forks is imported once
        toy_loop.request_of(plan, folder)
        start = partial(toy_loop.run_loop, plan)
    results = []
    while (result := trial(start, folder, 1 + every * len(results))) is not None:
        results.append(result)
    print(json.dumps(results))


def results_of(plan: Path, every: int) -> list[dict]:
    """The results for a plan or input, at every `every`-th point."""
    done = subprocess.run(
        [sys.executable, "-m", "support.die_at", str(plan), str(plan.parent), str(every)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env=environment(),
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def died_and_ended(folder: Path, every: int) -> list[dict]:
    """The results for a plan of two stages, the second reading from the first, at every `every`-th point."""
    first = {"name": "a", "do": "count", "settings": {"steps": 2, "step_s": 0}}
    second = {"name": "b", "do": "write", "settings": {"text": "b"}, "reads": ["a.txt"]}
    stages = [{"name": "first", "tasks": [first]}, {"name": "second", "tasks": [second]}]
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"stages": stages}))
    return results_of(plan, every)


def loop_died_and_ended(folder: Path, every: int) -> list[dict]:
    """The results for a loop of two systems and two rounds with a committee and cells, at every `every`-th point."""
    path = folder / "input.yaml"
    path.write_text(toy_loop.CUT + "learn: {rounds: [{md: {temperatures_K: [600]}}], stop_when_stable: true}\n")
    return results_of(path, every)


def check_that_nothing_was_lost(results: list[dict]) -> None:
    """The second run ends the first, without a task done twice or a finished step lost."""
    for result in results:
        assert result["code"] == 0, result
        assert result["done"] == ["first/a", "second/b"]
        assert result["products"] == {"a.txt": "2", "b.txt": "b"}
        again = {line.split()[0] for line in result["again"]}
        assert not again & {label.split("/")[1] for label in result["done_at_death"]}, f"done, and run again: {result}"
        assert Counter(result["steps"]) == {"a 0": 1, "a 1": 1}, f"a finished step was lost or made twice: {result}"
    assert [] in [result["again"] for result in results], "the last points lie behind the last task"


def check_that_the_loop_is_the_same(results: list[dict], alone: Path) -> None:
    """Every run ended with the products and decisions of one that was left `alone`, and did no task twice."""
    done, products = done_in(alone), products_in(alone)
    assert '"converged": false' in products["decision/manifest.json"]
    assert '"converged": true' in products["round-1/decision/manifest.json"]
    for result in results:
        assert result["code"] == 0, result
        assert result["done"] == done
        assert result["products"] == products
        assert not set(result["again"]) & set(result["done_at_death"]), f"done, and run again: {result}"


if __name__ == "__main__":
    main()
