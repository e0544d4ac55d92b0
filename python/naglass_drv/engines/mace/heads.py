"""The training heads of a MACE model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Head:
    """One training head: its place, energies per element (eV) and the linear map of its readout."""

    name: str
    index: int
    atomic_energies: list[float]
    scale: float
    shift: float


def choose_heads(model: torch.nn.Module, names: list[str]) -> list[Head]:
    """The heads of these names, or the only one; InputError naming those that the model has."""
    heads = list(getattr(model, "heads", None) or ["Default"])
    if not names and len(heads) > 1:
        raise InputError(f"the model has several heads; choose from {', '.join(heads)}")
    for k, name in enumerate(names):
        if name not in heads:
            raise InputError(f"head {name!r}: must be one of {', '.join(heads)}")
        if name in names[:k]:
            raise InputError(f"head {name!r}: given twice")
    return [_head(model, name, heads.index(name)) for name in names or heads]


def _head(model: torch.nn.Module, name: str, index: int) -> Head:
    import torch

    energies = torch.atleast_2d(model.atomic_energies_fn.atomic_energies)[index].double().tolist()
    scale, shift = 1.0, 0.0
    if hasattr(model, "scale_shift"):
        scale = float(torch.atleast_1d(model.scale_shift.scale)[index])
        shift = float(torch.atleast_1d(model.scale_shift.shift)[index])
    return Head(name, index, energies, scale, shift)
