"""The numbers of an interface as quantities."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..products import Quantity

_SURFACE = (
    ("crystal_A", "thickness of the crystal between its dividing surfaces", "Å"),
    ("width_10_90_A", "width of a surface, from 10 to 90 % of the order parameter", "Å"),
    ("u_m_per_s", "growth velocity of a surface", "m/s"),
)
_EXCESS = (("per_nm2", "excess of {} per area"), ("relative_to_O_per_nm2", "excess of {} per area, relative to O"))
_DIFFUSION = (("parallel_m2_per_s", "D along the surfaces"), ("perpendicular_m2_per_s", "D across the surfaces"))


def interfaces(name: str, numbers: Mapping[str, Any]) -> Iterator[Quantity]:
    """Surfaces, excess, and mobility by layer of the trajectory `name`; nothing where it has no two surfaces."""
    key = f"interface.{name}"
    for word, label, unit in _SURFACE:
        if numbers.get(word) is not None:
            yield Quantity(f"{key}.{word}", f"{label}, {name}", numbers[word], unit, numbers[f"{word}_err"])
    if (angle := numbers.get("angle_deg", {})).get("value") is not None:
        label = f"angle of the largest crystallite from the crystal that was put in, {name}"
        yield Quantity(f"growth.{name}.angle", label, angle["value"], "°", angle["err"])
    yield from (Quantity(**row) for row in numbers.get("joining", {}).get("rows", ()))
    excess = numbers.get("excess", {})
    for word, text in _EXCESS:
        if word in excess:
            label = f"{text.format(excess['ion'])}, {name}"
            yield Quantity(f"{key}.excess.{word}", label, excess[word], "1/nm²", excess[f"{word}_err"])
    for number, layer in enumerate(numbers.get("layers", ())):
        for word, text in _DIFFUSION:
            known = numbers["D"].get(word)
            if known and known[number]["value"] is not None:
                label = f"{text}, {layer}, {name}"
                yield Quantity(f"{key}.{layer}.{word}", label, known[number]["value"], "m²/s", known[number]["err"])
        if (rates := numbers.get("hop_rate_per_ps")) and rates[number]["value"] is not None:
            label = f"hops per ion and time, {layer}, {name}"
            yield Quantity(f"{key}.{layer}.hop_rate", label, rates[number]["value"], "1/ps", rates[number]["err"])
