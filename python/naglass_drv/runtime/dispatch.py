"""Which ranks and GPUs a task gets: the first rank hands out the tasks that are ready to ranks that are free.

Wide tasks come first. Ranks on which a wide task waits take no further narrow ones, so that it is not put off for ever.
"""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..errors import SetupError
from .store import Ticket


@dataclass(frozen=True)
class Order:
    """A task for the given ranks of the job, first the one that leads; `devices` are indices of GPUs on its node."""

    number: int
    ticket: Ticket
    ranks: tuple[int, ...]
    devices: tuple[int, ...] = ()


class Dispatch:
    """Free ranks and GPUs, and tickets that wait, by shape (ranks, GPUs).

    `nodes` is the node of every rank; `devices` the number of visible GPUs on every node, None where the scheduler
    sets none.
    """

    def __init__(self, nodes: Sequence[int], devices: Sequence[int | None]):
        self._nodes = nodes
        self._visible = devices
        self._free = set(range(len(nodes)))
        self._gpus = [set(range(count or 0)) for count in devices]
        self._waiting: dict[tuple[int, int], deque[Ticket]] = {}
        self._running: dict[int, Order] = {}
        self._number = 0

    @property
    def idle(self) -> bool:
        """Whether no task is running."""
        return not self._running

    def add(self, tickets: Sequence[Ticket]) -> None:
        """Let tickets wait for ranks. Raises SetupError if no node has the GPUs that one needs."""
        for ticket in tickets:
            self._check_gpus(ticket)
            self._waiting.setdefault((ticket.task.ranks, ticket.task.gpus), deque()).append(ticket)

    def clear(self) -> None:
        """Drop the tickets that wait."""
        self._waiting.clear()

    def orders(self) -> list[Order]:
        """The tasks that can start now."""
        found: list[Order] = []
        kept: set[int] = set()
        for shape in sorted(self._waiting, reverse=True):
            queue = self._waiting[shape]
            while queue:
                block = self._place(shape, kept)
                if block is None:
                    kept |= self._reserve(shape[0], kept)
                    break
                found.append(self._start(queue.popleft(), block))
        self._waiting = {shape: queue for shape, queue in self._waiting.items() if queue}
        return found

    def over(self, number: int) -> Ticket:
        """Free the ranks and GPUs of an order; returns its ticket."""
        order = self._running.pop(number)
        self._free |= set(order.ranks)
        self._gpus[self._nodes[order.ranks[0]]] |= set(order.devices)
        return order.ticket

    def _start(self, ticket: Ticket, ranks: Sequence[int]) -> Order:
        gpus = self._gpus[self._nodes[ranks[0]]]
        devices = tuple(sorted(gpus)[: ticket.task.gpus])
        gpus -= set(devices)
        self._free -= set(ranks)
        self._number += 1
        order = Order(self._number, ticket, tuple(ranks), devices)
        self._running[order.number] = order
        return order

    def _blocks(self, width: int) -> list[range]:
        """Blocks of consecutive ranks; the first rank, which also plans, comes last."""
        return [range(start, start + width) for start in range(0, len(self._nodes) - width + 1, width)][::-1]

    def _place(self, shape: tuple[int, int], kept: Collection[int]) -> range | None:
        width, gpus = shape
        for block in self._blocks(width):
            enough = len(self._gpus[self._nodes[block[0]]]) >= gpus
            if enough and self._free.issuperset(block) and not set(block) & set(kept):
                return block
        return None

    def _reserve(self, width: int, kept: Collection[int]) -> set[int]:
        blocks = [block for block in self._blocks(width) if not set(block) & set(kept)]
        return set(max(blocks, key=lambda block: len(self._free.intersection(block)), default=()))

    def _check_gpus(self, ticket: Ticket) -> None:
        gpus = ticket.task.gpus
        if not gpus:
            return
        # the node of a block is that of its first rank
        known = [self._visible[self._nodes[block[0]]] for block in self._blocks(ticket.task.ranks)]
        if all(count is None for count in known):
            raise SetupError(
                f"{ticket.label}: needs {gpus} GPUs, but neither CUDA_VISIBLE_DEVICES nor ROCR_VISIBLE_DEVICES nor "
                "HIP_VISIBLE_DEVICES is set; normally the scheduler sets one, otherwise set it by hand to the devices "
                "that may be used"
            )
        most = max(count or 0 for count in known)
        if most < gpus:
            raise SetupError(f"{ticket.label}: needs {gpus} GPUs on one node, but at most {most} are visible")
