"""Build the report from its material: the page, the numbers, and the figures as files."""

from typing import Any

from .. import __version__
from ..chemistry.ions import Species, species
from ..chemistry.notation import composition_text, elements, formula_text
from .arrhenius import arrhenius
from .audit import audit
from .dynamics import dynamics, quench
from .html import page
from .interface import interface
from .learning import dataset, labels, model
from .material import Material
from .metals import metals
from .motion import hops, transport
from .numbers import Figure, Section, entry, leaves
from .overview import flags, glance, worth
from .potentials import potentials
from .record import record
from .rounds import rounds
from .seeds import seeds
from .sites import heterogeneity, sites
from .structure import structure
from .topology import network, topology
from .uncertainty import uncertainty

_ORDER = (
    glance, worth, rounds, interface, seeds, structure, network, topology, metals, transport, arrhenius, hops, sites,
    heterogeneity, dynamics, quench, potentials, model, uncertainty, dataset, audit, labels, record,
)  # fmt: skip
# Records and bookkeeping, folded by default
_FOLDED = (dataset, audit, labels, record)


def build(material: Material) -> tuple[str, dict[str, Any], dict[str, bytes]]:
    """HTML page, report.json and SVG figures by name. Stages that were not run are left out."""
    sections = []
    for part in _ORDER:
        section = part(material)
        if section is not None and section.blocks:
            section.folded = section.folded or part in _FOLDED
            sections.append(section)
    ions = species(material.input["system"]["composition"], material.input["system"]["formula_units"])
    name = material.input["name"]
    title = (material.input.get("report") or {}).get("title") or f"{name}: {formula_text(elements(ions))}"
    footer = f"Written by naglass {__version__}. The numbers are also in report.json, the figures in products/figures."
    html = page(title, _lead(material, ions), sections, footer)
    return html, _as_json(title, material, sections), _figures(sections)


def _lead(material: Material, ions: tuple[Species, ...]) -> list[str]:
    done = ", ".join(dict.fromkeys(task["stage"] for task in material.tasks)) or "none"
    run = f"Run {material.input['name']}, seed {material.input['seed']}. Stages done: {done}."
    return [f"{formula_text(elements(ions))}: {composition_text(ions)}.", run]


def _as_json(title: str, material: Material, sections: list[Section]) -> dict[str, Any]:
    return {
        "title": title,
        "name": material.input["name"],
        "seed": material.input["seed"],
        "naglass": __version__,
        "errors": "err is one standard error, or null if there is no estimate",
        "tasks": [{key: task[key] for key in ("stage", "task", "key", "tools")} for task in material.tasks],
        "flags": flags(material),
        "numbers": [entry(number) | {"section": section.anchor} for section in sections for number in section.numbers],
    }


def _figures(sections: list[Section]) -> dict[str, bytes]:
    return {figure.name: figure.svg for section in sections for figure in leaves(section.blocks, Figure)}
