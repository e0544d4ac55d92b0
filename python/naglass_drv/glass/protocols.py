"""Named, versioned protocols of a melt-quench: values for the keys of the section `glass`.

A value of a protocol changes only together with its version, which enters the key of a task.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: The protocol where a model is given and no other is named.
WITH_MODEL = "two-step"
#: A melt under a protocol ends once it has forgotten its start, and at the latest after so many times `melt_ps`.
PATIENCE = 10
#: Time (ps) in which a packing loses its overlaps, before the melt.
SOFT_PS = 1.0
#: Time (ps) between two frames that are written, and atoms in all frames: larger cells are written less often.
SAMPLE_PS, MOST_ROWS = 0.1, 10_000_000
#: A restart file is written every so many steps.
CHECKPOINT_STEPS = 5000
_KEYS = ("melt_temperature_K", "melt_ps", "quench_rate_K_per_ps", "final_temperature_K", "hold_ps")


@dataclass(frozen=True)
class Protocol:
    """Temperatures (K), times (ps) and rate (K/ps); constant volume, and below `free_below_K` zero pressure.

    The temperature falls linearly, or in steps of `step_K` that are held for as long as the rate allows. `first` is the
    protocol by which the rigid-ion potential makes the glass that the model melts again.
    """

    version: int
    melt_temperature_K: float = 3000.0
    melt_ps: float = 10.0
    quench_rate_K_per_ps: float = 100.0
    final_temperature_K: float = 300.0
    hold_ps: float = 10.0
    free_below_K: float | None = None
    step_K: float | None = None
    first: str | None = None


# oxide melts boil at zero pressure: their volume is kept above 1500 K. A glass is melted again below 2500 K, at which
# the melts of small models boil
_FREE_BELOW_K, _REMELT_K = 1500.0, 2400.0
PROTOCOLS: Mapping[str, Protocol] = {
    "nvt-100": Protocol(1),
    "nvt-10": Protocol(1, quench_rate_K_per_ps=10.0),
    "nvt-steps": Protocol(1, quench_rate_K_per_ps=10.0, step_K=100.0),
    "npt-100": Protocol(1, free_below_K=_FREE_BELOW_K),
    "npt-10": Protocol(1, quench_rate_K_per_ps=10.0, free_below_K=_FREE_BELOW_K),
    "two-step": Protocol(1, _REMELT_K, quench_rate_K_per_ps=10.0, first="nvt-100"),
    "two-step-npt": Protocol(1, _REMELT_K, quench_rate_K_per_ps=10.0, free_below_K=_FREE_BELOW_K, first="nvt-100"),
}


def completed(section: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a section `glass` with those of its protocol, where it gives none itself."""
    given = dict(section)
    if given.get("model") is not None and given.get("protocol") is None:
        given["protocol"] = WITH_MODEL
    name = given.get("protocol")
    known = PROTOCOLS.get(name) if isinstance(name, str) else None
    return given if known is None else {key: getattr(known, key) for key in _KEYS} | given


def longest_melt_ps(section: Any) -> float:
    """The time (ps) after which the melt of a section `glass` is quenched in any case."""
    return section.melt_ps * (PATIENCE if section.protocol else 1)


def longest_ps(section: Any) -> float:
    """The longest time (ps) of melt, quench and hold of a section `glass`, without a first step."""
    quench_ps = max(0.0, section.melt_temperature_K - section.final_temperature_K) / section.quench_rate_K_per_ps
    return longest_melt_ps(section) + quench_ps + section.hold_ps


def of(section: Any) -> Protocol:
    """The protocol of a section `glass`; without a name that of `nvt-100`, whose values the section replaces."""
    return PROTOCOLS[section.protocol or "nvt-100"]
