"""Sections on the quench and the molecular dynamics: time evolution of the runs, and the stability gate."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..analysis.kinetic_temperature import kinetic
from ..products import Quantity
from . import figures_model
from .checks import BAR_PER_GPA, Finding, kinetic_of_run, reached
from .glasses import glasses_made, made_blocks, potential
from .material import Material
from .measured import last_part, quench_end, shades
from .numbers import Figure, Fold, Notice, Section, Table, side_by_side

_PANELS = {
    "temperature_K": "temperature (K)",
    "potential_energy_eV_per_atom": "potential energy\n(eV/atom)",
    "pressure_GPa": "pressure (GPa)",
    "density_g_cm3": "density (g/cm³)",
    "min_distance_fraction": "shortest distance /\ncontact distance",
}
_RUN = {
    "atoms": ("atoms", "1"),
    "reached_ps": ("simulated time", "ps"),
    "timestep_fs": ("time step", "fs"),
    "mean_temperature_K": ("mean temperature", "K"),
    "mean_pressure_GPa": ("mean pressure", "GPa"),
    "conserved_drift_meV_per_atom_per_ps": ("drift of the conserved energy", "meV/atom/ps"),
    "ns_per_day": ("speed", "ns/day"),
}
_AGAINST = "temperature against the thermostat"
# what the gate gives in place of a unit where it counts, with what a label then has to say
_COUNTED = {"of atoms": " (share of atoms)", "atoms": "", "O": ""}
_QUENCHED = {
    "potential_energy_eV_per_atom": ("potential energy", "eV/atom"),
    "temperature_K": ("temperature", "K"),
    "pressure_GPa": ("pressure", "GPa"),
}


def quench(material: Material) -> Section | None:
    """Energy, temperature and pressure during melt and quench, for all glasses in one figure, and what was made."""
    series = {name: _in_gpa(material.json(f"glass/{name}/quench")) for name in material.names("glass", "quench")}
    if not series:
        return None
    section = Section("Melt and quench", "quench")
    panels = [
        _panel(label, {name: (one["time_ps"], one[key]) for name, one in series.items() if key in one})
        for key, label in _PANELS.items()
        if any(key in one for one in series.values())
    ]
    section.add(
        Figure(
            "quench",
            figures_model.course(panels, shades(material)),
            f"Melt, quench and hold with the {potential(material)}{_volume(material)}. The glass itself is the local "
            "potential-energy minimum reached from the last frame.",
        ),
        *made_blocks(material),
        Fold("Numbers at the end of the hold", [_quench_table(material, series)]),
    )
    return section


def _volume(material: Material) -> str:
    free = any("density_g_cm3" in one["curve"] for one in glasses_made(material).values())
    return ", at zero pressure in the end" if free else " at fixed density"


def _quench_table(material: Material, series: Mapping[str, Mapping[str, Any]]) -> Table:
    asked_K = (material.input.get("glass") or {}).get("final_temperature_K")
    rows: dict[str, dict[str, Quantity | str]] = defaultdict(dict)
    for name, one in series.items():
        for key, (label, unit) in _QUENCHED.items():
            found = quench_end(one, key)
            rows[label][name] = Quantity(
                f"quench.{name}.{key}", f"{label} at the end of the quench, {name}", float(found.mean), unit,
                float(found.err), "did not change",
            )  # fmt: skip
        if asked_K is not None:
            system = material.input["system"]
            atoms = sum(system["composition"].values()) * system.get("formula_units", 1)
            rows[_AGAINST][name] = reached(kinetic(last_part(one["temperature_K"]), asked_K, atoms))
    return side_by_side(list(series), rows, "Averages over the last 5 % of the run, ± one standard error.")


def dynamics(material: Material) -> Section | None:
    """Verdict of the stability gate in words and numbers, and the time evolution of all runs."""
    names = sorted({*material.names("md", "gate"), *material.names("md", "thermo")})
    if not names:
        return None
    section = Section("Molecular dynamics", "dynamics")
    summaries = {name: material.json(f"md/{name}/summary") for name in material.names("md", "summary")}
    gates = {name: material.json(f"md/{name}/gate") for name in material.names("md", "gate")}
    section.add(*verdicts(gates))
    if summaries:
        section.add(_run_table(material, summaries))
    panels = _panels(material, names, gates)
    if panels:
        section.add(
            Figure(
                "course",
                figures_model.course(panels, shades(material)),
                "Time evolution of the runs. Dashed lines are the limits of the stability gate, applied to the mean "
                "temperature of each half picosecond, the shortest distance of each pair of elements, and the "
                "coordination of each individual P, whose mean is shown.",
            )
        )
    if gates:
        tables = [_gate_table(name, gate) for name, gate in gates.items()]
        section.add(Fold("Checks of the stability gate", tables))
    return section


def pressure_cell(key: str, name: str, summary: Mapping[str, Any]) -> Quantity | None:
    """The mean pressure of a run in GPa, or None if the run was too short."""
    if summary.get("mean_pressure_bar") is None:
        return None
    err = summary.get("mean_pressure_bar_err")
    return Quantity(
        f"{key}.mean_pressure_GPa", f"mean pressure of {name}", summary["mean_pressure_bar"] / BAR_PER_GPA, "GPa",
        None if err is None else err / BAR_PER_GPA,
    )  # fmt: skip


def _run_table(material: Material, summaries: Mapping[str, Mapping[str, Any]]) -> Table:
    rows: dict[str, dict[str, Quantity | str]] = defaultdict(dict)
    for name, summary in summaries.items():
        for key, (label, unit) in _RUN.items():
            if key == "mean_pressure_GPa":
                cell = pressure_cell(f"md.{name}", name, summary)
            elif summary.get(key) is not None:
                cell = Quantity(f"md.{name}.{key}", f"{label} of {name}", summary[key], unit, summary.get(f"{key}_err"),
                                note="set" if key == "timestep_fs" else "")  # fmt: skip
            else:
                cell = None
            if cell is not None:
                rows[label][name] = cell
        if (found := kinetic_of_run(material, name)) is not None:
            rows[_AGAINST][name] = reached(found)
    return side_by_side(list(summaries), rows)


def verdicts(gates: Mapping[str, Mapping[str, Any]]) -> list[Notice]:
    """Verdicts of the stability gate by run, failures first; all stable runs share one line."""
    stable = [name for name, gate in gates.items() if gate["stable"]]
    together = [verdict(", ".join(stable), gates[stable[0]])] if stable else []
    return [verdict(name, gate) for name, gate in gates.items() if not gate["stable"]] + together


def verdict(name: str, gate: Mapping[str, Any]) -> Notice:
    """Whether the trajectory passed the stability gate, and if not, which limits it exceeded."""
    if gate["stable"]:
        return Notice("good", f"{name}: numerically stable. All limits of the stability gate were met.")
    text = f"The trajectory exceeded {_crossed(gate)}. Nothing measured on it describes the material."
    return Notice("bad", f"{name}: NOT STABLE. {text}")


def unstable(gates: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """The runs that failed the stability gate."""
    for name, gate in gates.items():
        if not gate["stable"]:
            yield Finding("Not stable", "bad", name, f"exceeded {_crossed(gate)}")


def _crossed(gate: Mapping[str, Any]) -> str:
    crossed = [check["name"] for check in gate["checks"] if not check["passed"]]
    told = ["ended before the planned time" if name == "length" else name for name in crossed]
    return f"limits of the stability gate ({'; '.join(told)})"


def _gate_table(name: str, gate: Mapping[str, Any]) -> Table:
    rows = []
    for check in gate["checks"]:
        key = f"md.{name}.gate.{check['name']}"
        label, unit = check["name"], check.get("unit") or "1"
        if unit in _COUNTED:
            label, unit = f"{label}{_COUNTED[unit]}", "1"
        rows.append(
            [
                label.replace("_", " "),
                Quantity(key, f"{label}, worst value of {name}", check["worst"], unit),
                Quantity(f"{key}.limit", f"{label}, limit of {name}", check["limit"], unit, note="set"),
                "passed" if check["passed"] else "CROSSED",
            ]
        )
    return Table(("stability gate", "worst value", "limit", ""), rows)


def _panel(label: str, series: Mapping[str, tuple[list, list]], limits=()) -> dict[str, Any]:
    """One panel of `figures_model.course`: (times, values) by run."""
    curves = {name: tuple(np.array(values, dtype=float) for values in both) for name, both in series.items()}
    return {"label": label, "series": curves, "limits": limits}


def _in_gpa(series: Mapping[str, Any]) -> dict[str, Any]:
    """A thermo table with the pressure in GPa."""
    found = {key: values for key, values in series.items() if key != "pressure_bar"}
    if "pressure_bar" in series:
        found["pressure_GPa"] = [value / BAR_PER_GPA for value in series["pressure_bar"]]
    return found


def _panels(material: Material, names: list[str], gates: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One panel per quantity, with one curve per run; the mean coordination of each cation by O comes last."""
    sources: dict[str, list[Mapping[str, Any]]] = {}
    for name in names:
        thermo = _in_gpa(material.json(f"md/{name}/thermo")) if material.has(f"md/{name}/thermo") else {}
        sources[name] = [part for part in (thermo, gates.get(name, {}).get("series", {})) if part.get("time_ps")]
    coordination = dict.fromkeys(
        key for parts in sources.values() for part in parts for key in part if key.endswith("_coordination")
    )
    labels = _PANELS | {key: f"mean {key.removesuffix('_coordination')}–O\ncoordination" for key in coordination}
    limits = _limits(material, gates)
    panels = []
    for key, label in labels.items():
        series = {}
        for name, parts in sources.items():
            part = next((part for part in parts if key in part), None)
            if part is not None:
                series[name] = part["time_ps"], part[key]
        if series:
            panels.append(_panel(label, series, limits.get(key, [])))
    return panels


def _limits(material: Material, gates: Mapping[str, Mapping[str, Any]]) -> dict[str, list[float]]:
    """Limits of the gate, by the name of the curve they apply to."""
    if not gates or not material.input.get("md"):
        return {}
    chosen = material.input["md"]["gate"]
    hot = [check["limit"] for gate in gates.values() for check in gate["checks"] if check["name"] == "temperature"]
    return {
        "temperature_K": list(dict.fromkeys(hot)),
        "min_distance_fraction": [chosen["min_distance_fraction"]],
        "P_coordination": [chosen["min_P_coordination"], chosen["max_P_coordination"]],
    }
