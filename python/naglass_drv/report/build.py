"""Material to report: the page, the numbers, and the figures as files."""

from typing import Any

from .. import __version__
from .audit import audit
from .dynamics import dynamics
from .html import page
from .learning import dataset, labels, model
from .material import Material
from .numbers import Figure, Section
from .overview import glance, worth
from .physics import network, structure, transport
from .record import record
from .topology import hops, metals, topology

_ORDER = (
    glance, worth, structure, network, topology, metals, transport, hops, dynamics, model, dataset, audit, labels,
    record,
)  # fmt: skip


def build(material: Material) -> tuple[str, dict[str, Any], dict[str, bytes]]:
    """HTML page, report.json and SVG figures by name. What the run did not do is left out."""
    sections = [section for part in _ORDER if (section := part(material)) is not None]
    sections = [section for section in sections if section.blocks]
    name = material.input["name"]
    title = (material.input.get("report") or {}).get("title") or f"{name}: {_composition(material)}"
    footer = f"Written by naglass {__version__}. Numbers are in report.json too, figures in products/figures."
    html = page(title, _lead(material), sections, footer)
    return html, _as_json(title, material, sections), _figures(sections)


def _composition(material: Material) -> str:
    units = material.input["system"]["formula_units"]
    species = material.input["system"]["composition"]
    return " ".join(f"{label}{count * units}" for label, count in species.items())


def _lead(material: Material) -> str:
    done = ", ".join(dict.fromkeys(task["stage"] for task in material.tasks)) or "none"
    return f"Run {material.input['name']}, seed {material.input['seed']}. Stages done: {done}."


def _as_json(title: str, material: Material, sections: list[Section]) -> dict[str, Any]:
    return {
        "title": title,
        "name": material.input["name"],
        "seed": material.input["seed"],
        "naglass": __version__,
        "errors": "err is one standard error, null where none can be given",
        "tasks": [{key: task[key] for key in ("stage", "task", "key", "tools")} for task in material.tasks],
        "numbers": [
            number.as_json() | {"section": section.anchor} for section in sections for number in section.numbers
        ],
    }


def _figures(sections: list[Section]) -> dict[str, bytes]:
    return {block.name: block.svg for section in sections for block in section.blocks if isinstance(block, Figure)}
