"""Section on the transition metals: bond fingerprints, oxidation states, and spins if there are moments."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ..chemistry.level import OCCUPATIONS, is_tight_binding
from ..chemistry.notation import ion_text
from ..core import VANADYL_CUTOFF
from ..products import Quantity
from . import checks
from .glasses import short_contacts
from .material import Material
from .measured import Rows, all_measured, below, quantities, warnings
from .moments import undetermined
from .numbers import Fold, Section, Table, side_by_side
from .zeros import NONE_FOUND

_DASH = "\N{EN DASH}"
Cells = dict[str, dict[str, Quantity]]


def metals(material: Material) -> Section | None:
    """Bond fingerprints of the transition metals, and their spins if the frames have moments."""
    measured = {name: numbers["fingerprints"] for name, numbers in all_measured(material, "fingerprints").items()}
    for name in material.names("labels", "fingerprints"):
        measured[name] = material.json(f"labels/{name}/fingerprints")["fingerprints"]
    measured = {name: found for name, found in measured.items() if found}
    if not measured:
        return None
    section, rows = Section("Transition metals", "metals", warnings(material)), quantities(material)
    for metal in dict.fromkeys(metal for found in measured.values() for metal in found):
        own = {name: found[metal] for name, found in measured.items() if metal in found}
        by_input = {
            name: checks.expected_states(material.input["system"], numbers["composition"]).get(metal, {})
            for name, numbers in all_measured(material).items()
        }
        unknown = undetermined(material, metal)
        note = _note(metal, own, material, unknown)
        section.add(side_by_side(list(own), _metal_rows(metal, own, rows, by_input, known=not unknown), note))
        details = [
            side_by_side(list(own), _family_rows(metal, rows, own), f"Labels: {_short(metal)} + equatorial + trans.")
        ]
        details += [
            _confusion_table(name, metal, found) for name, found in own.items() if found["confusion"] is not None
        ]
        details += [_links_table(name, metal, found["links"]) for name, found in own.items() if found["links"]]
        section.add(Fold(f"Bond families of {metal}, its states by moment and by bond valence, and links", details))
    return section


def _short(metal: str) -> str:
    return "vanadyl" if metal == "V" else "short"


def _note(metal: str, measured: Mapping[str, Mapping], material: Material, unknown: str) -> str:
    """Explanation of the rows of a metal; moments are distinguished by their source, and not shown where the states are
    `unknown` by them.
    """
    sources = {found["moments"] for found in measured.values()}
    for_v = "" if metal == "V" else f"; these are thresholds for V{_DASH}O, which say no more of {metal} than lengths"
    families = f"({_short(metal)} below {VANADYL_CUTOFF:g} Å, trans above 2.10 Å{for_v})"
    sentences = [_METAL_NOTE.format(families)]
    if "labels" in sources:
        levels = [item["level"]["name"] for item in material.input.get("reference") or []]
        cheap = (
            f"; those of GFN1-xTB are {OCCUPATIONS}, whose energy does not depend on spin"
            if any(map(is_tight_binding, levels))
            else ""
        )
        sentences.append(f"By moment (labels): from the magnetic moment in the label{cheap}.")
    if "model" in sources and unknown:
        sentences.append(
            f"States by the model's moments are undetermined: on held-out groups they are not told apart ({unknown})."
        )
    elif "model" in sources:
        sentences.append(
            "By moment (model): from the |moment| predicted by the model for each atom, which no label of these "
            "frames confirms."
        )
    return " ".join(
        [
            *sentences,
            "A center is flagged if two of its states by valence, geometry and moment differ, or if the sum deviates "
            "from its state by more than 0.4. The input fixes shares, not the state of a center, and is not part of "
            "this: the first section holds the shares against it.",
            *([contacts] if metal == "V" and (contacts := short_contacts(material)) else []),
        ]
    )


_METAL_NOTE = (
    "Means over centers and frames, ± one standard error (none for a single frame or if nothing changed). Bond "
    "families use the thresholds of Schindler et al. {}. States by the input: "
    "the ions of the composition; by valence: nearest to the bond-valence sum; by geometry: from the families."
)
_MEANS = ("coordination", "bond_valence", "baur", "vanadyl")
# how states are assigned, and by which moments, in the order of the rows
_ASSIGNMENTS = (("valence", None), ("geometry", None), ("moment", "labels"), ("moment", "model"))


def _metal_rows(
    metal: str,
    measured: Mapping[str, Mapping],
    rows: Mapping[str, Rows],
    by_input: Mapping[str, Mapping[int, float]],
    *,
    known: bool,
) -> Cells:
    """Means, and states by every assignment, those by the model's moments if they are `known`."""
    cells: Cells = defaultdict(dict)
    own = {name: below(rows[name], f"metals.{name}.{metal}") for name in measured}
    for name, found in own.items():
        cells["frames"][name] = found["frames"]
        for word in _MEANS:
            if word in found:
                cells[f"{metal}: {found[word].label.removesuffix(f' of {metal}')}"][name] = found[word]
    stated = {
        name: {
            str(q): Quantity(
                f"metals.{name}.{metal}.input.{q}",
                f"share of {metal}{q}+ by the input",
                share,
                "1",
                note="set",
                subject=name,
            )
            for q, share in by_input.get(name, {}).items()
        }
        for name in measured
    }
    _state_rows(cells, metal, "input", stated)
    for by, moments in _ASSIGNMENTS:
        if moments == "model" and not known:
            continue
        shares = {
            name: below(rows[name], f"metals.{name}.{metal}.{by}")
            for name, found in measured.items()
            if moments in (None, found["moments"])
        }
        _state_rows(cells, metal, by, shares)
    for name, found in own.items():
        cells["share of flagged centers"][name] = found["flagged"]
    return cells


def _family_rows(metal: str, rows: Mapping[str, Rows], names: Iterable[str]) -> Cells:
    """Shares of Schindler's labels."""
    cells: Cells = defaultdict(dict)
    for name in names:
        for family, row in below(rows[name], f"metals.{name}.{metal}.label").items():
            cells[f"share of {family}"][name] = row
    return cells


def _state_rows(cells: Cells, metal: str, by: str, shares: Mapping[str, Mapping[str, Quantity]]) -> None:
    """One row per state in `shares`, {structure: {state: share}}; a state that a structure lacks has no share in it."""
    labels = {state: row.label for own in shares.values() for state, row in own.items()}
    for state, label in sorted(labels.items()):
        ion = f"{metal}{state}+"
        for name, own in shares.items():
            if own:
                none = Quantity(f"metals.{name}.{metal}.{by}.{state}", label, 0.0, "1", note=NONE_FOUND, subject=name)
                cells[label.replace(ion, ion_text(ion))][name] = own.get(state, none)


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
