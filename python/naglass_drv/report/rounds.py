"""The section on the rounds of a loop of learning: what each has learned from, how good its model is, how it ended."""

from collections.abc import Mapping
from typing import Any

from ..products import Quantity
from . import cells
from .material import Material
from .numbers import Section, Table

_ERRORS = {"energy_rmse_meV_per_atom": ("energy RMSE", "meV/atom"), "forces_rmse_meV_per_A": ("force RMSE", "meV/Å")}


def rounds(material: Material) -> Section | None:
    """One row for each round that has a dataset or a model; nothing without a loop."""
    named = {*material.names("rounds", "dataset"), *material.names("rounds", "model")}
    if not named:
        return None
    section = Section("Rounds of learning", "rounds")
    cut = material.names("rounds", "cells")
    watched = any(role.startswith("rounds/") and "/uncertainty/" in role for role in material.files)
    section.add(
        Table(
            ("round", "training frames", "held-out frames", *(label for label, _ in _ERRORS.values()),
             "stable trajectories", *(["uncertain environments"] if watched else []), *(["cells"] if cut else []),
             "decision"),
            [_row(material, number, watched, bool(cut)) for number in sorted(named, key=int)],
            "The sections below show the last round. Errors are those on the frames that the round has held out, whose "
            "number grows from round to round; where none was held out, those on the training frames, marked as such. "
            "Of a committee they are those of its mean. "
            "Trajectories are those of this system; the decision follows from those of all systems."
            + (" Cells are those cut from frames of the round before." if cut else ""),
        )
    )  # fmt: skip
    if (of_cells := cells.table(material)) is not None:
        section.add(of_cells)
    return section


def _row(material: Material, number: str, watched: bool, cut: bool) -> list[str | Quantity]:
    dataset = material.json(f"rounds/{number}/dataset") if material.has(f"rounds/{number}/dataset") else {}
    model = material.json(f"rounds/{number}/model") if material.has(f"rounds/{number}/model") else {}
    frames = [_frames(number, part, dataset.get(part)) for part in ("train", "test")]
    uncertain = [_uncertain(material, number)] if watched else []
    uncertain += [cells.accepted(material, number)] if cut else []
    ended = material.decisions.get(number, "\N{EN DASH}")
    # of a committee, those of the mean, with which its trajectories ran
    model = material.json(f"rounds/{number}/mean") if material.has(f"rounds/{number}/mean") else model
    return [number, *frames, *_errors(number, model.get("errors", {})), _gate(material, number), *uncertain, ended]


def _frames(number: str, part: str, found: Mapping[str, Any] | None) -> str | Quantity:
    if not found:
        return "none"
    return Quantity(f"rounds.{number}.{part}.frames", f"{part} frames of round {number}", found["frames"], "1")


def _errors(number: str, measured: Mapping[str, Any]) -> list[str | Quantity]:
    part = "test" if measured.get("test") else "train"
    found: Mapping[str, Any] = measured.get(part) or {}
    mark = "" if part == "test" else " (training frames)"
    return [
        Quantity(
            f"rounds.{number}.{part}.{key}",
            f"{label} of round {number}{mark}",
            found[key],
            unit,
            found.get(f"{key}_err"),
        )
        if key in found
        else "\N{EN DASH}"
        for key, (label, unit) in _ERRORS.items()
    ]


def _uncertain(material: Material, number: str) -> str | Quantity:
    """Share of the environments of the trajectories of a round that the committee is uncertain of."""
    found = [material.json(role) for role in material.files if role.startswith(f"rounds/{number}/uncertainty/")]
    if not found:
        return "\N{EN DASH}"
    share = 100.0 * sum(each["uncertain_environments"] for each in found) / sum(each["environments"] for each in found)
    return Quantity(f"rounds.{number}.uncertain", f"uncertain environments of round {number}", share, "%")


def _gate(material: Material, number: str) -> str:
    roles = [role for role in material.files if role.startswith(f"rounds/{number}/gate/")]
    stable = sum(material.json(role)["stable"] for role in roles)
    return f"{stable} of {len(roles)}" if roles else "\N{EN DASH}"
