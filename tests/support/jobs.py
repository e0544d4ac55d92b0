"""Starts the driver as a user does, under the real mpirun, and ends it as a cluster does."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import naglass_drv
from naglass_drv.cli.main import main

MPIRUN = str(Path(sys.executable).parent / "mpirun")
TOY = str(Path(__file__).with_name("toy.py"))
_PATIENCE_S = 120


def environment(**more: str) -> dict[str, str]:
    """The environment of a job: this package, one thread."""
    package = str(Path(naglass_drv.__file__).parents[1])
    paths = [package, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"} | more


def naglass(
    *arguments: str, cwd: Path | None = None, ranks: int = 0, patience_s: float = _PATIENCE_S, **more: str
) -> subprocess.CompletedProcess:
    """`python -m naglass_drv ARGUMENTS`, under mpirun when `ranks` is given."""
    launcher = [MPIRUN, "-n", str(ranks)] if ranks else []
    return subprocess.run(
        [*launcher, sys.executable, "-m", "naglass_drv", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=environment(**more),
        timeout=patience_s,
        stdin=subprocess.DEVNULL,
    )


def called(*arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess:
    """`naglass ARGUMENTS` in this process, where it does not matter in which one the command runs."""
    out, err = io.StringIO(), io.StringIO()
    changed = mock.patch.dict(os.environ, more)
    # a run takes signals for a wish to stop, and would go on doing so
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), changed:
        try:
            code = main(list(arguments))
        except SystemExit as end:
            code = end.code
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def killed_at(folder: Path, sign: str, *, patience_s: float = 200, **more: str) -> None:
    """Start the run of `folder` on two ranks, wait for a new file like `sign` in its run folder, and kill every
    process.
    """
    before = set((folder / "run").glob(sign))
    argv = [MPIRUN, "-n", "2", sys.executable, "-m", "naglass_drv", "run", "input.yaml"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    job = subprocess.Popen(argv, cwd=folder, env=environment(**more), start_new_session=True, **quiet)
    until = time.monotonic() + patience_s
    while not set((folder / "run").glob(sign)) - before:
        assert job.poll() is None, f"the job ended before there was {sign}"
        assert time.monotonic() < until, f"there was no {sign}"
        time.sleep(0.02)
    kill_job(job, folder)


def kill_job(job: subprocess.Popen, folder: Path) -> None:
    """kill -9 of a launcher and of every process of naglass that works in `folder`."""
    ranks = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _belongs(entry, folder)]
    for process in (*ranks, job.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    job.wait()


def _belongs(entry: Path, folder: Path) -> bool:
    try:
        return b"naglass_drv" in (entry / "cmdline").read_bytes() and Path(os.readlink(entry / "cwd")) == folder
    except OSError:
        return False


@dataclass
class ToyRun:
    """A run of toy stages in `folder`/run, with the journal of what was executed."""

    folder: Path
    started: list[subprocess.Popen] = field(default_factory=list)

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    def plan(self, **stages: list[dict]) -> None:
        """Set the stages, each a list of tasks."""
        described = [{"name": name, "tasks": tasks} for name, tasks in stages.items()]
        (self.folder / "plan.json").write_text(json.dumps({"stages": described}))

    def plan_branches(self, **branches: dict[str, list[dict]]) -> None:
        """Set several workflows that run side by side, each in its scope and with stages of its own."""
        described = {
            scope: [{"name": name, "tasks": tasks} for name, tasks in stages.items()]
            for scope, stages in branches.items()
        }
        (self.folder / "plan.json").write_text(json.dumps({"branches": described}))

    def start(self, ranks: int = 2, walltime_s: float | None = None) -> subprocess.Popen:
        """Start the job and return at once."""
        argv = [MPIRUN, "-n", str(ranks), sys.executable, TOY]
        argv += [str(self.folder / "plan.json"), str(self.run), str(self.journal)]
        argv += [str(walltime_s)] if walltime_s else []
        job = subprocess.Popen(
            argv,
            cwd=self.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(job)
        return job

    def finish(self, ranks: int = 2, walltime_s: float | None = None) -> subprocess.CompletedProcess:
        """Run the job to its end."""
        return self.wait(self.start(ranks, walltime_s))

    def wait(self, job: subprocess.Popen) -> subprocess.CompletedProcess:
        """Wait for a started job's end."""
        out, error = job.communicate(timeout=_PATIENCE_S)
        return subprocess.CompletedProcess(job.args, job.returncode, out, error)

    def lines(self, word: str) -> list[list[str]]:
        """The journal's lines that begin with `word`, split, without it."""
        if not self.journal.exists():
            return []
        split = (line.split() for line in self.journal.read_text().splitlines())
        return [parts[1:] for parts in split if parts and parts[0] == word]

    def wait_for(self, word: str, count: int = 1) -> None:
        """Wait until the journal has `count` lines of this kind."""
        deadline = time.monotonic() + _PATIENCE_S
        while len(self.lines(word)) < count:
            assert time.monotonic() < deadline, f"no {word} in the journal"
            time.sleep(0.01)

    def kill(self, job: subprocess.Popen) -> None:
        """kill -9 of the launcher and of every rank that this run has noted."""
        job.kill()
        for _, process in self.lines("rank"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        job.wait()
        job.stdout.close()
        job.stderr.close()

    def end(self) -> None:
        """Leave nothing running."""
        for job in self.started:
            if job.poll() is None:
                self.kill(job)

    def done(self) -> set[str]:
        """Names of the tasks that have a DONE."""
        return {path.parent.name for path in self.run.glob("tasks/**/DONE") if "attempt-" not in path.parent.name}
