"""Kills a run at every point between two changes of its files, each time with kill -9, and then lets it
finish.

python die_at.py PLAN.json FOLDER prints, as JSON, for every point: the tasks that were done when it died, and
what the second run executed. One process per run, forked before MPI wakes up.
"""

import json
import os
import signal
import sys
from pathlib import Path

from support import toy

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
    plan, folder = Path(sys.argv[1]), Path(sys.argv[2])
    results = []
    while (result := trial(plan, folder, len(results) + 1)) is not None:
        results.append(result)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
