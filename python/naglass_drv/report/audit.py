"""Section on the audit of a dataset, and the page of a stand-alone audit."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import __version__
from ..chemistry.ions import high_spin_states
from ..chemistry.level import moments_by
from ..dataset.audit import ADVICE
from ..dataset.audit.moments import LABELS
from ..products import Quantity
from ..wording import counted, outside
from . import figures_data
from .html import page
from .material import Material
from .numbers import Figure, Notice, Section, Table

_TITLES = {
    "energy": "Energy outliers",
    "forces": "Large forces",
    "distance": "Short contacts",
    "net_force": "Nonzero net forces",
    "stress": "Stresses",
    "spin": "Moments",
    "sites": "Ions that do not match the composition",
    "near_copy": "Near-duplicates",
}
_MOST_ROWS = 15
_MOST_COMPOSITIONS = 40
_COVERAGE = {
    "density_g_cm3": "density (g/cm³)",
    "temperature_K": "temperature (K)",
    "pressure_GPa": "pressure (GPa)",
    "net_force_eV_per_A": "|ΣF| (eV/Å)",
}
_UNITS = {
    "atoms": ("atoms", "1"),
    "density_g_cm3": ("density", "g/cm³"),
    "temperature_K": ("temperature", "K"),
    "pressure_GPa": ("pressure", "GPa"),
    "net_force_eV_per_A": ("|ΣF|", "eV/Å"),
    "largest_force_eV_per_A": ("largest |F|", "eV/Å"),
    "energy_residual_eV_per_atom": ("deviation of the energy from the fit", "eV/atom"),
    "atomization_energy_eV_per_atom": ("energy relative to E0", "eV/atom"),
}

Arrays = Mapping[str, np.ndarray]


def audit(material: Material) -> Section | None:
    """Findings of the audit of the run's dataset."""
    if not material.has("dataset/audit"):
        return None
    section = Section("Audit of the dataset", "audit")
    section.add(*_blocks(material.json("dataset/audit"), material.arrays("dataset/audit-arrays")))
    return section


def audit_page(title: str, result: Mapping[str, Any], arrays: Arrays) -> str:
    """The HTML page of a stand-alone audit."""
    section = Section("Audit", "audit")
    section.add(*_blocks(result, arrays))
    if result["E0_eV"]:
        rows = [[element, f"{energy:.6g} eV"] for element, energy in result["E0_eV"].items()]
        section.add(Table(("element", "isolated-atom energy"), rows))
    size = f"{counted(result['frames'], 'frame')}, {counted(result['atoms'], 'atom')}"
    lead = f"{size}, level of theory: {', '.join(result['levels'])}."
    return page(title, [lead], [section], f"Written by naglass {__version__}. All findings are in audit.json.")


def _blocks(result: Mapping[str, Any], arrays: Arrays) -> Iterator[str | Notice | Table | Figure]:
    yield _verdict(result)
    if result["unchecked"]:
        yield Notice("note", "Not checked: " + "; ".join(result["unchecked"]) + ".")
    bound = result["coverage"]["atomization_energy_eV_per_atom"]
    if bound is not None and bound["median"] > 0:
        yield Notice(
            "bad",
            f"Half of the frames lie more than {bound['median']:.3g} eV/atom above their isolated atoms: E0 comes from "
            "another level or is another kind of energy.",
        )  # fmt: skip
    for check, title in _TITLES.items():
        if result["counts"][check]:
            yield _findings(title, check, result)
    yield _coverage_table(result)
    yield _compositions(result)
    yield from _energy_figure(result, arrays)
    yield _force_table(result)
    histograms = figures_data.force_histograms(arrays["force_edges_eV_per_A"], _named(arrays, "forces"))
    yield Figure("audit-forces", histograms, "Magnitude of the force on each atom, by element.")
    yield from _distances(result, arrays)
    yield from _moments(result, arrays)
    shown = {label: arrays[key] for key, label in _COVERAGE.items() if np.isfinite(arrays[key]).any()}
    yield Figure("audit-coverage", figures_data.coverage(shown, [_COVERAGE["net_force_eV_per_A"]]),
                 "Coverage of the frames. Pressures come from the virial, positive under compression.")  # fmt: skip


def _verdict(result: Mapping[str, Any]) -> Notice:
    dropped = result.get("dropped") or []
    found = {_TITLES[check].lower(): count for check, count in result["counts"].items() if count}
    if not found:
        return Notice("good", "No outliers were found.")
    fate = f"{counted(len(dropped), 'frame')} dropped on request." if dropped else "Nothing was dropped."
    words = ", ".join(f"{title} ({count})" for title, count in found.items())
    text = f"Flagged frames: {words}. A flag is a reason to look at a frame, not an error in itself. {fate}"
    return Notice("note", text)


def _findings(title: str, check: str, result: Mapping[str, Any]) -> Table:
    own = [finding for finding in result["findings"] if finding["check"] == check]
    more = f" Another {len(own) - _MOST_ROWS} are listed in audit.json." if len(own) > _MOST_ROWS else ""
    rows = [
        [f["source"], f"{outside(f['value'], f['limit'], f['limit'], '.3g')} {f['unit']}", f["text"]]
        for f in own[:_MOST_ROWS]
    ]
    limit = f"{own[0]['limit']:g} {own[0]['unit']}"
    beyond = f"{counted(len(own), 'frame')} beyond the limit of {limit}"
    caption = f"{title}: {beyond}, worst first.{more} {_sentence(check)}"
    return Table(("frame", "value", "what"), rows, caption)


def _sentence(check: str) -> str:
    advice = ADVICE[check]
    return f"{advice[0].upper()}{advice[1:]}."


