"""Sections on the labels, the dataset and the model."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..chemistry.level import Level, moments_by
from ..dataset.taught import LEAST_SQUARES, told
from ..products import Quantity
from ..wording import counted
from . import figures_model, fine_tuning
from .material import Material
from .moments import moment_errors
from .numbers import Figure, Notice, Section, Table
from .spins import spin_states

LEVELS = {
    "gfn1-xtb": "GFN1-xTB, unrestricted (semi-empirical tight binding)",
    "pbe+u+d3": "PBE+U with D3(BJ) dispersion (density-functional theory)",
}
_ERRORS = {
    "energy_rmse_meV_per_atom": ("energy RMSE", "meV/atom"),
    "energy_mae_meV_per_atom": ("energy MAE", "meV/atom"),
    "forces_rmse_meV_per_A": ("force RMSE", "meV/Å"),
    "forces_mae_meV_per_A": ("force MAE", "meV/Å"),
    "stress_rmse_meV_per_A3": ("stress RMSE", "meV/Å³"),
    "stress_mae_meV_per_A3": ("stress MAE", "meV/Å³"),
}
_CURVES = {
    "loss": ("Loss, training", "loss (arbitrary units)"),
    "test_energy_rmse_meV_per_atom": ("Energy, test", "RMSE (meV/atom)"),
    "test_forces_rmse_meV_per_A": ("Forces, test", "RMSE (meV/Å)"),
}


def labels(material: Material) -> Section | None:
    """Labels: how many, at which level, and every frame that was not admitted, with the reason."""
    sets = material.input.get("reference") or []
    if not sets:
        return None
    levels = [level_of(item) for item in sets]
    computed = [level.title for level in levels if not level.is_potential]
    section = Section("First-principles labels" if len(computed) == len(sets) else "Labels", "labels")
    rejected = {item["name"]: _rejected(material, item["name"]) for item in sets}
    section.add(
        Table(
            ("set", "level of theory", "admitted", "not admitted", "largest metal moment", "smallest"),
            [_set_row(material, item, len(rejected[item["name"]])) for item in sets],
            "Isolated atoms are not counted. Sets at different levels are never mixed. "
            + (f"Moments are {moments_by(computed, 'Mulliken spins')}. " if computed else "")
            + ("Frames labeled by a potential have none. " if len(computed) < len(sets) else ""),
        )
    )
    section.add(*spin_states(material, sets))
    rows = [
        [name, str(entry.get("frame", "")), str(entry.get("failure", "")), str(entry.get("message", ""))]
        for name, entries in rejected.items()
        for entry in entries
    ]
    if rows:
        section.add(
            Notice("note", f"{counted(len(rows), 'frame')} failed a check and will not be trained on."),
            Table(("set", "frame", "check", "reason"), rows),
        )
    else:
        checks = "SCF converged, small net force, spin as requested" if computed else "small net force"
        section.add(f"Every frame passed the checks ({checks}).")
    return section


def level_of(item: Mapping[str, Any]) -> Level:
    """The level of a set, as run.yaml has it."""
    return Level.model_validate_json(json.dumps(item["level"]))


def described(level: Level) -> str:
    """A level in words."""
    return f"{level.title} (interatomic potential)" if level.is_potential else LEVELS.get(level.name, level.name)


def _rejected(material: Material, name: str) -> list[Mapping[str, Any]]:
    role = f"reference/{name}/rejected"
    return material.json(role) if material.has(role) else []


def _set_row(material: Material, item: Mapping[str, Any], rejected: int) -> list:
    from ..chemistry.ions import TRANSITION_METALS
    from ..dataset.frames import read_frames

    name, role = item["name"], f"reference/{item['name']}/admitted"
    frames = [frame for frame in read_frames(material.files[role]) if len(frame) > 1] if material.has(role) else []
    moments = [
        abs(moment)
        for frame in frames
        if "REF_spin_mulliken" in frame.arrays
        for symbol, moment in zip(frame.symbols, frame.arrays["REF_spin_mulliken"], strict=True)
        if symbol in TRANSITION_METALS
    ]
    return [
        name,
        described(level_of(item)),
        Quantity(f"labels.{name}.admitted", f"frames of set {name} admitted", len(frames), "1"),
        Quantity(f"labels.{name}.rejected", f"frames of set {name} not admitted", rejected, "1"),
        *(
            Quantity(
                f"labels.{name}.moment_{which}", f"{which} moment of a metal, set {name}", float(pick(moments)), "µB"
            )
            if moments
            else "none"
            for which, pick in (("largest", max), ("smallest", min))
        ),
    ]


def dataset(material: Material) -> Section | None:
    """The training and test data of the model."""
    if not material.has("dataset/summary"):
        return None
    summary = material.json("dataset/summary")
    section = Section("Dataset", "dataset")
    rows = []
    for part in ("train", "test"):
        spread = summary.get(part)
        if not spread:
            continue
        key = f"dataset.{part}"
        rows.append(
            [
                part,
                Quantity(f"{key}.frames", f"{part} frames", spread["frames"], "1"),
                Quantity(f"{key}.groups", f"{part} groups", len(spread["groups"]), "1"),
                Quantity(f"{key}.forces_rms", f"root mean square force, {part}", spread["forces_rms_eV_per_A"], "eV/Å"),
                Quantity(f"{key}.forces_largest", f"largest force, {part}", spread["forces_largest_eV_per_A"], "eV/Å"),
                Quantity(f"{key}.shortest", f"shortest distance, {part}", spread["shortest_distance_A"], "Å"),
                ", ".join(f"{name} ({count})" for name, count in spread["compositions"].items()),
            ]
        )
    section.add(
        Table(("part", "frames", "groups", "rms force", "largest force", "shortest distance", "compositions"), rows),
        f"Level {summary['level']}. {summary.get('split') or ''}",
    )
    if flagged := summary.get("spin_flagged"):
        text = f"{counted(len(flagged), 'frame')} left out because the spin state does not match the composition"
        section.add(Notice("note", f"{text}: {', '.join(sorted({entry['flag'] for entry in flagged}))}."))
    if repeated := summary.get("repeated"):
        energy, force = repeated["energy_meV_per_atom"], repeated["forces_meV_per_A"]
        section.add(
            f"{counted(repeated['frames'], 'frame')} labeled more than once: energies differ by at most "
            f"{energy:.2g} meV/atom, force components by {force:.2g} meV/Å. The first label is kept."
        )
    word = "single-atom" if summary.get("E0", {}).get("from") == LEAST_SQUARES else "isolated-atom"
    energies = [
        [element, Quantity(f"dataset.E0.{element}", f"{word} energy of {element}", energy, "eV")]
        for element, energy in summary.get("E0_eV", {}).items()
    ]
    if origin := summary.get("E0"):
        section.add(f"{told(origin)}.")
    section.add(Table(("element", f"{word} energy"), energies))
    return section


def model(material: Material) -> Section | None:
    """Errors of the model relative to its labels, parity plots, and the training curves."""
    if not material.has("model/summary"):
        return None
    summary = material.json("model/summary")
    section = Section("Model", "model")
    measured = {part: numbers for part, numbers in summary["errors"].items() if numbers}
    if "test" not in measured:
        section.add(Notice("bad", "No frame was held out: the errors below are those of the training frames."))
    section.add(
        f"MACE potential, {summary['parameters']} parameters, r_max {summary['r_max_A']:g} Å, "
        f"{counted(summary['epochs'], 'epoch')}, "
        + (f"fine-tuned from {summary['start_model']}." if summary.get("start_model") else "trained from scratch."),
        _error_table(measured),
    )
    if facts := summary.get("fine_tuning"):
        section.add(fine_tuning.origin(facts), fine_tuning.errors(summary))
    arrays = {
        part: material.arrays(f"model/parity-{part}")
        for part in ("train", "test")
        if material.has(f"model/parity-{part}")
    }
    if arrays:
        section.add(_parity_figure(arrays))
    moments = summary.get("moments")
    if moments:
        section.add(*moment_errors(moments, summary.get("level", "")))
    history = _history(summary.get("epoch_history") or [])
    if history:
        caption = "Training curves: loss on the training frames, errors on the held-out frames."
        section.add(Figure("training", figures_model.training_curve(history), caption))
    return section


def test_error(material: Material) -> tuple[str, float, float | None] | None:
    """Which frames, force RMSE (meV/Å) and its error as the main result of the model, or None without a model."""
    if not material.has("model/summary"):
        return None
    measured = material.json("model/summary")["errors"]
    part = "test" if measured.get("test") else "train"
    numbers = measured[part]
    return part, numbers["forces_rmse_meV_per_A"], numbers.get("forces_rmse_meV_per_A_err")


def _error_table(measured: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for key, (label, unit) in _ERRORS.items():
        row = [
            Quantity(f"model.{part}.{key}", f"{label}, {part}", numbers[key], unit, numbers.get(f"{key}_err"))
            for part, numbers in measured.items()
            if key in numbers
        ]
        if len(row) == len(measured):
            rows.append([label, *row])
    elements = dict.fromkeys(e for numbers in measured.values() for e in numbers["forces_rmse_meV_per_A_by_element"])
    for element in elements:
        row = [
            Quantity(f"model.{part}.forces_rmse.{element}", f"force RMSE on {element}, {part}", by[element], "meV/Å")
            if element in (by := numbers["forces_rmse_meV_per_A_by_element"])
            else "none"
            for part, numbers in measured.items()
        ]
        rows.append([f"force RMSE on {element}", *row])
    head = [f"{part} ({counted(numbers['frames'], 'frame')})" for part, numbers in measured.items()]
    return Table(("error relative to the labels", *head), rows, "± is one standard error by bootstrap over frames.")


def _parity_figure(arrays: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    from ase.data import chemical_symbols

    energies = {
        part: (data["energy_label_eV_per_atom"], data["energy_model_eV_per_atom"]) for part, data in arrays.items()
    }
    shown = "test" if "test" in arrays else "train"
    data = arrays[shown]
    forces = {
        chemical_symbols[z]: (
            data["forces_label_eV_per_A"][data["numbers"] == z],
            data["forces_model_eV_per_A"][data["numbers"] == z],
        )
        # most frequent element first, so that it does not cover the others
        for z in sorted(np.unique(data["numbers"]), key=lambda z: -(data["numbers"] == z).sum())
    }
    return Figure("parity", figures_model.parity(energies, forces, shown), "Model versus labels.")


def _history(records: list[Mapping[str, Any]]) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """Epochs and values of each quantity; the errors on held-out frames are evaluated only at some epochs."""
    curves = {}
    for key, title in _CURVES.items():
        points = [(record["epoch"], record[key]) for record in records if key in record]
        if len(points) > 1:
            epochs, values = np.array(points, dtype=float).T
            curves[title] = epochs, values
    return curves
