"""Which GPUs a group of ranks may use: a share of those assigned to this process, never others."""

import os
from collections.abc import Mapping, MutableMapping
from typing import Any

from ..errors import SetupError

_VARIABLES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


def inherited(environment: Mapping[str, str]) -> tuple[str, list[str]] | None:
    """The variable in which the scheduler passes on devices, and those devices; None if there is no such variable.

    Entries may be numbers or UUIDs; they are passed on unchanged.
    """
    for name in _VARIABLES:
        if environment.get(name, "").strip():
            return name, [entry.strip() for entry in environment[name].split(",") if entry.strip()]
    return None


def share(devices: list[str], group: int, gpus: int) -> list[str]:
    """Devices of the `group`-th group of a node if each group uses `gpus`. Raises SetupError if there are too
    few.
    """
    chosen = devices[group * gpus : (group + 1) * gpus]
    if len(chosen) < gpus:
        raise SetupError(
            f"group {group} on this node needs {gpus} GPUs, but only {len(devices)} are visible ({','.join(devices)})"
        )
    return chosen


class Devices:
    """The devices of this process: fixed for each phase, before torch or CUDA starts."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ):
        self._environment = environment
        self._given = inherited(environment)

    def give(self, node_group: int, gpus: int) -> None:
        """Make only the devices of its group visible to this process and its children, or all of them for `gpus` =
        0.
        """
        if self._given is None:
            if gpus:
                raise SetupError(
                    f"a task needs {gpus} GPUs, but none of {', '.join(_VARIABLES)} is set; "
                    "normally the scheduler sets one, otherwise set it by hand to the devices that may be used"
                )
            return
        name, devices = self._given
        self._environment[name] = ",".join(share(devices, node_group, gpus) if gpus else devices)


def group_on_node(comm: Any, group_comm: Any | None) -> int:
    """Index of this rank's group among the groups that have their first rank on this node."""
    from mpi4py import MPI

    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    leads = group_comm is not None and group_comm.Get_rank() == 0
    before = node.exscan(int(leads)) or 0
    node.Free()
    mine = before if leads else 0
    return group_comm.bcast(mine) if group_comm is not None else 0
