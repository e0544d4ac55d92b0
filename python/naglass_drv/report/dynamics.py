"""Section on the molecular dynamics: the stability gate, and the course of each run."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import figures_model
from .material import Material
from .numbers import Figure, Notice, Number, Section, Table, side_by_side

_PANELS = {
    "temperature_K": "temperature (K)",
    "potential_energy_eV_per_atom": "potential energy\n(eV/atom)",
    "pressure_bar": "pressure (bar)",
    "density_g_cm3": "density (g/cm³)",
    "min_distance_fraction": "shortest distance /\ncontact distance",
}
_RUN = {
    "atoms": ("atoms", "1"),
    "reached_ps": ("length reached", "ps"),
    "timestep_fs": ("time step", "fs"),
    "mean_temperature_K": ("mean temperature", "K"),
    "mean_pressure_bar": ("mean pressure", "bar"),
    "conserved_drift_meV_per_atom_per_ps": ("drift of the conserved energy", "meV/atom/ps"),
    "ns_per_day": ("speed", "ns/day"),
}


def dynamics(material: Material) -> Section | None:
    """Verdict of the gate in words and numbers, and temperature, energy and distances against time."""
    names = sorted({*material.names("md", "gate"), *material.names("md", "thermo")})
    if not names:
        return None
    section = Section("Molecular dynamics", "dynamics")
    summaries = {name: material.json(f"md/{name}/summary") for name in material.names("md", "summary")}
    if summaries:
        section.add(_run_table(summaries))
    for name in names:
        gate = material.json(f"md/{name}/gate") if material.has(f"md/{name}/gate") else None
        if gate is not None:
            section.add(verdict(name, gate), _gate_table(name, gate))
        panels = _panels(material, name, gate)
        if panels:
            section.add(
                Figure(
                    f"course-{name}",
                    figures_model.course(panels),
                    (
                        f"{name}: course of the run. Dashed lines are the limits of the stability gate, "
                        "which holds the mean temperature of each half picosecond, the shortest distance "
                        "of each pair of elements, and the coordination of each single P against them."
                    ),
                )
            )
    return section


def _run_table(summaries: Mapping[str, Mapping[str, Any]]) -> Table:
    rows: dict[str, dict[str, Number]] = defaultdict(dict)
    for name, summary in summaries.items():
        for key, (label, unit) in _RUN.items():
            if summary.get(key) is not None:
                rows[label][name] = Number(
                    f"md.{name}.{key}", f"{label} of {name}", summary[key], unit, summary.get(f"{key}_err")
                )
    return side_by_side(list(summaries), rows)


def verdict(name: str, gate: Mapping[str, Any]) -> Notice:
    """Whether the trajectory passed the stability gate, and if not, which limits it crossed."""
    if gate["stable"]:
        return Notice("good", f"{name}: stable. The trajectory stayed within all limits of the stability gate.")
    crossed = ", ".join(check["name"] for check in gate["checks"] if not check["passed"])
    return Notice(
        "bad",
        (
            f"{name}: NOT STABLE. The trajectory crossed the limits of the stability gate ({crossed}). "
            "Nothing measured on it describes the material."
        ),
    )


def _gate_table(name: str, gate: Mapping[str, Any]) -> Table:
    rows = []
    for check in gate["checks"]:
        key = f"md.{name}.gate.{check['name']}"
        unit = check.get("unit") or "1"
        rows.append(
            [
                check["name"].replace("_", " "),
                Number(key, f"{check['name']}, worst value of {name}", check["worst"], unit),
                Number(f"{key}.limit", f"{check['name']}, limit", check["limit"], unit),
                "passed" if check["passed"] else "CROSSED",
            ]
        )
    return Table(("stability gate", "worst value", "limit", ""), rows)


def _panels(material: Material, name: str, gate: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    thermo = material.json(f"md/{name}/thermo") if material.has(f"md/{name}/thermo") else {}
    series = (gate or {}).get("series", {})
    limits = _limits(material, gate)
    panels = []
    for source in (thermo, series):
        time = np.array(source.get("time_ps", []), dtype=float)
        for key, label in _PANELS.items():
            if len(time) and key in source and not any(panel["label"] == label for panel in panels):
                curves = {"": np.array(source[key], dtype=float)}
                panels.append(
                    {
                        "label": label,
                        "time": time,
                        "series": curves,
                        "limits": limits.get(key, []),
                        "limit_label": "limit",
                    }
                )
    coordination = {
        key.removesuffix("_coordination"): np.array(values, dtype=float)
        for key, values in series.items()
        if key.endswith("_coordination")
    }
    if coordination:
        panels.append(
            {
                "label": "mean coordination\nby O",
                "time": np.array(series["time_ps"]),
                "series": coordination,
                "limits": limits.get("P_coordination", []) if "P" in coordination else [],
                "limit_label": "limit for P",
            }
        )
    return panels


def _limits(material: Material, gate: Mapping[str, Any] | None) -> dict[str, list[float]]:
    """Limits of the gate by the name of the curve that they bound."""
    if gate is None or not material.input.get("md"):
        return {}
    chosen = material.input["md"]["gate"]
    return {
        "temperature_K": [check["limit"] for check in gate["checks"] if check["name"] == "temperature"],
        "min_distance_fraction": [chosen["min_distance_fraction"]],
        "P_coordination": [chosen["min_P_coordination"], chosen["max_P_coordination"]],
    }
