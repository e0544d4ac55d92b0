"""What a job proves of a machine: launcher, MPI, network, GPUs, scratch and its own end."""

import os
from collections.abc import Iterator
from pathlib import Path

from ..config.site import line_of
from ..config.slurm import Slurm
from ..errors import SetupError
from ..runtime import gpus
from ..runtime.batch import end_of_job
from ..runtime.devices import inherited
from ..runtime.disk import lock_fault, speed
from ..runtime.mpi import bcast
from ..runtime.probe import LEAST_BANDWIDTH, Fabric, Link, far_pair, is_tcp, ping_pong, places
from ..runtime.vendors import THREAD_LEVELS
from ..wording import counted, digits
from .doctor import Finding

_SWAP = "put the site's MPICH-ABI library in the place of the wheel's (docs/cluster.md, The network), or use --force"
_NOTHING_SEEN = "use --no-requeue (options of the profile), and never two jobs in one run folder"


def network(node: str, other: str, link: Link, fabric: str, force: bool) -> Finding:
    """What a link between two ranks is; between two nodes one below 1 GB/s is refused, unless by `force`."""
    numbers = f"{digits(link.latency_s * 1e6, 3)} µs, {digits(link.bandwidth / 1e9, 3)} GB/s"
    if node == other:
        return Finding("network", f"within one node: {numbers} (--nodes 2 tests the network)")
    text = f"{node} to {other}: {numbers} by {fabric or 'a fabric that this MPI does not name'}"
    if is_tcp(fabric):
        text += ", not the fabric of a cluster"
    slow = link.bandwidth < LEAST_BANDWIDTH and not force
    return Finding("network", text, f"less than {LEAST_BANDWIDTH / 1e9:g} GB/s; {_SWAP}" if slow else "")


class Check:
    """A check of the machine that the ranks of `fabric` run on, against what the profile says; all of it collective."""

    def __init__(self, fabric: Fabric, slurm: Slurm, path: Path | None, force: bool):
        self._fabric = fabric
        self._comm = fabric.comm
        self._slurm = slurm
        self._path = path
        self._force = force
        given = inherited(os.environ)
        self._places = places(self._comm, given[1] if given else None)
        self._nodes = [place.node for place in self._places]
        before = self._nodes[: self._comm.Get_rank()]
        self._seen = gpus.look(self._comm, before.count(self._nodes[self._comm.Get_rank()]))

    def run(self) -> int:
        """Print what was found, and the table of ranks, on the first rank; returns the exit code on all."""
        wrong = False
        first = self._comm.Get_rank() == 0
        for part in (self._mpi, self._network, self._gpus, self._scratch, self._walltime):
            for finding in part():
                wrong |= bool(finding.remedy)
                if first:
                    print(finding, flush=True)
        if first:
            print("\n".join(self._table()), flush=True)
        return SetupError.exit_code if wrong else 0

    def _mpi(self) -> Iterator[Finding]:
        from mpi4py import MPI

        nodes = len(set(self._nodes))
        yield Finding("launcher", f"{counted(len(self._places), 'rank')} of one MPI on {counted(nodes, 'node')}")
        vendor, version = MPI.get_vendor()
        level = next(name for name in THREAD_LEVELS if getattr(MPI, name.removeprefix("MPI_")) == MPI.Query_thread())
        low = f"the driver asks for {THREAD_LEVELS[-1]}; install an MPI that grants it"
        text = f"{vendor} {'.'.join(map(str, version))}, {level}"
        yield Finding("MPI", text, low if level != THREAD_LEVELS[-1] else "")

    def _network(self) -> Iterator[Finding]:
        pair = far_pair(self._places)
        if pair is None:
            yield Finding("network", "not measured: a single rank")
            return
        link = ping_pong(self._comm, *pair)
        name = self._fabric.name(pair[0])
        yield network(*(self._places[rank].node for rank in pair), link, name, self._force)

    def _gpus(self) -> Iterator[Finding]:
        wanted = self._slurm.gpus_per_node
        if self._seen is None:
            key = line_of(self._path, "slurm", "gpus_per_node")
            none = f"none is passed on by the scheduler; {key} is {wanted}"
            yield Finding("GPU", none if wanted else "none", f"ask for --gres=gpu:{wanted}" if wanted else "")
            return
        problem = gpus.fault(self._seen, self._nodes, wanted, self._slurm.launcher)
        first = self._seen[0]
        text = f"{counted(len(first.all), 'GPU')} {first.name} seen by rank 0, torch {first.torch}"
        yield Finding(
            "GPU", text if problem else f"{text}; by all ranks of the node, and computed on one by one", problem
        )
        yield from self._stated("compute_capability", self._slurm.compute_capability, first.capability)
        yield from self._stated("torch", self._slurm.torch, first.torch.partition("+")[2])

    def _stated(self, key: str, stated: str | None, found: str) -> Iterator[Finding]:
        line = line_of(self._path, "slurm", key)
        if stated is None:
            yield Finding("profile", f"{line}: not stated; it is {found or 'not told by torch'}")
        elif found and stated != found:
            yield Finding("profile", f"{line}: {stated}", f"torch says {found}; correct it, or install another torch")

    def _scratch(self) -> Iterator[Finding]:
        folder = Path(os.path.expandvars(self._slurm.scratch or ".")).absolute()
        line = line_of(self._path, "slurm", "scratch")
        problem = bcast(self._comm, "" if folder.is_dir() else "no such folder")
        if problem:
            yield Finding("scratch", f"{line}: {self._slurm.scratch} is {folder}", problem)
            return
        try:
            measured = speed(folder) if self._comm.Get_rank() == 0 else None
        except SetupError as error:
            measured, problem = None, str(error)
        measured, problem = bcast(self._comm, (measured, problem))
        if measured is None:
            yield Finding("scratch", line, problem)
            return
        numbers = (
            f"{digits(measured.write / 1e6, 3)} MB/s written, {digits(measured.read / 1e6, 3)} MB/s read by one rank"
        )
        pair = far_pair(self._places) or (0, 0)
        fault = lock_fault(self._comm, folder, pair[1])
        yield Finding("scratch", f"{folder}: {numbers}")
        alone = "a lock (flock) holds; a single rank does not tell whether other nodes see it"
        seen = "a lock (flock) is seen by the others" if len(self._places) > 1 else alone
        yield Finding("locks", fault or seen, _NOTHING_SEEN if fault else "")

    def _walltime(self) -> Iterator[Finding]:
        left_s = bcast(self._comm, end_of_job() if self._comm.Get_rank() == 0 else None)
        if "SLURM_JOB_ID" not in os.environ:
            yield Finding("walltime", "not in a job, no end")
        elif left_s is None:
            unknown = "scontrol show job does not tell; give --walltime to run"
            yield Finding("walltime", "the end of the job is not known", unknown)
        else:
            yield Finding("walltime", f"{left_s:.0f} s left of this job")

    def _table(self) -> Iterator[str]:
        yield f"{'rank':6s}{'node':16s}{'cores':7s}GPU"
        for place in self._places:
            seen = self._seen[place.rank] if self._seen else None
            gpu = f"{seen.name} {' '.join(seen.alone) or seen.problem}" if seen else "-"
            yield f"{place.rank:<6d}{place.node:16s}{place.cores:<7d}{gpu}"
