"""What the page says of a model's readout of moments: its errors, and whether it tells oxidation states apart."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..analysis.redox import MOMENT, moment_word
from ..chemistry.level import OCCUPATIONS, is_tight_binding
from ..chemistry.notation import ion_text
from ..products import Quantity
from .material import Material
from .numbers import Notice, Table

_PARTS = {"test": "held-out groups", "train": "training frames"}
NO_DYNAMICS = (
    "The potential was fitted without labels of states: it follows the average of the states that its frames had, so "
    "that nothing here is a claim about how they exchange in time."
)


def moment_errors(moments: Mapping[str, Any], level: str) -> list[str | Table | Notice]:
    """Errors of the magnetic-moment readout, by element and by oxidation state."""
    parts = {part: found for part, found in moments["errors_muB"].items() if found}
    names = dict.fromkeys(
        name
        for found in parts.values()
        for element, entry in found.items()
        for name in (element, *entry.get("by_state", {}))
    )
    rows = []
    for name in names:
        row: list[Any] = [name]
        for part, found in parts.items():
            flat = {key: value for entry in found.values() for key, value in entry.get("by_state", {}).items()}
            entry = (found | flat).get(name)
            row.append(
                Quantity(
                    f"model.{part}.moment_rmse.{name}",
                    f"RMSE of |moment| of {name}, {part}",
                    entry["rmse_muB"],
                    "µB",
                    entry["rmse_muB_err"],
                )
                if entry
                else "none"
            )
            row.append(f"{100 * entry['agreement']:.0f} %" if entry and "agreement" in entry else "")
        rows.append(row)
    head = [word for part in parts for word in (f"RMSE, {part}", f"same state, {part}")]
    labels = f"The labels are {OCCUPATIONS}. " if is_tight_binding(level) else ""
    text = (
        f"Magnetic moments: a {moments['kind']} readout of the frozen potential's features predicts |moment| per atom, "
        f"but neither its sign nor the spin order. {labels}States are those with the closest high-spin moment; "
        "± is one standard error by bootstrap over groups."
    )
    return [text, Table(("atoms", *head), rows), *_states(parts)]


def _states(parts: Mapping[str, Mapping[str, Any]]) -> Iterator[str | Table | Notice]:
    """Per transition metal: regression to the mean, the states by label and by prediction, and a verdict."""
    part = "test" if "test" in parts else "train"
    for metal, entry in parts[part].items():
        if "confusion" not in entry:
            continue
        yield _confusion(metal, entry, part)
        if not entry["separates"]:
            yield Notice("note", f"{entry['why_not']} on {_PARTS[part]}.", f"States of {metal} undetermined:")
    if any("confusion" in entry for entry in parts[part].values()):
        yield NO_DYNAMICS


def _confusion(metal: str, entry: Mapping[str, Any], part: str) -> Table:
    names, counts = entry["confusion"]["states"], entry["confusion"]["counts"]
    seen = [k for k in range(len(names)) if any(counts[k]) or any(row[k] for row in counts)]
    rows = [[f"{ion_text(names[i])} by label", *(str(counts[i][j]) for j in seen)] for i in seen]
    (low, high), (least, most) = entry["labels_muB"], entry["predictions_muB"]
    slope = "" if entry["slope"] is None else f"; the slope of prediction on label is {entry['slope']:.2f}"
    caption = (
        f"Atoms of the {_PARTS[part]} by the state nearest to their moment. The labels lie between {low:.2f} and "
        f"{high:.2f} µB (5th to 95th percentile), the predictions between {least:.2f} and {most:.2f} µB{slope}. A "
        "slope below 1 is regression to the mean."
    )
    return Table((metal, *(f"{ion_text(names[j])} by prediction" for j in seen)), rows, caption)


def states_told(told: Mapping[str, Mapping[str, str]]) -> str:
    """How the states of metals in a trajectory are told, from `analysis.redox.how_told`, and what they do not tell."""
    if not told:
        return ""
    sentences = []
    for metal, how in told.items():
        if how["by"] == MOMENT:
            word = how["moments"] if moment_word(how["moments"]) != "moment" else "moments"
            sentences.append(f"States of {metal} are told by the {word} that the model predicts.")
        else:
            sentences.append(f"States of {metal} are told by bond valence: {how['why']}.")
    return " ".join([*sentences, NO_DYNAMICS])


def undetermined(material: Material, metal: str) -> str:
    """Why the model's moments of a metal do not tell its states apart; empty if they do, or nothing is known of it."""
    if not material.has("model/summary") or (material.input.get("md") or {}).get("model", "train") != "train":
        return ""
    moments = material.json("model/summary").get("moments") or {}
    entry = ((moments.get("errors_muB") or {}).get("test") or {}).get(metal) or {}
    return "" if entry.get("separates", True) else str(entry["why_not"])
