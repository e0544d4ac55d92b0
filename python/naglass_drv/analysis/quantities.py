"""The numbers of an analysis as rows: the one place where a measured quantity gets its key, label, unit and error."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..chemistry.ions import TRANSITION_METALS, parse_label
from ..chemistry.notation import SUPERSCRIPT, ion_text
from ..core import VANADYL_CUTOFF
from ..products import Quantity
from . import surroundings
from .interface_rows import interfaces
from .network import ideal_connectivity, oxygen_text
from .seed_rows import seeds

Numbers = Mapping[str, Any]
Curves = Mapping[str, np.ndarray]

_METAL_MEANS = {
    "coordination": "coordination by O",
    "bond_valence": "bond-valence sum (v.u.)",
    "baur": "Baur distortion",
    "vanadyl": f"bonds to O below {VANADYL_CUTOFF:g} Å per center",
}
_TOGETHER = (
    ("haven_ratio", "Haven ratio", "1"),
    ("nernst_einstein_S_per_m", "conductivity without correlations (Nernst–Einstein)", "S/m"),
    ("conductivity_S_per_m", "conductivity with correlations (Einstein)", "S/m"),
)
_SITES = (
    ("per_ion_per_ps", "rate", "jumps between sites per ion and time", "1/ps"),
    ("residence_ps", "residence", "mean residence time at a site", "ps"),
    ("dispersion", "dispersion", "variance of jumps over sites, over that of equal sites", "1"),
    ("back_share", "back_share", "share of jumps that lead back at once", "1"),
    ("length_A", "length", "mean distance of jumps between sites", "Å"),
    ("percolating_share", "percolating", "share of sites that jumps join to percolating paths", "1"),
    ("channel_share", "channels", "share of the volume in channels where density percolates", "1"),
    ("barrier_1d_eV", "barrier_1d", "free-energy barrier to percolation in one direction", "eV"),
    ("barrier_3d_eV", "barrier_3d", "free-energy barrier to percolation in three directions", "eV"),
)
_HOPS = (
    ("returned_share", "share that returned", "1"),
    ("changed_cage_share", "share that changed cage", "1"),
    ("length_A", "mean length", "Å"),
)


def quantities(name: str, numbers: Numbers, curves: Curves, quench_rate_K_per_s: float | None = None) -> list[Quantity]:
    """Every quantity of the glass or trajectory `name`, from what `measure` found.

    The mean temperature of a trajectory is a condition of all its quantities, and the quench rate of its glass, if it
    is given. Raises InputError for a value that is not finite.
    """
    rows = [*_general(name, numbers), *_structure(name, numbers), *_angles(name, numbers)]
    rows += _first_peaks(name, numbers)
    if numbers["network"] is not None:
        rows += _network(name, numbers)
    rows += _exchanged(name, numbers)
    if numbers["topology"] is not None:
        rows += _topology(name, numbers["topology"], no_error(numbers))
    rows += [*_openings(name, numbers), *_redox(name, numbers), *labeled(name, numbers)]
    if numbers["transport"] is not None:
        rows += transport(name, numbers, curves)
    if numbers["hops"] is not None:
        rows += hops(name, numbers["hops"])
    # earlier versions had neither sites nor heterogeneity, nor rows of rings, of the first peak and of openings
    if numbers.get("sites") is not None:
        rows += sites(name, numbers["sites"])
    if numbers.get("heterogeneity") is not None:
        rows += heterogeneity(name, numbers["heterogeneity"])
    if numbers.get("interface") is not None:
        rows += interfaces(name, numbers["interface"])
    if numbers.get("seed") is not None:
        rows += seeds(name, numbers["seed"])
    known = {key: numbers[key] for key in ("temperature_K",) if key in numbers}
    if quench_rate_K_per_s is not None:
        known["quench_rate_K_per_s"] = quench_rate_K_per_s
    return [replace(row, conditions=known) for row in rows]


def labeled(name: str, numbers: Numbers) -> list[Quantity]:
    """The quantities of the transition metals, which is all that is measured on a set of labels."""
    rows: list[Quantity] = []
    for metal, found in numbers["fingerprints"].items():
        count = found["frames"]
        alone = "one structure" if count == 1 else f"equal in {count} structures"
        rows += _metal(name, metal, found, no_error(numbers) if "errors_from" in numbers else alone)
    return rows


def no_error(numbers: Numbers) -> str:
    """Why a quantity of a measured structure has no error, if it has none."""
    reasons = {
        "none": "one structure",
        "replicas": f"equal in {numbers['frames']} replicas",
        "autocorrelation": "did not change",
    }
    return reasons[numbers["errors_from"]]


def _general(name: str, numbers: Numbers) -> Iterator[Quantity]:
    key, why = f"glance.{name}", no_error(numbers)
    yield Quantity(f"{key}.atoms", f"atoms of {name}", numbers["atoms"], "1")
    for entry, label, unit in (("temperature_K", "temperature", "K"), ("density_g_cm3", "density", "g/cm³")):
        if entry in numbers:
            note = "set" if label == "density" and numbers["density_is_set"] else why
            yield Quantity(f"{key}.{label}", f"{label} of {name}", numbers[entry], unit, numbers[f"{entry}_err"], note)
    for pair, contact in numbers["artifacts"].items():
        label = f"atoms with a {pair} contact, {name}"
        yield Quantity(f"{key}.artifact.{pair}", label, contact["share"], "1", contact["share_err"], why)


def _structure(name: str, numbers: Numbers) -> Iterator[Quantity]:
    why = no_error(numbers)
    for pair, shell in numbers["coordination"].items():
        key, peak = f"structure.{name}.{pair}", numbers["first_peak"][pair]
        yield Quantity(f"{key}.cutoff", f"{pair} cutoff", shell["cutoff_A"], "Å", note="limit of the shell")
        yield Quantity(f"{key}.coordination", f"{pair} coordination", shell["number"], "1", shell["number_err"], why)
        if "bond_length_A" in shell:
            length, error = shell["bond_length_A"], shell["bond_length_A_err"]
            yield Quantity(f"{key}.bond_length", f"mean {pair} bond length", length, "Å", error, why)
        yield Quantity(f"{key}.peak", f"position of the highest peak of {pair} g(r)", peak["position_A"], "Å")
        yield Quantity(f"{key}.peak_height", f"height of the highest peak of {pair} g(r)", peak["height"], "1")


def _angles(name: str, numbers: Numbers) -> Iterator[Quantity]:
    why = no_error(numbers)
    for kind, found in numbers["angles"].items():
        key = f"structure.{name}.{kind}"
        yield Quantity(f"{key}.mean", f"mean {kind} angle", found["mean_deg"], "°", found["mean_deg_err"], why)
        yield Quantity(f"{key}.spread", f"standard deviation of {kind} angles", found["spread_deg"], "°")
        yield Quantity(f"{key}.count", f"{kind} angles per frame", found["per_frame"], "1")


def _network(name: str, numbers: Numbers) -> Iterator[Quantity]:
    found, key, why = numbers["network"], f"network.{name}", no_error(numbers)
    former = found["former"]
    yield Quantity(f"{key}.mean_n", f"mean n of Qⁿ of {former}", found["mean_n"], "1", found["mean_n_err"], why)
    ideal = ideal_connectivity(former, numbers["composition"])
    if ideal is not None:
        yield Quantity(f"{key}.ideal_n", f"<n> of {former} by stoichiometry", ideal, "1", note="exact")
    for n, share in found["qn_share"].items():
        label = f"share of Q{n.translate(SUPERSCRIPT)}"
        yield Quantity(f"{key}.Q{n}", label, share, "1", found["qn_share_err"][n], why)
    for oxygen, share in found["oxygen_share"].items():
        label = f"share of oxygen {oxygen_text(oxygen)}"
        yield Quantity(f"{key}.oxygen.{oxygen}", label, share, "1", found["oxygen_share_err"][oxygen], why)


def _exchanged(name: str, numbers: Numbers) -> Iterator[Quantity]:
    for pair, found in numbers["exchanged_bonds"].items():
        if found["bonds"]:
            share = found["exchanged"] / found["bonds"]
            error = float(np.sqrt(share * (1 - share) / found["bonds"])) or None
            label = f"share of {pair} bonds exchanged from the first to the last frame"
            yield Quantity(f"network.{name}.exchanged.{pair}", label, share, "1", error, "none or all")


def _first_peaks(name: str, numbers: Numbers) -> Iterator[Quantity]:
    for by, found in numbers.get("first_sharp_peak", {}).items():
        for word, label in (("position", "position"), ("width", "full width at half maximum")):
            if found[word] is not None:
                text = f"{label} of the first sharp diffraction peak ({by})"
                key = f"diffraction.{name}.{by}.fsdp_{word}"
                yield Quantity(key, text, found[word], "1/Å", found[f"{word}_err"], "no errors of S(Q)")


def _openings(name: str, numbers: Numbers) -> Iterator[Quantity]:
    found, why = numbers.get("openings"), no_error(numbers)
    if found is None:
        return
    key, ion = f"channels.{name}", found["ion"]
    label = f"radius of the largest sphere that passes, without {ion}"
    yield Quantity(f"{key}.bottleneck", label, found["bottleneck_A"], "Å", found["bottleneck_A_err"], why)
    label = f"share of the volume outside of the ions, without {ion}"
    yield Quantity(f"{key}.free_volume", label, found["free_share"], "1", found["free_share_err"], why)


def _redox(name: str, numbers: Numbers) -> Iterator[Quantity]:
    """The shares of the ions of each transition metal, as the glass was made."""
    counts = numbers.get("ions", {})
    for label, count in counts.items():
        element, _ = parse_label(label)
        if element in TRANSITION_METALS:
            whole = sum(n for other, n in counts.items() if parse_label(other)[0] == element)
            text = f"share of {ion_text(label)} among {element}"
            yield Quantity(f"redox.{name}.{label}", text, count / whole, "1", note="set")


def _topology(name: str, found: Numbers, why: str) -> Iterator[Quantity]:
    key = f"topology.{name}"
    errors = found["rings_per_former_err"]
    for size, count in found["rings_per_former"].items():
        label = f"rings of {size} formers per former"
        yield Quantity(f"{key}.rings.{size}", label, count, "1", errors[size], why)
    if (mean := found.get("ring_size")) is not None:
        yield Quantity(f"{key}.ring_size", "mean ring size in formers", mean["mean"], "1", mean["mean_err"], why)
    for link, value in found["linkage"].items():
        label = f"{link} sharing per former"
        yield Quantity(f"{key}.{link}", label, value["per_former"], "1", value["per_former_err"], why)
    lanterns, spacing = found["lanterns"], found["ion_spacing"]
    if lanterns is not None:
        label = "share of metals that share three P with another"
        yield Quantity(f"{key}.lanterns", label, lanterns["share"], "1", lanterns["share_err"], why)
    if spacing is not None:
        label = "smallest cutoff at which the ions percolate"
        yield Quantity(f"{key}.ion_spacing", label, spacing["percolates_A"], "Å", spacing["percolates_A_err"], why)


def _metal(name: str, metal: str, found: Numbers, why: str) -> Iterator[Quantity]:
    key = f"metals.{name}.{metal}"
    # earlier versions gave no errors of shares
    of_shares = why if "states_err" in found else ""
    yield Quantity(f"{key}.frames", f"frames with {metal} of {name}", found["frames"], "1")
    for mean, text in _METAL_MEANS.items():
        if mean in found:
            yield Quantity(f"{key}.{mean}", f"{text} of {metal}", found[mean], "1", found[f"{mean}_err"], why)
    for by in ("valence", "geometry", "moment"):
        errors = found.get("states_err", {}).get(by, {})
        criterion = f"moment ({found['moments']})" if by == "moment" else by
        for state, share in found["states"].get(by, {}).items():
            ion = f"{metal}{state}+" if state.isdigit() else f"{metal} {state}"
            yield Quantity(
                f"{key}.{by}.{state}", f"share of {ion} by {criterion}", share, "1", errors.get(state), of_shares
            )
    label = "share of centers with contradicting assignments"
    yield Quantity(f"{key}.flagged", label, found["flagged_share"], "1", found.get("flagged_share_err"), of_shares)
    for family, share in found["label_share"].items():
        error = found.get("label_share_err", {}).get(family)
        yield Quantity(f"{key}.label.{family}", f"share of {metal} {family}", share, "1", error, of_shares)


def transport(name: str, numbers: Numbers, curves: Curves) -> Iterator[Quantity]:
    """D, or its upper bound if the motion is not diffusive, and what else is known of the motion."""
    moved, key = numbers["transport"], f"transport.{name}"
    ion = moved["ion"]
    # earlier versions gave neither bounds nor intervals
    upper = moved.get("D_m2_per_s_upper")
    if moved["diffusive"]:
        value, error, interval = moved["D_m2_per_s"], moved["D_m2_per_s_err"], moved.get("D_m2_per_s_interval")
        label = f"self-diffusion coefficient of {ion}"
        yield Quantity(f"{key}.D", label, value, "m²/s", error, interval=interval)
    elif upper is not None:
        label = f"upper bound (95 %) of the self-diffusion coefficient of {ion}"
        yield Quantity(f"{key}.D_upper", label, upper, "m²/s", note="upper bound, 95 %; not diffusive")
    yield Quantity(f"{key}.duration", "length", numbers["duration_ps"], "ps")
    yield Quantity(f"{key}.ions", f"number of {ion}", moved["ions"], "1")
    if moved["exponent"] is not None:
        error, why = moved.get("exponent_err"), "too few blocks of time"
        yield Quantity(f"{key}.exponent", "logarithmic slope of the MSD", moved["exponent"], "1", error, why)
    for element, value in moved["msd_at_longest_lag_A2"].items():
        error = float(curves[f"msd_A2_{element}_err"][-1])
        alone = "one atom" if numbers["composition"].get(element) == 1 else ""
        yield Quantity(f"{key}.msd.{element}", f"MSD of {element} at the longest lag", value, "Å²", error, alone)
    for word, label, unit in _TOGETHER:
        # conductivities need the temperature
        if moved.get(word) is not None:
            interval = moved.get(f"{word}_interval")
            yield Quantity(
                f"{key}.{word}", f"{label} of {ion}", moved[word], unit, moved[f"{word}_err"], interval=interval
            )


def hops(name: str, found: Numbers) -> Iterator[Quantity]:
    """How many hops, how often, how far, beside which ions, and how many of them led back."""
    key, ion = f"hops.{name}", found["ion"]
    rate, error = found["per_ion_per_ps"], found["per_ion_per_ps_err"]
    yield Quantity(f"{key}.count", f"hops of {ion}", found["count"], "1")
    interval = found.get("per_ion_per_ps_interval")
    yield Quantity(f"{key}.rate", f"hops per {ion} and time", rate, "1/ps", error, interval=interval)
    for state, count in sorted(found["beside"].items()):
        # earlier versions told all states by bond valence
        how = found.get("by_moment", {}).get(state.rstrip("+0123456789"), "bond valence")
        label = f"hops whose nearest metal is {ion_text(state)} by {how}"
        yield Quantity(f"{key}.beside.{state}", label, count, "1")
    if found.get("beside_undetermined"):
        label = "hops whose nearest metal has no determined state"
        yield Quantity(f"{key}.beside_undetermined", label, found["beside_undetermined"], "1")
    for word, label, unit in _HOPS:
        if found[word] is not None:
            error, interval = found.get(f"{word}_err"), found.get(f"{word}_interval")
            alone = "one hop" if found["count"] == 1 else ""
            yield Quantity(f"{key}.{word}", f"{label}, {ion}", found[word], unit, error, alone, interval)


def sites(name: str, found: Numbers) -> Iterator[Quantity]:
    """Sites, jumps between them, barriers, and rates by what surrounds a site; nothing in a network that flows."""
    if found["reason"] is not None:
        return
    key, ion = f"sites.{name}", found["ion"]
    yield Quantity(f"{key}.sites", f"sites of {ion}", found["sites"], "1")
    yield Quantity(f"{key}.jumps", f"jumps between sites, {ion}", found["count"], "1")
    for word, entry, label, unit in _SITES:
        if found.get(word) is not None:
            yield Quantity(f"{key}.{entry}", f"{label}, {ion}", found[word], unit, found.get(f"{word}_err"),
                           interval=found.get(f"{word}_interval"))  # fmt: skip
    if found["barrier_above_eV"] is not None:
        label, why = f"lower bound of the free-energy barrier to percolation, {ion}", "lower bound: no path was visited"
        yield Quantity(f"{key}.barrier_above", label, found["barrier_above_eV"], "eV", note=why)
    for family, by in found["by"].items():
        for kind, rate in by["classes"].items():
            label = f"jumps per {ion} and time, {surroundings.text(family)}: {surroundings.kind_text(kind)}"
            yield Quantity(f"{key}.by.{family}.{kind}", label, rate["per_ion_per_ps"], "1/ps",
                           rate["per_ion_per_ps_err"], interval=rate["per_ion_per_ps_interval"])  # fmt: skip
        label = f"probability that rates differ as much by chance, {surroundings.text(family)}"
        yield Quantity(f"{key}.by.{family}.chance", label, by["chance"], "1", note="permutation of the sites")


def heterogeneity(name: str, found: Numbers) -> Iterator[Quantity]:
    """The maxima of α₂ and χ₄ and their times, and the clusters of fast ions beside those of ions at random."""
    key, ion = f"heterogeneity.{name}", found["ion"]
    for word, label in (("alpha2", "α₂"), ("chi4", "χ₄")):
        if found[f"{word}_max"] is not None:
            top, err = found[f"{word}_max"], found[f"{word}_max_err"]
            yield Quantity(f"{key}.{word}", f"maximum of {label} of {ion}", top, "1", err)
            label = f"time of the maximum of {label} of {ion}"
            yield Quantity(f"{key}.{word}_time", label, found[f"{word}_time_ps"], "ps")
    if (fast := found["fast"]) is not None:
        label = f"mean cluster of the {fast['chosen']} fastest {ion}"
        yield Quantity(f"{key}.fast_cluster", label, fast["size"], "1", fast["size_err"])
        label = f"mean cluster of {fast['chosen']} {ion} at random"
        yield Quantity(f"{key}.random_cluster", label, fast["random"], "1", note="mean of choices",
                       interval=fast["random_range"])  # fmt: skip
        label = f"probability of clusters of {ion} as large by chance"
        yield Quantity(f"{key}.fast_chance", label, fast["chance"], "1", note="permutation of the ions")
