"""Tables of a screening on what takes hours: relaxed crystals, transport."""

from collections.abc import Mapping
from typing import Any

from ..products import Quantity
from ..wording import digits
from .numbers import Table

Outcomes = Mapping[str, Mapping[str, Any]]


def cells(outcomes: Outcomes, phonons: Outcomes) -> list[Table]:
    """Relaxed crystals: volume, bonds of V, moduli, lowest phonon."""
    rows = []
    for name, outcome in outcomes.items():
        for crystal, one in outcome["crystals"].items():
            key, label = f"screen.{name}.{crystal}.cell", f"{crystal} by {name}"
            mode = phonons.get(name, {}).get("crystals", {}).get(crystal)
            rows.append([
                crystal, name,
                Quantity(f"{key}.volume", f"relaxed volume of {label}, relative", one["volume"], "1"),
                "as given" if one["families"] == one["families_given"] else _families(one["families"]),
                *(_modulus(f"{key}.{word}", f"{word} modulus of {label}", one, word) for word in ("bulk", "shear")),
                Quantity(f"{key}.phonon", f"lowest phonon, {label}", mode["lowest_THz"], "THz") if mode else "not run",
            ])  # fmt: skip
    head = ("crystal", "potential", "volume / given", "bonds of V", "bulk modulus", "shear modulus", "lowest phonon")
    caption = "Moduli of Hill, between those of Reuss and Voigt. Imaginary frequencies are negative."
    return [Table(head, rows, caption)] if rows else []


def _modulus(key: str, label: str, one: Mapping[str, Any], word: str) -> Quantity:
    value, half = one[f"{word}_GPa"], one[f"{word}_GPa_half_range"]
    low, high = digits(value - half, 3), digits(value + half, 3)
    return Quantity(key, label, value, "GPa", None, f"{low} to {high} for a polycrystal")


def _families(found: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {family}" for family, count in found.items()) or "none"


def transport(outcomes: Outcomes) -> list[Table]:
    """Motion of the mobile ion by temperature."""
    rows = []
    for name, outcome in outcomes.items():
        for kelvin, one in outcome["temperatures"].items():
            key, label = f"screen.{name}.{kelvin}K", f"{kelvin} K by {name}"
            rows.append([
                name, f"{kelvin} K",
                Quantity(f"{key}.msd", f"MSD of Na at {label}", one["msd_A2"], "Å²", one["msd_A2_err"]),
                f"{one['lag_ps']:g} ps",
                f"none: {one['reason']}" if one["D_m2_per_s"] is None else Quantity(
                    f"{key}.D", f"D of Na at {label}", one["D_m2_per_s"], "m²/s", one["D_m2_per_s_err"]),
            ])  # fmt: skip
    head = ("potential", "temperature", "MSD of Na", "at the lag", "D")
    return [Table(head, rows, "± of the MSD is one standard error between ions.")] if rows else []
