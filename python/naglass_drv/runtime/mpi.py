"""The MPI side of the driver: a checked world communicator, sleeping waits, and an abort if one rank fails.

mpi4py is imported inside the functions because the light verbs do not need it.
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

# variables that tell how many ranks a launcher or scheduler has started, most specific first
_SIZE_KEYS = (
    ("PMI_SIZE", "mpirun of the MPICH family"),
    ("OMPI_COMM_WORLD_SIZE", "mpirun of Open MPI"),
    ("SLURM_STEP_NUM_TASKS", "srun"),
    ("SLURM_NTASKS", "Slurm"),
    ("PBS_NP", "PBS"),
)
_RANK_KEYS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")
_LOCAL_RANK_KEYS = ("MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")
_SHARED_MEMORY = Path("/dev/shm")
# measured with MPICH 4 and UCX 1.19: 1.06 MB per rank; with UCX's own segments, 24 MB suffice for 2 ranks, 32 MB for 4
_SEGMENT_BYTES, _UCX_BYTES = 1_250_000, 16_000_000
_SHORTEST_NAP_S = 0.001
_LONGEST_NAP_S = 0.1
LAST_WORDS_S = 0.5
_FAREWELL_S = 10.0


def world() -> Any:
    """MPI's world communicator, after checking that library, launcher and number of ranks are consistent.

    Raises SetupError if they are not.
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
    check_size(MPI.COMM_WORLD.size, os.environ, MPI.get_vendor()[0])
    return MPI.COMM_WORLD


def _drop_stale_segment() -> None:
    """Remove shared memory that may have been left by a killed process with our process ID.

    MPICH names the segment of a process without a launcher after its process ID, and waits forever for
    one that was left incomplete.
    """
    with suppress(OSError):
        os.unlink(f"{_SHARED_MEMORY}/mpich_shm_{os.getpid():x}_0")


def check_shared_memory(folder: Path, environment: MutableMapping[str, str]) -> None:
    """Raise SetupError if MPICH would crash for lack of shared memory; if memory is short, turn off the part for UCX.

    MPICH has one segment for all ranks of a node and crashes with a bus error if it does not fit; UCX needs another
    ten megabytes or so per rank and crashes with a segmentation fault.
    """
    ranks = int(environment.get("MPI_LOCALNRANKS") or environment.get("PMI_SIZE") or 1)
    needed = _SEGMENT_BYTES * ranks
    try:
        status = os.statvfs(folder)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SetupError(f"{folder}: is not writable; MPI needs it for shared memory")
        # another of our ranks may be ahead of us and already have its segment
        own = sum(path.stat().st_blocks * 512 for path in folder.glob("mpich_shm_*"))
    except OSError as error:
        raise SetupError(f"{folder}: {error.strerror}; MPI needs it for shared memory") from error
    free = status.f_bavail * status.f_frsize + own
    if free < needed:
        raise SetupError(
            f"{folder}: {free / 1e6:.1f} MB of shared memory are free, but MPI needs {needed / 1e6:.1f} MB for {ranks} "
            "ranks; remove leftover files there, or give the container more (--shm-size)"
        )
    if free < _UCX_BYTES * (1 + ranks):
        environment.setdefault("UCX_TLS", "^posix")


