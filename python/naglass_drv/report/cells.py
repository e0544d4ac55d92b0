"""The cells that a loop of learning labels in place of large frames: how many were accepted, and why others not."""

from collections.abc import Mapping
from typing import Any

from ..products import Quantity
from .material import Material
from .numbers import Table

_NONE = "\N{EN DASH}"


def accepted(material: Material, number: str) -> str | Quantity:
    """How many cells of a round were accepted, of those that were tried."""
    outcomes = _outcomes(material, number)
    if not outcomes:
        return _NONE
    good = sum(outcome["accepted"] for outcome in outcomes)
    return Quantity(f"rounds.{number}.cells", f"cells of round {number}, of {len(outcomes)} tried", good, "1")


def table(material: Material) -> Table | None:
    """Every center of all rounds, with what came of it; None without cells."""
    rows = [
        [number, outcome["frame"], _center(outcome), str(outcome["tries"]), *_distances(number, outcome)]
        for number in material.names("rounds", "cells")
        for outcome in _outcomes(material, number)
    ]
    if not rows:
        return None
    return Table(
        ("round", "frame", "atom", "tries", "center", "core", "outcome"),
        rows,
        "Large frames are labeled as small cells around uncertain atoms, of which all but the surroundings is melted "
        "and quenched anew. Center and core: how far the descriptors of the center, and on average those of its "
        "surroundings, are from what they were in the frame, as shares of the median distance between two atoms of the "
        "element. A cell is accepted if both are below 1.",
    )


def _outcomes(material: Material, number: str) -> list[Mapping[str, Any]]:
    role = f"rounds/{number}/cells"
    return material.json(role) if material.has(role) else []


def _center(outcome: Mapping[str, Any]) -> str:
    return f"{outcome['element']} {outcome['center']}" if "center" in outcome else _NONE


def _distances(number: str, outcome: Mapping[str, Any]) -> list[str | Quantity]:
    if not outcome["accepted"]:
        return [_NONE, _NONE, outcome["reason"]]
    name = f"{outcome['frame']}, atom {outcome['center']}"
    key = f"rounds.{number}.cells.{outcome['frame']}-atom{outcome['center']}"
    found = {"core": outcome["embed_core"]}
    if "embed_median" in outcome:
        found["center"] = outcome["embed_distance"] / outcome["embed_median"]
    shown = {
        word: Quantity(f"{key}.{word}", f"descriptor distance of the {word} of {name}, of the median", value, "1")
        for word, value in found.items()
    }
    return [shown.get("center", _NONE), shown["core"], "accepted"]
