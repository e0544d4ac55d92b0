"""Section on interfaces of a crystal and a glass: surfaces, profiles about them, mobility by layer, exchange."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..analysis.excess_energy import CRYSTALS, GLASSES, INTERFACES, subtracted
from ..analysis.interface_surfaces import FLAT, INSTANTANEOUS
from ..analysis.redox import moment_word
from ..chemistry.notation import SUBSCRIPT
from ..dataset.frames import read_frames
from ..products import Quantity
from ..wording import digits, span, with_error
from . import figures_crystallites, figures_interface
from .interface_crystal import crystal_cell
from .interface_layers import layer_transport, mobility
from .interfaces import side_view
from .material import Material
from .measured import all_measured, quantities, same
from .moments import states_told
from .numbers import Figure, Notice, Section, Table, side_by_side

_SURFACES = {
    "crystal_A": "thickness of the crystal",
    "width_10_90_A": "width of its surfaces, 10 to 90 %",
    "u_m_per_s": "growth velocity of a surface",
    "angle": "angle of the crystal from how it was put in, at the end",
    "excess.per_nm2": "excess of the mobile ion",
    "excess.relative_to_O_per_nm2": "excess relative to O",
}
_EXCESS = {"e_excess": "e_excess", "resolution": "its resolution"}
_ENERGY = (
    "Excess potential energy of an interface per area, which is no free energy, against bulk crystal and bulk glass in "
    "the same lateral cell; the glasses of all cells were "
)
_CAPTION = (
    "About the dividing surfaces of the crystal, mean of both; negative distances are in the crystal. Bands: one "
    "standard error, in time and between the two surfaces."
)
_KINDS = {
    FLAT: " Lines: against the flat surface of each frame; dotted: against the instantaneous one.",
    INSTANTANEOUS: " Lines: against the instantaneous surface of each frame; dotted: against the flat one.",
}


def interface(material: Material) -> Section | None:
    """How the cells were made, and what was found at the interfaces of all trajectories that have them."""
    found = all_measured(material, "interface")
    facts = {name: material.json(f"interface/{name}/facts") for name in material.names("interface", "facts")}
    made = {name: own for name, own in facts.items() if "termination" in own}
    if not found and not made:
        return None
    section = Section("Glass/crystal interface", "interface")
    section.add(*_made(made), *crystal_cell(material))
    for name, facts in made.items():
        section.add(*_seen(material, name, facts.get("checks")))
    known = {name: numbers["interface"] for name, numbers in found.items()}
    for name, numbers in known.items():
        if "reason" in numbers:
            section.add(Notice("bad", f"{numbers['reason']}; nothing is said of its interfaces.", name))
    seen = {name: numbers for name, numbers in known.items() if "reason" not in numbers}
    rows = quantities(material)
    if seen:
        section.add(_surface_table(seen, rows))
        for name in seen:
            curves, used = material.arrays(f"analysis/{name}/curves"), seen[name].get("surface", {}).get("used", FLAT)
            both = _KINDS[used] if any(key.startswith(f"{INSTANTANEOUS}/") for key in curves) else ""
            told = seen[name].get("metal_states", {}).values()
            moment = next((moment_word(how["moments"]) for how in told), "moment")
            svg = figures_interface.profiles(curves, used, moment)
            section.add(Figure(f"interface-{name}", svg, f"{name}. {_CAPTION}{both}"))
        section.add(*figures_crystallites.figure(material, list(seen), "crystal-turned"))
        section.add(*same({name: states_told(numbers.get("metal_states", {})) for name, numbers in seen.items()}))
        section.add(*same({name: _which(numbers.get("surface")) for name, numbers in seen.items()}))
        section.add(*same({name: _incomplete(numbers) for name, numbers in seen.items()}))
        section.add(*same({name: _growth(numbers) for name, numbers in seen.items()}))
        section.add(*same({name: _no_excess(numbers.get("excess", {})) for name, numbers in seen.items()}))
        section.add(*same({name: _joined(numbers["joining"]) for name, numbers in seen.items()}))
        section.add(*layer_transport(seen, rows), *mobility(seen, rows))
        section.add(*same({name: _exchange(numbers.get("exchange")) for name, numbers in seen.items()}))
    section.add(*_excess(material))
    return section


def _excess(material: Material) -> Iterator[Table | Notice]:
    """The excess potential energy by each potential and temperature, with its resolution, or why it is not given."""
    roles = {"interface/excess": "rigid ions"}
    roles |= {f"analysis/{name}/excess": "model" for name in material.names("analysis", "excess")}
    known = [(by, material.json(role)) for role, by in roles.items() if material.has(role)]
    # without bulk cells, there is one reason for all
    found = {f"{by}, {own['temperature_K']:g} K" if "temperature_K" in own else "": own for by, own in known}
    rows: dict[str, dict[str, Quantity | str]] = {}
    for by, numbers in found.items():
        for row in (Quantity(**own) for own in numbers.get("rows", ())):
            rows.setdefault(_EXCESS[row.key.rpartition(".")[2]], {})[by] = row
        if "resolution" in numbers:
            others = {
                "part of its error that comes from the finite time": f"{digits(numbers['time_err'], 2)} mJ/m²",
                "interfaces, bulk glasses, bulk crystals": ", ".join(map(str, numbers["replicas"])),
                "subtracted of bulk glasses and crystals": subtracted(numbers["paired"]),
                "mean temperatures of interfaces, bulk glasses, bulk crystals": _temperatures(
                    numbers["temperatures_K"]
                ),
                "what these differ by adds (3/2 k_B per atom)": f"{with_error(*numbers['thermal'])} mJ/m²",
                "scatter of the bulk glasses": f"{digits(numbers['glass_scatter_meV'], 2)} meV/atom",
            }
            for label, text in others.items():
                rows.setdefault(label, {})[by] = text
    if rows:
        history = next(numbers["history"] for numbers in found.values() if "history" in numbers)
        yield side_by_side([by for by in found if any(by in cells for cells in rows.values())], rows, _ENERGY + history)
    for by, numbers in found.items():
        if numbers["reason"] is not None:
            yield Notice("note", f"e_excess not given: {numbers['reason']}.", by)


def _temperatures(found: Mapping[str, Any]) -> str:
    return ", ".join(with_error(*found[kind]) for kind in (INTERFACES, GLASSES, CRYSTALS)) + " K"


def _which(found: Mapping[str, Any] | None) -> str:
    """Which surfaces the profiles and layers refer to, why, and how rough they are."""
    if found is None:
        return ""
    used = f"profiles and layers refer to the {found['used']} surface of each frame: {found['why']}"
    if "resolution_A" not in found:
        return f"{used}."
    centers = f"the {digits(found['resolution_A'], 2)} Å that the centers alone would give a flat surface"
    if found["roughness_A"] is None:
        return f"{used}. No roughness is seen beyond {centers}."
    return (
        f"{used}. Roughness {with_error(found['roughness_A'], found['roughness_A_err'])} Å (root mean square, less "
        f"{centers}), smoothed over {digits(found['smoothing_A'], 2)} Å: it broadens the flat profile by "
        f"{digits(found['broadening_10_90_A'], 2)} Å from 10 to 90 %, beside an intrinsic width of "
        f"{with_error(found['intrinsic_10_90_A'], found['intrinsic_10_90_A_err'])} Å."
    )


def _incomplete(numbers: Mapping[str, Any]) -> str:
    without = numbers.get("without_surfaces", 0)
    return f"{without} of {numbers['looked_at']} frames have no two surfaces and are left out." if without else ""


def _no_excess(found: Mapping[str, Any]) -> str:
    return f"no excess of the mobile ion is given: {found['reason']}." if "reason" in found else ""


def _growth(numbers: Mapping[str, Any]) -> str:
    if "no_velocity" in numbers:
        return f"no growth velocity is given: {numbers['no_velocity']}."
    if "u_upper_m_per_s" in numbers:
        return f"no growth observed: at most {digits(numbers['u_upper_m_per_s'], 2)} m/s (95 %)."
    return ""


def _made(made: Mapping[str, Mapping[str, Any]]) -> Iterator[Table]:
    """How the cells were made."""
    rows: dict[str, dict[str, Quantity | str]] = {}
    for name, facts in made.items():
        cut, thick = facts["termination"], [digits(facts[f"{side}_A"], 3) for side in ("crystal", "glass")]
        own = {
            "crystal": facts["crystal_formula"].translate(SUBSCRIPT),
            "glass": f"{facts['glass_units']} × {facts['glass_formula'].translate(SUBSCRIPT)}",
            "plane": "({} {} {})".format(*cut["hkl"]),
            "termination": f"{cut['number']}: {cut['below']} | {cut['above']}{_shared(cut['share'])}",
            "its cleavage energy": f"{digits(cut['cleavage_J_m2'], 3)} J/m², of rigid ions, not relaxed",
            "bonds cut": f"{digits(cut['cut_bonds_nm2'], 3)} per nm²",
            "route": "quenched against the frozen slab" if facts["route"] == "melt" else "glass joined to the slab",
            "area": f"{digits(facts['area_A2'] / 100, 3)} nm²",
            "stress in the glass (GPa, tension positive)": _stress(facts.get("stress_GPa")),
            "stress in the crystal (GPa, tension positive)": _stress(facts.get("crystal_stress_GPa")),
            "left the slab": _counted(facts.get("exchanged", {}).get("left", {})),
            "entered the slab": _counted(facts.get("exchanged", {}).get("entered", {})),
            "thickness of crystal and glass": f"{thick[0]} Å and {thick[1]} Å at the start",
        }
        if facts["route"] == "join":
            cut_text = "none, but cut to the slab" if facts["cut"] else f"{digits(100 * facts['strain'], 2)} %"
            own["strain of the glass"] = cut_text
            own["formula units lost to contacts"] = str(facts["units_removed"])
        for label, text in own.items():
            rows.setdefault(label, {})[name] = text
    if rows:
        yield side_by_side(list(made), rows, "The cells, two interfaces each")


def _seen(material: Material, name: str, checks: Mapping[str, Any] | None) -> Iterator[Notice | Figure]:
    """The cell from the side with its density, and what is wrong with it; nothing of cells of earlier versions."""
    if checks is None or not material.has(f"interface/{name}/structure"):
        return
    yield from (Notice("bad", f"{fault}.", name) for fault in checks["faults"])
    (atoms,) = read_frames(material.files[f"interface/{name}/structure"])
    density = {phase: np.array(values) for phase, values in checks["density_g_cm3"].items()}
    svg = side_view(atoms, atoms.arrays["phase"] == 1, np.array(checks["z_A"]), density, name)
    caption = (
        f"{name} as it was made: atoms from the side, formers larger, and the density of crystal, glass and both "
        "(dotted) in slabs of 2 Å."
    )
    yield Figure(f"cell-{name}", svg, caption)


def _joined(found: Mapping[str, Any]) -> str:
    """How many atoms joined the crystal, or why nothing is said of what governs it."""
    if "reason" in found:
        return f"what governs growth is not told: {found['reason']}."
    return f"{found['events']} centers joined the crystal; what surrounded each before is in the rows of the analysis."


def _shared(share: float) -> str:
    return f", {share:.3g} of the layer above goes below" if share else ""


def _stress(found: Mapping[str, Any] | None) -> str:
    """``σ_xx 0.31 ± 0.05, …`` of the interior, in the plane of the surfaces and across."""
    if found is None:
        return "not given"
    if "reason" in found:
        return f"not given: {found['reason']}"
    parts = (f"σ_{axis} {with_error(each['value'], each['err'])}" for axis, each in found.items())
    return ", ".join(parts)


def _counted(elements: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {element}" for element, count in elements.items()) or "none"


def _surface_table(seen: Mapping[str, Any], rows: Mapping[str, Mapping[str, Quantity]]) -> Table:
    shown: dict[str, dict[str, Quantity | str]] = {}
    for word, label in _SURFACES.items():
        for name in seen:
            room = "growth" if word == "angle" else "interface"
            if (found := rows.get(name, {}).get(f"{room}.{name}.{word}")) is not None:
                shown.setdefault(label, {})[name] = found
    return side_by_side(list(seen), shown, "Dividing surfaces, by the similarity of each site to the crystal")


def _exchange(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    if "reason" in found:
        return f"no exchange across the surfaces is given: {found['reason']}."
    ways = " and ".join(_way(found, way) for way in ("inward", "outward"))
    balance = "balanced" if found["balanced"] else "not balanced: the cell is not stationary"
    return f"ions that crossed a surface and stayed for {found['least_residence_ps']:g} ps: {ways}; {balance}."


def _way(found: Mapping[str, Any], way: str) -> str:
    return f"{found[way]} {way} ({span(*found[f'{way}_interval'])} per nm² and ps, 95 %)"
