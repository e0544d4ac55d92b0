"""The most important warnings: impossible chemistry, oxidation states unlike the input's, pressure, density."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..analysis.kinetic_temperature import Kinetic, kinetic
from ..analysis.phase import flows, relaxes
from ..chemistry.formers import MOST_BRIDGES
from ..chemistry.ions import ion_label, species
from ..chemistry.notation import SUPERSCRIPT, ion_text
from ..core.statistics import average
from ..wording import digits, outside, with_error
from .glasses import glasses_made
from .material import Material
from .measured import all_measured, quench_end
from .numbers import Notice

BAR_PER_GPA = 1e4
_NARROW = "\N{NARROW NO-BREAK SPACE}"

# Coordination by O found in oxide glasses, and the share of centers that may be outside (thermal motion, cutoff)
_COORDINATION = {
    "P": (4, 4, 0.02), "Si": (4, 4, 0.02), "B": (3, 4, 0.02), "V": (4, 6, 0.1), "Fe": (4, 6, 0.1), "Ti": (4, 6, 0.1),
    "Cr": (4, 6, 0.1),
}  # fmt: skip
_MOBILE_MEAN = {"Na": (4.0, 9.0), "Li": (3.0, 6.5), "K": (5.0, 12.0)}
# Mean bond lengths (Å) from crystal chemistry: Shannon (1976), doi:10.1107/S0567739476001551, with some tolerance
_LENGTHS_A = {
    "P-O": (1.46, 1.64), "Si-O": (1.56, 1.72), "B-O": (1.30, 1.55), "V-O": (1.65, 2.15), "Fe-O": (1.80, 2.25),
    "Na-O": (2.25, 2.75),
}  # fmt: skip
_SHARE = 0.01
_RARE = 0.005
# Share of centers that must have a state before shares are compared, and how much the shares may differ
_DETERMINED = 0.5
_REDOX = 0.1
_PRESSURE_GPA = 1.0
_DENSITY = 0.05
_MELT, _REMEMBERS, _RELAXES = "Supercooled melt", "Melt remembers its start", "Relaxing network"
_FORCE_MEV_PER_A = 100.0
# of the root mean square force of the same frames: beyond it the errors are those of the thermal forces themselves
_UNUSABLE = 0.25
# rows of a series of temperatures, for an error
_LEAST_ROWS = 8
# structures of which a note gives the numbers
_TOLD = 2

_ADVICE = {
    "Unphysical structure": "Oxide glasses do not have this: the potential, the quench, or the level of the training "
    "data is wrong here, and nothing that depends on these atoms describes the material.",
    "Pressure": "A glass at ambient pressure has 0 GPa. At a fixed density this is the mismatch between that density "
    "and the potential; structure and dynamics are those of a stretched or compressed glass.",
    "Temperature": "The error is that of so many degrees of freedom in the canonical ensemble. What is measured is not "
    "that of the temperature asked for: leave out more of the beginning (analysis.skip_ps), or run longer.",
    "Oxidation states": "The input fixes the number of ions of each charge: either the bonds do not match these "
    "ions, or the assignment fails.",
    "Not the glass asked for": "A slower quench, a longer melt or another potential may make it; what is measured on "
    "it describes another material.",
    _REMEMBERS: "The structure is partly that of the packing, or of the glass that was melted; melt longer or hotter.",
    "Unusual structure": "",
    "Supercooled melt": "The network itself flows: this is a supercooled melt, not a glass. Its structure changes "
    "during the run, and the motion of the ions is partly that of the host.",
    _RELAXES: "The network still moves, by too little to tell whether it flows or only settles after its quench; a "
    "longer run would. Its structure changes during the run, and the motion of the ions is partly that of the host.",
    "Density": "",
    "Force error": "Barriers and diffusion coefficients from such a model are indications, not results.",
    "Unusable model": "Its errors are a large part of the forces themselves: no number from it, barriers and diffusion "
    "coefficients least of all, describes the material.",
}


@dataclass(frozen=True)
class Finding:
    """Something wrong or unlikely in a structure or model: `kind` as for a Notice; `context` is printed once."""

    topic: str
    kind: str
    name: str
    text: str
    context: str = ""


def notices(findings: list[Finding]) -> list[Notice]:
    """One notice per topic, with the structures concerned."""
    found = []
    for topic, advice in _ADVICE.items():
        own = [finding for finding in findings if finding.topic == topic]
        if own:
            by_name: dict[str, list[str]] = {}
            for finding in own:
                by_name.setdefault(finding.name, []).append(finding.text)
            kind = "bad" if any(finding.kind == "bad" for finding in own) else "note"
            said = ". ".join(_shortened([f"{name}: {'; '.join(texts)}" for name, texts in by_name.items()], kind))
            context = " ".join(dict.fromkeys(finding.context for finding in own if finding.context))
            found.append(Notice(kind, f"{context} {said}. {advice}".strip(), f"{topic}."))
    return found


def _shortened(texts: list[str], kind: str) -> list[str]:
    """All of them if they are bad, else the first two, and the names of the others."""
    if kind == "bad" or len(texts) <= _TOLD + 1:
        return texts
    return [*texts[:_TOLD], f"Likewise {', '.join(text.partition(':')[0] for text in texts[_TOLD:])}"]


def findings(material: Material) -> list[Finding]:
    """All findings of a run, with the structures in the order of the report."""
    found: list[Finding] = []
    for name, numbers in all_measured(material).items():
        found += chemistry(name, numbers)
        found += oxidation(name, numbers, material.input["system"])
        found += density(name, numbers, material.input["system"])
        found += relaxation(name, numbers)
    for name, made in glasses_made(material).items():
        for flag in made["flags"]:
            kind = "note" if flag["topic"] in (_MELT, _REMEMBERS, _RELAXES) else "bad"
            found.append(Finding(flag["topic"], kind, name, flag["text"]))
    found += quench_pressure(
        {name: material.json(f"glass/{name}/quench") for name in material.names("glass", "quench")}
    )
    for name in material.names("md", "summary"):
        found += pressure(name, material.json(f"md/{name}/summary"))
        found += temperature(name, kinetic_of_run(material, name))
    return [*found, *model_error(material)]


def model_error(material: Material) -> Iterator[Finding]:
    """A model with forces too far from its labels, beside the forces of the frames where they are known."""
    if material.has("model/summary"):
        frames = material.json("dataset/summary") if material.has("dataset/summary") else {}
        rms = {part: (frames.get(part) or {}).get("forces_rms_eV_per_A") for part in ("train", "test")}
        yield from force_error(material.json("model/summary")["errors"], rms)


def advice(topic: str) -> str:
    """What to conclude from the findings of a topic."""
    return _ADVICE[topic]


def chemistry(name: str, numbers: Mapping[str, Any]) -> Iterator[Finding]:
    """Contacts, coordination numbers, bridges, links and bond lengths that do not occur in an oxide glass."""

    def impossible(text: str) -> Finding:
        return Finding("Unphysical structure", "bad", name, text)

    for pair, contact in numbers["artifacts"].items():
        dashed = pair.replace("-", "–")
        yield impossible(
            f"{_percent(contact['share'])} of these atoms have a {dashed} contact below {contact['cutoff_A']:g} Å"
        )
    for pair, shell in numbers["coordination"].items():
        yield from _shell(name, pair, shell)
    net = numbers["network"]
    if net is not None:
        yield from (impossible(text) for text in _network(net))
    for link, value in ((numbers.get("topology") or {}).get("linkage") or {}).items():
        if link in ("P-P edge", "P-P face"):
            yield impossible(f"{digits(value['per_former'], 2)} pairs of PO₄ per former share an {link[4:]}")


def _shell(name: str, pair: str, shell: Mapping[str, Any]) -> Iterator[Finding]:
    cation, anion = pair.split("-")
    if anion != "O":
        return
    if cation in _COORDINATION:
        low, high, allowed = _COORDINATION[cation]
        wrong = sum(share for n, share in enumerate(shell["share"]) if not low <= n <= high)
        if wrong > allowed:
            yield Finding("Unphysical structure", "bad", name, f"{_counts(cation, shell['share'], low, high)}")
    low, high = _MOBILE_MEAN.get(cation, (0.0, float("inf")))
    if not low <= shell["number"] <= high:
        number = outside(shell["number"], low, high, ".1f")
        text = f"{cation} has {number} O on average, where {low:g} to {high:g} is usual"
        yield Finding("Unusual structure", "note", name, text)
    low, high = _LENGTHS_A.get(pair, (0.0, float("inf")))
    if not low <= shell.get("bond_length_A", low) <= high:
        length = outside(shell["bond_length_A"], low, high, ".2f")
        text = f"the mean {cation}–O bond is {length} Å, where {low:.2f} to {high:.2f} Å is usual"
        yield Finding("Unusual structure", "note", name, text)


def _network(net: Mapping[str, Any]) -> Iterator[str]:
    former = net["former"]
    most = MOST_BRIDGES[former]
    beyond = {int(n): share for n, share in net["qn_share"].items() if int(n) > most and share > 0}
    if sum(beyond.values()) > _SHARE:
        kinds = ", ".join(f"Q{str(n).translate(SUPERSCRIPT)} {_percent(share)}" for n, share in sorted(beyond.items()))
        yield f"{kinds}, but {former}O₄ can have at most Q{str(most).translate(SUPERSCRIPT)}"
    wrong = {"free": "are bonded to no former and no metal"}
    # with metals, oxygen bonded to three of them is common
    wrong |= {} if net["metals"] else {"tri": f"are bonded to three {former} or more"}
    for oxygen, words in wrong.items():
        if net["oxygen_share"].get(oxygen, 0.0) > _SHARE:
            yield f"{_percent(net['oxygen_share'][oxygen])} of O {words}"


def expected_states(system: Mapping[str, Any], composition: Mapping[str, int]) -> dict[str, dict[int, float]]:
    """Shares of the oxidation states of each element according to the input; empty if the atoms differ from the input.

    `system` is the section of the input, `composition` the number of atoms of each element in a structure.
    """
    ions = species(system["composition"], system["formula_units"])
    counts: dict[str, int] = {}
    for ion in ions:
        counts[ion.element] = counts.get(ion.element, 0) + ion.count
    total, own = sum(counts.values()), sum(composition.values())
    if any(counts.get(e, 0) * own != n * total for e, n in composition.items()) or set(counts) != set(composition):
        return {}
    shares: dict[str, dict[int, float]] = {}
    for ion in ions:
        shares.setdefault(ion.element, {})[ion.charge] = ion.count / counts[ion.element]
    return shares


def oxidation(name: str, numbers: Mapping[str, Any], system: Mapping[str, Any]) -> Iterator[Finding]:
    """Assigned oxidation states that contradict the ions of the input."""
    expected = expected_states(system, numbers["composition"])
    for metal, found in (numbers.get("fingerprints") or {}).items():
        known, wrong = expected.get(metal), []
        for assignment, shares in found["states"].items() if known else ():
            determined = {int(state): share for state, share in shares.items() if state.isdigit()}
            total = sum(determined.values())
            if total < _DETERMINED:
                continue
            off = sum(abs(determined.get(q, 0.0) / total - known.get(q, 0.0)) for q in {*determined, *known}) / 2
            if off > _REDOX:
                source = "predicted moment" if found["moments"] == "model" else "moment"
                by = {"valence": "bond valence", "geometry": "bond geometry", "moment": source}[assignment]
                wrong.append(f"{_states(metal, determined)} by {by}{_undetermined(metal, 1 - total)}")
        if wrong:
            yield Finding("Oxidation states", "note", name, ", ".join(wrong), f"The input has {_states(metal, known)}.")


def _undetermined(metal: str, share: float) -> str:
    """That shares are of fewer centers than all; empty if they are not."""
    return f" (of those determined; {_percent(share)} of {metal} are not)" if share >= _RARE else ""


def relaxation(name: str, numbers: Mapping[str, Any]) -> Iterator[Finding]:
    """A network that moves, too: one that flows is a supercooled melt, one that moves by less may only settle."""
    if said := flows(numbers):
        yield Finding(_MELT, "note", name, "; ".join(said))
    elif said := relaxes(numbers):
        yield Finding(_RELAXES, "note", name, "; ".join(said))


def pressure(name: str, summary: Mapping[str, Any]) -> Iterator[Finding]:
    """A mean pressure that differs from the target, or from zero at fixed density."""
    if summary.get("mean_pressure_bar") is None:
        return
    value, err = (summary[key] / BAR_PER_GPA if summary.get(key) is not None else None
                  for key in ("mean_pressure_bar", "mean_pressure_bar_err"))  # fmt: skip
    target = (summary.get("pressure_bar") or 0.0) / BAR_PER_GPA
    if abs(value - target) > max(_PRESSURE_GPA, 2 * (err or 0.0)):
        word = "tension" if value < target else "compression"
        asked = f", target {target:g} GPa" if summary.get("pressure_bar") is not None else ""
        yield Finding("Pressure", "bad", name, f"under {word}, mean pressure {with_error(value, err)} GPa{asked}")


def temperature(name: str, found: Kinetic | None) -> Iterator[Finding]:
    """A mean kinetic temperature that is not the one asked for."""
    if found is not None and not found.reached:
        yield Finding("Temperature", "note", name, f"{with_error(found.mean_K, found.err_K)} K, {reached(found)}")


def kinetic_of_run(material: Material, name: str) -> Kinetic | None:
    """The temperature of a trajectory after `skip_ps`; None for runs that were too short or of earlier versions."""
    if not material.has(f"md/{name}/thermo"):
        return None
    summary, series = material.json(f"md/{name}/summary"), material.json(f"md/{name}/thermo")
    after_ps = (material.input.get("analysis") or {}).get("skip_ps", 0.0)
    kelvin = [k for t, k in zip(series["time_ps"], series["temperature_K"], strict=True) if t >= after_ps]
    if len(kelvin) < _LEAST_ROWS or "temperature_K" not in summary:
        return None
    return kinetic(kelvin, summary["temperature_K"], summary["atoms"])


def reached(found: Kinetic) -> str:
    """``900 K asked for, off by 0.6 standard errors of 3252 degrees of freedom: within error``."""
    verdict = "within error" if found.reached else "NOT within error"
    return (
        f"{found.asked_K:g} K asked for, off by {found.errors:.1f} standard errors of {found.freedom:g} degrees of "
        f"freedom: {verdict}"
    )


def quench_pressure(quenches: Mapping[str, Mapping[str, list[float]]]) -> Iterator[Finding]:
    """A mean pressure far from zero at the end of the quenches, {replica: table}: the density is imposed."""
    ends = [quench_end(series, "pressure_bar") for series in quenches.values()]
    if not ends:
        return
    found = ends[0] if len(ends) == 1 else average([float(end.mean) for end in ends], independent=True)
    value, err = float(found.mean) / BAR_PER_GPA, float(found.err) / BAR_PER_GPA
    if abs(value) > max(_PRESSURE_GPA, 2 * err):
        text = f"{with_error(value, err)} GPa at the end of the quench, at the density set"
        yield Finding("Pressure", "note", "glass", f"under {'tension' if value < 0 else 'compression'}, {text}")


def density(name: str, numbers: Mapping[str, Any], system: Mapping[str, Any]) -> Iterator[Finding]:
    """A density at constant pressure that is far from that of the input, if the atoms match the input."""
    # a cell with a crystal in it has the density of neither
    if numbers.get("interface") or numbers.get("seed"):
        return
    if numbers["density_is_set"] or not expected_states(system, numbers["composition"]):
        return
    asked = system["density_g_cm3"]
    off = numbers["density_g_cm3"] / asked - 1
    if abs(off) > _DENSITY:
        text = (
            f"{numbers['density_g_cm3']:.3g} g/cm³ is off by {100 * off:+.0f} % from the {asked:g} g/cm³ of the input"
        )
        yield Finding("Density", "note", name, text.replace("-", "−"))


def force_error(errors: Mapping[str, Any], rms_eV_per_A: Mapping[str, float | None]) -> Iterator[Finding]:
    """Forces too far from the labels, of which the root mean square by part (train, test) is given where known: beyond
    a quarter of it the model is unusable.
    """
    part = "test" if errors.get("test") else "train"
    rmse = errors[part]["forces_rmse_meV_per_A"]
    if rmse > _FORCE_MEV_PER_A:
        frames, rms = "held-out" if part == "test" else "training", rms_eV_per_A.get(part)
        text = f"RMSE of {rmse:.0f} meV/Å on the {frames} frames"
        share = rmse / (1000.0 * rms) if rms else 0.0
        text += f", {_percent(share)} of the root mean square of their forces" if rms else ""
        topic, kind = ("Unusable model", "bad") if share > _UNUSABLE else ("Force error", "note")
        yield Finding(topic, kind, "model", text)


def _states(metal: str, shares: Mapping[int, float]) -> str:
    total = sum(shares.values())
    present = {ion_text(ion_label(metal, q)): share / total for q, share in sorted(shares.items()) if share}
    return " + ".join(f"{_percent(share)}{_NARROW}{ion}" for ion, share in present.items())


def _counts(cation: str, shares: list[float], low: int, high: int) -> str:
    """``33 % of V have 3 O, 2 % have 7 O``: the shares outside `low` to `high`."""
    outside = [(n, share) for n, share in enumerate(shares) if share >= _RARE and not low <= n <= high]
    parts = [f"{_percent(share)} of {cation} have {n} O" for n, share in outside[:1]]
    return ", ".join(parts + [f"{_percent(share)} have {n} O" for n, share in outside[1:]])


def _percent(share: float) -> str:
    digits = ".0f" if share >= _SHARE or share == 0 else ".1g"
    return f"{100 * share:{digits}}{_NARROW}%"