def _coverage_table(result: Mapping[str, Any]) -> Table:
    rows = []
    for key, (label, unit) in _UNITS.items():
        found = result["coverage"][key]
        if found is None:
            continue
        cells = [Quantity(f"audit.{key}.{part}", f"{label}, {part}", found[part], unit)
                 for part in ("smallest", "median", "largest")]  # fmt: skip
        rows.append([label, Quantity(f"audit.{key}.frames", f"frames with a {label}", found["frames"], "1"), *cells])
    return Table(("per frame", "frames", "smallest", "median", "largest"), rows)


def _compositions(result: Mapping[str, Any]) -> Table:
    rows = []
    for formula, found in list(result["compositions"].items())[:_MOST_COMPOSITIONS]:
        density = found["density_g_cm3"]
        span = f"{density['smallest']:.2f} to {density['largest']:.2f}" if density else "not periodic"
        rows.append([formula, str(found["frames"]), str(found["groups"]), span])
    rest = len(result["compositions"]) - len(rows)
    caption = f"{counted(rest, 'composition')} more in audit.json." if rest else ""
    return Table(("composition", "frames", "groups", "density (g/cm³)"), rows, caption)


def _energy_figure(result: Mapping[str, Any], arrays: Arrays) -> Iterator[Figure]:
    if result["energy_scale_eV_per_atom"] is None:
        return
    residual, density = arrays["energy_residual_eV_per_atom"], arrays["density_g_cm3"]
    reach = result["limits"]["energy_z"] * result["energy_scale_eV_per_atom"]
    middle = float(np.median(residual))
    flagged = np.zeros(len(residual), dtype=bool)
    flagged[[finding["frame"] for finding in result["findings"] if finding["check"] == "energy"]] = True
    periodic = np.isfinite(density).all()
    x, label = (density, "density (g/cm³)") if periodic else (np.arange(len(residual), dtype=float), "frame")
    svg = figures_data.energy_residuals(residual, x, label, (middle - reach, middle + reach), flagged)
    yield Figure(
        "audit-energies", svg,
        "Energy of each frame relative to a fit with one energy per element and a term in its rms force (least "
        f"absolute deviations). Limits: {result['limits']['energy_z']:g} robust standard deviations of "
        f"{result['energy_scale_eV_per_atom']:.3g} eV/atom.",
    )  # fmt: skip


def _force_table(result: Mapping[str, Any]) -> Table:
    rows = [
        [
            element, *(
                Quantity(f"audit.forces.{element}.{key}", f"{label} of {element}", found[key], unit)
                for key, label, unit in (
                    ("atoms", "atoms", "1"), ("median_eV_per_A", "median |F|", "eV/Å"),
                    ("p99_eV_per_A", "99th percentile of |F|", "eV/Å"), ("largest_eV_per_A", "largest |F|", "eV/Å"),
                )
            ),
        ]
        for element, found in result["forces"].items()
    ]  # fmt: skip
    return Table(("forces", "atoms", "median", "99th percentile", "largest"), rows)


def _distances(result: Mapping[str, Any], arrays: Arrays) -> Iterator[Table | Figure]:
    if not result["distances"]:
        return
    rows = [
        [
            pair.replace("-", "\N{EN DASH}"),
            Quantity(f"audit.distance.{pair}", f"shortest {pair} distance", found["shortest_A"], "Å"),
            f"{found['contact_A']:.2f} Å", f"{found['fraction']:.2f}", str(found["below"]), found["source"],
        ]
        for pair, found in result["distances"].items()
    ]  # fmt: skip
    head = ("pair", "shortest", "contact distance", "fraction", "frames below the limit", "frame with the shortest")
    yield Table(head, rows)
    limit = result["limits"]["min_distance_fraction"]
    yield Figure(
        "audit-distances", figures_data.contact_fractions(_named(arrays, "distances"), limit),
        f"Shortest distance of each pair of elements in each frame; dashed: {limit:g} of contact, the limit.",
    )  # fmt: skip


def _moments(result: Mapping[str, Any], arrays: Arrays) -> Iterator[Table | Figure]:
    if not result["moments"]:
        return
    rows = [
        [
            name, *(
                Quantity(f"audit.moment.{name}.{key}", f"{label} |moment| of {name}", found[key], unit)
                for key, label, unit in (
                    ("atoms", "atoms with a", "1"), ("mean_muB", "mean", "µB"), ("spread_muB", "spread of", "µB"),
                    ("smallest_muB", "smallest", "µB"), ("largest_muB", "largest", "µB"),
                )
            ),
        ]
        for name, found in result["moments"].items()
    ]  # fmt: skip
    source = moments_by(result["levels"], LABELS["REF_spin"])
    yield Table(
        ("|moment|", "atoms", "mean", "spread", "smallest", "largest"), rows,
        f"{source[0].upper()}{source[1:]}. Transition metals by the oxidation state with the closest high-spin moment.",
    )  # fmt: skip
    counts = _named(arrays, "moments")
    if counts:
        states = {
            element: [(f"{element}{state}+", moment) for state, moment in high_spin_states(element)]
            for element in counts
        }
        svg = figures_data.moment_histograms(arrays["moment_edges_muB"], counts, states)
        caption = "Moments of the transition metals; dashed: high-spin moments of their oxidation states."
        yield Figure("audit-moments", svg, caption)


def _named(arrays: Arrays, family: str) -> dict[str, np.ndarray]:
    """The arrays `family`/NAME, by NAME."""
    return {key.partition("/")[2]: value for key, value in arrays.items() if key.startswith(f"{family}/")}
