"""The numbers of an interface as quantities."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..products import Quantity

_SURFACE = (
    ("crystal_A", "thickness of the crystal between its dividing surfaces", "Å"),
    ("width_10_90_A", "width of a surface, from 10 to 90 % of the order parameter", "Å"),
    ("u_m_per_s", "growth velocity of a surface", "m/s"),
)
_ROUGH = (
    ("roughness_A", "roughness of a surface, root mean square"),
    ("intrinsic_10_90_A", "intrinsic width of a surface, from 10 to 90 % of the order parameter"),
)
_EXCESS = (("per_nm2", "excess of {} per area"), ("relative_to_O_per_nm2", "excess of {} per area, relative to O"))
_DIFFUSION = (
    ("parallel_m2_per_s", "D along the surfaces between two short lags"),
    ("perpendicular_m2_per_s", "D across the surfaces between two short lags"),
)
#: What a layer has along the surfaces where the motion is diffusive: word, label, unit.
TRANSPORT = (
    ("D_m2_per_s", "D* along the surfaces", "m²/s"),
    ("D_charge_m2_per_s", "D of the charge along the surfaces", "m²/s"),
    ("haven_ratio", "Haven ratio along the surfaces", "1"),
    ("nernst_einstein_S_per_m", "conductivity along the surfaces without correlations (Nernst–Einstein)", "S/m"),
    ("conductivity_S_per_m", "conductivity along the surfaces with correlations", "S/m"),
)


def interfaces(name: str, numbers: Mapping[str, Any]) -> Iterator[Quantity]:
    """Surfaces, excess, and mobility by layer of the trajectory `name`; nothing where it has no two surfaces."""
    key = f"interface.{name}"
    for word, label, unit in _SURFACE:
        if numbers.get(word) is not None:
            yield Quantity(f"{key}.{word}", f"{label}, {name}", numbers[word], unit, numbers[f"{word}_err"])
    surface = numbers.get("surface", {})
    for word, label in _ROUGH:
        if surface.get(word) is not None:
            yield Quantity(f"{key}.{word}", f"{label}, {name}", surface[word], "Å", surface[f"{word}_err"])
    if surface.get("roughness_upper_A") is not None:
        label, why = f"upper bound of the roughness of a surface, {name}", "upper bound; not above its resolution"
        yield Quantity(f"{key}.roughness_upper_A", label, surface["roughness_upper_A"], "Å", note=why)
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
        known = numbers.get("layer_transport", {}).get("by_layer", ())
        for word, text, unit in TRANSPORT if known else ():
            if known[number].get(word) is not None:
                value, err, interval = (known[number][f"{word}{end}"] for end in ("", "_err", "_interval"))
                yield Quantity(f"{key}.{layer}.{word}", f"{text}, {layer}, {name}", value, unit, err, interval=interval)