def _unlink_segment(comm: Any) -> None:
    """Unlink MPICH's shared memory once every rank has opened it, so that it disappears with the last of them.

    Otherwise a process that is killed or does not finalize MPI would leave it behind forever.
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
    """Whether this process is the first on its node, as far as launchers tell before MPI is initialized."""
    return next((environment[key] for key in _LOCAL_RANK_KEYS if key in environment), "0") == "0"


def is_first(environment: Mapping[str, str]) -> bool:
    """Whether this process is the first of all, as far as launchers tell before MPI is initialized."""
    return next((environment[key] for key in _RANK_KEYS if key in environment), "0") == "0"


def check_launcher(library: str, environment: Mapping[str, str]) -> None:
    """Raise SetupError if the launcher belongs to an MPI other than `library`, that of mpi4py."""
    family = "Open MPI" if library == "Open MPI" else "MPICH"
    started_by = None
    if "OMPI_COMM_WORLD_SIZE" in environment:
        started_by = "Open MPI"
    elif "PMI_SIZE" in environment and any(key.startswith("HYD") for key in environment):
        started_by = "MPICH"
    if started_by is not None and started_by != family:
        raise SetupError(
            f"started by the mpirun of {started_by}, but mpi4py is linked against {library}; "
            f"use the mpirun of {library} (next to this Python: {os.path.dirname(sys.executable)})"
        )


def check_size(size: int, environment: Mapping[str, str], library: str = "MPICH") -> None:
    """Raise SetupError, with the line to use, if MPI sees one rank although launcher or scheduler started several.

    `library` is the MPI of mpi4py.
    """
    if size > 1:
        return
    for key, name in _SIZE_KEYS:
        if environment.get(key, "").isdigit():
            if int(environment[key]) > 1:
                raise SetupError(
                    f"MPI sees 1 rank, but {name} says {environment[key]} ({key}); start with the launcher "
                    f"that belongs to mpi4py's MPI: {_line(library, environment)} python -m naglass_drv ..."
                )
            return


def _line(library: str, environment: Mapping[str, str]) -> str:
    if "SLURM_JOB_ID" not in environment:
        return "mpirun -n N"
    return f"srun --mpi={'pmix' if library == 'Open MPI' else 'pmi2'}"


@contextmanager
def abort_on_exception(comm: Any):
    """Within this context an exception on any rank aborts the whole job, with its traceback.

    Without it the other ranks would wait forever for the one that is gone. A system error (SYSTEM) is not a
    bug of the program: it ends the job with one message and the exit code for the environment.
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
        # the launcher forwards what was printed, but drops what it has not yet read when the job aborts
        time.sleep(LAST_WORDS_S)
        comm.Abort(code)
    os._exit(code)


def leave(code: int) -> int:
    """Finalize MPI on all ranks together before any process exits; returns `code`.

    If a process exits with a nonzero code before the others have finalized MPI, the launcher considers it crashed: it
    kills the others, and may report the kill instead of the code.
    """
    if "mpi4py.MPI" not in sys.modules:
        return code
    from mpi4py import MPI

    if MPI.Is_initialized() and not MPI.Is_finalized():
        sys.stdout.flush()
        sys.stderr.flush()
        if not wait(MPI.COMM_WORLD.Ibarrier(), _FAREWELL_S):
            # some rank is elsewhere, and it would wait for us as we wait for it
            abort(MPI.COMM_WORLD, code)
        MPI.Finalize()
        if code:
            # the launcher learns a little later that each process has left
            time.sleep(LAST_WORDS_S)
    return code


def wait(request: Any, patience_s: float | None = None, on_nap: Callable[[], None] | None = None) -> bool:
    """Wait for `request` while sleeping; False if `patience_s` ran out before it was complete.

    MPI's own waits spin at full speed, which would take the core away from working processes.
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
    """A barrier at which waiting ranks sleep."""
    wait(comm.Ibarrier())


def bcast(comm: Any, value: Any = None) -> Any:
    """Broadcast rank 0's `value` to all ranks; waiting ranks sleep."""
    sleep_barrier(comm)
    return comm.bcast(value)


def gather(comm: Any, value: Any) -> list[Any]:
    """Gather every rank's `value` on all ranks; waiting ranks sleep."""
    sleep_barrier(comm)
    return comm.allgather(value)


def node_of(comm: Any) -> int:
    """Index of this rank's node among the nodes of `comm`, in the order of their first ranks."""
    from mpi4py import MPI

    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    first = node.bcast(comm.Get_rank())
    node.Free()
    return sorted(set(gather(comm, first))).index(first)
