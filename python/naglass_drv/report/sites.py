"""Sections on the sites of the mobile ions and their jumps, and on how unequally the ions move."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..analysis import surroundings
from ..products import Quantity
from . import figures_motion
from .figures_motion import SiteMap
from .material import Material
from .measured import Rows, all_measured, below, quantities, same, shades, warnings
from .moments import states_told
from .numbers import Figure, Fold, Notice, Section, Table, side_by_side

_MOST_MAPS = 6
# of a curve of stays
_FEWEST_TIMES = 5
_CLUSTERS = (
    "The fastest tenth of the ions over the time of the maximum of α₂, joined where they were closer than the first "
    "minimum of their pair function; the size of a cluster is the mean over its ions. The probability is that of as "
    "large clusters if the ions exchange places."
)
_CURVES = (("alpha2", "α₂"), ("chi4", "χ₄"))
Found = Mapping[str, Any]
Arrays = Mapping[str, Mapping[str, np.ndarray]]


def sites(material: Material) -> Section | None:
    """Sites, jumps, residence times and barriers of all runs, and the rates by what surrounds a site."""
    measured = all_measured(material, "sites")
    found = {name: numbers["sites"] for name, numbers in measured.items()}
    if not found:
        return None
    section = Section("Sites and jumps", "sites", warnings(material))
    lacking = [f"{name}: {each['reason']}" for name, each in found.items() if each["reason"] is not None]
    if lacking:
        section.add(Notice("note", f"{'; '.join(lacking)}.", "No sites."))
    known = {name: each for name, each in found.items() if each["reason"] is None}
    if not known:
        return section
    rows, shade = quantities(material), shades(material)
    curves = {name: material.arrays(f"analysis/{name}/curves") for name in known}
    section.add(_table(known, rows), *_map_figure(known, curves), *_stay_figure(known, curves, shade))
    section.add(*_by_surroundings(known, rows, shade))
    told = {name: measured[name].get("metal_states") or {} for name, each in known.items() if each["by"]}
    section.add(*same({name: states_told(how) for name, how in told.items()}))
    return section


def _table(known: Mapping[str, Found], rows: Mapping[str, Rows]) -> Table:
    cells: dict[str, dict[str, Quantity | str]] = defaultdict(dict)
    for name, found in known.items():
        for word, row in below(rows[name], f"sites.{name}").items():
            if not word.startswith("by."):
                title = "free-energy barrier to percolation in one direction" if word == "barrier_above" else row.label
                cells[title.removesuffix(f", {found['ion']}").removesuffix(f" of {found['ion']}")][name] = row
    some = next(iter(known.values()))
    return side_by_side(
        list(known),
        cells,
        f"Sites are the basins of the density on a grid of {some['spacing_A']:.3g} Å, smoothed by "
        f"{some['smoothing_A']:g} Å; maxima less than {some['depth_kT']:g} kT above their saddle are one site. A jump "
        "leads into the core of another site. Barriers are kT ln(ρ of the sites/ρ at percolation) at the temperature "
        "of the run and this resolution, relative to the mean over the ions; smoothing lowers them. ± one standard "
        "error; 95 %: "
        "confidence interval.",
    )


def _map_figure(known: Mapping[str, Found], curves: Arrays) -> Iterator[Figure]:
    maps = {}
    for name in list(known)[:_MOST_MAPS]:
        own = curves[name]
        start = own["site_A"][own["site_jump_from"]]
        density, cell = own["site_density_per_A2"], own["site_cell_A"]
        maps[name] = SiteMap(density, cell, own["site_A"], own["site_occupancy"], start, own["site_jump_to_A"])
    ion = next(iter(known.values()))["ion"]
    caption = (
        f"Density of {ion} projected along c (gray), its sites (circles, area by occupancy), and its jumps (lines, "
        "thicker for more jumps); a line that leaves the cell leads to a site of the next image."
    )
    yield Figure("sites", figures_motion.site_maps(maps), caption)


def _stay_figure(known: Mapping[str, Found], curves: Arrays, shade: Mapping[str, str]) -> Iterator[Figure]:
    stays = {name: (curves[name]["stay_ps"], curves[name]["stay_share"]) for name in known}
    stays = {name: both for name, both in stays.items() if len(both[0]) > _FEWEST_TIMES}
    if stays:
        means = {name: known[name]["residence_ps"] for name in stays}
        caption = (
            "Stays at a site that began during the run, those at its end censored (Kaplan–Meier); dashed: exponentials "
            "with the mean residence times of the table. Slower than exponential: sites or ions differ, or jumps lead "
            "back."
        )
        yield Figure("stays", figures_motion.survival(stays, means, shade), caption)


def _by_surroundings(known: Mapping[str, Found], rows: Mapping[str, Rows], shade: Mapping[str, str]) -> Iterator[Any]:
    """A figure and a table of rates by what surrounds a site, with how often they differ as much by chance."""
    panels: dict[str, dict[str, dict[str, tuple[float, float, float]]]] = defaultdict(dict)
    cells: dict[str, dict[str, Quantity | str]] = defaultdict(dict)
    for name, found in known.items():
        for family, by in found["by"].items():
            panels[surroundings.text(family)][name] = {
                surroundings.kind_text(kind): (rate["per_ion_per_ps"], *rate["per_ion_per_ps_interval"])
                for kind, rate in by["classes"].items()
            }
            for row in below(rows[name], f"sites.{name}.by.{family}").values():
                cells[row.label.replace(f"jumps per {found['ion']} and time, ", "")][name] = row
    if not panels:
        return
    caption = (
        "Jumps from sites of each class over the time that ions spent at these, with 95 % intervals: often visited "
        "classes do not count as fast ones."
    )
    yield Figure("rates", figures_motion.rates(panels, shade), caption)
    note = (
        "Jumps per ion and time; mean residence times are their inverses. The probability is the share of permutations "
        "of the sites with rates that differ at least as much; with several classes tested, one below 0.05 is expected "
        "in twenty."
    )
    yield Fold("Jump rates by what surrounds the site", [side_by_side(list(known), cells, note)])


def heterogeneity(material: Material) -> Section | None:
    """α₂ and χ₄ by lag, and clusters of the fastest ions against random ones."""
    found = {name: numbers["heterogeneity"] for name, numbers in all_measured(material, "heterogeneity").items()}
    if not found:
        return None
    section = Section("Heterogeneous motion", "heterogeneity", warnings(material))
    curves = {name: material.arrays(f"analysis/{name}/curves") for name in found}
    panels: dict[str, dict[str, tuple]] = {}
    for word, label in _CURVES:
        for name, each in found.items():
            own, key = curves[name], f"{word}_{each['ion']}"
            lag, value, err = own["correlation_lag_ps"], own[key], own[f"{key}_err"]
            shown = np.isfinite(err) & np.isfinite(value)
            if shown.any():
                panels.setdefault(label, {})[name] = lag[shown], value[shown], err[shown]
    if panels:
        caption = (
            "Non-Gaussian parameter and dynamic susceptibility (overlap within 1.3 Å) of the mobile ions, up to the "
            "longest lag with an error; bands: one standard error. χ₄ from a few independent origins is too small."
        )
        section.add(Figure("heterogeneity", figures_motion.by_lag(panels, shades(material)), caption))
    rows = quantities(material)
    cells: dict[str, dict[str, Quantity | str]] = defaultdict(dict)
    for name, each in found.items():
        for row in below(rows[name], f"heterogeneity.{name}").values():
            cells[row.label.removesuffix(f" of {each['ion']}")][name] = row
    if cells:
        text = _CLUSTERS if any(each["fast"] for each in found.values()) else ""
        section.add(side_by_side(list(found), cells, text))
    lacking = [f"{name}: {each['fast_reason']}" for name, each in found.items() if each["fast_reason"]]
    if lacking:
        section.add(Notice("note", f"{'; '.join(lacking)}.", "No clusters of fast ions."))
    return section
