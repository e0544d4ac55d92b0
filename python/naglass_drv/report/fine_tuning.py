"""What a model was fine-tuned from, and what it has learned and forgotten."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..products import Quantity
from ..wording import counted
from .numbers import Table

_SHOWN = {"energy_rmse_meV_per_atom": ("energy RMSE", "meV/atom"), "forces_rmse_meV_per_A": ("force RMSE", "meV/Å")}
_PARTS = {"train": "training", "test": "held-out"}


def origin(facts: Mapping[str, Any]) -> Table:
    """The start model, E0 and replay of a fine-tuned model (`fine_tuning` of its summary)."""
    heads = facts["heads_of_file"]
    chosen = f", head {facts['head']} of {', '.join(heads)}" if len(heads) > 1 else ""
    rows: list[list[Any]] = [
        ["start model", f"{facts['file']}{chosen}"],
        ["SHA-256 of its file", facts["sha256"]],
        ["isolated-atom energies", "those of the dataset" if facts["E0"] == "dataset" else "those of the start model"],
    ]
    if facts["dropped_elements"]:
        rows.append(["elements left out of it", ", ".join(facts["dropped_elements"])])
    if facts.get("shift_eV_per_atom"):
        what, note = "shift of the energies before training", "a least-squares fit to the training frames"
        rows.append([what, Quantity("model.shift", what, facts["shift_eV_per_atom"], "eV/atom", note=note)])
    rows += [["replay", _replay(facts["replay"])]] if "replay" in facts else [["replay", "none"]]
    return Table(("", ""), rows)


def _replay(facts: Mapping[str, Any]) -> str:
    structures = facts["file"] or "the structures of the dataset"
    labels = f"labels of level {facts['level']}" if facts["level"] else "labeled by the start model"
    text = f"{counted(facts['frames'], 'frame')} of {structures}, {labels}, weight {facts['weight']:g}"
    if facts["left_out"]:
        text += f"; {counted(facts['left_out'], 'frame')} with other elements left out"
    return text


def errors(summary: Mapping[str, Any]) -> Table:
    """Errors before and after the training, on the frames of the dataset and on those that were replayed."""
    facts = summary["fine_tuning"]
    rows = [
        [label, *(_cell(key, error, unit, what, found) for error, (what, unit) in _SHOWN.items() for found in both)]
        for key, label, both in _pairs(summary["errors"], facts)
    ]
    head = [f"{what}, {when}" for what, _ in _SHOWN.values() for when in ("before", "after")]
    note = (
        "Before: the start model with the isolated-atom energies and the shift above. Replayed frames are evaluated by "
        "the head that is trained on them. ± is one standard error by bootstrap over frames."
    )
    return Table(("frames", *head), rows, note)


def _pairs(after: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[tuple[str, str, list[tuple[str, Any]]]]:
    """Key, label, and errors before and after, of each part that has frames."""
    before = facts["errors_before"]
    groups = [("", "of the dataset", before, after)]
    if "replay" in facts:
        groups.append(("replay.", "replayed", before["replay"], facts["replay"]["errors"]))
    for prefix, what, first, last in groups:
        for part, label in _PARTS.items():
            if first.get(part) and last.get(part):
                name = f"{label} frames {what} ({last[part]['frames']})"
                yield f"{prefix}{part}", name, [("before", first[part]), ("after", last[part])]


def _cell(part: str, error: str, unit: str, what: str, found: tuple[str, Mapping[str, Any]]) -> Quantity:
    when, numbers = found
    key = f"model.tuning.{part}.{when}.{error}"
    return Quantity(key, f"{what}, {part}, {when} fine-tuning", numbers[error], unit, numbers.get(f"{error}_err"))
