"""What a screening found in motion: energy at constant energy, heating, compression."""

from collections.abc import Mapping
from typing import Any

from ..products import Quantity
from . import figures_potentials
from .numbers import Figure, Table


def motion(outcomes: Mapping[str, Mapping[str, Any]], shade: Mapping[str, str]) -> list[Any]:
    """Drift, closest contacts and ends by potential, and the temperatures of the heating."""
    if not outcomes:
        return []
    rows = [
        [name, _drift(name, one["conserved"]), _course(one), _compressed(one["compression"])]
        for name, one in outcomes.items()
    ]
    head = ("potential", "drift of the energy", "heating to 3000 K", "compression at 3000 K")
    caption = (
        "Steps of 1 fs. The drift is that of the total energy at constant energy, at about 600 K, with its 95 % "
        "interval by the scatter of ten blocks; beyond 1 meV/atom/ps a potential does not conserve the energy. Closest "
        "contacts with their limits."
    )
    heated = "Heating with a Langevin thermostat of 20 fs; a cross marks where a run was ended."
    return [
        Table(head, rows, caption),
        Figure("potential-heating", figures_potentials.heating(outcomes, shade), heated),
    ]


def _drift(name: str, one: Mapping[str, Any]) -> Any:
    if one.get("drift_meV_per_atom_ps") is None:
        return f"none: {one['ended']}" if one["ended"] else f"none from {one['steps']} steps"
    value, half = one["drift_meV_per_atom_ps"], one["drift_meV_per_atom_ps_half_95"]
    label = f"drift of the energy of {name} in {one['ps']:g} ps at constant energy"
    # of three digits, the third is noise
    low, high = float(f"{value - half:.2g}"), float(f"{value + half:.2g}")
    return Quantity(f"screen.{name}.drift", label, float(f"{value:.2g}"), "meV/atom/ps", None, "", [low, high])


def _compressed(one: Mapping[str, Any] | None) -> str:
    return "not run" if one is None else f"density {one['density']:.3f} times; {_course(one)}"


def _course(one: Mapping[str, Any]) -> str:
    """Its end or its length, and the closest contact."""
    told = f"ended: {one['ended']}" if one["ended"] else f"{one['steps']} steps"
    near = f"; {one['closest']} {one['closest_A']:.2f} Å (limit {one['limit_A']:.2f} Å)" if one["closest"] else ""
    return told + near
