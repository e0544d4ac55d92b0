"""Tables of a screening on what takes hours: relaxed crystals, glasses, transport."""

from collections.abc import Mapping
from typing import Any

from ..analysis.gates import leader
from ..products import Quantity
from .numbers import Notice, Table

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
    return Quantity(key, label, value, "GPa", None, f"{value - half:.3g} to {value + half:.3g} for a polycrystal")


def _families(found: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {family}" for family, count in found.items()) or "none"


def glasses(outcomes: Outcomes) -> list[Any]:
    """What each potential makes of the same melt-quench."""
    made = {name: one for name, one in outcomes.items() if "artifacts" in one}
    if not made:
        return []
    rows = []
    for name, one in made.items():
        key, label = f"screen.{name}.glass", f"the glass of {name}"
        replicas = "counted over all replicas"
        rows.append([
            name,
            Quantity(f"{key}.artifacts", f"share of atoms in forbidden contacts, {label}", one["artifacts"], "1", None,
                     replicas, one["artifacts_interval"]),
            f"{one['P_not_4']} of {one['P_of']}",
            Quantity(f"{key}.density", f"density of {label}", one["density_g_cm3"], "g/cm³", one["density_g_cm3_err"]),
            "no V" if one["vanadyl_per_V"] is None else Quantity(
                f"{key}.vanadyl", f"V=O per V, {label}", one["vanadyl_per_V"], "1", None, replicas),
            _shares(one["qn"]),
        ])  # fmt: skip
    caption = "Wilson's interval for counts, zero counts too; ± of the density is the spread between replicas."
    head = ("potential", "atoms in forbidden contacts", "P without 4 O", "density", "V=O per V", "Qⁿ by replica (%)")
    best = leader({name: tuple(one["artifacts_interval"]) for name, one in made.items()})
    told = [] if len(made) < 2 else [Notice("note", _verdict(best))]
    return [*told, Table(head, rows, caption)]


def _verdict(best: str | None) -> str:
    if best is None:
        return "No potential makes fewer artifacts than all others: the 95 % intervals of their shares overlap."
    return f"{best} makes the fewest artifacts; its 95 % interval lies below those of the others."


def _shares(by_n: Mapping[str, list[float]]) -> str:
    """Each n with its share in the replicas: ``Q2 40, 44; Q3 60, 56``."""
    return "; ".join(f"Q{n} {', '.join(f'{100 * share:.0f}' for share in shares)}" for n, shares in by_n.items())


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
