"""Frame descriptors from a MACE model: its invariant node features, averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from .modelfile import default_dtype
from .spin import invariant_columns, node_features

if TYPE_CHECKING:
    import torch
    from ase import Atoms


def descriptors(model: torch.nn.Module, frames: Sequence[Atoms]) -> np.ndarray:
    """(F, Z·C): for each of the model's Z elements the sum of its atoms' C invariant features, per atom of the frame.

    `model` in float64 on the CPU; labels are not needed. Raises InputError for an element that the model does not know.
    """
    from ase.data import chemical_symbols

    elements = [chemical_symbols[int(z)] for z in model.atomic_numbers]
    unknown = sorted({element for frame in frames for element in frame.symbols} - set(elements))
    if unknown:
        raise InputError(f"the model covers {' '.join(elements)}, but not {', '.join(unknown)} in the frames")
    columns = np.array(invariant_columns(model))
    with default_dtype("float64"):
        rows = [
            (one_hot.numpy().T @ features.numpy()[:, columns]).ravel() / len(one_hot)
            for features, one_hot in node_features(model, frames)
        ]
    return np.array(rows)
