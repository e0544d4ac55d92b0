"""What a machine gives to the ranks of a job: places, the network between two of them, and the name of its fabric."""

import ctypes
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .mpi import bcast, gather, sleep_barrier, world

#: Between two nodes less than this (bytes/s) is that of a fallback to TCP, not of a fabric.
LEAST_BANDWIDTH = 1e9
_SMALL, _LARGE = 8, 4 << 20
_TRIPS = {_SMALL: 100, _LARGE: 3}
_BUDGET_S = 0.5
_LOUD = {"MPIR_CVAR_DEBUG_SUMMARY": "1", "UCX_LOG_LEVEL": "info"}
_OFI = re.compile(r"libfabric provider: (\S+)")
_UCX = re.compile(r"(inter-node|intra-node) cfg#\d+ tag\(([^)]*)\)")


@dataclass(frozen=True)
class Place:
    """Where a rank runs: `node` as the scheduler calls it, cores that it may use, and the GPUs passed on to it."""

    rank: int
    node: str
    host: str
    cores: int
    devices: tuple[str, ...] | None


@dataclass(frozen=True)
class Link:
    """Between two ranks: half the round trip of 8 bytes (s), and bytes/s of messages of 4 MiB."""

    latency_s: float
    bandwidth: float


def places(comm: Any, devices: Sequence[str] | None, environment: Mapping[str, str] = os.environ) -> list[Place]:
    """The places of all ranks, on all ranks; `devices` are those of this one."""
    from mpi4py import MPI

    host = MPI.Get_processor_name()
    node = environment.get("SLURMD_NODENAME", host)
    seen = None if devices is None else tuple(devices)
    return gather(comm, Place(comm.Get_rank(), node, host, len(os.sched_getaffinity(0)), seen))


def far_pair(found: Sequence[Place]) -> tuple[int, int] | None:
    """The first ranks of the first two nodes, or the first two ranks of the only one; None for a single rank."""
    first = {place.node: place.rank for place in reversed(found)}
    ranks = sorted(first.values())
    if len(ranks) > 1:
        return ranks[0], ranks[1]
    return (0, 1) if len(found) > 1 else None


def ping_pong(comm: Any, first: int, second: int) -> Link:
    """Latency and bandwidth between two ranks, the best of half a second of batches each; the others sleep."""
    link = None
    if comm.Get_rank() in (first, second):
        leads = comm.Get_rank() == first
        other = second if leads else first
        best = [_best_trip(comm, other, leads, size) for size in (_SMALL, _LARGE)]
        link = Link(best[0] / 2, 2 * _LARGE / best[1])
    sleep_barrier(comm)
    return comm.bcast(link, root=first)


def _best_trip(comm: Any, other: int, leads: bool, size: int) -> float:
    """The shortest mean time (s) of a round trip of `size` bytes over a batch, of those begun within the budget."""
    import numpy as np

    # its first byte tells the other rank that this batch is the last: ranks that share cores may slow down midway
    message = np.zeros(size, dtype=np.uint8)
    best, end = float("inf"), time.perf_counter() + _BUDGET_S
    while not message[0]:
        start = time.perf_counter()
        for left in reversed(range(_TRIPS[size])):
            if leads:
                message[0] = not left and time.perf_counter() > end
                comm.Send(message, other)
                comm.Recv(message, other)
            else:
                comm.Recv(message, other)
                comm.Send(message, other)
        best = min(best, (time.perf_counter() - start) / _TRIPS[size])
    return best


class Fabric:
    """MPI, started so that it tells what it sends by; `name` afterwards says what it told."""

    def __init__(self, folder: Path, environment: MutableMapping[str, str] = os.environ):
        self._log = folder / f"ucx-{os.getpid()}.log"
        self._told = ""
        for key, value in (_LOUD | {"UCX_LOG_FILE": str(self._log)}).items():
            environment.setdefault(key, value)
        told = folder / f"start-{os.getpid()}.log"
        with _captured(told):
            self.comm = world()
        self._told = told.read_text(encoding="utf-8", errors="replace")

    def name(self, rank: int) -> str:
        """What `rank` has sent by, once it has; empty if this MPI does not tell. Collective."""
        summary = bcast(self.comm, self._told)
        used = ""
        _flush()
        if self.comm.Get_rank() == rank and self._log.exists():
            used = fabric_of(summary, self._log.read_text(encoding="utf-8", errors="replace"))
        sleep_barrier(self.comm)
        return self.comm.bcast(used or fabric_of(summary, ""), root=rank)


def fabric_of(summary: str, ucx: str) -> str:
    """The fabric from MPICH's summary (MPIR_CVAR_DEBUG_SUMMARY) and the log of UCX (UCX_LOG_LEVEL=info)."""
    if found := _OFI.search(summary):
        return f"libfabric {found[1]}"
    ways = dict(_UCX.findall(ucx))
    if way := ways.get("inter-node") or ways.get("intra-node"):
        return f"UCX {way}"
    return ""


def is_tcp(fabric: str) -> bool:
    """Whether a fabric is plain TCP."""
    return bool(re.search(r"\b(tcp|sockets|udp)\b", fabric))


def _flush() -> None:
    """Let the C library write what libraries have printed so far."""
    ctypes.CDLL(None).fflush(None)


@contextmanager
def _captured(path: Path) -> Iterator[None]:
    """What this process and its libraries print goes to a file; shown all the same if it fails."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with open(path, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            os.write(kept[1], path.read_bytes())
            raise
        finally:
            _flush()
            for number, copy in enumerate(kept, 1):
                os.dup2(copy, number)
                os.close(copy)
