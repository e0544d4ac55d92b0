"""Sections on the run itself: time per stage, tasks with keys and versions, and the input."""

from collections import defaultdict
from typing import Any

from ..products import Quantity
from . import figures_model
from .material import Material
from .numbers import Figure, Section, Table


def record(material: Material) -> Section:
    """Where the time was spent, and what is needed to repeat the run."""
    section = Section("Run and provenance", "run")
    seconds: dict[str, float] = defaultdict(float)
    for task in material.tasks:
        if task["seconds"] is not None:
            seconds[task["stage"]] += task["seconds"]
    if seconds:
        section.numbers += [
            Quantity(f"run.{stage}.wall", f"wall time of the tasks of {stage}", value, "s")
            for stage, value in seconds.items()
        ]
        section.add(
            Figure(
                "times",
                figures_model.stage_times(seconds),
                (
                    "Wall time of each stage, summed over its tasks; tasks "
                    "may have run at the same time. For a resumed task only the last attempt counts."
                ),
            )
        )
    versions: dict[str, str] = {}
    for task in material.tasks:
        versions |= task["tools"]
    section.add(
        Table(("program", "version"), [[name, version] for name, version in versions.items()]),
        Table(
            ("setting", "value"),
            [["seed", str(material.input["seed"])], *_flat(_set(material.input))],
            "The input, including defaults. Names include the unit.",
        ),
        Table(
            ("task", "key"),
            [[f"{t['stage']}/{t['task']}", t["key"]] for t in material.tasks],
            "Keys are SHA-256 hashes of settings, content of input files, tool versions and the version of naglass; "
            "equal keys mean equal work.",
        ),
    )
    return section


def _set(input: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in input.items() if value not in (None, [], {}) and key not in ("seed", "name")}


def _flat(value: Any, name: str = "") -> list[list[str]]:
    if isinstance(value, dict) and value:
        return [row for key, part in value.items() for row in _flat(part, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [row for number, part in enumerate(value) for row in _flat(part, f"{name}[{number}]")]
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return [[name, text]]
