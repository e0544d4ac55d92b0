"""What became of seeds, as quantities."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..products import Quantity
from . import growth_rows
from .crystallite_series import THRESHOLDS
from .seeding import Seeding

_OUTCOMES = {
    "grew": "grew",
    "shrank": "shrank",
    "undecided": "neither grew nor shrank",
    "absent": "dissolved, or were below the threshold, before the first frame",
}
_WORDS = (
    ("expelled", "expelled into the shell of the crystallite"),
    ("taken_in", "in the crystallite beyond the composition of the rest"),
)


def seeds(name: str, numbers: Mapping[str, Any]) -> Iterator[Quantity]:
    """Size, velocity, orientation and composition of the seed of the trajectory `name`."""
    if "reason" in numbers:
        return
    key, center = f"growth.{name}", numbers["center"]
    middle = f"{THRESHOLDS[1]:g}"
    what = f"{center} of the largest crystallite"
    yield Quantity(f"{key}.start", f"{what} at the start, {name}", numbers["start"][middle], "1", note="mean in time")
    yield from _known(f"{key}.end", f"{what} at the end, {name}", numbers["end"][middle], "1")
    label = f"growth velocity of the surface of the seed, {name}"
    if "u_upper_m_per_s" in numbers:
        bound = f"upper bound (95 %) of the {label}"
        yield Quantity(f"{key}.u_upper", bound, numbers["u_upper_m_per_s"], "m/s", note="no growth observed")
    elif "u_m_per_s" in numbers:
        yield Quantity(f"{key}.u", label, numbers["u_m_per_s"], "m/s", numbers["u_m_per_s_err"])
    angle = f"angle of the crystallite from the crystal that was put in, {name}"
    yield from _known(f"{key}.angle", angle, numbers["angle_deg"], "°")
    for word, text in _WORDS:
        for element, found in numbers["composition"].get(word, {}).items():
            yield from _known(f"{key}.{word}.{element}", f"{element} {text}, {name}", found, "1")


def _known(key: str, label: str, found: Mapping[str, float | None], unit: str) -> Iterator[Quantity]:
    if found["value"] is not None:
        yield Quantity(key, label, found["value"], unit, found["err"])


def together(name: str, found: Seeding) -> Iterator[Quantity]:
    """How many seeds grew, and nucleation theory where it is known."""
    known = {"temperature_K": found.temperature_K}
    for word, text in _OUTCOMES.items():
        value = getattr(found, word)
        yield Quantity(f"nucleation.{name}.{word}", f"seeds that {text}, {name}", value, "1", conditions=known)
    if found.size is None:
        return
    if found.found is None or found.thresholds is None:
        yield from growth_rows.critical(name, found.size, found.temperature_K)
        return
    yield from growth_rows.nucleation(name, found.size, found.found, found.thresholds)
