"""Child processes: clean environment, own session, own timeout, no shell."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import SetupError

# A child that inherits any of these takes itself for a rank of our own MPI job, and hangs or fails.
_MPI_PREFIXES = ("PMI", "HYD", "MPI_LOCAL", "MPICH_", "MPIR_", "OMPI_", "ORTE_", "PRTE_", "OPAL_", "I_MPI_")
# one of Open MPI asks Slurm for its ranks, or starts them by srun, if it finds these
_SLURM = "SLURM_"
_GRACE_S = 10.0
#: For a single process of Open MPI: no daemon and no session folder, which two processes would race to create.
LONE_PROCESS = {"OMPI_MCA_ess_singleton_isolated": "1", "OMPI_MCA_orte_create_session_dirs": "0"}


def scrubbed_environment(base: Mapping[str, str] | None = None, program: str = "") -> dict[str, str]:
    """A copy of `base` (the process's environment by default) without the variables of any MPI launcher, and of Slurm
    unless the `program` is srun, which needs them.
    """
    base = os.environ if base is None else base
    prefixes = _MPI_PREFIXES if os.path.basename(program) == "srun" else (*_MPI_PREFIXES, _SLURM)
    return {key: value for key, value in base.items() if not key.startswith(prefixes)}


def run_child(
    argv: list[str],
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    log: str = "out.log",
    timeout_s: float | None = None,
    should_stop: Callable[[], bool] | None = None,
    on_poll: Callable[[], None] | None = None,
    poll_s: float = 0.2,
) -> int:
    """Run `argv` in `folder` and return its exit status (negative: the signal that ended it).

    `argv[0]` must be an absolute path. Output and errors go to ``folder/log``, standard input is empty. The
    child leads its own session; after `timeout_s`, or when `should_stop` returns true, its whole group gets SIGTERM
    and, after a grace period of 10 s, SIGKILL. `on_poll` is called while waiting (progress). Raises SetupError if
    the program cannot be started.
    """
    if not os.path.isabs(argv[0]):
        raise SetupError(f"child program {argv[0]!r}: must be an absolute path")
    environment = scrubbed_environment(program=argv[0]) | dict(env or {})
    with open(folder / log, "wb") as output:
        try:
            child = subprocess.Popen(
                argv,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        except OSError as error:
            raise SetupError(f"cannot start {argv[0]}: {error.strerror or error}") from error
    started = time.monotonic()
    try:
        while child.poll() is None:
            expired = timeout_s is not None and time.monotonic() - started > timeout_s
            if expired or (should_stop is not None and should_stop()):
                end_group(child)
                break
            if on_poll is not None:
                on_poll()
            time.sleep(poll_s)
    except BaseException:
        end_group(child)
        raise
    return child.returncode


def end_group(child: subprocess.Popen) -> None:
    """End a child and all its descendants: SIGTERM to the group of its session, then SIGKILL."""
    for sign, patience in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, sign)
        try:
            child.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue


def _die_with_parent() -> None:
    # kill -9 of the driver must not leave orphans that write into a folder that a resumed run uses, too
    import ctypes

    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
