"""The MPI side of the driver: one checked world, waits that sleep, and an end for all when one rank fails.

mpi4py is imported inside the functions: the light verbs do without it.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import SYSTEM, SetupError, of_system

# variables by which a launcher or a scheduler tells how many ranks it has started, the most telling first
_SIZE_KEYS = (
    ("PMI_SIZE", "mpirun of the MPICH family"),
    ("OMPI_COMM_WORLD_SIZE", "mpirun of Open MPI"),
    ("SLURM_STEP_NUM_TASKS", "srun"),
    ("SLURM_NTASKS", "Slurm"),
    ("PBS_NP", "PBS"),
)
_LOCAL_RANK_KEYS = ("MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")
_SHARED_MEMORY = Path("/dev/shm")
# measured with MPICH 4 and UCX 1.19: 1.06 MB a rank; with UCX's own segments 24 MB sufficed for 2 ranks, 32 MB for 4
_SEGMENT_BYTES, _UCX_BYTES = 1_250_000, 16_000_000
_SHORTEST_NAP_S = 0.001
_LONGEST_NAP_S = 0.1
LAST_WORDS_S = 0.5
_FAREWELL_S = 10.0


def world() -> Any:
    """MPI's world communicator, after the checks that library, launcher and number of ranks agree.

    Raises SetupError when they do not.
    """
    try:
        import mpi4py

        mpi4py.rc.initialize = False
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise SetupError(f"mpi4py cannot be loaded ({error}); install mpi4py and an MPI library") from error
    if not MPI.Is_initialized():
        vendor = MPI.get_vendor()[0]
        check_launcher(vendor, os.environ)
        if vendor != "Open MPI":
            _drop_stale_segment()
            check_shared_memory(_SHARED_MEMORY, os.environ)
        MPI.Init_thread(MPI.THREAD_MULTIPLE)
        _unlink_segment(MPI.COMM_WORLD)
    check_size(MPI.COMM_WORLD.size, os.environ)
    return MPI.COMM_WORLD


def _drop_stale_segment() -> None:
    """Remove the shared memory that a killed process of our number may have left.

    MPICH names the segment of a process without launcher by its process number, and waits for ever on
    one that was left half made.
    """
    with suppress(OSError):
        os.unlink(f"{_SHARED_MEMORY}/mpich_shm_{os.getpid():x}_0")


def check_shared_memory(folder: Path, environment: MutableMapping[str, str]) -> None:
    """Raise SetupError when MPICH would die for want of shared memory; where that is short, do without UCX's share.

    MPICH has one segment for all ranks of a node, and ends with a bus error when it does not fit; UCX needs some ten
    megabytes more a rank, and ends with a segmentation fault.
    """
    ranks = int(environment.get("MPI_LOCALNRANKS") or environment.get("PMI_SIZE") or 1)
    needed = _SEGMENT_BYTES * ranks
    try:
        status = os.statvfs(folder)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SetupError(f"{folder}: cannot be written to; MPI needs it for shared memory")
        # another rank of ours may be ahead of us, and have its segment already
        own = sum(path.stat().st_blocks * 512 for path in folder.glob("mpich_shm_*"))
    except OSError as error:
        raise SetupError(f"{folder}: {error.strerror}; MPI needs it for shared memory") from error
    free = status.f_bavail * status.f_frsize + own
    if free < needed:
        raise SetupError(
            f"{folder}: {free / 1e6:.1f} MB of shared memory are free, MPI needs {needed / 1e6:.1f} MB for {ranks} "
            "ranks; remove what is left there, or give the container more (--shm-size)"
        )
    if free < _UCX_BYTES * (1 + ranks):
        environment.setdefault("UCX_TLS", "^posix")


def _unlink_segment(comm: Any) -> None:
    """Take the name of MPICH's shared memory away once every rank has it: it then ends with the last of them.

    A killed process would leave it for ever, and so does one that does not finalize MPI.
    """
    sleep_barrier(comm)
    with suppress(OSError), open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        names = {words[5].strip() for line in maps if len(words := line.split(maxsplit=5)) == 6}
        for name in names:
            if name.startswith(f"{_SHARED_MEMORY}/mpich_shm_"):
                with suppress(OSError):
                    os.unlink(name)
    sleep_barrier(comm)


def speaks(environment: Mapping[str, str]) -> bool:
    """Whether this process is the first of its node, as far as launchers tell before MPI is there."""
    return next((environment[key] for key in _LOCAL_RANK_KEYS if key in environment), "0") == "0"


def check_launcher(library: str, environment: Mapping[str, str]) -> None:
    """Raise SetupError when the launcher belongs to another MPI than `library`, mpi4py's own."""
    family = "Open MPI" if library == "Open MPI" else "MPICH"
    started_by = None
    if "OMPI_COMM_WORLD_SIZE" in environment:
        started_by = "Open MPI"
    elif "PMI_SIZE" in environment and any(key.startswith("HYD") for key in environment):
        started_by = "MPICH"
    if started_by is not None and started_by != family:
        raise SetupError(
            f"started by the mpirun of {started_by}, but mpi4py is linked against {library}; "
            f"use the mpirun of {library} (beside this Python: {os.path.dirname(sys.executable)})"
        )


