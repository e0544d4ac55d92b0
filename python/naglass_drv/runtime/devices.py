"""Which GPUs a group of ranks may use: a share of those assigned to this process, never others."""

import os
from collections.abc import Collection, Mapping, MutableMapping

_VARIABLES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


def inherited(environment: Mapping[str, str]) -> tuple[str, list[str]] | None:
    """The variable in which the scheduler passes on devices, and those devices; None if there is no such variable.

    Entries may be numbers or UUIDs; they are passed on unchanged.
    """
    for name in _VARIABLES:
        if environment.get(name, "").strip():
            return name, [entry.strip() for entry in environment[name].split(",") if entry.strip()]
    return None


class Devices:
    """The devices of this process: fixed for each task, before torch or CUDA starts."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ):
        self._environment = environment
        self._given = inherited(environment)

    @property
    def count(self) -> int | None:
        """How many devices are visible; None if the scheduler has set none."""
        return None if self._given is None else len(self._given[1])

    def give(self, chosen: Collection[int]) -> None:
        """Make only the devices with these indices visible to this process and its children; all of them if empty."""
        if self._given is not None:
            name, devices = self._given
            self._environment[name] = ",".join(devices[i] for i in chosen) if chosen else ",".join(devices)
