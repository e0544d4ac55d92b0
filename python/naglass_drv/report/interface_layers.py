"""What the page says of the mobile ions by layer at the surfaces of a crystal: crystal, interface and glass beside each
other.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ..analysis.interface_rows import TRANSPORT
from ..products import Quantity
from .numbers import Fold, Notice, Table, side_by_side

_MOBILITY = {
    "parallel_m2_per_s": "D along the surfaces",
    "perpendicular_m2_per_s": "D across the surfaces",
    "hop_rate": "hops per ion and time",
}
_COLUMNS = {
    "D_m2_per_s": "D*",
    "D_charge_m2_per_s": "D of the charge",
    "haven_ratio": "Haven ratio",
    "nernst_einstein_S_per_m": "σ without correlations",
    "conductivity_S_per_m": "σ",
}
# Å; beyond the vibrations of a framework at rest
_SLID_A = 1.0
_DEFINITION = (
    "Along the surfaces, relative to the framework of the whole cell, where the motion is diffusive: the displacement "
    "of the charge in a layer, correlated with that in the cell, as in a field along the surfaces (Kubo). Ions that "
    "leave count with what they move in each layer. The Haven ratio is D* over D of the charge. ± one standard error; "
    "95 %: confidence interval; errors are those in time, of one cell."
)
Seen = Mapping[str, Any]
Rows = Mapping[str, Mapping[str, Quantity]]


def layer_transport(seen: Seen, rows: Rows) -> Iterator[Table | Notice]:
    """Conductivity and Haven ratio of every run, glass beside interface and crystal, and why where there are none."""
    table: list[list[Any]] = []
    lacking: dict[str, list[str]] = {}
    for name, numbers in seen.items():
        known = numbers.get("layer_transport")
        for layer, found in zip(numbers.get("layers", ()), known["by_layer"] if known else (), strict=False):
            own = {word: rows.get(name, {}).get(f"interface.{name}.{layer}.{word}") for word, _, _ in TRANSPORT}
            if found["haven_ratio_reason"]:
                lacking.setdefault(name, []).append(f"{layer}: {found['haven_ratio_reason']}")
            if any(own.values()):
                kelvin = next(row for row in own.values() if row).conditions.get("temperature_K")
                table.append(
                    [name, "" if kelvin is None else f"{kelvin:.0f} K", layer, *(own[w] or "–" for w in _COLUMNS)]
                )
    if table:
        yield Table(("run", "temperature", "layer", *_COLUMNS.values()), table, _DEFINITION)
    for name, reasons in lacking.items():
        yield Notice("note", f"{'; '.join(reasons)}.", f"No Haven ratio by layer, {name}.")
    for name, numbers in seen.items():
        slid = (numbers.get("layer_transport") or {}).get("slide_A") or 0.0
        if slid > _SLID_A:
            text = (
                f"the framework of the glass has slid along that of the crystal by {slid:.1f} Å: it counts as motion "
                "of the ions in both."
            )
            yield Notice("bad", text, name)


def mobility(seen: Seen, rows: Rows) -> Iterator[Fold]:
    """Diffusion between two short lags, along and across the surfaces, and hops, one table per run."""
    for name, numbers in seen.items():
        layers = numbers.get("layers", ())
        shown: dict[str, dict[str, Quantity | str]] = {}
        for layer in layers:
            for word, label in _MOBILITY.items():
                if (found := rows.get(name, {}).get(f"interface.{name}.{layer}.{word}")) is not None:
                    shown.setdefault(label, {})[layer] = found
        for layer, count in zip(layers, numbers.get("ions_per_layer", ()), strict=False):
            shown.setdefault("ions, on average", {})[layer] = f"{count:.1f}"
        if shown:
            half, lags = numbers["half_interface_A"], numbers.get("D", {}).get("lags_ps")
            between = f"; D between lags of {lags[0]:g} and {lags[1]:g} ps, diffusive or not" if lags else ""
            caption = f"{name}: the interface reaches {half:g} Å to either side of a dividing surface{between}"
            yield Fold(f"Mobility by layer, {name}", [side_by_side(list(layers), shown, caption)])
        if "reason" in numbers.get("D", {}):
            yield Fold(f"No D by layer, {name}", [Notice("note", numbers["D"]["reason"])])
