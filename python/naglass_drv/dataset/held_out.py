"""Frames that a model was not trained on: neither as such, nor any of their group."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .frames import structure_digest

if TYPE_CHECKING:
    from ase import Atoms


def held_out(frames: Sequence["Atoms"], trained: Sequence["Atoms"]) -> list["Atoms"]:
    """Those of `frames` that share neither structure nor group with any of `trained`."""
    structures = {structure_digest(frame) for frame in trained}
    groups = {frame.info["group"] for frame in trained if "group" in frame.info}
    return [
        frame for frame in frames if structure_digest(frame) not in structures and frame.info.get("group") not in groups
    ]
