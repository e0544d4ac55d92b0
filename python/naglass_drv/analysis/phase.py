"""Whether the network of a trajectory is at rest, relaxes, or flows: a glass, or a supercooled melt."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..wording import digits
from .exchange import exchange_text, flowing, settling

# Mean square displacement of the host (Å²) beyond any vibration, or comparable to the ions' and beyond the usual one
_HOST_MSD_A2 = 1.0
_HOST_TO_ION = 1 / 3
_VIBRATION_A2 = 0.5
MELT, GLASS = "supercooled melt", "glass"


def phase(numbers: Mapping[str, Any]) -> str:
    """``supercooled melt`` for a trajectory (what `measure` gives) whose network flows, else ``glass``."""
    return MELT if flows(numbers) else GLASS


def flows(numbers: Mapping[str, Any]) -> list[str]:
    """What tells, in words, that the network flows; empty if it does not."""
    return [*_exchanged(numbers, flowing), *_displaced(numbers, _HOST_MSD_A2)]


def relaxes(numbers: Mapping[str, Any]) -> list[str]:
    """What tells, in words, that the network is displaced by more than vibrations, or has exchanged a few bonds; empty
    if it does not."""
    return [*_exchanged(numbers, settling), *_displaced(numbers, _VIBRATION_A2, _HOST_TO_ION)]


def _exchanged(
    numbers: Mapping[str, Any], chosen: Callable[[Mapping[str, tuple[int, int]]], list[str]]
) -> Iterator[str]:
    found = {pair: (each["bonds"], each["exchanged"]) for pair, each in numbers["exchanged_bonds"].items()}
    for pair in chosen(found):
        yield exchange_text(pair, found[pair], numbers["duration_ps"])


def _displaced(numbers: Mapping[str, Any], least_A2: float, to_ion: float = 0.0) -> Iterator[str]:
    """The mean square displacement of the atoms other than the mobile ions, if it is above `least_A2` and above
    `to_ion` of that of the ions."""
    moved = numbers["transport"]
    reached = {} if moved is None else moved["msd_at_longest_lag_A2"]
    host = {element: msd for element, msd in reached.items() if element != moved["ion"]}
    if not host:
        return
    counts = [numbers["composition"][element] for element in host]
    mean = sum(count * msd for count, msd in zip(counts, host.values(), strict=True)) / sum(counts)
    if mean > least_A2 and mean > to_ion * reached[moved["ion"]]:
        of = ", ".join(f"{element} {digits(msd, 2)}" for element, msd in host.items())
        yield (
            f"within {digits(moved['longest_lag_ps'], 3)} ps the MSD of the host is {of} Å², that of {moved['ion']} "
            f"{digits(reached[moved['ion']], 2)} Å²"
        )
