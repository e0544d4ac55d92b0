"""Section on the transition metals: bond fingerprints, oxidation states, and spins if there are moments."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from . import checks
from .material import Material
from .measured import all_measured, warnings
from .numbers import Fold, Number, Section, Table, side_by_side
from .words import ion_text

Cells = dict[str, dict[str, Number | str]]


def metals(material: Material) -> Section | None:
    """Bond fingerprints of the transition metals, and their spins if the frames have moments."""
    measured = {name: numbers["fingerprints"] for name, numbers in all_measured(material, "fingerprints").items()}
    for name in material.names("labels", "fingerprints"):
        measured[name] = material.json(f"labels/{name}/fingerprints")["fingerprints"]
    measured = {name: found for name, found in measured.items() if found}
    if not measured:
        return None
    section = Section("Transition metals", "metals", warnings(material))
    for metal in dict.fromkeys(metal for found in measured.values() for metal in found):
        own = {name: found[metal] for name, found in measured.items() if metal in found}
        by_input = {
            name: checks.expected_states(material.input["system"], numbers["composition"]).get(metal, {})
            for name, numbers in all_measured(material).items()
        }
        section.add(side_by_side(list(own), _metal_rows(metal, own, by_input), _note(own, material)))
        details = [
            side_by_side(list(own), _family_rows(metal, own), "Schindler's labels: vanadyl + equatorial + trans.")
        ]
        details += [
            _confusion_table(name, metal, found) for name, found in own.items() if found["confusion"] is not None
        ]
        details += [_links_table(name, metal, found["links"]) for name, found in own.items() if found["links"]]
        section.add(Fold(f"Bond families of {metal}, its states by moment and by bond valence, and links", details))
    return section


def _note(measured: Mapping[str, Mapping], material: Material) -> str:
    """Explanation of the rows of a metal; moments are distinguished by their source."""
    sources = {found["moments"] for found in measured.values()}
    sentences = [_METAL_NOTE]
    if "labels" in sources:
        level = [item["level"] for item in material.input.get("reference") or []]
        cheap = (
            "; for GFN1-xTB this is an occupation, since its energy does not depend on spin"
            if "gfn1-xtb" in level
            else ""
        )
        sentences.append(f"By moment (labels): from the magnetic moment in the label{cheap}.")
    if "model" in sources:
        sentences.append(
            "By moment (model): from the |moment| predicted by the model for each atom, which no label of these "
            "frames confirms."
        )
    return " ".join(
        [
            *sentences,
            "A center is flagged if two of them differ or if the sum deviates from its state by more than 0.4.",
        ]
    )


_METAL_NOTE = (
    "Means over centers and frames, ± one standard error (none for a single frame or if nothing changed). Bond "
    "families use the thresholds of Schindler et al. (vanadyl below 1.74 Å, trans above 2.10 Å). States by the input: "
    "the ions of the composition; by valence: nearest to the bond-valence sum; by geometry: from the families."
)
# key of the states, label of the row, and sources of the moments used in the row
_ASSIGNMENTS = (
    ("valence", "valence", ()),
    ("geometry", "geometry", ()),
    ("moment", "moment (labels)", ("labels",)),
    ("moment", "moment (model)", ("model",)),
)
_METAL_MEANS = {
    "coordination": "coordination by O",
    "bond_valence": "bond-valence sum (v.u.)",
    "baur": "Baur distortion",
    "vanadyl": "vanadyl bonds per center",
}


def _metal_rows(metal: str, measured: Mapping[str, Mapping], by_input: Mapping[str, Mapping[int, float]]) -> Cells:
    """Means, and states by every assignment."""
    rows: Cells = defaultdict(dict)
    for name, found in measured.items():
        key = f"metals.{name}.{metal}.frames"
        rows["frames"][name] = Number(key, f"frames with {metal} of {name}", found["frames"], "1")
        for quantity, label in _METAL_MEANS.items():
            if quantity in found:
                rows[f"{metal}: {label}"][name] = Number(
                    f"metals.{name}.{metal}.{quantity}",
                    f"{label} of {metal}",
                    found[quantity],
                    "1",
                    found[f"{quantity}_err"],
                )
    known = {name: {str(q): share for q, share in by_input.get(name, {}).items()} for name in measured}
    _state_rows(rows, metal, "input", "the input", known, {})
    for key, by, sources in _ASSIGNMENTS:
        own = {name: found for name, found in measured.items() if found["moments"] in sources or not sources}
        shares = {name: found["states"].get(key, {}) for name, found in own.items()}
        _state_rows(
            rows,
            metal,
            key,
            by,
            shares,
            {name: found.get("states_err", {}).get(key, {}) for name, found in own.items()},
        )
    for name, found in measured.items():
        rows["share of flagged centers"][name] = Number(
            f"metals.{name}.{metal}.flagged",
            "share of centers with contradicting assignments",
            found["flagged_share"],
            "1",
            found.get("flagged_share_err"),
        )
    return rows


def _family_rows(metal: str, measured: Mapping[str, Mapping]) -> Cells:
    """Shares of Schindler's labels."""
    rows: Cells = defaultdict(dict)
    for name, found in measured.items():
        for label, share in found["label_share"].items():
            key, err = f"metals.{name}.{metal}.label.{label}", found.get("label_share_err", {}).get(label)
            rows[f"share of {label}"][name] = Number(key, f"share of {metal} {label}", share, "1", err)
    return rows


def _state_rows(
    rows: Cells, metal: str, key: str, by: str, shares: Mapping[str, Mapping], errors: Mapping[str, Mapping]
) -> None:
    """One row per state in `shares`, {structure: {state: share}}, assigned `by` some criterion."""
    for state in sorted({state for own in shares.values() for state in own}):
        ion = f"{metal}{state}+" if state.isdigit() else f"{metal} {state}"
        for name, own in shares.items():
            if own:
                number = Number(f"metals.{name}.{metal}.{key}.{state}", f"share of {ion} by {by}", own.get(state, 0.0),
                                "1", errors.get(name, {}).get(state))  # fmt: skip
                rows[f"share of {ion_text(ion) if state.isdigit() else ion} by {by}"][name] = number


def _confusion_table(name: str, metal: str, found: Mapping[str, Any]) -> Table:
    confusion = found["confusion"]
    shown = [ion_text(f"{metal}{state}+") if state else "not determined" for state in confusion["states"]]
    source = {"labels": "the label", "model": "the model"}[found["moments"]]
    rows = [
        [f"{label} by moment", *(str(count) for count in counts)]
        for label, counts in zip(shown, confusion["counts"], strict=True)
    ]
    return Table(
        (name, *(f"{label} by valence" for label in shown)), rows,
        f"Centers in all frames, by oxidation state from the moment of {source} and from the bond valence: "
        f"{100 * confusion['agreement']:.0f} % agree.",
    )  # fmt: skip


def _links_table(name: str, metal: str, links: Mapping[str, Mapping[str, int]]) -> Table:
    kinds = {"direct": f"{metal}–O–{metal}", "mediated": f"{metal}–O–P–O–{metal}"}
    columns = ("pairs", "parallel", "antiparallel", "none", "mixed states")
    rows = [[kinds[kind], *(str(counts.get(column, 0)) for column in columns)] for kind, counts in links.items()]
    return Table(
        (name, *columns),
        rows,
        "Linked pairs of metals in all frames by the relative sign of their moments, and those between different "
        "oxidation states, where a polaron can hop.",
    )