def check_size(size: int, environment: Mapping[str, str]) -> None:
    """Raise SetupError when a single rank runs where launcher or scheduler speak of several."""
    if size > 1:
        return
    for key, name in _SIZE_KEYS:
        if environment.get(key, "").isdigit():
            if int(environment[key]) > 1:
                raise SetupError(
                    f"MPI sees 1 rank, but {name} says {environment[key]} ({key}); start with the launcher "
                    "that belongs to mpi4py's MPI: mpirun -n N python -m naglass_drv run ..."
                )
            return


@contextmanager
def abort_on_exception(comm: Any):
    """Within this context an exception of any rank ends the whole job at once, with its traceback.

    Without it the other ranks would wait for ever for the one that is gone. What the system refuses (SYSTEM) is no
    error of the program: it ends the job with one message, and the exit code of the environment.
    """
    try:
        yield
    except (SystemExit, KeyboardInterrupt):
        raise
    except SYSTEM as error:
        problem = of_system(error)
        print(problem, file=sys.stderr, flush=True)
        abort(comm, problem.exit_code)
    except BaseException:
        who = f"rank {comm.Get_rank()} of {comm.Get_size()}"
        text = f"{who} failed; the whole job ends\n{traceback.format_exc()}"
        sys.stderr.write(text)
        sys.stderr.flush()
        abort(comm, 1)


def abort(comm: Any, code: int) -> None:
    """End all ranks with exit code `code`."""
    sys.stdout.flush()
    sys.stderr.flush()
    if comm.Get_size() > 1:
        # the launcher passes on what was printed, and drops what it has not yet read when the job aborts
        time.sleep(LAST_WORDS_S)
        comm.Abort(code)
    os._exit(code)


def leave(code: int) -> int:
    """Let all ranks leave MPI together before any process ends; returns `code`.

    The launcher takes a process that ends with a code other than 0 before the others have left MPI for a crash: it
    kills them, and may report the kill in place of the code.
    """
    if "mpi4py.MPI" not in sys.modules:
        return code
    from mpi4py import MPI

    if MPI.Is_initialized() and not MPI.Is_finalized():
        sys.stdout.flush()
        sys.stderr.flush()
        if not wait(MPI.COMM_WORLD.Ibarrier(), _FAREWELL_S):
            # a rank is elsewhere, and would wait for us as we for it
            abort(MPI.COMM_WORLD, code)
        MPI.Finalize()
        if code:
            # the launcher hears of each process's farewell a little later
            time.sleep(LAST_WORDS_S)
    return code


def wait(request: Any, patience_s: float | None = None, on_nap: Callable[[], None] | None = None) -> bool:
    """Wait for `request` asleep; False when `patience_s` ended before it was complete.

    MPI's own waits spin at full speed, which would take the core from whoever works.
    """
    nap, started = _SHORTEST_NAP_S, time.monotonic()
    while not request.Test():
        if patience_s is not None and time.monotonic() - started > patience_s:
            return False
        time.sleep(nap)
        nap = min(2 * nap, _LONGEST_NAP_S)
        if on_nap is not None:
            on_nap()
    return True


def sleep_barrier(comm: Any) -> None:
    """A barrier whose waiting ranks sleep."""
    wait(comm.Ibarrier())


def bcast(comm: Any, value: Any = None) -> Any:
    """Rank 0's `value` on every rank; those that wait for it sleep."""
    sleep_barrier(comm)
    return comm.bcast(value)


def gather(comm: Any, value: Any) -> list[Any]:
    """Every rank's `value`, on every rank; those that wait sleep."""
    sleep_barrier(comm)
    return comm.allgather(value)


def split(comm: Any, ranks: int) -> tuple[int, Any | None]:
    """Cut `comm` into groups of `ranks` neighboring ranks: this rank's group number and communicator.

    Ranks that do not fill a group get no communicator.
    """
    from mpi4py import MPI

    groups = comm.Get_size() // ranks
    mine = comm.Get_rank() // ranks
    part = comm.Split(mine if mine < groups else MPI.UNDEFINED, comm.Get_rank())
    return mine, part if mine < groups else None
